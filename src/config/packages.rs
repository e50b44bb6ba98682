//! `[packages]`: whose packages this gateway takes.

use super::{
    raw,
    typed::{At, Reader},
};
use crate::sync::topic::is_name;
use std::path::{Path, PathBuf};

/// Keys trusted at once: a new one is brought in before the old one goes.
const MOST_KEYS: usize = 4;

/// What headquarters may roll out here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// The chain whose packages are taken; `None`: none are.
    pub chain: Option<String>,
    /// The public keys that may have signed them.
    pub keys: Vec<KeyFile>,
}

/// A key's file, and the line of the configuration that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    pub path: PathBuf,
    pub line: usize,
}

pub(super) fn packages((line, typed): (usize, raw::Packages), reader: &mut Reader<'_>, base: &Path) -> Packages {
    let chain = typed.chain.filter(|at| !at.value.is_empty()).and_then(|at| {
        let sound = is_name(&at.value);
        if !sound {
            let what = format!("{:?} cannot be a chain's name; use a-z, 0-9 and '-', at most 60 characters", at.value);
            reader.complain_at(&at, what);
        }
        sound.then_some(at.value)
    });
    let mut keys: Vec<KeyFile> = Vec::new();
    for At { value, line, key } in typed.keys.map_or_else(Vec::new, |at| at.value) {
        let path = base.join(&value);
        if value.is_empty() {
            reader.complain(line, &key, "is empty; name a PEM file with an Ed25519 public key, as chain.pem");
        } else if keys.iter().any(|known| known.path == path) {
            reader.complain(line, &key, format!("{value} stands twice"));
        } else if keys.len() == MOST_KEYS {
            reader.complain(
                line,
                &key,
                format!("at most {MOST_KEYS} keys are trusted; take out one that is used no more"),
            );
        } else {
            keys.push(KeyFile { path, line });
        }
    }
    if chain.is_some() && keys.is_empty() && !reader.complained("packages.keys") {
        reader.missing(
            line,
            "packages.keys",
            "name 1 to 4 PEM files with the chain's public keys, or leave chain empty",
        );
    }
    Packages { chain, keys }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(packages: &str) -> Result<Packages, String> {
        let text = format!(
            "[store]\nid = \"s\"\ngateway = \"g\"\ndata = \"d\"\n[[station]]\nid = \"c\"\n[packages]\n{packages}"
        );
        Config::parse(&text, "g.toml", Path::new("/etc")).map(|config| config.packages).map_err(|e| e.to_string())
    }

    #[test]
    fn a_chain_has_keys_and_without_a_chain_nothing_is_taken() {
        let found = parse("chain = \"qinghe\"\nkeys = [\n\"chain.pem\",\n\"/k/next.pem\"]").unwrap();
        let key = |path: &str, line| KeyFile { path: path.into(), line };
        let keys = vec![key("/etc/chain.pem", 10), key("/k/next.pem", 11)];
        assert_eq!(found, Packages { chain: Some("qinghe".to_owned()), keys });
        assert_eq!(parse("").unwrap(), Packages::default());
        assert_eq!(parse("chain = \"\"\nkeys = [\"a.pem\"]").unwrap().chain, None, "switched off, its key kept");
    }

    #[test]
    fn every_mistake_is_said_with_its_line() {
        for (text, said) in [
            ("chain = \"Qing He\"", "g.toml:8: packages.chain: \"Qing He\" cannot be a chain's name"),
            ("chain = \"qinghe\"", "packages.keys: is missing; name 1 to 4 PEM files"),
            ("chain = \"qinghe\"\nkeys = []", "packages.keys: is missing"),
            ("chain = \"qinghe\"\nkeys = [\"\"]", "g.toml:9: packages.keys: is empty"),
            ("chain = \"q\"\nkeys = [\"a\", \"a\"]", "a stands twice"),
            ("chain = \"q\"\nkeys = [\"a\", \"b\", \"c\", \"d\", \"e\"]", "at most 4 keys are trusted"),
            ("key = []", "did you mean keys?"),
        ] {
            let complaints = parse(text).unwrap_err();
            assert!(complaints.contains(said), "{text}: {complaints}");
        }
    }
}

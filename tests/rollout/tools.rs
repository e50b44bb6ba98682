//! `skinlink-hq package` on the machine of whoever signs: no headquarters, no database.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

struct Desk(tempfile::TempDir);

impl Desk {
    /// With a pair of keys.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        fs::write(desk.path("passphrase"), "twelve letters or more\n").expect("a file");
        let (made, said) = desk.run(&["key", "packages", "--passphrase-file", "passphrase"]);
        assert!(made, "{said}");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let out = Command::new(env!("CARGO_BIN_EXE_skinlink-hq"))
            .arg("package")
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        (out.status.success(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    }

    fn sign(&self, from: &str, into: &str) -> (bool, String) {
        let key = ["--key", "packages.key", "--passphrase-file", "passphrase", "--chain", "qinghe", "--version", "3"];
        self.run(&[&["sign", from, "--into", into][..], &key].concat())
    }

    fn refused(&self, from: &str, why: &str) {
        let (done, said) = self.sign(from, "refused.package");
        assert!(!done && said.contains(why), "{from}: {said}");
        assert!(!self.path("refused.package").exists(), "nothing was written");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a file");
        }
    }
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn a_key_is_encrypted_its_owner_s_alone_and_never_overwritten() {
    let desk = Desk::new();
    let private = fs::read_to_string(desk.path("packages.key")).expect("the key");
    assert!(private.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{private}");
    let mode = fs::metadata(desk.path("packages.key")).expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (made, said) = desk.run(&["key", "packages", "--passphrase-file", "passphrase"]);
    assert!(!made && said.contains("packages.key"), "{said}");
    assert_eq!(fs::read_to_string(desk.path("packages.key")).expect("the key"), private);
    fs::write(desk.path("short"), "eleven char").expect("a file");
    let (made, said) = desk.run(&["key", "other", "--passphrase-file", "short"]);
    assert!(!made && said.contains("fewer than 12") && !desk.path("other.key").exists(), "{said}");
    let (made, said) = desk.run(&["key", "other"]);
    assert!(!made && said.contains("--passphrase-file"), "without a terminal: {said}");
}

#[test]
fn what_no_gateway_could_use_is_not_signed_and_a_signed_one_is_shown() {
    let desk = Desk::new();
    let model = desk.path("model");
    copy(&shipped("models/pores-dog"), &model);
    let (done, said) = desk.sign("model", "pores.package");
    assert!(done && said.contains("model/pores-dog 3"), "{said}");
    let (_, shown) = desk.run(&["show", "pores.package", "--key", "packages.pub"]);
    assert!(shown.contains(", whole\n") && shown.contains("golden/rendered-bare.png"), "{shown}");
    let (_, shown) = desk.run(&["show", "pores.package"]);
    assert!(shown.contains("NOT SIGNED"), "{shown}");
    let (again, said) = desk.sign("model", "pores.package");
    assert!(!again && said.contains("pores.package"), "{said}");
    assert!(desk.run(&["show", "passphrase"]).1.contains("no package"));

    fs::write(desk.path("wrong"), "another passphrase").expect("a file");
    let wrong = ["sign", "model", "--into", "refused.package", "--key", "packages.key", "--passphrase-file", "wrong"];
    let (done, said) = desk.run(&[&wrong[..], &["--chain", "qinghe", "--version", "3"]].concat());
    assert!(!done && said.contains("does not open this key") && !said.contains("make one"), "{said}");
    // Each half in the place of the other: said, and its passphrase asked for by nobody.
    let public =
        ["sign", "model", "--into", "refused.package", "--key", "packages.pub", "--passphrase-file", "passphrase"];
    let (done, said) = desk.run(&[&public[..], &["--chain", "qinghe", "--version", "3"]].concat());
    assert!(!done && said.contains("this is the public half"), "{said}");
    let (done, said) = desk.run(&["show", "pores.package", "--key", "packages.key"]);
    assert!(!done && said.contains("name its public half"), "{said}");

    fs::remove_file(model.join("golden/rendered-bare.toml")).expect("a file");
    desk.refused("model", "golden/rendered-bare.toml is not there");
    fs::write(model.join("model.onnx"), "another").expect("a file");
    desk.refused("model", "not the file whose digest the manifest names");
    fs::write(model.join("manifest.toml"), "schema = 1\n").expect("a file");
    desk.refused("model", "manifest.toml");
    fs::remove_file(model.join("manifest.toml")).expect("a file");
    desk.refused("model", "no manifest.toml");
    fs::write(desk.path("suggestions.toml"), "schema = 1\n[[suggestion]]\nid = 7\n").expect("a file");
    desk.refused("suggestions.toml", "suggestions.toml");
    fs::write(desk.path("settings.toml"), "= no toml").expect("a file");
    desk.refused("settings.toml", "settings.toml");
    // Signed and taken in once, and refused by every gateway of the pilot.
    fs::write(desk.path("settings.toml"), "[scan]\nrepeats = 5\n[report]\nstore_name = \"Mine\"\n").expect("a file");
    desk.refused("settings.toml", "store_name");
    fs::write(desk.path("settings.toml"), "[scan]\nrepeats = 12\n").expect("a file");
    desk.refused("settings.toml", "repeats");
    desk.refused("passphrase", "neither a model's folder");
    desk.refused("nowhere", "nowhere");
    for rules in ["suggestions.toml", "treatments.toml"] {
        fs::copy(shipped("config").join(rules), desk.path(rules)).expect("a shipped file");
        let (done, said) = desk.sign(rules, &format!("{rules}.package"));
        assert!(done, "{said}");
    }
    fs::write(desk.path("settings.toml"), "[scan]\nrepeats = 5\n").expect("a file");
    let (done, said) = desk.sign("settings.toml", "settings.package");
    assert!(done, "{said}");
}

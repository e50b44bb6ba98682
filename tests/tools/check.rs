//! What an installer's mistakes look like in `skinlink check`, which must say them before the gateway does.

use super::{
    devices::configuration,
    program::{LIMIT, ended, skinlink},
};
use skinlink::store::{Options, Store, StoreKey};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

fn table(config: &str) -> String {
    let (code, table, stderr) = ended(&mut skinlink(&["check", "--config", config]));
    assert_eq!(code, 1, "{table}{stderr}");
    table
}

fn everything_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

#[test]
fn another_stores_key_is_found_without_touching_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = (configuration(folder.path(), ""), folder.path().join("data"));
    let key_file = data.join("store.key");
    let key = StoreKey::load_or_create(&key_file, &data).unwrap();
    let options = Options { data: data.clone(), key, source: "skinlink://s/s-g1".to_owned(), min_free: 0, readers: 1 };
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let closed = tokio.block_on(async { Store::open(options).unwrap().close(LIMIT).await });
    assert!(closed, "the log is folded into the file");
    let right = fs::read_to_string(&key_file).unwrap();
    let (_, table_of_it, _) = ended(&mut skinlink(&["check", "--config", &config]));
    assert!(table_of_it.contains("opens the database"), "{table_of_it}");

    fs::write(&key_file, "0123456789abcdef".repeat(4)).unwrap();
    let before = everything_in(&data);
    let found = table(&config);
    assert!(found.contains("does not open") && found.contains("escrow"), "{found}");
    assert_eq!(everything_in(&data), before, "nothing is changed and nothing made");

    fs::write(&key_file, right).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).unwrap();
    let found = table(&config);
    assert!(found.contains("can be read by others") && found.contains("chmod 600"), "{found}");
}

#[test]
fn a_data_folder_that_is_a_file_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), "");
    fs::write(folder.path().join("data"), "").unwrap();
    let found = table(&config);
    assert!(found.contains("is a file") && found.contains("correct store.data"), "{found}");
}

#[test]
fn a_misspelt_protocol_is_answered_with_the_one_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let block = "[[device]]\nstation = \"chair-1\"\nprotocol = \"derma-referense\"\npath = \"/dev/null\"\n";
    let found = table(&configuration(folder.path(), block));
    assert!(found.contains("did you mean derma-reference?"), "{found}");
}

/// The story of a pen whose protocol names a metric that the house's list lacks: its values lay in nobody's hands, and nothing said so.
#[test]
fn a_protocol_in_use_that_measures_what_the_house_does_not_know_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let known = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/metrics.toml")).unwrap();
    let config = configuration(
        folder.path(),
        "[[device]]\nstation = \"chair-1\"\nprotocol = \"optris-ct\"\npath = \"/dev/null\"\n",
    );
    let row = |metrics: &str| {
        fs::write(folder.path().join("metrics.toml"), metrics).unwrap();
        let text = fs::read_to_string(&config).unwrap();
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/config/metrics.toml");
        fs::write(&config, text.replace(ours, "metrics.toml")).unwrap();
        table(&config).lines().find(|line| line.starts_with("protocol optris-ct ")).map(str::to_owned)
    };
    assert_eq!(row(&known), None);
    let without = known.replace("id = \"temperature\"", "id = \"something-else\"");
    let found = row(&without).expect("a row of its own");
    assert!(found.contains("notice") && found.contains("measures temperature, which"), "{found}");
}

/// Behind a proxy that it was not told of the desk takes all customers for one, and one who guesses shuts all out.
#[test]
fn reports_that_only_a_proxy_can_reach_are_noticed_unless_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let row = |more: &str| {
        let block = format!("[report]\nlisten = \"127.0.0.1:0\"\n{more}");
        let (_, table, _) = ended(&mut skinlink(&["check", "--config", &configuration(folder.path(), &block)]));
        table
    };
    let found = row("");
    assert!(found.contains("which no other machine reaches") && found.contains("set behind_proxy = true"), "{found}");
    let found = row("behind_proxy = true\n");
    assert!(found.contains("http://127.0.0.1:0") && !found.contains("no other machine"), "{found}");
}

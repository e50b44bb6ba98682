//! What is wrong with a package itself.

use crate::{
    headquarters::address,
    house::{House, model},
    hq::Package,
};
use skinlink::sync::package::{SigningKey, Slot, Stand};

const SETTINGS: &str = "[scan]\nrepeats = 1\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_a_foreign_an_expired_a_cut_and_an_old_package_is_refused_with_its_sentence() {
    let mut house = House::open().await;
    let slot = Slot::Settings;
    let forged = {
        let chain = std::mem::replace(&mut house.key, SigningKey::generate().unwrap());
        let forged = house.rules(slot.clone(), 1, SETTINGS);
        house.key = chain;
        forged
    };
    let foreign = house.signed(slot.clone(), 2, SETTINGS, |header| header.chain = "elsewhere".into());
    let expired =
        house.signed(slot.clone(), 3, SETTINGS, |header| header.until = Some("2020-01-01T00:00:00.000Z".into()));
    let cut = {
        let whole = house.rules(slot.clone(), 4, SETTINGS).bytes;
        Package::of(slot.clone(), 4, whole[..whole.len() - 3].to_vec())
    };
    let renumbered = {
        let other = house.rules(slot.clone(), 99, SETTINGS).bytes;
        Package::of(slot.clone(), 5, other)
    };
    let elsewhere = {
        let other = house.rules(Slot::Treatments, 6, "schema = 1").bytes;
        Package::of(slot.clone(), 6, other)
    };
    for (package, sentence) in [
        (&forged, "the signature is by none of the keys that are trusted here"),
        (&foreign, "it is for the chain elsewhere, and this gateway belongs to qinghe"),
        (&expired, "it may be taken up to 2020-01-01T00:00:00.000Z only, and that is over"),
        (&cut, "it ends before its files do"),
        (&renumbered, "headquarters announced version 5 of settings, and the package is another one"),
        (&elsewhere, "and the package is another one"),
    ] {
        house.hq.wishes(&[package]).await;
        let told = house.hq.until(&slot, package.wish.version, Stand::Refused).await;
        println!("{}: {}", told.version, told.reason);
        assert!(told.reason.contains(sentence), "{}", told.reason);
    }
    // Announced larger than any package may be, or under a name that is no digest.
    let mut huge = house.rules(slot.clone(), 7, SETTINGS);
    huge.wish.bytes = u64::MAX;
    house.hq.wishes(&[&huge]).await;
    assert!(house.hq.until(&slot, 7, Stand::Refused).await.reason.contains("a package has 1 to"));
    let mut strange = house.rules(slot.clone(), 8, SETTINGS);
    strange.wish.sha256 = "../../etc/passwd".into();
    house.hq.wishes(&[&strange]).await;
    assert!(house.hq.until(&slot, 8, Stand::Refused).await.reason.contains("its digest is no SHA-256"));
    // An old one, once a newer one is in use.
    house.hq.wishes(&[&house.rules(slot.clone(), 20, SETTINGS)]).await;
    house.hq.until(&slot, 20, Stand::Used).await;
    house.hq.wishes(&[&house.rules(slot.clone(), 12, "[scan]\nrepeats = 9\n")]).await;
    let told = house.hq.until(&slot, 12, Stand::Refused).await;
    assert!(
        told.reason.contains("version 12 of settings is not newer than version 20, which is in use"),
        "{}",
        told.reason
    );
    assert!(house.hq.of(&slot, 20).is_some_and(|one| one.stand == Stand::Used), "what is used goes on");
    assert!(house.hq.of(&model(), 1).is_none());
    house.stops().await;
    assert_eq!(house.shelf().len(), 2, "of all of them only what is in use lies here: {:?}", house.shelf());
    assert_eq!(house.hq.desk().hellos.last().unwrap().version, env!("CARGO_PKG_VERSION"), "{}", address().gateway);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_complain_and_rules_that_contradict_are_refused_with_the_complaints() {
    let house = House::open().await;
    let rules = std::fs::read_to_string(crate::house::project().join("config/suggestions.toml")).unwrap();
    let first = rules.split("[[suggestion]]").nth(1).unwrap();
    let twice = format!("{rules}\n[[suggestion]]{first}");
    let mut version = 0;
    for (slot, text, sentences) in [
        (
            Slot::Settings,
            "[scan]\nrepeats = 12\nrepeat = 1",
            &[
                "settings.toml:2: scan.repeats: 12 is outside 1 to 9",
                "settings.toml:3: scan.repeat: no such key; did you mean repeats?",
            ][..],
        ),
        (Slot::Settings, "[mqtt]\nhost = \"evil.example\"", &["settings.toml:1: mqtt: no such key"]),
        // Every store of the chain was once given the one name.
        (
            Slot::Settings,
            "[report]\nstore_name = { zh = \"清和\", en = \"Qinghe\" }",
            &["settings.toml:2: report.store_name: is each store's own"],
        ),
        (
            Slot::Settings,
            "[scan]\nmetrics = [\"happiness\"]",
            &["scan.metrics names happiness, which this gateway's metrics do not know"],
        ),
        (Slot::Suggestions, &twice, &["suggestions.toml:", "stands twice"]),
        (Slot::Suggestions, "schema = 9", &["is 9; this gateway reads 1"]),
        (Slot::Treatments, "schema = 1", &["treatments.toml:1: treatment: there is none"]),
    ] {
        version += 1;
        house.hq.wishes(&[&house.rules(slot.clone(), version, text)]).await;
        let told = house.hq.until(&slot, version, Stand::Refused).await;
        println!("{slot} {version}: {}", told.reason);
        for sentence in sentences {
            assert!(told.reason.contains(sentence), "{}", told.reason);
        }
    }
    assert!(house.hq.told().packages.iter().all(|one| one.stand == Stand::Refused), "nothing came into use");
}

//! On its way: a broken line, wrong bytes, a headquarters that was restored.

use crate::house::{House, model};
use skinlink::sync::package::{Slot, Stand};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_over_a_line_that_breaks_goes_on_where_it_was() {
    let house = House::open().await;
    let package = house.model(1, "9.0.1", |name, bytes| match name {
        // Larger, by what a manifest may say: many slices.
        "manifest.toml" => [bytes, vec![b'\n'; 400_000]].concat(),
        _ => bytes,
    });
    let slices = package.bytes.len().div_ceil(45_000);
    house.hq.desk().run = 2;
    house.hq.wishes(&[&package]).await;
    let mut cuts = 0;
    for after in [3, 7, 10] {
        house.hq.until_told("slices", || (house.hq.desk().sent.len() >= after + cuts).then_some(())).await;
        house.headquarters.line.cut();
        cuts += 1;
    }
    house.hq.until(&model(), 1, Stand::Used).await;
    let twice = house.hq.sent_twice();
    println!("{slices} slices, the line cut {cuts} times, {twice} slices sent twice");
    assert!(slices >= 12, "{slices}");
    assert!(twice <= 2 * cuts, "at most what was on its way when the line broke: {twice}");
    // Headquarters takes a hello that asks for slices for one of many, not for a store that has come back: words and orders once waited for
    // minutes then. The first one behind each cut asks for none.
    let desk = house.hq.desk();
    let asks: Vec<bool> =
        desk.hellos.iter().map(|one| one.downlink.as_ref().is_some_and(|held| held.fetch.is_some())).collect();
    let (first, last) = (asks.iter().position(|asks| *asks), asks.iter().rposition(|asks| *asks));
    let between = &asks[first.expect("it asked")..last.expect("it asked")];
    assert!(between.iter().filter(|asks| !**asks).count() >= cuts, "{asks:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_mid_transfer_costs_no_slice_that_was_written() {
    let mut house = House::open().await;
    let package =
        house.model(
            1,
            "9.0.1",
            |name, bytes| if name == "manifest.toml" { [bytes, vec![b'\n'; 400_000]].concat() } else { bytes },
        );
    house.hq.desk().run = 1;
    house.hq.wishes(&[&package]).await;
    let mut kills = 0;
    for after in [2, 5, 9] {
        house.hq.until_told("slices", || (house.hq.desk().sent.len() >= after).then_some(())).await;
        house.daemon.take().unwrap().kill().await.unwrap();
        kills += 1;
        house.starts(&[]).await;
    }
    house.hq.until(&model(), 1, Stand::Used).await;
    let twice = house.hq.sent_twice();
    println!("killed {kills} times, {twice} slices sent twice");
    assert!(twice <= kills, "{twice}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_wrong_are_fetched_again_three_times_at_most() {
    let house = House::open().await;
    let sound = house.rules(Slot::Settings, 1, "[scan]\nrepeats = 1\n");
    house.hq.desk().spoils.insert(sound.wish.sha256.clone(), 2);
    house.hq.wishes(&[&sound]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
    assert_eq!(house.hq.sent_twice(), 2);
    let never = house.rules(Slot::Settings, 2, "[scan]\nrepeats = 2\n");
    house.hq.desk().spoils.insert(never.wish.sha256.clone(), 99);
    house.hq.wishes(&[&never]).await;
    let told = house.hq.until(&Slot::Settings, 2, Stand::Refused).await;
    assert!(told.reason.contains("was fetched 3 times"), "{}", told.reason);
    let sent = house.hq.desk().sent.iter().filter(|(sha256, _)| *sha256 == never.wish.sha256).count();
    assert_eq!(sent, 3);
    assert!(house.hq.of(&Slot::Settings, 1).is_some_and(|one| one.stand == Stand::Used));
}

/// Slices that nobody asked for, in another order, of another length or of no package at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_else_comes_is_passed_over() {
    use skinlink::sync::reply::Reply;
    let house = House::open().await;
    house.hq.wishes(&[]).await;
    let slot = Slot::Settings;
    let package = house.rules(slot.clone(), 1, "[scan]\nrepeats = 1\n");
    house.hq.desk().slices_left = Some(0);
    house.hq.wishes(&[&package]).await;
    house.hq.until_told("it is asked for", || house.hq.told().fetch).await;
    let data = openssl::base64::encode_block(&package.bytes);
    let sha256 = package.wish.sha256.clone();
    for (sha256, index, data) in [
        ("f".repeat(64), 0, data.clone()),
        (sha256.clone(), 1, data.clone()),
        (sha256.clone(), u32::MAX, data.clone()),
        (sha256.clone(), 0, String::new()),
        (sha256.clone(), 0, "%%%".to_owned()),
        (sha256.clone(), 0, openssl::base64::encode_block(&package.bytes[1..])),
        (sha256.clone(), 0, openssl::base64::encode_block(&vec![0; 46_000])),
    ] {
        house.hq.says(Reply::Slice { sha256, index, data }).await;
    }
    house.hq.says(Reply::Slice { sha256, index: 0, data }).await;
    house.hq.until(&slot, 1, Stand::Used).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_space_that_is_kept_for_readings_nothing_is_fetched_and_it_is_said_why() {
    let mut house = House::closed().await;
    house.write_config(1 << 20, crate::house::PACKAGES);
    house.starts(&[]).await;
    house.hq.wishes(&[&house.rules(Slot::Settings, 1, "[scan]\nrepeats = 1\n")]).await;
    let told = house.hq.until(&Slot::Settings, 1, Stand::Refused).await;
    println!("{}", told.reason);
    assert!(told.reason.contains("MiB are free here, 1048576 MiB are needed"), "{}", told.reason);
    assert!(house.hq.desk().sent.is_empty() && house.hq.told().fetch.is_none());
    // It was not refused for good.
    house.stops().await;
    house.write_config(64, crate::house::PACKAGES);
    house.starts(&[]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
}

/// An installer who wants none of it, and one whose key's file is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_chain_or_without_its_key_nothing_is_taken() {
    let mut house = House::closed().await;
    for (packages, said) in [
        ("", None),
        ("[packages]\nchain = \"qinghe\"\nkeys = [\"chain.pem\", \"gone.pem\"]\n", Some("gone.pem: No such file")),
        ("[packages]\nchain = \"qinghe\"\nkeys = [\"daemon.log\"]\n", Some("this is no Ed25519 key")),
    ] {
        house.write_config(64, packages);
        house.starts(&[]).await;
        house.hq.wishes(&[&house.rules(Slot::Settings, 1, "[scan]\nrepeats = 1\n")]).await;
        let about = house.hq.until_told("what it says of itself", || {
            let told = house.hq.desk().about["downlinks"].as_array().cloned();
            told.filter(|downlinks| !downlinks.is_empty())
        });
        assert_eq!(about.await, ["agenda", "staff", "orders"]);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let desk_silent = house.hq.desk().hellos.iter().all(|hello| hello.downlink.is_none());
        assert!(desk_silent && house.hq.desk().sent.is_empty(), "nothing happens");
        let check = house.command(&["check"]).await;
        match said {
            Some(said) => assert!(check.contains("gateway.toml:") && check.contains(said), "{check}"),
            None => assert!(!check.contains("packages"), "{check}"),
        }
        house.stops().await;
    }
    house.write_config(64, crate::house::PACKAGES);
    let public = skinlink::sync::package::PublicKey::from_pem(&house.key.public_pem().unwrap()).unwrap();
    let check = house.command(&["check"]).await;
    assert!(check.contains(&format!("of qinghe, signed by the key {}", public.fingerprint())), "{check}");
}

/// Another book, and a lower number of the same one: what it says counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_headquarters_that_was_restored_is_believed() {
    let house = House::open().await;
    let [first, second] = [1, 2].map(|version| house.rules(Slot::Treatments, version, &treatments(version)));
    house.hq.wishes(&[&first]).await;
    house.hq.until(&Slot::Treatments, 1, Stand::Used).await;
    for (book, version) in [("book-1", 0), ("book-2", 40)] {
        {
            let mut desk = house.hq.desk();
            (desk.book, desk.version) = (book.to_owned(), version);
        }
        house.hq.wishes(&[&second]).await;
        let held = house.hq.until_told("the book", || {
            house.hq.told().wanted.filter(|held| (held.book.as_str(), held.version) == (book, version + 1))
        });
        held.await;
        house.hq.until(&Slot::Treatments, 2, Stand::Used).await;
    }
}

fn treatments(version: u64) -> String {
    let text = std::fs::read_to_string(crate::house::project().join("config/treatments.toml")).unwrap();
    format!("# {version}\n{text}")
}

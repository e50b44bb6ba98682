//! Who comes in.

use crate::{
    Side,
    chain::{self, Chain, Store, call, client, free, until_served, visit},
};
use reqwest::{Certificate, Client, Method};
use skinlink::{
    adapters::pki::{Authority, Use, Validity},
    clock,
    hq::{
        CrmSettings, crm,
        crm::keys::Scope,
        database::{Place, engine::Engine},
        office::audit,
    },
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Output},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn skinlink_hq(place: &Place, args: &[&str]) -> Output {
    let database = match place {
        Place::Sqlite(path) => format!("sqlite:{}", path.display()),
        postgres @ Place::Postgres(_) => postgres.to_string(),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    let (verbs, rest) = args.split_at(2);
    command.env("SUDO_USER", "wang").args(["--log", "error"]).args(verbs).args(["--database", &database]).args(rest);
    command.output().expect("the program runs")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn all(engine: &mut dyn Engine, sql: &str) -> Vec<String> {
    engine.query(sql, &[]).expect("it answers").iter().map(|row| row.get(0).expect("a text")).collect()
}

/// Another receiver with the same database: where it listens, and what ends it.
async fn another(chain: &Chain, tls: Option<(PathBuf, PathBuf)>) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let (door, stop) = (free(), CancellationToken::new());
    let settings = CrmSettings { listen: door, tls, behind_proxy: false };
    let (place, stopped) = (chain.place.clone(), stop.clone());
    #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
    let serving = tokio::spawn(async move { crm::serve(place, &settings, None, stopped).await.expect("it serves") });
    until_served(door).await;
    (door, stop, serving)
}

/// The operator makes a key for one store; it opens that store's visits and nothing else, its use is noted, and from the moment of
/// its withdrawal it opens nothing. The database never held it.
pub async fn a_key_opens_what_it_is_for_until_it_is_withdrawn(side: Side) {
    let (mut chain, mut store, mut other) = (Chain::new(side).await, Store::named("sh-001"), Store::named("sh-002"));
    let (one, two) = (visit(), visit());
    let told = [
        store.agrees("c-1"),
        other.agrees("c-2"),
        store.visit(&one, "c-1", 1, "open"),
        other.visit(&two, "c-2", 1, "open"),
    ];
    chain.take(&told);
    chain.keep();
    let add = ["keys", "add", "--name", "crm", "--scope", "visits:read", "--store", "sh-001"];
    let key = said(&skinlink_hq(&chain.place, &add)).trim().to_owned();
    assert!(key.starts_with("skinlink_") && key.len() == 73, "{key}");
    let again = skinlink_hq(&chain.place, &add);
    assert!(String::from_utf8_lossy(&again.stderr).contains("withdraw it first"), "{again:?}");
    assert!(said(&skinlink_hq(&chain.place, &["keys", "list"])).contains("never used"));

    let listed = chain.get("/visits", &key).await.ok();
    assert_eq!(listed["visits"].as_array().expect("a list").len(), 1, "{listed}");
    assert_eq!(listed["visits"][0]["visit"], one.as_str());
    assert!(chain.get(&format!("/stores/sh-001/visits/{one}"), &key).await.status == 200);
    for (path, refusal) in [
        (format!("/stores/sh-002/visits/{two}"), (403, "not-this-store")),
        ("/visits?store=sh-002".to_owned(), (403, "not-this-store")),
        ("/stores/sh-001/customers/c-1/consents".to_owned(), (403, "not-this-scope")),
        (format!("/stores/sh-001/visits/{two}"), (404, "no-such-visit")),
        ("/stores/Sh%20001/visits/x".to_owned(), (404, "no-such-store")),
        ("/stores/sh-001/visits/%00".to_owned(), (404, "no-such-visit")),
        ("/stores/sh-001/visits/%ff".to_owned(), (400, "malformed")),
        ("/nothing".to_owned(), (404, "no-such-path")),
        ("/visits?limit=0".to_owned(), (400, "malformed")),
        ("/visits?since=yesterday".to_owned(), (400, "malformed")),
        ("/visits?name=Lin".to_owned(), (400, "malformed")),
        ("/visits?since=c99".to_owned(), (410, "read-anew")),
    ] {
        let answer = chain.get(&path, &key).await;
        assert_eq!(answer.refusal(), refusal, "{path}: {answer:?}");
    }
    let answer = chain.call(Method::DELETE, "/visits", &key, None).await;
    assert_eq!(answer.refusal(), (405, "method"));
    assert!(said(&skinlink_hq(&chain.place, &["keys", "list"])).contains("crm  visits:read  stores: sh-001  used 2"));
    let mut engine = chain.place.open().expect("opens");
    let held = all(&mut *engine, "SELECT digest || name || scopes || stores FROM crm_keys").concat();
    assert!(!held.contains(&key[9..]), "{held}");

    said(&skinlink_hq(&chain.place, &["keys", "withdraw", "crm"]));
    assert_eq!(chain.get("/visits", &key).await.refusal(), (401, "no-key"));
    assert!(!skinlink_hq(&chain.place, &["keys", "withdraw", "crm"]).status.success(), "twice");
    let wrong = skinlink_hq(&chain.place, &["keys", "add", "--name", "x", "--scope", "visits:all", "--store", "all"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("visits:read, consents:read"), "{wrong:?}");
    chain.end().await;
}

/// Who made a key stood nowhere, nor what programs did with it: headquarters' own people leave a row for each visit that they look at, and a
/// program read thousands unseen. It leaves one for each visit and day, however often it asks and at whichever receiver; what it was
/// refused, and the list of what changed, leaves none.
pub async fn a_program_that_reads_a_visit_stands_once_a_day_in_the_audit(side: Side) {
    let (mut chain, mut store) = (Chain::new(side).await, Store::named("sh-001"));
    let (one, two, hidden) = (visit(), visit(), visit());
    let told = [
        store.agrees("c-1"),
        store.visit(&one, "c-1", 1, "open"),
        store.visit(&two, "c-1", 1, "open"),
        store.visit(&hidden, "c-2", 1, "open"),
    ];
    chain.take(&told);
    chain.keep();
    let add = |name: &str| {
        let add = ["keys", "add", "--name", name, "--scope", "visits:read", "--store", "sh-001"];
        said(&skinlink_hq(&chain.place, &add)).trim().to_owned()
    };
    let (crm, lake) = (add("crm"), add("lake"));
    let (door, stop, serving) = another(&chain, None).await;
    let client = client();
    let read = async |door: SocketAddr, visit: &str, key: &str| {
        let url = format!("http://{door}/crm/v1/stores/sh-001/visits/{visit}");
        call(&client, Method::GET, &url, key, None).await.status
    };
    for _ in 0..3 {
        let both = tokio::join!(read(chain.door, &one, &crm), read(door, &one, &crm));
        assert_eq!(both, (200, 200));
    }
    assert_eq!(read(chain.door, &two, &crm).await, 200);
    assert_eq!(read(door, &one, &lake).await, 200);
    for unseen in [hidden.as_str(), "nobody's"] {
        assert_eq!(read(chain.door, unseen, &crm).await, 404, "{unseen}");
    }
    assert_eq!(read(chain.door, &one, "skinlink_wrong").await, 401);
    assert_eq!(chain.get("/visits", &crm).await.ok()["visits"].as_array().map(Vec::len), Some(2));
    let seen = |who: &str, visit: &str| format!("key {who} · visit seen · sh-001 {visit}");
    let made = |who: &str| format!("command line (wang) · key made · {who} visits:read sh-001");
    let mut expected = vec![made("crm"), made("lake"), seen("crm", &one), seen("crm", &two), seen("lake", &one)];
    let mut engine = chain.place.open().expect("opens");
    let rows = "SELECT who || ' · ' || what || ' · ' || about FROM people_audit ORDER BY n";
    assert_eq!(all(&mut *engine, rows), expected);
    assert_eq!(audit::verify(&mut *engine).expect("an answer"), Ok(5), "the chain is whole");
    stop.cancel();
    serving.await.expect("it ends well");

    // A day later another receiver answers; what it finds of the day before is none of today.
    engine.execute("UPDATE people_audit SET at_ms = at_ms - 86400000", &[]).expect("a day has passed");
    let (door, stop, serving) = another(&chain, None).await;
    for _ in 0..2 {
        assert_eq!(read(door, &one, &crm).await, 200);
    }
    expected.push(seen("crm", &one));
    said(&skinlink_hq(&chain.place, &["keys", "withdraw", "crm"]));
    expected.push("command line (wang) · key withdrawn · crm".to_owned());
    assert!(!skinlink_hq(&chain.place, &["keys", "withdraw", "crm"]).status.success(), "twice");
    assert_eq!(all(&mut *engine, rows), expected);
    stop.cancel();
    serving.await.expect("it ends well");
    chain.end().await;
}

/// Somebody tries keys from one address, many at once: after twenty none is looked at any more. A program at another address goes on
/// meanwhile, here over TLS.
pub async fn who_tries_keys_is_held_back_and_others_are_not(side: Side) {
    let chain = Chain::new(side).await;
    let key = chain.key(&[Scope::VisitsRead], &["all"]);
    let client = client();
    let url = format!("http://{}/crm/v1/visits", chain.door);
    let tries = (0..30).map(|at| {
        let (client, url) = (client.clone(), url.clone());
        async move { call(&client, Method::GET, &url, &format!("skinlink_{at:064}"), None).await.status }
    });
    let mut statuses = futures_util::future::join_all(tries).await;
    statuses.sort_unstable();
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20, "{statuses:?}");
    assert_eq!(statuses[29], 429);
    let held = call(&client, Method::GET, &url, &key, None).await;
    assert_eq!(held.refusal(), (429, "slow-down"));
    let public = format!("http://{}/crm/v1/openapi.json", chain.door);
    assert_eq!(call(&client, Method::GET, &public, "", None).await.ok()["openapi"], "3.1.0");

    let validity = Validity::days(clock::now().wall, 2);
    let authority = Authority::new("chain", validity).expect("an authority");
    let files = authority.issue(chain.folder.path(), "crm", Use::Server(&["127.0.0.1"]), validity).expect("a leaf");
    let tls = Some((files.certificate.clone(), files.key.clone()));
    let (door, stop, serving) = another(&chain, tls).await;
    let trusted = Certificate::from_pem(&std::fs::read(&files.ca).expect("written")).expect("a certificate");
    let trusting = Client::builder().no_proxy().add_root_certificate(trusted).build().expect("a client");
    let answer = call(&trusting, Method::GET, &format!("https://{door}/crm/v1/visits"), &key, None).await;
    assert_eq!(answer.ok()["more"], false);
    let stranger = chain::client().get(format!("https://{door}/crm/v1/visits")).send().await;
    assert!(stranger.is_err(), "its certificate is of the chain's own authority");
    stop.cancel();
    serving.await.expect("it ends well");
    chain.end().await;
}

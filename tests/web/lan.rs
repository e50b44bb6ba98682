//! The way in from the salon's network: TLS under its own names, and only for tablets that were let in by a code.

use crate::house::{House, Wanted, soon};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use skinlink::{
    adapters::pki::{Authority, Use, Validity},
    clock,
    web::{self, AppState},
};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

const NAME: &str = "skinlink.local";

struct Lan {
    address: SocketAddr,
    authority: Vec<u8>,
    signer: Authority,
    folder: std::path::PathBuf,
    renewal: skinlink::doorway::tls::Renewal,
    stop: CancellationToken,
    work: JoinSet<()>,
}

async fn lan(house: &House) -> Lan {
    let folder = house.building.folder.path().join("tls");
    std::fs::create_dir_all(&folder).expect("a folder");
    let days = Validity::days(clock::now().wall, 30);
    let authority = Authority::new("salon", days).expect("an authority");
    let files = authority.issue(&folder, "lan", Use::Server(&[NAME]), days).expect("a leaf");
    let read = |path| std::fs::read(path).expect("just written");
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = plain.local_addr().expect("bound");
    let (listener, renewal) =
        web::lan::secured(plain, &read(&files.certificate), &read(&files.key)).expect("a certificate");
    let trust = web::trust::Trust::new(&read(&files.ca), &[NAME.to_owned()], address.port()).expect("a certificate");
    let (state, stop) = (AppState { trust: Some(Arc::new(trust)), ..house.state.clone() }, CancellationToken::new());
    let ended = stop.clone();
    let names: Arc<[String]> = vec![NAME.to_owned()].into();
    let mut work = JoinSet::new();
    work.spawn(async move { web::lan::serve(listener, state, names, ended).await });
    Lan { address, authority: read(&files.ca), signer: authority, folder, renewal, stop, work }
}

impl Lan {
    /// A tablet that trusts the salon's certificate; follows no redirect.
    fn tablet(&self) -> Client {
        Client::builder()
            .add_root_certificate(Certificate::from_pem(&self.authority).expect("a certificate"))
            .resolve(NAME, self.address)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client")
    }

    fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.address.port())
    }

    async fn send(
        &self,
        tablet: &Client,
        method: Method,
        path: &str,
        cookies: &str,
        body: Option<Value>,
    ) -> (u16, Value, String) {
        let mut request = tablet.request(method, self.url(path)).header("x-skinlink", "1").header("cookie", cookies);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = soon("an answer", request.send()).await.expect("served over TLS");
        let cookie =
            answer.headers().get("set-cookie").map(|v| v.to_str().expect("text").to_owned()).unwrap_or_default();
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("a body"));
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)), cookie)
    }

    async fn close(mut self) {
        self.stop.cancel();
        soon("the end", self.work.join_next()).await.expect("was running").expect("ends well");
    }
}

#[tokio::test]
async fn a_tablet_is_enrolled_once_by_a_code_and_only_then_sees_the_pin_pad() {
    let house = House::new(Wanted::default()).await;
    let lan = lan(&house).await;
    let tablet = lan.tablet();
    // Before anybody can log in nobody comes from outside.
    let (status, body, _) = lan.send(&tablet, Method::GET, "/api/v1/visits", "", None).await;
    assert_eq!((status, body["error"]["what"].as_str()), (401, Some("not_enrolled")));
    let (status, body) = {
        let answer = house.post("/tablets", None, json!({ "name": "room 1" })).await;
        (answer.status.as_u16(), answer.body)
    };
    assert_eq!((status, body["error"]["what"].as_str()), (409, Some("wrong_state")));
    let manager = json!({ "id": "b-01", "name": "周敏", "role": "manager", "pin": "2580" });
    house.post("/staff", None, manager).await.ok();
    // A mirror's page is nobody's yet: a code and nothing else; whose it is, only a station may say.
    let (status, page, cookie) = lan.send(&tablet, Method::GET, "/mirror/chair-1", "", None).await;
    assert!(status == 200 && page.as_str().expect("a page").contains("data-scene=\"code\""), "{page}");
    assert!(cookie.contains("Secure") && cookie.contains("Path=/mirror"), "{cookie}");
    let screen = cookie.split(';').next().expect("a pair");
    let (status, ..) = lan.send(&tablet, Method::GET, "/mirror/chair-1/picture/1/after", screen, None).await;
    assert_eq!(status, 404);
    let code = Some(json!({ "code": "000000" }));
    let (status, ..) = lan.send(&tablet, Method::POST, "/api/v1/mirrors/chair-1/pair", screen, code).await;
    assert_eq!(status, 401);
    for path in ["/", "/login", "/station/chair-1", "/staff"] {
        let (status, _, _) = lan.send(&tablet, Method::GET, path, "", None).await;
        assert_eq!(status, 303, "{path} leads to the enrolment");
    }
    let pin = json!({ "person": "b-01", "pin": "2580" });
    let (status, ..) = lan.send(&tablet, Method::POST, "/api/v1/session", "", Some(pin.clone())).await;
    assert_eq!(status, 401, "the right PIN from a foreign tablet opens nothing");
    let (status, page, _) = lan.send(&tablet, Method::GET, "/enrol", "", None).await;
    assert!(status == 200 && !page.as_str().expect("a page").contains("周敏"), "no name before the code");

    // The manager, at the gateway's own screen.
    let here = house
        .request(Method::POST, "/api/v1/session")
        .header("x-skinlink", "1")
        .json(&pin)
        .send()
        .await
        .expect("an answer");
    let manager = here.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a pair").to_owned();
    let offer = || {
        house
            .request(Method::POST, "/api/v1/tablets")
            .header("x-skinlink", "1")
            .header("cookie", &manager)
            .json(&json!({ "name": "room 1" }))
    };
    let code = house.send(offer()).await.ok().text("/code");
    assert_eq!(code.len(), 12);
    let (status, _, cookie) = lan
        .send(
            &tablet,
            Method::POST,
            "/api/v1/enrolment",
            "",
            Some(json!({ "code": format!("{} {} {}", &code[..4], &code[4..8], &code[8..]) })),
        )
        .await;
    assert_eq!(status, 200);
    assert!(cookie.contains("Secure") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let known = cookie.split(';').next().expect("a pair").to_owned();
    let (status, page, _) = lan.send(&tablet, Method::GET, "/login", &known, None).await;
    assert!(status == 200 && page.as_str().expect("a page").contains("周敏"));
    let (status, _, cookie) = lan.send(&tablet, Method::POST, "/api/v1/session", &known, Some(pin)).await;
    assert!(status == 200 && cookie.contains("Secure"), "{cookie}");
    let both = format!("{known}; {}", cookie.split(';').next().expect("a pair"));
    assert_eq!(lan.send(&tablet, Method::GET, "/api/v1/visits", &both, None).await.0, 200);
    // A code is good once; a forgotten tablet is out at once.
    assert_eq!(lan.send(&tablet, Method::POST, "/api/v1/enrolment", "", Some(json!({ "code": code }))).await.0, 401);
    let forget =
        house.request(Method::POST, "/api/v1/tablets/1/forget").header("x-skinlink", "1").header("cookie", &manager);
    house.send(forget.json(&json!({}))).await.ok();
    assert_eq!(lan.send(&tablet, Method::GET, "/api/v1/visits", &both, None).await.0, 401);

    lan.close().await;
    house.close().await;
}

/// One machine in the guests' Wi-Fi could open connections without end, and stay silent on each.
#[tokio::test]
async fn one_address_does_not_take_the_places_of_the_tablets() {
    let house = House::new(Wanted::default()).await;
    let lan = lan(&house).await;
    let stranger = async || {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 2], 0).into()).expect("all of 127/8 is this machine");
        socket.connect(lan.address).await.expect("a connection")
    };
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(stranger().await);
    }
    let mut one_more = stranger().await;
    let said = soon("it is hung up on", tokio::io::AsyncReadExt::read(&mut one_more, &mut [0_u8; 8])).await;
    assert!(matches!(said, Ok(0) | Err(_)), "a 33rd of one address was taken: {said:?}");
    let is_held =
        |stream: &TcpStream| stream.try_read(&mut [0_u8; 8]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
    assert!(silent.iter().all(is_held), "it was hung up on for its silence only, like the others");
    assert_eq!(lan.send(&lan.tablet(), Method::GET, "/enrol", "", None).await.0, 200, "a tablet is served meanwhile");
    drop(silent);
    lan.close().await;
    house.close().await;
}

/// Plain HTTP, a foreign name, a connection that says nothing: none of them is served, none holds the others up.
#[tokio::test]
async fn only_tls_under_its_own_name_is_served() {
    let house = House::new(Wanted::default()).await;
    let lan = lan(&house).await;
    let silent = TcpStream::connect(lan.address).await.expect("a connection");
    let plain = Client::new().get(format!("http://{}/enrol", lan.address)).send().await;
    assert!(plain.is_err(), "plain HTTP is no TLS");
    let untrusting = Client::builder().resolve(NAME, lan.address).build().expect("a client");
    assert!(
        untrusting.get(lan.url("/enrol")).send().await.is_err(),
        "a client that does not know the salon's authority"
    );
    let tablet = lan.tablet();
    let foreign = tablet.get(lan.url("/enrol")).header("host", "evil.example").send().await.expect("an answer");
    assert_eq!(foreign.status(), 421);
    assert_eq!(lan.send(&tablet, Method::GET, "/enrol", "", None).await.0, 200);
    drop(silent);
    lan.close().await;
    house.close().await;
}

/// Whoever is in the guests' Wi-Fi used to take back the manager's offer with five wrong codes, and to hold up every log-in of the
/// house by sending them without end.
#[tokio::test]
async fn guests_who_try_codes_hold_up_neither_the_tablet_nor_the_log_ins() {
    let house = House::new(Wanted::default()).await;
    let lan = lan(&house).await;
    house.post("/staff", None, json!({ "id": "b-01", "name": "周敏", "role": "manager", "pin": "2580" })).await.ok();
    let log_in = || {
        let request = house.request(Method::POST, "/api/v1/session").header("x-skinlink", "1");
        request.json(&json!({ "person": "b-01", "pin": "2580" }))
    };
    let here = log_in().send().await.expect("an answer");
    let manager = here.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a pair").to_owned();
    let offer = house.request(Method::POST, "/api/v1/tablets").header("x-skinlink", "1").header("cookie", &manager);
    let code = house.send(offer.json(&json!({ "name": "room 1" }))).await.ok().text("/code");

    // Somebody holds the place where codes are looked at, as a flood of them would.
    let flood = house.state.enrolments.acquire().await.expect("never closed");
    let in_time = soon("a log-in beside a flood of codes", log_in().send()).await.expect("an answer");
    assert_eq!(in_time.status(), 200);
    drop(flood);
    let guest = lan.tablet();
    for n in 0..40 {
        let wrong = json!({ "code": format!("{n:012}") });
        assert_eq!(lan.send(&guest, Method::POST, "/api/v1/enrolment", "", Some(wrong)).await.0, 401);
    }
    let tablet = lan.tablet();
    let (status, ..) = lan.send(&tablet, Method::POST, "/api/v1/enrolment", "", Some(json!({ "code": code }))).await;
    assert_eq!(status, 200, "the manager's offer stands");
    lan.close().await;
    house.close().await;
}

/// Before the first manager the page used to send people to a manager who was not there.
#[tokio::test]
async fn the_enrolment_says_so_while_nobody_can_give_a_code() {
    let house = House::new(Wanted::default()).await;
    let lan = lan(&house).await;
    let tablet = lan.tablet();
    let page = lan.send(&tablet, Method::GET, "/enrol", "", None).await.1;
    let page = page.as_str().expect("a page");
    assert!(page.contains("还没有店长") && !page.contains("name=\"code\""), "{page}");
    house.post("/staff", None, json!({ "id": "b-01", "name": "周敏", "role": "manager", "pin": "2580" })).await.ok();
    let page = lan.send(&tablet, Method::GET, "/enrol", "", None).await.1;
    let page = page.as_str().expect("a page");
    assert!(!page.contains("还没有店长") && page.contains("name=\"code\""), "{page}");
    lan.close().await;
    house.close().await;
}

/// A tablet that trusts nothing yet gets the salon's authority and its fingerprint, without a code and without its private key.
#[tokio::test]
async fn a_tablet_finds_the_authority_and_how_to_install_it() {
    let house = House::new(Wanted::default()).await;
    let lan = lan(&house).await;
    let tablet = lan.tablet();
    let answer = tablet.get(lan.url("/trust/skinlink-ca.crt")).send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "application/x-x509-ca-cert");
    let der = answer.bytes().await.expect("a certificate");
    let served = openssl::x509::X509::from_der(&der).expect("a certificate");
    assert_eq!(served, openssl::x509::X509::from_pem(&lan.authority).expect("a certificate"));
    let fingerprint = hex::encode_upper(served.digest(openssl::hash::MessageDigest::sha256()).expect("a digest"));
    for (lang, said) in [("zh", "证书信任设置"), ("hant", "憑證"), ("en", "Certificate Trust Settings")] {
        let page = lan.send(&tablet, Method::GET, &format!("/trust?lang={lang}"), "", None).await.1;
        let page = page.as_str().expect("a page");
        assert!(page.contains(said), "{lang}: {page}");
        let groups: Vec<&str> = (0..64).step_by(4).map(|at| &fingerprint[at..at + 4]).collect();
        assert!(page.contains(&groups.join(" ")), "{page}");
        assert!(page.contains(&lan.url("")), "{page}");
        assert!(["ios", "android", "windows"].iter().all(|system| page.contains(&format!("data-system=\"{system}\""))));
    }
    // The gateway whose network is not served says so.
    house.send(house.request(Method::GET, "/trust/skinlink-ca.crt")).await.refused(404, "not_found");
    let page = house.send(house.request(Method::GET, "/trust")).await.ok().body;
    assert!(page.as_str().expect("a page").contains("[web] lan"));
    lan.close().await;
    house.close().await;
}

/// The certificate used to be looked at when the gateway started, and never again.
#[tokio::test]
async fn a_certificate_that_is_made_anew_is_shown_to_whoever_comes_next() {
    let house = House::new(Wanted::default()).await;
    let lan = lan(&house).await;
    let shown = || async {
        let client =
            Client::builder().add_root_certificate(Certificate::from_pem(&lan.authority).expect("a certificate"));
        let client = client.resolve(NAME, lan.address).tls_info(true).build().expect("a client");
        let answer = soon("an answer", client.get(lan.url("/enrol")).send()).await.expect("served");
        let seen = answer.extensions().get::<reqwest::tls::TlsInfo>().expect("TLS");
        seen.peer_certificate().expect("a certificate").to_vec()
    };
    let first = shown().await;
    assert_eq!(shown().await, first);
    let days = Validity::days(clock::now().wall, 60);
    let files = lan.signer.issue(&lan.folder, "lan", Use::Server(&[NAME]), days).expect("a leaf");
    let read = |path| std::fs::read(path).expect("just written");
    lan.renewal.replace(&read(&files.certificate), &read(&files.key)).expect("a certificate");
    let second = shown().await;
    assert_ne!(second, first, "without a restart");
    assert!(lan.renewal.replace(b"nonsense", b"nonsense").is_err());
    assert_eq!(shown().await, second, "what cannot be served changes nothing");
    lan.close().await;
    house.close().await;
}

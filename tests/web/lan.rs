//! The way in from the salon's network: TLS under its own names, and only for tablets that were let in by a code.

use crate::house::{House, Wanted, soon};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use skinlink::{
    adapters::pki::{Authority, Use, Validity},
    clock, web,
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
    let listener = web::lan::Secured::new(plain, &read(&files.certificate), &read(&files.key)).expect("a certificate");
    let (state, stop) = (house.state.clone(), CancellationToken::new());
    let ended = stop.clone();
    let names: Arc<[String]> = vec![NAME.to_owned()].into();
    let mut work = JoinSet::new();
    work.spawn(async move { web::lan::serve(listener, state, names, ended).await.expect("ends well") });
    Lan { address, authority: read(&files.ca), stop, work }
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
    assert_eq!(code.len(), 8);
    let (status, _, cookie) = lan
        .send(
            &tablet,
            Method::POST,
            "/api/v1/enrolment",
            "",
            Some(json!({ "code": format!("{} {}", &code[..4], &code[4..]) })),
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

    // Five wrong codes take the offer back.
    let code = house.send(offer()).await.ok().text("/code");
    for _ in 0..5 {
        let wrong = if code == "00000000" { "00000001" } else { "00000000" };
        assert_eq!(
            lan.send(&tablet, Method::POST, "/api/v1/enrolment", "", Some(json!({ "code": wrong }))).await.0,
            401
        );
    }
    assert_eq!(lan.send(&tablet, Method::POST, "/api/v1/enrolment", "", Some(json!({ "code": code }))).await.0, 401);
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

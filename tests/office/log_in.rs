//! Coming in and going out.

use crate::{
    Side,
    house::{House, PASSWORD, settings, until_served},
};
use reqwest::StatusCode;
use skinlink::{
    adapters::pki::{Authority, Use, Validity},
    clock,
    domain::Timestamp,
    hq::{
        database::{Database, Place},
        office::{
            self,
            people::{self, Role},
            sessions::{self, Caller, Tried},
        },
    },
};
use std::time::Duration;
use tokio::{net::TcpSocket, time::Instant};
use tokio_util::sync::CancellationToken;

/// Li Na of headquarters opens the page at nine, is asked who she is, works, and goes home.
pub async fn whoever_logs_in_gets_a_session_that_ends_with_the_log_out(side: Side) {
    let mut house = House::new(side).await;
    house.add("li-na", Role::Analyst, "all");
    house.opens("sh-001");
    let strange = house.get("/stores/sh-001", "").await;
    assert_eq!((strange.status, strange.header("location")), (StatusCode::SEE_OTHER, "/login?next=/stores/sh-001"));
    assert_eq!(house.get("/live", "").await.status, StatusCode::UNAUTHORIZED);
    let form = house.get("/login?next=/stores/sh-001", "").await;
    assert!(form.text.contains("value=\"/stores/sh-001\"") && form.text.contains("登录总部"), "{}", form.text);
    let policy = form.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!((form.header("x-content-type-options"), form.header("cache-control")), ("nosniff", "no-store"));

    let came = house.try_in("li-na", PASSWORD).await;
    let cookie = came.header("set-cookie");
    assert!(["HttpOnly", "SameSite=Strict", "Path=/"].iter().all(|word| cookie.contains(word)), "{cookie}");
    // On this machine's own listener there is no TLS; `program` tells of the other.
    assert!(!cookie.contains("Secure"), "{cookie}");
    let cookie = came.cookie();
    let kept = house.engine().query("SELECT count(*) FROM people_sessions", &[]).expect("rows")[0]
        .get::<u64>(0)
        .expect("a count");
    assert_eq!(kept, 1);
    let page = house.get("/", &cookie).await;
    assert!(
        page.status == StatusCode::OK && page.text.contains("sh-001") && page.text.contains("li-na"),
        "{}",
        page.text
    );
    assert!(house.get("/?lang=en", &cookie).await.text.contains("All stores"));
    assert!(house.get("/?lang=hant", &cookie).await.text.contains("全部門店"));

    let gone = house.post("/logout", &cookie, &[]).await;
    assert_eq!((gone.status, gone.header("location")), (StatusCode::SEE_OTHER, "/login"));
    assert!(gone.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(house.get("/", &cookie).await.status, StatusCode::SEE_OTHER);
    house.end().await;
}

/// Someone tries passwords: four are free, then each costs a wait, whether anybody is called so or not. The right one
/// does not help meanwhile.
pub async fn a_wrong_password_is_slowed_down_and_a_stranger_cannot_tell_who_exists(side: Side) {
    let house = House::new(side).await;
    house.add("li-na", Role::Analyst, "all");
    let mut seen = Vec::new();
    for name in ["li-na", "nobody"] {
        let mut answers = Vec::new();
        for _ in 0..6 {
            let answer = house.try_in(name, "not the password at all").await;
            answers.push((answer.status.as_u16(), answer.text.contains("用户名或密码不对")));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0][..5], [(422, true); 5], "{seen:?}");
    assert_eq!(seen[0][5], (429, false));
    let held = house.try_in("li-na", PASSWORD).await;
    assert_eq!(held.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = held.header("retry-after").parse().expect("seconds");
    assert!((1..=6).contains(&wait), "{wait}");
    // What can be nobody's name is tried as any other, and is kept nowhere: it may be a password in the wrong field.
    house.try_in("My secret password", "x").await;
    let mut engine = house.engine();
    let kept = engine
        .query("SELECT who || about FROM people_audit UNION ALL SELECT what FROM people_tries", &[])
        .expect("rows");
    let kept: Vec<String> = kept.iter().map(|row| row.get(0).expect("text")).collect();
    assert!(kept.iter().all(|text| !text.contains("secret")), "{kept:?}");
    let held = "SELECT count(*) FROM people_audit WHERE who = 'li-na' AND what = 'log-in held back'";
    let held: u64 = engine.query(held, &[]).expect("rows")[0].get(0).expect("a count");
    assert_eq!(held, 1, "one word for two that were held back: whoever tries on does not fill the audit");
    // Five seconds later the right one is taken.
    let later = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 6_000);
    let here = Caller::at([127, 0, 0, 1].into());
    let tried = sessions::log_in(&mut *engine, ("li-na", PASSWORD), here, later).expect("an answer");
    assert!(matches!(tried, Tried::In { .. }), "{tried:?}");
    let tried = sessions::log_in(&mut *engine, ("nobody", "x"), here, later).expect("an answer");
    assert_eq!(tried, Tried::Wrong);
    house.end().await;
}

/// A stranger tries Li Na's name all day, so that nobody gets in under it. She does, in the browser in which she logged in yesterday; and her
/// colleague at the next desk does, at whose address she tried from another browser. That browser has no more tries than a stranger,
/// and a cookie that was made up, or given for another name or an older password, is none.
pub async fn whoever_tries_a_name_all_day_keeps_its_owner_out_of_no_browser_of_hers(side: Side) {
    let house = House::new(side).await;
    house.add("li-na", Role::Analyst, "all");
    house.add("wang", Role::Operator, "all");
    let known = |answer: &crate::house::Answer| {
        let mut lines = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let line = lines.find(|line| line.starts_with("skinlink-office-known=")).expect("given with a log-in");
        assert!(["HttpOnly", "SameSite=Strict", "Path=/login;"].iter().all(|word| line.contains(word)), "{line}");
        line.split(';').next().unwrap_or_default().to_owned()
    };
    let hers = known(&house.try_in("li-na", PASSWORD).await);
    let wangs = known(&house.try_in("wang", PASSWORD).await);

    let mut engine = house.engine();
    let stranger = |n: u8| Caller::at([203, 0, 113, n].into());
    let mut held = 0;
    for n in 0..40 {
        let tried = sessions::log_in(&mut *engine, ("li-na", "guess upon guess"), stranger(n), clock::now().wall);
        held += u32::from(matches!(tried.expect("an answer"), Tried::Wait { .. }));
    }
    assert!(held >= 30, "{held}: the name is slowed down, from whatever address");

    let form = |password: &'static str| [("name", "li-na"), ("password", password), ("next", "/")];
    let forged = format!("{}0", &hers[..hers.len() - 1]);
    let forged = if forged == hers { format!("{}1", &hers[..hers.len() - 1]) } else { forged };
    for strange in ["", wangs.as_str(), forged.as_str(), "skinlink-office-known=x.y"] {
        for _ in 0..8 {
            let answer = house.post("/login", strange, &form(PASSWORD)).await;
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{strange}");
        }
    }
    // Thirty-two tries at a name that is held are none of this address.
    assert_eq!(house.try_in("wang", PASSWORD).await.status, StatusCode::SEE_OTHER);
    let came = house.post("/login", &hers, &form(PASSWORD)).await;
    assert_eq!(came.status, StatusCode::SEE_OTHER, "{}", came.text);
    let newer = known(&came);
    assert_ne!(newer, hers);

    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(house.post("/login", &newer, &form("not her password")).await.status.as_u16());
    }
    assert_eq!(statuses, [422, 422, 422, 422, 422, 429], "whoever has her browser has no more tries");
    assert_eq!(
        house.post("/login", &hers, &form(PASSWORD)).await.status,
        StatusCode::SEE_OTHER,
        "the other one is free"
    );
    people::set_password(&mut *engine, "li-na", "other plain words here", clock::now().wall).expect("a new password");
    assert_eq!(house.try_in("li-na", "other plain words here").await.status, StatusCode::SEE_OTHER, "all begins anew");
    for n in 0..20 {
        let tried = sessions::log_in(&mut *engine, ("li-na", "guess upon guess"), stranger(n), clock::now().wall);
        tried.expect("an answer");
    }
    let old = house.post("/login", &hers, &form("other plain words here")).await;
    assert_eq!(old.status, StatusCode::TOO_MANY_REQUESTS, "given for the old password");
    house.end().await;
}

/// Two strangers open as many connections as one address may have, and say nothing: once they held all handshakes there could be. Somebody
/// who comes then has the page at once, over TLS.
#[tokio::test(flavor = "multi_thread")]
async fn two_strangers_who_say_nothing_keep_nobody_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::in_folder(folder.path());
    drop(Database::at(&place, folder.path(), 1 << 20).expect("the database opens"));
    let validity = Validity::days(clock::now().wall, 2);
    let authority = Authority::new("chain", validity).expect("an authority");
    let leaf = authority.issue(folder.path(), "office", Use::Server(&["127.0.0.1"]), validity).expect("a leaf");
    let mut settings = settings(folder.path());
    settings.tls = Some((leaf.certificate.clone(), leaf.key.clone()));
    let (at, stop) = (settings.listen, CancellationToken::new());
    #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
    let served = tokio::spawn(office::serve(place, settings, None, stop.clone()));
    until_served(at).await;
    let mut held = Vec::new();
    for stranger in 2..4_u8 {
        for _ in 0..48 {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind(([127, 0, 0, stranger], 0).into()).expect("an address of this machine");
            held.push(socket.connect(at).await.expect("connected"));
        }
    }
    let trusted = reqwest::Certificate::from_pem(&std::fs::read(&leaf.ca).expect("written")).expect("PEM");
    let client = reqwest::Client::builder().no_proxy().add_root_certificate(trusted).build().expect("a client");
    let begun = Instant::now();
    let asked = client.get(format!("https://{at}/login")).timeout(Duration::from_secs(8));
    let page = asked.send().await.expect("an answer, though strangers are there");
    println!("{} silent connections; the page came after {:?}", held.len(), begun.elapsed());
    assert_eq!(page.status(), StatusCode::OK);
    stop.cancel();
    served.await.expect("no panic").expect("it ends in peace");
}

/// A browser that is left open over lunch is logged out; so is one that was used all day; so is everybody whose password was
/// set anew or who has left.
pub async fn a_session_ends_unused_after_half_a_day_and_with_a_new_password(side: Side) {
    let house = House::new(side).await;
    house.add("li-na", Role::Analyst, "all");
    let mut engine = house.engine();
    let came = clock::now().wall;
    let after = |minutes: i64| Timestamp::from_unix_ms(came.unix_ms() + minutes * 60_000);
    let digest = |token: &str| {
        let mut bytes = [0; 16];
        hex::decode_to_slice(token, &mut bytes).expect("a token");
        openssl::sha::sha256(&bytes)
    };
    let desk = Caller::at([10, 0, 0, 1].into());
    let session = || match sessions::log_in(&mut *house.engine(), ("li-na", PASSWORD), desk, came) {
        Ok(Tried::In { token, .. }) => digest(&token),
        other => panic!("{other:?}"),
    };
    let (lunch, worked, open) = (session(), session(), session());
    let mut whose = |digest, used, at| sessions::whose(&mut *engine, digest, used, at).expect("an answer").is_some();
    assert!(whose(lunch, true, after(1)) && !whose(lunch, true, after(32)));
    for minute in (0..12 * 60).step_by(20) {
        assert!(whose(worked, true, after(minute)), "{minute}");
        // A page that reads itself again keeps nobody in.
        assert_eq!(whose(open, false, after(minute)), minute < 30, "{minute}");
    }
    assert!(!whose(worked, true, after(12 * 60)));
    let fresh = session();
    assert!(whose(fresh, true, after(0)));
    people::set_password(&mut *house.engine(), "li-na", "other plain words here", came).expect("a new password");
    assert!(!whose(fresh, true, after(0)));
    assert!(matches!(sessions::log_in(&mut *house.engine(), ("li-na", PASSWORD), desk, came), Ok(Tried::Wrong)));
    people::disable(&mut *house.engine(), "li-na", came).expect("she has left");
    let left = sessions::log_in(&mut *house.engine(), ("li-na", "other plain words here"), desk, came);
    assert_eq!(left.expect("an answer"), Tried::Wrong);
    // A new password lets nobody in who is kept out; being let in again does.
    let again = Caller::at([10, 0, 0, 2].into());
    let out =
        people::set_password(&mut *house.engine(), "li-na", "third plain words here", came).expect("a new password");
    let tried = || sessions::log_in(&mut *house.engine(), ("li-na", "third plain words here"), again, came);
    assert_eq!((out, tried().expect("an answer")), (true, Tried::Wrong));
    people::enable(&mut *house.engine(), "li-na", came).expect("she is back");
    assert!(matches!(tried(), Ok(Tried::In { .. })));
    let reach = people::set_role(&mut *house.engine(), "li-na", (Role::Operator, None), came).expect("another task");
    assert_eq!(reach, people::Reach::All);
    house.end().await;
}

/// A page of somebody else posts our forms from a visitor's browser.
pub async fn a_foreign_page_can_neither_log_anybody_in_nor_out(side: Side) {
    let house = House::new(side).await;
    house.add("li-na", Role::Analyst, "all");
    let cookie = house.log_in("li-na").await;
    let form = [("name", "li-na"), ("password", PASSWORD)];
    for origin in ["https://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:1"] {
        for path in ["/login", "/logout"] {
            let refused = house.post_from(origin, path, &cookie, &form).await;
            assert_eq!((refused.status, refused.header("set-cookie")), (StatusCode::FORBIDDEN, ""), "{origin} {path}");
        }
    }
    assert_eq!(house.get("/", &cookie).await.status, StatusCode::OK);
    let elsewhere =
        house.post("/login", "", &[("name", "li-na"), ("password", PASSWORD), ("next", "//evil.example")]).await;
    assert_eq!(elsewhere.header("location"), "/");
    house.end().await;
}

//! Coming in and going out.

use crate::{
    Side,
    house::{House, PASSWORD},
};
use reqwest::StatusCode;
use skinlink::{
    clock,
    domain::Timestamp,
    hq::office::{
        people::{self, Role},
        sessions::{self, Tried},
    },
};

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
    let tried = sessions::log_in(&mut *engine, ("li-na", PASSWORD), [127, 0, 0, 1].into(), later).expect("an answer");
    assert!(matches!(tried, Tried::In { .. }), "{tried:?}");
    let tried = sessions::log_in(&mut *engine, ("nobody", "x"), [127, 0, 0, 1].into(), later).expect("an answer");
    assert_eq!(tried, Tried::Wrong);
    house.end().await;
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
    let session = || match sessions::log_in(&mut *house.engine(), ("li-na", PASSWORD), [10, 0, 0, 1].into(), came) {
        Ok(Tried::In { token }) => digest(&token),
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
    assert!(matches!(
        sessions::log_in(&mut *house.engine(), ("li-na", PASSWORD), [10, 0, 0, 1].into(), came),
        Ok(Tried::Wrong)
    ));
    people::disable(&mut *house.engine(), "li-na", came).expect("she has left");
    let left = sessions::log_in(&mut *house.engine(), ("li-na", "other plain words here"), [10, 0, 0, 1].into(), came);
    assert_eq!(left.expect("an answer"), Tried::Wrong);
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

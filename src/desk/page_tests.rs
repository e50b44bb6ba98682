use super::*;
use crate::{
    domain::{
        FeedbackId, Region, Timestamp,
        comparison::{Drawn as ChangeDrawn, Refusal},
    },
    report::{
        overlay,
        paper::{self, Shown},
        traditional,
    },
    sync::{
        payload::Compared,
        sheet::{Because, Earlier, Label, Look, Method, Pair, PairPicture, Photographs, Sheet},
    },
};

#[path = "page_cases_tests.rs"]
mod cases;
use cases::*;

const TOKEN: &str = "00112233445566778899aabbccddeeff";

/// Words that claim more than a measurement can: none may stand in what a customer reads.
const FORBIDDEN: &[&str] = &[
    "治疗",
    "治愈",
    "治癒",
    "根治",
    "诊断",
    "诊疗",
    "疾病",
    "病",
    "患者",
    "疗效",
    "处方",
    "药",
    "保证",
    "无效退",
    "最佳",
    "第一",
    "排名",
    "百分位",
    "打败",
    "超过同龄",
    "肤色等级",
    "衰老",
    "缺陷",
    "丑",
    "diagnos",
    "treat",
    "cure",
    "disease",
    "patient",
    "clinical",
    "guarantee",
    "therap",
    "heal",
    "prescri",
    "medicin",
    "rosacea",
    "acne",
    "melanom",
    "percentile",
    "ranking",
    "flaw",
    "defect",
    "ageing",
    "aging",
    "younger",
];

async fn html(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a page");
    String::from_utf8(bytes.to_vec()).expect("text")
}

async fn drawn(tongue: Tongue, sheet: Sheet) -> String {
    let opened = Opened { sheet, expires: Timestamp::from_unix_ms(1_780_000_000_000) };
    html(report(tongue, TOKEN, &opened, true)).await
}

/// Every page there is, in one language.
async fn all(tongue: Tongue) -> Vec<String> {
    let said = |topic: &Topic| Said { id: FeedbackId::from_bits(1), topic: *topic, stars: None, words: String::new() };
    let said: Vec<Said> = Topic::ALL.iter().map(said).collect();
    let mut pages = vec![
        html(dead(tongue)).await,
        html(wait(tongue)).await,
        html(away(tongue)).await,
        html(nothing_said(tongue, TOKEN)).await,
        html(full(tongue, TOKEN)).await,
        html(thanks(tongue, TOKEN, &said, true)).await,
        html(no_paper(tongue, TOKEN)).await,
        drawn(tongue, whole()).await,
    ];
    for sheet in odd() {
        pages.push(drawn(tongue, sheet).await);
    }
    pages
}

/// Every text of the papers there are, in one language, without what the salon wrote itself.
fn papers(tongue: Tongue) -> Vec<String> {
    fn texts(value: &serde_json::Value, said: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => said.push(text.clone()),
            serde_json::Value::Array(all) => all.iter().for_each(|one| texts(one, said)),
            serde_json::Value::Object(all) => all.values().for_each(|one| texts(one, said)),
            _ => {}
        }
    }
    let mut said = Vec::new();
    for sheet in std::iter::once(whole()).chain(odd()) {
        let pairs = 0..sheet.photographs.len();
        let shown: Vec<Shown> = pairs
            .map(|at| Shown {
                at,
                before: Some("a.jpg".into()),
                after: None,
                changes: ["change1", "change2"].map(|role| (role.into(), "c.jpg".into())).into(),
            })
            .collect();
        let mut data = paper::data(tongue.lang(), &sheet, None, &shown);
        data["salon"].take();
        data["steps"].take();
        data["beautician"].take();
        texts(&data, &mut said);
    }
    said
}

/// Without what the salon wrote itself.
fn ours(page: &str) -> String {
    let pieces = page.split("<bdi>").map(|piece| piece.split_once("</bdi>").map_or(piece, |(_, after)| after));
    pieces.collect()
}

/// What a reader sees: without style, script and tags, but with what is read aloud.
fn read(page: &str) -> String {
    let without = |text: &str, open: &str, close: &str| {
        let (before, rest) = text.split_once(open).unwrap_or((text, ""));
        format!("{before}{}", rest.split_once(close).map_or("", |(_, after)| after))
    };
    without(&without(page, "<style>", "</style>"), "<script>", "</script>")
}

#[tokio::test]
async fn no_page_in_any_language_says_a_forbidden_word() {
    for tongue in Tongue::ALL {
        let pages = all(*tongue).await;
        for page in pages.iter().chain(&papers(*tongue)) {
            let said = read(page).to_lowercase();
            for word in FORBIDDEN {
                let before = said.split_once(word).map(|(before, _)| before.chars().rev().take(30).collect::<String>());
                let before = before.map(|reversed| reversed.chars().rev().collect::<String>());
                assert_eq!(before, None, "{word} stands behind that in {tongue}");
            }
        }
    }
}

#[tokio::test]
async fn a_traditional_page_holds_no_simplified_character_but_what_the_salon_wrote() {
    let pages = all(Tongue::Hant).await.into_iter().map(|page| ours(&read(&page)));
    for said in pages.chain(papers(Tongue::Hant)) {
        let left: String =
            said.chars().zip(traditional::sentence(&said).chars()).filter(|(a, b)| a != b).map(|(a, _)| a).collect();
        assert_eq!(left, "", "a wording is missing in src/report/traditional_reports.rs: {said}");
    }
    let page = drawn(Tongue::Hant, whole()).await;
    assert!(
        page.contains("護理後")
            && page.contains("<bdi>镜湖舒缓</bdi>")
            && page.contains("<bdi>毛孔清潔</bdi>")
            && page.contains("lang=\"zh-Hant\"")
    );
}

#[tokio::test]
async fn a_page_is_whole_under_its_own_policy_and_small() {
    for tongue in Tongue::ALL {
        let pages = all(*tongue).await;
        for page in &pages {
            assert!(!page.contains(" style="), "a style attribute is blocked by the policy");
            assert!(page.contains(&format!("<style>{STYLE}</style>")), "the digest is of these very bytes");
        }
        let whole = &pages[7];
        assert!(whole.contains(&format!("<script>{SCRIPT}</script>")));
        assert!(!whole.contains("01a1f0c2"), "an id is on the page");
        assert!(whole.contains("loading=\"lazy\""));
    }
}

#[tokio::test]
async fn what_a_salon_writes_is_text_and_never_markup() {
    let sheet = Sheet {
        steps: vec!["<script>alert(1)</script>".into(), "\"><img src=x>".into(), "مرحبا".into(), "💆‍♀️".into()],
        salon: Label { zh: "清<b>和".into(), en: "Q & \"A\"".into() },
        ..whole()
    };
    for tongue in Tongue::ALL {
        let page = drawn(*tongue, sheet.clone()).await;
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x") && !page.contains("清<b>"));
        assert!(page.contains("<bdi>مرحبا</bdi>") && page.contains("💆‍♀️"));
    }
}

/// Aligned photographs say so and are asked for as such; every sign of their pictures stands in words beside it, and so does that
/// a mark alone is no change. Pictures of change are asked for when they are opened, and what no page knows is passed over.
#[tokio::test]
async fn pictures_of_a_pair_say_what_they_show_and_what_they_do_not() {
    for tongue in Tongue::ALL {
        let lang = tongue.lang();
        let mut sheet = whole();
        sheet.photographs.truncate(1);
        let page = drawn(*tongue, sheet.clone()).await;
        for word in ["pair_before", "pair_after", "change1", "change2"] {
            assert!(page.contains(&format!("/r/{TOKEN}/0/{word}\"")), "{word}");
        }
        assert!(!page.contains("/0/before") && !page.contains("/0/after"));
        assert!(page.contains(overlay::aligned(lang)));
        let changes: Vec<&str> = page.split("<details class=\"change\">").skip(1).collect();
        assert_eq!(changes.len(), 2);
        for (change, drawn) in changes.iter().zip([ChangeDrawn::Marks, ChangeDrawn::Tint]) {
            let change = change.split("</details>").next().expect("it ends");
            assert!(change.contains("loading=\"lazy\"") && change.contains(overlay::no_verdict(lang)));
            for key in overlay::key(lang, drawn) {
                assert!(change.contains(&format!("{}{}", key.sign, key.words)), "{}", key.words);
            }
        }
        let unknown = |word: &str| PairPicture { role: word.into(), how: word.into(), ..laid().pictures[2].clone() };
        sheet.photographs[0].pair.as_mut().expect("a pair").pictures.extend(["change9", "x"].map(unknown));
        assert_eq!(drawn(*tongue, sheet.clone()).await.split("<details class=\"change\">").count(), 3);
        // Half a pair is none.
        sheet.photographs[0].pair.as_mut().expect("a pair").pictures.remove(1);
        let page = drawn(*tongue, sheet.clone()).await;
        assert!(page.contains("/0/before\"") && page.contains("/0/after\"") && !page.contains("class=\"change\""));
        assert!(!page.contains(overlay::aligned(lang)));
        sheet.photographs[0].pair = Some(Pair { refusal: "not_registered".into(), pictures: Vec::new() });
        let page = drawn(*tongue, sheet).await;
        assert!(page.contains(&overlay::not_aligned(lang, Refusal::NotRegistered)) && page.contains("/0/before\""));
    }
}

/// The salon's colour stands in a rule of its own that the policy of this answer names, and of no other.
#[tokio::test]
async fn a_salons_look_is_on_the_page_and_in_its_policy() {
    let mut sheet = whole();
    sheet.look = Look { colour: "#5B3A8C".into(), logo: "data:image/png;base64,AAAA".into() };
    let policy = |mut answer: Response| {
        super::super::headers::put(&mut answer);
        answer.headers()["content-security-policy"].to_str().expect("text").to_owned()
    };
    let answer = |sheet: Sheet| {
        let opened = Opened { sheet, expires: Timestamp::from_unix_ms(1_780_000_000_000) };
        report(Tongue::Hans, TOKEN, &opened, true)
    };
    let rule = ":root{--jade:#5B3A8C}";
    let digest = openssl::base64::encode_block(&openssl::sha::sha256(rule.as_bytes()));
    assert!(policy(answer(sheet.clone())).contains(&format!("'sha256-{digest}'")));
    assert!(!policy(answer(whole())).contains(&digest));
    let page = html(answer(sheet.clone())).await;
    assert!(
        page.contains(&format!("<style>{rule}</style>")) && page.contains(r#"<img src="data:image/png;base64,AAAA""#)
    );
    // What is no colour is none of ours to write into a style sheet.
    sheet.look.colour = "red}body{display:none".into();
    assert!(!html(answer(sheet)).await.contains("display:none}</style>"));
}

/// Stars promised an answer within hours, and a wish for no more messages was said to be fulfilled, which nothing acts on.
#[tokio::test]
async fn thanks_promise_nothing_that_is_not_done() {
    let said = |topic: Topic| Said { id: FeedbackId::from_bits(1), topic, stars: Some(5), words: String::new() };
    for tongue in Tongue::ALL {
        let page = async |topic: Topic| read(&html(thanks(*tongue, TOKEN, &[said(topic)], false)).await);
        for topic in [Topic::Visit, Topic::Step, Topic::Withdraw] {
            let page = page(topic).await;
            assert!(!page.contains("24") && !page.contains("72"), "{topic} asks nobody for anything: {page}");
        }
        for topic in [Topic::Call, Topic::Unsubscribe, Topic::MyData, Topic::Erasure] {
            assert!(page(topic).await.contains("24"), "{topic} has its hours");
        }
        let unsubscribed = page(Topic::Unsubscribe).await;
        for promise in ["不会再给您发", "不會再給您發", "will send you no more"] {
            assert!(!unsubscribed.contains(promise), "a person must see to it: {unsubscribed}");
        }
    }
}

/// What a page of the samples shows: its address and the word that makes a form one are other each time, and the photographs are
/// those of a rendered face beside it.
fn as_sample(page: &str) -> String {
    let mut out = String::new();
    for (at, piece) in page.split("name=\"once\" value=\"").enumerate() {
        out += if at == 0 { piece } else { piece.split_once('"').map_or("", |(_, after)| after) };
        out += "name=\"once\" value=\"\"";
    }
    let out = out.trim_end_matches("name=\"once\" value=\"\"").to_owned();
    let out = (0..3).fold(out, |out, at| {
        let at = format!("/r/{TOKEN}/{at}/");
        let out = out.replace(&format!("{at}pair_"), "front-pair-").replace(&format!("{at}change"), "front-change");
        ["front-pair-before", "front-pair-after", "front-change1", "front-change2"]
            .into_iter()
            .fold(out, |out, name| out.replace(&format!("\"{name}\""), &format!("\"{name}.jpg\"")))
    });
    out.replace(TOKEN, "00000000000000000000000000000000")
}

/// `docs/report/` shows what customers see. `SKINLINK_WRITE_SAMPLES=1` writes it anew: look at it then.
#[tokio::test]
async fn the_samples_are_current() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report");
    let mut sheet = whole();
    sheet.photographs.truncate(1);
    let mut samples = Vec::new();
    for tongue in Tongue::ALL {
        samples.push((format!("report-{}.html", tongue.tag()), as_sample(&drawn(*tongue, sheet.clone()).await)));
    }
    samples.push(("no-comparison.html".to_owned(), as_sample(&drawn(Tongue::Hans, odd().remove(1)).await)));
    samples.push(("dead-link.html".to_owned(), html(dead(Tongue::Hans)).await));
    // Two regions say as much as twenty-five.
    sheet.items.truncate(2);
    let bundle = crate::report::fhir::bundle(Lang::En, &sheet, 7);
    samples.push(("report.fhir.json".to_owned(), format!("{bundle:#}\n")));
    for (name, text) in samples {
        let path = folder.join(&name);
        if std::env::var_os("SKINLINK_WRITE_SAMPLES").is_some() {
            std::fs::write(&path, &text).expect("writable");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{name} is out of date; write it with SKINLINK_WRITE_SAMPLES=1 and look at it");
    }
}

//! From the form on the page to what the customer said. The page carries a random word of its own; with it, the topic and what was
//! said of it each thing said has its id, so that a form sent twice, by an impatient finger or a broken line, is one, and one
//! that was changed in between is another. A withdrawal says nothing more than itself, so the time tells two of them apart: a
//! customer may agree again and withdraw again on the same page. (The second of two taps finds the report closed.)

use super::Digest;
use crate::{
    domain::{FeedbackId, Timestamp, feedback::Topic, id::v7_bits},
    sync::sheet::Sheet,
};
use openssl::sha::sha256;
use std::collections::BTreeMap;

/// Characters kept of free words.
const MOST: usize = 2_000;

/// One thing a customer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub id: FeedbackId,
    pub topic: Topic,
    /// 1 to 5.
    pub stars: Option<u8>,
    pub words: String,
}

/// What the form, sent `now`, says; empty for nothing. What is out of its range counts as not said.
pub(super) fn read(report: &Digest, fields: &BTreeMap<String, String>, sheet: &Sheet, now: Timestamp) -> Vec<Said> {
    let field = |name: &str| fields.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let stars = |name: &str| field(name).and_then(|text| text.parse().ok()).filter(|stars| (1..=5).contains(stars));
    let once = field("once").unwrap_or_default();
    let id = |topic: Topic, nth: usize, said: &str| id_of(report, once, (topic, nth), said);
    let words: String = field("words").unwrap_or_default().chars().filter(|c| *c != '\0').take(MOST).collect();
    let mut said = Vec::new();
    if stars("stars").is_some() || !words.is_empty() {
        let id = id(Topic::Visit, 0, &format!("{:?}\0{words}", stars("stars")));
        said.push(Said { id, topic: Topic::Visit, stars: stars("stars"), words });
    }
    for (nth, step) in sheet.steps.iter().enumerate() {
        if let Some(given) = stars(&format!("step-{nth}")) {
            let id = id(Topic::Step, nth, &given.to_string());
            said.push(Said { id, topic: Topic::Step, stars: Some(given), words: step.clone() });
        }
    }
    for topic in [Topic::Call, Topic::Unsubscribe, Topic::Withdraw, Topic::MyData, Topic::Erasure] {
        if field(topic.as_str()).is_some() {
            let when = if topic == Topic::Withdraw { now.to_string() } else { String::new() };
            said.push(Said { id: id(topic, 0, &when), topic, stars: None, words: String::new() });
        }
    }
    said
}

fn id_of(report: &Digest, once: &str, (topic, nth): (Topic, usize), said: &str) -> FeedbackId {
    let mut text = report.to_vec();
    text.extend_from_slice(format!("\0{once}\0{topic}\0{nth}\0{said}").as_bytes());
    let digest = sha256(&text);
    let (time, noise) = (&digest[..6], &digest[16..]);
    let time = time.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let noise = noise.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    FeedbackId::from_bits(v7_bits(time, noise))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const NOW: Timestamp = Timestamp::from_unix_ms(1_780_000_000_000);

    fn sheet() -> Sheet {
        Sheet { steps: vec!["深层清洁".into(), "补水".into()], ..Sheet::default() }
    }

    #[test]
    fn each_thing_said_is_one_of_its_own_and_the_same_form_twice_is_the_same() {
        let form = fields(&[("once", "a1"), ("stars", "4"), ("words", " 很好 "), ("step-1", "5"), ("call", "on")]);
        let said = read(&[7; 32], &form, &sheet(), NOW);
        let told: Vec<_> = said.iter().map(|one| (one.topic, one.stars, one.words.as_str())).collect();
        assert_eq!(told, [(Topic::Visit, Some(4), "很好"), (Topic::Step, Some(5), "补水"), (Topic::Call, None, "")]);
        assert_eq!(read(&[7; 32], &form, &sheet(), NOW), said);
        let other = read(&[7; 32], &fields(&[("once", "a2"), ("stars", "4")]), &sheet(), NOW);
        assert!(said.iter().all(|one| one.id != other[0].id));
    }

    /// A form changed and sent again from the same page, and a second withdrawal from it, were taken for the first one and dropped.
    #[test]
    fn a_changed_form_and_a_later_withdrawal_are_something_new() {
        let stars = |given: &str| fields(&[("once", "a1"), ("stars", given), ("step-0", given)]);
        let (four, five) = (read(&[7; 32], &stars("4"), &sheet(), NOW), read(&[7; 32], &stars("5"), &sheet(), NOW));
        assert!(four.iter().zip(&five).all(|(four, five)| four.id != five.id), "{four:?} {five:?}");
        let words = |text: &str| read(&[7; 32], &fields(&[("once", "a1"), ("words", text)]), &sheet(), NOW);
        assert_ne!(words("很好")[0].id, words("很好，谢谢")[0].id);
        let form = fields(&[("once", "a1r"), ("withdraw", "on"), ("my_data", "on")]);
        let later = |ms: i64| read(&[7; 32], &form, &sheet(), Timestamp::from_unix_ms(NOW.unix_ms() + ms));
        let (first, hour) = (later(0), later(3_600_000));
        assert!(first[0].topic == Topic::Withdraw && first[0].id != hour[0].id, "{first:?} {hour:?}");
        assert_eq!(first[1], hour[1], "what asks for the same thing again is the same");
    }

    #[test]
    fn what_is_out_of_range_or_empty_is_not_said() {
        for form in [
            fields(&[]),
            fields(&[("once", "a1"), ("stars", "6"), ("words", "   "), ("step-7", "5")]),
            fields(&[("stars", "-1"), ("withdraw", "")]),
            fields(&[("stars", "4.5"), ("unknown", "on")]),
        ] {
            assert_eq!(read(&[7; 32], &form, &sheet(), NOW), [], "{form:?}");
        }
        let long = "长".repeat(5_000);
        assert_eq!(read(&[7; 32], &fields(&[("words", &long)]), &sheet(), NOW)[0].words.chars().count(), MOST);
    }
}

//! The wire, frozen byte by byte: `tests/vectors/wire/` was written by hand, not by this code. A published version is never
//! changed, only followed by the next: if a test here fails, the code is wrong.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use skinlink::sync::{
    agenda,
    envelope::{Batch, Event, TYPE_PREFIX},
    image_lane::Offer,
    payload::{self, kind},
    reply::{Hello, Reply},
    sheet::Report,
};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/wire")
}

fn names() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).expect("the vectors' folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("plain names")).collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

/// Parsed and written again it is the same text, and every object in it refuses a field it does not know.
fn frozen<T: Serialize + DeserializeOwned>(name: &str, text: &str) {
    let parsed: T = serde_json::from_str(text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    assert_eq!(serde_json::to_string(&parsed).expect("plain data"), text, "{name}");
    let value: Value = serde_json::from_str(text).expect("just parsed");
    for at in objects(&value) {
        let mut changed = value.clone();
        let object = changed.pointer_mut(&at).and_then(Value::as_object_mut).expect("just listed");
        object.insert("surprise".to_owned(), Value::from(1));
        let changed = changed.to_string();
        assert!(serde_json::from_str::<T>(&changed).is_err(), "{name}: an unknown field at {at:?} must be refused");
    }
}

/// JSON pointers of all objects in `value`.
fn objects(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), value)];
    while let Some((at, value)) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                waiting.extend(fields.iter().map(|(name, inner)| (format!("{at}/{name}"), inner)));
                found.push(at);
            }
            Value::Array(items) => {
                waiting.extend(items.iter().enumerate().map(|(index, inner)| (format!("{at}/{index}"), inner)));
            }
            _ => {}
        }
    }
    found
}

/// An event's own fields; its `data` is raw and held to its type apart.
fn frozen_event(name: &str, text: &str) -> Event {
    let event: Event = serde_json::from_str(text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    assert_eq!(event.check(), Ok(()), "{name}");
    assert_eq!(serde_json::to_string(&event).expect("plain data"), text, "{name}");
    let surprise = text.replacen('{', "{\"surprise\":1,", 1);
    assert!(serde_json::from_str::<Event>(&surprise).is_err(), "{name}: an unknown field must be refused");
    event
}

#[test]
fn every_event_type_has_a_frozen_vector() {
    for short in kind::ALL {
        let name = format!("event-{short}.json");
        let event = frozen_event(&name, &read(&name));
        assert_eq!(event.kind, format!("{TYPE_PREFIX}{short}"));
        assert_eq!(payload::check(short, &event.data), Ok(()), "{name}");
        let data = event.data.get();
        match *short {
            kind::VISIT => frozen::<payload::Visit>(&name, data),
            kind::CONSENT => frozen::<payload::Consent>(&name, data),
            kind::SCAN => frozen::<payload::Scan>(&name, data),
            kind::READING => frozen::<payload::Reading>(&name, data),
            kind::MEASUREMENT => frozen::<payload::Measurement<'_>>(&name, data),
            kind::CAPTURE => frozen::<payload::Capture>(&name, data),
            kind::SCORE => frozen::<payload::Score>(&name, data),
            kind::COMPARISON => frozen::<payload::Comparison>(&name, data),
            kind::VOIDED => frozen::<payload::Voided>(&name, data),
            kind::REASSIGNED => frozen::<payload::Reassigned>(&name, data),
            kind::ALIAS => frozen::<payload::Alias>(&name, data),
            kind::FEEDBACK => frozen::<payload::Feedback>(&name, data),
            kind::SHEET => frozen::<payload::ServiceSheet>(&name, data),
            kind::REPORT => frozen::<Report>(&name, data),
            kind::CLOCK => frozen::<payload::Clock>(&name, data),
            kind::REDACTED => frozen::<payload::Redacted>(&name, data),
            kind::ERASED => frozen::<payload::Erased>(&name, data),
            kind::ANSWER => frozen::<payload::Answer>(&name, data),
            other => panic!("{other} is in kind::ALL but not here"),
        }
        let other = kind::ALL.iter().find(|other| *other != short).expect("there are two");
        assert!(payload::check(other, &event.data).is_err(), "{name} must not pass as {other}");
    }
}

/// What a published type has gained since, each as an optional field: frozen beside the vector without it, `event-{type}-{what}.json`.
#[test]
fn what_a_type_has_gained_is_frozen_too() {
    for name in names().iter().filter(|name| name.starts_with("event-") && name.matches('-').count() > 1) {
        let event = frozen_event(name, &read(name));
        let short = name["event-".len()..].split('-').next().expect("a type");
        assert_eq!(event.kind, format!("{TYPE_PREFIX}{short}"), "{name}");
        assert_eq!(payload::check(short, &event.data), Ok(()), "{name}");
        match short {
            kind::REPORT => frozen::<Report>(name, event.data.get()),
            kind::SHEET => frozen::<payload::ServiceSheet>(name, event.data.get()),
            kind::ANSWER => frozen::<payload::Answer>(name, event.data.get()),
            other => panic!("{name}: no test reads what {other} has gained"),
        }
    }
}

#[test]
fn batches_offers_and_everything_said_about_progress_are_frozen() {
    for name in names().iter().filter(|name| !name.starts_with("event-")) {
        let text = read(name);
        match name.split(['-', '.']).next() {
            Some("batch") => {
                let batch: Batch = serde_json::from_str(&text).expect("a batch");
                assert_eq!(serde_json::to_string(&batch).expect("plain data"), text);
                assert_eq!(batch.events.len(), batch.count as usize);
                for (event, seq) in batch.events.iter().zip(batch.first_seq..) {
                    assert_eq!(frozen_event(name, event.get()).seq, seq);
                }
            }
            Some("hello") => frozen::<Hello>(name, &text),
            Some("reply") => frozen::<Reply>(name, &text),
            Some("offer") => frozen::<Offer>(name, &text),
            Some("agenda") => frozen::<agenda::File>(name, &text),
            _ => panic!("{name}: no test reads it"),
        }
    }
}

#[test]
fn every_kind_of_reply_has_a_vector() {
    let replies: Vec<Reply> = names()
        .iter()
        .filter(|name| name.starts_with("reply-"))
        .map(|name| serde_json::from_str(&read(name)).expect("a reply"))
        .collect();
    let kinds: BTreeSet<&str> = replies
        .iter()
        .map(|reply| match reply {
            Reply::Hello { .. } => "hello",
            Reply::Ack { .. } => "ack",
            Reply::Nack { .. } => "nack",
            Reply::Ask { .. } => "ask",
            Reply::Image { .. } => "image",
            Reply::Upload { .. } => "upload",
            Reply::Feedback { .. } => "feedback",
            Reply::Agenda { .. } => "agenda",
            Reply::Staff { .. } => "staff",
            Reply::Order { .. } => "order",
            Reply::Wanted { .. } => "wanted",
            Reply::Slice { .. } => "slice",
            Reply::Alarm { .. } => "alarm",
        })
        .collect();
    assert_eq!(kinds.len(), 13, "{kinds:?}");
}

#[test]
fn no_vector_can_be_cut_short() {
    for name in names() {
        let text = read(&name);
        for length in (0..text.len()).filter(|length| text.is_char_boundary(*length)) {
            assert!(serde_json::from_str::<Value>(&text[..length]).is_err(), "{name} at {length}");
        }
    }
}

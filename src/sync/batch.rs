//! Puts events of the outbox into one publish.

use super::{MAX_PUBLISH, envelope::Batch, reply::SeqRange};
use serde_json::value::RawValue;

/// Bytes of a batch around its events: names, epoch, two numbers of up to 20 digits.
const FRAME: usize = 160;

/// Makes a batch of the first consecutive run of `rows` (sequence and event text, ascending), as much of it as fits into
/// [`MAX_PUBLISH`]; the payload and the range it covers. `None` for no rows.
///
/// An event that cannot travel (no JSON, or too large alone) is replaced by a text that says so: HQ refuses that row, it
/// goes to the dead letters with its body, and the rest moves on.
#[must_use]
pub fn compose(epoch: &str, rows: &[(u64, String)]) -> Option<(Vec<u8>, SeqRange)> {
    let &(first_seq, _) = rows.first()?;
    let (mut events, mut size) = (Vec::new(), FRAME);
    for ((seq, text), expected) in rows.iter().zip(first_seq..) {
        let event = travels(text);
        size += event.get().len() + 1;
        if *seq != expected || (size > MAX_PUBLISH && !events.is_empty()) {
            break;
        }
        events.push(event);
    }
    let count = u32::try_from(events.len()).expect("64 KiB hold fewer");
    let last = first_seq + u64::from(count) - 1;
    let batch = Batch { epoch: epoch.to_owned(), first_seq, count, events };
    let payload = serde_json::to_vec(&batch).expect("a batch is text and numbers");
    Some((payload, (first_seq, last)))
}

fn travels(text: &str) -> Box<RawValue> {
    let instead = |why: String| serde_json::value::to_raw_value(&why).expect("a text is JSON");
    if text.len() + FRAME > MAX_PUBLISH {
        return instead(format!("an event of {} bytes, too large to be sent", text.len()));
    }
    RawValue::from_string(text.to_owned()).unwrap_or_else(|fault| instead(format!("an event that is no JSON: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: &str = "018bcfe5-687b-7fff-bfff-ffffffffffff";

    fn row(seq: u64, length: usize) -> (u64, String) {
        (seq, format!("\"{}\"", "x".repeat(length)))
    }

    #[test]
    fn a_batch_ends_before_a_hole() {
        let rows = [row(7, 1), row(8, 1), row(10, 1)];
        assert_eq!(compose(EPOCH, &rows).unwrap().1, (7, 8));
        assert_eq!(compose(EPOCH, &[]), None);
    }

    #[test]
    fn no_batch_is_larger_than_a_publish_may_be() {
        for length in (1..20_000).step_by(37).chain(65_000..66_000) {
            let rows: Vec<_> = (u64::MAX - 100..u64::MAX - 60).map(|seq| row(seq, length)).collect();
            let (payload, (first, last)) = compose(EPOCH, &rows).unwrap();
            assert!(payload.len() <= MAX_PUBLISH, "{length}: {}", payload.len());
            let batch: Batch = serde_json::from_slice(&payload).unwrap();
            assert_eq!((batch.first_seq, u64::from(batch.count)), (first, last - first + 1));
        }
    }

    #[test]
    fn what_cannot_travel_is_named_in_its_place() {
        let rows = [row(1, 5), (2, "{broken".to_owned()), row(3, 70_000), row(4, 5)];
        let (payload, range) = compose(EPOCH, &rows).unwrap();
        let batch: Batch = serde_json::from_slice(&payload).unwrap();
        assert_eq!(range, (1, 4));
        assert!(batch.events[1].get().contains("no JSON") && batch.events[2].get().contains("70002 bytes"));
    }
}

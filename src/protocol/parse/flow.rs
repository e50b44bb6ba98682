//! `[flow]`.

use super::metric_id;
use crate::protocol::{
    checksum::Algorithm,
    flow::{Answer, Flow, KeepAlive, Measure, PictureFlow, Step, Unasked},
    reader::Reader,
};
use std::time::Duration;

/// A pore picture of a scope has 1 to 4 MiB; a device that announces more is mistaken.
const MOST_PICTURE_BYTES: i64 = 8 * 1024 * 1024;

pub(super) fn read(file: &Reader<'_>) -> Flow {
    let Some(table) = file.table("flow") else { return Flow::default() };
    Flow {
        identify: steps(&table, "identify"),
        measure: table.tables("measure").iter().map(measure).collect(),
        acknowledge: table.opt_text("acknowledge"),
        refuse: table.opt_text("refuse"),
        unasked: table.opt_word("unasked").unwrap_or(Unasked::Taken),
        answers: table.tables("answers").iter().map(answer).collect(),
        keep_alive: table.table("keep_alive").map(|table| KeepAlive {
            every: millis(table.within("every_ms", 100, 600_000)),
            steps: steps(&table, "steps"),
        }),
        set_clock: steps(&table, "set_clock"),
        picture: table.table("picture").and_then(|table| picture(&table)),
    }
}

fn millis(count: usize) -> Duration {
    Duration::from_millis(count as u64)
}

fn measure(table: &Reader<'_>) -> Measure {
    let metrics = table.texts("metrics").iter().filter_map(|text| metric_id(table, "metrics", text)).collect();
    Measure { metrics, steps: steps(table, "steps") }
}

fn steps(table: &Reader<'_>, key: &'static str) -> Vec<Step> {
    let steps = table.tables(key).into_iter().map(|step| {
        let (send, reply) = (step.opt_text("send"), replies(&step));
        // Without a reply there is nothing to wait for.
        let waits = !reply.is_empty() || step.has("timeout_ms");
        let timeout = if waits { millis(step.within("timeout_ms", 10, 120_000)) } else { Duration::ZERO };
        if send.is_none() && reply.is_empty() {
            step.complain("", "neither sends nor waits; write send, reply or both");
        }
        Step { send, reply, timeout, retries: step.opt_within("retries", 0, 20).unwrap_or(0) as u32 }
    });
    let steps: Vec<Step> = steps.collect();
    if steps.first().is_some_and(|first| first.send.is_none() && first.retries > 0) {
        table
            .complain(key, "the first step has nothing to send again; let it send something, or leave its retries out");
    }
    steps
}

/// One message that ends the step, or any of several.
fn replies(step: &Reader<'_>) -> Vec<String> {
    match step.get("reply") {
        Some(toml::Value::Array(_)) => step.texts("reply"),
        _ => step.opt_text("reply").into_iter().collect(),
    }
}

fn answer(table: &Reader<'_>) -> Answer {
    Answer { to: table.text("to"), send: table.text("send") }
}

fn picture(table: &Reader<'_>) -> Option<PictureFlow> {
    let name = table.text("check");
    let check = Algorithm::named(&name);
    if check.is_none() {
        table.complain("check", format!("{name:?} is no checksum; write for example CRC-32/ISO-HDLC"));
    }
    let flow = PictureFlow {
        announce: table.text("announce"),
        chunk: table.text("chunk"),
        request: table.text("request"),
        done: table.text("done"),
        max_bytes: table.within("max_bytes", 1, MOST_PICTURE_BYTES),
        window: table.within("window", 1, 256) as u32,
        timeout: millis(table.within("timeout_ms", 10, 60_000)),
        retries: table.within("retries", 0, 100) as u32,
        check: check?,
    };
    Some(flow)
}

//! `[flow]`.

use super::metric_id;
use crate::protocol::{
    checksum::Algorithm,
    flow::{Flow, KeepAlive, Measure, PictureFlow, Step},
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
    let steps = table.tables(key).into_iter().map(|step| Step {
        send: step.opt_text("send"),
        reply: step.text("reply"),
        timeout: millis(step.within("timeout_ms", 10, 120_000)),
        retries: step.opt_within("retries", 0, 20).unwrap_or(0) as u32,
    });
    let steps: Vec<Step> = steps.collect();
    if steps.first().is_some_and(|first| first.send.is_none()) {
        table.complain(key, "the first step must send something");
    }
    steps
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

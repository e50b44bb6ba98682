//! `[flow]`.

use super::{framing::algorithm, list, metric_id, one_of, table, text, whole};
use crate::protocol::flow::Unasked;
use serde_json::{Value, json};

pub(super) fn flow() -> Value {
    let keep_alive = table(
        &["every_ms", "steps"],
        &[
            ("every_ms", "So long without a byte from the device.", whole(100, 600_000)),
            ("steps", "What is asked then.", list(&step())),
        ],
    );
    let mut metrics = list(&metric_id());
    metrics["minItems"] = 1.into();
    let measure = table(
        &["metrics", "steps"],
        &[("metrics", "What comes out.", metrics), ("steps", "The conversation.", list(&step()))],
    );
    let answer = table(
        &["to", "send"],
        &[("to", "Message of the device.", text()), ("send", "Command that answers it.", text())],
    );
    table(
        &[],
        &[
            ("identify", "Asked at every connection; the reply says who it is.", list(&step())),
            ("measure", "How values are asked for.", list(&measure)),
            ("acknowledge", "Command sent once a value is durable.", text()),
            ("answers", "What is said to a message whenever it comes.", list(&answer)),
            ("refuse", "Command sent for a frame that does not hold.", text()),
            (
                "unasked",
                "Values nobody asked for: taken, or dropped where the device sends all the time (taken).",
                one_of(Unasked::WORDS),
            ),
            ("keep_alive", "Asked while nothing else goes on.", keep_alive),
            ("set_clock", "Sets the device's clock.", list(&step())),
            ("picture", "How the device sends a picture.", picture()),
        ],
    )
}

fn step() -> Value {
    let reply = json!({ "type": ["string", "array"], "items": text(), "minItems": 1 });
    let mut step = table(
        &[],
        &[
            ("send", "Command to send; without it the step only waits.", text()),
            (
                "reply",
                "Message that ends the step, or a list of which any does; without it the step goes on at once.",
                reply,
            ),
            ("timeout_ms", "How long the reply may take.", whole(10, 120_000)),
            ("retries", "How often the last command is sent again (0).", whole(0, 20)),
        ],
    );
    step["anyOf"] = ["send", "reply"].map(|key| json!({ "required": [key] })).into();
    step["dependentRequired"] = json!({ "reply": ["timeout_ms"] });
    step
}

fn picture() -> Value {
    table(
        &["announce", "chunk", "request", "done", "check", "max_bytes", "window", "timeout_ms", "retries"],
        &[
            ("announce", "Message that says how big it is.", text()),
            ("chunk", "Message that brings a chunk.", text()),
            ("request", "Command that asks for chunks.", text()),
            ("done", "Command that ends it, once it is durable.", text()),
            ("check", "Checksum over the whole picture.", algorithm()),
            ("max_bytes", "Largest picture.", whole(1, 8 * 1_024 * 1_024)),
            ("window", "Chunks asked for at once.", whole(1, 256)),
            ("timeout_ms", "Without a chunk for so long, what is missing is asked for again.", whole(10, 60_000)),
            ("retries", "How often in a row without any chunk.", whole(0, 100)),
        ],
    )
}

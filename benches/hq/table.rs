//! The table that is printed.

use crate::house::Cpu;
use std::{fmt, time::Duration};

pub struct Outcome {
    pub took: Duration,
    pub cpu: Cpu,
    /// Processor seconds of the simulated gateways.
    pub gateways: f64,
    pub latencies: Vec<Duration>,
    pub live: Vec<Duration>,
}

/// One line.
#[derive(Default)]
pub struct Row {
    name: String,
    rate: f64,
    cost: String,
    memory: Option<f64>,
    times: Vec<Duration>,
    show: String,
    live: Vec<Duration>,
    note: String,
}

pub fn heading() -> String {
    format!(
        "{:42} {:>9}  {:>31}  {:>7}  {:28} {}\n{}",
        "what",
        "events/s",
        "us of processor an event¹",
        "MiB",
        "acknowledged p50 / p99 / max",
        "",
        "¹ receiver + broker + database (+ simulated gateways)"
    )
}

impl Row {
    pub fn bare(name: &str, events: u64, took: Duration) -> Self {
        Self { name: name.to_owned(), rate: events as f64 / took.as_secs_f64(), ..Self::default() }
    }

    pub fn rate(name: &str, events: u64, outcome: Outcome) -> Self {
        let each = |seconds: f64| seconds * 1e6 / events as f64;
        let Cpu { receiver, broker, database } = outcome.cpu;
        let cost = format!(
            "{:.1} + {:.1} + {:.1} (+ {:.1})",
            each(receiver),
            each(broker),
            each(database),
            each(outcome.gateways)
        );
        let (times, live) = (outcome.latencies, outcome.live);
        Self { cost, times, live, ..Self::bare(name, events, outcome.took) }
    }

    pub fn memory(self, mib: f64) -> Self {
        Self { memory: Some(mib), ..self }
    }

    pub fn latency(self) -> Self {
        Self { show: percentiles(self.times.clone()), ..self }
    }

    pub fn live(self) -> Self {
        Self { show: format!("live {}", percentiles(self.live.clone())), ..self }
    }

    pub fn note(self, note: String) -> Self {
        Self { note, ..self }
    }
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: f64| {
        let place = ((times.len() as f64 - 1.0) * part).round() as usize;
        times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    };
    format!("{:.0} / {:.0} / {:.0} ms", at(0.5), at(0.99), at(1.0))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory.map_or(String::new(), |mib| format!("{mib:.0}"));
        let Self { name, rate, cost, show, note, .. } = self;
        write!(f, "{name:42} {rate:>9.0}  {cost:>31}  {memory:>7}  {show:28} {note}")
    }
}

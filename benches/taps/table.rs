//! What was measured, by kind of tap.

use std::{collections::BTreeMap, fmt, time::Duration};

/// Times of the taps of each kind.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<&'static str, Vec<Duration>>);

impl Table {
    pub fn note(&mut self, tap: &'static str, took: Duration) {
        self.0.entry(tap).or_default().push(took);
    }

    pub fn extend(&mut self, other: Self) {
        for (tap, times) in other.0 {
            self.0.entry(tap).or_default().extend(times);
        }
    }

    /// Of all taps together, milliseconds.
    pub fn p99(&self) -> f64 {
        let mut all: Vec<Duration> = self.0.values().flatten().copied().collect();
        all.sort_unstable();
        at(&all, 0.99)
    }
}

fn at(sorted: &[Duration], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (share * last as f64).ceil() as usize;
    sorted.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| tap | taps | p50 | p99 | longest |\n|---|---|---|---|---|")?;
        let mut all = Vec::new();
        for (tap, times) in &self.0 {
            let mut times = times.clone();
            times.sort_unstable();
            line(f, tap, &times)?;
            all.extend(times);
        }
        all.sort_unstable();
        line(f, "all", &all)
    }
}

fn line(f: &mut fmt::Formatter<'_>, tap: &str, sorted: &[Duration]) -> fmt::Result {
    let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|share| at(sorted, share));
    writeln!(f, "| {tap} | {} | {p50:.1} | {p99:.1} | {longest:.1} |", sorted.len())
}

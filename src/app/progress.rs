//! How far long work is, and how long it will take still: one line that renews itself in a terminal, a line now and then
//! elsewhere. On standard error: standard output is for what comes out.

use super::print::complain;
use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};
use tokio::time::Instant;

/// Where nobody watches a terminal, a line this often.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Progress {
    total: usize,
    done: usize,
    /// What was done in this run, and how long it took.
    measured: usize,
    spent: Duration,
    terminal: bool,
    said: Option<Instant>,
}

impl Progress {
    #[must_use]
    pub fn new(total: usize) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { total, done: 0, measured: 0, spent: Duration::ZERO, terminal, said: None }
    }

    /// One more, which an earlier run did.
    pub fn known(&mut self) {
        self.done += 1;
    }

    /// One more, which took so long.
    pub fn step(&mut self, name: &str, took: Duration) {
        self.done += 1;
        self.measured += 1;
        self.spent += took;
        let line = line(self.done, self.total, time_left(self.measured, self.spent, self.total - self.done), name);
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        } else if self.said.is_none_or(|said| said.elapsed() >= EVERY) {
            self.said = Some(Instant::now());
            complain(&line);
        }
    }

    /// Leaves the line for whoever writes next.
    pub fn end(&self) {
        if self.terminal && self.measured > 0 {
            let _ = writeln!(io::stderr());
        }
    }
}

/// By the mean of what was measured; `None` before the first.
fn time_left(measured: usize, spent: Duration, remaining: usize) -> Option<Duration> {
    (measured > 0).then(|| spent.mul_f64(remaining as f64 / measured as f64))
}

fn line(done: usize, total: usize, left: Option<Duration>, name: &str) -> String {
    let percent = 100 * done / total.max(1);
    let left = match left {
        Some(left) if done < total => format!(", about {} left", words(left)),
        _ => String::new(),
    };
    format!("{done} of {total} ({percent} %){left}: {name}")
}

/// As people say it: 40 s, 3 min, 2 h 5 min.
fn words(time: Duration) -> String {
    // Rounded once, so that 59.6 min are an hour and not 60 minutes.
    let (seconds, minutes) = (time.as_secs_f64().ceil() as u64, (time.as_secs_f64() / 60.0).round() as u64);
    match (seconds, minutes) {
        (0..100, _) => format!("{seconds} s"),
        (_, 0..60) => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_as_people_say_it() {
        let left = time_left(10, Duration::from_secs(30), 100);
        assert_eq!(left, Some(Duration::from_secs(300)));
        assert_eq!(line(12, 112, left, "a.jpg"), "12 of 112 (10 %), about 5 min left: a.jpg");
        assert_eq!(line(112, 112, left, "z.jpg"), "112 of 112 (100 %): z.jpg");
        assert_eq!(time_left(0, Duration::ZERO, 5), None);
        for (seconds, text) in
            [(0.2, "1 s"), (99.0, "99 s"), (101.0, "2 min"), (3_579.0, "1 h 0 min"), (7_500.0, "2 h 5 min")]
        {
            assert_eq!(words(Duration::from_secs_f64(seconds)), text);
        }
    }
}

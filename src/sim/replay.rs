//! A field recording as a device: it answers each command with what the real device answered, in the pace it did.
//!
//! Commands are told apart by the protocol file where there is one: a command is answered by what followed the next recorded
//! command of the same name, from the beginning again after the last. Without a protocol file whatever the gateway sends next
//! counts as the next recorded command. What the device said before anyone asked comes when the replay begins; a recording
//! without any command is said over and over.
//!
//! Request numbers and clocks in recorded answers stay as they were recorded.

use super::pty::Pty;
use crate::protocol::{
    Spec,
    listing::{Listing, Side},
    recording::{Piece, Recording},
};
use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Between two rounds of a recording without commands.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(2);

/// A command of the recording, and what the device said until the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Exchange {
    /// Name in the protocol file; empty where nobody knows it.
    command: String,
    /// After the command, and what.
    said: Vec<(Duration, Vec<u8>)>,
}

/// Plays a recording. Sans-IO: bytes and instants in, bytes with their instants out.
#[derive(Debug)]
pub struct Replay {
    spec: Option<Arc<Spec>>,
    /// What it said before anyone asked.
    unasked: Exchange,
    exchanges: Vec<Exchange>,
    next: usize,
    listing: Option<Listing>,
    due: VecDeque<(Instant, Vec<u8>)>,
}

impl Replay {
    #[must_use]
    pub fn new(recording: &Recording, spec: Option<Arc<Spec>>, now: Instant) -> Self {
        let mut exchanges = exchanges(recording, spec.as_ref());
        let unasked = exchanges.remove(0);
        let mut replay = Self { spec, unasked, exchanges, next: 0, listing: None, due: VecDeque::new() };
        replay.begin(now);
        replay
    }

    /// The gateway has opened the line anew: the conversation begins where it began.
    pub fn begin(&mut self, now: Instant) {
        self.next = 0;
        self.listing = self.spec.clone().map(|spec| Listing::new(spec, Side::Gateway));
        self.due.clear();
        self.say(now, &self.unasked.clone());
    }

    /// The gateway has sent `bytes`.
    pub fn heard(&mut self, now: Instant, bytes: &[u8]) {
        let commands: Vec<String> = match &mut self.listing {
            None => vec![String::new()],
            Some(listing) => listing.feed(bytes).into_iter().filter_map(|row| Some(row.meaning.ok()?.name)).collect(),
        };
        for command in commands {
            let from = self.next.min(self.exchanges.len());
            let (done, ahead) = self.exchanges.split_at(from);
            let same = |exchange: &Exchange| exchange.command == command;
            let found = ahead.iter().position(same).map(|at| from + at).or_else(|| done.iter().position(same));
            if let Some(at) = found {
                self.next = at + 1;
                self.say(now, &self.exchanges[at].clone());
            }
        }
    }

    /// What is said by now; and when there is more.
    pub fn poll(&mut self, now: Instant) -> (Vec<Vec<u8>>, Option<Instant>) {
        let mut said = Vec::new();
        while self.due.front().is_some_and(|(at, _)| *at <= now) {
            said.extend(self.due.pop_front().map(|(_, bytes)| bytes));
        }
        if self.due.is_empty() && self.exchanges.is_empty() && !self.unasked.said.is_empty() {
            self.say(now + BETWEEN_ROUNDS, &self.unasked.clone());
        }
        (said, self.due.front().map(|(at, _)| *at))
    }

    /// What comes later cannot overtake.
    fn say(&mut self, now: Instant, exchange: &Exchange) {
        for (after, bytes) in &exchange.said {
            let at = self.due.back().map_or(now + *after, |(last, _)| (now + *after).max(*last));
            self.due.push_back((at, bytes.clone()));
        }
    }
}

/// The first one has no command.
fn exchanges(recording: &Recording, spec: Option<&Arc<Spec>>) -> Vec<Exchange> {
    let mut exchanges = vec![Exchange::default()];
    let mut listing = spec.map(|spec| Listing::new(Arc::clone(spec), Side::Gateway));
    let mut asked_at = Duration::ZERO;
    for Piece { at, from, bytes } in &recording.pieces {
        match (from, &mut listing) {
            (Side::Device, _) => {
                let last = exchanges.last_mut().expect("there is always one");
                last.said.push((at.saturating_sub(asked_at), bytes.clone()));
                continue;
            }
            (Side::Gateway, None) => exchanges.push(Exchange::default()),
            (Side::Gateway, Some(listing)) => {
                let commands = listing.feed(bytes).into_iter().filter_map(|row| Some(row.meaning.ok()?.name));
                exchanges.extend(commands.map(|command| Exchange { command, said: Vec::new() }));
            }
        }
        asked_at = *at;
    }
    exchanges
}

/// Serves the replay under the name `path` until `stop`.
///
/// # Errors
/// When no pseudo-terminal can be had.
pub async fn serve_replay(path: &Path, mut replay: Replay, stop: CancellationToken) -> io::Result<()> {
    let mut pty = Pty::open(path)?;
    let mut buffer = [0; 1024];
    loop {
        let (said, wake) = replay.poll(now());
        said.iter().for_each(|bytes| pty.write(bytes));
        let woken = async {
            match wake {
                Some(wake) => tokio::time::sleep_until(wake.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = woken => {}
            received = pty.read(&mut buffer) => match received {
                Ok(count) => replay.heard(now(), &buffer[..count]),
                Err(_) => {
                    pty = Pty::open(path)?;
                    replay.begin(now());
                }
            },
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(lines: &str) -> Recording {
        Recording::parse(&format!("# skinlink recording 1\n{lines}")).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "an instant to count from; nothing waits for it")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_command_is_answered_as_it_was_in_the_same_pace_and_again_after_the_last() {
        let text = include_str!("../../firmware-protocols/moist-line/protocol.toml");
        let spec = Arc::new(Spec::parse("moist-line", text).unwrap_or_else(|faults| panic!("{faults}")));
        let (begun, ms) = (start(), Duration::from_millis);
        let lines = "0.5 > 3F 0D\n0.8 < 41\n0.9 < 42\n1.0 > 3F 0D\n1.1 < 43\n";
        let mut replay = Replay::new(&recording(lines), Some(spec), begun);
        assert_eq!(replay.poll(begun + ms(5_000)), (vec![], None), "it waits to be asked");
        let asked = begun + ms(10_000);
        replay.heard(asked, b"?");
        replay.heard(asked, b"\r");
        assert_eq!(replay.poll(asked), (vec![], Some(asked + ms(300))));
        assert_eq!(replay.poll(asked + ms(300)).0, [b"A"]);
        assert_eq!(replay.poll(asked + ms(400)), (vec![b"B".to_vec()], None));
        for (answer, after) in [(b"C", 100), (b"A", 300)] {
            replay.heard(asked, b"?\r");
            assert_eq!(replay.poll(asked + ms(after)).0, [answer]);
        }
    }

    #[test]
    fn what_nobody_asked_for_is_said_over_and_over() {
        let begun = start();
        let mut replay = Replay::new(&recording("0.0 < 41\n0.1 < 42\n"), None, begun);
        let mut said = Vec::new();
        let mut at = begun;
        while said.len() < 5 {
            let (now, wake) = replay.poll(at);
            said.extend(now.concat());
            at = wake.unwrap();
        }
        assert_eq!(said, b"ABABA");
    }
}

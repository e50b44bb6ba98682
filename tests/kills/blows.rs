//! Deaths from outside: who, when, for how long, and what a killed broker remembers.

use crate::plays::Play;
use std::time::Duration;

/// Where daemon or headquarters die while the broker and the other may be dying too, and how many passings every visit that
/// gets there is sure to make. After a lost connection there is always another hello.
const IN_MID_TALK: &[(&str, u32)] = &[
    ("sync.hello.answered", 1),
    ("sync.batch.published", 2),
    ("sync.ack.received", 2),
    ("hq.batch.before_commit", 2),
    ("hq.batch.committed", 2),
];

/// The same for visits that send a picture.
const IN_MID_PICTURE: &[(&str, u32)] =
    &[("sync.image.slice_sent", 1), ("sync.image.verified", 1), ("hq.image.synced", 1), ("hq.image.committed", 1)];

/// Who is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Daemon,
    /// Asked to end: for the points on its way out.
    DaemonPolitely,
    /// The inference process.
    Worker,
    Hq,
    Broker(Memory),
}

/// What a killed broker still knows when it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It never wrote anything down.
    None,
    /// What it wrote down last.
    Kept,
    /// It wrote things down, and the file is gone.
    Wiped,
}

/// When a blow falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Since the visit began.
    After(Duration),
    /// Once the beautician has done so many things.
    Turns(u32),
}

/// One death.
#[derive(Debug, Clone, Copy)]
pub struct Blow {
    pub when: When,
    pub victim: Victim,
    /// How long until it is started again.
    pub down: Duration,
}

impl Blow {
    pub const fn after_turns(turns: u32, victim: Victim) -> Self {
        Self { when: When::Turns(turns), victim, down: Duration::ZERO }
    }

    fn drawn(rng: &mut fastrand::Rng, victim: Victim, span: Duration) -> Self {
        let when = When::After(span.mul_f64(rng.f64()));
        Self { when, victim, down: Duration::from_millis(rng.u64(0..200)) }
    }
}

/// What kind of moments a campaign draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The daemon.
    Moment,
    Broker,
    Hq,
    Worker,
    /// Two or three of daemon, broker and headquarters.
    Combo,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Moment, Self::Broker, Self::Hq, Self::Worker, Self::Combo];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Moment => "moment",
            Self::Broker => "broker",
            Self::Hq => "hq",
            Self::Worker => "worker",
            Self::Combo => "combo",
        }
    }

    /// The visit, the same for the same seed.
    pub fn play(self, seed: u64) -> Play {
        let mut rng = fastrand::Rng::with_seed(seed);
        if self == Self::Worker { Play::Measured } else { Play::ALL[rng.usize(0..Play::ALL.len())] }
    }

    /// Of every second combination one dies besides at a point: in mid-drain, between the slices of a picture, while
    /// headquarters commits. Only points that the visit is sure to pass: one that is not reached proves nothing.
    pub fn order(self, seed: u64) -> Option<(&'static str, u32)> {
        let mut rng = fastrand::Rng::with_seed(!seed);
        let wanted = self == Self::Combo && rng.bool();
        let points = if self.play(seed).sends_picture() && rng.bool() { IN_MID_PICTURE } else { IN_MID_TALK };
        let (point, most) = points[rng.usize(0..points.len())];
        wanted.then(|| (point, rng.u32(1..=most)))
    }

    /// The deaths, the same for the same seed: anywhere in the `span` that the visit takes when nobody dies.
    pub fn blows(self, seed: u64, span: Duration) -> Vec<Blow> {
        // Apart from what the visit itself draws.
        let mut rng = fastrand::Rng::with_seed(seed.rotate_left(32));
        let memory = [Memory::None, Memory::Kept, Memory::Wiped][rng.usize(0..3)];
        let victims = match self {
            Self::Moment => vec![Victim::Daemon],
            Self::Broker => vec![Victim::Broker(memory)],
            Self::Hq => vec![Victim::Hq],
            Self::Worker => vec![Victim::Worker],
            Self::Combo => match rng.u8(0..4) {
                0 => vec![Victim::Daemon, Victim::Broker(memory)],
                1 => vec![Victim::Daemon, Victim::Hq],
                2 => vec![Victim::Broker(memory), Victim::Hq],
                _ => vec![Victim::Daemon, Victim::Broker(memory), Victim::Hq],
            },
        };
        let mut blows: Vec<Blow> = victims.into_iter().map(|victim| Blow::drawn(&mut rng, victim, span)).collect();
        // Half of the combinations fall in the same instant.
        if rng.bool() {
            let together = blows[0].when;
            blows.iter_mut().for_each(|blow| blow.when = together);
        }
        blows
    }
}

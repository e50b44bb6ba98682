//! Deaths from outside: who, when, for how long, and what a killed broker remembers.

use crate::plays::Play;
use std::time::Duration;

/// A visit without photographs takes about this long, one with them up to four times.
const MOMENTS: Duration = Duration::from_millis(900);

/// Where daemon or headquarters die while the broker and the other may be dying too.
const IN_MID_TALK: &[&str] = &[
    "sync.hello.answered",
    "sync.batch.published",
    "sync.ack.received",
    "sync.image.slice_sent",
    "sync.image.verified",
    "hq.batch.before_commit",
    "hq.batch.committed",
    "hq.image.synced",
    "hq.image.committed",
];

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

    fn drawn(rng: &mut fastrand::Rng, victim: Victim, within: Duration) -> Self {
        let when = When::After(within.mul_f64(rng.f64()));
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

    /// Of every second combination one dies besides at a point: in mid-drain, between the slices of a picture, while
    /// headquarters commits. The point need not be reached.
    pub fn order(self, seed: u64) -> Option<(&'static str, u32)> {
        let mut rng = fastrand::Rng::with_seed(!seed);
        let wanted = self == Self::Combo && rng.bool();
        wanted.then(|| (IN_MID_TALK[rng.usize(0..IN_MID_TALK.len())], rng.u32(1..4)))
    }

    /// The visit and its deaths, the same for the same seed.
    pub fn draw(self, seed: u64) -> (Play, Vec<Blow>) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let play = if self == Self::Worker { Play::Measured } else { Play::ALL[rng.usize(0..Play::ALL.len())] };
        let within = if play.has_photographs() { 2 * MOMENTS } else { MOMENTS };
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
        let mut blows: Vec<Blow> = victims.into_iter().map(|victim| Blow::drawn(&mut rng, victim, within)).collect();
        // Half of the combinations fall in the same instant.
        if rng.bool() {
            let together = blows[0].when;
            blows.iter_mut().for_each(|blow| blow.when = together);
        }
        (play, blows)
    }
}

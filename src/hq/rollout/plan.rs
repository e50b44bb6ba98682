//! What a rollout does next. Pure: what is known of the stores goes in, the next step comes out; no database, no clock.
//!
//! A ring gives way to the next once it is *proven*: enough of its stores have used the package for long enough, and of a model enough
//! photographs were measured, of which so few failed that the true share lies within the limit with 95 % certainty. It is *halted* when a
//! store refused the package or has lost it, when so many photographs failed that the true share lies beyond the limit with 99.9 %
//! certainty, or when its stores fall silent, have events refused, or fall behind, and the others do not. In between it waits.
//!
//! Every few seconds is looked again, so a bound that holds for one look is passed by chance now and then; therefore 99.9 %, and a test
//! below that plays whole rollouts of a model within its limit.

use super::{
    cause::Cause,
    chance::{self, Count},
};

/// The probability that a look halts a rollout whose true share lies at the limit.
pub const HALTS: f64 = 0.001;

/// The probability that a look passes one whose true share lies at the limit.
pub const PASSES: f64 = 0.05;

/// The same for stores in the rollout that differ from the others: there are few of them, and a look more costs little.
const DIFFERS: f64 = 0.01;

/// Part of a chain's stores that may be silent, behind or refused at any time without meaning anything; where fewer of the others
/// are, chance alone makes more of a few.
const USUAL: f64 = 0.1;

/// Part of the stores that answered which may refuse a package without halting it: a disk is full somewhere in every chain.
pub const REFUSED: f64 = 0.05;

/// So many stores that left a package of which headquarters knows no end show that headquarters forgot it.
pub const FORGOTTEN: usize = 2;

/// Below this many others nothing can be compared: by night a whole chain is silent, and where the line to headquarters was broken all are
/// behind.
const OTHERS: u64 = 5;

/// When to go on and when to halt; `[rollouts]` of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Part of a ring's stores that must use it: one that is away does not hold up the others.
    pub share: f64,
    /// For so long.
    pub soak_ms: i64,
    /// Photographs that must be measured with a model in all its stores.
    pub photographs: u64,
    /// Part of them that may fail, unless more failed before.
    pub failed: f64,
    /// So many stores that refuse it halt it, if they are more than [`REFUSED`] of those that answered.
    pub refusals: u64,
    /// A store that went away is silent after this.
    pub silent_ms: i64,
    /// A store that has so many more events to send than when the ring was reached is behind.
    pub backlog: u64,
}

/// How a store stands to the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It said nothing of it yet.
    Waits,
    Held {
        since_ms: i64,
    },
    Used {
        since_ms: i64,
    },
    Refused {
        reason: String,
    },
    /// It used it and was told to leave it.
    Left,
}

/// One store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub name: String,
    /// From 0.
    pub ring: u32,
    /// Its program knows packages; one that does not proves nothing and holds up nobody.
    pub understands: bool,
    pub stand: Stand,
    /// Photographs measured with it, and those where that failed.
    pub photographs: Count,
    /// Since when it is away; `None`: it is there, or was never.
    pub away_since_ms: Option<i64>,
    /// Events that were refused since the ring was reached.
    pub letters: u64,
    /// By how many events it fell behind since.
    pub behind: u64,
}

impl Store {
    const fn took(&self) -> Option<i64> {
        match &self.stand {
            Stand::Held { since_ms } | Stand::Used { since_ms } => Some(*since_ms),
            Stand::Waits | Stand::Refused { .. } | Stand::Left => None,
        }
    }

    /// Away for so long, since `from_ms` or later.
    fn is_silent(&self, from_ms: i64, seen: &Seen, limits: &Limits) -> bool {
        self.away_since_ms.is_some_and(|at| at >= from_ms && seen.now_ms - at >= limits.silent_ms)
    }
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub now_ms: i64,
    /// Reached, from 0.
    pub ring: u32,
    pub rings: u32,
    pub since_ms: i64,
    /// Whether photographs are measured with it.
    pub is_model: bool,
    /// Photographs with what was used before it, and those that failed.
    pub before: Count,
    pub stores: Vec<Store>,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Wait,
    /// The next ring begins.
    Next,
    /// No store may use it any more.
    Halt(Cause),
    Finish,
}

/// What a ring still lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Of the ring's stores those that have used it for long enough, and how many must.
    pub soaked: u64,
    pub needed: u64,
    /// Of all its stores.
    pub photographs: Count,
    pub photographs_needed: u64,
    /// The true share of failed ones lies between these with 95 % certainty on either side.
    pub from: f64,
    pub to: f64,
    /// It must lie within this.
    pub limit: f64,
    pub is_proven: bool,
}

impl Seen {
    fn took(&self) -> impl Iterator<Item = (&Store, i64)> {
        self.stores.iter().filter_map(|store| Some((store, store.took()?)))
    }

    /// Those to compare with: they did not take it, and were there when the ring began. One that has been dead for weeks is no witness.
    fn others(&self) -> impl Iterator<Item = &Store> {
        let was_there = |store: &&Store| store.away_since_ms.is_none_or(|at| at >= self.since_ms);
        self.stores.iter().filter(|store| store.took().is_none()).filter(was_there)
    }

    fn photographs(&self) -> Count {
        self.stores.iter().fold(Count::default(), |sum, store| sum.plus(store.photographs))
    }

    /// What may fail: as much as before, where that was more than the limit.
    fn limit(&self, limits: &Limits) -> f64 {
        let before = if self.before.of > 0 { self.before.at_most(PASSES) } else { 0.0 };
        // Of three photographs before it anything may be true.
        if self.before.of < limits.photographs { limits.failed } else { limits.failed.max(before) }
    }

    /// How far the ring that was reached is proven.
    #[must_use]
    pub fn proof(&self, limits: &Limits) -> Proof {
        let of_ring = || self.stores.iter().filter(|store| store.ring == self.ring && store.understands);
        let soaked = of_ring()
            .filter(|store| matches!(store.stand, Stand::Used { since_ms } if self.now_ms - since_ms >= limits.soak_ms))
            .count() as u64;
        // Eight tenths of ten are eight, whatever the last digit of a product says.
        let needed = ((of_ring().count() as f64 * limits.share - 1e-9).ceil() as u64).max(1);
        let (photographs, limit) = (self.photographs(), self.limit(limits));
        let photographs_needed = if self.is_model { limits.photographs } else { 0 };
        let to = photographs.at_most(PASSES);
        let measured = !self.is_model || (photographs.of >= photographs_needed && to <= limit);
        let is_proven = soaked >= needed && self.now_ms - self.since_ms >= limits.soak_ms && measured;
        let from = photographs.at_least(PASSES);
        Proof { soaked, needed, photographs, photographs_needed, from, to, limit, is_proven }
    }
}

/// What to do now with a rollout that is under way.
#[must_use]
pub fn next(seen: &Seen, limits: &Limits) -> Step {
    if let Some(cause) = cause(seen, limits) {
        return Step::Halt(cause);
    }
    match seen.proof(limits).is_proven {
        false => Step::Wait,
        true if seen.ring + 1 < seen.rings => Step::Next,
        true => Step::Finish,
    }
}

fn cause(seen: &Seen, limits: &Limits) -> Option<Cause> {
    lost(seen).or_else(|| refused(seen, limits)).or_else(|| failing(seen, limits)).or_else(|| differing(seen, limits))
}

/// It was withdrawn before, and headquarters does not know: it was restored from a backup.
fn lost(seen: &Seen) -> Option<Cause> {
    let stores: Vec<String> =
        seen.stores.iter().filter(|store| store.stand == Stand::Left).map(|store| store.name.clone()).collect();
    // One store may have been put back to another day itself.
    let reached = seen.stores.iter().filter(|store| store.ring <= seen.ring).count();
    (!stores.is_empty() && stores.len() >= FORGOTTEN.min(reached)).then_some(Cause::Left { stores })
}

fn refused(seen: &Seen, limits: &Limits) -> Option<Cause> {
    let mut found = seen.stores.iter().filter_map(|store| match &store.stand {
        Stand::Refused { reason } => Some((store.name.clone(), reason.clone())),
        _ => None,
    });
    let (first, reason) = found.next()?;
    let stores: Vec<String> = std::iter::once(first).chain(found.map(|(store, _)| store)).collect();
    let many = stores.len() as u64;
    // A pilot of one store refuses it with one word.
    let reached = seen.stores.iter().filter(|store| store.ring <= seen.ring && store.understands).count() as u64;
    let enough = limits.refusals.min(reached).max(1);
    let answered = many + seen.took().count() as u64;
    (many >= enough && many as f64 > REFUSED * answered as f64).then_some(Cause::Refused { stores, reason })
}

fn failing(seen: &Seen, limits: &Limits) -> Option<Cause> {
    let (counted, limit) = (seen.photographs(), seen.limit(limits));
    let surely = counted.at_least(HALTS);
    if !seen.is_model || surely <= limit {
        return None;
    }
    // One store's camera, or its lamp, is not the model: it must be so without the worst of them, where several measured.
    let measuring = seen.stores.iter().filter(|store| store.photographs.of > 0).count();
    let worst = seen.stores.iter().max_by_key(|store| store.photographs.hit).map(|store| store.photographs);
    let Count { of, hit } = worst.unwrap_or_default();
    if measuring > 1 && Count::new(counted.hit - hit, counted.of - of).at_least(HALTS) <= limit {
        return None;
    }
    let mut worst: Vec<&Store> = seen.stores.iter().filter(|store| store.photographs.hit > 0).collect();
    worst.sort_by(|one, other| other.photographs.hit.cmp(&one.photographs.hit).then(one.name.cmp(&other.name)));
    let stores = worst.iter().map(|store| store.name.clone()).collect();
    Some(Cause::Failing { stores, failed: counted.hit, measured: counted.of, surely, limit })
}

/// Stores that took it are silent, refused or behind, and the others are not.
fn differing(seen: &Seen, limits: &Limits) -> Option<Cause> {
    let silent = Compared::new(
        seen.took().map(|(store, since)| (store, store.is_silent(since, seen, limits))),
        seen.others().map(|store| store.is_silent(seen.since_ms, seen, limits)),
    );
    let letters = Compared::new(
        seen.took().map(|(store, _)| (store, store.letters > 0)),
        seen.others().map(|store| store.letters > 0),
    );
    let behind = |store: &Store| store.behind > limits.backlog;
    let backlog = Compared::new(seen.took().map(|(store, _)| (store, behind(store))), seen.others().map(behind));
    if silent.differs() {
        return Some(Cause::Silent { stores: silent.stores, of: silent.ours.of, minutes: limits.silent_ms / 60_000 });
    }
    if letters.differs() {
        return Some(Cause::Letters { stores: letters.stores, of: letters.ours.of });
    }
    backlog.differs().then_some(Cause::Behind { stores: backlog.stores, of: backlog.ours.of, events: limits.backlog })
}

/// How often something is so among the stores that took it, and among the others.
struct Compared {
    stores: Vec<String>,
    ours: Count,
    others: Count,
}

impl Compared {
    fn new<'a>(ours: impl Iterator<Item = (&'a Store, bool)>, others: impl Iterator<Item = bool>) -> Self {
        let (mut stores, mut of) = (Vec::new(), 0);
        for (store, is_so) in ours {
            of += 1;
            if is_so {
                stores.push(store.name.clone());
            }
        }
        let others = others.fold(Count::default(), |sum, is_so| sum.plus(Count::new(u64::from(is_so), 1)));
        Self { ours: Count::new(stores.len() as u64, of), stores, others }
    }

    fn differs(&self) -> bool {
        let usual = self.others.at_most(PASSES).max(USUAL);
        self.others.of >= OTHERS && self.ours.hit > 0 && chance::at_least(self.ours, usual) <= DIFFERS
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

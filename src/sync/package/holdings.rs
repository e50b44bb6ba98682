//! Which packages a gateway holds, and what it does about those that headquarters wishes or withdraws. Pure: whoever owns it
//! fetches, writes and tries; this says what to do, and what was done is said to it.
//!
//! The rules. What is not newer than what is in use is refused: an old package said again changes nothing. What was withdrawn is
//! never taken again. One that is withdrawn while in use gives way to the one before, which is kept for that, or to what the
//! gateway was installed with. So whoever can speak for headquarters, but not sign, can bring a gateway back by what it has
//! used itself and no further.

use super::{Header, Holding, LARGEST, Slot, Stand, Wish, Withdrawn, is_digest};
use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Refused packages remembered of each slot: what was refused once is not fetched again.
const REMEMBERED: usize = 16;

/// Withdrawn versions remembered of each slot.
const WITHDRAWN: usize = 1_000;

/// Slots of one gateway.
const SLOTS: usize = 32;

/// A package as it lies in the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InUse {
    pub version: u64,
    pub sha256: String,
}

/// Why a gateway does not take a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "version {version} of {slot} is not newer than version {used}, which is in use; sign it under a higher version"
    )]
    Older { slot: Slot, version: u64, used: u64 },
    #[error("version {version} of {slot} was withdrawn; sign what is mended under a higher version")]
    Withdrawn { slot: Slot, version: u64 },
    #[error("it is for the chain {theirs}, and this gateway belongs to {ours}")]
    Chain { theirs: String, ours: String },
    #[error("it may be taken up to {until} only, and that is over; sign it again")]
    Over { until: String },
    #[error("headquarters announced version {version} of {slot}, and the package is another one")]
    Another { slot: Slot, version: u64 },
    #[error("{bytes} bytes are announced; a package has 1 to {LARGEST}")]
    Size { bytes: u64 },
    #[error("its digest is no SHA-256 of 64 lower-case hex digits")]
    Digest,
    #[error("this gateway holds packages of {SLOTS} slots already")]
    Slots,
    /// Found by whoever read or tried it.
    #[error("{0}")]
    Unfit(String),
}

/// What to do about a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Took {
    /// It is in use, or was refused before: nothing.
    Settled,
    /// Fetched and sound: to be put in use as soon as that disturbs nothing.
    Waits,
    /// To be fetched.
    Fetch,
    /// Now refused, and remembered so.
    Refused(Refusal),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct OfSlot {
    used: Option<InUse>,
    /// What was in use before, for the day on which that one is withdrawn.
    spare: Option<InUse>,
    /// Fetched and sound, not in use yet.
    held: Option<InUse>,
    withdrawn: BTreeSet<u64>,
    /// Was in use when it was withdrawn; the newest one.
    left: Option<u64>,
    /// Newest last.
    refused: Vec<(InUse, String)>,
}

/// All packages of a gateway; what it remembers about them is all in here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    slots: BTreeMap<Slot, OfSlot>,
}

impl Holdings {
    /// What headquarters wishes.
    pub fn wished(&mut self, wish: &Wish) -> Took {
        let full = self.slots.len() >= SLOTS && !self.slots.contains_key(&wish.slot);
        if full {
            return Took::Refused(Refusal::Slots);
        }
        let of = self.slots.entry(wish.slot.clone()).or_default();
        let is = |at: &InUse| at.version == wish.version && at.sha256 == wish.sha256;
        if of.used.as_ref().is_some_and(is) {
            return Took::Settled;
        }
        if of.held.as_ref().is_some_and(is) {
            return Took::Waits;
        }
        if of.refused.iter().any(|(at, _)| is(at)) {
            return Took::Settled;
        }
        match of.objection(wish) {
            None => Took::Fetch,
            Some(refusal) => {
                self.refused(wish, &refusal);
                Took::Refused(refusal)
            }
        }
    }

    /// Whether a package that was fetched and read may be taken for what was wished.
    ///
    /// # Errors
    /// Why not; to be said to [`Self::refused`].
    pub fn judge(&self, wish: &Wish, header: &Header, chain: &str, now: Timestamp) -> Result<(), Refusal> {
        if header.slot != wish.slot || header.version != wish.version {
            return Err(Refusal::Another { slot: wish.slot.clone(), version: wish.version });
        }
        if header.chain != chain {
            return Err(Refusal::Chain { theirs: header.chain.clone(), ours: chain.to_owned() });
        }
        if let Some(until) = header.until.as_ref().filter(|_| header.is_over(now)) {
            return Err(Refusal::Over { until: until.clone() });
        }
        self.slots.get(&wish.slot).and_then(|of| of.objection(wish)).map_or(Ok(()), Err)
    }

    /// It was fetched, read, tried and found sound.
    pub fn held(&mut self, wish: &Wish) {
        let of = self.slots.entry(wish.slot.clone()).or_default();
        of.held = Some(InUse { version: wish.version, sha256: wish.sha256.clone() });
    }

    /// What was held is in use now; what was used before is kept beside it.
    pub fn used(&mut self, slot: &Slot) {
        let Some(of) = self.slots.get_mut(slot) else { return };
        if let Some(held) = of.held.take() {
            of.spare = of.used.replace(held);
        }
    }

    /// What came into use last waits again, unless a newer one does; the one before is used.
    pub fn waits_again(&mut self, slot: &Slot) {
        let Some(of) = self.slots.get_mut(slot) else { return };
        let Some(used) = of.used.take() else { return };
        of.used = of.spare.take();
        of.held.get_or_insert(used);
    }

    /// It is not taken. What was held of that version is held no more, and one that was in use already (and turned out not to
    /// work here) gives way to the one before.
    pub fn refused(&mut self, wish: &Wish, reason: &Refusal) {
        let Some(of) = self.slots.get_mut(&wish.slot) else { return };
        let at = InUse { version: wish.version, sha256: wish.sha256.clone() };
        of.held = of.held.take().filter(|held| *held != at);
        if of.used.as_ref() == Some(&at) {
            of.used = of.spare.take();
        }
        of.refused.retain(|(other, _)| *other != at);
        of.refused.push((at, reason.to_string()));
        let over = of.refused.len().saturating_sub(REMEMBERED);
        of.refused.drain(..over);
    }

    /// The file of a package is gone or damaged here: it is as if it had never been taken, and may be fetched again. Where it was in
    /// use, the one before is.
    pub fn lost(&mut self, sha256: &str) {
        for of in self.slots.values_mut() {
            let stays = |at: &InUse| at.sha256 != sha256;
            of.held = of.held.take().filter(stays);
            of.spare = of.spare.take().filter(stays);
            if of.used.as_ref().is_some_and(|used| !stays(used)) {
                of.used = of.spare.take();
            }
        }
    }

    /// Headquarters withdraws versions of a slot. Whether another package is to be used now than before; which one,
    /// [`Self::in_use`] says.
    pub fn withdraw(&mut self, gone: &Withdrawn) -> bool {
        if self.slots.len() >= SLOTS && !self.slots.contains_key(&gone.slot) {
            return false;
        }
        let of = self.slots.entry(gone.slot.clone()).or_default();
        of.withdrawn.extend(&gone.versions);
        while of.withdrawn.len() > WITHDRAWN {
            of.withdrawn.pop_first();
        }
        let gone = &of.withdrawn;
        let stays = |at: &InUse| !gone.contains(&at.version);
        of.held = of.held.take().filter(stays);
        of.spare = of.spare.take().filter(stays);
        let Some(used) = of.used.as_ref().filter(|used| !stays(used)) else { return false };
        of.left = Some(used.version);
        of.used = of.spare.take();
        true
    }

    /// What is in use in a slot; `None`: what the gateway was installed with.
    #[must_use]
    pub fn in_use(&self, slot: &Slot) -> Option<&InUse> {
        self.slots.get(slot)?.used.as_ref()
    }

    /// What waits to be put in use.
    pub fn waiting(&self) -> impl Iterator<Item = (&Slot, &InUse)> {
        self.slots.iter().filter_map(|(slot, of)| Some((slot, of.held.as_ref()?)))
    }

    /// All packages in use.
    pub fn all_in_use(&self) -> impl Iterator<Item = (&Slot, &InUse)> {
        self.slots.iter().filter_map(|(slot, of)| Some((slot, of.used.as_ref()?)))
    }

    /// Digests of all that must stay on the disk.
    #[must_use]
    pub fn kept(&self) -> BTreeSet<&str> {
        self.slots
            .values()
            .flat_map(|of| [&of.used, &of.spare, &of.held])
            .filter_map(|at| Some(at.as_ref()?.sha256.as_str()))
            .collect()
    }

    /// What to say of them: what is in use, what waits, what was left, and what was refused and is not older than that.
    #[must_use]
    pub fn tell(&self) -> Vec<Holding> {
        self.slots.iter().flat_map(|(slot, of)| of.tell(slot)).collect()
    }
}

impl OfSlot {
    fn objection(&self, wish: &Wish) -> Option<Refusal> {
        let Wish { slot, version, sha256, bytes } = wish;
        if !is_digest(sha256) {
            return Some(Refusal::Digest);
        }
        if *bytes == 0 || *bytes > LARGEST {
            return Some(Refusal::Size { bytes: *bytes });
        }
        if self.withdrawn.contains(version) {
            return Some(Refusal::Withdrawn { slot: slot.clone(), version: *version });
        }
        let used = self.used.as_ref().map_or(0, |used| used.version);
        (*version <= used).then(|| Refusal::Older { slot: slot.clone(), version: *version, used })
    }

    fn tell(&self, slot: &Slot) -> Vec<Holding> {
        let one = |version: u64, stand: Stand, reason: &str| Holding {
            slot: slot.clone(),
            version,
            stand,
            reason: reason.to_owned(),
            measured: None,
            failed: None,
        };
        let used = self.used.iter().map(|at| one(at.version, Stand::Used, ""));
        let held = self.held.iter().map(|at| one(at.version, Stand::Held, ""));
        let left = self.left.iter().map(|version| one(*version, Stand::Left, ""));
        // The last one tells what became of the last wish; the earlier ones are history.
        let refused = self.refused.last().map(|(at, reason)| one(at.version, Stand::Refused, reason));
        used.chain(held).chain(left).chain(refused).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(version: u64) -> Wish {
        Wish { slot: Slot::Settings, version, sha256: format!("{version:064x}"), bytes: 1_000 }
    }

    fn header(version: u64) -> Header {
        Header {
            chain: "qinghe".into(),
            slot: Slot::Settings,
            version,
            made: "2026-11-28T06:30:00.000Z".into(),
            until: None,
            note: String::new(),
            files: Vec::new(),
        }
    }

    fn takes(holdings: &mut Holdings, version: u64) {
        assert_eq!(holdings.wished(&wish(version)), Took::Fetch, "{version}");
        holdings.held(&wish(version));
        assert_eq!(holdings.wished(&wish(version)), Took::Waits);
        holdings.used(&Slot::Settings);
        assert_eq!(holdings.wished(&wish(version)), Took::Settled);
    }

    fn used(holdings: &Holdings) -> Option<u64> {
        holdings.in_use(&Slot::Settings).map(|used| used.version)
    }

    fn withdraw(holdings: &mut Holdings, versions: &[u64]) -> bool {
        holdings.withdraw(&Withdrawn { slot: Slot::Settings, versions: versions.to_vec() })
    }

    #[test]
    fn an_old_package_said_again_changes_nothing() {
        let mut holdings = Holdings::default();
        takes(&mut holdings, 3);
        takes(&mut holdings, 5);
        for old in [3, 4, 5] {
            let forged = Wish { sha256: "f".repeat(64), ..wish(old) };
            assert!(matches!(holdings.wished(&forged), Took::Refused(Refusal::Older { used: 5, .. })), "{old}");
            assert_eq!(holdings.wished(&forged), Took::Settled, "and is not asked about again");
        }
        assert_eq!(used(&holdings), Some(5));
    }

    #[test]
    fn what_is_withdrawn_gives_way_to_the_one_before_and_never_comes_back() {
        let mut holdings = Holdings::default();
        takes(&mut holdings, 3);
        takes(&mut holdings, 5);
        assert!(withdraw(&mut holdings, &[5]));
        assert_eq!(used(&holdings), Some(3));
        assert!(!withdraw(&mut holdings, &[5]), "said again it changes nothing");
        let again = Wish { sha256: "a".repeat(64), ..wish(5) };
        assert!(matches!(holdings.wished(&again), Took::Refused(Refusal::Withdrawn { .. })));
        assert!(matches!(holdings.wished(&wish(5)), Took::Refused(Refusal::Withdrawn { .. })));
        takes(&mut holdings, 4);
        assert!(withdraw(&mut holdings, &[4]));
        assert_eq!(used(&holdings), Some(3), "the one before is still there");
        assert!(withdraw(&mut holdings, &[3]));
        assert_eq!(used(&holdings), None, "then what it was installed with");
        let told: Vec<_> = holdings.tell().iter().map(|holding| (holding.version, holding.stand)).collect();
        assert!(told.contains(&(3, Stand::Left)), "{told:?}");
    }

    #[test]
    fn one_that_does_not_work_here_gives_way_and_is_not_tried_again() {
        let mut holdings = Holdings::default();
        takes(&mut holdings, 1);
        takes(&mut holdings, 2);
        holdings.refused(&wish(2), &Refusal::Unfit("the gateway did not start with it".into()));
        assert_eq!(used(&holdings), Some(1));
        assert_eq!(holdings.wished(&wish(2)), Took::Settled);
        takes(&mut holdings, 3);
    }

    #[test]
    fn what_was_fetched_must_be_what_was_wished_of_our_chain_and_in_time() {
        let holdings = Holdings::default();
        let now = "2026-11-28T06:30:00.000Z".parse().unwrap();
        let judge = |header: &Header| holdings.judge(&wish(2), header, "qinghe", now);
        assert_eq!(judge(&header(2)), Ok(()));
        assert!(matches!(judge(&header(1)), Err(Refusal::Another { .. })));
        assert!(matches!(judge(&Header { slot: Slot::Suggestions, ..header(2) }), Err(Refusal::Another { .. })));
        assert!(matches!(judge(&Header { chain: "other".into(), ..header(2) }), Err(Refusal::Chain { .. })));
        let over = Header { until: Some("2026-11-28T06:29:59.999Z".into()), ..header(2) };
        assert!(matches!(judge(&over), Err(Refusal::Over { .. })));
        let wished = |wish: &Wish| Holdings::default().wished(wish);
        assert!(matches!(wished(&Wish { bytes: LARGEST + 1, ..wish(2) }), Took::Refused(Refusal::Size { .. })));
        assert!(matches!(wished(&Wish { sha256: "../x".into(), ..wish(2) }), Took::Refused(Refusal::Digest)));
    }

    /// A folder that was not put back with the database.
    #[test]
    fn what_is_lost_gives_way_and_may_be_fetched_again() {
        let mut holdings = Holdings::default();
        for version in [1, 2] {
            takes(&mut holdings, version);
            holdings.used(&Slot::Settings);
        }
        holdings.lost(&wish(2).sha256);
        assert_eq!(used(&holdings), Some(1));
        assert_eq!(holdings.wished(&wish(2)), Took::Fetch);
        holdings.lost(&wish(1).sha256);
        assert_eq!((used(&holdings), holdings.kept().len()), (None, 0));
    }

    /// Whatever headquarters says in whatever order: nothing withdrawn is in use, and what is used was once held.
    #[test]
    fn whatever_is_said_nothing_withdrawn_is_used_and_no_step_back_but_by_withdrawal() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut holdings, mut gone) = (Holdings::default(), BTreeSet::new());
            for step in 0..40 {
                let before = used(&holdings);
                let version = random.u64(1..12);
                let mut withdrew = false;
                match random.u8(0..5) {
                    0 => {
                        gone.insert(version);
                        withdrew = withdraw(&mut holdings, &[version]);
                    }
                    1 => holdings.used(&Slot::Settings),
                    2 => {
                        withdrew = before == Some(version);
                        holdings.refused(&wish(version), &Refusal::Unfit("tried".into()));
                    }
                    _ => {
                        if holdings.wished(&wish(version)) == Took::Fetch
                            && holdings
                                .judge(&wish(version), &header(version), "qinghe", Timestamp::from_unix_ms(0))
                                .is_ok()
                        {
                            holdings.held(&wish(version));
                        }
                    }
                }
                let now = used(&holdings);
                assert!(now.is_none_or(|version| !gone.contains(&version)), "seed {seed}, step {step}: {now:?}");
                assert!(withdrew || now >= before, "seed {seed}, step {step}: from {before:?} to {now:?}");
                let text = serde_json::to_string(&holdings).unwrap();
                assert_eq!(
                    serde_json::from_str::<Holdings>(&text).unwrap(),
                    holdings,
                    "it survives being written down"
                );
            }
        }
    }
}

//! What is remembered about packages, and what of it headquarters is told.

use crate::sync::{
    agenda::Held,
    downlink::Downlink,
    package::{Holding, Holdings, InUse, Refusal, Slot, Stand, Wish},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A package under which the gateway has died so often at its start is refused.
pub const MOST_STARTS: u32 = 2;

/// Bytes of a reason that headquarters is told: a hello names many packages, and has an end.
const LONGEST_REASON: usize = 600;

/// Packages that this life of the gateway uses, by slot.
pub type Running = BTreeMap<Slot, InUse>;

/// Packages that this life of the gateway cannot use, and why: nothing of them is forgotten, the next start tries them again.
pub type Aside = Vec<(Slot, InUse, String)>;

/// How a model of a package does since it is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Of the package: what is used after it inherits nothing.
    pub version: u64,
    pub measured: u64,
    pub failed: u64,
}

/// All of it; written down as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Whose packages these are: under another chain nothing of it counts.
    pub chain: String,
    /// Which wishes; `None` before headquarters has told of any.
    pub held: Option<Held>,
    pub wishes: Vec<Wish>,
    pub holdings: Holdings,
    /// What was put in use last and has not stood its trial yet.
    pub trying: Option<Trying>,
    /// Digests whose bytes came wrong, and how often.
    pub spoiled: BTreeMap<String, u32>,
    /// Of models in use.
    pub health: BTreeMap<Slot, Counts>,
}

/// See [`State::trying`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trying {
    pub slot: Slot,
    pub package: InUse,
    /// Starts with it that have not ended well so far.
    pub starts: u32,
}

impl State {
    /// What was kept for `chain`; nothing where it was kept for another one, or by a version of this program that wrote it otherwise:
    /// headquarters tells all of it again.
    #[must_use]
    pub fn kept(text: Option<&str>, chain: &str) -> Self {
        let read = text.and_then(|text| {
            serde_json::from_str::<Self>(text)
                .inspect_err(
                    |fault| tracing::error!(%fault, "what was kept of packages cannot be read; it is told again"),
                )
                .ok()
        });
        read.filter(|state| state.chain == chain).unwrap_or_else(|| Self { chain: chain.to_owned(), ..Self::default() })
    }

    /// As it is kept.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers")
    }

    /// Whether a package is what headquarters wishes in its slot.
    #[must_use]
    pub fn is_wished(&self, slot: &Slot, package: &InUse) -> bool {
        let same = |wish: &Wish| wish.version == package.version && wish.sha256 == package.sha256;
        self.wishes.iter().any(|wish| wish.slot == *slot && same(wish))
    }

    /// A package turned out not to work here. It gives way to the one before.
    pub fn refuse(&mut self, slot: &Slot, package: &InUse, reason: &str) {
        let InUse { version, sha256 } = package.clone();
        let wish = Wish { slot: slot.clone(), version, sha256, bytes: 0 };
        self.holdings.refused(&wish, &Refusal::Unfit(short(reason)));
        self.trying.take_if(|trying| trying.slot == *slot && trying.package == *package);
    }

    /// Digests of all files that must stay.
    #[must_use]
    pub fn stays(&self) -> BTreeSet<String> {
        let wished = self.wishes.iter().map(|wish| wish.sha256.clone());
        self.holdings.kept().into_iter().map(str::to_owned).chain(wished).collect()
    }

    /// What headquarters is told while `running` is in use. What gives way or comes into use with the next beginning is told as
    /// it is now; what is to be used and is not running is held.
    #[must_use]
    pub fn downlink(&self, running: &Running) -> Downlink {
        let mut packages = self.holdings.tell();
        for (slot, now) in running {
            if self.holdings.in_use(slot) == Some(now) {
                continue;
            }
            packages.retain(|one| one.slot != *slot || one.version != now.version || one.stand != Stand::Left);
            packages.iter_mut().filter(|one| one.slot == *slot && one.stand == Stand::Used).for_each(|one| {
                one.stand = Stand::Held;
            });
            packages.push(holding(slot.clone(), now.version, Stand::Used, ""));
        }
        let idle = |one: &&mut Holding| one.stand == Stand::Used && !running.contains_key(&one.slot);
        packages.iter_mut().filter(idle).for_each(|one| one.stand = Stand::Held);
        for one in packages.iter_mut().filter(|one| one.stand == Stand::Used && matches!(one.slot, Slot::Model(_))) {
            let counts = self.health.get(&one.slot).filter(|counts| counts.version == one.version);
            let Counts { measured, failed, .. } = counts.copied().unwrap_or_default();
            (one.measured, one.failed) = (Some(measured), Some(failed));
        }
        Downlink { wanted: self.held.clone(), packages, ..Downlink::default() }
    }
}

/// One package as it is told.
pub(super) fn holding(slot: Slot, version: u64, stand: Stand, reason: &str) -> Holding {
    Holding { slot, version, stand, reason: short(reason), measured: None, failed: None }
}

/// As much of a reason as is told.
pub(super) fn short(reason: &str) -> String {
    match reason.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST_REASON).last() {
        Some(end) if end < reason.len() => format!("{}…", &reason[..end]),
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use(version: u64) -> InUse {
        InUse { version, sha256: format!("{version:064x}") }
    }

    fn using(slot: &Slot, versions: &[u64]) -> State {
        let mut state = State { chain: "qinghe".to_owned(), ..State::default() };
        for version in versions {
            let InUse { version, sha256 } = in_use(*version);
            let wish = Wish { slot: slot.clone(), version, sha256, bytes: 9 };
            state.holdings.wished(&wish);
            state.holdings.held(&wish);
            state.holdings.used(slot);
        }
        state
    }

    #[test]
    fn it_reads_back_for_its_own_chain_only() {
        let state = using(&Slot::Settings, &[1, 2]);
        assert_eq!(State::kept(Some(&state.text()), "qinghe"), state);
        let empty = State { chain: "other".to_owned(), ..State::default() };
        assert_eq!(State::kept(Some(&state.text()), "other"), empty);
        assert_eq!(State::kept(Some("{}x"), "other"), empty);
        assert_eq!(State::kept(None, "other"), empty);
    }

    /// Headquarters was told that a package had been left while the gateway still went by it.
    #[test]
    fn what_has_not_begun_yet_is_told_as_held_and_what_has_not_ended_yet_as_used() {
        let mut state = using(&Slot::Settings, &[1, 2]);
        state.holdings.withdraw(&crate::sync::package::Withdrawn { slot: Slot::Settings, versions: vec![2] });
        let running = Running::from([(Slot::Settings, in_use(2))]);
        let told = |running: &Running| -> Vec<(u64, Stand)> {
            state.downlink(running).packages.iter().map(|one| (one.version, one.stand)).collect()
        };
        assert_eq!(told(&running), [(1, Stand::Held), (2, Stand::Used)]);
        assert_eq!(told(&Running::from([(Slot::Settings, in_use(1))])), [(1, Stand::Used), (2, Stand::Left)]);
    }

    #[test]
    fn what_does_not_run_is_not_told_as_used_and_nobody_inherits_failures() {
        let slot = Slot::Model("pores".to_owned());
        let mut state = using(&slot, &[1, 2]);
        state.health.insert(slot.clone(), Counts { version: 2, measured: 3, failed: 3 });
        let told = |state: &State, running: &[u64]| -> Vec<(u64, Stand, Option<u64>)> {
            let running = running.iter().map(|version| (slot.clone(), in_use(*version))).collect();
            state.downlink(&running).packages.iter().map(|one| (one.version, one.stand, one.failed)).collect()
        };
        assert_eq!(told(&state, &[]), [(2, Stand::Held, None)]);
        assert_eq!(told(&state, &[2]), [(2, Stand::Used, Some(3))]);
        state.refuse(&slot, &in_use(2), "it fails");
        assert_eq!(told(&state, &[1]), [(1, Stand::Used, Some(0)), (2, Stand::Refused, None)]);
    }

    #[test]
    fn a_refused_one_gives_way_and_its_reason_is_cut() {
        let mut state = using(&Slot::Settings, &[1, 2]);
        state.trying = Some(Trying { slot: Slot::Settings, package: in_use(2), starts: 1 });
        state.refuse(&Slot::Settings, &in_use(2), &"理".repeat(1_000));
        assert_eq!((state.holdings.in_use(&Slot::Settings), &state.trying), (Some(&in_use(1)), &None));
        let told = state.downlink(&Running::new()).packages;
        let reason = &told.iter().find(|one| one.stand == Stand::Refused).unwrap().reason;
        assert!(reason.len() <= LONGEST_REASON + 3 && reason.ends_with('…'), "{} bytes", reason.len());
    }
}

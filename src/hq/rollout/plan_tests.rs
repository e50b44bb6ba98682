//! Rollouts played by dice against a planned chain.

use super::*;

const HOUR: i64 = 3_600_000;

fn limits() -> Limits {
    Limits {
        share: 0.8,
        soak_ms: 24 * HOUR,
        photographs: 200,
        failed: 0.05,
        refusals: 2,
        silent_ms: HOUR / 4,
        backlog: 500,
    }
}

fn store(at: usize, ring: u32, stand: Stand) -> Store {
    let (photographs, away_since_ms) = (Count::default(), None);
    let (name, understands) = (format!("sh-{at:03}"), true);
    Store { name, ring, understands, stand, photographs, away_since_ms, letters: 0, behind: 0 }
}

/// Forty stores, ten of them in the pilot ring, which use it since `since_ms`.
fn pilot(now_ms: i64, since_ms: i64) -> Seen {
    let mut stores: Vec<Store> = (0..40).map(|at| store(at, u32::from(at >= 10), Stand::Waits)).collect();
    stores[..10].iter_mut().for_each(|store| store.stand = Stand::Used { since_ms });
    Seen { now_ms, ring: 0, rings: 2, since_ms: 0, is_model: true, before: Count::default(), stores }
}

fn halts(seen: &Seen) -> Option<Cause> {
    match next(seen, &limits()) {
        Step::Halt(cause) => Some(cause),
        _ => None,
    }
}

#[test]
fn a_ring_must_be_used_long_enough_by_enough_stores_with_enough_photographs() {
    let mut seen = pilot(25 * HOUR, HOUR);
    assert_eq!(next(&seen, &limits()), Step::Wait, "no photograph yet");
    seen.stores[0].photographs = Count::new(2, 199);
    assert_eq!(next(&seen, &limits()), Step::Wait, "one photograph too few");
    seen.stores[1].photographs = Count::new(0, 1);
    assert_eq!(next(&seen, &limits()), Step::Next);
    seen.stores[..2].iter_mut().for_each(|store| store.stand = Stand::Waits);
    assert_eq!(next(&seen, &limits()), Step::Next, "two of ten may be away");
    seen.stores[2].stand = Stand::Held { since_ms: HOUR };
    assert_eq!(next(&seen, &limits()), Step::Wait, "three may not");
    seen.stores[2].stand = Stand::Used { since_ms: 2 * HOUR };
    assert_eq!(next(&seen, &limits()), Step::Wait, "nor has the third one used it for long enough");
    let mut older = pilot(25 * HOUR, HOUR);
    older.is_model = false;
    older.stores[..6].iter_mut().for_each(|store| (store.understands, store.stand) = (false, Stand::Waits));
    assert_eq!(next(&older, &limits()), Step::Next, "an older program holds up nobody");
    older.stores[..10].iter_mut().for_each(|store| store.understands = false);
    assert_eq!(next(&older, &limits()), Step::Wait, "and proves nothing");
    let rules = Seen { is_model: false, ..pilot(25 * HOUR, HOUR) };
    assert_eq!(next(&rules, &limits()), Step::Next, "nothing is photographed with rules");
    let last = Seen { ring: 1, ..rules };
    assert_eq!(next(&last, &limits()), Step::Wait, "those of the second ring do not use it yet");
}

/// Two failures of four are no proof, nor is one of one; twenty of sixty are. What failed as often before is not the model's fault.
#[test]
fn few_photographs_neither_halt_nor_pass_and_many_bad_ones_halt() {
    let with = |hit, of| {
        let mut seen = pilot(30 * HOUR, HOUR);
        seen.stores[3].photographs = Count::new(hit, of);
        seen
    };
    assert_eq!((halts(&with(1, 1)), halts(&with(2, 4))), (None, None));
    let Some(Cause::Failing { stores, failed: 20, measured: 60, surely, limit }) = halts(&with(20, 60)) else {
        panic!("{:?}", halts(&with(20, 60)))
    };
    assert!(stores == ["sh-003"] && surely > limit, "{surely} {limit}");
    assert_eq!(next(&with(11, 200), &limits()), Step::Wait, "around the limit nobody knows");
    let before = |hit, of| Seen { before: Count::new(hit, of), ..with(60, 600) };
    assert!(halts(&before(0, 0)).is_some());
    assert_eq!(halts(&before(90, 600)), None, "fifteen of a hundred failed before");
    assert!(halts(&before(1, 2)).is_some(), "what is known of before is next to nothing");
}

/// A store whose lamp is broken holds the ring up until somebody looks; it does not take the model from everybody.
#[test]
fn one_store_s_camera_halts_nothing_and_two_do() {
    let mut seen = pilot(30 * HOUR, HOUR);
    seen.stores[..8].iter_mut().for_each(|store| store.photographs = Count::new(0, 40));
    seen.stores[8].photographs = Count::new(40, 40);
    assert_eq!(next(&seen, &limits()), Step::Wait);
    seen.stores[7].photographs = Count::new(40, 40);
    assert!(matches!(halts(&seen), Some(Cause::Failing { failed: 80, measured: 360, .. })));
}

/// One full disk says nothing of a package; two refusals in a pilot do, and the only one of a chain of one store.
#[test]
fn refusals_and_a_store_that_left_it_halt() {
    let refusal = || Stand::Refused { reason: "golden picture".into() };
    let mut seen = pilot(2 * HOUR, HOUR);
    seen.stores[4].stand = refusal();
    assert_eq!(halts(&seen), None);
    let mut alone = seen.clone();
    alone.stores.retain(|store| store.ring > 0 || store.name == "sh-004");
    assert!(matches!(halts(&alone), Some(Cause::Refused { stores, .. }) if stores == ["sh-004"]));
    seen.stores[7].stand = refusal();
    let said = halts(&seen);
    assert!(matches!(said, Some(Cause::Refused { stores, reason }) if stores.len() == 2 && reason == "golden picture"));
    let mut late = seen.clone();
    late.ring = 1;
    late.stores[10..].iter_mut().for_each(|store| store.stand = Stand::Used { since_ms: HOUR });
    assert_eq!(halts(&late), None, "two of forty");
    late.stores[8].stand = refusal();
    assert!(halts(&late).is_some(), "three of forty");
    seen.stores[4].stand = Stand::Left;
    seen.stores[7].stand = Stand::Waits;
    assert_eq!(halts(&seen), None, "one store was put back to another day");
    seen.stores[7].stand = Stand::Left;
    assert!(matches!(halts(&seen), Some(Cause::Left { stores }) if stores == ["sh-004", "sh-007"]));
}

/// A chain that closes by night is silent in all its stores, and one store's cut line is no sign.
#[test]
fn silence_counts_only_against_those_who_did_not_take_it() {
    let mut seen = pilot(10 * HOUR, HOUR);
    let away = |stores: &mut [Store]| stores.iter_mut().for_each(|store| store.away_since_ms = Some(9 * HOUR));
    away(&mut seen.stores[..4]);
    assert_eq!(halts(&seen), None);
    away(&mut seen.stores[..7]);
    assert!(matches!(halts(&seen), Some(Cause::Silent { stores, of: 10, minutes: 15 }) if stores.len() == 7));
    let mut night = seen.clone();
    away(&mut night.stores);
    assert_eq!(halts(&night), None);
    let mut just_now = seen.clone();
    just_now.now_ms = 9 * HOUR + 60_000;
    assert_eq!(halts(&just_now), None, "they may be restarting");
    seen.stores.truncate(12);
    assert_eq!(halts(&seen), None, "two others say nothing");
}

/// The last ring of a chain that closes by night, with ten stores that have been dead for weeks.
#[test]
fn a_chain_that_closes_by_night_is_not_halted_by_its_dead_stores() {
    let mut seen = pilot(20 * HOUR, HOUR);
    seen.ring = 1;
    for (at, store) in seen.stores.iter_mut().enumerate() {
        let is_dead = at >= 30;
        store.stand = if is_dead { Stand::Waits } else { Stand::Used { since_ms: HOUR } };
        store.away_since_ms = Some(if is_dead { -400 * HOUR } else { 12 * HOUR });
        (store.letters, store.behind) = (u64::from(!is_dead), if is_dead { 0 } else { 9_000 });
    }
    assert_eq!(halts(&seen), None);
}

#[test]
fn dead_letters_and_backlog_count_against_the_others() {
    let mut seen = pilot(10 * HOUR, HOUR);
    seen.stores[..8].iter_mut().for_each(|store| store.letters = 3);
    assert!(matches!(halts(&seen), Some(Cause::Letters { of: 10, stores }) if stores.len() == 8));
    seen.stores[10..].iter_mut().for_each(|store| store.letters = 1);
    assert_eq!(halts(&seen), None, "all have them");
    let mut seen = pilot(10 * HOUR, HOUR);
    seen.stores[..8].iter_mut().for_each(|store| store.behind = 500);
    assert_eq!(halts(&seen), None, "as many as may be");
    seen.stores[..8].iter_mut().for_each(|store| store.behind = 501);
    assert!(matches!(halts(&seen), Some(Cause::Behind { events: 500, .. })));
}

/// What a chain does with a rollout, hour by hour.
struct Chain {
    dice: fastrand::Rng,
    seen: Seen,
    /// True share of photographs that fail.
    failing: f64,
    /// Some stores are away, for hours or for all of it.
    away: f64,
}

impl Chain {
    fn new(seed: u64, failing: f64, away: f64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (pilot, all) = (dice.usize(5..12), dice.usize(30..220));
        let ring = |at: usize| match at {
            at if at < pilot => 0,
            at if at < all / 2 => 1,
            _ => 2,
        };
        let stores = (0..all).map(|at| store(at, ring(at), Stand::Waits)).collect();
        let seen = Seen { now_ms: 0, ring: 0, rings: 3, since_ms: 0, is_model: true, before: Count::default(), stores };
        Self { dice, seen, failing, away }
    }

    fn hour(&mut self) {
        self.seen.now_ms += HOUR;
        let (now, ring) = (self.seen.now_ms, self.seen.ring);
        for (at, store) in self.seen.stores.iter_mut().enumerate() {
            // One in fifty is never there.
            let away = at % 50 == 49 || self.dice.f64() < self.away;
            store.away_since_ms = away.then(|| store.away_since_ms.unwrap_or(now));
            if away || store.ring > ring {
                continue;
            }
            match store.stand {
                Stand::Waits => store.stand = Stand::Held { since_ms: now },
                Stand::Held { .. } => store.stand = Stand::Used { since_ms: now },
                Stand::Used { .. } => {
                    let of = self.dice.u64(0..8);
                    let hit = (0..of).filter(|_| self.dice.f64() < self.failing).count() as u64;
                    store.photographs = store.photographs.plus(Count::new(hit, of));
                }
                Stand::Refused { .. } | Stand::Left => {}
            }
        }
    }

    /// Plays it to its end; the rings reached, and how it ended.
    fn play(&mut self) -> (Vec<u32>, Step) {
        let mut rings = vec![0];
        for _ in 0..24 * 60 {
            self.hour();
            match next(&self.seen, &limits()) {
                Step::Wait => {}
                Step::Next => {
                    assert!(self.seen.now_ms - self.seen.since_ms >= limits().soak_ms, "no ring before its time");
                    self.seen.ring += 1;
                    self.seen.since_ms = self.seen.now_ms;
                    rings.push(self.seen.ring);
                }
                end => return (rings, end),
            }
        }
        (rings, Step::Wait)
    }
}

/// Whatever the dice say: rings come in their order, a sound model gets to its end, and no bad one out of the pilot.
#[test]
fn a_sound_model_always_ends_and_a_bad_one_never_leaves_the_pilot() {
    for seed in 0..300 {
        let (rings, end) = Chain::new(seed, 0.01, 0.05).play();
        assert_eq!((rings, end), (vec![0, 1, 2], Step::Finish), "seed {seed}");
        let mut bad = Chain::new(seed, 0.25, 0.05);
        let (rings, end) = bad.play();
        assert!(rings == [0] && matches!(end, Step::Halt(Cause::Failing { .. })), "seed {seed}: {rings:?} {end:?}");
        let outside = bad.seen.stores.iter().filter(|store| store.ring > 0);
        assert!(outside.into_iter().all(|store| store.stand == Stand::Waits), "seed {seed}");
    }
}

/// Looking again every hour halts hardly any model whose true share lies within the limit: 2.5 % fail, 5 % may.
#[test]
fn a_model_within_its_limit_is_hardly_ever_halted_however_often_one_looks() {
    let halted = (0..400).filter(|seed| matches!(Chain::new(*seed, 0.025, 0.02).play().1, Step::Halt(_))).count();
    assert!(halted <= 4, "{halted} of 400");
}

#[test]
fn nothing_that_can_be_seen_makes_it_skip_a_ring_or_go_on_in_doubt() {
    for seed in 0..20_000 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut seen = Chain::new(seed, 0.0, 0.0).seen;
        seen.ring = dice.u32(0..3);
        seen.now_ms = dice.i64(0..100 * HOUR);
        seen.since_ms = dice.i64(0..100 * HOUR);
        for store in &mut seen.stores {
            let since_ms = dice.i64(0..100 * HOUR);
            store.stand = match dice.u8(0..40) {
                0 if seed % 3 == 0 => Stand::Refused { reason: String::new() },
                1 if seed % 3 == 0 => Stand::Left,
                2..=5 => Stand::Waits,
                6 => Stand::Held { since_ms },
                _ => Stand::Used { since_ms },
            };
            let of = dice.u64(0..30);
            store.photographs = Count::new(if seed % 2 == 0 { 0 } else { dice.u64(0..=of) }, of);
        }
        let many = |is: fn(&Stand) -> bool| seen.stores.iter().filter(|store| is(&store.stand)).count();
        let refused = many(|stand| matches!(stand, Stand::Refused { .. }));
        let answered = refused + many(|stand| matches!(stand, Stand::Used { .. } | Stand::Held { .. }));
        let bad = many(|stand| *stand == Stand::Left) > 1 || (refused > 1 && refused as f64 > 0.05 * answered as f64);
        let step = next(&seen, &limits());
        assert_eq!(step, next(&seen, &limits()), "seed {seed}: the same of the same");
        if matches!(step, Step::Next | Step::Finish) {
            assert!(!bad && seen.proof(&limits()).is_proven, "seed {seed}");
            assert_eq!(step == Step::Finish, seen.ring + 1 == seen.rings, "seed {seed}");
        }
        assert!(!bad || matches!(step, Step::Halt(_)), "seed {seed}: {step:?}");
    }
}

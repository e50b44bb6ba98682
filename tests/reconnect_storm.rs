//! 5,000 gateways lose their broker at one moment, on a clock that is only counted: how many come back in the worst second.
//! The waits are those of the product; connecting itself takes no time here and never fails while the broker is there.

use skinlink::sync::backoff::Backoff;
use std::time::Duration;

const STORES: u32 = 5_000;

/// What the broker may see in its worst second.
const LIMIT: u32 = 200;

/// What a broker saw after its return.
struct Storm {
    /// Most connections in any one second.
    worst: u32,
    /// Until the last one was back.
    all_back: Duration,
}

/// Every gateway waits by `backoff` until the broker is back after `away`.
fn storm(away: Duration, seed: u64, backoff: impl Fn() -> Backoff) -> Storm {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut back: Vec<f64> = Vec::new();
    for _ in 0..STORES {
        let (mut backoff, mut now) = (backoff(), Duration::ZERO);
        loop {
            now += backoff.next(dice.f64());
            if now >= away {
                break;
            }
        }
        back.push((now - away).as_secs_f64());
    }
    back.sort_by(f64::total_cmp);
    // A window of one second that begins with each of them in turn.
    let worst = (0..back.len()).map(|at| back[at..].partition_point(|other| *other < back[at] + 1.0)).max();
    let all_back = Duration::from_secs_f64(back.last().copied().unwrap_or_default());
    Storm { worst: u32::try_from(worst.unwrap_or_default()).expect("few"), all_back }
}

#[test]
fn five_thousand_gateways_come_back_at_most_two_hundred_a_second() {
    let seed = std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    eprintln!("seed {seed} (SKINLINK_SEED)");
    eprintln!("broker away   worst second   all back after");
    for away in (0..120).chain([300, 600, 3_600]) {
        let Storm { worst, all_back } = storm(Duration::from_secs(away), seed, || Backoff::for_chain(STORES));
        if away % 20 == 0 {
            eprintln!("{away:>8} s   {worst:>12}   {:>10.0} s", all_back.as_secs_f64());
        }
        assert!(worst <= LIMIT, "away {away} s: {worst} in one second");
        assert!(all_back <= Duration::from_secs(120), "away {away} s: the last one after {all_back:?}");
    }
}

/// What it is for: the waits of a small chain would let a whole large one in within a second.
#[test]
fn the_waits_of_a_small_chain_would_not_do_for_a_large_one() {
    let Storm { worst, .. } = storm(Duration::from_secs(1), 7, || Backoff::for_chain(40));
    assert!(worst > 1_000, "{worst}");
}

/// Every tenth gateway at the same moment: what a lower limit alone made of an even spread.
#[test]
fn no_moment_is_chosen_by_many() {
    let mut dice = fastrand::Rng::with_seed(3);
    let waits: Vec<Duration> = (0..STORES).map(|_| Backoff::for_chain(STORES).next(dice.f64())).collect();
    let most = waits.iter().map(|wait| waits.iter().filter(|other| *other == wait).count()).max();
    assert!(most.is_some_and(|most| most < 5), "{most:?} of {STORES} wait equally long");
}

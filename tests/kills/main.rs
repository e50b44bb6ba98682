//! The daemon, its inference process, the broker and headquarters are killed, at named points and at random moments of
//! visits, one by one and together, and started again. A beautician goes on as a person would: she looks at what is there
//! and does what is missing. After each case whatever had been confirmed to her, to a device or to anyone must be at
//! headquarters, once; nothing may stand there twice, no sequence number may be missing, every picture owed must be whole.
//!
//! A short form runs with all tests; `make kills` runs everything. Random moments lie anywhere in the time that the same
//! visit takes when nobody dies, which is measured first. They follow from one number, drawn anew each time and printed;
//! `SKINLINK_SEED=NUMBER` draws the same again. One case is repeated by `SKINLINK_KILLS=point:NAME:COUNT` or
//! `SKINLINK_KILLS=KIND:SEED`, where the kind is `moment` (the daemon), `broker`, `hq`, `worker` (the inference process) or
//! `combo`.
//!
//! Not here: power cuts, after which what was not synced is gone (`tests/power-cut`), and outages and restores.

mod blows;
mod climate;
mod ledger;
mod plays;
mod points;
mod room;
mod salon;

use blows::Kind;
use points::{How, SETTINGS};
use salon::Salon;
use std::sync::OnceLock;

/// Random moments of each kind, in the short form and in the long one.
const MOMENTS: [(Kind, [u64; 2]); 5] = [
    (Kind::Moment, [16, 200]),
    (Kind::Broker, [4, 40]),
    (Kind::Hq, [4, 40]),
    (Kind::Worker, [1, 10]),
    (Kind::Combo, [4, 60]),
];

/// One case that someone wants to see again.
enum Wish {
    Point(String, u32),
    Moment(Kind, u32),
}

/// `None`: all of them.
fn wish() -> Option<Wish> {
    let text = std::env::var("SKINLINK_KILLS").ok().filter(|text| !text.is_empty() && text != "long")?;
    let words: Vec<&str> = text.split(':').collect();
    let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("SKINLINK_KILLS={text}: {word} is no number"));
    match words.as_slice() {
        ["point", name, count] => Some(Wish::Point((*name).to_owned(), number(count))),
        [kind, seed] => {
            let kind = Kind::ALL.into_iter().find(|known| known.word() == *kind);
            let kind = kind.unwrap_or_else(|| panic!("SKINLINK_KILLS={text}: unknown kind of moment"));
            Some(Wish::Moment(kind, number(seed)))
        }
        _ => panic!("SKINLINK_KILLS={text}: expected point:NAME:COUNT, KIND:SEED or long"),
    }
}

fn long() -> bool {
    std::env::var("SKINLINK_KILLS").is_ok_and(|text| text == "long")
}

/// Kills at those points whose way there is one of `these`.
async fn at_points(these: impl Fn(How) -> bool) {
    let wanted: Vec<(&str, u32, How)> = match wish() {
        None => SETTINGS.iter().copied().filter(|(.., how)| these(*how)).collect(),
        Some(Wish::Point(name, count)) => {
            let known = SETTINGS.iter().filter(|(point, ..)| *point == name);
            let exact = known.clone().find(|(_, passings, _)| *passings == count).or_else(|| known.clone().next());
            let (point, _, how) = exact.unwrap_or_else(|| panic!("no setting reaches {name}"));
            if these(*how) { vec![(*point, count, *how)] } else { Vec::new() }
        }
        Some(Wish::Moment(..)) => Vec::new(),
    };
    if wanted.is_empty() {
        return;
    }
    let mut salon = Salon::open().await;
    for (point, count, how) in wanted {
        salon.killed_at(point, count, how).await;
    }
    println!("{}", salon.close().await);
}

/// From which all seeds of this run follow.
fn base_seed() -> u64 {
    static BASE: OnceLock<u64> = OnceLock::new();
    *BASE.get_or_init(|| {
        let named = std::env::var("SKINLINK_SEED").ok();
        let base = named.map_or_else(|| fastrand::u64(..), |text| text.parse().expect("SKINLINK_SEED is a number"));
        println!("all random moments again by SKINLINK_SEED={base}");
        base
    })
}

/// The seeds of one kind, each short enough to be typed.
fn seeds(kind: Kind, count: u64) -> Vec<(Kind, u32)> {
    let nth = Kind::ALL.into_iter().position(|known| known == kind).expect("it is one of them");
    let mut rng = fastrand::Rng::with_seed(base_seed().wrapping_add(nth as u64));
    (0..count).map(|_| (kind, rng.u32(..))).collect()
}

/// Kills at random moments of the kinds that are `these`.
async fn at_moments(these: impl Fn(Kind) -> bool) {
    let wanted: Vec<(Kind, u32)> = match wish() {
        None => {
            let kinds = MOMENTS.into_iter().filter(|(kind, _)| these(*kind));
            kinds.flat_map(|(kind, counts)| seeds(kind, counts[usize::from(long())])).collect()
        }
        Some(Wish::Moment(kind, seed)) => vec![(kind, seed)].into_iter().filter(|(kind, _)| these(*kind)).collect(),
        Some(Wish::Point(..)) => Vec::new(),
    };
    if wanted.is_empty() {
        return;
    }
    let mut salon = Salon::open().await;
    for (kind, seed) in wanted {
        let (word, long_seed) = (kind.word(), u64::from(seed));
        let (play, order) = (kind.play(long_seed), kind.order(long_seed));
        let span = salon.span(play).await;
        let blows = kind.blows(long_seed, span);
        println!("{word} {seed}: {play:?} of {span:?}, {blows:?}, {order:?}; again by SKINLINK_KILLS={word}:{seed}");
        if let Some((point, count)) = order {
            salon.order(point, count);
        }
        salon.case(play, &blows).await;
        if let Some((point, count)) = order {
            assert!(!salon.outstanding(point), "{word} {seed}: no process passed {point} {count} times");
        }
    }
    println!("{}", salon.close().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_a_point_of_a_visit_what_was_confirmed_is_at_headquarters_once() {
    at_points(|how| matches!(how, How::Play(play) if !play.has_photographs())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_a_point_of_a_photograph_every_picture_is_whole_at_headquarters() {
    at_points(|how| matches!(how, How::Play(play) if play.has_photographs())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_opening_closing_or_in_the_back_room_the_store_keeps_its_word() {
    at_points(|how| !matches!(how, How::Play(_))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_killed_at_any_moment_loses_nothing_confirmed() {
    at_moments(|kind| kind == Kind::Moment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_headquarters_and_daemon_killed_one_by_one_and_together_lose_nothing_confirmed() {
    at_moments(|kind| kind != Kind::Moment).await;
}

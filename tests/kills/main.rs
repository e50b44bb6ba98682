//! The daemon, its inference process, the broker and headquarters are killed, at named points and at random moments of
//! visits, one by one and together, and started again. A beautician goes on as a person would: she looks at what is there
//! and does what is missing. After each case whatever had been confirmed to her, to a device or to anyone must be at
//! headquarters, once; nothing may stand there twice, no sequence number may be missing, every picture owed must be whole.
//!
//! A short form runs with all tests; `make kills` runs everything. Seeds are printed; one case is repeated by
//! `SKINLINK_KILLS=point:NAME:COUNT` or `SKINLINK_KILLS=KIND:SEED`, where the kind is `moment` (the daemon), `broker`,
//! `hq`, `worker` (the inference process) or `combo`.
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
    Moment(Kind, u64),
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
            Some(Wish::Moment(kind, u64::from(number(seed))))
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

/// Kills at random moments of the kinds that are `these`.
async fn at_moments(these: impl Fn(Kind) -> bool) {
    let wanted: Vec<(Kind, u64)> = match wish() {
        None => {
            let kinds = MOMENTS.into_iter().filter(|(kind, _)| these(*kind));
            kinds.flat_map(|(kind, seeds)| (1..=seeds[usize::from(long())]).map(move |seed| (kind, seed))).collect()
        }
        Some(Wish::Moment(kind, seed)) => vec![(kind, seed)].into_iter().filter(|(kind, _)| these(*kind)).collect(),
        Some(Wish::Point(..)) => Vec::new(),
    };
    if wanted.is_empty() {
        return;
    }
    let mut salon = Salon::open().await;
    for (kind, seed) in wanted {
        let (play, blows) = kind.draw(seed);
        let (word, order) = (kind.word(), kind.order(seed));
        println!("{word} {seed}: {play:?}, {blows:?}, {order:?}; again by SKINLINK_KILLS={word}:{seed}");
        if let Some((point, count)) = order {
            salon.order(point, count);
        }
        salon.case(play, &blows).await;
        if let Some((point, _)) = order {
            salon.withdraw_order(point);
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

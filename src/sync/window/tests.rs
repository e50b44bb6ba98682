use super::*;

const RESEND: Duration = Duration::from_secs(20);

/// The window is pure: any instant will do as the beginning of time.
#[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
fn start() -> Instant {
    Instant::now()
}

/// Takes the next batch of at most `most` events.
fn send(window: &mut Window, token: u64, most: u64, now: Instant) -> Option<SeqRange> {
    let (first, last) = window.next()?;
    let batch = (first, last.min(first + most - 1));
    window.sent(token, batch, now);
    Some(batch)
}

#[test]
fn live_events_overtake_the_backlog_and_the_backlog_still_moves() {
    let now = start();
    let mut window = Window::new(16, RESEND);
    window.open(0, &[], 1, 1_000);
    assert_eq!(send(&mut window, 1, 10, now), Some((1, 10)));
    window.grow(1_100);
    let order: Vec<u64> = (2..10).filter_map(|token| send(&mut window, token, 10, now)).map(|range| range.0).collect();
    assert_eq!(order, [1_001, 1_011, 1_021, 11, 1_031, 1_041, 1_051, 21]);
}

#[test]
fn a_backlog_never_fills_the_places_kept_for_live_events() {
    let now = start();
    let mut window = Window::new(16, RESEND);
    window.open(0, &[], 1, 10_000);
    let sent = (1..100).filter_map(|token| send(&mut window, token, 1, now)).count();
    assert_eq!(sent, 14);
    window.grow(10_001);
    assert_eq!(send(&mut window, 100, 1, now), Some((10_001, 10_001)));
}

#[test]
fn a_window_of_one_works() {
    let now = start();
    let mut window = Window::new(1, RESEND);
    window.open(0, &[], 1, 3);
    assert_eq!(send(&mut window, 1, 2, now), Some((1, 2)));
    assert_eq!(window.next(), None);
    window.settled(2, &[]);
    assert_eq!(send(&mut window, 2, 2, now), Some((3, 3)));
    window.settled(3, &[]);
    assert_eq!((window.next(), window.waiting()), (None, 0));
}

#[test]
fn what_hq_holds_beyond_its_prefix_is_not_sent_again() {
    let now = start();
    let mut window = Window::new(4, RESEND);
    window.open(10, &[(15, 20)], 1, 22);
    assert_eq!(send(&mut window, 1, 100, now), Some((11, 14)));
    assert_eq!(send(&mut window, 2, 100, now), Some((21, 22)));
    assert_eq!(window.waiting(), 6);
    window.settled(10, &[(15, 22)]);
    assert_eq!(window.waiting(), 4);
    assert!(window.is_drained());
}

#[test]
fn what_is_no_longer_kept_is_not_offered() {
    let mut window = Window::new(4, RESEND);
    window.open(0, &[], 50, 60);
    assert_eq!(window.next(), Some((50, 60)));
    window.absent((50, 60));
    assert_eq!(window.next(), None);
}

#[test]
fn a_question_does_not_double_what_is_under_way() {
    let now = start();
    let mut window = Window::new(4, RESEND);
    window.open(0, &[], 1, 30);
    send(&mut window, 1, 10, now);
    send(&mut window, 2, 10, now);
    window.settled(0, &[(11, 20)]);
    window.asked(&[(1, 10)], now, Duration::from_secs(1));
    assert_eq!(window.next(), Some((21, 30)), "1..=10 is a moment old and may still arrive");
    window.asked(&[(1, 10)], now + Duration::from_secs(2), Duration::from_secs(1));
    assert_eq!(window.next().map(|range| range.0), Some(1), "after two seconds it is taken for lost");
    assert_eq!(window.waiting(), 20);
}

#[test]
fn a_question_beyond_our_end_is_cut() {
    let now = start();
    let mut window = Window::new(4, RESEND);
    window.open(5, &[], 1, 5);
    window.asked(&[(3, 9)], now, Duration::ZERO);
    assert_eq!(window.next(), Some((3, 5)));
}

#[test]
fn a_publish_nobody_took_is_owed_again_and_silence_has_an_end() {
    let now = start();
    let mut window = Window::new(4, RESEND);
    window.open(0, &[], 1, 2);
    send(&mut window, 7, 2, now);
    assert_eq!((window.in_flight(7), window.overdue_at()), (Some((1, 2)), Some(now + RESEND)));
    window.lost(7);
    assert_eq!((window.next(), window.overdue_at()), (Some((1, 2)), None));
}

/// Whatever is lost on the way, in whatever order acknowledgements come: everything arrives, and nothing is forgotten.
#[test]
fn everything_arrives_over_a_line_that_loses_things() {
    for seed in 0..200 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (mut now, mut window, mut held) = (start(), Window::new(1 + dice.usize(..8), RESEND), RangeSet::default());
        let (mut last, mut token) = (dice.u64(1..50), 0);
        window.open(0, &[], 1, last);
        for step in 0.. {
            assert!(step < 20_000, "seed {seed} does not end: {window:?}");
            token += 1;
            now += Duration::from_millis(dice.u64(..3_000));
            if last < 300 {
                last += dice.u64(..4);
                window.grow(last);
            }
            if let Some(range) = send(&mut window, token, 1 + dice.u64(..9), now)
                && dice.u8(..4) > 0
            {
                held.insert(range);
            }
            let upto = held.first_from(1).filter(|(first, _)| *first == 1).map_or(0, |(_, to)| to);
            let mut islands = Vec::new();
            let mut from = upto + 1;
            while let Some(island) = held.first_from(from) {
                islands.push(island);
                from = island.1 + 1;
            }
            match dice.u8(..4) {
                0 => window.settled(upto, &islands),
                1 if window.overdue_at().is_some_and(|at| at <= now) => window.open(upto, &islands, 1, last),
                _ => {}
            }
            if last >= 300 && window.waiting() == 0 {
                break;
            }
        }
        assert_eq!(held.first_from(1), Some((1, last)), "seed {seed}");
    }
}

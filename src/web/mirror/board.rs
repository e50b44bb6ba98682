//! What mirrors are shown, and which screens wait for a station. In memory alone: nothing of it outlives the daemon, nothing of it is a
//! record. Streams watch it.

use crate::{
    domain::{ComparisonId, CustomerId, VisitId},
    web::pin,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

/// A station where nothing was measured or noted for so long has a mirror at rest.
pub const QUIET: Duration = Duration::from_secs(10 * 60);

/// Screens that wait at once. Strangers in the network may open as many as they like: the oldest is dropped and asks anew, so that
/// they hold up nobody but each other and the next pairing.
const WAITING: usize = 16;

/// Digits of a code: it opens nothing by itself, and lies on the screen for whoever pairs it to read.
const DIGITS: u32 = 6;

/// A screen that belongs to no station yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    digest: [u8; 32],
    code: String,
    number: u64,
}

/// What somebody gave to a station's mirror. It counts for this visit, this customer and this comparison only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub visit: VisitId,
    pub customer: CustomerId,
    /// The comparison whose numbers were released.
    pub comparison: Option<ComparisonId>,
    /// Metrics whose numbers were released.
    pub metrics: Vec<String>,
    pub photographs: bool,
    /// The QR code of the report, as SVG.
    pub code: Option<String>,
    /// Whether the code lies on top.
    pub code_first: bool,
}

/// One station's mirror.
#[derive(Debug, Clone, Default)]
pub struct Chair {
    pub shown: Option<Shown>,
    /// Grows with everything that is given or taken away.
    pub turn: u64,
    /// When the station last gave a sign of life.
    stirred: Option<Instant>,
    /// Whoever worked at the visit has gone to other pages.
    left: bool,
}

#[derive(Debug, Default)]
struct Board {
    waiting: Vec<Waiting>,
    chairs: BTreeMap<String, Chair>,
    newest: u64,
    /// Grows whenever a screen was paired or unpaired.
    pairings: u64,
}

/// The board of all mirrors. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mirrors {
    board: Arc<watch::Sender<Board>>,
    quiet: Duration,
}

/// A place among the screens that wait; given up when it is dropped.
#[derive(Debug)]
pub struct Place {
    mirrors: Mirrors,
    pub code: String,
    number: u64,
}

/// Sees when the board changes.
#[derive(Debug)]
pub struct Watch(watch::Receiver<Board>);

impl Default for Mirrors {
    fn default() -> Self {
        Self::new(QUIET)
    }
}

impl Mirrors {
    /// `quiet`: how long a station may be silent before its mirror rests.
    #[must_use]
    pub fn new(quiet: Duration) -> Self {
        Self { board: Arc::new(watch::Sender::new(Board::default())), quiet }
    }

    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch(self.board.subscribe())
    }

    /// A screen asks to be somebody's: its code, for as long as the place is held.
    #[must_use]
    pub fn wait(&self, digest: [u8; 32]) -> Place {
        let (mut code, mut number) = (String::new(), 0);
        self.board.send_if_modified(|board| {
            board.newest += 1;
            number = board.newest;
            code = loop {
                let code = pin::digits(DIGITS);
                if board.waiting.iter().all(|other| other.code != code) {
                    break code;
                }
            };
            let full = board.waiting.len() == WAITING;
            if full {
                board.waiting.remove(0);
            }
            board.waiting.push(Waiting { digest, code: code.clone(), number });
            // Nobody else is concerned: strangers who come and go cost mirrors nothing.
            full
        });
        Place { mirrors: self.clone(), code, number }
    }

    /// The screen that shows `code` now.
    #[must_use]
    pub fn showing(&self, code: &str) -> Option<[u8; 32]> {
        self.board.borrow().waiting.iter().find(|waiting| waiting.code == code).map(|waiting| waiting.digest)
    }

    /// A screen was paired with `station`, or none any more: whatever lay on it is gone, and its code is used up.
    pub fn paired_anew(&self, station: &str, screen: Option<[u8; 32]>) {
        self.board.send_modify(|board| {
            board.pairings += 1;
            board.waiting.retain(|waiting| Some(waiting.digest) != screen);
            board.clear(station);
        });
    }

    /// A screen speaks another language: it looks again.
    pub fn spoken_anew(&self) {
        self.board.send_modify(|board| board.pairings += 1);
    }

    /// The station's mirror as it stands.
    #[must_use]
    pub fn chair(&self, station: &str) -> Chair {
        self.board.borrow().chairs.get(station).cloned().unwrap_or_default()
    }

    /// Gives the results of a comparison to the mirror. A code that was made for the same visit stays, below them.
    pub fn show(&self, station: &str, shown: Shown) {
        self.board.send_modify(|board| {
            let chair = board.stir(station);
            let same = |old: &Shown| (old.visit, old.customer) == (shown.visit, shown.customer);
            let code = chair.shown.take().filter(same).and_then(|old| old.code);
            chair.shown = Some(Shown { code, code_first: false, ..shown });
            chair.turn += 1;
        });
    }

    /// Lays the report's code over whatever is shown of the visit.
    pub fn show_code(&self, station: &str, (visit, customer): (VisitId, CustomerId), code: String) {
        self.board.send_modify(|board| {
            let chair = board.stir(station);
            let same = |old: &Shown| (old.visit, old.customer) == (visit, customer);
            let nothing = Shown {
                visit,
                customer,
                comparison: None,
                metrics: Vec::new(),
                photographs: false,
                code: None,
                code_first: true,
            };
            let old = chair.shown.take().filter(same).unwrap_or(nothing);
            chair.shown = Some(Shown { code: Some(code), code_first: true, ..old });
            chair.turn += 1;
        });
    }

    /// The code that was made for a visit lies on top again; `false` where none was made.
    pub fn code_again(&self, station: &str, (visit, customer): (VisitId, CustomerId)) -> bool {
        self.board.send_if_modified(|board| {
            let chair = board.stir(station);
            let ours = chair.shown.as_mut().filter(|shown| (shown.visit, shown.customer) == (visit, customer));
            let Some(shown) = ours.filter(|shown| shown.code.is_some()) else { return false };
            shown.code_first = true;
            chair.turn += 1;
            true
        })
    }

    /// The report's links are dead: no mirror shows their code any more.
    pub fn end_codes(&self, visit: VisitId) {
        self.board.send_modify(|board| {
            for chair in board.chairs.values_mut() {
                if let Some(shown) = chair.shown.as_mut().filter(|shown| shown.visit == visit) {
                    (shown.code, shown.code_first) = (None, false);
                    chair.turn += 1;
                }
            }
        });
    }

    /// Takes what was given away again; the mirror goes on with what the station does.
    pub fn hide(&self, station: &str) {
        self.board.send_modify(|board| board.clear(station));
    }

    /// Whoever worked at the visit went to other pages: nothing is shown until the station gives a sign of life.
    pub fn leave(&self, station: &str) {
        self.board.send_modify(|board| {
            board.clear(station);
            board.chairs.entry(station.to_owned()).or_default().left = true;
        });
    }

    /// A sign of life: something was measured or noted. Tells nobody; whoever heard it looks anyway.
    pub fn stir(&self, station: &str) {
        self.board.send_if_modified(|board| {
            board.stir(station);
            false
        });
    }

    /// Whether the mirror of `station` rests whatever there is to show, and else for how long it does not. What was given is taken away
    /// with the silence: whoever comes back to the chair shows it again.
    ///
    /// # Errors
    /// [`Rests`].
    pub fn rests(&self, station: &str) -> Result<Instant, Rests> {
        let mut found = Err(Rests);
        self.board.send_if_modified(|board| {
            let chair = board.chairs.entry(station.to_owned()).or_default();
            let until = *chair.stirred.get_or_insert_with(Instant::now) + self.quiet;
            let silent = Instant::now() >= until;
            if silent && chair.shown.take().is_some() {
                chair.turn += 1;
            }
            if !(silent || chair.left) {
                found = Ok(until);
            }
            false
        });
        found
    }
}

/// The mirror rests; see [`Mirrors::rests`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rests;

impl Board {
    fn stir(&mut self, station: &str) -> &mut Chair {
        let chair = self.chairs.entry(station.to_owned()).or_default();
        chair.stirred = Some(Instant::now());
        chair.left = false;
        chair
    }

    fn clear(&mut self, station: &str) {
        let chair = self.chairs.entry(station.to_owned()).or_default();
        chair.shown = None;
        chair.turn += 1;
    }
}

impl Watch {
    /// Resolves when the board has changed since this resolved last; `false` when there is no board any more.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }

    /// How often screens were paired or unpaired so far.
    #[must_use]
    pub fn pairings(&self) -> u64 {
        self.0.borrow().pairings
    }
}

impl Place {
    /// Whether it is held still: too many others may have come since.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.mirrors.board.borrow().waiting.iter().any(|waiting| waiting.number == self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let number = self.number;
        self.mirrors.board.send_if_modified(|board| {
            board.waiting.retain(|waiting| waiting.number != number);
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(visit: u128) -> Shown {
        Shown {
            visit: VisitId::from_bits(visit),
            customer: CustomerId::from_bits(7),
            comparison: None,
            metrics: vec!["moisture".to_owned()],
            photographs: true,
            code: None,
            code_first: false,
        }
    }

    #[test]
    fn a_code_is_good_for_as_long_as_its_screen_waits() {
        let mirrors = Mirrors::default();
        let place = mirrors.wait([1; 32]);
        assert_eq!((place.code.len(), mirrors.showing(&place.code)), (6, Some([1; 32])));
        let code = place.code.clone();
        drop(place);
        assert_eq!(mirrors.showing(&code), None);
    }

    #[test]
    fn a_flood_of_screens_drops_the_oldest_and_no_more() {
        let mirrors = Mirrors::default();
        let places: Vec<Place> = (0..=WAITING).map(|n| mirrors.wait([n as u8; 32])).collect();
        assert!(!places[0].is_held() && places[1..].iter().all(Place::is_held));
        assert_eq!(mirrors.showing(&places[WAITING].code), Some([WAITING as u8; 32]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_station_takes_away_what_was_given_and_a_sign_of_life_does_not_bring_it_back() {
        let mirrors = Mirrors::default();
        mirrors.show("chair-1", shown(1));
        assert!(mirrors.rests("chair-1").is_ok());
        tokio::time::advance(QUIET - Duration::from_secs(1)).await;
        assert!(mirrors.rests("chair-1").is_ok());
        mirrors.stir("chair-1");
        tokio::time::advance(QUIET - Duration::from_secs(1)).await;
        assert!(mirrors.rests("chair-1").is_ok(), "counted from the last sign of life");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(mirrors.rests("chair-1"), Err(Rests));
        mirrors.stir("chair-1");
        assert!(mirrors.rests("chair-1").is_ok());
        assert_eq!(mirrors.chair("chair-1").shown, None);
    }

    #[test]
    fn whoever_leaves_takes_everything_along() {
        let mirrors = Mirrors::default();
        mirrors.show("chair-1", shown(1));
        mirrors.show("chair-2", shown(2));
        mirrors.leave("chair-1");
        assert_eq!((mirrors.rests("chair-1"), mirrors.chair("chair-1").shown), (Err(Rests), None));
        assert!(mirrors.rests("chair-2").is_ok() && mirrors.chair("chair-2").shown.is_some());
        mirrors.stir("chair-1");
        assert!(mirrors.rests("chair-1").is_ok());
    }

    #[test]
    fn a_code_belongs_to_its_visit_and_goes_with_its_link() {
        let mirrors = Mirrors::default();
        let whose = |visit| (VisitId::from_bits(visit), CustomerId::from_bits(7));
        mirrors.show("chair-1", shown(1));
        mirrors.show_code("chair-1", whose(1), "<svg/>".to_owned());
        let lies = |mirrors: &Mirrors| {
            mirrors.chair("chair-1").shown.map(|s| (s.code.is_some(), s.code_first, s.metrics.len()))
        };
        assert_eq!(lies(&mirrors), Some((true, true, 1)));
        mirrors.show("chair-1", shown(1));
        assert_eq!(lies(&mirrors), Some((true, false, 1)), "below the results, for later");
        assert!(mirrors.code_again("chair-1", whose(1)) && !mirrors.code_again("chair-1", whose(2)));
        mirrors.end_codes(VisitId::from_bits(1));
        assert_eq!(lies(&mirrors), Some((false, false, 1)));
        mirrors.show_code("chair-1", whose(2), "<svg/>".to_owned());
        assert_eq!(lies(&mirrors), Some((true, true, 0)), "of another visit nothing is left");
    }
}

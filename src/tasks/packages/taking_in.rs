//! Whether photographs are being taken in at the door: while there is one, the gateway does not begin anew. A tablet that went away in
//! mid-upload leaves a call that nobody ends for a long time; it counts only while its bytes come.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// A photograph of which nothing came for so long does not come any more.
const SILENT: Duration = Duration::from_secs(60);

/// Cloneable; a list that is looked through, and nothing that anybody waits for.
#[derive(Debug, Clone, Default)]
pub struct TakingIn(Arc<Mutex<Vec<Weak<Signs>>>>);

/// When the last bytes of a photograph came; `None` for one that is all here.
type Signs = Mutex<Option<Instant>>;

/// One photograph on its way in; out of the list when dropped, however its call ends.
#[derive(Debug, Clone)]
pub struct Inside(Arc<Signs>);

impl TakingIn {
    /// One that is all here and is being judged and kept.
    #[must_use]
    pub fn enter(&self) -> Inside {
        self.with(None)
    }

    /// One whose bytes are still coming; `Inside::came` says of each.
    #[must_use]
    pub fn coming(&self) -> Inside {
        self.with(Some(Instant::now()))
    }

    fn with(&self, signs: Option<Instant>) -> Inside {
        let inside = Arc::new(Mutex::new(signs));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&inside));
        Inside(inside)
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_idle_at(Instant::now())
    }

    fn is_idle_at(&self, now: Instant) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        !all.iter().filter_map(Weak::upgrade).any(|one| {
            let last = *one.lock().unwrap_or_else(PoisonError::into_inner);
            last.is_none_or(|last| now.saturating_duration_since(last) < SILENT)
        })
    }
}

impl Inside {
    /// Bytes came.
    pub fn came(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photograph_counts_until_it_is_dropped_and_a_silent_one_for_a_minute() {
        let taking_in = TakingIn::default();
        let (now, later) = (Instant::now(), Instant::now() + SILENT + SILENT);
        assert!(taking_in.is_idle_at(now));
        let here = taking_in.enter();
        let coming = taking_in.coming();
        coming.came();
        assert!(!taking_in.is_idle_at(later), "what is being kept is waited for, however long that takes");
        drop(here);
        assert!(!taking_in.is_idle_at(now));
        assert!(taking_in.is_idle_at(later), "a tablet that went away holds nothing up");
        drop(coming);
        assert!(taking_in.is_idle_at(now));
    }
}

//! How many photographs are being taken in at the door: while there is one, the gateway does not begin anew.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Cloneable; a counter, and nothing that anybody waits for.
#[derive(Debug, Clone, Default)]
pub struct TakingIn(Arc<AtomicUsize>);

/// One photograph on its way in; out of the count when dropped, however its call ends.
#[derive(Debug)]
pub struct Inside(Arc<AtomicUsize>);

impl TakingIn {
    #[must_use]
    pub fn enter(&self) -> Inside {
        self.0.fetch_add(1, Ordering::AcqRel);
        Inside(Arc::clone(&self.0))
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

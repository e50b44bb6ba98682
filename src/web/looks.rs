//! Who looked at which customer's data: every page, list and call that shows some notes it, so that the log can answer later.

use super::{AppState, doors::Who};
use crate::domain::CustomerId;

/// Notes that `who` is shown `what` of these customers. A log that cannot be written (a full disk) must not keep allergies from
/// whoever is about to touch the skin: it is told to the technician, and the page is shown.
pub async fn note(state: &AppState, who: &Who, what: &'static str, customers: impl IntoIterator<Item = CustomerId>) {
    let mut seen: Vec<CustomerId> = customers.into_iter().collect();
    seen.sort_unstable();
    seen.dedup();
    if seen.is_empty() {
        return;
    }
    if let Err(fault) = state.store.note_looks(who.staff(""), what, seen).await {
        tracing::error!(%fault, what, "a look at customers' data could not be written into the log");
    }
}

//! The end of a scan that no chair drives: its chair was taken out of the configuration, or it came back into a visit that has
//! ended.

use super::{
    StationError,
    scan::{self, UnderWay},
};
use crate::{
    clock,
    domain::{ReadingId, ScanId, scan::ScanState},
    protocol::Spec,
    store::Store,
};
use std::sync::Arc;

/// Closes what was measured into readings and finishes the scan, as its chair would. May be repeated after a crash.
///
/// # Errors
/// [`StationError::Store`]; what was closed before stays closed.
pub async fn finish(store: &Store, specs: &[Arc<Spec>], scan: ScanId) -> Result<(), StationError> {
    let left = UnderWay::new(store.scan_view(scan).await?);
    for (metric, region) in left.ready_to_close(true) {
        let (id, values) = (clock::mint(ReadingId::from_bits), left.open_at(&metric, region));
        if let Some(reading) = scan::close(id, &left.scan, region, &values, specs, clock::now()) {
            store.close_reading(reading).await?;
        }
    }
    store.set_scan_state(scan, ScanState::Finished).await?;
    tracing::info!(%scan, "scan finished without its chair");
    Ok(())
}

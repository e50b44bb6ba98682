//! What the gateway lets go of by itself, and when.

use crate::{
    clock, config,
    store::{Store, StoreError},
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often retention is looked after, and the clock mapped once it is set.
const HOUSEKEEPING: Duration = Duration::from_secs(600);

/// Lets go of what its retention clock has released.
pub async fn run(store: Store, retention: config::Retention, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        // A full disk or one file that does not go away must not end the gateway: the next round tries again.
        if let Err(error) = keep_house(&store, &retention).await {
            warn!(%error, "housekeeping was not finished; it is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(HOUSEKEEPING) => {}
        }
    }
}

async fn keep_house(store: &Store, retention: &config::Retention) -> Result<(), StoreError> {
    let days = |span: Duration| u32::try_from(span.as_secs() / 86_400).unwrap_or(u32::MAX);
    let now = clock::now();
    store.tell_clock(now).await?;
    let wall = now.wall;
    let Some(now) = store.retention_time(now).await? else { return Ok(()) };
    let events = store.prune(now, days(retention.acknowledged_events)).await;
    // One file that does not go holds up nothing else, and is tried again.
    let stayed = store.retire_what_stayed().await;
    let pictures = store.retire_photographs(now, days(retention.photographs)).await;
    let aside = store.let_go_of_what_is_aside(now, wall).await;
    let (events, pictures, aside) = (events?, pictures? + stayed?, aside?);
    if events + pictures + aside > 0 {
        info!(events, pictures, aside, "released by their retention clock");
    }
    Ok(())
}

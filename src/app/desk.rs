//! The desk for customers' phones in the store.

use super::supervisor::Tasks;
use crate::{
    config::Report,
    desk::{self, Press},
    store::Store,
    web::reports::OfStore,
};
use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Starts it, where it is asked for.
///
/// # Errors
/// When the address is taken.
pub async fn start(
    report: &Report,
    store: &Store,
    press: Press,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(listen) = report.listen else { return Ok(()) };
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot serve the customers' reports on {listen}; change report.listen"))?;
    let (reports, behind_proxy, stop) = (OfStore(store.clone()), report.behind_proxy, stop.clone());
    tasks.start("reports", async move { Ok(desk::serve(listener, reports, press, behind_proxy, stop).await?) });
    info!(%listen, "customers' reports are served under /r/");
    Ok(())
}

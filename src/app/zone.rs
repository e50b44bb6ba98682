//! The salon's days as the configuration means them: its clocks and the days on which it is closed.

use crate::{adapters::zones, config, domain::follow_up::Calendar};
use anyhow::anyhow;

/// The salon's days as the configuration means them.
///
/// # Errors
/// Where a zone is named that the machine does not know.
pub fn calendar(config: &config::Calendar) -> anyhow::Result<Calendar> {
    let zone = match &config.time_zone {
        Some(name) => zones::named(name),
        None => zones::own(),
    };
    Ok(Calendar::new(zone.map_err(|fault| anyhow!("calendar.time_zone: {fault}"))?, config.holidays.clone()))
}

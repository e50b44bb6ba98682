//! Where and how customers' reports are served.

use serde::Deserialize;
use std::{net::SocketAddr, time::Duration};

/// A store that was not heard for so long, unless configured: a holiday, not a closed shop.
const SILENT_DAYS: u32 = 7;

const DAY: Duration = Duration::from_secs(86_400);

/// `[reports]` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawReports {
    pub listen: Option<SocketAddr>,
    pub behind_proxy: Option<bool>,
    pub silent_days: Option<u32>,
}

/// Resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportSettings {
    pub listen: SocketAddr,
    /// A proxy of our own stands before it and names whom it speaks for in `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Reports of a store that was not heard for so long are closed until it is.
    pub silent: Duration,
}

impl RawReports {
    /// # Errors
    /// A sentence that says what is missing or wrong.
    pub fn resolve(self) -> Result<ReportSettings, String> {
        let Self { listen, behind_proxy, silent_days } = self;
        let listen = listen.ok_or("missing: reports.listen; give it in the file, or leave [reports] out")?;
        let days = silent_days.unwrap_or(SILENT_DAYS);
        if !(1..=90).contains(&days) {
            return Err(format!("reports.silent_days is {days}; 1 to 90"));
        }
        Ok(ReportSettings { listen, behind_proxy: behind_proxy.unwrap_or(false), silent: DAY * days })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_needed_and_silence_has_bounds() {
        let read = |text: &str| toml::from_str::<RawReports>(text).map_err(|fault| fault.to_string())?.resolve();
        let settings = read("listen = \"127.0.0.1:8891\"").unwrap();
        assert_eq!((settings.behind_proxy, settings.silent), (false, DAY * 7));
        assert!(read("behind_proxy = true").unwrap_err().contains("reports.listen"));
        assert!(read("listen = \"127.0.0.1:8891\"\nsilent_days = 0").unwrap_err().contains("1 to 90"));
        assert!(read("listen = \"127.0.0.1:8891\"\ntls = true").unwrap_err().contains("unknown field"));
    }
}

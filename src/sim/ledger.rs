//! What a simulated device sent, by its own account: the independent ledger that HQ's tables are held against.

use crate::domain::{Region, metric::MetricId, scan::Phase};
use serde::{Deserialize, Serialize};

/// One measurement, as one line of JSON. Sending it again adds no line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// Of the device.
    pub serial: String,
    /// Running number as on the wire.
    pub counter: u64,
    pub metric: String,
    pub region: String,
    pub phase: String,
    /// With the device's decimals: `35.2`.
    pub value: String,
    pub unit: String,
}

impl LedgerLine {
    pub(super) fn new(
        serial: &str,
        counter: u64,
        metric: &MetricId,
        at: (Region, Phase),
        value: String,
        unit: &str,
    ) -> Self {
        Self {
            serial: serial.to_owned(),
            counter,
            metric: metric.to_string(),
            region: at.0.to_string(),
            phase: at.1.to_string(),
            value,
            unit: unit.to_owned(),
        }
    }
}

//! The devices of one chair as the station sees them: which one measures a metric, and how each is.

use crate::{
    domain::{
        device::DeviceIdentity,
        metric::{Label, MetricId},
    },
    tasks::device::{DeviceHandle, DeviceState},
};
use serde::Serialize;

/// A device with what the catalogue knows of its model.
#[derive(Debug, Clone)]
pub struct Fitted {
    pub handle: DeviceHandle,
    /// Id of its protocol file.
    pub protocol: String,
    /// What people call the model.
    pub title: Label,
}

/// A device for pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceView {
    pub protocol: String,
    /// Empty before it was first seen.
    pub serial: String,
    /// `searching`, `ready`, `faulty` or `away`.
    pub state: &'static str,
    /// Its name and how it is.
    pub zh: String,
    pub en: String,
    /// As it last said.
    pub battery_percent: Option<u8>,
    /// How strongly it was heard when it was found, in dBm; only of devices in the air.
    pub signal_dbm: Option<i16>,
}

impl Fitted {
    #[must_use]
    pub fn view(&self) -> DeviceView {
        let state = self.handle.state().borrow().clone();
        let (word, zh, en) = condition(&state);
        DeviceView {
            protocol: self.protocol.clone(),
            serial: state.identity.map(|identity| identity.serial).unwrap_or_default(),
            state: word,
            battery_percent: state.battery_percent,
            signal_dbm: state.signal_dbm,
            zh: format!("{} {zh}", self.title.zh),
            en: format!("{}: {en}", self.title.en),
        }
    }

    pub(super) fn is(&self, device: &DeviceIdentity) -> bool {
        self.handle.identity().as_ref() == Some(device)
    }
}

/// The word for programs and what a person reads.
fn condition(state: &DeviceState) -> (&'static str, String, String) {
    match (&state.last_fault, state.connected, &state.identity) {
        (None, true, _) => ("ready", "就绪".into(), "ready".into()),
        (Some(fault), true, _) => ("faulty", fault.zh.clone(), fault.en.clone()),
        (Some(fault), false, _) => ("away", fault.zh.clone(), fault.en.clone()),
        (None, false, Some(_)) => ("away", "已断开".into(), "disconnected".into()),
        (None, false, None) => ("searching", "正在寻找".into(), "being looked for".into()),
    }
}

/// What to tell when a device is away and did not say why.
pub(super) fn away_advice(state: &DeviceState) -> Label {
    state.last_fault.clone().unwrap_or_else(|| Label {
        zh: "设备未连接：请检查数据线和电源。".to_owned(),
        en: "The device is not connected: check its cable and power.".to_owned(),
    })
}

/// The devices that measure `metric`, those that answer first.
pub(super) fn for_metric<'a>(devices: &'a [Fitted], metric: &MetricId) -> Option<(&'a Fitted, DeviceState)> {
    let states = devices.iter().map(|device| (device, device.handle.state().borrow().clone()));
    let mut able: Vec<_> = states.filter(|(_, state)| state.metrics.contains(metric)).collect();
    able.sort_by_key(|(_, state)| !state.connected);
    able.into_iter().next()
}

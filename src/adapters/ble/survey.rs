//! What is in the air now, for people: everything that advertises, once.

use super::{
    bus::{Bus, CALL_LIMIT},
    seat::{address_of, name_of},
    trouble::Trouble,
};
use crate::ports::LinkError;
use btleplug::{
    api::{Central as _, Manager as _, Peripheral as _, ScanFilter},
    platform::{Adapter, Manager},
};
use std::time::Duration;
use tokio::time::sleep;
use tracing::debug;
use uuid::Uuid;

/// A device that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub address: String,
    /// `hci0`.
    pub adapter: String,
    pub name: Option<String>,
    pub signal_dbm: Option<i16>,
    /// Those it lists, and those it has data of.
    pub services: Vec<Uuid>,
    /// Company numbers of its manufacturer data.
    pub companies: Vec<u16>,
}

/// Listens for so long on every adapter; the strongest comes first. A gateway that runs is not disturbed.
///
/// # Errors
/// [`LinkError::NoRadio`] with what is missing: D-Bus, bluetoothd, an adapter, the right to use it.
pub async fn survey(lasting: Duration) -> Result<Vec<Heard>, LinkError> {
    listen(lasting).await.map_err(Trouble::adapter_error)
}

async fn listen(lasting: Duration) -> Result<Vec<Heard>, Trouble> {
    let bus = Bus::open().await?;
    let manager = bus.lifeline.within(CALL_LIMIT, Manager::new()).await?;
    let adapters = bus.lifeline.within(CALL_LIMIT, manager.adapters()).await?;
    let (mut listening, mut fault) = (Vec::new(), Trouble::NoAdapter);
    for adapter in adapters {
        // One that is switched off is left so: listening would switch it on.
        match bus.lifeline.within(CALL_LIMIT, adapter.start_scan(ScanFilter::default())).await {
            Ok(()) => listening.push(adapter),
            Err(trouble) => fault = trouble,
        }
    }
    if listening.is_empty() {
        return Err(fault);
    }
    sleep(lasting).await;
    let mut heard = Vec::new();
    for adapter in &listening {
        // One that fails meanwhile hides nothing that the others heard.
        match heard_by(adapter, &bus).await {
            Ok(by_it) => heard.extend(by_it),
            Err(trouble) if listening.len() == 1 => return Err(trouble),
            Err(trouble) => debug!(?trouble, "an adapter does not say what it heard"),
        }
        // It ends with our connection anyway.
        let _ = bus.lifeline.within(CALL_LIMIT, adapter.stop_scan()).await;
    }
    heard.sort_by_key(|one| std::cmp::Reverse(one.signal_dbm));
    Ok(heard)
}

async fn heard_by(adapter: &Adapter, bus: &Bus) -> Result<Vec<Heard>, Trouble> {
    let name = name_of(adapter, &bus.lifeline).await?;
    let mut heard = Vec::new();
    for peripheral in bus.lifeline.within(CALL_LIMIT, adapter.peripherals()).await? {
        let Some(address) = address_of(&peripheral.id()) else { continue };
        // One that has just gone is not there.
        let Ok(Some(properties)) = bus.lifeline.within(CALL_LIMIT, peripheral.properties()).await else { continue };
        // BlueZ remembers devices that are not there: those have no strength.
        let Some(signal) = properties.rssi else { continue };
        heard.push(Heard {
            address,
            adapter: name.clone(),
            name: properties.local_name,
            signal_dbm: Some(signal),
            services: properties.services.iter().chain(properties.service_data.keys()).copied().collect(),
            companies: properties.manufacturer_data.keys().copied().collect(),
        });
    }
    Ok(heard)
}

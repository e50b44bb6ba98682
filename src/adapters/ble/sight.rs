//! Who is heard, and who is told of it.

use super::{
    air::{Advertisement, AirTask, Seeker, Sighting},
    bus::CALL_LIMIT,
    seat::{Seat, address_of},
    service::Service,
};
use btleplug::{
    api::{Central as _, Peripheral as _},
    platform::PeripheralId,
};

impl Service {
    /// What devices that are listened to have last said.
    pub(super) async fn recall(&mut self, task: &mut AirTask) {
        for at in 0..self.seats.len() {
            let (adapter, lifeline) = (self.seats[at].adapter.clone(), self.bus.lifeline.clone());
            let Ok(known) = lifeline.within(CALL_LIMIT, adapter.peripherals()).await else { continue };
            for peripheral in known {
                self.overheard(at, &peripheral.id(), false, task).await;
            }
        }
    }

    /// Hands what a device says without being connected to whoever listens to it.
    pub(super) async fn overheard(&mut self, at: usize, id: &PeripheralId, fresh: bool, task: &mut AirTask) {
        let Some(address) = address_of(id) else { return };
        let Some(listener) = task.listeners.iter().find(|listener| listener.address == address) else { return };
        let (adapter, lifeline) = (self.seats[at].adapter.clone(), &self.bus.lifeline);
        let Ok(peripheral) = lifeline.within(CALL_LIMIT, adapter.peripheral(id)).await else { return };
        let Ok(Some(properties)) = lifeline.within(CALL_LIMIT, peripheral.properties()).await else { return };
        if !fresh && properties.rssi.is_none() {
            return;
        }
        if let Some(data) = properties.service_data.get(&listener.service) {
            // One that is missed comes again.
            let _ = listener.told.try_send(Advertisement { data: data.clone() });
        }
    }

    /// Hands a device that was heard to whoever looks for it.
    pub(super) async fn sighted(&mut self, at: usize, id: &PeripheralId, fresh: bool, task: &mut AirTask) {
        let Some(address) = address_of(id) else { return };
        let wanted = |seeker: &Seeker| seeker.wanted.address.as_ref().is_none_or(|wanted| *wanted == address);
        if !task.seekers.iter().any(wanted) {
            return;
        }
        let Seat { adapter, name, .. } = &self.seats[at];
        let (adapter, name, lifeline) = (adapter.clone(), name.clone(), &self.bus.lifeline);
        let Ok(peripheral) = lifeline.within(CALL_LIMIT, adapter.peripheral(id)).await else { return };
        let Ok(Some(properties)) = lifeline.within(CALL_LIMIT, peripheral.properties()).await else { return };
        if !fresh && properties.rssi.is_none() {
            return;
        }
        // Those that only advertise name their service nowhere but in its data.
        let services: Vec<_> = properties.services.iter().chain(properties.service_data.keys()).copied().collect();
        let companies = || properties.manufacturer_data.keys().copied();
        let fits = |seeker: &mut Seeker| {
            wanted(seeker) && seeker.wanted.advertises.fits(&services, properties.local_name.as_deref(), companies())
        };
        let mut waiting = Vec::new();
        for mut seeker in std::mem::take(&mut task.seekers) {
            if !fits(&mut seeker) {
                waiting.push(seeker);
            } else if seeker.wanted.address.is_some() {
                let (peripheral, lifeline) = (peripheral.clone(), lifeline.clone());
                let (address, adapter, signal_dbm) = (address.clone(), name.clone(), properties.rssi);
                let sighting = Sighting { peripheral, lifeline, address, adapter, signal_dbm };
                let _ = seeker.answer.send(Ok(sighting));
            } else {
                let name = properties.local_name.as_deref().unwrap_or("no name");
                let candidate = format!("address {address} ({name})");
                if !seeker.candidates.contains(&candidate) {
                    seeker.candidates.push(candidate);
                }
                waiting.push(seeker);
            }
        }
        task.seekers = waiting;
    }
}

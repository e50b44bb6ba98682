//! A device that is never connected: what it advertises is heard, opened by its key, and handed on as if each object were a
//! notification.
//!
//! It cannot be asked, told or acknowledged anything. What it said last is remembered across losses of the radio, so that an
//! old packet is not new again; not across a restart of the gateway.

use super::air::{Advertisement, Air, Wanted};
use crate::{
    ports::{Link, LinkError, Opened},
    protocol::{
        Spec,
        air::uuid_of,
        bthome::{Ear, Key, Refused, SERVICE},
    },
};
use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc},
    time::{Instant, sleep_until},
};
use uuid::Uuid;

/// How long a device may be silent before it is held to be away: many advertise only when something changes, and save their
/// battery when nothing does.
const AWAY_AFTER: Duration = Duration::from_secs(900);

/// How long a first word is waited for before the people are told that nothing is heard.
const FIRST_WORD: Duration = Duration::from_secs(30);

/// One configured device that only advertises.
#[derive(Debug)]
pub struct Overheard {
    pub address: String,
    pub key: Option<Key>,
    pub spec: Arc<Spec>,
}

/// A device on its way to being heard.
pub type Hearing = Pin<Box<dyn Future<Output = Result<Opened<BroadcastLink>, LinkError>> + Send>>;

/// What the device's task calls whenever it needs to hear it.
pub fn listener(air: Air, device: Overheard) -> impl FnMut() -> Hearing + Send + 'static {
    let bytes = octets(&device.address);
    // One task calls it, one call at a time; the lock is held by the link that it opened.
    let ear = Arc::new(Mutex::new(Ear::new(bytes, device.key.clone())));
    let known: Arc<BTreeSet<u8>> = Arc::new(device.spec.messages.iter().filter_map(object_of).collect());
    let device = Arc::new(device);
    move || {
        let (air, device, ear, known) = (air.clone(), Arc::clone(&device), Arc::clone(&ear), Arc::clone(&known));
        Box::pin(async move { open(&air, &device, ear.lock_owned().await, known).await })
    }
}

/// The object that a message of the file is: FC D2, then its number.
fn object_of(message: &crate::protocol::field::Shape) -> Option<u8> {
    message.matches.get(2).copied()
}

/// Highest byte first, as it is written; the configuration has checked it.
fn octets(address: &str) -> [u8; 6] {
    let mut bytes = [0; 6];
    for (byte, group) in bytes.iter_mut().zip(address.split(':')) {
        *byte = u8::from_str_radix(group, 16).unwrap_or(0);
    }
    bytes
}

/// The service whose data is meant: the one the file recognises it by.
fn advertised_service(spec: &Spec) -> Uuid {
    let stated = spec.ble.as_ref().and_then(|ble| ble.advertises.service);
    stated.unwrap_or_else(|| uuid_of("FCD2").unwrap_or_default())
}

async fn open(
    air: &Air,
    device: &Overheard,
    ear: OwnedMutexGuard<Ear>,
    known: Arc<BTreeSet<u8>>,
) -> Result<Opened<BroadcastLink>, LinkError> {
    let advertises = device.spec.ble.as_ref().map(|ble| ble.advertises.clone()).unwrap_or_default();
    let wanted = Wanted { address: Some(device.address.clone()), advertises, broadcast: true };
    // The search says what is missing, in words; what it finds is only heard, never touched.
    let sighting = air.find(wanted).await?;
    let service = advertised_service(&device.spec);
    let told = air.listen(device.address.clone(), service).await?;
    let mut link = BroadcastLink {
        address: device.address.clone(),
        told,
        ear,
        known,
        frames: VecDeque::new(),
        away_at: Instant::now() + FIRST_WORD,
        refused: None,
    };
    link.next_frames().await?;
    let port = format!("{} {}", sighting.adapter, device.address);
    let signal_dbm = sighting.signal_dbm;
    Ok(Opened { link, serial: device.address.clone(), port, wanted: None, signal_dbm })
}

/// A device that is heard.
pub struct BroadcastLink {
    address: String,
    told: mpsc::Receiver<Advertisement>,
    ear: OwnedMutexGuard<Ear>,
    /// Objects that the protocol file names; others are the device's own affair.
    known: Arc<BTreeSet<u8>>,
    frames: VecDeque<Vec<u8>>,
    /// When it is held to be away, unless it is heard before.
    away_at: Instant,
    /// Why what it last said was not taken.
    refused: Option<Refused>,
}

impl fmt::Debug for BroadcastLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastLink").field("address", &self.address).finish_non_exhaustive()
    }
}

impl BroadcastLink {
    /// Waits until it says something new. Cancel-safe.
    async fn next_frames(&mut self) -> Result<(), LinkError> {
        while self.frames.is_empty() {
            let advertisement = tokio::select! {
                told = self.told.recv() => told,
                () = sleep_until(self.away_at) => None,
            };
            let Some(Advertisement { data }) = advertisement else {
                return Err(match self.refused {
                    Some(refused) => LinkError::Io(io::Error::other(format!("{}: {refused}", self.address))),
                    None => LinkError::Unheard { what: self.address.clone() },
                });
            };
            match self.ear.hear(&data) {
                Ok(objects) => {
                    self.refused = None;
                    self.away_at = Instant::now() + AWAY_AFTER;
                    let objects = objects.into_iter().filter(|object| self.known.contains(&object.id));
                    let begins = SERVICE.to_be_bytes();
                    self.frames.extend(objects.map(|object| [&begins[..], &[object.id], &object.value].concat()));
                }
                Err(refused) => {
                    if self.refused.replace(refused) != Some(refused) {
                        tracing::warn!(address = self.address, %refused, "an advertisement is not taken");
                    }
                }
            }
        }
        Ok(())
    }
}

impl Link for BroadcastLink {
    async fn send(&mut self, _bytes: &[u8]) -> Result<(), LinkError> {
        Err(LinkError::Io(io::Error::other(format!("{} is only listened to", self.address))))
    }

    async fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, LinkError> {
        self.next_frames().await?;
        // An object is shorter than any buffer; one after the other, so that each is a frame.
        let frame = self.frames.pop_front().unwrap_or_default();
        let count = frame.len().min(buffer.len());
        buffer[..count].copy_from_slice(&frame[..count]);
        Ok(count)
    }
}

//! A connected device as a [`Link`]: notifications are what is received, writes to the command characteristic what is sent.
//!
//! A link that is gone stays gone. What ends it: the device's own disconnect, its adapter, bluetoothd, the bus (all told by
//! the air's owner), a liveness question that is not answered well, or a gateway that does not keep up.

use super::{
    bus::Lifeline,
    connect::{Connected, Notifications},
};
use crate::{
    ports::{Link, LinkError},
    protocol::air::number,
};
use btleplug::{
    api::{Characteristic, Peripheral as _, ValueNotification, WriteType},
    platform::Peripheral,
};
use futures_util::StreamExt as _;
use std::{collections::VecDeque, fmt, io, time::Duration};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

/// Notifications held while the station is slow: 20 s of the fastest device there is. A device that is so far ahead is
/// disconnected rather than silently thinned out; it sends what was not acknowledged again.
const HELD: usize = 1024;

/// Loss is told by events; this is for those that no event tells of.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// A write with response waits for the device's radio.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// A device in the air. Dropping it ends the draining; the connection itself is ended before the next one is made.
pub struct BleLink {
    peripheral: Peripheral,
    lifeline: Lifeline,
    address: String,
    command: Option<(Characteristic, WriteType)>,
    write_size: usize,
    /// What was read when it was connected; comes before all else.
    read: VecDeque<Vec<u8>>,
    arrived: mpsc::Receiver<Vec<u8>>,
    /// Of one notification, what the last caller's buffer had no room for.
    rest: Vec<u8>,
    gone: CancellationToken,
    drain: JoinHandle<()>,
}

impl fmt::Debug for BleLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BleLink")
            .field("address", &self.address)
            .field("write_size", &self.write_size)
            .field("gone", &self.gone.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl BleLink {
    pub(super) fn new(connected: Connected, address: String, lifeline: Lifeline, gone: CancellationToken) -> Self {
        let Connected { peripheral, notifications, read, numbered, command, write_size } = connected;
        let (sender, arrived) = mpsc::channel(HELD);
        let (one, life, over) = (peripheral.clone(), lifeline.clone(), gone.clone());
        let drain = Drain { peripheral: one, lifeline: life, gone: over, numbered, sender };
        #[expect(clippy::disallowed_methods, reason = "the library's queue has no bound; this ends with its link")]
        let drain = tokio::spawn(drain.run(notifications));
        let (read, rest) = (read.into(), Vec::new());
        Self { peripheral, lifeline, address, command, write_size, read, arrived, rest, gone, drain }
    }

    fn lost(&self) -> LinkError {
        LinkError::Unheard { what: self.address.clone() }
    }

    async fn write(&self, to: &Characteristic, how: WriteType, bytes: &[u8]) -> Result<(), LinkError> {
        let written = self.lifeline.within(WRITE_LIMIT, self.peripheral.write(to, bytes, how));
        tokio::select! {
            biased;
            () = self.gone.cancelled() => Err(self.lost()),
            written = written => written.map_err(|trouble| {
                self.gone.cancel();
                trouble.link_error(&self.address)
            }),
        }
    }
}

impl Link for BleLink {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let Some((to, how)) = &self.command else {
            return Err(LinkError::Io(io::Error::other(format!("{} takes no commands", self.address))));
        };
        for part in bytes.chunks(self.write_size) {
            self.write(to, *how, part).await?;
        }
        Ok(())
    }

    async fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, LinkError> {
        if self.rest.is_empty() {
            // What arrived before the loss still counts.
            self.rest = match self.read.pop_front() {
                Some(bytes) => bytes,
                None => self.arrived.recv().await.ok_or_else(|| self.lost())?,
            };
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

impl Drop for BleLink {
    fn drop(&mut self) {
        self.gone.cancel();
        self.drain.abort();
    }
}

/// Empties the library's queue into one that has a bound, and asks now and then whether the device is still there.
struct Drain {
    peripheral: Peripheral,
    lifeline: Lifeline,
    gone: CancellationToken,
    /// What is heard begins with the number of its characteristic.
    numbered: bool,
    sender: mpsc::Sender<Vec<u8>>,
}

impl Drain {
    async fn run(self, mut notifications: Notifications) {
        let Self { peripheral, lifeline, gone, numbered, sender } = self;
        let mut ask = interval_at(Instant::now() + ASK_EVERY, ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = gone.cancelled() => return,
                () = lifeline.gone() => break,
                arrived = notifications.next() => match arrived {
                    Some(ValueNotification { value, .. }) if value.is_empty() => {}
                    Some(ValueNotification { uuid, value, .. }) => {
                        let bytes = if numbered { [number(uuid), value].concat() } else { value };
                        if sender.try_send(bytes).is_err() {
                            tracing::warn!("a device in the air is {HELD} notifications ahead; it is disconnected");
                            break;
                        }
                    }
                    None => break,
                },
                _ = ask.tick() => {
                    let asked = lifeline.within(WRITE_LIMIT, peripheral.is_connected());
                    tokio::select! {
                        () = gone.cancelled() => return,
                        connected = asked => if connected != Ok(true) { break },
                    }
                }
            }
        }
        gone.cancel();
    }
}

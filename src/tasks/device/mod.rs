//! Drives one protocol session over one link, and opens the link again whenever it ends.
//!
//! Does not look for ports (the opener handed in does), interpret bytes (the session does) or keep values (the station
//! does). Each device has a task of its own: whatever one device does, the others' tasks do not notice.
//!
//! - A device is told that a value is durable only after [`DeviceHandle::confirm`].
//! - Every request that was accepted is answered by exactly one observation, also when the cable is pulled.
//! - While the station is slow, the device is not read; commands are answered all the same, so that a station waiting for
//!   a device and a device waiting for the station cannot hold each other up.

mod advice;
mod events;
mod handle;

pub use handle::{DeviceError, DeviceHandle, DeviceState};

use super::observation::Observation;
use crate::{
    clock,
    domain::ClockState,
    ports::{Link, LinkError, Opened},
    protocol::{Input, Output, Session, Spec},
};
use events::Call;
use handle::{Command, QUESTIONS};
use std::{collections::VecDeque, future::Future, mem, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        watch,
    },
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Pauses between attempts grow from the first to the last; a replugged device is read again within half a second of being
/// there. A look costs a few file names.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_millis(400);

/// A command is a few bytes. A line that does not take them for so long has stuck flow control.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// One read: what a pseudo-terminal or a USB adapter hands over at once. At 115,200 baud that is 350 ms of line.
const READ: usize = 4096;

/// One device's task, to be run.
#[derive(Debug)]
pub struct Device {
    spec: Arc<Spec>,
    commands: mpsc::Receiver<Command>,
    state: watch::Sender<DeviceState>,
    station: mpsc::Sender<Observation>,
    /// What the station has not taken yet. While anything is here, the device is not read: it holds the events of one read.
    outgoing: VecDeque<Observation>,
    /// Tokens of requests that were accepted and are not answered.
    unanswered: Vec<u64>,
    last_report: String,
}

/// How a connection ended.
enum Ended {
    Stopped,
    Lost(LinkError),
}

impl Device {
    /// A device that talks as `spec` says and reports to `station`.
    #[must_use]
    pub fn new(spec: Arc<Spec>, station: mpsc::Sender<Observation>) -> (DeviceHandle, Self) {
        let (sender, commands) = mpsc::channel(QUESTIONS);
        let (state, watched) = watch::channel(DeviceState {
            connected: false,
            identity: None,
            last_fault: None,
            metrics: spec.metrics.iter().map(|metric| metric.id.clone()).collect(),
            port: String::new(),
            bad_frames: 0,
            battery_percent: None,
            signal_dbm: None,
        });
        let device = Self {
            spec,
            commands,
            state,
            station,
            outgoing: VecDeque::new(),
            unanswered: Vec::new(),
            last_report: String::new(),
        };
        (DeviceHandle { commands: sender, state: watched }, device)
    }

    /// Serves the device until `stop`. `open` finds and opens it: called again after every failure and every loss, after a
    /// pause.
    pub async fn run<L, O, F>(mut self, mut open: O, stop: CancellationToken)
    where
        L: Link,
        O: FnMut() -> F + Send,
        F: Future<Output = Result<Opened<L>, LinkError>> + Send,
    {
        let mut pause = FIRST_PAUSE;
        while let Some(opened) = self.while_away(open(), &stop).await {
            let fault = match opened {
                Ok(opened) => {
                    self.state.send_modify(|state| state.signal_dbm = opened.signal_dbm);
                    let mut call = Call::new(opened.serial, opened.wanted);
                    match self.serve(opened.link, &opened.port, &mut call, &stop).await {
                        Ended::Stopped => break,
                        Ended::Lost(fault) => {
                            // Whoever gets as far as a name was really there: look for it at once.
                            pause = if call.identity.is_some() { FIRST_PAUSE } else { pause };
                            fault
                        }
                    }
                }
                Err(fault) => fault,
            };
            self.lost(&fault);
            if self.while_away(sleep(pause), &stop).await.is_none() {
                break;
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
        self.part();
    }

    /// Runs `work` without a connection: commands are refused, what the station is owed is handed over. `None`: stopped.
    async fn while_away<T>(&mut self, work: impl Future<Output = T>, stop: &CancellationToken) -> Option<T> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                Ok(place) = self.station.reserve(), if !self.outgoing.is_empty() => {
                    if let Some(observation) = self.outgoing.pop_front() {
                        place.send(observation);
                    }
                }
                Some(command) = self.commands.recv() => {
                    if let Command::Measure { reply, request: _ } = command {
                        // Whoever asked may have stopped waiting.
                        let _ = reply.send(Err(DeviceError::NotConnected));
                    }
                }
                done = &mut work => return Some(done),
            }
        }
    }

    async fn serve<L: Link>(&mut self, mut link: L, port: &str, call: &mut Call, stop: &CancellationToken) -> Ended {
        let mut session = Session::new(Arc::clone(&self.spec), Instant::now().into_std());
        let mut buffer = vec![0; READ];
        let station = self.station.clone();
        self.state.send_modify(|state| port.clone_into(&mut state.port));
        loop {
            let wake = loop {
                match session.poll_output() {
                    Output::Transmit(bytes) => {
                        let sent = tokio::select! {
                            () = stop.cancelled() => return Ended::Stopped,
                            sent = timeout(SEND_LIMIT, link.send(&bytes)) => sent,
                        };
                        match sent {
                            Ok(Ok(())) => {}
                            Ok(Err(fault)) => return Ended::Lost(fault),
                            Err(_) => return Ended::Lost(LinkError::Gone(format!("{port} takes no bytes"))),
                        }
                    }
                    Output::Event(event) => self.note(event, call),
                    Output::WaitUntil(instant) => break instant,
                }
            };
            if let Some(stranger) = call.stranger.take() {
                return Ended::Lost(stranger);
            }
            if mem::take(&mut call.clock_due) {
                self.set_clock(&mut session);
                continue;
            }
            // What there is room for goes at once; a fast stream is not sent on one turn of the loop at a time.
            while let Some(observation) = self.outgoing.pop_front() {
                if let Err(TrySendError::Full(observation)) = station.try_send(observation) {
                    self.outgoing.push_front(observation);
                    break;
                }
            }
            // In this order: a station that waits for us goes first, and bytes that have arrived go before the timer that
            // would declare them missing.
            let input = tokio::select! {
                biased;
                () = stop.cancelled() => return Ended::Stopped,
                Ok(place) = station.reserve(), if !self.outgoing.is_empty() => {
                    if let Some(observation) = self.outgoing.pop_front() {
                        place.send(observation);
                    }
                    continue;
                }
                Some(command) = self.commands.recv() => match self.accept(command) {
                    Some(input) => input,
                    None => continue,
                },
                received = link.recv(&mut buffer), if self.outgoing.is_empty() => match received {
                    Ok(count) => Input::Bytes(&buffer[..count]),
                    Err(fault) => return Ended::Lost(fault),
                },
                () = sleep_until(wake.into()) => Input::Tick,
            };
            session.handle_input(Instant::now().into_std(), input);
        }
    }

    /// A command for the session; `None` where it was answered here.
    fn accept(&mut self, command: Command) -> Option<Input<'static>> {
        match command {
            Command::Confirmed(counter) => Some(Input::Confirmed(counter)),
            Command::Cancel => Some(Input::Cancel),
            Command::Measure { request, reply } => {
                let answer = if self.spec.measure(&request.metric).is_none() {
                    Err(DeviceError::CannotMeasure(request.metric.clone()))
                } else if !self.state.borrow().connected {
                    Err(DeviceError::NotConnected)
                } else {
                    Ok(())
                };
                let accepted = answer.is_ok();
                // Nobody waits any more for the answer of a call that was given up: then the device is not asked either.
                if reply.send(answer).is_err() || !accepted {
                    return None;
                }
                self.unanswered.push(request.token);
                Some(Input::Measure(request))
            }
        }
    }

    fn set_clock(&self, session: &mut Session) {
        let stamp = clock::now();
        let Ok(unix_s) = u64::try_from(stamp.wall.unix_ms() / 1000) else { return };
        // A device that keeps its own time does so better than a gateway that was never told.
        if stamp.clock != ClockState::Unset && !self.spec.flow.set_clock.is_empty() {
            session.handle_input(Instant::now().into_std(), Input::SetClock { unix_s });
        }
    }

    /// At the end the station gets what it can take at once; the rest is unconfirmed, and the device keeps it.
    fn part(&mut self) {
        for observation in mem::take(&mut self.outgoing) {
            if self.station.try_send(observation).is_err() {
                break;
            }
        }
        self.state.send_modify(|state| state.connected = false);
    }
}

//! Runs a simulated device on a pseudo-terminal, through a wire with faults, and lets the demo and tests steer it.

use super::{
    device::{SimDevice, SimInput, SimOutput},
    faults::Faults,
    ledger::LedgerLine,
    pty::Pty,
    wire::Wire,
};
use crate::domain::{Region, metric::MetricId, scan::Phase};
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write},
    path::Path,
    str::FromStr,
    time::Instant,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Steering is by hand or by a script; who is ahead of the device waits.
const STEERING: usize = 16;

/// What is done to a simulated device from outside. As text, one a line: `phase after`, `press moisture left_cheek`,
/// `place chin`, `lift`, `touch`, `unplug`, `plug-in`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    Phase(Phase),
    Press { metric: MetricId, region: Region },
    Place(Region),
    Lift,
    Touch,
    Picture(Vec<u8>),
    Unplug,
    PlugIn,
}

/// A line that steers nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write: phase before|after, press METRIC REGION, place REGION, lift, touch, unplug, plug-in")]
pub struct NotAControl(String);

impl FromStr for Control {
    type Err = NotAControl;

    fn from_str(line: &str) -> Result<Self, NotAControl> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let wrong = |problem: &dyn std::fmt::Display| NotAControl(problem.to_string());
        match words.as_slice() {
            ["phase", phase] => phase.parse().map(Self::Phase).map_err(|e| wrong(&e)),
            ["place", region] => region.parse().map(Self::Place).map_err(|e| wrong(&e)),
            ["press", metric, region] => Ok(Self::Press {
                metric: MetricId::new(metric).map_err(|e| wrong(&e))?,
                region: region.parse().map_err(|e| wrong(&e))?,
            }),
            ["lift"] => Ok(Self::Lift),
            ["touch"] => Ok(Self::Touch),
            ["unplug"] => Ok(Self::Unplug),
            ["plug-in"] => Ok(Self::PlugIn),
            _ => Err(wrong(&format!("{line:?} is not understood"))),
        }
    }
}

enum Command {
    Control(Control),
    Ledger(oneshot::Sender<Vec<LedgerLine>>),
    Unconfirmed(oneshot::Sender<Vec<u64>>),
}

/// The simulated device is no longer run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the simulated device has stopped")]
pub struct SimStopped;

/// Steers a simulated device; cloneable.
#[derive(Debug, Clone)]
pub struct SimHandle(mpsc::Sender<Command>);

impl SimHandle {
    /// Returns when the device has taken it into its inbox.
    pub async fn control(&self, control: Control) -> Result<(), SimStopped> {
        self.0.send(Command::Control(control)).await.map_err(|_| SimStopped)
    }
    pub async fn set_phase(&self, phase: Phase) -> Result<(), SimStopped> {
        self.control(Control::Phase(phase)).await
    }
    /// Its own button or contact switch: it measures by itself.
    pub async fn press(&self, metric: MetricId, region: Region) -> Result<(), SimStopped> {
        self.control(Control::Press { metric, region }).await
    }
    pub async fn unplug(&self) -> Result<(), SimStopped> {
        self.control(Control::Unplug).await
    }
    pub async fn plug_in(&self) -> Result<(), SimStopped> {
        self.control(Control::PlugIn).await
    }
    /// Everything it has measured so far.
    pub async fn ledger(&self) -> Result<Vec<LedgerLine>, SimStopped> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Command::Ledger(reply)).await.map_err(|_| SimStopped)?;
        answer.await.map_err(|_| SimStopped)
    }
    /// Numbers of the measurements it still sends again, waiting for the gateway's word.
    pub async fn unconfirmed(&self) -> Result<Vec<u64>, SimStopped> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Command::Unconfirmed(reply)).await.map_err(|_| SimStopped)?;
        answer.await.map_err(|_| SimStopped)
    }
}

/// A device with its cable, to be run by [`serve`].
#[derive(Debug)]
pub struct Simulated {
    device: SimDevice,
    to_gateway: Wire,
    to_device: Wire,
    ledger: Vec<LedgerLine>,
    ledger_file: Option<File>,
    inbox: mpsc::Receiver<Command>,
    under_way: VecDeque<(Instant, UnderWay)>,
    /// How often a frame is cut off by the plug, and what decides it.
    unplug: (f64, fastrand::Rng),
}

/// What happens to the cable at an instant.
#[derive(Debug)]
enum UnderWay {
    ToGateway(Vec<u8>),
    ToDevice(Vec<u8>),
    Pull,
    PlugIn,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Control(control) => control.fmt(f),
            Self::Ledger(_) => f.write_str("Ledger"),
            Self::Unconfirmed(_) => f.write_str("Unconfirmed"),
        }
    }
}

impl Simulated {
    /// Puts `device` behind two directions of wire.
    #[must_use]
    pub fn new(device: SimDevice, to_gateway: Wire, to_device: Wire) -> (SimHandle, Self) {
        let (sender, inbox) = mpsc::channel(STEERING);
        let simulated = Self {
            device,
            to_gateway,
            to_device,
            ledger: Vec::new(),
            ledger_file: None,
            inbox,
            under_way: VecDeque::new(),
            unplug: (0.0, fastrand::Rng::new()),
        };
        (SimHandle(sender), simulated)
    }

    /// Puts `device` behind a cable on which all of `faults` happen, decided by `seed`.
    #[must_use]
    pub fn with_faults(device: SimDevice, faults: Faults, seed: u64) -> (SimHandle, Self) {
        let (framing, command_framing) = device.framings();
        let to_gateway = Wire::new(faults, seed).with_framing(&framing);
        let to_device = Wire::new(faults.of_the_cable(), seed ^ 1).with_framing(&command_framing);
        let (handle, mut simulated) = Self::new(device.lying(faults.lying_identify), to_gateway, to_device);
        simulated.unplug = (faults.unplug, fastrand::Rng::with_seed(seed ^ 2));
        (handle, simulated)
    }

    /// Appends every measurement to `path` as a line of JSON, before it is sent.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn with_ledger_file(mut self, path: &Path) -> io::Result<Self> {
        self.ledger_file = Some(File::options().create(true).append(true).open(path)?);
        Ok(self)
    }

    /// Lets the device do all it has to do; says when it wants to be woken.
    fn settle(&mut self, now: Instant) -> io::Result<Instant> {
        let wake = loop {
            match self.device.poll_output() {
                SimOutput::Record(line) => self.record(line)?,
                SimOutput::Transmit(bytes) => self.transmit(now, &bytes),
                SimOutput::WaitUntil(wake) => break wake,
            }
        };
        Ok(self.under_way.iter().map(|(at, ..)| *at).chain([wake]).min().unwrap_or(wake))
    }

    fn transmit(&mut self, now: Instant, bytes: &[u8]) {
        let (often, rng) = &mut self.unplug;
        let cut = (*often > 0.0 && rng.f64() < *often).then(|| rng.usize(..bytes.len().max(1)));
        let pieces = self.to_gateway.carry(now, &bytes[..cut.unwrap_or(bytes.len())]);
        let last = pieces.last().map_or(now, |(at, _)| *at);
        self.under_way.extend(pieces.into_iter().map(|(at, piece)| (at, UnderWay::ToGateway(piece))));
        if cut.is_some() {
            self.under_way.push_back((last, UnderWay::Pull));
            self.under_way.push_back((last + Faults::UNPLUGGED, UnderWay::PlugIn));
        }
    }

    fn record(&mut self, line: LedgerLine) -> io::Result<()> {
        if let Some(file) = &mut self.ledger_file {
            let mut text = serde_json::to_string(&line)?;
            text.push('\n');
            file.write_all(text.as_bytes())?;
        }
        self.ledger.push(line);
        Ok(())
    }

    /// Lets all happen that was to have happened by now.
    fn deliver(&mut self, now: Instant, pty: &mut Option<Pty>, path: &Path) -> io::Result<()> {
        let mut rest = VecDeque::new();
        for (at, what) in std::mem::take(&mut self.under_way) {
            if at > now {
                rest.push_back((at, what));
                continue;
            }
            match what {
                UnderWay::ToGateway(bytes) => pty.iter().for_each(|pty| pty.write(&bytes)),
                UnderWay::ToDevice(bytes) => self.device.handle_input(now, SimInput::Bytes(&bytes)),
                UnderWay::Pull => *pty = None,
                UnderWay::PlugIn if pty.is_none() => *pty = Some(Pty::open(path)?),
                UnderWay::PlugIn => {}
            }
        }
        self.under_way.extend(rest);
        self.device.handle_input(now, SimInput::Tick);
        Ok(())
    }
}

/// Serves the device under the name `path` until `stop`. The gateway may open and close it as often as it likes.
///
/// # Errors
/// When no pseudo-terminal can be had or the ledger cannot be written.
pub async fn serve(path: &Path, mut simulated: Simulated, stop: CancellationToken) -> io::Result<()> {
    let mut pty = Some(Pty::open(path)?);
    let (mut buffer, mut steered) = ([0_u8; 1024], true);
    loop {
        let wake = simulated.settle(now())?;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            command = simulated.inbox.recv(), if steered => match command {
                Some(command) => obey(&mut simulated, &mut pty, path, command)?,
                // Nobody steers it any more; it goes on by itself.
                None => steered = false,
            },
            received = read(pty.as_ref(), &mut buffer) => match received {
                Ok(count) => {
                    let pieces = simulated.to_device.carry(now(), &buffer[..count]);
                    simulated.under_way.extend(pieces.into_iter().map(|(at, piece)| (at, UnderWay::ToDevice(piece))));
                }
                // The gateway has closed it: a fresh terminal under the same name.
                Err(_) => pty = Some(Pty::open(path)?),
            },
            () = tokio::time::sleep_until(wake.into()) => {}
        }
        simulated.deliver(now(), &mut pty, path)?;
    }
}

/// Unplugged, nothing ever comes.
async fn read(pty: Option<&Pty>, buffer: &mut [u8]) -> io::Result<usize> {
    match pty {
        Some(pty) => pty.read(buffer).await,
        None => std::future::pending().await,
    }
}

fn obey(simulated: &mut Simulated, pty: &mut Option<Pty>, path: &Path, command: Command) -> io::Result<()> {
    let control = match command {
        Command::Ledger(reply) => {
            let _ = reply.send(simulated.ledger.clone());
            return Ok(());
        }
        Command::Unconfirmed(reply) => {
            let _ = reply.send(simulated.device.unconfirmed().collect());
            return Ok(());
        }
        Command::Control(control) => control,
    };
    let input = match control {
        Control::Phase(phase) => SimInput::Phase(phase),
        Control::Press { metric, region } => SimInput::Press { metric, region },
        Control::Place(region) => SimInput::Place(region),
        Control::Lift => SimInput::Lift(true),
        Control::Touch => SimInput::Lift(false),
        Control::Picture(bytes) => SimInput::Picture(bytes),
        Control::Unplug => {
            *pty = None;
            simulated.under_way.clear();
            return Ok(());
        }
        Control::PlugIn => {
            if pty.is_none() {
                *pty = Some(Pty::open(path)?);
            }
            return Ok(());
        }
    };
    simulated.device.handle_input(now(), input);
    Ok(())
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

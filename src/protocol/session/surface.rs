//! What goes into a session and what comes out of it.

use crate::domain::{
    Region,
    device::DeviceIdentity,
    metric::{Label, MetricId},
    reading::{MeasuredValue, QualityFlag},
};
use crate::protocol::{FrameError, NoValue};
use std::time::Instant;

/// What comes in. After every input, poll [`crate::protocol::Session::poll_output`] until it says how long to wait.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes from the device, cut anywhere.
    Bytes(&'a [u8]),
    /// The instant of the last `WaitUntil` has come (earlier or later does no harm).
    Tick,
    /// Asks for one value. Every request is answered exactly once: `Measured`, `Refused` or `Busy`.
    Measure(Request),
    /// Gives the request under way up; it is answered by `Refused` with `Cancelled`.
    Cancel,
    /// What came with this counter (or [`UNNUMBERED`]) is durable: the device is told so, and stops sending it again.
    Confirmed(u64),
    /// Sets the device's clock, where the protocol can: seconds since 1970-01-01 UTC.
    SetClock { unix_s: u64 },
}

/// Confirms a measurement that came without a counter. A device that counts nothing and waits for our word has one
/// measurement under way at a time; one that waits for nothing is told nothing.
pub const UNNUMBERED: u64 = u64::MAX;

/// A value asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the caller and repeated in the answer.
    pub token: u64,
    pub metric: MetricId,
    pub region: Region,
}

/// What goes out.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Transmit(Vec<u8>),
    Event(Event),
    /// Nothing more until input comes or this instant: then hand in [`Input::Tick`].
    WaitUntil(Instant),
}

/// What the gateway learns.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The device said who it is; `serial` is empty where the protocol has no identify. Comes again after a silence.
    Identified(DeviceIdentity),
    Measured(Measurement),
    /// How full its battery is, in percent.
    Battery(u8),
    /// No value, and what to do about it. Token `None`: nobody had asked.
    Refused {
        token: Option<u64>,
        reason: NoValue,
        advice: Label,
    },
    /// A whole picture, checked. With a counter the device waits for `Confirmed`.
    Picture {
        bytes: Vec<u8>,
        counter: Option<u64>,
    },
    /// Another request is under way; this one was not taken.
    Busy {
        token: u64,
    },
    /// Bytes that were no frame; nothing to do unless it repeats.
    BadFrame(FrameError),
    /// The device does not answer; it is asked again and again, and `Identified` says that it is back.
    Silent,
}

/// Values of one measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// `None`: the device started it itself, or it is a late answer nobody waits for.
    pub token: Option<u64>,
    pub values: Vec<MeasuredValue>,
    /// The device's running number. The same number and device is the same measurement, however often it comes.
    pub counter: Option<u64>,
    /// Since the device was switched on.
    pub device_time_ms: Option<u64>,
    pub flags: Vec<QualityFlag>,
}

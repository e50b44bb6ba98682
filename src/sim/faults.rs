//! What can go wrong with a device and its cable, by name and how often; what happens when is decided by a seed alone.

use crate::domain::{UnknownWord, word::words};
use std::{str::FromStr, time::Duration};

words! {
    /// One kind of fault.
    pub enum Fault as "fault" {
        /// Bytes that mean nothing before a frame.
        Garbage = "garbage",
        /// A frame in pieces that arrive one after the other.
        Split = "split",
        /// A frame that arrives too late for whoever asked.
        Late = "late",
        /// A frame that arrives twice.
        Repeated = "repeated",
        /// A device that says nothing for a while, whatever it is asked.
        Silent = "silent",
        /// A frame whose checksum is wrong. Nothing happens where the protocol has none.
        WrongChecksum = "wrong-checksum",
        /// The plug is pulled in the middle of a frame, and put back.
        Unplug = "unplug",
        /// A device that gives another serial number than its own.
        LyingIdentify = "lying-identify",
        /// A frame that never arrives.
        Lost = "lost",
        /// One bit of a frame differs.
        Flipped = "flipped",
    }
}

/// How often each fault happens, from 0 to 1 for every frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    pub split: f64,
    pub garbage: f64,
    pub loss: f64,
    pub repeat: f64,
    /// By [`Self::LATE`].
    pub late: f64,
    /// One bit differs.
    pub lie: f64,
    /// For [`Self::SILENCE`].
    pub silent: f64,
    pub wrong_checksum: f64,
    /// For [`Self::UNPLUGGED`].
    pub unplug: f64,
    pub lying_identify: f64,
}

impl Faults {
    pub const NONE: Self = Self {
        split: 0.0,
        garbage: 0.0,
        loss: 0.0,
        repeat: 0.0,
        late: 0.0,
        lie: 0.0,
        silent: 0.0,
        wrong_checksum: 0.0,
        unplug: 0.0,
        lying_identify: 0.0,
    };

    /// Worse than any cable in a salon that still works at times.
    pub const HOSTILE: Self =
        Self { split: 0.5, garbage: 0.1, loss: 0.1, repeat: 0.1, late: 0.05, lie: 0.1, ..Self::NONE };

    /// Longer than a reply may take in the protocols of this house, shorter than a measurement.
    pub const LATE: Duration = Duration::from_millis(900);

    /// Long enough for every retry of a question to fail.
    pub const SILENCE: Duration = Duration::from_millis(2_500);

    /// As long as a plug is out that someone puts back at once.
    pub const UNPLUGGED: Duration = Duration::from_millis(400);

    /// The same with `fault` happening so often.
    #[must_use]
    pub const fn with(mut self, fault: Fault, often: f64) -> Self {
        match fault {
            Fault::Garbage => self.garbage = often,
            Fault::Split => self.split = often,
            Fault::Late => self.late = often,
            Fault::Repeated => self.repeat = often,
            Fault::Silent => self.silent = often,
            Fault::WrongChecksum => self.wrong_checksum = often,
            Fault::Unplug => self.unplug = often,
            Fault::LyingIdentify => self.lying_identify = often,
            Fault::Lost => self.loss = often,
            Fault::Flipped => self.lie = often,
        }
        self
    }

    /// What a cable alone does: a command of the gateway is not made wrong on purpose.
    #[must_use]
    pub const fn of_the_cable(self) -> Self {
        Self { silent: 0.0, wrong_checksum: 0.0, unplug: 0.0, lying_identify: 0.0, ..self }
    }
}

impl Fault {
    /// Often enough to be met within a minute, seldom enough that values still come through.
    #[must_use]
    pub const fn usual(self) -> f64 {
        match self {
            Self::Split | Self::LyingIdentify => 0.5,
            Self::Garbage | Self::Repeated | Self::WrongChecksum => 0.2,
            Self::Late | Self::Lost | Self::Flipped => 0.1,
            Self::Silent | Self::Unplug => 0.05,
        }
    }
}

/// Text that names no faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFaults {
    #[error("{0}, all, none")]
    Unknown(UnknownWord),
    #[error("{0:?} is no number from 0 to 1; write for example split=0.5")]
    HowOften(String),
}

/// `garbage,split=0.5,late`: names, each with how often it happens; `all` and `none` too.
impl FromStr for Faults {
    type Err = NotFaults;

    fn from_str(text: &str) -> Result<Self, NotFaults> {
        let mut faults = Self::NONE;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "none") {
            let (name, often) = part.split_once('=').map_or((part, None), |(name, often)| (name, Some(often)));
            let often = often.map(|often| match often.parse::<f64>() {
                Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
                _ => Err(NotFaults::HowOften(often.to_owned())),
            });
            let often = often.transpose()?;
            let chosen = match name {
                "all" => Fault::ALL.to_vec(),
                name => vec![name.parse().map_err(NotFaults::Unknown)?],
            };
            for fault in chosen {
                faults = faults.with(fault, often.unwrap_or(fault.usual()));
            }
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_with_how_often_they_happen() {
        let faults: Faults = "garbage, split=1,unplug=0.25".parse().unwrap();
        assert_eq!((faults.garbage, faults.split, faults.unplug, faults.late), (0.2, 1.0, 0.25, 0.0));
        assert_eq!("none".parse(), Ok(Faults::NONE));
        assert_eq!("".parse(), Ok(Faults::NONE));
        let all: Faults = "all".parse().unwrap();
        assert!(all.silent > 0.0 && all.lying_identify > 0.0 && all.wrong_checksum > 0.0);
    }

    #[test]
    fn what_names_no_fault_is_answered_with_those_there_are() {
        let answer = "garbage,smoke".parse::<Faults>().unwrap_err().to_string();
        assert!(answer.contains("smoke") && answer.contains("wrong-checksum"), "{answer}");
        for text in ["split=2", "split=-1", "split=x", "split=NaN"] {
            assert!(matches!(text.parse::<Faults>(), Err(NotFaults::HowOften(_))), "{text}");
        }
    }
}

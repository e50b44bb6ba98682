//! What a salon measures, and the words for it. Pure: `std` only; no clock, no randomness, no file.
//!
//! Values here cannot be wrong: text from outside is parsed into them once, at the door, and every parser says what it
//! would have accepted. Anything that needs a format (JSON, SQL, TOML) has its own type beside that format.

pub mod appointment;
pub mod birthday;
pub mod capture;
pub mod card;
pub mod comparison;
pub mod consent;
pub mod customer;
pub mod day;
pub mod device;
pub mod feedback;
pub mod follow_up;
pub mod id;
pub mod look;
pub mod metric;
pub mod plan;
pub mod quantity;
pub mod reach;
pub mod reading;
pub mod region;
pub mod scan;
pub mod score;
pub mod service_log;
pub mod sheet;
pub mod staff;
pub mod suggestion;
pub mod time;
pub mod treatment;
pub mod visit;
pub mod whose;
pub mod word;
pub mod zone;

pub use day::Day;
pub use id::{
    AppointmentId, BootId, CaptureId, ComparisonId, ConsentId, CustomerId, Epoch, EventId, FeedbackId, OrderId,
    ReadingId, RepeatId, ReportId, ScanId, ScoreId, VisitId,
};
pub use quantity::Quantity;
pub use region::Region;
pub use time::{ClockState, Stamp, Timestamp};
pub use word::UnknownWord;
pub use zone::Zone;

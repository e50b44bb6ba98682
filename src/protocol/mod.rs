//! How an analyser talks, as data: `firmware-protocols/<id>/protocol.toml` becomes a [`Spec`], and from that one value come
//! the driver ([`Session`]), the simulated device (`crate::sim`), the documentation page ([`show`]) and the tests
//! ([`vector`]).
//!
//! Pure: no socket, no file, no clock; bytes and instants are handed in, bytes and events come out. Nothing here knows a
//! device by name: what a file cannot say becomes a new named kind for all files.
//!
//! bytes → [`framer`] → payload → [`decode`] → items → [`session`] → events, and the other way round by [`encode`].
//! The words of a protocol file are explained in `docs/contracts/protocol-file.md`.

pub mod air;
pub mod bthome;
pub mod checksum;
pub mod colour;
pub mod decode;
mod derive;
pub mod encode;
pub mod fault;
pub mod field;
pub mod flow;
pub mod framer;
pub mod framing;
pub mod harvest;
pub mod item;
pub mod listing;
mod parse;
mod picture;
mod place;
pub mod proof;
mod reader;
pub mod recording;
pub mod schema;
pub mod session;
pub mod show;
pub mod spec;
pub mod stuffing;
mod value;
pub mod vector;
pub mod width;

pub(crate) use derive::Assembler;
pub use fault::FrameError;
pub use item::{Item, NoValue, Role};
pub use parse::keys_asked;
pub use place::Place;
pub use reader::{Complaint, SpecFaults, nearest};
pub use session::{Event, Input, Measurement, Output, Request, Session, UNNUMBERED};
pub use spec::Spec;
pub use vector::{Vector, VectorFault, check_all, check_vector};

//! skinlink: the gateway between a salon's skin analysers, its visits and headquarters (HQ).
//!
//! One line per module, from the pure centre outwards:
//!
//! - [`domain`] what a salon measures and the words for it · pure, `std` only
//! - [`sync`] envelope, payloads, topics, window, backoff, signed packages · pure
//! - [`config`] what the installer wrote and what it means · pure
//! - [`protocol`] how analysers talk: files, frames, conversations · pure, sans-IO
//! - [`analysis`] photographs to scores, two scans to a comparison · pure
//! - [`worker`] the inference process: pictures and models in, scores out, under limits
//! - [`clock`], [`faults`], [`folding`], [`doorway`], [`seal`] leaves: time and ids; named points for kill tests; SQLite's log
//!   folded aside; connections within bounds; sealing bytes
//! - [`ports`] the seams to devices and to HQ's broker
//! - [`adapters`] the real sides: serial lines, the air (Bluetooth), where and when devices are plugged in, MQTT, certificates,
//!   the name in the network, time zones, ONNX Runtime
//! - [`cli`] the command line
//! - [`sim`] the simulated sides: analysers, wires with faults, a broker, a beautician
//! - [`hq`] headquarters' receiver, a composition root of its own · reports, pages of its own people, the CRM's door, messages of care,
//!   staff and orders for the stores, rollouts
//! - [`tasks`] one owner of state each: devices, stations, analysis, sync, headquarters' orders and packages, live news
//! - [`desk`] reports for whoever holds a link, in the store and at headquarters: pages, pictures, papers, words back
//! - [`web`] API, live events, pages, log-in · this machine, and tablets over TLS
//! - [`app`] composition root: build, catalogue, supervisor, signals, check, demo, the installer's tools
//! - [`report`] a comparison as page model, SVG fragments and the data of its papers · pure; `paper/`, a crate of its own, lays
//!   those out and is linked into the program `skinlink-paper` alone
//! - [`store`] what must not be lost: SQLite (encrypted), photographs, keys, outbox
//!
//! Arrows point one way; `tests/architecture.rs` reads every `crate::` path and fails on any other.

pub mod adapters;
pub mod analysis;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod desk;
pub mod domain;
pub mod doorway;
pub mod faults;
pub mod folding;
pub mod hq;
pub mod ports;
pub mod protocol;
pub mod report;
pub mod seal;
pub mod sim;
pub mod store;
pub mod sync;
pub mod tasks;
pub mod web;
pub mod worker;

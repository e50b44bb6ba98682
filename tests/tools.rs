//! The installer's tools as he uses them: the real program on real pseudo-terminals.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and watches real processes")]

#[path = "tools/check.rs"]
mod check;
#[path = "tools/devices.rs"]
mod devices;
#[path = "support/machine.rs"]
#[expect(dead_code, reason = "the test of discovery uses the rest")]
mod machine;
#[path = "tools/program.rs"]
mod program;
#[path = "tools/protocol.rs"]
mod protocol;
#[path = "tools/recording.rs"]
mod recording;
#[path = "tools/shell.rs"]
mod shell;

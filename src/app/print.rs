//! Lines for people and scripts; a reader that has seen enough (`| head`) ends the program quietly.

use std::io::{self, ErrorKind, Write};

/// Prints one line. Ends the program when nobody reads on (code 0) or nothing can be written (code 1).
pub fn line(text: &str) {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            complain(&format!("skinlink: cannot write to standard output: {error}"));
            std::process::exit(1);
        }
    }
}

/// Prints one line for someone who may have gone: what has children to end and files to close does not end here.
pub fn tell(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// A line on standard error. Where nobody reads it, the work goes on: its exit code tells.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// `println!` by way of [`line`].
macro_rules! say {
    ($($text:tt)*) => { $crate::app::print::line(&format!($($text)*)) };
}
pub(crate) use say;

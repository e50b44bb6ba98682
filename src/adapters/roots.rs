//! Keeps the TLS library from reading the system's trust stores, which this product never trusts: its connections know one
//! authority, named in the configuration. The library reads and parses them all before it throws them away again, a quarter
//! of a second of processor time for every connection.

use std::env;

/// Says that there are none, unless the environment already says where they are. To be called first in `main`.
pub fn ignore_system_roots() {
    if env::var_os(FILE).is_none() {
        #[expect(unsafe_code, reason = "the library has no other switch; see the proof")]
        // SAFETY: changing the environment is unsound only while another thread may read it. The programs call this as
        // their first statement, before any thread, runtime or library of theirs has been started.
        unsafe {
            env::set_var(FILE, "/dev/null");
        }
    }
}

const FILE: &str = "SSL_CERT_FILE";

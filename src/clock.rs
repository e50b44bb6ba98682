//! The only reader of the wall clock and of the machine's boot: makes [`Stamp`]s and ids. A leaf that every impure module
//! may use; pure modules get stamps handed in.

use crate::domain::{BootId, ClockState, Stamp, Timestamp, id::v7_bits};
use nix::time::{ClockId, clock_gettime};
use std::{
    cell::RefCell,
    fs,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

/// A wall clock before this was never set: the first release of skinlink lies after it. 2026-01-01T00:00:00Z.
pub const PLAUSIBLE_MS: i64 = 1_767_225_600_000;

/// What both clocks read now.
///
/// The clock state is `unset` while the wall clock reads a time before the first release, `synced` while the kernel says
/// that a time source disciplines it (or cannot tell), else `holdover`.
#[must_use]
pub fn now() -> Stamp {
    let wall = Timestamp::from_unix_ms(wall_ms());
    let clock = match wall.unix_ms() {
        ms if ms < PLAUSIBLE_MS => ClockState::Unset,
        _ if disciplined() => ClockState::Synced,
        _ => ClockState::Holdover,
    };
    Stamp { boot: boot_id(), monotonic_ns: boot_ns(), wall, clock }
}

/// A new id whose time part is the wall clock's, from the system's randomness.
#[must_use]
pub fn mint<T>(from_bits: fn(u128) -> T) -> T {
    from_bits(v7_bits(u64::try_from(wall_ms()).unwrap_or(0), noise()))
}

/// 128 bits, drawn many at once: a stream of measurements mints thousands of ids a second.
fn noise() -> u128 {
    const DRAWN: usize = 64;
    thread_local! {
        static NOISE: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) };
    }
    NOISE.with_borrow_mut(|left| {
        if left.is_empty() {
            let mut bytes = [0_u8; 16 * DRAWN];
            openssl::rand::rand_bytes(&mut bytes).expect("the system's randomness is available after boot");
            let whole = bytes.chunks_exact(16).map(|chunk| chunk.try_into().expect("16 bytes"));
            left.extend(whole.map(u128::from_be_bytes));
        }
        left.pop().expect("just filled")
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
fn wall_ms() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn boot_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_or(0, |t| t.tv_sec().unsigned_abs() * 1_000_000_000 + t.tv_nsec().unsigned_abs())
}

/// The kernel's own boot id; a machine without one gets zeros, so that its times never compare across starts.
fn boot_id() -> BootId {
    static BOOT: std::sync::OnceLock<BootId> = std::sync::OnceLock::new();
    *BOOT.get_or_init(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(BootId::from_bits(0))
    })
}

/// Whether a time service says the clock is synchronised; systemd-timesyncd leaves a file when it is, chrony its folder.
///
/// Looked up at most once a second: every record asks.
fn disciplined() -> bool {
    static LOOKED: AtomicU64 = AtomicU64::new(0);
    let second = boot_ns() / 1_000_000_000;
    let looked = LOOKED.load(Ordering::Relaxed);
    if looked >> 1 == second + 1 {
        return looked & 1 == 1;
    }
    let found = time_service();
    LOOKED.store((second + 1) << 1 | u64::from(found), Ordering::Relaxed);
    found
}

fn time_service() -> bool {
    ["/run/systemd/timesync/synchronized", "/run/chrony", "/run/ntpd.pid"].iter().any(|path| fs::metadata(path).is_ok())
}

//! Small marks that say a state by sign, word and colour together.

use crate::{report::Lang, tasks::station::DeviceView};

/// How one device is.
#[derive(Debug)]
pub struct Chip {
    pub class: &'static str,
    /// SVG.
    pub sign: &'static str,
    pub words: String,
    pub detail: String,
}

/// From here on a battery is to be charged before the next customer.
const LOW: u8 = 15;

const GOOD: &str =
    r#"<svg viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="5.5" fill="currentColor"/></svg>"#;
const WAIT: &str = r#"<svg viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="5" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="3 2.2"/></svg>"#;
const BAD: &str = r#"<svg viewBox="0 0 14 14" aria-hidden="true"><path d="M3 3l8 8M11 3l-8 8" stroke="currentColor" stroke-width="2.2" stroke-linecap="round"/></svg>"#;

/// A tick, for what is done.
pub const TICK: &str = r#"<svg viewBox="0 0 14 14" aria-hidden="true"><path d="M2.5 7.500 6 11 11.500 3.500" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/></svg>"#;
/// A bar, for what was left out.
pub const BAR: &str = r#"<svg viewBox="0 0 14 14" aria-hidden="true"><path d="M3 7h8" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/></svg>"#;

/// The percentage of a battery that is to be charged.
pub fn low(device: &DeviceView) -> Option<u8> {
    device.battery_percent.filter(|percent| *percent <= LOW)
}

pub fn device(lang: Lang, device: &DeviceView) -> Chip {
    let low = low(device);
    let (class, sign) = match device.state {
        "ready" if low.is_some() => ("warn", GOOD),
        "ready" => ("good", GOOD),
        "searching" => ("warn", WAIT),
        _ => ("bad", BAD),
    };
    let said = lang.sentence(&device.zh, &device.en);
    // The name and how it is in a few words; the advice in full as the title.
    let words: String = if said.chars().count() > 22 {
        said.split(['：', ':', '，', ';', '；']).take(1 + usize::from(lang == Lang::En)).collect::<Vec<_>>().join(":")
    } else {
        said.clone()
    };
    let mut detail = format!("{said} {}", device.serial);
    if let Some(percent) = device.battery_percent {
        detail += &format!(" · {} {percent} %", lang.pick("电量", "battery"));
    }
    if let Some(dbm) = device.signal_dbm {
        detail += &format!(" · {} {dbm} dBm", lang.pick("信号", "signal"));
    }
    // Whoever has to charge it sees so without looking for it.
    let words =
        low.map_or(words.clone(), |percent| format!("{words} · {} {percent} %", lang.pick("电量低", "battery low")));
    Chip { class, sign, words, detail }
}

//! The table at the end: the median of each pair, and how they compare.

use serde_json::Value;
use std::{fs, path::PathBuf};

/// Group, the product's side, and what the ratio must be; above 1 the product is slower.
const PAIRS: &[(&str, &str, f64)] = &[
    ("group commit", "store", 1.0 / 0.70),
    ("single values", "store", 1.0 / 0.70),
    ("encrypted picture", "store", 1.15),
    ("inference", "model", 1.05),
];

/// Prints what was measured; a pair that was left out of this run is left out here.
pub fn print() {
    println!("\n{:<20} {:>12} {:>12} {:>8} {:>8}", "", "ours", "bare", "ratio", "bar");
    for (group, ours, bar) in PAIRS {
        if let (Some(ours), Some(bare)) = (median(group, ours), median(group, "bare")) {
            println!("{group:<20} {:>9.0} µs {:>9.0} µs {:>8.3} {bar:>8.3}", ours / 1e3, bare / 1e3, ours / bare);
        }
    }
}

/// Nanoseconds, as criterion has written them.
fn median(group: &str, function: &str) -> Option<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let path = target.join("criterion").join(group).join(function).join("new/estimates.json");
    let estimates: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

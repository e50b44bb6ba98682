//! The table at the end: the median of each pair, and how they compare.

use crate::pair::Pair;
use serde_json::Value;
use std::{fs, path::PathBuf};

/// What each ratio must be; above 1 the product is slower.
const BARS: &[(&str, f64)] =
    &[("group commit", 1.0 / 0.70), ("single values", 1.0 / 0.70), ("encrypted picture", 1.15), ("inference", 1.05)];

/// Prints what criterion and `turns` measured; a pair that was left out of this run is left out here. Of pairs measured turn
/// by turn the ratio is the median of the turns' ratios, with its quartiles.
pub fn print(turns: &[Pair]) {
    println!("\n{:<20} {:>12} {:>12} {:>8} {:>8}", "", "ours", "bare", "ratio", "bar");
    for (name, bar) in BARS {
        let (ours, bare, ratio, spread) = if let Some(pair) = turns.iter().find(|pair| pair.name == *name) {
            let ((ours, bare), [first, ratio, third]) = (pair.medians(), pair.ratios());
            (ours, bare, ratio, format!("   quartiles {first:.3} to {third:.3}"))
        } else if let (Some(ours), Some(bare)) = (median(name, "store"), median(name, "bare")) {
            (ours, bare, ours / bare, String::new())
        } else {
            continue;
        };
        println!("{name:<20} {:>9.0} µs {:>9.0} µs {ratio:>8.3} {bar:>8.3}{spread}", ours / 1e3, bare / 1e3);
        if let Some(inside) = median(name, "bare inside") {
            let what = "  folding inside";
            println!("{what:<20} {:>9.0} µs {:>9.0} µs {:>8.3}", ours / 1e3, inside / 1e3, ours / inside);
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

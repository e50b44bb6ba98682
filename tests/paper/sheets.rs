//! Visits to put on paper.

use skinlink::{
    domain::{self, Region},
    sync::{self, payload::Compared, sheet::Sheet},
};

#[path = "../support/sheet.rs"]
mod sheet;
pub(crate) use sheet::{course, metric, one_phase};

pub(crate) fn item(metric: &str, region: Region, values: (f64, f64)) -> Compared {
    // A region that was measured less often has a wider limit.
    let nth = Region::ALL.iter().position(|one| *one == region).unwrap_or_default() % 3;
    sheet::item(metric, region, values, sheet::limit(metric) * (1.0 + 0.05 * nth as f64))
}

pub(crate) fn refused(metric: &str, region: Region, why: &str) -> Compared {
    sheet::refused(item(metric, region, (35.0, 1.0)), why)
}

pub(crate) fn whole() -> Sheet {
    sheet::whole(item)
}

//! How a customer's readings went over the visits: what was measured before each treatment, over the regions that every visit in
//! the course has. Only what one device measured in the same way is joined by a line; where that changed, a new series begins.
//!
//! One device: two of a model read apart by more than they repeat, and no number says by how much, so a comparison of two phases
//! refuses them too. What told no serial number cannot be known for the same device, so nothing is joined to it.

use super::{StoreError, customers, local};
use crate::{
    domain::{Quantity, Region, Timestamp, VisitId},
    sync::sheet::{Course, Point},
};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

/// Visits in a course: what a telephone shows side by side.
const MOST: usize = 12;

/// One value of one visit.
struct Measured {
    metric: String,
    region: Region,
    value: f64,
    by: By,
}

/// What measured it, and in which unit: what must be alike to be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct By {
    protocol: String,
    version: String,
    /// Empty where the device told none.
    serial: String,
    /// Empty for a device without exchangeable probes.
    probe: String,
    unit: String,
}

/// The visit and what its last finished scan before the treatment measured.
struct Visited {
    /// By the store's own calendar.
    opened: String,
    measured: Vec<Measured>,
}

/// Courses of the metrics that this visit and at least one earlier one have; `visit` is the last of each.
pub(super) fn of(conn: &Connection, visit: VisitId) -> Result<Vec<Course>, StoreError> {
    let visits = visits(conn, visit)?;
    let Some(last) = visits.last() else { return Ok(Vec::new()) };
    let mut metrics: Vec<&str> = last.measured.iter().map(|one| one.metric.as_str()).collect();
    metrics.dedup();
    metrics.sort_unstable();
    metrics.dedup();
    Ok(metrics.into_iter().filter_map(|metric| course(&visits, metric)).collect())
}

fn visits(conn: &Connection, visit: VisitId) -> Result<Vec<Visited>, StoreError> {
    let sql = format!(
        "SELECT v.id, v.ms, r.metric, r.region, r.value, r.unit, d.protocol, d.protocol_version, d.serial,
                d.probe
         FROM visits v JOIN scans s ON s.visit = v.id JOIN readings r ON r.scan = s.id JOIN devices d ON d.n = r.device
         WHERE v.customer IN {} AND v.state <> 'voided' AND v.n <= (SELECT n FROM visits WHERE id = ?2)
         AND r.voided = 0 AND s.n = (SELECT max(n) FROM scans WHERE visit = v.id AND phase = 'before' AND state = 'finished')
         ORDER BY v.n, r.n",
        customers::PERSON
    );
    let mut found: Vec<(VisitId, Visited)> = Vec::new();
    let mut select = conn.prepare_cached(&sql)?;
    let owner = "SELECT customer FROM visits WHERE id = ?1";
    let customer: crate::domain::CustomerId = conn.prepare_cached(owner)?.query_row([visit], |row| row.get(0))?;
    let mut rows = select.query(params![customer, visit])?;
    while let Some(row) = rows.next()? {
        let (id, opened): (VisitId, Timestamp) = (row.get(0)?, row.get(1)?);
        let value: Quantity = row.get(4)?;
        let measured = Measured {
            metric: row.get(2)?,
            region: row.get(3)?,
            value: value.value(),
            by: By {
                protocol: row.get(6)?,
                version: row.get(7)?,
                serial: row.get(8)?,
                probe: row.get(9)?,
                unit: row.get(5)?,
            },
        };
        match found.last_mut() {
            Some((last, visited)) if *last == id => visited.measured.push(measured),
            _ => found.push((id, Visited { opened: local::here(conn, opened)?, measured: vec![measured] })),
        }
    }
    // A course ends with the visit it is drawn for.
    if found.last().is_none_or(|(last, _)| *last != visit) {
        return Ok(Vec::new());
    }
    let first = found.len().saturating_sub(MOST);
    Ok(found.into_iter().skip(first).map(|(_, visited)| visited).collect())
}

fn course(visits: &[Visited], metric: &str) -> Option<Course> {
    let with: Vec<&Visited> =
        visits.iter().filter(|visit| visit.measured.iter().any(|one| one.metric == metric)).collect();
    let of = |visit: &Visited| -> BTreeMap<Region, f64> {
        let ours = visit.measured.iter().filter(|one| one.metric == metric);
        ours.map(|one| (one.region, one.value)).collect()
    };
    let values: Vec<BTreeMap<Region, f64>> = with.iter().map(|visit| of(visit)).collect();
    let common: Vec<Region> =
        values.last()?.keys().copied().filter(|region| values.iter().all(|one| one.contains_key(region))).collect();
    if with.len() < 2 || common.is_empty() {
        return None;
    }
    let (mut series, mut points, mut before) = (0_u32, Vec::new(), None);
    for (visit, values) in with.iter().zip(&values) {
        let ours = visit.measured.iter().filter(|one| one.metric == metric && common.contains(&one.region));
        let by: BTreeSet<&By> = ours.map(|one| &one.by).collect();
        if before.is_some_and(|before| before != by || by.iter().any(|by| by.serial.is_empty())) {
            series += 1;
        }
        before = Some(by);
        let sum: f64 = common.iter().filter_map(|region| values.get(region)).sum();
        let value = sum / common.len() as f64;
        points.push(Point { opened: visit.opened.clone(), value, series });
    }
    let unit = before?.first()?.unit.clone();
    Some(Course { metric: metric.to_owned(), unit, points })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(version: &str, serial: &str, probe: &str) -> By {
        let [protocol, version, serial, probe, unit] = ["meter", version, serial, probe, "%"].map(str::to_owned);
        By { protocol, version, serial, probe, unit }
    }

    fn visited(day: i64, values: &[(Region, f64)], version: &str) -> Visited {
        measured(day, values, &by(version, "DR-0417", ""))
    }

    fn measured(day: i64, values: &[(Region, f64)], by: &By) -> Visited {
        let one = |(region, value): &(Region, f64)| Measured {
            metric: "moisture".into(),
            region: *region,
            value: *value,
            by: by.clone(),
        };
        let opened = Timestamp::from_unix_ms(day * 86_400_000).to_string();
        Visited { opened, measured: values.iter().map(one).collect() }
    }

    #[test]
    fn only_regions_of_every_visit_count_and_another_version_begins_a_new_line() {
        use Region::{Chin, Nose};
        let visits = [
            visited(0, &[(Nose, 30.0), (Chin, 40.0)], "1"),
            visited(30, &[(Nose, 32.0)], "1"),
            visited(60, &[(Nose, 35.0), (Chin, 90.0)], "2"),
        ];
        let course = course(&visits, "moisture").unwrap();
        let points: Vec<_> = course.points.iter().map(|point| (point.value, point.series)).collect();
        assert_eq!(points, [(30.0, 0), (32.0, 0), (35.0, 1)]);
        assert_eq!(super::course(&visits[..1], "moisture"), None, "one visit is no course");
        assert_eq!(super::course(&visits, "sebum"), None);
        let apart = [visited(0, &[(Nose, 1.0)], "1"), visited(1, &[(Chin, 1.0)], "1")];
        assert_eq!(super::course(&apart, "moisture"), None, "no region in common");
    }

    /// Two devices of one model, and two that told no serial number, were joined by one line.
    #[test]
    fn another_device_of_the_same_model_and_one_that_cannot_be_told_apart_begin_a_new_line() {
        let series = |devices: &[(&str, &str)]| -> Vec<u32> {
            let visit = |(day, (serial, probe)): (usize, &(&str, &str))| {
                measured(day as i64, &[(Region::Nose, 30.0)], &by("1", serial, probe))
            };
            let visits: Vec<Visited> = devices.iter().enumerate().map(visit).collect();
            course(&visits, "moisture").unwrap().points.iter().map(|point| point.series).collect()
        };
        assert_eq!(series(&[("DR-1", "A"), ("DR-1", "A"), ("DR-2", "A"), ("DR-1", "A")]), [0, 0, 1, 2]);
        assert_eq!(series(&[("DR-1", "A"), ("DR-1", "B"), ("DR-1", "B")]), [0, 1, 1], "another probe");
        assert_eq!(series(&[("DR-1", ""), ("", ""), ("", ""), ("DR-1", "")]), [0, 1, 2, 3], "no serial number");
    }
}

//! A course over visits as a drawing: a point for each visit, a line only between visits that were measured alike, and a gap
//! with a dashed mark where they were not. Width 320, height 150; lengths in SVG user units.

use super::{
    chart::{self, INK, JADE, STONE},
    days,
    lang::Lang,
    numbers::number,
};
use crate::sync::sheet::Course;
use std::fmt::Write as _;

const LEFT: f64 = 26.0;
const RIGHT: f64 = 294.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 108.0;

/// The drawing; empty for fewer than two points.
#[must_use]
pub fn drawing(lang: Lang, name: &str, course: &Course, decimals: u8) -> String {
    let points = &course.points;
    let values = || points.iter().map(|point| point.value);
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if points.len() < 2 || !low.is_finite() || !high.is_finite() {
        return String::new();
    }
    let span = (high - low).max(high.abs() * 0.02).max(1e-6);
    let x = |at: usize| LEFT + (RIGHT - LEFT) * at as f64 / (points.len() - 1) as f64;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * (value - low) / span;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 150" role="img" aria-label="{}">"#,
        chart::escape(&label(lang, name, course, decimals))
    );
    for (at, pair) in points.windows(2).enumerate() {
        let [a, b] = pair else { continue };
        if a.series == b.series {
            let (x1, y1, x2, y2) = (x(at), y(a.value), x(at + 1), y(b.value));
            let _ = write!(svg, r#"<path d="M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}" stroke="{JADE}" stroke-width="2.5"/>"#);
        } else {
            let middle = f64::midpoint(x(at), x(at + 1));
            let _ = write!(svg, r#"<path d="M{middle:.1} 18V118" stroke="{STONE}" stroke-dasharray="4 4"/>"#);
        }
    }
    // Every number has room up to five visits; of more, the first, the last and the turns between would crowd.
    let told = |at: usize| points.len() <= 5 || at == 0 || at + 1 == points.len();
    let mut year = "";
    for (at, point) in points.iter().enumerate() {
        let (x, y) = (x(at), y(point.value));
        let _ = write!(
            svg,
            r##"<circle cx="{x:.1}" cy="{y:.1}" r="5" fill="#FFFDFA" stroke="{JADE}" stroke-width="2.5"/>"##
        );
        if told(at) {
            let (value, day) = (number(point.value, decimals), days::short(lang, &point.opened));
            let _ = write!(
                svg,
                r#"<text x="{x:.1}" y="{:.1}" font-size="13" font-weight="600" fill="{INK}" text-anchor="middle">{value}</text><text x="{x:.1}" y="131" font-size="12" fill="{STONE}" text-anchor="middle">{day}</text>"#,
                y - 12.0
            );
            // The year once, and again where it is another one.
            if days::year(&point.opened) != year {
                year = days::year(&point.opened);
                let _ = write!(
                    svg,
                    r#"<text x="{x:.1}" y="146" font-size="12" fill="{STONE}" text-anchor="middle">{year}</text>"#
                );
            }
        }
    }
    svg + "</svg>"
}

/// Whether the course was measured in more than one way.
#[must_use]
pub fn breaks(course: &Course) -> bool {
    course.points.windows(2).any(|pair| matches!(pair, [a, b] if a.series != b.series))
}

fn label(lang: Lang, name: &str, course: &Course, decimals: u8) -> String {
    let told = |point: &crate::sync::sheet::Point| {
        format!("{} {}", days::long(lang, &point.opened), number(point.value, decimals))
    };
    let points: Vec<String> = course.points.iter().map(told).collect();
    format!("{name}{}{}", lang.pick("：", ": "), points.join(lang.pick("，", ", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::sheet::Point;

    fn course(series: &[u32]) -> Course {
        let point = |(at, series): (usize, &u32)| Point {
            opened: format!("2026-{:02}-02T08:30:00.000Z", at % 12 + 1),
            value: 30.0 + at as f64,
            series: *series,
        };
        Course { metric: "moisture".into(), unit: "%".into(), points: series.iter().enumerate().map(point).collect() }
    }

    #[test]
    fn a_line_joins_only_what_was_measured_alike() {
        let lines = |svg: &str| svg.matches("stroke-width=\"2.5\"/>").count() - svg.matches("<circle").count();
        let drawn = |series: &[u32]| drawing(Lang::En, "moisture", &course(series), 1);
        assert_eq!(lines(&drawn(&[0, 0, 0])), 2);
        let broken = drawn(&[0, 0, 1, 1]);
        assert_eq!((lines(&broken), broken.matches("stroke-dasharray").count()), (2, 1));
        assert!(breaks(&course(&[0, 1])) && !breaks(&course(&[0, 0])));
        assert_eq!(drawn(&[0]), "");
        let forty = drawn(&[0; 40]);
        assert!(forty.matches("<text").count() == 5 && !forty.contains("NaN") && !forty.contains("style="));
    }
    /// A course ended with `04/21`, which is April to one reader and no month to another, for a visit in November.
    #[test]
    fn days_are_read_one_way_and_the_year_is_told_where_it_changes() {
        let mut course = course(&[0, 0, 0]);
        for (point, day) in course.points.iter_mut().zip(["2025-11-21", "2025-12-21", "2026-01-04"]) {
            point.opened = format!("{day}T06:06:00.000+08:00");
        }
        let (zh, en) = (drawing(Lang::Zh, "水分", &course, 1), drawing(Lang::En, "Moisture", &course, 1));
        assert!(zh.contains(">11月21日<") && zh.contains(">1月4日<"), "{zh}");
        assert!(en.contains(">21 Nov<") && en.contains(">4 Jan<") && !en.contains("01/"), "{en}");
        assert_eq!((en.matches(">2025<").count(), en.matches(">2026<").count()), (1, 1));
        assert!(en.contains("4 January 2026 32.0"), "read aloud with the year: {en}");
    }
}

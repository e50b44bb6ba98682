//! A course over visits as a drawing: a point for each visit, a line only between visits that were measured alike, and a gap
//! with a dashed mark where they were not. Width 320, height 150; lengths in SVG user units.

use super::{
    chart::{self, INK, JADE, STONE},
    lang::Lang,
    page::number,
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
    // Every number has room up to six visits; of more, the first, the last and the turns between would crowd.
    let told = |at: usize| points.len() <= 6 || at == 0 || at + 1 == points.len();
    for (at, point) in points.iter().enumerate() {
        let (x, y) = (x(at), y(point.value));
        let _ = write!(
            svg,
            r##"<circle cx="{x:.1}" cy="{y:.1}" r="5" fill="#FFFDFA" stroke="{JADE}" stroke-width="2.5"/>"##
        );
        if told(at) {
            let (value, day) = (number(point.value, decimals), day(&point.opened));
            let _ = write!(
                svg,
                r#"<text x="{x:.1}" y="{:.1}" font-size="13" font-weight="600" fill="{INK}" text-anchor="middle">{value}</text><text x="{x:.1}" y="136" font-size="12" fill="{STONE}" text-anchor="middle">{day}</text>"#,
                y - 12.0
            );
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
    let points: Vec<String> =
        course.points.iter().map(|point| format!("{} {}", day(&point.opened), number(point.value, decimals))).collect();
    format!("{name}{}{}", lang.pick("：", ": "), points.join(lang.pick("，", ", ")))
}

/// `11/21` of `2026-11-21T…`.
fn day(opened: &str) -> String {
    opened.get(5..10).map_or_else(String::new, |day| day.replace('-', "/"))
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
        assert!(forty.matches("<text").count() == 4 && !forty.contains("NaN") && !forty.contains("style="));
    }
}

//! One row's picture: the value before as a hollow ring, the value after as a filled sign, and between them the hatched
//! band within which measuring twice would differ anyway. All geometry and colour in SVG attributes, so that it looks
//! the same under a strict content policy and on paper. Width 320, height 40; lengths in SVG user units.

use super::verdict::Sign;
use std::fmt::Write as _;

pub const INK: &str = "#25302C";
pub const JADE: &str = "#1E6B5C";
pub const CLAY: &str = "#A9552F";
pub const STONE: &str = "#6E6A62";
const TRACK: &str = "#E4DCD0";

const WIDTH: f64 = 320.0;
const MARGIN: f64 = 12.0;
const MIDDLE: f64 = 20.0;
const BAND: (f64, f64) = (9.0, 31.0);
/// Distance between two lines of the hatching.
const HATCH: f64 = 5.0;

/// The house's mark, where the salon has no logo of its own.
pub const LEAF: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40" aria-hidden="true"><circle cx="20" cy="20" r="19" fill="#1E6B5C"/><path d="M12 27c-1-10 6-15 16-15 0 10-5 17-14 15z" fill="none" stroke="#F5F1EA" stroke-width="2" stroke-linejoin="round"/><path d="M11 30c3-6 7-10 12-13" fill="none" stroke="#F5F1EA" stroke-width="1.8" stroke-linecap="round"/></svg>"##;

/// The stretch of values a group of rows shares, so that their dots can be compared by eye.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
}

/// What one row shows.
#[derive(Debug, Clone, Copy)]
pub struct Bar<'a> {
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// Half width of the band round `before`.
    pub limit: Option<f64>,
    pub sign: Sign,
    /// Read aloud in place of the picture.
    pub label: &'a str,
}

impl Axis {
    /// Spans all given values with some air; `None` for no values.
    #[must_use]
    pub fn over(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (low, high) = values.into_iter().filter(|v| v.is_finite()).fold(None, |span: Option<(f64, f64)>, v| {
            Some(span.map_or((v, v), |(low, high)| (low.min(v), high.max(v))))
        })?;
        let air = ((high - low) * 0.06).max(high.abs().max(low.abs()) * 0.01).max(1e-6);
        Some(Self { low: low - air, high: high + air })
    }

    fn x(self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        MARGIN + share.clamp(0.0, 1.0) * (WIDTH - 2.0 * MARGIN)
    }

    /// Round values within the axis, at most five: steps of 1, 2 or 5 times a power of ten.
    #[must_use]
    pub fn ticks(self) -> Vec<f64> {
        let rough = (self.high - self.low) / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(rough);
        let first = (self.low / step).ceil();
        (0..6).map(|n| (first + f64::from(n)) * step).take_while(|v| *v <= self.high).collect()
    }
}

/// The scale below a group of rows.
#[must_use]
pub fn scale(axis: Axis) -> String {
    let mut svg = open("0 0 320 22", "");
    let _ = write!(svg, r#"<path d="M12 1H308" stroke="{TRACK}" stroke-width="1.5"/>"#);
    let ticks = axis.ticks();
    let decimals = match ticks.as_slice() {
        [a, b, ..] => decimals_of(b - a),
        _ => 1,
    };
    for tick in ticks {
        let x = axis.x(tick);
        let tick = if tick == 0.0 { 0.0 } else { tick };
        let _ = write!(
            svg,
            r#"<path d="M{x:.1} 1v5" stroke="{STONE}"/><text x="{x:.1}" y="18" font-size="11" fill="{STONE}" text-anchor="middle">{tick:.decimals$}</text>"#
        );
    }
    svg + "</svg>"
}

/// One row. Values that are missing are simply not drawn.
#[must_use]
pub fn row(axis: Axis, bar: Bar<'_>) -> String {
    let mut svg = open("0 0 320 40", bar.label);
    let _ = write!(svg, r#"<path d="M12 {MIDDLE}H308" stroke="{TRACK}" stroke-width="2" stroke-linecap="round"/>"#);
    if let (Some(before), Some(limit)) = (bar.before, bar.limit) {
        svg += &band(axis.x(before - limit), axis.x(before + limit));
    }
    if let (Some(before), Some(after)) = (bar.before, bar.after) {
        let _ = write!(
            svg,
            r#"<path d="M{:.1} {MIDDLE}H{:.1}" stroke="{INK}" stroke-width="1.5"/>"#,
            axis.x(before),
            axis.x(after)
        );
    }
    if let Some(before) = bar.before {
        let _ = write!(
            svg,
            r##"<circle cx="{:.1}" cy="{MIDDLE}" r="6.5" fill="#FFFDFA" stroke="{CLAY}" stroke-width="2.5"/>"##,
            axis.x(before)
        );
    }
    if let Some(after) = bar.after {
        svg += &mark(bar.sign, axis.x(after), MIDDLE, 7.0);
    }
    svg + "</svg>"
}

/// The hatched band from `left` to `right`; its hatching is drawn as lines, not as a pattern, so that it needs no id.
fn band(left: f64, right: f64) -> String {
    let (top, bottom) = BAND;
    let (width, height) = (right - left, bottom - top);
    let mut lines = String::new();
    let mut at = left - height;
    while at < right {
        // A line rising to the right from (at, bottom) to (at + height, top), cut to the band.
        let (from, to) = (at.max(left), (at + height).min(right));
        if to > from {
            let _ = write!(lines, "M{from:.1} {:.1}L{to:.1} {:.1}", bottom - (from - at), bottom - (to - at));
        }
        at += HATCH;
    }
    format!(
        r##"<rect x="{left:.1}" y="{top}" width="{width:.1}" height="{height}" rx="3" fill="#EFEBE3"/><path d="{lines}" stroke="#B9B1A4" stroke-width="1.2" fill="none"/><path d="M{left:.1} {top}v{height}M{right:.1} {top}v{height}" stroke="{STONE}" stroke-width="1.2"/>"##
    )
}

/// The sign of a verdict, told apart by shape and fill: disc, square, ring with a line, dashed ring.
#[must_use]
pub fn mark(sign: Sign, x: f64, y: f64, r: f64) -> String {
    match sign {
        Sign::Better => format!(r#"<circle cx="{x:.1}" cy="{y}" r="{r}" fill="{JADE}"/>"#),
        Sign::Worse => {
            let (left, top, side) = (x - r * 0.9, y - r * 0.9, r * 1.8);
            format!(r#"<rect x="{left:.1}" y="{top:.1}" width="{side:.1}" height="{side:.1}" rx="1.5" fill="{CLAY}"/>"#)
        }
        Sign::Changed => {
            let (top, bottom, left, right) = (y - r, y + r, x - r, x + r);
            format!(r#"<path d="M{x:.1} {top}L{right:.1} {y}L{x:.1} {bottom}L{left:.1} {y}Z" fill="{INK}"/>"#)
        }
        Sign::Same => {
            let (low, high) = (r * 0.5, r * 0.5);
            format!(
                r##"<circle cx="{x:.1}" cy="{y}" r="{r}" fill="#FFFDFA" stroke="{STONE}" stroke-width="2"/><path d="M{:.1} {:.1}L{:.1} {:.1}" stroke="{STONE}" stroke-width="1.6"/>"##,
                x - low,
                y + high,
                x + low,
                y - high
            )
        }
        Sign::Refused => format!(
            r##"<circle cx="{x:.1}" cy="{y}" r="{r}" fill="#FFFDFA" stroke="{STONE}" stroke-width="1.6" stroke-dasharray="3 3"/>"##
        ),
    }
}

/// A sign by itself, for pills and legends.
#[must_use]
pub fn sign(sign: Sign) -> String {
    open("0 0 18 18", "") + &mark(sign, 9.0, 9.0, 6.5) + "</svg>"
}

/// The hollow ring that stands for the value before, for legends.
#[must_use]
pub fn before_sign() -> String {
    open("0 0 18 18", "")
        + &format!(r##"<circle cx="9" cy="9" r="6" fill="#FFFDFA" stroke="{CLAY}" stroke-width="2.5"/></svg>"##)
}

/// A piece of the hatched band, for legends.
#[must_use]
pub fn band_sign() -> String {
    open("0 0 40 40", "") + &band(3.0, 37.0) + "</svg>"
}

fn open(view: &str, label: &str) -> String {
    let role = match label {
        "" => r#"aria-hidden="true""#.to_owned(),
        label => format!(r#"role="img" aria-label="{}""#, escape(label)),
    };
    format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" {role}>"#)
}

/// Text for an attribute or an element.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn decimals_of(step: f64) -> usize {
    (0..6).find(|d| (step * 10_f64.powi(*d) - (step * 10_f64.powi(*d)).round()).abs() < 1e-6).unwrap_or(2) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(after: f64) -> Bar<'static> {
        Bar { before: Some(40.0), after: Some(after), limit: Some(5.0), sign: Sign::Better, label: "a & b" }
    }

    #[test]
    fn the_band_is_drawn_where_the_limit_says() {
        let axis = Axis { low: 0.0, high: 100.0 };
        let svg = row(axis, bar(60.0));
        let (left, right) = (axis.x(35.0), axis.x(45.0));
        assert!(svg.contains(&format!(r#"<rect x="{left:.1}" y="9" width="{:.1}""#, right - left)), "{svg}");
        assert!(svg.contains("aria-label=\"a &amp; b\""));
        assert!(!svg.contains("style="), "a strict content policy drops style attributes");
    }

    #[test]
    fn signs_differ_in_shape_and_not_only_in_colour() {
        let shape =
            |sign| mark(sign, 9.0, 9.0, 6.0).replace(JADE, "").replace(CLAY, "").replace(INK, "").replace(STONE, "");
        let shapes = Sign::ALL.map(shape);
        for (at, a) in shapes.iter().enumerate() {
            assert!(shapes[at + 1..].iter().all(|b| a != b), "{a}");
        }
    }

    #[test]
    fn axes_have_air_and_round_ticks() {
        assert_eq!(Axis::over([]), None);
        let axis = Axis::over([31.0, 62.0, f64::NAN]).unwrap();
        assert!(axis.low < 31.0 && axis.high > 62.0);
        assert_eq!(axis.ticks(), [30.0, 40.0, 50.0, 60.0]);
        let one = Axis::over([5.0]).unwrap();
        assert!(one.high > one.low && one.x(5.0) > MARGIN);
        assert!(Axis::over([0.0]).unwrap().ticks().len() <= 6);
    }

    #[test]
    fn hatching_stays_inside_its_band() {
        let svg = band(100.0, 130.0);
        for number in
            svg.split("d=\"").nth(1).unwrap().split('"').next().unwrap().split(['M', 'L']).filter(|s| !s.is_empty())
        {
            let (x, y) = number.split_once(' ').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((99.9..=130.1).contains(&x) && (8.9..=31.1).contains(&y), "{number}");
        }
    }
}

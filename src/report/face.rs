//! The map of the face, drawn in the camera's view: the customer's left is on the viewer's right.
//!
//! Every region is a path of its own with `data-region` and `data-state`; a page's script changes only `data-state`, its
//! stylesheet does the rest. Colours stand as attributes too, so that the map needs no stylesheet on paper.
//! Own drawing, 320 × 404 units. Regions that are not on the face (forearm, contact field, whole face) are listed beside it, not drawn.

use super::{chart, lang, lang::Lang, verdict::Sign};
use crate::domain::{Region, plan::StepState};
use std::fmt::Write as _;

/// How a region looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Not yet measured: dashed.
    Waiting,
    /// Under the probe now: amber with a thick edge.
    Current,
    /// Measured: filled, ticked.
    Done,
    /// Left out: pale, with a bar.
    Skipped,
    /// Compared, with this verdict.
    Verdict(Sign),
}

/// One region of a map, with what to write on it.
#[derive(Debug, Clone)]
pub struct Spot {
    pub region: Region,
    pub look: Look,
    pub text: String,
}

impl Look {
    #[must_use]
    pub const fn of(state: StepState, current: bool) -> Self {
        match (state, current) {
            (StepState::Waiting, true) => Self::Current,
            (StepState::Waiting, false) => Self::Waiting,
            (StepState::Done, _) => Self::Done,
            (StepState::Skipped, _) => Self::Skipped,
        }
    }

    /// For `data-state`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Current => "current",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Verdict(sign) => sign.word(),
        }
    }

    /// Fill, fill opacity, stroke, dashes.
    const fn paint(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Waiting => ("#FFFDFA", "0.5", "#8F8271", "4 5"),
            Self::Current => ("#E8B04A", "0.62", "#8A5A0B", ""),
            Self::Done => ("#3C8C79", "0.42", chart::JADE, ""),
            Self::Skipped => ("#D9D2C7", "0.7", "#8F8271", "2 4"),
            Self::Verdict(Sign::Better) => ("#3C8C79", "0.5", chart::JADE, ""),
            Self::Verdict(Sign::Worse) => ("#C98362", "0.5", chart::CLAY, ""),
            Self::Verdict(Sign::Changed) => ("#9AA39E", "0.55", chart::INK, ""),
            Self::Verdict(Sign::Same) => ("url(#hatch)", "1", chart::STONE, ""),
            Self::Verdict(Sign::Refused) => ("#FFFDFA", "0.5", "#8F8271", "4 5"),
        }
    }
}

/// Outline and the place for a short text. `None` where the region is not on the face.
const fn outline(region: Region) -> Option<(&'static str, f64, f64)> {
    Some(match region {
        Region::Forehead => ("M88 136C92 96 120 70 160 70s68 26 72 66c-22-16-48-15-72-8-24-7-50-8-72 8z", 160.0, 108.0),
        Region::Nose => {
            ("M151 158c1 30-5 52-15 70-6 13 6 22 24 22s30-9 24-22c-10-18-16-40-15-70-2-8-16-8-18 0z", 160.0, 224.0)
        }
        Region::LeftCheek => {
            ("M195 214c14-12 38-14 54-23 6 32-4 66-25 90-12 8-24-4-30-20-7-18-10-36 1-47z", 224.0, 238.0)
        }
        Region::RightCheek => {
            ("M125 214c-14-12-38-14-54-23-6 32 4 66 25 90 12 8 24-4 30-20 7-18 10-36-1-47z", 96.0, 238.0)
        }
        Region::Chin => ("M126 318c20-8 48-8 68 0-1 20-14 34-34 36-20-2-33-16-34-36z", 160.0, 338.0),
        Region::LeftEye => ("M179 168c10-18 50-20 62-2-2 20-16 30-32 30s-28-10-30-28z", 210.0, 176.0),
        Region::RightEye => ("M141 168c-10-18-50-20-62-2 2 20 16 30 32 30s28-10 30-28z", 110.0, 176.0),
        Region::Lips => ("M124 284c8-16 24-18 36-12 12-6 28-4 36 12-4 18-20 26-36 26s-32-8-36-26z", 160.0, 292.0),
        Region::Neck => ("M124 358c2 18-4 26-22 38h116c-18-12-24-20-22-38-20 16-52 16-72 0z", 160.0, 384.0),
        Region::InnerForearm | Region::Field | Region::Face => return None,
    })
}

/// The map with `spots` on it.
#[must_use]
pub fn map(lang: Lang, spots: &[Spot]) -> String {
    let title = lang.pick(
        "面部分区图，按相机视角：顾客的左侧在右",
        "Map of the face as the camera sees it: the customer's left is on the right",
    );
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="face" viewBox="0 0 320 404" role="img" aria-label="{title}">"#
    );
    svg += HATCH;
    svg += HEAD;
    for spot in spots {
        svg += &drawn(lang, spot);
    }
    svg += FEATURES;
    for spot in spots {
        svg += &written(spot);
    }
    let (left, right) = (lang.pick("顾客右侧", "Right"), lang.pick("顾客左侧", "Left"));
    let _ = write!(
        svg,
        r##"<g font-size="14" fill="#5B4A3D"><text x="2" y="24">{left}</text><text x="318" y="24" text-anchor="end">{right}</text></g></svg>"##
    );
    svg
}

fn drawn(lang: Lang, spot: &Spot) -> String {
    let Some((path, ..)) = outline(spot.region) else { return String::new() };
    let (fill, opacity, stroke, dashes) = spot.look.paint();
    let dashes = if dashes.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dashes}""#) };
    format!(
        r#"<path class="spot" data-region="{}" data-state="{}" d="{path}" fill="{fill}" fill-opacity="{opacity}" stroke="{stroke}" stroke-width="2"{dashes}><title>{}</title></path>"#,
        spot.region,
        spot.look.word(),
        lang::region(lang, spot.region)
    )
}

fn written(spot: &Spot) -> String {
    match outline(spot.region) {
        Some((_, x, y)) if !spot.text.is_empty() => format!(
            r##"<text class="spot-text" data-region="{}" x="{x}" y="{}" font-size="15" font-weight="700" fill="#25302C" stroke="#FFFDFA" stroke-width="3.5" paint-order="stroke" text-anchor="middle">{}</text>"##,
            spot.region,
            y + 5.0,
            chart::escape(&spot.text)
        ),
        _ => String::new(),
    }
}

const HATCH: &str = r##"<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#EFEBE3"/><path d="M0 0V6" stroke="#B9B1A4" stroke-width="2.4"/></pattern></defs>"##;

/// Hair, ears, neck, face and head band: abstract, of nobody in particular.
const HEAD: &str = r##"<g><path d="M52 196C40 92 88 22 160 22s120 70 108 174c-1 18-6 30-12 40H64c-6-10-11-22-12-40z" fill="#6B5347"/><path d="M122 330v38c-4 16-14 22-30 30h136c-16-8-26-14-30-30v-38z" fill="#EDD5C2"/><path d="M122 344c18 24 58 24 76 0v18c-20 18-56 18-76 0z" fill="#D9BBA5"/><ellipse cx="58" cy="206" rx="11" ry="22" fill="#EDD5C2"/><ellipse cx="262" cy="206" rx="11" ry="22" fill="#EDD5C2"/><path d="M62 184C60 104 100 56 160 56s100 48 98 128c-1 82-36 176-98 176S63 266 62 184z" fill="#F8E8DB"/></g>"##;

/// Closed eyes, brows, nose and mouth, above the regions so that they stay readable.
const FEATURES: &str = r##"<g fill="none" stroke="#8A6E5F" stroke-width="2.4" stroke-linecap="round" pointer-events="none"><path d="M90 174c10 9 30 9 40 0M190 174c10 9 30 9 40 0"/><path d="M84 150c14-11 34-12 48-4M236 150c-14-11-34-12-48-4" stroke-width="3"/><path d="M146 240c8 7 20 7 28 0"/><path d="M134 286c10 5 42 5 52 0" stroke="#B5705F"/><path d="M134 286c8-9 18-10 26-5 8-5 18-4 26 5-6 13-16 17-26 17s-20-4-26-17z" stroke="#B5705F" stroke-width="1.6"/></g>"##;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_customers_left_is_on_the_viewers_right() {
        let (_, left, _) = outline(Region::LeftCheek).unwrap();
        let (_, right, _) = outline(Region::RightCheek).unwrap();
        assert!(left > 160.0 && right < 160.0);
    }

    #[test]
    fn every_region_of_the_face_is_drawn_with_its_state() {
        let spots: Vec<Spot> =
            Region::ALL.iter().map(|region| Spot { region: *region, look: Look::Done, text: "<1>".into() }).collect();
        let svg = map(Lang::Zh, &spots);
        for region in Region::ALL.iter().filter(|r| !matches!(r, Region::Face | Region::Field | Region::InnerForearm)) {
            assert!(svg.contains(&format!(r#"data-region="{region}" data-state="done""#)), "{region}");
        }
        assert!(svg.contains("&lt;1&gt;") && !svg.contains("style="));
    }
}

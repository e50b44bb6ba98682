//! What the customer's mirror says and draws of a scan: a face that fills region by region as values arrive, a ring with one arc a
//! region, one short sentence. **Mirrored**: the customer's left is on the viewer's left, as in a mirror; station and report show the
//! camera's view.
//!
//! Own drawing, 1000 × 1000 units; the head's own are 400 × 520, placed by one transform. Every region is a group with `data-state` and
//! `data-share`; a page's script changes those and the height of its filling, its stylesheet does the rest. Regions that are not on
//! the face have their arc only.

use super::{face::Look, lang, lang::Lang, traditional};
use crate::domain::{Region, scan::Phase};
use std::{f64::consts::TAU, fmt::Write as _};

/// How far one region has come: percent of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub region: Region,
    pub look: Look,
    pub share: u32,
}

/// Where a scan stands, as the customer hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The probe is at this region.
    At(Region),
    /// Nobody measures just now.
    Waits,
    /// Everything is measured.
    Through,
}

/// The quiet sentence above the face.
#[must_use]
pub fn title(lang: Lang, standing: Standing) -> &'static str {
    match standing {
        Standing::At(_) => lang.pick("请放松面部", "Relax your face"),
        Standing::Waits => lang.pick("稍等片刻", "One moment"),
        Standing::Through => lang.pick("测量完成", "All measured"),
    }
}

/// Progress in one short sentence.
#[must_use]
pub fn say(lang: Lang, standing: Standing, parts: &[Part]) -> String {
    let done = parts.iter().filter(|part| part.look != Look::Waiting && part.look != Look::Current).count();
    let all = parts.len();
    match standing {
        Standing::At(region) => {
            let place = lang::region(lang, region);
            match lang {
                Lang::Zh => format!("正在测{place}，已完成 {done} / {all} 处"),
                Lang::Hant => traditional::sentence(&format!("正在测{place}，已完成 {done} / {all} 处")),
                Lang::En => format!("Measuring the {}, {done} of {all} done", place.to_lowercase()),
            }
        }
        Standing::Waits => lang.pick("马上继续", "It goes on shortly").to_owned(),
        Standing::Through => lang.pick("谢谢您，请继续放松", "Thank you; stay relaxed").to_owned(),
    }
}

/// Which measurement this is.
#[must_use]
pub fn phase(lang: Lang, phase: Phase) -> &'static str {
    match phase {
        Phase::Before => lang.pick("护理前测量", "Before the care"),
        Phase::After => lang.pick("护理后测量", "After the care"),
    }
}

/// Outline, and between which heights its filling rises. `None` where the region is not on the face.
const fn outline(region: Region) -> Option<(&'static str, f64, f64)> {
    Some(match region {
        Region::Forehead => {
            ("M118 166C126 116 160 94 200 94s74 22 82 72c-28-20-58-12-82-4-24-8-54-16-82 4Z", 94.0, 166.0)
        }
        Region::LeftEye => {
            ("M124 196C136 182 176 182 184 200C184 224 172 236 158 236C140 236 124 222 124 196Z", 184.0, 236.0)
        }
        Region::RightEye => {
            ("M276 196C264 182 224 182 216 200C216 224 228 236 242 236C260 236 276 222 276 196Z", 184.0, 236.0)
        }
        Region::Nose => (
            "M191 176C190 208 184 234 177 250C178 268 190 272 200 272C210 272 222 268 223 250C216 234 210 208 209 176C206 168 194 168 191 176Z",
            168.0,
            272.0,
        ),
        Region::LeftCheek => (
            "M119 238C119 232 124 231 129 234C142 241 156 243 166 247C176 252 174 272 164 290C156 304 145 314 138 306C127 292 119 264 119 238Z",
            231.0,
            309.0,
        ),
        Region::RightCheek => (
            "M281 238C281 232 276 231 271 234C258 241 244 243 234 247C224 252 226 272 236 290C244 304 255 314 262 306C273 292 281 264 281 238Z",
            231.0,
            309.0,
        ),
        Region::Lips => (
            "M166 296C172 284 186 283 200 287C214 283 228 284 234 296C238 314 222 325 200 325C178 325 162 314 166 296Z",
            284.0,
            325.0,
        ),
        Region::Chin => {
            ("M166 334C182 341 218 341 234 334C238 350 222 364 200 364C178 364 162 350 166 334Z", 334.0, 364.0)
        }
        Region::Neck => ("M168 384C184 394 216 394 232 384L232 420C220 434 180 434 168 420Z", 384.0, 431.0),
        Region::InnerForearm | Region::Field | Region::Face => return None,
    })
}

/// The picture of a scan.
#[must_use]
pub fn face(lang: Lang, parts: &[Part]) -> String {
    let label = lang.pick("面部分区的测量进度", "How far the measurement of the face has come");
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="likeness" viewBox="0 0 1000 1000" role="img" aria-label="{label}">"#
    );
    svg += DEFINITIONS;
    for part in parts {
        if let Some((path, ..)) = outline(part.region) {
            let _ = write!(svg, r#"<defs><clipPath id="m-{}"><path d="{path}"/></clipPath></defs>"#, part.region);
        }
    }
    svg += r##"<circle cx="500" cy="500" r="500" fill="url(#m-halo)"/><circle cx="500" cy="500" r="408" fill="#F3E9DC"/>"##;
    for (at, part) in parts.iter().enumerate() {
        svg += &arc(*part, at, parts.len());
    }
    svg += r#"<g clip-path="url(#m-frame)"><g transform="translate(138,112) scale(1.81)">"#;
    svg += HEAD;
    for part in parts {
        svg += &drawn(*part);
    }
    svg += FEATURES;
    svg + "</g></g></svg>"
}

fn drawn(part: Part) -> String {
    let Some((path, top, bottom)) = outline(part.region) else { return String::new() };
    let height = (bottom - top) * f64::from(part.share.min(100)) / 100.0;
    format!(
        r#"<g class="part" data-region="{region}" data-state="{}" data-share="{}" data-top="{top}" data-bottom="{bottom}"><path class="base" d="{path}"/><g clip-path="url(#m-{region})"><rect class="rise" x="90" y="{:.1}" width="220" height="{height:.1}"/></g><path class="edge" d="{path}"/></g>"#,
        part.look.word(),
        part.share.min(100),
        bottom - height,
        region = part.region,
    )
}

/// One arc of the ring, clockwise from the top, with a gap between two.
fn arc(part: Part, at: usize, all: usize) -> String {
    const RADIUS: f64 = 452.0;
    let step = TAU / all.max(1) as f64;
    let gap = if all > 1 { 0.07_f64.min(step / 4.0) } else { 0.02 };
    let place = |angle: f64| (500.0 + RADIUS * angle.sin(), 500.0 - RADIUS * angle.cos());
    let (from, to) = (step * at as f64 + gap / 2.0, step * (at + 1) as f64 - gap / 2.0);
    let ((x1, y1), (x2, y2)) = (place(from), place(to));
    let large = u8::from(to - from > TAU / 2.0);
    let path = format!("M{x1:.1} {y1:.1}A{RADIUS} {RADIUS} 0 {large} 1 {x2:.1} {y2:.1}");
    let share = part.share.min(100);
    format!(
        r#"<path class="arc" d="{path}"/><path class="arc full" data-arc="{}" data-state="{}" data-share="{share}" pathLength="100" stroke-dasharray="{share} 200" d="{path}"/>"#,
        part.region,
        part.look.word(),
    )
}

const DEFINITIONS: &str = r##"<defs><radialGradient id="m-halo"><stop offset=".55" stop-color="#FFFFFF" stop-opacity=".95"/><stop offset="1" stop-color="#FFFFFF" stop-opacity="0"/></radialGradient><linearGradient id="m-skin" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#FCEFE4"/><stop offset="1" stop-color="#F0D8C6"/></linearGradient><linearGradient id="m-band" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#FFFFFF"/><stop offset="1" stop-color="#E9E2D8"/></linearGradient><linearGradient id="m-throat" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#F0D8C6" stop-opacity="0"/><stop offset=".25" stop-color="#8A6E5F" stop-opacity=".22"/><stop offset="1" stop-color="#F0D8C6" stop-opacity="0"/></linearGradient><clipPath id="m-frame"><circle cx="500" cy="500" r="408"/></clipPath></defs>"##;

/// Hair, neck, towel, ears and face: abstract, of nobody in particular.
const HEAD: &str = r##"<path d="M96 190C84 96 140 40 200 40s116 56 104 150c-1 16-4 26-8 32H104c-4-6-7-16-8-32Z" fill="#6B5347"/><ellipse cx="200" cy="34" rx="40" ry="30" fill="#6B5347"/><path d="M164 340v68c-4 28-68 36-104 60-16 12-22 32-24 52h328c-2-20-8-40-24-52-36-24-100-32-104-60v-68Z" fill="#F0D8C6"/><path d="M164 340v70q36 22 72 0v-70Z" fill="url(#m-throat)"/><path d="M36 520c4-34 34-52 76-64q88 56 176 0c42 12 72 30 76 64Z" fill="url(#m-band)"/><ellipse cx="103" cy="222" rx="11" ry="24" fill="#F0D8C6"/><ellipse cx="297" cy="222" rx="11" ry="24" fill="#F0D8C6"/><path d="M106 196C102 112 148 74 200 74s98 38 94 122c-1 62-13 116-49 156-21 23-69 23-90 0-36-40-48-94-49-156Z" fill="url(#m-skin)"/>"##;

/// Closed eyes, brows, nose, mouth and head band, above the regions.
const FEATURES: &str = r##"<g fill="none" stroke="#8A6E5F" stroke-linecap="round" stroke-width="2.6"><path d="M136 204q20 13 41 1M223 205q21 12 41-1"/><path d="m138 207-5 5M147 211l-4 6M157 212.500l-1 6.500M262 207l5 5M253 211l4 6M243 212.500l1 6.500" stroke-width="1.8"/><path d="M130 180q22-16 50-6M220 174q28-10 50 6" stroke-width="3.4" opacity=".75"/><path d="M188 258q12 10 24 0" stroke-width="2.2"/></g><path d="M174 303q14-9 26-4 12-5 26 4-14 13-26 13t-26-13Z" fill="#CF8B7C" opacity=".8"/><path d="M174 303q26 5 52 0" fill="none" stroke="#8A6E5F" stroke-width="1.6" opacity=".7"/><path d="M94 176C92 92 142 50 200 50s108 42 106 126c-6-48-50-80-106-80s-100 32-106 80Z" fill="url(#m-band)" stroke="#DDD3C6"/>"##;

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(shares: &[(Region, Look, u32)]) -> Vec<Part> {
        shares.iter().map(|(region, look, share)| Part { region: *region, look: *look, share: *share }).collect()
    }

    /// It is a mirror: whoever looks into it finds the left cheek on the left.
    #[test]
    fn the_customers_left_is_on_the_viewers_left() {
        let starts = |region| {
            let (path, ..) = outline(region).expect("on the face");
            path[1..].split([' ', 'C']).next().and_then(|x| x.parse::<f64>().ok()).expect("a number")
        };
        for (left, right) in [(Region::LeftCheek, Region::RightCheek), (Region::LeftEye, Region::RightEye)] {
            assert!(starts(left) < 200.0 && starts(right) > 200.0, "{left} {right}");
        }
    }

    #[test]
    fn a_region_is_filled_as_far_as_it_was_measured() {
        let svg = face(Lang::Zh, &parts(&[(Region::Forehead, Look::Current, 50), (Region::Neck, Look::Done, 100)]));
        assert!(svg.contains(r#"data-region="forehead" data-state="current" data-share="50""#));
        assert!(svg.contains(r#"y="130.0" width="220" height="36.0""#), "half of 94 to 166, from below");
        assert!(svg.contains(r#"data-arc="neck" data-state="done" data-share="100""#));
        assert!(!svg.contains("style="));
    }

    #[test]
    fn every_region_has_its_arc_and_those_of_the_face_their_place() {
        let all: Vec<Part> = Region::ALL.iter().map(|r| Part { region: *r, look: Look::Waiting, share: 0 }).collect();
        let svg = face(Lang::En, &all);
        assert_eq!(svg.matches("data-arc=").count(), Region::ALL.len());
        assert_eq!(svg.matches("data-region=").count(), Region::ALL.len() - 3);
    }

    #[test]
    fn progress_is_one_short_sentence_in_three_languages() {
        let two = parts(&[(Region::LeftCheek, Look::Current, 50), (Region::Nose, Look::Done, 100)]);
        let said = |lang| say(lang, Standing::At(Region::LeftCheek), &two);
        assert_eq!(said(Lang::Zh), "正在测左颊，已完成 1 / 2 处");
        assert_eq!(said(Lang::Hant), "正在測左頰，已完成 1 / 2 處");
        assert_eq!(said(Lang::En), "Measuring the left cheek, 1 of 2 done");
    }
}

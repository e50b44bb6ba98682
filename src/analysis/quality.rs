//! First gates on a photograph. Each complaint is a word that is kept with the capture and an advice for the beautician;
//! none blocks for good, she may go on with the picture she has.
//!
//! Looked at inside the regions only, at a fixed scale of the face, so that hair, background and camera do not matter.

use crate::domain::{metric::Label, word::words};
pub use skinlink_pixels::look::{Look, look};

/// Fewer pixels than this show no pores in a framed face: what is sold as 8 megapixels, 3264 × 2448, has 7,990,272.
pub const MIN_PIXELS: u64 = 7_900_000;
/// Below this no pore is measured at all; below the second a word of warning.
pub const TOO_COARSE: f64 = 8.0;
pub const COARSE: f64 = 11.0;
/// Scale of the look, pixels per millimetre.
pub const LOOK_PX_PER_MM: f64 = 13.0;

/// Relative detail below which skin looks out of focus; see [`Look::detail`].
const BLURRED_BELOW: f64 = 0.0060;
/// Share of a region's pixels that may be black or burnt out.
const EXPOSURE_SHARE: f64 = 0.05;

words! {
    /// What is wrong with a photograph.
    pub enum Complaint as "quality complaint" {
        TooSmall = "too_small",
        TooCoarse = "too_coarse",
        Coarse = "coarse",
        OutsideFrame = "outside_frame",
        Blurred = "blurred",
        Dark = "dark",
        Bright = "bright",
    }
}

impl Complaint {
    /// What to do, in both languages.
    #[must_use]
    pub fn advice(self) -> Label {
        let (zh, en) = match self {
            Self::TooSmall => (
                "照片像素不足，请改用 800 万像素以上的拍照模式重拍",
                "Too few pixels: take a still photograph of at least 8 megapixels",
            ),
            Self::TooCoarse => (
                "距离太远，本照片不计算毛孔，请靠近后重拍",
                "Too far away, pores are not measured: come closer and take it again",
            ),
            Self::Coarse => ("距离稍远，靠近一些效果更好", "A little far away: coming closer shows more"),
            Self::OutsideFrame => (
                "部分面部区域不在画面内，请对准取景框重拍",
                "Part of the face is outside the picture: fill the guide and take it again",
            ),
            Self::Blurred => ("照片模糊，请稳住相机、对焦后重拍", "Blurred: hold still, focus and take it again"),
            Self::Dark => ("照片过暗，请增加光线后重拍", "Too dark: add light and take it again"),
            Self::Bright => (
                "照片局部过曝，请减弱灯光或避开反光后重拍",
                "Burnt out in places: reduce the light or its reflection and take it again",
            ),
        };
        Label { zh: zh.to_owned(), en: en.to_owned() }
    }
}

/// All complaints about a photograph; `looks` has `None` for a region that the picture does not show.
#[must_use]
pub fn judge(width: u32, height: u32, px_per_mm: f64, looks: &[Option<Look>]) -> Vec<Complaint> {
    let seen = || looks.iter().flatten();
    let sharp_enough = px_per_mm < TOO_COARSE || seen().all(|look| look.detail >= BLURRED_BELOW);
    let checks = [
        (Complaint::TooSmall, u64::from(width) * u64::from(height) < MIN_PIXELS),
        (Complaint::TooCoarse, px_per_mm < TOO_COARSE),
        (Complaint::Coarse, (TOO_COARSE..COARSE).contains(&px_per_mm)),
        (Complaint::OutsideFrame, looks.iter().any(Option::is_none)),
        (Complaint::Blurred, !sharp_enough),
        (Complaint::Dark, seen().any(|look| look.dark > EXPOSURE_SHARE)),
        (Complaint::Bright, seen().any(|look| look.bright > EXPOSURE_SHARE)),
    ];
    checks.into_iter().filter(|(_, applies)| *applies).map(|(complaint, _)| complaint).collect()
}

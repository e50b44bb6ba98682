//! The gates on a photograph: what was seen in it ([`super::seen`]) against the numbers of `config/quality-gates.toml`
//! ([`super::gates`]). Each complaint is a word that is kept with the capture and one thing to do for the beautician; none
//! blocks for good, she may go on with the picture she has, and then it is marked with the word.

use super::{
    gates::Gates,
    seen::{Against, Seen},
};
use crate::domain::{metric::Label, word::words};

words! {
    /// What is wrong with a photograph. In this order they are told: what has to be mended first comes first.
    pub enum Complaint as "quality complaint" {
        NoFace = "no_face",
        OutsideFrame = "outside_frame",
        TooSmall = "too_small",
        TooCoarse = "too_coarse",
        Coarse = "coarse",
        Turned = "turned",
        Occluded = "occluded",
        Hair = "hair",
        Blurred = "blurred",
        Noisy = "noisy",
        Dark = "dark",
        Bright = "bright",
        Clipped = "clipped",
        ColourCast = "colour_cast",
        Shadow = "shadow",
        Vignette = "vignette",
        NotMatched = "not_matched",
        ScaleDiffers = "scale_differs",
        PoseDiffers = "pose_differs",
        LightDiffers = "light_differs",
        SharpnessDiffers = "sharpness_differs",
    }
}

/// A gate that did not pass, with what it saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failed {
    pub complaint: Complaint,
    pub found: f64,
    pub limit: f64,
}

/// One thing to do, in the words of the salon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// Simplified and traditional Chinese.
    pub zh: &'static str,
    pub zh_hant: &'static str,
    pub en: &'static str,
}

const fn say(zh: &'static str, zh_hant: &'static str, en: &'static str) -> Advice {
    Advice { zh, zh_hant, en }
}

impl Complaint {
    /// Whether it says how an after picture differs from its before.
    #[must_use]
    pub const fn is_of_a_pair(self) -> bool {
        matches!(
            self,
            Self::NotMatched | Self::ScaleDiffers | Self::PoseDiffers | Self::LightDiffers | Self::SharpnessDiffers
        )
    }

    /// What to do, in simplified Chinese and English.
    #[must_use]
    pub fn advice(self) -> Label {
        let Advice { zh, zh_hant: _, en } = self.remedy();
        Label { zh: zh.to_owned(), en: en.to_owned() }
    }

    /// What to do.
    #[must_use]
    pub const fn remedy(self) -> Advice {
        match self {
            Self::NoFace => say(
                "画面中没有对准的脸，请把脸放进取景框重拍",
                "畫面中沒有對準的臉，請把臉放進取景框重拍",
                "No face in the guide: bring the face into the frame and take it again",
            ),
            Self::OutsideFrame => say(
                "部分面部超出画面，请对准取景框重拍",
                "部分面部超出畫面，請對準取景框重拍",
                "Part of the face is outside the picture: fill the guide and take it again",
            ),
            Self::TooSmall => say(
                "照片像素不足，请改用 800 万像素以上的拍照模式重拍",
                "照片像素不足，請改用 800 萬像素以上的拍照模式重拍",
                "Too few pixels: take a still photograph of at least 8 megapixels",
            ),
            Self::TooCoarse => say(
                "距离太远，本照片不计算毛孔，请靠近后重拍",
                "距離太遠，本照片不計算毛孔，請靠近後重拍",
                "Too far away, pores are not measured: come closer and take it again",
            ),
            Self::Coarse => {
                say("距离稍远，请再靠近一些", "距離稍遠，請再靠近一些", "A little far away: come a little closer")
            }
            Self::Turned => say(
                "头偏了，请正对镜头重拍",
                "頭偏了，請正對鏡頭重拍",
                "The head is turned: face the camera straight and take it again",
            ),
            Self::Occluded => say(
                "皮肤被头发、眼镜或布遮住，请移开后重拍",
                "皮膚被頭髮、眼鏡或布遮住，請移開後重拍",
                "Hair, glasses or cloth cover the skin: move them away and take it again",
            ),
            Self::Hair => say(
                "镜下有毛发，请拨开后重拍",
                "鏡下有毛髮，請撥開後重拍",
                "A hair lies under the scope: brush it aside and take it again",
            ),
            Self::Blurred => say(
                "照片模糊，请稳住相机、对焦后重拍",
                "照片模糊，請穩住相機、對焦後重拍",
                "Blurred: hold still, focus and take it again",
            ),
            Self::Noisy => {
                say("噪点太多，请增加光线后重拍", "雜訊太多，請增加光線後重拍", "Grainy: add light and take it again")
            }
            Self::Dark => {
                say("照片过暗，请增加光线后重拍", "照片過暗，請增加光線後重拍", "Too dark: add light and take it again")
            }
            Self::Bright => say(
                "照片过亮，请减弱灯光后重拍",
                "照片過亮，請減弱燈光後重拍",
                "Too bright: reduce the light and take it again",
            ),
            Self::Clipped => say(
                "局部反光过曝，请擦净油光后重拍",
                "局部反光過曝，請擦淨油光後重拍",
                "Burnt out in places: dab the shine off and take it again",
            ),
            Self::ColourCast => say(
                "照片偏色，请关掉彩色灯、只用白光重拍",
                "照片偏色，請關掉彩色燈、只用白光重拍",
                "Colour cast: switch coloured lamps off, use white light only and take it again",
            ),
            Self::Shadow => say(
                "左右明暗不均，请把灯移到正面重拍",
                "左右明暗不均，請把燈移到正面重拍",
                "One side lies in shadow: move the lamp to the front and take it again",
            ),
            Self::Vignette => say(
                "镜下四角过暗，请把镜头贴平皮肤重拍",
                "鏡下四角過暗，請把鏡頭貼平皮膚重拍",
                "Dark corners: set the scope flat on the skin and take it again",
            ),
            Self::NotMatched => say(
                "与护理前照片对不上，请按护理前的姿势重拍",
                "與護理前照片對不上，請按護理前的姿勢重拍",
                "Does not match the before picture: take the same pose again",
            ),
            Self::ScaleDiffers => say(
                "与护理前的距离不同，请按护理前的距离重拍",
                "與護理前的距離不同，請按護理前的距離重拍",
                "Another distance than before: take it from the same distance",
            ),
            Self::PoseDiffers => say(
                "与护理前的角度不同，请按护理前的角度重拍",
                "與護理前的角度不同，請按護理前的角度重拍",
                "Another angle than before: turn the head as before and take it again",
            ),
            Self::LightDiffers => say(
                "与护理前的光线不同，请按护理前的灯光重拍",
                "與護理前的光線不同，請按護理前的燈光重拍",
                "Another light than before: use the same lamps and take it again",
            ),
            Self::SharpnessDiffers => say(
                "与护理前的清晰度不同，请对焦后重拍",
                "與護理前的清晰度不同，請對焦後重拍",
                "Not as sharp as before, or sharper: focus and take it again",
            ),
        }
    }
}

/// All gates that a photograph fails, in the order of [`Complaint`].
#[must_use]
pub fn judge(gates: &Gates, seen: &Seen) -> Vec<Failed> {
    let mut failed = Vec::new();
    let mut check = |complaint: Complaint, fails: bool, found: f64, limit: f64| {
        if fails {
            failed.push(Failed { complaint, found, limit });
        }
    };
    let Gates { size, face, occlusion, blur, noise, exposure, clipping, cast, shadow, field, pose, .. } = gates;
    let looks = || seen.regions.iter().filter_map(|region| region.look.as_ref());
    let most = |of: &dyn Fn(&super::seen::Skin) -> f64| looks().map(of).fold(0.0, f64::max);
    let least = |of: &dyn Fn(&super::seen::Skin) -> f64| looks().map(of).fold(f64::INFINITY, f64::min);
    let scope = seen.field.is_some();

    let framed = seen.eyes.is_none_or(|eyes| {
        eyes.mirror >= face.mirror
            && eyes.dark <= face.dark
            && eyes.range >= face.range
            && (face.bridge[0]..=face.bridge[1]).contains(&eyes.bridge)
    });
    check(Complaint::NoFace, !framed, seen.eyes.map_or(0.0, |eyes| eyes.mirror), face.mirror);
    let hidden = seen.regions.iter().filter(|region| region.look.is_none()).count();
    check(Complaint::OutsideFrame, hidden > 0, hidden as f64, 0.0);
    let pixels = u64::from(seen.width) * u64::from(seen.height);
    check(Complaint::TooSmall, !scope && pixels < size.pixels, pixels as f64, size.pixels as f64);
    let scale = seen.px_per_mm;
    check(Complaint::TooCoarse, !scope && scale < size.refuse_px_per_mm, scale, size.refuse_px_per_mm);
    let flagged = (size.refuse_px_per_mm..size.flag_px_per_mm).contains(&scale);
    check(Complaint::Coarse, !scope && flagged, scale, size.flag_px_per_mm);
    if framed && !scope {
        let roll = seen.roll_degrees.abs();
        check(Complaint::Turned, roll > pose.roll_degrees, roll, pose.roll_degrees);
        let nose = seen.nose_aside.unwrap_or(0.0).abs();
        check(Complaint::Turned, roll <= pose.roll_degrees && nose > pose.nose, nose, pose.nose);
        let covered = most(&|skin| skin.no_skin);
        check(Complaint::Occluded, covered > occlusion.share, covered, occlusion.share);
    }
    if let Some(seen) = seen.field {
        check(Complaint::Hair, seen.hair > field.hair, seen.hair, field.hair);
    }
    if scope || scale >= size.refuse_px_per_mm {
        // In a picture that is too coarse there is no detail to judge.
        let soft = least(&|skin| skin.detail.as_ref().map_or(f64::INFINITY, |detail| detail.sharpness));
        check(Complaint::Blurred, soft < blur.sharpness, soft, blur.sharpness);
        let grain = most(&|skin| skin.detail.as_ref().map_or(0.0, |detail| detail.noise_sd));
        check(Complaint::Noisy, grain > noise.sd, grain, noise.sd);
    }
    let (dim, black) = (least(&|skin| skin.look.median[1]), most(&|skin| skin.look.dark));
    check(Complaint::Dark, dim < exposure.median[0] || black > exposure.dark_share, dim, exposure.median[0]);
    let (light, white) = (most(&|skin| skin.look.median[1]), most(&|skin| skin.look.bright));
    check(Complaint::Bright, light > exposure.median[1] || white > exposure.bright_share, light, exposure.median[1]);
    let ends = most(&|skin| skin.look.clipped);
    check(Complaint::Clipped, ends > clipping.share, ends, clipping.share);
    if let Some((hue, chroma)) = seen.tint() {
        let off = !(cast.hue[0]..=cast.hue[1]).contains(&hue);
        check(
            Complaint::ColourCast,
            off || chroma < cast.chroma,
            hue,
            if hue < cast.hue[0] { cast.hue[0] } else { cast.hue[1] },
        );
    }
    if let (true, Some(shade)) = (framed, seen.shade) {
        let ratio = shade.max(1.0 / shade.max(1e-9));
        check(Complaint::Shadow, ratio > shadow.ratio, ratio, shadow.ratio);
    }
    if let Some(seen) = seen.field {
        check(Complaint::Vignette, seen.corner < field.vignette, seen.corner, field.vignette);
    }
    failed
}

/// The gates that an after photograph fails against its before.
#[must_use]
pub fn judge_pair(gates: &Gates, against: &Against) -> Vec<Failed> {
    let parity = &gates.parity;
    let mut failed = Vec::new();
    let mut check = |complaint: Complaint, fails: bool, found: f64, limit: f64| {
        if fails {
            failed.push(Failed { complaint, found, limit });
        }
    };
    let either_way = |ratio: f64| ratio.max(1.0 / ratio.max(1e-9));
    check(Complaint::NotMatched, !against.matched, 0.0, 1.0);
    let scale = against.scale;
    let limit = if scale < 1.0 { parity.scale[0] } else { parity.scale[1] };
    check(Complaint::ScaleDiffers, !(parity.scale[0]..=parity.scale[1]).contains(&scale), scale, limit);
    let (roll, nose) = (against.roll_degrees.abs(), against.nose_mm.unwrap_or(0.0));
    check(Complaint::PoseDiffers, roll > parity.roll_degrees, roll, parity.roll_degrees);
    check(Complaint::PoseDiffers, roll <= parity.roll_degrees && nose > parity.nose_mm, nose, parity.nose_mm);
    let (gain, shade) = (either_way(against.gain), against.shade.map_or(1.0, either_way));
    check(Complaint::LightDiffers, gain > parity.gain, gain, parity.gain);
    check(Complaint::LightDiffers, gain <= parity.gain && shade > parity.shade, shade, parity.shade);
    let blur = f64::from(against.blur_px);
    check(Complaint::SharpnessDiffers, blur > parity.blur_px, blur, parity.blur_px);
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_complaint_says_one_thing_to_do_in_three_scripts() {
        for complaint in Complaint::ALL {
            let Advice { zh, zh_hant, en } = complaint.remedy();
            assert!(zh.contains('请') && zh_hant.contains('請'), "{complaint}: {zh} {zh_hant}");
            assert!(!zh_hant.contains('请') && !zh.contains('請'), "{complaint}: the scripts are mixed");
            assert_eq!(zh.chars().count(), zh_hant.chars().count(), "{complaint}: the same sentence in both scripts");
            assert_eq!((zh.matches('请').count(), en.matches(':').count()), (1, 1), "{complaint}: one thing to do");
        }
    }
}

//! The three languages of the house and the words that pages share. Simplified Chinese stands in the code, English beside
//! it, traditional Chinese in one table ([`super::traditional`]) that a test holds to be whole.

use super::traditional;
use crate::domain::{
    Region,
    capture::View,
    comparison::Refusal,
    metric::{Label, Metric, MetricId},
    scan::Phase,
    word::words,
};

words! {
    /// A language of the house.
    pub enum Lang as "language" { Zh = "zh", Hant = "hant", En = "en" }
}

impl Lang {
    /// For the `lang` attribute of a page.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-Hans",
            Self::Hant => "zh-Hant",
            Self::En => "en",
        }
    }

    /// Picks a wording: the simplified one, the traditional one that the table has for it, or the English one. What the
    /// table does not know (a salon's own label) is shown as it was typed.
    #[must_use]
    pub fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::Hant => traditional::of(zh).unwrap_or(zh),
            Self::En => en,
        }
    }

    /// The same for a sentence that was put together, as refusals and devices' advice are. Never for what a customer or the
    /// salon typed: names are written as they are written.
    #[must_use]
    pub fn sentence(self, zh: &str, en: &str) -> String {
        match self {
            Self::Zh => zh.to_owned(),
            Self::Hant => traditional::sentence(zh),
            Self::En => en.to_owned(),
        }
    }

    #[must_use]
    pub fn label(self, label: &Label) -> &str {
        self.pick(&label.zh, &label.en)
    }

    /// Joins a list: `额头、鼻部` or `forehead, nose`.
    #[must_use]
    pub fn list(self, items: &[&str]) -> String {
        items.join(self.pick("、", ", "))
    }
}

#[must_use]
pub fn region(lang: Lang, region: Region) -> &'static str {
    match region {
        Region::Forehead => lang.pick("额头", "Forehead"),
        Region::Nose => lang.pick("鼻部", "Nose"),
        Region::LeftCheek => lang.pick("左颊", "Left cheek"),
        Region::RightCheek => lang.pick("右颊", "Right cheek"),
        Region::Chin => lang.pick("下巴", "Chin"),
        Region::LeftEye => lang.pick("左眼周", "Left eye area"),
        Region::RightEye => lang.pick("右眼周", "Right eye area"),
        Region::Lips => lang.pick("唇周", "Lip area"),
        Region::Neck => lang.pick("颈部", "Neck"),
        Region::InnerForearm => lang.pick("前臂内侧", "Inner forearm"),
        Region::Field => lang.pick("镜下局部", "Contact field"),
        Region::Face => lang.pick("全脸", "Whole face"),
    }
}

#[must_use]
pub fn phase(lang: Lang, phase: Phase) -> &'static str {
    match phase {
        Phase::Before => lang.pick("护理前", "Before"),
        Phase::After => lang.pick("护理后", "After"),
    }
}

#[must_use]
pub fn view(lang: Lang, view: View) -> &'static str {
    match view {
        View::Front => lang.pick("正面", "Front"),
        View::Left => lang.pick("左侧", "Left side"),
        View::Right => lang.pick("右侧", "Right side"),
        View::Close => lang.pick("近照", "Close-up"),
    }
}

/// A metric's name, or its id where this house does not know it (any more).
#[must_use]
pub fn metric<'a>(lang: Lang, metrics: &'a [Metric], id: &'a MetricId) -> &'a str {
    metrics.iter().find(|m| m.id == *id).map_or(id.as_str(), |m| lang.label(&m.label))
}

/// Why two values were not held against each other, for the customer.
#[must_use]
pub fn refusal(lang: Lang, refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::DeviceDiffers => lang.pick("两次所用仪器不同", "measured with two different devices"),
        Refusal::ProbeDiffers => lang.pick("两次所用探头不同", "measured with two different probes"),
        Refusal::ProtocolDiffers => {
            lang.pick("两次仪器协议版本不同", "the device's protocol version changed in between")
        }
        Refusal::ModelDiffers => lang.pick("两次图像算法不同", "the image method changed in between"),
        Refusal::ProviderDiffers => lang.pick("两次计算环境不同", "computed in two different ways"),
        Refusal::CameraDiffers => lang.pick("两次所用相机不同", "taken with two different cameras"),
        Refusal::OtherVisit => {
            lang.pick("不同次到店的照片只并排展示", "photographs of different visits are shown side by side only")
        }
        Refusal::ScaleDiffers => {
            lang.pick("两张照片的拍摄距离相差太大", "the photographs were taken from too different distances")
        }
        Refusal::TooCoarse => lang.pick("照片分辨率不足", "the photograph is not fine enough"),
        Refusal::NotRegistered => lang.pick("两张照片无法对齐", "the photographs could not be aligned"),
        Refusal::SharpnessDiffers => {
            lang.pick("两张照片清晰程度相差太大", "one photograph is much softer than the other")
        }
        Refusal::RepeatabilityUnknown => {
            lang.pick("该仪器的重复性尚未确定", "how well the device repeats itself is not established")
        }
        Refusal::Missing => lang.pick("缺少其中一次测量", "one of the two measurements is missing"),
        Refusal::NoColourReference => {
            lang.pick("照片中没有灰卡等颜色基准", "the photographs hold no grey card or other colour reference")
        }
        Refusal::NoDirection => {
            lang.pick("该指标不分好坏，只列数值", "neither direction is better; the numbers stand alone")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that claim more than a measurement: none may stand in what a customer reads.
    const MEDICAL: &[&str] = &[
        "治疗",
        "治愈",
        "诊断",
        "疾病",
        "患者",
        "病",
        "疗效",
        "处方",
        "diagnos",
        "treat",
        "cure",
        "disease",
        "patient",
        "clinical",
        "guarantee",
        "therap",
    ];

    #[test]
    fn every_word_has_both_languages_and_claims_nothing_medical() {
        let mut said: Vec<(&str, &str)> = Vec::new();
        said.extend(Region::ALL.iter().map(|r| (region(Lang::Zh, *r), region(Lang::En, *r))));
        said.extend(View::ALL.iter().map(|v| (view(Lang::Zh, *v), view(Lang::En, *v))));
        said.extend(Refusal::ALL.iter().map(|r| (refusal(Lang::Zh, *r), refusal(Lang::En, *r))));
        for (zh, en) in said {
            assert_ne!(zh, en);
            for word in MEDICAL {
                assert!(!zh.contains(word) && !en.to_lowercase().contains(word), "{zh} / {en}: {word}");
            }
        }
    }
}

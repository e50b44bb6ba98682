//! The steps of care that every salon knows: what they are called in each language, whatever language they were noted in, and
//! what to mind at home after them. A step of the salon's own is shown as it was written; of what stands in it, a known word
//! is enough for its note.

use super::{lang::Lang, traditional};

/// A step of care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    MakeUpOff,
    Cleansing,
    Peeling,
    Steam,
    PoreCleansing,
    Hydration,
    Serum,
    Microcurrent,
    Mask,
    Massage,
    SunScreen,
}

impl Treatment {
    /// In the order in which they are done.
    pub const ALL: [Self; 11] = [
        Self::MakeUpOff,
        Self::Cleansing,
        Self::Peeling,
        Self::Steam,
        Self::PoreCleansing,
        Self::Hydration,
        Self::Serum,
        Self::Microcurrent,
        Self::Mask,
        Self::Massage,
        Self::SunScreen,
    ];

    #[must_use]
    pub fn name(self, lang: Lang) -> &'static str {
        match self {
            Self::MakeUpOff => lang.pick("卸妆", "make-up off"),
            Self::Cleansing => lang.pick("清洁", "cleansing"),
            Self::Peeling => lang.pick("去角质", "peeling"),
            Self::Steam => lang.pick("热蒸", "steam"),
            Self::PoreCleansing => lang.pick("毛孔清洁", "pore cleansing"),
            Self::Hydration => lang.pick("补水导入", "hydration"),
            Self::Serum => lang.pick("精华导入", "serum"),
            Self::Microcurrent => lang.pick("微电流提拉", "microcurrent"),
            Self::Mask => lang.pick("面膜", "mask"),
            Self::Massage => lang.pick("按摩", "massage"),
            Self::SunScreen => lang.pick("防晒", "sun screen"),
        }
    }

    /// Words that tell it within a step of the salon's own; simplified and small.
    const fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Peeling => &["去角质", "焕肤", "刷酸", "peel", "exfoliat"],
            Self::PoreCleansing => &["毛孔", "深层清洁", "黑头", "pore", "deep cleans"],
            Self::Hydration => &["补水", "导入", "hydrat", "moistur"],
            Self::Mask => &["面膜", "mask"],
            Self::Massage => &["按摩", "massage"],
            Self::MakeUpOff | Self::Cleansing | Self::Steam | Self::Serum | Self::Microcurrent | Self::SunScreen => &[],
        }
    }

    /// What to mind at home; `None` where there is nothing.
    fn note(self, lang: Lang) -> Option<&'static str> {
        Some(match self {
            Self::Peeling => lang.pick(
                "做了去角质：五天内家里不再去角质，白天认真防晒。",
                "After the peeling: none at home for five days, and sun protection by day.",
            ),
            Self::PoreCleansing => lang.pick(
                "做了毛孔清洁：今天不化妆，手不要碰脸。",
                "After the pore cleansing: no make-up today, and keep your hands off the face.",
            ),
            Self::Hydration => lang.pick(
                "做了补水：这几天早晚都涂保湿。",
                "After the hydration: moisturise mornings and evenings in the days that follow.",
            ),
            Self::Mask => lang.pick("做了面膜：今天家里不用再敷。", "After the mask: no other one at home today."),
            Self::Massage => {
                lang.pick("做了按摩：今晚不热敷、不蒸桑拿。", "After the massage: no hot pack and no sauna tonight.")
            }
            Self::MakeUpOff | Self::Cleansing | Self::Steam | Self::Serum | Self::Microcurrent | Self::SunScreen => {
                return None;
            }
        })
    }
}

/// A step in the language of the report: the house's own in its words, any other as it was written.
#[must_use]
pub fn said(lang: Lang, step: &str) -> String {
    let step = step.trim();
    let same = |known: &&Treatment| {
        [Lang::Zh, Lang::Hant, Lang::En].iter().any(|lang| known.name(*lang).eq_ignore_ascii_case(step))
    };
    Treatment::ALL.iter().find(same).map_or_else(|| step.to_owned(), |known| known.name(lang).to_owned())
}

/// What to mind after these steps, each once, in the order in which they are done.
#[must_use]
pub fn notes(lang: Lang, steps: &[String]) -> Vec<&'static str> {
    let plain: Vec<String> = steps.iter().map(|step| simplified(&said(Lang::Zh, step)).to_lowercase()).collect();
    let done = |known: &Treatment| known.signs().iter().any(|sign| plain.iter().any(|step| step.contains(sign)));
    Treatment::ALL.into_iter().filter(done).filter_map(|known| known.note(lang)).collect()
}

/// The signs of a step written in traditional characters.
fn simplified(step: &str) -> String {
    let signs = Treatment::ALL.iter().flat_map(|known| known.signs());
    signs.fold(step.to_owned(), |step, sign| step.replace(&traditional::sentence(sign), sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An English report named its steps in Chinese.
    #[test]
    fn a_step_of_the_house_is_said_in_the_language_of_the_report_and_any_other_as_written() {
        assert_eq!(said(Lang::En, "补水导入"), "hydration");
        assert_eq!((said(Lang::Hant, "Hydration"), said(Lang::Zh, "補水導入")), ("補水導入".into(), "补水导入".into()));
        assert_eq!(said(Lang::Hant, "镜湖招牌舒缓"), "镜湖招牌舒缓");
        assert_eq!((said(Lang::Zh, "serum"), said(Lang::En, "精華導入")), ("精华导入".into(), "serum".into()));
    }

    #[test]
    fn notes_follow_what_was_done_in_whichever_language_it_was_noted() {
        let notes = |steps: &[&str]| notes(Lang::Zh, &steps.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>());
        assert_eq!(notes(&["清洁", "防晒"]), Vec::<&str>::new());
        let peeling = notes(&["去角质"]);
        assert!(peeling.len() == 1 && peeling == notes(&["Enzyme PEELING"]) && peeling == notes(&["果酸煥膚"]));
        assert_eq!(notes(&["serum"]), notes(&["精華導入"]));
        assert_eq!(notes(&["补水面膜", "深层清洁毛孔", "补水导入"]).len(), 3, "each once");
    }
}

//! Care notes for the days after, by skin type, and when to come again. General advice as any salon gives it: what it does not
//! know of this skin it does not claim, and nothing is promised.

use super::{lang::Lang, traditional};

/// Days to the next visit, by the service plan: oily skin a week, dry skin two.
const OILY_DAYS: u32 = 7;
const DRY_DAYS: u32 = 15;

/// What to do at home, and when to come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Care {
    pub notes: Vec<String>,
    /// Empty where the skin type is not known.
    pub next: String,
}

/// A skin type, as far as the beautician's note tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Oily,
    Dry,
    Sensitive,
    Combination,
}

/// In this order: "sensitive, dry" is cared for as sensitive.
const WORDS: &[(Kind, &[&str])] = &[
    (Kind::Sensitive, &["敏", "sensitive"]),
    (Kind::Combination, &["混合", "combination", "mixed"]),
    (Kind::Oily, &["油", "oily"]),
    (Kind::Dry, &["干", "乾", "dry"]),
];

fn kind(noted: &str) -> Option<Kind> {
    let noted = noted.to_lowercase();
    WORDS.iter().find(|(_, words)| words.iter().any(|word| noted.contains(word))).map(|(kind, _)| *kind)
}

/// The notes for a skin type as the beautician wrote it.
#[must_use]
pub fn care(lang: Lang, skin_type: &str) -> Care {
    let kind = kind(skin_type);
    let mut notes = vec![
        lang.pick(
            "今晚只用清水或温和的洁面，不去角质。",
            "Tonight, wash with water or a mild cleanser only; no scrubbing.",
        ),
        lang.pick("三天内不用高浓度的酸类或焕肤产品。", "For three days, leave out strong acids and peeling products."),
        lang.pick("白天外出请用防晒。", "Use sun protection when you go out by day."),
    ];
    notes.extend(kind.map(|kind| match kind {
        Kind::Oily => lang.pick(
            "油性：选清爽的保湿，别因为出油就省掉。",
            "Oily skin: choose a light moisturiser, and do not skip it because the skin shines.",
        ),
        Kind::Dry => lang.pick(
            "干性：洁面后三分钟内涂保湿，早晚各一次。",
            "Dry skin: moisturise within three minutes of washing, mornings and evenings.",
        ),
        Kind::Sensitive => lang.pick(
            "敏感：一周内不换新的护肤品，先在手臂内侧试用。",
            "Sensitive skin: try no new product for a week; test it on the inner arm first.",
        ),
        Kind::Combination => lang.pick(
            "混合性：两颊和T区分开护理，两颊多保湿。",
            "Combination skin: care for cheeks and T-zone apart; the cheeks want more moisture.",
        ),
    }));
    notes.push(lang.pick(
        "如有持续不适，请停用产品并咨询专业人士。",
        "If anything feels wrong and stays so, stop using products and ask a professional.",
    ));
    let days = match kind {
        Some(Kind::Oily | Kind::Combination) => Some(OILY_DAYS),
        Some(Kind::Dry | Kind::Sensitive) => Some(DRY_DAYS),
        None => None,
    };
    let next = days.map_or_else(String::new, |days| match lang {
        Lang::Zh => format!("建议约 {days} 天后再来，同样的仪器再测一次。"),
        Lang::Hant => traditional::sentence(&format!("建议约 {days} 天后再来，同样的仪器再测一次。")),
        Lang::En => format!("Come again in about {days} days and be measured with the same devices."),
    });
    Care { notes: notes.into_iter().map(str::to_owned).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_follow_the_skin_type_in_either_language() {
        for (noted, days, word) in
            [("油性", "7", "清爽"), ("dry", "15", "三分钟"), ("敏感偏干", "15", "手臂"), ("Combination", "7", "T区")]
        {
            let care = care(Lang::Zh, noted);
            assert!(care.next.contains(days) && care.notes[3].contains(word), "{noted}: {care:?}");
        }
        let unknown = care(Lang::En, "");
        assert_eq!((unknown.notes.len(), unknown.next.as_str()), (4, ""));
    }
}

//! Care notes for the days after, by what was done and by skin type, and when to come again. General advice as any salon gives it:
//! what it does not know of this skin it does not claim, and nothing is promised.

use super::{days, lang::Lang, treatment};
use crate::domain::customer::SkinType;

/// What to do at home, and when to come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Care {
    pub notes: Vec<String>,
    /// Empty where no day was agreed and the skin does not say.
    pub next: String,
}

/// The notes for a skin type as the beautician wrote it, after `steps`; `agreed` is the day of the next visit, `2026-12-04`.
#[must_use]
pub fn care(lang: Lang, skin_type: &str, steps: &[String], agreed: Option<&str>) -> Care {
    let kind = SkinType::noted(skin_type);
    let mut notes = vec![
        lang.pick(
            "今晚只用清水或温和的洁面，不去角质。",
            "Tonight, wash with water or a mild cleanser only; no scrubbing.",
        ),
        lang.pick("三天内不用高浓度的酸类或焕肤产品。", "For three days, leave out strong acids and peeling products."),
        lang.pick("白天外出请用防晒。", "Use sun protection when you go out by day."),
    ];
    notes.extend(treatment::notes(lang, steps));
    notes.extend(kind.and_then(|kind| {
        Some(match kind {
            SkinType::Oily => lang.pick(
                "油性：选清爽的保湿，别因为出油就省掉。",
                "Oily skin: choose a light moisturiser, and do not skip it because the skin shines.",
            ),
            SkinType::Dry => lang.pick(
                "干性：洁面后三分钟内涂保湿，早晚各一次。",
                "Dry skin: moisturise within three minutes of washing, mornings and evenings.",
            ),
            SkinType::Sensitive => lang.pick(
                "敏感：一周内不换新的护肤品，先在手臂内侧试用。",
                "Sensitive skin: try no new product for a week; test it on the inner arm first.",
            ),
            SkinType::Combination => lang.pick(
                "混合性：两颊和T区分开护理，两颊多保湿。",
                "Combination skin: care for cheeks and T-zone apart; the cheeks want more moisture.",
            ),
            SkinType::Normal => return None,
        })
    }));
    notes.push(lang.pick(
        "如有持续不适，请停用产品并咨询专业人士。",
        "If anything feels wrong and stays so, stop using products and ask a professional.",
    ));
    // What was agreed counts; what the skin suggests would be a second date.
    let usual = kind.filter(|kind| *kind != SkinType::Normal).map(|kind| kind.next_days()[0]);
    let next = match (agreed, usual) {
        (Some(day), _) => {
            format!("{}{}", lang.pick("约好的下一次：", "Your next visit: "), days::long(lang, day))
        }
        (None, Some(days)) => lang.sentence(
            &format!("建议约 {days} 天后再来，同样的仪器再测一次。"),
            &format!("Come again in about {days} days and be measured with the same devices."),
        ),
        (None, None) => String::new(),
    };
    Care { notes: notes.into_iter().map(str::to_owned).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_follow_the_skin_type_in_either_language() {
        for (noted, days, word) in
            [("油性", "7", "清爽"), ("dry", "15", "三分钟"), ("敏感偏干", "14", "手臂"), ("Combination", "14", "T区")]
        {
            let care = care(Lang::Zh, noted, &[], None);
            assert!(care.next.contains(days) && care.notes[3].contains(word), "{noted}: {care:?}");
        }
        let unknown = care(Lang::En, "", &[], None);
        assert_eq!((unknown.notes.len(), unknown.next.as_str()), (4, ""));
    }

    /// A customer with oily skin who had agreed on a day in two weeks took a report home that told her to come after one.
    #[test]
    fn the_day_that_was_agreed_stands_on_the_report_and_no_other() {
        let agreed = |lang| care(lang, "油性", &[], Some("2026-12-05")).next;
        assert_eq!(agreed(Lang::Zh), "约好的下一次：2026年12月5日");
        assert_eq!(agreed(Lang::Hant), "約好的下一次：2026年12月5日");
        assert_eq!(agreed(Lang::En), "Your next visit: 5 December 2026");
    }

    /// Whatever was done, the notes were the same.
    #[test]
    fn notes_follow_what_was_done() {
        let notes = |steps: &[&str]| {
            let steps: Vec<String> = steps.iter().map(|step| (*step).to_owned()).collect();
            care(Lang::En, "oily", &steps, None).notes
        };
        let (none, two) = (notes(&["cleansing"]), notes(&["去角质", "cleansing", "面膜"]));
        assert_eq!(two.len(), none.len() + 2);
        assert!(two[3].contains("peeling") && two[4].contains("mask"), "{two:?}");
    }
}

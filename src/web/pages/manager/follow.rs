//! Whom to write to, and why.

use crate::{
    domain::{customer::SkinType, follow_up::Kind},
    report::Lang,
    web::{api::follow_ups::Due, pages::customer::phone_end},
};

/// One follow-up.
#[derive(Debug)]
pub struct Call {
    pub visit: String,
    pub kind: &'static str,
    pub customer: String,
    pub customer_id: String,
    pub phone_end: String,
    pub due: String,
    pub why: String,
    pub ended: String,
}

pub fn call(lang: Lang, of: &Due) -> Call {
    Call {
        visit: of.of.visit.to_string(),
        kind: of.what.kind.as_str(),
        customer: of.of.customer.name.clone(),
        customer_id: of.of.customer.id.to_string(),
        phone_end: phone_end(&of.of.customer.phone),
        due: of.what.due.to_string(),
        why: why(lang, of.what.kind, of.what.days, of.of.ended.skin),
        ended: of.of.ended.at.to_string(),
    }
}

fn why(lang: Lang, kind: Kind, days: i32, skin: Option<SkinType>) -> String {
    let (zh, en) = match skin {
        Some(SkinType::Oily) => ("油性肌肤", "oily skin"),
        Some(SkinType::Dry) => ("干性肌肤", "dry skin"),
        Some(SkinType::Sensitive) => ("敏感肌肤", "sensitive skin"),
        Some(SkinType::Combination) => ("混合性肌肤", "combination skin"),
        Some(SkinType::Normal) => ("中性肌肤", "normal skin"),
        None => ("肤质未记", "skin type not noted"),
    };
    match kind {
        Kind::Care => lang.pick("护理后两小时的问候", "A word of care, two hours after").to_owned(),
        Kind::Skin => lang.sentence(&format!("{zh}，{days} 天回访"), &format!("{days} days after, {en}")),
        // On no list of a salon: it is told no birthdays.
        Kind::Birthday => lang.pick("生日", "Birthday").to_owned(),
        Kind::Away => lang.sentence(&format!("{days} 天没有来了"), &format!("Has stayed away for {days} days")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_why_it_is_due() {
        assert_eq!(why(Lang::Zh, Kind::Skin, 7, Some(SkinType::Oily)), "油性肌肤，7 天回访");
        assert_eq!(why(Lang::Hant, Kind::Skin, 15, Some(SkinType::Dry)), "乾性肌膚，15 天回訪");
        assert_eq!(why(Lang::En, Kind::Skin, 10, None), "10 days after, skin type not noted");
        assert_eq!(why(Lang::En, Kind::Away, 90, None), "Has stayed away for 90 days");
    }
}

//! The steps of a visit beside its scans: what is asked, what was said, what comes next; and what changed, for a tablet that
//! comes late.

use crate::{
    domain::{
        Timestamp,
        consent::Purpose,
        customer::{SkinType, USUAL_DAYS},
        scan::{Phase, ScanState},
        sheet::{Caution, Conditions, Sheet},
    },
    report::{Lang, lang},
    store::{RoomClimate, VisitView},
};

/// One answer to tap.
#[derive(Debug)]
pub struct Choice {
    pub value: String,
    pub text: &'static str,
    pub chosen: bool,
}

/// The questionnaire, filled in with what was said last time until it is answered today.
#[derive(Debug)]
pub struct Questions {
    pub skin_states: Vec<Choice>,
    pub make_up: Vec<Choice>,
    pub washed: Vec<Choice>,
    pub wishes: String,
    pub from_last_time: bool,
}

/// How the skin feels: word, Chinese, English.
const SKIN_STATES: &[(&str, &str, &str)] = &[
    ("normal", "没有不适", "comfortable"),
    ("tight", "干燥紧绷", "dry, tight"),
    ("oily", "出油明显", "oily"),
    ("sensitive", "泛红敏感", "red, sensitive"),
    ("blemished", "有痘痘", "blemished"),
];
const MAKE_UP: &[(&str, &str, &str)] =
    &[("none", "没有化妆", "none"), ("light", "淡妆", "light"), ("full", "全妆", "full")];

/// What a person reads for an answer's word.
fn answer(lang: Lang, of: &[(&str, &'static str, &'static str)], word: &str) -> &'static str {
    of.iter().find(|(value, _, _)| *value == word).map_or("", |(_, zh, en)| lang.pick(zh, en))
}

/// `last` is the sheet of the visit before.
#[must_use]
pub fn questions(lang: Lang, now: &Sheet, last: Option<&Sheet>) -> Questions {
    let unanswered = now.skin_state.is_empty() && now.wishes.is_empty() && now.make_up.is_empty();
    let from = if unanswered { last } else { None };
    let sheet = from.unwrap_or(now);
    let pick = |value: &str, chosen: &str, zh, en| Choice {
        value: value.to_owned(),
        text: lang.pick(zh, en),
        chosen: value == chosen,
    };
    let state = if sheet.skin_state.is_empty() { "normal" } else { &sheet.skin_state };
    // Today's make-up and washing are of today: last time's answer would be a guess.
    let make_up = if now.make_up.is_empty() { "none" } else { &now.make_up };
    let washed = now.washed_min.unwrap_or(60);
    let washed =
        [("15", 0..30), ("60", 30..120), ("180", 120..u32::MAX)].map(|(word, span)| (word, span.contains(&washed)));
    let words = [
        ("不到半小时", "under half an hour"),
        ("半小时到两小时", "half to two hours"),
        ("两小时以上", "over two hours"),
    ];
    Questions {
        skin_states: SKIN_STATES.iter().map(|(value, zh, en)| pick(value, state, zh, en)).collect(),
        make_up: MAKE_UP.iter().map(|(value, zh, en)| pick(value, make_up, zh, en)).collect(),
        washed: washed
            .into_iter()
            .zip(words)
            .map(|((value, chosen), (zh, en))| Choice { value: value.to_owned(), text: lang.pick(zh, en), chosen })
            .collect(),
        wishes: sheet.wishes.clone(),
        from_last_time: from.is_some(),
    }
}

/// What is filled in beforehand for the conditions of a scan that begins now.
#[derive(Debug)]
pub struct Prepared {
    pub rested_min: i64,
    pub washed_min: String,
    /// Room climate as a sensor gives it, else as it was stated for the scan before, if there was one.
    pub celsius: String,
    pub humidity: String,
    /// Whether a sensor gave them.
    pub sensed: bool,
}

/// Rest counts from when the visit was opened; the washing was so many minutes before that.
#[must_use]
pub fn prepared(
    opened: Timestamp,
    now: Timestamp,
    sheet: &Sheet,
    earlier: Option<&Conditions>,
    room: &RoomClimate,
) -> Prepared {
    let since = (now.unix_ms() - opened.unix_ms()).max(0) / 60_000;
    let text = |value: Option<crate::domain::Quantity>| value.map_or_else(String::new, |v| v.to_string());
    Prepared {
        rested_min: since.min(60),
        washed_min: sheet.washed_min.map_or_else(String::new, |min| (i64::from(min) + since).to_string()),
        celsius: text(room.celsius.or(earlier.and_then(|c| c.celsius))),
        humidity: text(room.humidity.or(earlier.and_then(|c| c.humidity))),
        sensed: room.celsius.is_some() || room.humidity.is_some(),
    }
}

/// The conditions of a scan in one line, and what to mind about them.
#[must_use]
pub fn conditions(lang: Lang, of: &Conditions) -> (String, Vec<&'static str>) {
    let Conditions { probe_wiped, rested_min, washed_min, celsius, humidity, climate_by, calibrated } = of;
    let mut parts = Vec::new();
    if *probe_wiped {
        parts.push(lang.pick("探头已擦净", "probe wiped").to_owned());
    }
    let minutes = lang.pick("分钟", "min");
    if let Some(min) = rested_min {
        parts.push(format!("{} {min} {minutes}", lang.pick("静坐", "at rest")));
    }
    if let Some(min) = washed_min {
        parts.push(format!("{} {min} {minutes}", lang.pick("洁面已过", "washed before")));
    }
    if let Some(value) = celsius {
        parts.push(format!("{value} °C"));
    }
    if let Some(value) = humidity {
        parts.push(format!("{} {value} %", lang.pick("湿度", "humidity")));
    }
    if !climate_by.is_empty() {
        parts.push(lang.pick("温湿度由传感器测得", "climate by a sensor").to_owned());
    }
    if !calibrated.is_empty() {
        parts.push(format!("{} {calibrated}", lang.pick("仪器校准于", "devices calibrated")));
    }
    let caution = |caution: Caution| match caution {
        Caution::NotWiped => lang.pick("探头未确认擦净", "probe not confirmed clean"),
        Caution::ShortRest => lang.pick("静坐不足十分钟", "less than ten minutes at rest"),
        Caution::JustWashed => lang.pick("刚洗过脸", "washed just before"),
        Caution::Climate => lang.pick("室内温湿度超出常用范围", "room climate outside the usual range"),
    };
    (parts.join(" · "), of.cautions().into_iter().map(caution).collect())
}

/// The visit in short lines: what differs between two of them is what another tablet changed.
#[must_use]
pub fn told(lang: Lang, view: &VisitView, sheet: &Sheet) -> Vec<String> {
    let mut lines = Vec::new();
    let colon = lang.pick("：", ": ");
    let mut say = |what: &str, how: &str| {
        if !how.is_empty() {
            lines.push(format!("{what}{colon}{how}"));
        }
    };
    let agreed: Vec<&str> = Purpose::ALL.iter().filter(|p| view.agreed(**p)).map(|p| purpose(lang, *p)).collect();
    say(lang.pick("同意", "consent"), &lang.list(&agreed));
    let steps: Vec<&str> = view.visit.steps.iter().map(String::as_str).collect();
    say(lang.pick("护理步骤", "care"), &lang.list(&steps));
    for scan in &view.scans {
        let state = match scan.scan.state {
            ScanState::Running => lang.pick("测量中", "measuring"),
            ScanState::Paused => lang.pick("已暂停", "paused"),
            ScanState::Finished => lang.pick("已完成", "finished"),
            ScanState::Cancelled => lang.pick("已取消", "cancelled"),
            ScanState::Voided => lang.pick("已作废", "voided"),
        };
        say(lang::phase(lang, scan.scan.phase), state);
        let taken = scan.captures.iter().filter(|c| !c.voided).count();
        let words = if scan.scan.phase == Phase::Before {
            ("护理前照片", "photographs before")
        } else {
            ("护理后照片", "photographs after")
        };
        say(lang.pick(words.0, words.1), &if taken > 0 { taken.to_string() } else { String::new() });
    }
    say(lang.pick("感觉", "feels"), answer(lang, SKIN_STATES, &sheet.skin_state));
    say(lang.pick("妆容", "make-up"), answer(lang, MAKE_UP, &sheet.make_up));
    say(lang.pick("愿望", "wishes"), &sheet.wishes);
    say(lang.pick("想说的话", "remark"), &sheet.remark);
    say(lang.pick("评价", "rating"), &sheet.stars.map_or_else(String::new, |n| n.to_string()));
    say(lang.pick("下次", "next date"), &sheet.next_day);
    say(
        lang.pick("对比", "comparison"),
        &if view.comparisons.is_empty() { String::new() } else { view.comparisons.len().to_string() },
    );
    say(lang.pick("顾客", "customer"), &view.customer.name);
    lines
}

/// A purpose in two words.
#[must_use]
pub fn purpose(lang: Lang, purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Measure => lang.pick("测量皮肤", "Measure the skin"),
        Purpose::Photograph => lang.pick("拍摄面部照片", "Take photographs"),
        Purpose::KeepPhotographs => lang.pick("保留照片", "Keep the photographs"),
        Purpose::DeliverReport => lang.pick("把报告发给我", "Deliver my report"),
        Purpose::ShareNumbers => lang.pick("与总部共享读数", "Share readings with headquarters"),
        Purpose::SharePhotographs => lang.pick("与总部共享照片", "Share photographs with headquarters"),
    }
}

/// Days until the next visit that are offered, the usual one first.
#[must_use]
pub fn next_days(skin_type: &str) -> [u32; 3] {
    SkinType::noted(skin_type).map_or(USUAL_DAYS, SkinType::next_days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_time_fills_in_what_lasts_and_nothing_of_today() {
        let last = Sheet {
            skin_state: "tight".to_owned(),
            make_up: "full".to_owned(),
            washed_min: Some(180),
            wishes: "少用香味".to_owned(),
            ..Sheet::default()
        };
        let asked = questions(Lang::Zh, &Sheet::default(), Some(&last));
        let chosen = |choices: &[Choice]| choices.iter().find(|c| c.chosen).map(|c| c.value.clone());
        assert!(asked.from_last_time);
        assert_eq!((chosen(&asked.skin_states).as_deref(), asked.wishes.as_str()), (Some("tight"), "少用香味"));
        assert_eq!((chosen(&asked.make_up).as_deref(), chosen(&asked.washed).as_deref()), (Some("none"), Some("60")));
        let now = Sheet {
            skin_state: "oily".to_owned(),
            make_up: "light".to_owned(),
            washed_min: Some(15),
            ..Sheet::default()
        };
        let asked = questions(Lang::Zh, &now, Some(&last));
        assert_eq!((chosen(&asked.skin_states).as_deref(), asked.wishes.as_str()), (Some("oily"), ""));
        assert_eq!((chosen(&asked.make_up).as_deref(), chosen(&asked.washed).as_deref()), (Some("light"), Some("15")));
    }

    #[test]
    fn the_next_date_follows_the_skin() {
        let first = |skin: &str| next_days(skin)[0];
        assert_eq!((first("油性"), first("oily"), first("干性"), first("乾性"), first("dry")), (7, 7, 15, 15, 15));
        assert_eq!((first("混合性偏油"), first(""), first("sensitive")), (14, 14, 14));
    }

    #[test]
    fn rest_and_washing_count_on_while_the_customer_sits() {
        let at = |min: i64| Timestamp::from_unix_ms(min * 60_000);
        let sheet = Sheet { washed_min: Some(60), ..Sheet::default() };
        let now = prepared(at(100), at(112), &sheet, None, &RoomClimate::default());
        assert_eq!((now.rested_min, now.washed_min.as_str(), now.celsius.as_str()), (12, "72", ""));
        assert_eq!(
            prepared(at(112), at(100), &sheet, None, &RoomClimate::default()).rested_min,
            0,
            "a clock that was set back"
        );
    }
}

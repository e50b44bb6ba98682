//! A verdict in words and signs. A neutral metric's change is told without praise; what was refused gives its reason.

use super::{
    lang::{self, Lang},
    traditional,
};
use crate::domain::{
    comparison::{Compared, Verdict},
    metric::Direction,
};

/// What a row's sign says; every sign has its own shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Better,
    Worse,
    /// Changed, where neither way is better.
    Changed,
    Same,
    Refused,
}

impl Sign {
    pub const ALL: [Self; 5] = [Self::Better, Self::Worse, Self::Changed, Self::Same, Self::Refused];

    /// For class names.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Changed => "changed",
            Self::Same => "same",
            Self::Refused => "refused",
        }
    }

    /// Whether the change exceeded what measuring twice would show anyway.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Better | Self::Worse | Self::Changed)
    }
}

#[must_use]
pub fn sign(item: &Compared, direction: Direction) -> Sign {
    match (item.verdict, direction) {
        (Verdict::NotComparable, _) => Sign::Refused,
        (Verdict::None, _) => Sign::Same,
        (_, Direction::Neutral) => Sign::Changed,
        (Verdict::Improved, _) => Sign::Better,
        (Verdict::Worsened, _) => Sign::Worse,
    }
}

/// The pill beside a row.
#[must_use]
pub fn words(lang: Lang, item: &Compared, direction: Direction) -> String {
    let sign = sign(item, direction);
    let middle = direction == Direction::TowardsTarget;
    let risen = item.change.is_some_and(|change| change > 0.0);
    match sign {
        Sign::Better if middle => lang.pick("更接近适中", "Closer to the middle").to_owned(),
        Sign::Worse if middle => lang.pick("偏离适中", "Farther from the middle").to_owned(),
        Sign::Better => lang.pick("有可测改善", "Improved").to_owned(),
        Sign::Worse => lang.pick("有可测下滑", "Worsened").to_owned(),
        Sign::Changed if risen => lang.pick("有变化，上升", "Changed, higher").to_owned(),
        Sign::Changed => lang.pick("有变化，下降", "Changed, lower").to_owned(),
        Sign::Same => lang.pick("无可测变化", "No measurable change").to_owned(),
        Sign::Refused => {
            let reason = item.refusal.map_or("", |refusal| lang::refusal(lang, refusal));
            let head = lang.pick("未比较", "Not compared");
            if reason.is_empty() { head.to_owned() } else { format!("{head}{}{reason}", lang.pick("：", ": ")) }
        }
    }
}

/// What the headline may say of one metric: only whether it rose or fell.
#[must_use]
pub fn headline(lang: Lang, metric: &str, risen: bool, sign: Sign, direction: Direction) -> String {
    let verb = match (sign, risen) {
        (Sign::Better, _) if direction == Direction::TowardsTarget => lang.pick("更适中", "closer to the middle"),
        (Sign::Worse, _) if direction == Direction::TowardsTarget => lang.pick("偏离适中", "farther from the middle"),
        (Sign::Better, true) => lang.pick("提升", "up"),
        (Sign::Better, false) => lang.pick("减轻", "down"),
        (_, true) => lang.pick("上升", "up"),
        (_, false) => lang.pick("下降", "down"),
    };
    match lang {
        Lang::Zh => format!("{metric}{verb}"),
        Lang::Hant => traditional::sentence(&format!("{metric}{verb}")),
        Lang::En => format!("{metric} {verb}"),
    }
}

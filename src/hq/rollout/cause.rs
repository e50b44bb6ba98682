//! Why a rollout was halted, in a sentence: which stores, which figure, against which limit. Pure.

use crate::report::Lang;
use serde::{Deserialize, Serialize};

/// As it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Cause {
    Refused {
        stores: Vec<String>,
        /// The first one's.
        reason: String,
    },
    /// They used it and were told to leave it: headquarters was restored to a time before.
    Left {
        stores: Vec<String>,
    },
    /// The true share lies above `surely` with 99.9 % certainty.
    Failing {
        stores: Vec<String>,
        failed: u64,
        measured: u64,
        surely: f64,
        limit: f64,
    },
    Silent {
        stores: Vec<String>,
        of: u64,
        minutes: i64,
    },
    Letters {
        stores: Vec<String>,
        of: u64,
    },
    Behind {
        stores: Vec<String>,
        of: u64,
        events: u64,
    },
    /// Somebody said so.
    Asked,
}

/// Stores that a sentence names.
const NAMED: usize = 5;

fn named(stores: &[String], (and, more): (&str, &str)) -> String {
    let first = stores.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(and);
    match stores.len().saturating_sub(NAMED) {
        0 => first,
        rest => format!("{first}{}", more.replace("{}", &rest.to_string())),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

impl Cause {
    /// Stores that it is about.
    #[must_use]
    pub fn stores(&self) -> &[String] {
        match self {
            Self::Refused { stores, .. }
            | Self::Left { stores }
            | Self::Failing { stores, .. }
            | Self::Silent { stores, .. }
            | Self::Letters { stores, .. }
            | Self::Behind { stores, .. } => stores,
            Self::Asked => &[],
        }
    }

    /// For people.
    #[must_use]
    pub fn sentence(&self, lang: Lang) -> String {
        let zh = named(self.stores(), ("、", " 等（另有 {} 家）"));
        let en = named(self.stores(), (", ", " and {} more"));
        let many = self.stores().len();
        match self {
            Self::Refused { reason, .. } => lang.sentence(
                &format!("{many} 家门店拒绝了这个包：{zh}。原因："),
                &format!("{many} stores refused the package: {en}. Reason: "),
            ) + reason,
            Self::Left { .. } => lang.sentence(
                &format!("{many} 家门店早已按指令停用这个包：{zh}。总部数据库是从备份恢复的。"),
                &format!("{many} stores left the package long ago, as they were told: {en}. Headquarters was restored from a backup."),
            ),
            Self::Failing { failed, measured, surely, limit, .. } => {
                let (surely, limit) = (percent(*surely), percent(*limit));
                lang.sentence(
                    &format!(
                        "{measured} 张照片中有 {failed} 张分析失败；真实失败率至少 {surely}（99.9 % 把握），上限是 {limit}。门店：{zh}。"
                    ),
                    &format!(
                        "{failed} of {measured} photographs failed; the true share is {surely} at least (99.9 % certain), the limit \
                         is {limit}. Stores: {en}."
                    ),
                )
            }
            Self::Silent { of, minutes, .. } => lang.sentence(
                &format!("用了这个包的 {of} 家门店中有 {many} 家离线超过 {minutes} 分钟，其他门店没有：{zh}。"),
                &format!("{many} of the {of} stores that took it have been away for more than {minutes} min, the others have not: {en}."),
            ),
            Self::Letters { of, .. } => lang.sentence(
                &format!("用了这个包的 {of} 家门店中有 {many} 家出现被拒收的记录，其他门店没有：{zh}。"),
                &format!("{many} of the {of} stores that took it had records refused, the others had not: {en}."),
            ),
            Self::Behind { of, events, .. } => lang.sentence(
                &format!("用了这个包的 {of} 家门店中有 {many} 家积压增加了 {events} 条以上，其他门店没有：{zh}。"),
                &format!("{many} of the {of} stores that took it fell behind by more than {events} records, the others did not: {en}."),
            ),
            Self::Asked => lang.sentence("由人停下。", "Somebody halted it."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_stores_figure_and_limit() {
        let stores: Vec<String> = (1..=7).map(|at| format!("sh-{at:03}")).collect();
        let failing = Cause::Failing { stores, failed: 40, measured: 120, surely: 0.214, limit: 0.05 };
        assert_eq!(
            failing.sentence(Lang::En),
            "40 of 120 photographs failed; the true share is 21.4 % at least (99.9 % certain), the limit is 5.0 %. Stores: sh-001, \
             sh-002, sh-003, sh-004, sh-005 and 2 more."
        );
        assert!(failing.sentence(Lang::Zh).contains("另有 2 家"));
        let kept = serde_json::to_string(&failing).unwrap();
        assert_eq!(serde_json::from_str::<Cause>(&kept).unwrap(), failing);
    }
}

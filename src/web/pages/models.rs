//! The models that measure, those that were lost, and how far the measuring anew after an exchange is: for the technician's page.

use crate::{
    report::Lang,
    tasks::analysis::{AnalysisHandle, Remeasuring},
};
use std::time::Duration;

/// What there is to show.
#[derive(Debug)]
pub(super) struct Models {
    pub lines: Vec<Line>,
    /// Empty while nothing is measured anew.
    pub progress: String,
}

/// One model.
#[derive(Debug)]
pub(super) struct Line {
    pub name: String,
    pub version: String,
    pub stand: &'static str,
    /// Class of the mark.
    pub class: &'static str,
    /// Why it is out of use, in the words of whoever noticed.
    pub why: String,
}

/// `None` where there is nothing to say: nobody measures here.
pub(super) fn models(analysis: &AnalysisHandle, lang: Lang) -> Option<Models> {
    let in_use = analysis.models().into_iter().map(|model| Line {
        name: lang.sentence(&model.manifest.title.zh, &model.manifest.title.en),
        version: model.engine.model_version.clone(),
        stand: lang.pick("使用中", "in use"),
        class: "",
        why: String::new(),
    });
    let lost = analysis.lost().borrow().clone().into_iter().map(|(name, why)| Line {
        name,
        version: String::new(),
        stand: lang.pick("已停用", "out of use"),
        class: "warn",
        why,
    });
    let lines: Vec<Line> = in_use.chain(lost).collect();
    let progress = (*analysis.remeasuring().borrow()).map_or_else(String::new, |now| progress(lang, now));
    (!lines.is_empty() || !progress.is_empty()).then_some(Models { lines, progress })
}

fn progress(lang: Lang, Remeasuring { done, total, left }: Remeasuring) -> String {
    let zh = format!("重新测量：{done} / {total} 张照片");
    let en = format!("Measured again: {done} of {total} photographs");
    let (zh, en) = match left.map(minutes) {
        Some(left) => (format!("{zh}，约剩 {left} 分钟"), format!("{en}, about {left} min left")),
        None => (zh, en),
    };
    lang.sentence(&zh, &en)
}

/// Whole ones, none begun left out.
const fn minutes(left: Duration) -> u64 {
    left.as_secs().div_ceil(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is_is_told_in_each_language() {
        let begun = Remeasuring { done: 0, total: 9, left: None };
        let on_the_way = Remeasuring { done: 2, total: 9, left: Some(Duration::from_secs(61)) };
        assert_eq!(progress(Lang::Zh, begun), "重新测量：0 / 9 张照片");
        assert_eq!(progress(Lang::Zh, on_the_way), "重新测量：2 / 9 张照片，约剩 2 分钟");
        assert_eq!(progress(Lang::Hant, on_the_way), "重新測量：2 / 9 張照片，約剩 2 分鐘");
        assert_eq!(progress(Lang::En, on_the_way), "Measured again: 2 of 9 photographs, about 2 min left");
    }
}

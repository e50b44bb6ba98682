//! What headquarters has rolled out to this gateway, in a small table on the technician's page.

use crate::{
    report::Lang,
    tasks::packages::{Holding, Slot, Stand},
    web::AppState,
};

/// One package.
#[derive(Debug)]
pub(super) struct Line {
    pub what: String,
    pub version: u64,
    pub stand: &'static str,
    /// How a model does; empty elsewhere.
    pub health: String,
    /// Why it is not used, as headquarters is told: in the words of whoever made it.
    pub reason: String,
}

/// `None` where no packages are taken.
pub(super) fn lines(state: &AppState, lang: Lang) -> Option<Vec<Line>> {
    Some(state.packages.as_ref()?.held().into_iter().map(|one| line(lang, one)).collect())
}

fn line(lang: Lang, one: Holding) -> Line {
    let Holding { slot, version, stand, reason, measured, failed } = one;
    let what = match slot {
        Slot::Model(id) => format!("{} {id}", lang.pick("测量模型", "model")),
        Slot::Suggestions => lang.pick("建议规则", "suggestions").to_owned(),
        Slot::Treatments => lang.pick("护理项目", "treatments").to_owned(),
        Slot::Settings => lang.pick("门店设置", "settings").to_owned(),
    };
    let stand = match stand {
        Stand::Used => lang.pick("使用中", "in use"),
        Stand::Held => lang.pick("空闲时启用", "used once nobody is at work"),
        Stand::Refused => lang.pick("未采用", "not used"),
        Stand::Left => lang.pick("总部已撤回", "withdrawn"),
    };
    let health = measured.zip(failed).map_or_else(String::new, |(measured, failed)| {
        let zh = format!("已测照片 {measured} 张，失败 {failed} 张");
        lang.sentence(&zh, &format!("{measured} photographs measured, {failed} failed"))
    });
    Line { what, version, stand, health, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_told_in_each_language() {
        let one = || Holding {
            slot: Slot::Model("pores".to_owned()),
            version: 3,
            stand: Stand::Used,
            reason: String::new(),
            measured: Some(40),
            failed: Some(1),
        };
        let told = |lang| {
            let Line { what, version, stand, health, reason: _ } = line(lang, one());
            format!("{what} {version} {stand} {health}")
        };
        assert_eq!(told(Lang::Zh), "测量模型 pores 3 使用中 已测照片 40 张，失败 1 张");
        assert_eq!(told(Lang::Hant), "測量模型 pores 3 使用中 已測照片 40 張，失敗 1 張");
        assert_eq!(told(Lang::En), "model pores 3 in use 40 photographs measured, 1 failed");
    }
}

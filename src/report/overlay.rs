//! What is said with the pictures of a pair: that the two were laid onto each other, or why not, and what the marks in a picture
//! of change mean. The colours are those that [`crate::analysis`] draws with; lost and gained differ in shape too.

use super::lang::{self, Lang};
use crate::domain::comparison::{Drawn, Refusal};

/// One sign of a picture and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// SVG.
    pub sign: &'static str,
    pub words: &'static str,
}

/// What only the before photograph shows.
pub const LOST: &str = r##"<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="6.5" fill="none" stroke="#0054B4" stroke-width="3"/></svg>"##;
/// What only the after photograph shows.
pub const GAINED: &str =
    r##"<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="6.5" fill="#DE6400"/></svg>"##;
/// What both show.
pub const STAYED: &str = r##"<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="9" fill="#8A8F8B"/><circle cx="10" cy="10" r="3.2" fill="#FAFAFA"/></svg>"##;
const LESS: &str = r##"<svg viewBox="0 0 20 20" aria-hidden="true"><rect x="2" y="4" width="16" height="12" rx="3" fill="#0054B4" fill-opacity=".75"/></svg>"##;
const MORE: &str = r##"<svg viewBox="0 0 20 20" aria-hidden="true"><rect x="2" y="4" width="16" height="12" rx="3" fill="#DE6400" fill-opacity=".75"/></svg>"##;

/// What the signs of a picture of change mean.
#[must_use]
pub fn key(lang: Lang, drawn: Drawn) -> Vec<Key> {
    match drawn {
        Drawn::Marks => vec![
            Key {
                sign: LOST,
                words: lang.pick("蓝色圆环：护理前有，护理后没有", "blue open ring: there before, not after"),
            },
            Key {
                sign: GAINED, words: lang.pick("橙色圆点：护理后新出现", "orange disc: there after, not before")
            },
            Key { sign: STAYED, words: lang.pick("浅色小点：前后都有", "pale dot: there both times") },
        ],
        Drawn::Tint => vec![
            Key { sign: LESS, words: lang.pick("蓝色：护理后较弱", "blue: weaker after") },
            Key { sign: MORE, words: lang.pick("橙色：护理后较强", "orange: stronger after") },
        ],
    }
}

/// Stands with every picture of change.
#[must_use]
pub fn no_verdict(lang: Lang) -> &'static str {
    lang.pick(
        "单个标记不等于变化：没有变化的皮肤重拍一次，也会出现几个标记。是否真有变化，以该指标的结论为准。",
        "A mark alone is no change: skin that did not change shows some too when it is photographed again. Whether it really changed is said in the row of that metric.",
    )
}

/// Of two photographs that are shown laid onto each other.
#[must_use]
pub fn aligned(lang: Lang) -> &'static str {
    lang.pick(
        "已对齐，曝光一致：护理后的照片按护理前的位置和亮度放好，其余未经修饰",
        "Aligned, same exposure: the later photograph is laid onto the earlier one and brought to its brightness, otherwise not retouched",
    )
}

/// Of two photographs that are shown as taken, since they could not be laid onto each other.
#[must_use]
pub fn not_aligned(lang: Lang, refusal: Refusal) -> String {
    let why = lang::refusal(lang, refusal);
    match lang {
        Lang::Zh | Lang::Hant => lang.sentence(&format!("按拍摄原样展示，没有对齐：{why}"), ""),
        Lang::En => format!("Shown as taken, not aligned: {why}"),
    }
}

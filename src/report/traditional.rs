//! Traditional Chinese. Wordings stand in one table by their simplified form (`traditional_words`): made with OpenCC's
//! phrases for Taiwan, read through and mended by hand; a test walks sources, templates and shipped files and fails on a
//! wording that is missing. A sentence that is put together at run time (a number, a device's own advice) is turned character
//! by character with the characters those wordings use.
//!
//! Not for names: 里 stays 里 in whoever's name it stands.

use super::{
    traditional_manager::MANAGER,
    traditional_mirror::MIRROR,
    traditional_more::MORE,
    traditional_office::OFFICE,
    traditional_orders::ORDERS,
    traditional_packages::PACKAGES,
    traditional_papers::PAPERS,
    traditional_reports::REPORTS,
    traditional_rollouts::ROLLOUTS,
    traditional_station::STATION,
    traditional_words::{CHARACTERS, WORDS},
};
use std::{collections::HashMap, sync::LazyLock};

static SAID: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| tables().copied().collect());

static TURNED: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let all: Vec<char> = CHARACTERS.chars().collect();
    all.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
});

/// The traditional wording; `None` where the table has none.
#[must_use]
pub fn of(zh: &str) -> Option<&'static str> {
    SAID.get(zh).copied()
}

fn tables() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    WORDS
        .iter()
        .chain(MORE)
        .chain(PAPERS)
        .chain(REPORTS)
        .chain(STATION)
        .chain(MANAGER)
        .chain(MIRROR)
        .chain(OFFICE)
        .chain(ORDERS)
        .chain(ROLLOUTS)
        .chain(PACKAGES)
}

/// Every wording of the table, by its simplified form.
pub fn wordings() -> impl Iterator<Item = &'static str> {
    tables().map(|(zh, _)| *zh)
}

/// A sentence that was put together.
#[must_use]
pub fn sentence(zh: &str) -> String {
    of(zh).map_or_else(|| zh.chars().map(|c| TURNED.get(&c).copied().unwrap_or(c)).collect(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_each_thing_once_and_a_sentence_is_turned_once() {
        let mut known: Vec<&str> = wordings().collect();
        let all = known.len();
        known.sort_unstable();
        known.dedup();
        assert_eq!(known.len(), all, "a wording stands twice");
        let turned = sentence("测量中断 3 次，请重新连接仪器");
        assert_eq!(turned, "測量中斷 3 次，請重新連接儀器");
        assert_eq!(sentence(&turned), turned);
    }
}

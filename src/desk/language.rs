//! In which language an answer is: as the address says, else as the browser asks, else Chinese in simplified characters.

use super::Asked;
use crate::{domain::word::words, report::Lang};
use axum::http::{HeaderMap, header};

words! {
    /// A language of the desk.
    pub enum Tongue as "language" { Hans = "zh", Hant = "hant", En = "en" }
}

impl Tongue {
    /// What the house writes it in.
    pub const fn lang(self) -> Lang {
        match self {
            Self::Hans => Lang::Zh,
            Self::Hant => Lang::Hant,
            Self::En => Lang::En,
        }
    }

    /// For the `lang` attribute of a page.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Hans => "zh-Hans",
            Self::Hant => "zh-Hant",
            Self::En => "en",
        }
    }

    /// As its readers know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hans => "简",
            Self::Hant => "繁",
            Self::En => "EN",
        }
    }
}

pub(super) fn of(asked: &Asked, headers: &HeaderMap) -> Tongue {
    if let Some(tongue) = asked.lang.as_deref().and_then(|word| word.parse().ok()) {
        return tongue;
    }
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // In the browser's own order, which is that of its weights.
    accepted.split(',').find_map(|tag| known(tag.split(';').next().unwrap_or_default().trim())).unwrap_or(Tongue::Hans)
}

fn known(tag: &str) -> Option<Tongue> {
    let tag = tag.to_ascii_lowercase();
    let mut parts = tag.split('-');
    match parts.next() {
        Some("zh") if parts.any(|part| matches!(part, "hant" | "tw" | "hk" | "mo")) => Some(Tongue::Hant),
        Some("zh") => Some(Tongue::Hans),
        Some("en") => Some(Tongue::En),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_address_wins_then_the_browser_then_chinese() {
        let headers =
            |text: &'static str| HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static(text))]);
        let asked = |word: Option<&str>| Asked { lang: word.map(str::to_owned) };
        assert_eq!(of(&asked(Some("en")), &headers("zh-CN,zh;q=0.9")), Tongue::En);
        assert_eq!(of(&asked(Some("xx")), &headers("en-GB,en;q=0.8,zh;q=0.5")), Tongue::En);
        assert_eq!(of(&asked(None), &headers("fr,zh-CN;q=0.5")), Tongue::Hans);
        assert_eq!(of(&asked(None), &headers("zh-TW,zh;q=0.5")), Tongue::Hant);
        assert_eq!(of(&asked(None), &headers("zh-Hant-HK,en")), Tongue::Hant);
        assert_eq!(of(&asked(None), &headers("fr")), Tongue::Hans);
        assert_eq!(of(&asked(None), &HeaderMap::new()), Tongue::Hans);
    }
}

//! Days as people read them. `11/21` and `01/21` can be read two ways; a month's name or its character cannot.

use super::lang::Lang;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Year, month and day of a text that begins with `2026-12-05`.
fn parts(text: &str) -> Option<(&str, usize, u8)> {
    let day = text.get(..10)?;
    let mut parts = day.split('-');
    let (year, month, of_month) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let sound = year.len() == 4 && (1..=12).contains(&month) && (1..=31).contains(&of_month);
    sound.then_some((year, month, of_month))
}

/// `2026年12月5日`, `5 December 2026`; what is no day, as it is.
#[must_use]
pub fn long(lang: Lang, text: &str) -> String {
    let Some((year, month, day)) = parts(text) else { return text.to_owned() };
    match lang {
        Lang::Zh | Lang::Hant => format!("{year}年{month}月{day}日"),
        Lang::En => format!("{day} {} {year}", MONTHS[month - 1]),
    }
}

/// `12月5日`, `5 Dec`; empty for what is no day.
#[must_use]
pub fn short(lang: Lang, text: &str) -> String {
    let Some((_, month, day)) = parts(text) else { return String::new() };
    match lang {
        Lang::Zh | Lang::Hant => format!("{month}月{day}日"),
        Lang::En => format!("{day} {}", &MONTHS[month - 1][..3]),
    }
}

/// `2026`; empty for what is no day.
#[must_use]
pub fn year(text: &str) -> &str {
    parts(text).map_or("", |(year, _, _)| year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_one_way_and_what_is_none_stays_as_it_is() {
        assert_eq!(long(Lang::Zh, "2026-12-05"), "2026年12月5日");
        assert_eq!(long(Lang::En, "2026-12-05T23:30:00.000+08:00"), "5 December 2026");
        assert_eq!(
            (short(Lang::Hant, "2026-01-21"), short(Lang::En, "2026-01-21")),
            ("1月21日".into(), "21 Jan".into())
        );
        assert_eq!(
            (long(Lang::En, "soon"), short(Lang::En, "2026-13-05"), year("2026-02-03")),
            ("soon".into(), String::new(), "2026")
        );
    }
}

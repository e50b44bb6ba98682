//! The service log as a table for a spreadsheet: a line for each visit, and the sum of the lines below them. RFC 4180 in UTF-8 with
//! the mark by which spreadsheets know it.

use super::lang::Lang;
use crate::domain::{
    Timestamp, Zone,
    metric::Label,
    service_log::{Done, Served, Totals, total},
    treatment::{Noted, Used},
    visit::VisitState,
};

/// By it a spreadsheet knows that Chinese is meant.
const MARK: &str = "\u{feff}";

/// The log of a day as CSV. `zone`: by whose clocks times are written; `products`: names of products in the house's languages.
#[must_use]
pub fn csv(lang: Lang, log: &[Served], zone: &Zone, products: &[Label]) -> String {
    let lines = log.iter().map(|one| line(lang, one, zone, products));
    let all = std::iter::once(head(lang)).chain(lines).chain([sum(lang, &total(log))]);
    let text: Vec<String> =
        all.map(|cells| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",")).collect();
    format!("{MARK}{}\r\n", text.join("\r\n"))
}

fn head(lang: Lang) -> Vec<String> {
    let t = |zh, en| lang.pick(zh, en).to_owned();
    vec![
        t("开始", "opened"),
        t("结束", "closed"),
        t("状态", "state"),
        t("顾客", "customer"),
        t("护理位", "chair"),
        t("美容师", "beautician"),
        t("护理方案", "Treatment"),
        t("步骤", "steps"),
        t("产品", "products"),
        t("到店次数", "visits"),
        t("分钟", "minutes"),
        t("步骤数", "number of steps"),
        t("产品数", "number of products"),
        t("读数", "readings"),
        t("照片", "photographs"),
        t("评分", "stars"),
        t("护理前签名", "signed before"),
        t("护理后签名", "signed after"),
        t("报告已发", "report delivered"),
    ]
}

fn line(lang: Lang, of: &Served, zone: &Zone, products: &[Label]) -> Vec<String> {
    let clock = |at: Timestamp| format!("{} {}", zone.day(at), clock(zone, at));
    let steps: Vec<String> = of.steps.iter().map(|done| step(lang, done, zone, products)).collect();
    let used: Vec<String> = of.products().map(|used| product(lang, used, products)).collect();
    let mut cells = vec![
        clock(of.opened),
        of.closed.map_or_else(String::new, clock),
        state(lang, of.state).to_owned(),
        of.customer.clone(),
        of.station.clone(),
        of.beautician.clone(),
        of.treatment.clone(),
        steps.join(lang.pick("；", "; ")),
        used.join(lang.pick("；", "; ")),
    ];
    cells.extend(numbers(&of.totals()));
    cells
}

fn sum(lang: Lang, totals: &Totals) -> Vec<String> {
    let mut cells = vec![lang.pick("合计", "sum").to_owned()];
    cells.resize(9, String::new());
    cells.extend(numbers(totals));
    cells
}

/// The same for a visit and for a day. Stars as their mean; empty where nobody gave any.
fn numbers(of: &Totals) -> [String; 10] {
    let used: u32 = of.products.values().sum();
    let stars = mean(of).unwrap_or_default();
    let number = |n: u32| n.to_string();
    let before = [of.visits, of.minutes, of.steps, used, of.readings, of.photographs].map(number);
    let after = [of.signed_before, of.signed_after, of.reported].map(number);
    let [visits, minutes, steps, used, readings, photographs] = before;
    let [signed_before, signed_after, reported] = after;
    [visits, minutes, steps, used, readings, photographs, stars, signed_before, signed_after, reported]
}

/// The mean of the stars with one decimal; `None` where nobody gave any.
#[must_use]
pub fn mean(of: &Totals) -> Option<String> {
    (of.rated > 0).then(|| format!("{:.1}", f64::from(of.stars) / f64::from(of.rated)))
}

#[must_use]
pub fn state(lang: Lang, state: VisitState) -> &'static str {
    match state {
        VisitState::Open => lang.pick("进行中", "open"),
        VisitState::Closed => lang.pick("已结束", "closed"),
        VisitState::Voided => lang.pick("已作废", "voided"),
    }
}

/// Hours and minutes by the salon's clocks.
#[must_use]
pub fn clock(zone: &Zone, at: Timestamp) -> String {
    let (hour, minute) = zone.clock(at);
    format!("{hour:02}:{minute:02}")
}

/// `14:02 serum (level 3, T-zone only)`
fn step(lang: Lang, done: &Done, zone: &Zone, products: &[Label]) -> String {
    let how = noted(lang, &done.noted, products);
    let at = clock(zone, done.at);
    if how.is_empty() { format!("{at} {}", done.step) } else { format!("{at} {} ({how})", done.step) }
}

/// What was noted of a step in one line; `products`: names of products in the house's languages.
#[must_use]
pub fn noted(lang: Lang, noted: &Noted, products: &[Label]) -> String {
    let Noted { level, setting, products: used, remark } = noted;
    let level = level.map(|level| lang.sentence(&format!("{level} 档"), &format!("level {level}")));
    let mut parts: Vec<String> = level.into_iter().chain([setting.clone()]).collect();
    parts.extend(used.iter().map(|used| product(lang, used, products)));
    parts.push(remark.clone());
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// A product with its batch.
#[must_use]
pub fn product(lang: Lang, used: &Used, products: &[Label]) -> String {
    let Used { product, batch } = used;
    let name = products.iter().find(|known| known.zh == *product).map_or(product.as_str(), |known| lang.label(known));
    match (batch.as_str(), lang) {
        ("", _) => name.to_owned(),
        (batch, Lang::En) => format!("{name} (batch {batch})"),
        (batch, _) => format!("{name}（{} {batch}）", lang.pick("批号", "batch")),
    }
}

/// A cell as a spreadsheet takes it. What a person typed is never a formula.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service_log::tests::{Dice, day};

    /// A reader of its own: what a spreadsheet makes of the text.
    fn read(text: &str) -> Vec<Vec<String>> {
        let text = text.strip_prefix(MARK).expect("marked");
        let (mut lines, mut cells, mut cell, mut inside) = (Vec::new(), Vec::new(), String::new(), false);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if inside && chars.peek() == Some(&'"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' => inside = !inside,
                ',' if !inside => cells.push(std::mem::take(&mut cell)),
                '\r' if !inside => {}
                '\n' if !inside => {
                    cells.push(std::mem::take(&mut cell));
                    lines.push(std::mem::take(&mut cells));
                }
                c => cell.push(c),
            }
        }
        assert!(cell.is_empty() && cells.is_empty() && !inside, "it ends with a whole line");
        lines
    }

    /// Whatever a day brings, read back from the file: the last line is the sum of the lines above it.
    #[test]
    fn the_last_line_is_the_sum_of_the_lines_above() {
        let mut dice = Dice(11);
        for round in 0..500 {
            let log = day(&mut dice);
            let lang = Lang::ALL[round % 3];
            let lines = read(&csv(lang, &log, &Zone::UTC, &[]));
            assert_eq!(lines.len(), log.len() + 2);
            assert!(lines.iter().all(|cells| cells.len() == 19), "{lines:?}");
            let (last, visits) = (&lines[lines.len() - 1], &lines[1..lines.len() - 1]);
            for column in (9..19).filter(|column| *column != 15) {
                let number = |cells: &Vec<String>| cells[column].parse::<u32>().expect("a number");
                assert_eq!(visits.iter().map(number).sum::<u32>(), number(last), "{}", lines[0][column]);
            }
            let stars: Vec<f64> = visits.iter().filter_map(|cells| cells[15].parse().ok()).collect();
            let mean = if stars.is_empty() {
                String::new()
            } else {
                format!("{:.1}", stars.iter().sum::<f64>() / stars.len() as f64)
            };
            assert_eq!(last[15], mean);
            for (cells, one) in visits.iter().zip(&log) {
                assert_eq!(cells[3].trim_start_matches('\''), one.customer);
            }
        }
    }

    #[test]
    fn what_a_person_typed_is_no_formula() {
        assert_eq!([quoted("=1+1"), quoted("@x"), quoted("-2"), quoted("+86 138")], ["'=1+1", "'@x", "-2", "'+86 138"]);
        assert_eq!([quoted("a, \"b\""), quoted("面膜\n二"), quoted("")], ["\"a, \"\"b\"\"\"", "\"面膜\n二\"", ""]);
    }

    #[test]
    fn a_step_says_how_it_was_done() {
        let products = [Label { zh: "玻尿酸精华".to_owned(), en: "hyaluronic serum".to_owned() }];
        let used = Used { product: "玻尿酸精华".to_owned(), batch: "H1".to_owned() };
        let noted =
            Noted { level: Some(3), setting: "1 MHz".to_owned(), products: vec![used], remark: "T-zone".to_owned() };
        let at = "2026-11-28T06:02:00.000Z".parse().expect("a time");
        let done = Done { step: "serum".to_owned(), at, staff: String::new(), noted };
        let zone = "CST-8".parse().expect("a rule");
        let said = step(Lang::En, &done, &zone, &products);
        assert_eq!(said, "14:02 serum (level 3 · 1 MHz · hyaluronic serum (batch H1) · T-zone)");
        assert_eq!(step(Lang::Zh, &Done { noted: Noted::default(), ..done }, &zone, &products), "14:02 serum");
    }
}

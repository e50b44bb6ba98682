//! The service sheet on a chair's screen: the steps of a treatment, what was done when and by whom, and how.

use super::refused;
use crate::{
    domain::{
        metric::Label,
        scan::Phase,
        sheet::Sheet,
        treatment::{self, Noted, Step, Treatment, Used},
    },
    report::{Lang, log},
    store::{Signed, StepNote, Tick, VisitView},
    web::{AppState, error::WebError},
};
use std::collections::BTreeMap;

/// What the panel of the care shows.
#[derive(Debug)]
pub struct CarePanel {
    pub treatments: Vec<Choice>,
    pub presets: Vec<Preset>,
    pub done: Vec<Done>,
    /// When the customer signed; empty: not yet.
    pub signed_before: String,
    pub signed_after: String,
}

/// A treatment to choose.
#[derive(Debug)]
pub struct Choice {
    pub id: String,
    pub name: String,
    pub here: bool,
}

/// A step to tick.
#[derive(Debug)]
pub struct Preset {
    /// As it is kept, in whatever language it was ticked.
    pub step: String,
    pub text: String,
    pub done: bool,
}

/// A step that was done, and what may be noted of it.
#[derive(Debug)]
pub struct Done {
    pub step: String,
    /// The same as the end of an element's id.
    pub key: String,
    pub at: String,
    /// Whoever ticked it, by name.
    pub by: String,
    /// What was noted, in one line.
    pub summary: String,
    pub device: String,
    pub levels: Vec<(u8, bool)>,
    pub no_level: bool,
    pub setting: String,
    pub products: Vec<Product>,
    pub remark: String,
    pub remarks: Vec<String>,
}

/// A product to tick, with the batch that is open on the shelf.
#[derive(Debug)]
pub struct Product {
    /// As it is kept, whatever the language of the page.
    pub kept: String,
    pub name: String,
    pub batch: String,
    pub chosen: bool,
}

impl CarePanel {
    /// What another tablet may have changed here, in short lines.
    pub fn told(&self, lang: Lang) -> Vec<String> {
        let colon = lang.pick("：", ": ");
        let here = self.treatments.iter().filter(|one| one.here);
        let here = here.map(|one| format!("{}{colon}{}", lang.pick("护理方案", "Treatment"), one.name));
        let noted = self.done.iter().filter(|done| !done.summary.is_empty());
        here.chain(noted.map(|done| format!("{}{colon}{}", done.step, done.summary))).collect()
    }
}

/// All that is known of the steps of a visit.
struct Known {
    ticks: Vec<Tick>,
    notes: Vec<StepNote>,
    signed: Vec<Signed>,
    batches: BTreeMap<String, String>,
    /// Staff numbers and names.
    people: BTreeMap<String, String>,
    service: String,
}

pub async fn panel(state: &AppState, lang: Lang, view: &VisitView, sheet: &Sheet) -> Result<CarePanel, WebError> {
    let (store, visit) = (&state.store, view.visit.id);
    let people = store.people().await.map_err(|fault| refused::store(&fault))?;
    let known = Known {
        ticks: store.ticks(visit).await.map_err(|fault| refused::store(&fault))?,
        notes: store.step_notes(visit).await.map_err(|fault| refused::store(&fault))?,
        signed: store.signed(visit).await.map_err(|fault| refused::store(&fault))?,
        batches: store.batches().await.map_err(|fault| refused::store(&fault))?,
        people: people.into_iter().map(|person| (person.id, person.name)).collect(),
        service: store.booked_service(visit).await.map_err(|fault| refused::store(&fault))?,
    };
    Ok(drawn(lang, &state.about.treatments, &sheet.treatment, &view.visit.steps, known))
}

fn drawn(lang: Lang, treatments: &[Treatment], chosen: &str, steps: &[String], known: Known) -> CarePanel {
    let Known { ticks, notes, signed, batches, people, service } = known;
    let here = treatment::fitting(treatments, chosen, &service);
    let choice = |one: &Treatment| Choice {
        id: one.id.clone(),
        name: lang.label(&one.name).to_owned(),
        here: here.is_some_and(|here| here.id == one.id),
    };
    let preset = |step: &Step| {
        let ticked = steps.iter().find(|done| means(&step.name, done));
        let text = lang.label(&step.name).to_owned();
        Preset { step: ticked.unwrap_or(&text).clone(), text: text.clone(), done: ticked.is_some() }
    };
    let own = |name: &str| {
        let of = |one: &'_ Treatment| one.steps.iter().find(|step| means(&step.name, name)).cloned();
        here.and_then(of).or_else(|| treatments.iter().find_map(of))
    };
    let done = ticks.into_iter().map(|tick| {
        let noted = notes.iter().find(|note| note.step == tick.step).map(|note| note.noted.clone()).unwrap_or_default();
        let by = people.get(&tick.staff).cloned().unwrap_or_default();
        one_done(lang, tick, by, own, noted, &batches)
    });
    let when = |phase| signed.iter().find(|one| one.phase == phase).map_or_else(String::new, |one| one.at.to_string());
    CarePanel {
        treatments: treatments.iter().map(choice).collect(),
        presets: here.iter().flat_map(|here| &here.steps).map(preset).collect(),
        done: done.collect(),
        signed_before: when(Phase::Before),
        signed_after: when(Phase::After),
    }
}

fn one_done(
    lang: Lang,
    tick: Tick,
    by: String,
    own: impl Fn(&str) -> Option<Step>,
    noted: Noted,
    batches: &BTreeMap<String, String>,
) -> Done {
    let step = own(&tick.step);
    let offered = step.as_ref().map_or(&[][..], |step| step.products.as_slice());
    let summary = log::noted(lang, &noted, offered);
    let Noted { level, setting, products, remark } = noted;
    let levels = (1..=step.as_ref().map_or(0, |step| step.levels)).map(|n| (n, level == Some(n))).collect();
    Done {
        key: tick.step.replace(char::is_whitespace, "_"),
        step: tick.step,
        at: tick.at.to_string(),
        by,
        summary,
        device: step
            .as_ref()
            .and_then(|step| step.device.as_ref())
            .map_or_else(String::new, |d| lang.label(d).to_owned()),
        levels,
        no_level: level.is_none(),
        setting,
        products: choices(lang, offered, products, batches),
        remark,
        remarks: step.iter().flat_map(|step| &step.remarks).map(|words| lang.label(words).to_owned()).collect(),
    }
}

/// What the file offers, then what was noted beside it.
fn choices(lang: Lang, offered: &[Label], noted: Vec<Used>, batches: &BTreeMap<String, String>) -> Vec<Product> {
    let offer = |product: &Label| {
        let used = noted.iter().find(|used| used.product == product.zh);
        let open = || batches.get(&product.zh).cloned().unwrap_or_default();
        Product {
            kept: product.zh.clone(),
            name: lang.label(product).to_owned(),
            batch: used.map_or_else(open, |used| used.batch.clone()),
            chosen: used.is_some(),
        }
    };
    let mut rows: Vec<Product> = offered.iter().map(offer).collect();
    let others = noted.into_iter().filter(|used| offered.iter().all(|product| product.zh != used.product));
    rows.extend(others.map(|Used { product, batch }| Product {
        name: product.clone(),
        kept: product,
        batch,
        chosen: true,
    }));
    rows
}

/// Whether a text is that name, in any language of the house.
fn means(name: &Label, text: &str) -> bool {
    [Lang::Zh, Lang::Hant, Lang::En].iter().any(|lang| lang.label(name) == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn label(zh: &str, en: &str) -> Label {
        Label { zh: zh.to_owned(), en: en.to_owned() }
    }

    fn file() -> Vec<Treatment> {
        let step = |zh, en, levels, products| Step {
            id: String::new(),
            name: label(zh, en),
            device: (levels > 0).then(|| label("导入仪", "infuser")),
            levels,
            products,
            remarks: Vec::new(),
        };
        let serum = step("精华导入", "serum", 3, vec![label("玻尿酸精华", "hyaluronic serum")]);
        let cleansing = step("清洁", "cleansing", 0, Vec::new());
        let treatment =
            |id: &str, steps| Treatment { id: id.to_owned(), name: label(id, id), services: Vec::new(), steps };
        vec![treatment("a", vec![cleansing]), treatment("b", vec![serum])]
    }

    fn known(steps: &[&str], notes: Vec<StepNote>) -> Known {
        let tick =
            |step: &&str| Tick { step: (*step).to_owned(), at: Timestamp::from_unix_ms(0), staff: "b-07".to_owned() };
        Known {
            ticks: steps.iter().map(tick).collect(),
            notes,
            signed: vec![Signed { phase: Phase::After, at: Timestamp::from_unix_ms(0) }],
            batches: [("玻尿酸精华".to_owned(), "H1".to_owned())].into(),
            people: [("b-07".to_owned(), "苏晴".to_owned())].into(),
            service: String::new(),
        }
    }

    #[test]
    fn a_step_ticked_in_one_language_is_done_in_every_other() {
        let steps = ["serum".to_owned()];
        let panel = drawn(Lang::Zh, &file(), "b", &steps, known(&["serum"], Vec::new()));
        let preset = &panel.presets[0];
        assert_eq!((preset.text.as_str(), preset.step.as_str(), preset.done), ("精华导入", "serum", true));
        assert_eq!(
            (panel.done[0].device.as_str(), panel.done[0].levels.len(), panel.done[0].by.as_str()),
            ("导入仪", 3, "苏晴")
        );
        assert!(panel.signed_before.is_empty() && !panel.signed_after.is_empty());
        assert_eq!(panel.treatments.iter().map(|one| one.here).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn the_open_batch_is_filled_in_and_what_was_noted_stands() {
        let steps = ["精华导入".to_owned(), "自带精油".to_owned()];
        let fresh = drawn(Lang::En, &file(), "", &steps, known(&["精华导入", "自带精油"], Vec::new()));
        assert_eq!(
            fresh.done[0].products.iter().map(|p| (p.batch.as_str(), p.chosen)).collect::<Vec<_>>(),
            [("H1", false)]
        );
        assert!(fresh.done[1].levels.is_empty() && fresh.done[1].products.is_empty(), "a step of her own");
        let used = |product: &str, batch: &str| Used { product: product.to_owned(), batch: batch.to_owned() };
        let noted = Noted {
            level: Some(2),
            setting: String::new(),
            products: vec![used("玻尿酸精华", "H2"), used("玫瑰精油", "")],
            remark: "T-zone only".to_owned(),
        };
        let note = StepNote { step: "精华导入".to_owned(), noted };
        let later = drawn(Lang::En, &file(), "", &steps, known(&["精华导入"], vec![note]));
        let done = &later.done[0];
        assert_eq!(done.summary, "level 2 · hyaluronic serum (batch H2) · 玫瑰精油 · T-zone only");
        assert_eq!(done.levels, [(1, false), (2, true), (3, false)]);
        let rows: Vec<_> = done.products.iter().map(|p| (p.kept.as_str(), p.batch.as_str(), p.chosen)).collect();
        assert_eq!(rows, [("玻尿酸精华", "H2", true), ("玫瑰精油", "", true)]);
    }
}

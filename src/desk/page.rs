//! The pages of the desk. Style and script stand in the page itself: one answer, nothing else to wait for, and a page that was
//! kept still looks as it did.

use super::{Opened, Said, language::Tongue};
use crate::{
    domain::feedback::Topic,
    report::{
        Lang, chart,
        page::Pill,
        sheet::{Leaf, leaf},
        verdict::Sign,
    },
};
use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use openssl::rand::rand_bytes;

pub(super) const STYLE: &str = include_str!("../../templates/r/style.css");
pub(super) const SCRIPT: &str = include_str!("../../templates/r/script.js");

#[derive(Template)]
#[template(path = "r/report.html")]
struct Report<'a> {
    tongue: Tongue,
    tongues: &'static [Tongue],
    lang: Lang,
    style: &'static str,
    script: &'static str,
    token: &'a str,
    leaf: Leaf,
    legend: Vec<Pill>,
    before_sign: String,
    band_sign: String,
    expires: String,
    /// Makes a form sent twice one.
    once: String,
}

#[derive(Template)]
#[template(path = "r/word.html")]
struct Word<'a> {
    tongue: Tongue,
    lang: Lang,
    style: &'static str,
    title: &'a str,
    lines: Vec<String>,
    /// Where to go from here; empty: nowhere.
    back: String,
}

impl Report<'_> {
    fn t<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        self.lang.pick(zh, en)
    }
}

/// The report itself.
pub(super) fn report(tongue: Tongue, token: &str, opened: &Opened) -> Response {
    let lang = tongue.lang();
    let leaf = leaf(lang, &opened.sheet);
    let mut once = [0_u8; 8];
    rand_bytes(&mut once).expect("the system's randomness is available after boot");
    let expires = opened.expires.to_string();
    let template = Report {
        tongue,
        tongues: Tongue::ALL,
        lang,
        style: STYLE,
        script: SCRIPT,
        token,
        legend: legend(lang, &leaf),
        before_sign: chart::before_sign(),
        band_sign: chart::band_sign(),
        expires: expires.get(..10).unwrap_or_default().to_owned(),
        once: hex::encode(once),
        leaf,
    };
    html(tongue, &template)
}

/// Only the signs that stand on this page.
fn legend(lang: Lang, leaf: &Leaf) -> Vec<Pill> {
    let shown = |sign: &Sign| leaf.page.groups.iter().flat_map(|g| &g.rows).any(|row| row.verdict.class == sign.word());
    let words = |sign: Sign| match sign {
        Sign::Better => lang.pick("护理后：有改善", "after: improved"),
        Sign::Worse => lang.pick("护理后：有下滑", "after: worsened"),
        Sign::Changed => lang.pick("护理后：有变化", "after: changed"),
        Sign::Same => lang.pick("护理后：无可测变化", "after: no measurable change"),
        Sign::Refused => lang.pick("未比较", "not compared"),
    };
    let pill = |sign: Sign| Pill { class: sign.word(), sign: chart::sign(sign), words: words(sign).to_owned() };
    Sign::ALL.into_iter().filter(shown).map(pill).collect()
}

/// For every token that opens nothing, and every other address.
pub(super) fn dead(tongue: Tongue) -> Response {
    let lang = tongue.lang();
    let title = lang.pick("这份报告打不开", "This report cannot be opened");
    let line = lang.pick(
        "链接可能已过期、已收回，或者没有抄全。需要的话，请向门店索取新的链接。",
        "The link may have run out or been withdrawn, or not all of it was copied. The salon can give you a new one.",
    );
    word(tongue, title, vec![line.to_owned()], String::new())
}

/// For whoever asked in vain too often.
pub(super) fn wait(tongue: Tongue) -> Response {
    let lang = tongue.lang();
    let title = lang.pick("请稍等片刻", "One moment, please");
    let line =
        lang.pick("刚才的请求太多，请半分钟后再试。", "There were too many requests; try again in half a minute.");
    word(tongue, title, vec![line.to_owned()], String::new())
}

/// While the records cannot be read.
pub(super) fn away(tongue: Tongue) -> Response {
    let lang = tongue.lang();
    let title = lang.pick("报告暂时打不开", "The report cannot be shown just now");
    let line = lang
        .pick("连接恢复后就能打开，请过一会儿再试。", "It is ready as soon as we are connected; try again in a while.");
    word(tongue, title, vec![line.to_owned()], String::new())
}

/// A form without anything in it.
pub(super) fn nothing_said(tongue: Tongue, token: &str) -> Response {
    let lang = tongue.lang();
    let title = lang.pick("还没有填写内容", "Nothing was filled in");
    let line = lang.pick("请选择星级、写几个字，或勾选一项。", "Choose some stars, write a few words, or tick a box.");
    word(tongue, title, vec![line.to_owned()], back(tongue, token))
}

/// What was heard, and what happens now.
pub(super) fn thanks(tongue: Tongue, token: &str, said: &[Said]) -> Response {
    let lang = tongue.lang();
    let title = lang.pick("收到了，谢谢您", "We have it. Thank you");
    let said_it = |topic: Topic| said.iter().any(|one| one.topic == topic);
    let mut lines = Vec::new();
    if said_it(Topic::Visit) || said_it(Topic::Step) {
        lines.push(lang.pick("您的评价已转给门店。", "Your rating goes to the salon."));
    }
    if said_it(Topic::Call) {
        lines.push(lang.pick("门店会给您回电。", "The salon will call you."));
    }
    if said_it(Topic::Unsubscribe) {
        lines.push(lang.pick("门店不会再给您发消息。", "The salon will send you no more messages."));
    }
    if said_it(Topic::Withdraw) {
        lines.push(lang.pick(
            "您的同意已撤回：这份报告已关闭，数据不再共享。",
            "Your consent is withdrawn: this report is closed, and nothing is shared any longer.",
        ));
    }
    if said_it(Topic::MyData) {
        lines.push(lang.pick("门店会把您的资料副本交给您。", "The salon will give you a copy of your data."));
    }
    if said_it(Topic::Erasure) {
        lines.push(lang.pick(
            "门店核对身份后会删除您的全部资料。",
            "Once the salon has made sure that it is you, all of your data is erased.",
        ));
    }
    lines.push(
        lang.pick("24 小时内答复，72 小时内办好。", "You hear from us within 24 hours, and it is done within 72."),
    );
    let back = if said_it(Topic::Withdraw) { String::new() } else { back(tongue, token) };
    word(tongue, title, lines.into_iter().map(str::to_owned).collect(), back)
}

fn back(tongue: Tongue, token: &str) -> String {
    format!("/r/{token}?lang={tongue}")
}

fn word(tongue: Tongue, title: &str, lines: Vec<String>, back: String) -> Response {
    html(tongue, &Word { tongue, lang: tongue.lang(), style: STYLE, title, lines, back })
}

fn html(tongue: Tongue, template: &impl Template) -> Response {
    // Writing into a text cannot fail, and the templates do nothing else.
    Html(tongue.read(template.render().unwrap_or_default())).into_response()
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;

//! The pages of the desk. Style and script stand in the page itself: one answer, nothing else to wait for, and a page that was
//! kept still looks as it did.

use super::{Opened, Said, language::Tongue};
use crate::{
    domain::{feedback::Topic, look::Colour},
    report::{
        Lang, advice, chart, overlay,
        page::Pill,
        paper::{meaning, shown_signs},
        sheet::{Leaf, leaf},
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
    /// The salon's colour in the place of the house's; empty: the house's.
    salon_style: String,
    script: &'static str,
    token: &'a str,
    leaf: Leaf,
    mark: &'static str,
    legend: Vec<Pill>,
    before_sign: String,
    band_sign: String,
    meaning: &'static str,
    /// Stands with what is suggested.
    whose: &'static str,
    /// Stands with each picture of change.
    no_verdict: &'static str,
    /// Whether it can be had as PDF and picture.
    papers: bool,
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
pub(super) fn report(tongue: Tongue, token: &str, opened: &Opened, papers: bool) -> Response {
    let lang = tongue.lang();
    let leaf = leaf(lang, &opened.sheet);
    let mut once = [0_u8; 8];
    rand_bytes(&mut once).expect("the system's randomness is available after boot");
    let expires = opened.expires.to_string();
    let colour = Colour::parse(&opened.sheet.look.colour);
    let salon_style = colour.map_or_else(String::new, |colour| format!(":root{{--jade:{colour}}}"));
    let template = Report {
        tongue,
        tongues: Tongue::ALL,
        lang,
        style: STYLE,
        salon_style: salon_style.clone(),
        script: SCRIPT,
        token,
        mark: chart::LEAF,
        legend: shown_signs(lang, &leaf.page),
        meaning: meaning(lang),
        whose: advice::whose(lang),
        no_verdict: overlay::no_verdict(lang),
        papers,
        before_sign: chart::before_sign(),
        band_sign: chart::band_sign(),
        expires: expires.get(..10).unwrap_or_default().to_owned(),
        once: hex::encode(once),
        leaf,
    };
    let mut answer = html(&template);
    answer.extensions_mut().insert(SalonStyle(salon_style));
    answer
}

/// A second style sheet of one rule, which the policy of its answer has to name.
#[derive(Debug, Clone)]
pub(super) struct SalonStyle(pub String);

/// For every token that opens nothing, and every other address.
pub(super) fn dead(tongue: Tongue) -> Response {
    let lang = tongue.lang();
    let title = lang.pick("这份报告打不开", "This report cannot be opened");
    let line = lang.pick(
        "链接可能已过期、已收回，或者没有抄全。需要的话，请向门店索取新的链接。",
        "The link may have run out or been withdrawn, or not all of it was copied. The salon can give you a new one.",
    );
    let fresh = lang.pick(
        "刚刚拿到的链接：门店一连上网就能打开，请过几分钟再试；着急的话，可以请门店打印。",
        "A link from just now is ready as soon as the salon is connected: try again in a few minutes, or have the report printed \
         there.",
    );
    word(tongue, title, vec![fresh.to_owned(), line.to_owned()], String::new())
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

/// A report that cannot be put on paper.
pub(super) fn no_paper(tongue: Tongue, token: &str) -> Response {
    let lang = tongue.lang();
    let title = lang.pick("暂时做不出这份文件", "This file cannot be made just now");
    let line = lang.pick(
        "页面上的报告是完整的；文件请过一会儿再试，或请门店打印。",
        "The report on the page is whole; try the file again in a while, or ask the salon to print it.",
    );
    word(tongue, title, vec![line.to_owned()], back(tongue, token))
}

/// A form without anything in it.
pub(super) fn nothing_said(tongue: Tongue, token: &str) -> Response {
    let lang = tongue.lang();
    let title = lang.pick("还没有填写内容", "Nothing was filled in");
    let line = lang.pick("请选择星级、写几个字，或勾选一项。", "Choose some stars, write a few words, or tick a box.");
    word(tongue, title, vec![line.to_owned()], back(tongue, token))
}

/// So much was said of this visit that no more is taken.
pub(super) fn full(tongue: Tongue, token: &str) -> Response {
    let title = tongue.lang().pick("这里不能再留言了", "No more can be said here");
    word(tongue, title, vec![no_more(tongue).to_owned()], back(tongue, token))
}

fn no_more(tongue: Tongue) -> &'static str {
    tongue.lang().pick(
        "这次到店收到的留言已经很多，新的没有收下。撤回同意仍可在这里提交；其他的事，请直接联系门店。",
        "A great deal has been said of this visit, and nothing more was taken. Consent can still be withdrawn here; for anything \
         else, please speak to the salon.",
    )
}

/// What was heard, and what happens now: what this program does, and what it hands to a person. `left_out`: only the
/// withdrawal was taken.
pub(super) fn thanks(tongue: Tongue, token: &str, said: &[Said], left_out: bool) -> Response {
    let lang = tongue.lang();
    let title = lang.pick("收到了，谢谢您", "We have it. Thank you");
    let said_it = |topic: Topic| said.iter().any(|one| one.topic == topic);
    let mut lines = Vec::new();
    if said_it(Topic::Visit) || said_it(Topic::Step) {
        lines.push(lang.pick("您的评价已转给门店。", "Your rating goes to the salon."));
    }
    if said_it(Topic::Call) {
        lines.push(lang.pick("门店会看到您希望回电。", "The salon sees that you wish to be called."));
    }
    if said_it(Topic::Unsubscribe) {
        lines.push(lang.pick(
            "门店会看到您不想再收消息；由门店的人来办。",
            "The salon sees that you want no more messages; a person there sees to it.",
        ));
    }
    if said_it(Topic::Withdraw) {
        lines.push(lang.pick(
            "您的同意已撤回：您的报告已关闭，数据不再共享。",
            "Your consent is withdrawn: your reports are closed, and nothing is shared any longer.",
        ));
    }
    if said_it(Topic::MyData) {
        lines.push(lang.pick(
            "门店会看到您要一份自己的资料；由门店的人交给您。",
            "The salon sees that you want a copy of your data; a person there gives it to you.",
        ));
    }
    if said_it(Topic::Erasure) {
        lines.push(lang.pick(
            "门店会看到您要删除全部资料；核对是您本人后由门店删除。",
            "The salon sees that you want all of your data erased; it does so once it has made sure that it is you.",
        ));
    }
    if left_out {
        lines.push(no_more(tongue));
    }
    // Stars and words ask for nothing, and a withdrawal is done.
    if [Topic::Call, Topic::Unsubscribe, Topic::MyData, Topic::Erasure].into_iter().any(said_it) {
        lines.push(lang.pick(
            "门店看到的时限：24 小时内答复，72 小时内办好。",
            "The salon sees the time it has for this: 24 hours to answer, 72 to have it done.",
        ));
    }
    let back = if said_it(Topic::Withdraw) { String::new() } else { back(tongue, token) };
    word(tongue, title, lines.into_iter().map(str::to_owned).collect(), back)
}

fn back(tongue: Tongue, token: &str) -> String {
    format!("/r/{token}?lang={tongue}")
}

fn word(tongue: Tongue, title: &str, lines: Vec<String>, back: String) -> Response {
    html(&Word { tongue, lang: tongue.lang(), style: STYLE, title, lines, back })
}

fn html(template: &impl Template) -> Response {
    // Writing into a text cannot fail, and the templates do nothing else.
    Html(template.render().unwrap_or_default()).into_response()
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;

//! Who did and saw what, for whoever watches over it; reading it stands in it too.

use super::{missing, or_away};
use crate::{
    clock,
    hq::office::{
        Shared,
        audit::{self, Entry, Whole},
        people::Person,
        sessions,
        shell::{self, Shell},
    },
};
use askama::Template;
use axum::{Extension, extract::State, http::HeaderMap, response::Response};

const ROWS: u32 = 100;

/// What is noted of it.
pub const LOOKED: &str = "audit seen";

#[derive(Debug, Template)]
#[template(path = "office/audit.html")]
struct Page {
    shell: Shell,
    lines: Vec<Line>,
    whole: bool,
    verdict: String,
    /// The next page begins before this row.
    older: Option<u64>,
}

#[derive(Debug)]
struct Line {
    n: u64,
    at: String,
    who: String,
    what: String,
    about: String,
}

/// `GET /audit`
pub async fn page(
    State(office): Shared,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    shell: Shell,
) -> Response {
    if !person.role.sees_audit() {
        return missing(shell);
    }
    let before = shell.before;
    let asked = office.books.ask(move |engine| {
        sessions::looked(engine, &person.name, LOOKED, "", clock::now().wall)?;
        let entries = audit::newest(engine, before, ROWS)?;
        let shown = entries.last().zip(entries.first()).map(|(from, to)| (from.n, to.n));
        Ok((entries, audit::verify_on(engine, shown)?))
    });
    or_away(&headers, asked.await.map(|(entries, verified)| drawn(&shell, entries, verified)))
}

fn drawn(shell: &Shell, entries: Vec<Entry>, verified: Result<Whole, u64>) -> Response {
    let (whole, verdict) = match verified {
        Ok(Whole { rows, verified }) if verified < rows => (
            true,
            shell.lang.sentence(
                &format!("共 {rows} 条，已校验到第 {verified} 条。"),
                &format!("{rows} rows, verified up to row {verified}."),
            ),
        ),
        Ok(Whole { rows, .. }) => (
            true,
            shell.lang.sentence(&format!("共 {rows} 条，校验链完整。"), &format!("{rows} rows; the chain is whole.")),
        ),
        Err(row) => (
            false,
            shell.lang.sentence(
                &format!("校验链在第 {row} 条断开：记录被改动或删除过。"),
                &format!("The chain breaks at row {row}: it was changed or taken out."),
            ),
        ),
    };
    let older = entries.last().map(|entry| entry.n).filter(|n| *n > 1);
    let line = |entry: Entry| {
        let Entry { n, at, who, what, about } = entry;
        Line { n, at: shell.moment(at), who, what: deed(shell, what), about }
    };
    let lines = entries.into_iter().map(line).collect();
    let page = Page { lines, whole, verdict, older, shell: shell.clone() };
    shell::page(shell, &page)
}

fn deed(shell: &Shell, what: String) -> String {
    match what.as_str() {
        "log-in" => shell.t("登录", "log-in"),
        "log-in refused" => shell.t("登录被拒", "log-in refused"),
        "log-in held back" => shell.t("登录被限速", "log-in held back"),
        "log-out" => shell.t("退出", "log-out"),
        audit::VISIT_SEEN => shell.t("查看到店记录", "visit seen"),
        LOOKED => shell.t("查看审计", "audit seen"),
        "person added" => shell.t("新增人员", "person added"),
        "person disabled" => shell.t("停用人员", "person disabled"),
        "person enabled" => shell.t("恢复人员", "person enabled"),
        "role set" => shell.t("更改角色", "role set"),
        "erase ordered" => shell.t("下令删除顾客", "erasure ordered"),
        "merge ordered" => shell.t("下令合并档案", "merge ordered"),
        "check ordered" => shell.t("下令检查网关", "check ordered"),
        "gateway retired" => shell.t("停用网关", "gateway retired"),
        "gateway back in use" => shell.t("恢复网关", "gateway back in use"),
        "staff written" => shell.t("写入员工名单", "staff written"),
        "birthday written" => shell.t("写入生日", "birthday written"),
        "birthday removed" => shell.t("删除生日", "birthday removed"),
        "package added" => shell.t("收入发布包", "package added"),
        "rollout started" => shell.t("开始发布", "rollout started"),
        "rollout paused" => shell.t("暂停发布", "rollout paused"),
        "rollout goes on" => shell.t("继续发布", "rollout goes on"),
        "next ring begun" => shell.t("不等验证，进入下一批", "next ring begun without waiting"),
        "rollout halted" => shell.t("停止发布", "rollout halted"),
        "rollout taken back" => shell.t("撤回发布", "rollout taken back"),
        "customer erased" => shell.t("在总部删除顾客", "customer erased"),
        "picture opened" => shell.t("打开照片", "picture opened"),
        "month shown" => shell.t("查看归档月份", "archived month shown"),
        "key made" => shell.t("新建密钥", "key made"),
        "key withdrawn" => shell.t("作废密钥", "key withdrawn"),
        "password set" => shell.t("重设密码", "password set"),
        _ => return what,
    }
    .to_owned()
}

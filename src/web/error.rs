//! What a browser may be told: every refusal is JSON with a word for programs and a sentence for the person, in the three
//! languages; the chain of causes goes to the log only.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

/// A refused call.
#[derive(Debug, Clone)]
pub struct WebError {
    status: StatusCode,
    said: Box<Said>,
}

/// The body: `{"error": {"what": …, "where": …, "now": …, "zh": …, "zh_hant": …, "en": …}}`.
#[derive(Debug, Clone, Serialize)]
struct Said {
    /// A word for programs: `stale`, `no_consent`, …
    what: &'static str,
    /// Which field, header or thing.
    #[serde(rename = "where")]
    place: String,
    /// What to do now, for programmers.
    now: String,
    zh: String,
    zh_hant: String,
    en: String,
    /// State of the thing now, where the call was refused because it had changed.
    #[serde(skip)]
    current: Option<Value>,
    #[serde(skip)]
    version: Option<u64>,
}

/// What people type on the pages, and what it must be; everything else is a program's.
const FIELDS: &[(&str, &str, &str)] = &[
    ("celsius", "室温请填零下 20 到 60 之间的数字。", "The room temperature is a number from -20 to 60."),
    ("humidity", "湿度请填 0 到 100 之间的数字。", "The humidity is a number from 0 to 100."),
    (
        "rested_min",
        "静坐的分钟数请填 0 到 10080 之间的整数。",
        "The minutes at rest are a whole number from 0 to 10080.",
    ),
    (
        "washed_min",
        "洁面后的分钟数请填 0 到 10080 之间的整数。",
        "The minutes since washing are a whole number from 0 to 10080.",
    ),
    ("next_day", "日期请写成 2026-12-04 这样。", "Write the day like 2026-12-04."),
    ("day", "日期请写成 2026-12-04 这样。", "Write the day like 2026-12-04."),
    ("name", "请填写姓名或名称，不要太长。", "Enter a name that is not too long."),
    ("phone", "电话太长，或有不能用的字符。", "The phone number is too long, or has a character that cannot be used."),
    ("steps", "护理步骤最多 40 个，每个最多 60 个字。", "At most 40 treatment steps, of 60 characters each."),
    ("remark", "想说的话最多 500 个字。", "At most 500 characters."),
    ("wishes", "愿望最多 300 个字。", "At most 300 characters."),
    ("course_total", "疗程次数请填 0 到 200 之间的整数。", "The visits of a course are a whole number from 0 to 200."),
    (
        "id",
        "工号只用字母、数字和短横线，例如 b-07。",
        "A staff number has letters, digits and dashes only, such as b-07.",
    ),
    (
        "um_per_px",
        "还不知道皮肤镜的每个像素是多少微米。请技术人员填进网关的配置（pictures_um_per_px），再拍照。",
        "It is not known how many micrometres a pixel of the skin scope has. Let the technician enter it (pictures_um_per_px), then photograph.",
    ),
];

impl WebError {
    #[must_use]
    pub fn new(
        status: StatusCode,
        what: &'static str,
        place: impl Into<String>,
        now: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        let (place, now, zh, en) = (place.into(), now.into(), zh.into(), en.into());
        let zh_hant = crate::report::traditional::sentence(&zh);
        Self { status, said: Box::new(Said { what, place, now, zh, zh_hant, en, current: None, version: None }) }
    }

    /// Adds the current state and its version to a 409.
    #[must_use]
    pub fn with_current(mut self, version: u64, current: Value) -> Self {
        self.said.current = Some(current);
        self.said.version = Some(version);
        self
    }

    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    #[must_use]
    pub fn sentence(&self, lang: crate::report::Lang) -> String {
        lang.sentence(&self.said.zh, &self.said.en)
    }

    /// Text, number or field that cannot be understood.
    #[must_use]
    pub fn malformed(place: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        let (place, reason) = (place.into(), reason.to_string());
        let known = FIELDS.iter().find(|(field, _, _)| *field == place);
        let (zh, en) = known.map_or_else(
            || ("填写的内容无法识别，请检查后再试。", format!("This could not be understood: {reason}.")),
            |(_, zh, en)| (*zh, (*en).to_owned()),
        );
        Self::new(StatusCode::BAD_REQUEST, "malformed", place, reason, zh, en)
    }

    #[must_use]
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            what,
            "check the id; list the things there are",
            "没有找到，可能已被移走。请返回重新选择。",
            "Not found; it may have been moved. Go back and choose again.",
        )
    }

    #[must_use]
    pub fn stale(place: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "stale",
            place,
            "take the version of the current state and repeat if it still makes sense",
            "另一处刚刚改过，画面已更新。请看一眼再继续。",
            "This was changed elsewhere a moment ago. Look at the present state and go on.",
        )
    }

    /// A fault of ours: logged with its cause, told without.
    #[must_use]
    pub fn fault(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a call failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "fault",
            "gateway",
            "try again; if it stays, read the log",
            "网关出了故障，已记录。请再试一次。",
            "The gateway has a fault; it is logged. Try again.",
        )
    }

    #[must_use]
    pub fn stopping() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "gateway",
            "wait for the gateway to come back and repeat",
            "网关正在重启，请稍候再试。已保存的数据不会丢失。",
            "The gateway is restarting; try again in a moment. What was saved stays.",
        )
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": &*self.said });
        if let Some(current) = self.said.current {
            body["current"] = current;
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(version) = self.said.version {
            let tag = HeaderValue::from_str(&format!("\"{version}\"")).expect("digits in quotes are a header value");
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

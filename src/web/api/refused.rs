//! Refusals of the store and of stations as a browser may be told them.

use super::visits;
use crate::{
    domain::{VisitId, consent::Purpose, metric::Label, visit::VisitState},
    store::{Store, StoreError},
    tasks::{comparison::DrawError, station::StationError},
    web::{error::WebError, json},
};
use axum::http::StatusCode;

/// A refusal of the store. A conflict comes without the present state here; see [`with_state`].
pub fn store(fault: &StoreError) -> WebError {
    let now = fault.to_string();
    match fault {
        StoreError::NotFound { what, id } => WebError::not_found(format!("{what} {id}")),
        StoreError::Conflict(visit) => WebError::stale(format!("visit {}", visit.id)),
        StoreError::RecordChanged(record) => WebError::stale(format!("customer {}", record.customer.id))
            .with_current(record.version, super::cards::whole(record)),
        StoreError::Taken(id) => WebError::new(
            StatusCode::CONFLICT,
            "taken",
            format!("staff {id}"),
            now,
            format!("工号 {id} 已有人使用（或曾经使用）。请换一个工号；要改这个人，请点名字旁的“修改”。"),
            format!(
                "Staff number {id} is or was somebody's. Take another one; to change that person, tap “Change” beside them."
            ),
        ),
        StoreError::WhoIsIt(id) => WebError::new(
            StatusCode::CONFLICT,
            "who_is_it",
            format!("appointment {id}"),
            now,
            "可能有几位客人对得上，请先点选是哪一位，或点“新客人”。",
            "Several records may be meant; tap which one it is, or “Someone new”.",
        ),
        StoreError::StationBusy { station, .. } => WebError::new(
            StatusCode::CONFLICT,
            "busy",
            format!("station {station}"),
            now,
            "这个护理位还有未结束的到店，请先结束它。",
            "This chair still has an open visit; close it first.",
        ),
        StoreError::WrongState { what, id, state, .. } => WebError::new(
            StatusCode::CONFLICT,
            "wrong_state",
            format!("{what} {id}"),
            now,
            format!("现在的状态（{}）不能做这个操作。", state_zh(state)),
            format!("This cannot be done while it is {state}."),
        ),
        StoreError::Refused(why) => WebError::new(
            StatusCode::CONFLICT,
            "wrong_state",
            "request",
            why.clone(),
            "现在不能做这个操作，请看一眼当前状态。",
            format!("This cannot be done now: {why}."),
        ),
        StoreError::NoConsent { purpose } => no_consent(purpose),
        StoreError::Full => WebError::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "disk_full",
            "disk",
            now,
            "网关的存储空间已满，刚才的内容没有保存。请通知技术人员清理后重试。",
            "The gateway's disk is full; what you did was not kept. Call the technician, then try again.",
        ),
        StoreError::LowDisk { .. } => WebError::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "disk_full",
            "disk",
            now,
            "网关的存储空间不足，照片没有保存。测量可以继续，请通知技术人员清理。",
            "The gateway's disk is nearly full; the photograph was not kept. Readings go on; call the technician.",
        ),
        StoreError::Erased => WebError::new(
            StatusCode::GONE,
            "erased",
            "customer",
            now,
            "顾客的资料已按要求删除。",
            "The customer's data was erased on request.",
        ),
        StoreError::Stopped => WebError::stopping(),
        _ => WebError::fault(fault),
    }
}

pub fn no_consent(purpose: &str) -> WebError {
    let (zh, en) = match purpose.parse() {
        Ok(Purpose::Measure) | Err(_) => ("测量", "measurements"),
        Ok(Purpose::Photograph) => ("拍照", "photographs"),
        Ok(Purpose::KeepPhotographs) => ("保留照片", "keeping the photographs"),
        Ok(Purpose::DeliverReport) => ("发送报告", "delivery of the report"),
        Ok(Purpose::ShareNumbers) => ("与总部共享读数", "sharing readings with headquarters"),
        Ok(Purpose::SharePhotographs) => ("与总部共享照片", "sharing photographs with headquarters"),
    };
    WebError::new(
        StatusCode::FORBIDDEN,
        "no_consent",
        format!("purpose {purpose}"),
        "record the consent, then repeat",
        format!("顾客还没有同意{zh}。请先在“同意”一步勾选并保存。"),
        format!("The customer has not agreed to {en}. Record it in the consent step first."),
    )
}

fn state_zh(state: &str) -> &'static str {
    match state {
        "open" => "进行中",
        "closed" => "已结束",
        "voided" => "已作废",
        "running" => "测量中",
        "paused" => "已暂停",
        "finished" => "已完成",
        "cancelled" => "已取消",
        _ => "未知",
    }
}

/// A refusal of a chair.
pub fn station(fault: &StationError) -> WebError {
    let now = fault.to_string();
    let conflict = |what, zh: &str, en: &str| WebError::new(StatusCode::CONFLICT, what, "scan", now.clone(), zh, en);
    match fault {
        StationError::Store(fault) => store(fault),
        StationError::Stale(_) => WebError::stale("visit"),
        StationError::Stopped => WebError::stopping(),
        StationError::NoConsent => no_consent("measure"),
        StationError::NotUnderWay(_) => {
            conflict("wrong_state", "这次测量已不在进行中，画面已更新。", "This scan is not under way any more.")
        }
        StationError::NotRunning(_) => {
            conflict("wrong_state", "测量已暂停，请先继续。", "The scan is paused; resume it first.")
        }
        StationError::NothingWaits => {
            conflict("wrong_state", "都测完了，可以完成测量。", "Everything is measured; finish the scan.")
        }
        StationError::Measuring => conflict("busy", "正在测量，请稍候。", "A measurement is under way; wait a moment."),
        StationError::NoSuchRegion(region) => WebError::malformed("region", format!("the plan has no {region}")),
        StationError::NoDevice(metric) => {
            let zh = "没有能测这一项的仪器。请连接仪器，或跳过此区。";
            let en = "No device here measures this. Connect one, or skip the region.";
            WebError::new(StatusCode::SERVICE_UNAVAILABLE, "device_away", format!("metric {metric}"), now, zh, en)
        }
        StationError::Away { metric, advice } => {
            advised(StatusCode::SERVICE_UNAVAILABLE, "device_away", &format!("metric {metric}"), now, advice)
        }
        StationError::NoValue { metric, advice } => {
            advised(StatusCode::UNPROCESSABLE_ENTITY, "no_value", &format!("metric {metric}"), now, advice)
        }
    }
}

fn advised(status: StatusCode, what: &'static str, place: &str, now: String, advice: &Label) -> WebError {
    WebError::new(status, what, place, now, advice.zh.clone(), advice.en.clone())
}

pub fn draw(fault: &DrawError) -> WebError {
    let now = fault.to_string();
    let (zh, en) = match fault {
        DrawError::Store(fault) => return store(fault),
        DrawError::NoScan(_) => (
            "护理前、护理后都测完并点“完成测量”，才能对比。",
            "Both scans, before and after, must be finished before they can be compared.",
        ),
        DrawError::NoEarlierVisit => ("这位顾客没有更早的测量可比。", "There is no earlier visit to compare with."),
        DrawError::Voided => ("这次到店已作废，请先恢复。", "This visit is voided; restore it first."),
    };
    WebError::new(StatusCode::CONFLICT, "wrong_state", "visit", now, zh, en)
}

/// Adds the present state to a 409 about `visit`, service sheet and all, so that the page need not ask again.
pub async fn with_state(store_of: &Store, visit: VisitId, refused: WebError) -> WebError {
    if refused.status() != StatusCode::CONFLICT {
        return refused;
    }
    let Ok(view) = store_of.visit_view(visit).await else { return refused };
    let mut now = json::visit(&view);
    // The version is the one that was read first: what is newer than it is refused once more, never written over.
    match visits::add_sheet(store_of, visit, &mut now).await {
        Ok(()) => refused.with_current(view.visit.version, now),
        Err(_) => refused,
    }
}

/// What is to be shown has no screen.
pub fn no_mirror() -> WebError {
    WebError::new(
        StatusCode::CONFLICT,
        "no_mirror",
        "mirror",
        "pair a screen with this station first",
        "这个护理位还没有连接镜面。",
        "No mirror is paired with this station.",
    )
}

pub fn not_compared() -> WebError {
    WebError::new(
        StatusCode::CONFLICT,
        "wrong_state",
        "visit",
        "draw the comparison first",
        "还没有对比可以显示，请先生成对比。",
        "There is nothing to show yet; compare first.",
    )
}

/// A visit that is not open takes no writes but corrections.
pub fn require_open(state: VisitState) -> Result<(), WebError> {
    match state {
        VisitState::Open => Ok(()),
        other => Err(store(&StoreError::WrongState {
            what: "visit",
            id: String::new(),
            state: other.to_string(),
            remedy: "open a new visit, or correct this one",
        })),
    }
}

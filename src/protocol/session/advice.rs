//! What the beautician is told when there is no value.

use crate::domain::metric::Label;
use crate::protocol::{NoValue, Spec};

/// What happened and what to do, in both languages.
pub(super) fn advice(spec: &Spec, reason: &NoValue) -> Label {
    let (zh, en) = match reason {
        NoValue::DeviceError { code } => match spec.advice(code) {
            Some(label) => return label.clone(),
            None => {
                let zh = format!("分析仪报告故障 {code}，请查看说明书后重新测量。");
                let en = format!("The analyser reports fault {code}; look it up in its manual, then measure again.");
                return Label { zh, en };
            }
        },
        NoValue::Absent => (
            "没有测到数值，请将探头抬起后重新贴合皮肤。",
            "No value was measured; lift the probe and touch the skin again.",
        ),
        NoValue::UnderRange => (
            "数值低于量程，请擦净探头并贴稳皮肤后重新测量。",
            "The value is below the scale; wipe the probe, press it on evenly and measure again.",
        ),
        NoValue::OverRange => (
            "数值高于量程，请轻轻擦干皮肤与探头后重新测量。",
            "The value is above the scale; dab skin and probe dry and measure again.",
        ),
        NoValue::NoReply => (
            "分析仪没有应答，请检查连线与电源后重新测量。",
            "The analyser does not answer; check its cable and power, then measure again.",
        ),
        NoValue::NotUnderstood => (
            "分析仪有应答，但与其协议文件不符；请重新测量，若再次出现，请安装人员核对型号与波特率。",
            "The analyser answers, but not as its protocol file says; measure again. If it repeats, have the installer check \
             model and baud rate.",
        ),
        NoValue::NotMeasuredHere => (
            "这台分析仪不能在此部位测量该项目，请换一项或跳过。",
            "This analyser does not measure this here; choose another or skip it.",
        ),
        NoValue::Cancelled => ("本次测量已取消。", "This measurement was cancelled."),
    };
    Label { zh: zh.to_owned(), en: en.to_owned() }
}

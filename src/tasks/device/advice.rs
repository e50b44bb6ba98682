//! What a beautician reads of a device that does not work: what to do, in both languages.

use crate::{domain::metric::Label, ports::LinkError};

pub(super) fn for_link(error: &LinkError) -> Label {
    match error {
        LinkError::Absent { .. } | LinkError::Gone(_) => label(
            "设备未连接：请检查数据线和电源，插好后会自动恢复。",
            "The device is not connected: check its cable and power. It resumes by itself.",
        ),
        LinkError::Alike { .. } => label(
            "发现多台相同的设备：请拔下其中一台，或请技术人员在配置中指定。",
            "Several equal devices are plugged in: unplug one, or ask the technician to name each in the configuration.",
        ),
        LinkError::Busy { .. } => label(
            "设备正被其他程序占用：请关闭该程序，设备会自动恢复。",
            "Another program uses the device: close it there. The device resumes by itself.",
        ),
        LinkError::Forbidden { .. } => label(
            "网关无权打开设备：请联系技术人员。",
            "The gateway has no right to open the device: call the technician.",
        ),
        LinkError::Io(_) => label(
            "设备连接出错：请重新插拔；若仍出错请联系技术人员。",
            "The connection to the device failed: unplug it and plug it in again, else call the technician.",
        ),
    }
}

pub(super) fn silent() -> Label {
    label("设备没有应答：请检查设备是否开机。", "The device does not answer: check that it is switched on.")
}

pub(super) fn unreadable() -> Label {
    label(
        "设备信号无法识别：请重新插拔；若仍出错请联系技术人员。",
        "The device's signals cannot be read: unplug it and plug it in again, else call the technician.",
    )
}

fn label(zh: &str, en: &str) -> Label {
    Label { zh: zh.to_owned(), en: en.to_owned() }
}

//! What a beautician reads of a device that is open and yet does not work; what keeps a link from being opened says it
//! itself ([`crate::ports::LinkError::advice`]).

use crate::domain::metric::Label;

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

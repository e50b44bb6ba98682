//! What goes wrong soon, said before it does and where it is met: a battery that is nearly empty, a disk that is nearly full.

use super::{chip, home::Trouble, refused};
use crate::{
    report::Lang,
    tasks::station::DeviceView,
    web::{AppState, error::WebError},
};

/// Devices to be charged before the next customer.
#[must_use]
pub fn batteries<'a>(lang: Lang, devices: impl IntoIterator<Item = &'a DeviceView>) -> Vec<Trouble> {
    let low = devices.into_iter().filter_map(|device| Some((device, chip::low(device)?)));
    let told = |(device, percent): (&DeviceView, u8)| Trouble {
        class: "warn",
        says: match lang {
            Lang::En => format!("A device has {percent} % of its battery left: charge it after this customer."),
            _ => lang.sentence(&format!("仪器电量只剩 {percent} %：这一位测完就充电。"), ""),
        },
        detail: device.serial.clone(),
    };
    low.map(told).collect()
}

/// The disk of photographs, while there is little left of it.
///
/// # Errors
/// Where the disk cannot be asked.
pub async fn disk(state: &AppState, lang: Lang) -> Result<Option<Trouble>, WebError> {
    let (free, floor) = state.store.free_space().await.map_err(|fault| refused::store(&fault))?;
    let (class, says) = if free < floor {
        (
            "bad",
            lang.pick(
                "网关的存储空间不足：新照片存不下，测量可以继续。请通知技术人员清理。",
                "The gateway's disk is nearly full: new photographs cannot be kept, readings go on. Call the technician.",
            ),
        )
    } else if free / 2 < floor {
        (
            "warn",
            lang.pick(
                "网关的存储空间快满了，请尽早通知技术人员清理。",
                "The gateway's disk will soon be full; call the technician in good time.",
            ),
        )
    } else {
        return Ok(None);
    };
    Ok(Some(Trouble { class, says: says.to_owned(), detail: String::new() }))
}

//! How the devices and the way to headquarters are, in words.

use super::refused;
use crate::{
    report::Lang,
    store::Backlog,
    web::{
        AppState,
        error::WebError,
        pages::chip::{self, Chip},
    },
};

/// A chair with its devices.
#[derive(Debug)]
pub struct Room {
    pub label: String,
    /// Each with its whole sentence: how it is, and what to do.
    pub devices: Vec<(Chip, String)>,
}

/// One thing to know.
#[derive(Debug, PartialEq, Eq)]
pub struct Sentence {
    pub class: &'static str,
    pub says: String,
}

pub async fn rooms(state: &AppState, lang: Lang) -> Result<Vec<Room>, WebError> {
    let mut rooms = Vec::new();
    for station in state.stations.iter() {
        let view = station.view().await.map_err(|fault| refused::station(&fault))?;
        let devices =
            view.devices.iter().map(|device| (chip::device(lang, device), lang.sentence(&device.zh, &device.en)));
        rooms.push(Room { label: lang.label(station.label()).to_owned(), devices: devices.collect() });
    }
    Ok(rooms)
}

pub async fn transfer(state: &AppState, lang: Lang) -> Result<Vec<Sentence>, WebError> {
    let connection = state.sync.borrow().connection;
    let backlog = state.store.backlog().await.map_err(|fault| refused::store(&fault))?;
    Ok(words(lang, connection, &backlog))
}

/// What is in trouble is said at the head of the page; here stands how it is.
fn words(lang: Lang, connection: &str, backlog: &Backlog) -> Vec<Sentence> {
    let Backlog { events, images, dead_letters, .. } = backlog;
    let (class, says) = match connection {
        "connected" => ("good", lang.pick("与总部连接正常。", "Connected to headquarters.")),
        "disabled" => (
            "plain",
            lang.pick(
                "还没有接总部，记录都存在本店。",
                "Headquarters is not set up; all records are kept in this store.",
            ),
        ),
        _ => (
            "warn",
            lang.pick(
                "现在连不上总部，门店可以照常工作。",
                "Headquarters is out of reach now; the salon can go on working.",
            ),
        ),
    };
    let mut said = vec![Sentence { class, says: says.to_owned() }];
    let mut say = |class, zh: String, en: String| said.push(Sentence { class, says: lang.sentence(&zh, &en) });
    if events + images == 0 {
        say("good", "没有记录在等候发送。".to_owned(), "Nothing waits to be sent.".to_owned());
    } else {
        let zh = format!("等候发送：{events} 条记录、{images} 张照片，什么都不会丢。");
        say("plain", zh, format!("Waiting to be sent: {events} records and {images} photographs; nothing is lost."));
    }
    if *dead_letters > 0 {
        let zh = format!("总部退回了 {dead_letters} 条记录，请技术人员查看。");
        say("bad", zh, format!("Headquarters refused {dead_letters} records; ask the technician to look."));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_headquarters_is_said_in_words() {
        let backlog = Backlog { events: 0, oldest: None, images: 0, image_bytes: 0, dead_letters: 0 };
        let said = |connection, backlog: &Backlog| {
            let said = words(Lang::En, connection, backlog);
            said.into_iter().map(|one| (one.class, one.says)).collect::<Vec<_>>()
        };
        assert_eq!(
            said("connected", &backlog),
            [("good", "Connected to headquarters.".to_owned()), ("good", "Nothing waits to be sent.".to_owned())]
        );
        let full = Backlog { events: 12, images: 3, dead_letters: 2, ..backlog };
        let offline = said("offline", &full);
        assert_eq!(offline.iter().map(|one| one.0).collect::<Vec<_>>(), ["warn", "plain", "bad"]);
        assert!(offline[1].1.contains("12 records and 3 photographs"), "{offline:?}");
        assert_eq!(words(Lang::Hant, "offline", &full)[2].says, "總部退回了 2 條記錄，請技術人員查看。");
    }
}

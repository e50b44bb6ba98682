//! The pages in a real browser: a whole returning visit on three windows in three languages, and what goes wrong in between.

mod booked;
mod care;
mod colleagues;
mod corrections;
mod driver;
mod faults;
mod foresight;
mod manager;
mod mended;
mod mirror;
mod mirror_pair;
mod notes;
mod pages;
mod pairs;
mod report;
mod shutter;
mod tablets;
mod talk;
mod visit;
mod weight;

pub use driver::{Browser, DESKTOP, PHONE, TABLET, Window};

use crate::house::{CHAIR, House, metric, soon};
use serde_json::json;
use skinlink::domain::{Region, capture::View, scan::Phase};
use std::path::{Path, PathBuf};

/// What the fake camera shows: a rendered face, in the folder of the house.
pub fn camera(folder: &Path) -> PathBuf {
    let file = folder.join("face.mjpeg");
    if !file.exists() {
        show(folder, Phase::Before, View::Front);
    }
    file
}

/// Turns the fake camera to another face; a browser sees it when it opens its camera the next time.
pub fn show(folder: &Path, phase: Phase, view: View) {
    let photo = crate::house::root().join(format!("target/demo-photos/{phase}/{view}.jpg"));
    let face = image::open(&photo).unwrap_or_else(|e| panic!("{}: {e}; run `make setup`", photo.display()));
    let face = face.resize_exact(768, 960, image::imageops::FilterType::Triangle);
    let mut frame = std::io::Cursor::new(Vec::new());
    face.to_rgb8().write_to(&mut frame, image::ImageFormat::Jpeg).expect("a JPEG");
    // Whole at once: a camera may be reading it.
    let (file, fresh) = (folder.join("face.mjpeg"), folder.join("face.new"));
    std::fs::write(&fresh, frame.into_inner().repeat(10)).expect("the camera's file");
    std::fs::rename(fresh, file).expect("the camera's file");
}

/// Someone who has been here: agreed to everything, one whole visit, a card with a warning; and is booked for now.
pub struct Regular {
    pub customer: String,
}

pub const MANAGER: (&str, &str) = ("b-01", "周敏");
pub const PIN: &str = "2580";

pub async fn regular(house: &House) -> Regular {
    let new = json!({ "name": "林若溪", "phone": "13800006688", "skin_type": "干性" });
    let customer = house.post("/customers", None, new).await.ok().text("/id");
    let card = json!({ "allergies": "果酸", "contraindications": "", "pressure": "轻", "drink": "温水", "music": "钢琴",
        "course": "补水疗程", "course_total": 6, "member": "A10023" });
    house.change_customer(&customer, card).await.ok();
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    house.agree(&visit).await;
    let answers = json!({ "skin_state": "tight", "wishes": "少用香味", "passed": "questions" });
    house.post(&format!("/visits/{visit}/sheet"), Some(house.version(&visit).await), answers).await.ok();
    house.scan(&visit, Phase::Before).await;
    house.scan(&visit, Phase::After).await;
    house.post(&format!("/visits/{visit}/comparison"), Some(house.version(&visit).await), json!({})).await.ok();
    house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
    house.building.analyser.set_phase(Phase::Before).await.expect("the analyser runs");
    let booking = json!({ "customer": customer, "service": "补水护理" });
    house.post("/appointments", None, booking).await.ok();
    Regular { customer }
}

/// From here on every page asks for a PIN.
pub async fn staffed(house: &House) {
    let (id, name) = MANAGER;
    let manager = json!({ "id": id, "name": name, "role": "manager", "pin": PIN });
    house.post("/staff", None, manager).await.ok();
}

impl Browser {
    /// A signature: a few strokes on the pad; not counted either.
    pub async fn sign(&self) {
        let middle = "const pad = document.getElementById('pad'); pad.scrollIntoView({ block: 'center' });
            const box = pad.getBoundingClientRect(); return [box.left + 40, box.top + box.height / 2]";
        let at = self.run(middle).await;
        let (x, y) = (at[0].as_f64().expect("a place"), at[1].as_f64().expect("a place"));
        for (kind, dx, dy) in [
            ("mousePressed", 0.0, 0.0),
            ("mouseMoved", 30.0, -20.0),
            ("mouseMoved", 60.0, 20.0),
            ("mouseMoved", 90.0, -10.0),
            ("mouseReleased", 90.0, -10.0),
        ] {
            let held = u8::from(kind != "mouseReleased");
            let event =
                json!({ "type": kind, "x": x + dx, "y": y + dy, "button": "left", "buttons": held, "clickCount": 1 });
            self.devtools("Input.dispatchMouseEvent", event).await;
        }
        self.gives("return String(document.querySelector('#pad path').getAttribute('d').length > 10)", "true").await;
    }

    /// Logs in; not counted among the taps of a visit.
    pub async fn log_in(&self, pin: &str) {
        self.touch(&format!("[data-person='{}']", MANAGER.0)).await;
        for digit in pin.chars() {
            self.touch(&format!("[data-key='{digit}']")).await;
        }
        self.touch("[data-key='ok']").await;
    }
}

/// Measures the whole plan by the analyser's own button, as a gloved hand would.
pub async fn press_all(house: &House, browser: &Browser) {
    soon("every value", async {
        browser.see(".panel.shown [data-scan][data-state='running']").await;
        for region in [Region::Forehead, Region::Nose] {
            for id in ["moisture", "sebum"] {
                for _ in 0..2 {
                    house.building.analyser.press(metric(id), region).await.expect("the analyser runs");
                    // The device takes one at a time.
                    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
                }
            }
        }
    })
    .await;
}

//! The quality gates, on faces that are drawn, on the shared pictures and on hostile ones; colour with and without a card.
//!
//! `make test` runs a short form; `make gates` renders more people and runs it in full.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails where the test does")]

mod child;
mod colour;
mod colour_repeats;
mod faces;
#[expect(dead_code, reason = "here one of the two detectors is enough")]
#[path = "../support/foreign.rs"]
mod foreign;
mod hostile;
mod parity;
mod shared;
#[path = "../support/skipped.rs"]
mod skipped;
mod visit;

use skinlink::{
    analysis::{
        door,
        gates::Gates,
        picture,
        quality::{self, Complaint, Failed},
        regions::{FaceRegions, ViewRegions},
        seen::{self, Seen, Shot},
    },
    domain::capture::{FacePoints, View},
};
use skinlink_fake_camera::Scene;
use skinlink_pixels::{coded, look::NoSkin, sample::Source};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

static GATES: LazyLock<Gates> = LazyLock::new(Gates::usual);
static REGIONS: LazyLock<FaceRegions> = LazyLock::new(|| {
    FaceRegions::parse(&fs::read_to_string(root().join("config/face-regions.toml")).unwrap()).unwrap()
});

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn long() -> bool {
    std::env::var("SKINLINK_GATES").is_ok_and(|form| form == "long")
}

fn view(view: View) -> &'static ViewRegions {
    REGIONS.view(view).unwrap()
}

/// A photograph that was looked at, with what is needed to hold another one against it.
struct Looked {
    source: Source,
    view: View,
    points: FacePoints,
    nose_is_set: bool,
    seen: Seen,
    failed: Vec<Failed>,
}

fn no_skin() -> NoSkin {
    let rule = &GATES.occlusion;
    NoSkin { darker: rule.darker, brighter: rule.brighter, colour: rule.colour }
}

fn shot(angle: View, points: FacePoints, nose_is_set: bool, source: &Source) -> Shot<'static> {
    let view = view(angle);
    let (width, height) = (source.picture().width(), source.picture().height());
    Shot { view, pose: view.pose(points.anchors, width, height).unwrap(), points, nose_is_set }
}

/// By the way every photograph takes: door, decoder, look, gates.
fn look(bytes: &[u8], angle: View, points: FacePoints, nose_is_set: bool) -> Looked {
    let mut source = Source::new(picture::decode(&door::admit(bytes).unwrap()).unwrap());
    let shot = shot(angle, points, nose_is_set, &source);
    let seen = seen::see(&mut source, &shot, no_skin());
    let failed = quality::judge(&GATES, &seen);
    Looked { source, view: angle, points, nose_is_set, seen, failed }
}

/// Where the framing guide has the points.
fn guided(bytes: &[u8], angle: View) -> Looked {
    let admitted = door::admit(bytes).unwrap();
    look(bytes, angle, view(angle).guided(admitted.width, admitted.height), false)
}

fn against(before: &mut Looked, after: &mut Looked) -> (seen::Against, Vec<Complaint>) {
    let first = shot(before.view, before.points, before.nose_is_set, &before.source);
    let second = shot(after.view, after.points, after.nose_is_set, &after.source);
    let found = seen::against((&mut before.source, &first, &before.seen), (&mut after.source, &second, &after.seen));
    let complaints = quality::judge_pair(&GATES, &found).iter().map(|failed| failed.complaint).collect();
    (found, complaints)
}

impl Looked {
    fn complaints(&self) -> Vec<Complaint> {
        let mut list: Vec<_> = self.failed.iter().map(|failed| failed.complaint).collect();
        list.dedup();
        list
    }
}

fn jpeg(scene: &Scene, rgb: &[u8], quality: u8) -> Vec<u8> {
    coded::jpeg(rgb, scene.width as u32, scene.height as u32, quality).unwrap()
}

/// A rendered person as photographed in a rig: scene, true points.
struct Person {
    name: String,
    view: View,
    scene: Scene,
    points: FacePoints,
}

/// The demonstration's customer and, in the long form, those that `make gates` rendered.
fn people(views: &[View]) -> Vec<Person> {
    let mut folders = vec![root().join("target/demo-photos")];
    if long() {
        let more = fs::read_dir(root().join("target/gate-faces")).expect("run `make gates`, which renders them");
        folders.extend(more.map(|entry| entry.unwrap().path()).filter(|path| path.join("planted.json").exists()));
        folders.sort();
    }
    folders.iter().flat_map(|folder| views.iter().map(|view| person(folder, *view))).collect()
}

fn person(folder: &Path, angle: View) -> Person {
    let planted = fs::read_to_string(folder.join("planted.json"))
        .unwrap_or_else(|e| panic!("{}: {e}; run `make setup`", folder.display()));
    let planted: serde_json::Value = serde_json::from_str(&planted).unwrap();
    let photo = planted["photos"]
        .as_array()
        .unwrap()
        .iter()
        .find(|photo| photo["phase"] == "before" && photo["view"] == angle.as_str())
        .unwrap();
    let anchors: [[f64; 2]; 2] = serde_json::from_value(photo["anchors"].clone()).unwrap();
    let bytes = fs::read(folder.join(photo["file"].as_str().unwrap())).unwrap();
    let picture = picture::decode(&door::admit(&bytes).unwrap()).unwrap();
    let scene = Scene::new(picture.width(), picture.height(), picture.rgb());
    let pose = view(angle).pose(anchors, picture.width(), picture.height()).unwrap();
    let nose = view(angle).nose.unwrap().at.map(|v| v * view(angle).anchor_distance_mm);
    let points = FacePoints { anchors, nose: pose.to_picture.apply(nose) };
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    Person { name, view: angle, scene, points }
}

impl Person {
    /// In a picture of a quarter of the pixels: for what does not look at pores.
    fn halved(&self) -> Self {
        let half = |[x, y]: [f64; 2]| [x / 2.0 - 0.25, y / 2.0 - 0.25];
        let FacePoints { anchors, nose } = self.points;
        let points = FacePoints { anchors: anchors.map(half), nose: half(nose) };
        Self { name: self.name.clone(), view: self.view, scene: self.scene.halved(), points }
    }

    /// A photograph of this person, looked at by its true points.
    fn taken(&self, shot: &skinlink_fake_camera::Shot, quality: u8) -> Looked {
        let bytes = jpeg(&self.scene, &self.scene.taken(shot), quality);
        let points = FacePoints {
            anchors: self.points.anchors.map(|p| shot.lands(&self.scene, p)),
            nose: shot.lands(&self.scene, self.points.nose),
        };
        look(&bytes, self.view, points, true)
    }
}

//! What is photographed: rendered people, and the annotated face where it is there. Each scene as it is and with a known
//! change, with the regions of its view.

use crate::inference::root;
use skinlink::{
    analysis::{
        door,
        picture::{self, Picture},
        regions::{FaceRegions, ViewRegions},
    },
    domain::Region,
};
use std::{
    cell::RefCell,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Rendered people of the campaign; each takes minutes to render.
pub const PEOPLE: u32 = 2;

/// What happened to the pores of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    AsIs,
    Removed10,
    Faded25,
}

pub struct Scene {
    pub name: String,
    pub view: ViewRegions,
    pub anchors: [[f64; 2]; 2],
    pictures: Vec<(Variant, PathBuf)>,
    inpainted: Option<Annotated>,
    /// Left, top, width and height of what is kept of the pictures.
    cut: [u32; 4],
    made: RefCell<Vec<(Variant, Picture)>>,
}

/// What of a rendered scene is kept round its regions and anchors, pixels: more than registration looks at.
const KEPT_ROUND: f64 = 260.0;

impl Scene {
    fn new(name: String, view: ViewRegions, anchors: [[f64; 2]; 2], pictures: Vec<(Variant, PathBuf)>) -> Self {
        // A part of the picture holds all that matters, and takes a third of the time.
        let cut = cut_of(&view, anchors, &decode(&pictures[0].1));
        let anchors = anchors.map(|[x, y]| [x - f64::from(cut[0]), y - f64::from(cut[1])]);
        Self { name, view, anchors, pictures, inpainted: None, cut, made: RefCell::default() }
    }
    pub fn picture(&self, variant: Variant) -> Picture {
        if let Some((_, known)) = self.made.borrow().iter().find(|(of, _)| *of == variant) {
            return known.clone();
        }
        let made = match &self.inpainted {
            Some(face) => face.with(variant),
            None => cropped(&decode(&self.file(variant).expect("every scene has its variants")), self.cut),
        };
        self.made.borrow_mut().push((variant, made.clone()));
        made
    }

    pub fn has(&self, variant: Variant) -> bool {
        self.inpainted.is_some() || self.file(variant).is_some()
    }

    fn file(&self, variant: Variant) -> Option<PathBuf> {
        self.pictures.iter().find(|(of, _)| *of == variant).map(|(_, path)| path.clone())
    }

    /// Regions with their polygons in face millimetres.
    pub fn polygons(&self) -> Vec<(Region, Vec<[f64; 2]>)> {
        self.view.regions.iter().map(|(region, polygon)| (*region, self.view.polygon_mm(polygon))).collect()
    }
}

fn cut_of(view: &ViewRegions, anchors: [[f64; 2]; 2], whole: &Picture) -> [u32; 4] {
    let pose = view.pose(anchors, whole.width(), whole.height()).expect("sound anchors");
    let corners = view.regions.iter().flat_map(|(_, polygon)| view.polygon_mm(polygon));
    let places: Vec<[f64; 2]> = corners.map(|mm| pose.to_picture.apply(mm)).chain(anchors).collect();
    let span = |axis: usize, limit: u32| {
        let low = places.iter().map(|p| p[axis]).fold(f64::INFINITY, f64::min) - KEPT_ROUND;
        let high = places.iter().map(|p| p[axis]).fold(0.0, f64::max) + KEPT_ROUND;
        let low = low.max(0.0) as u32;
        [low, (high as u32).min(limit) - low]
    };
    let ([left, width], [top, height]) = (span(0, whole.width()), span(1, whole.height()));
    [left, top, width, height]
}

fn cropped(whole: &Picture, [left, top, width, height]: [u32; 4]) -> Picture {
    let row = |y: u32| &whole.rgb()[3 * (y * whole.width() + left) as usize..][..3 * width as usize];
    let rgb = (top..top + height).flat_map(|y| row(y).iter().copied()).collect();
    Picture::new(width, height, rgb).expect("as many bytes")
}

pub fn decode(path: &Path) -> Picture {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    picture::decode(&door::admit(&bytes).expect("a picture")).expect("pixels")
}

/// The people of one visit are photographed from three sides.
pub struct Person {
    pub name: String,
    pub scenes: Vec<Scene>,
    /// Text of `face-regions.toml` for the inference process.
    pub regions: String,
}

/// The demo's customer, as `make setup` renders her: unchanged skin only.
pub fn of_the_demo() -> Person {
    let folder = root().join("target/demo-photos");
    let text = fs::read_to_string(folder.join("planted.json")).expect("`make setup` renders it");
    let listing: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let photos = listing["photos"].as_array().expect("a list").iter().filter(|photo| photo["phase"] == "before");
    let scene = |photo: &serde_json::Value| {
        let id = photo["view"].as_str().expect("a view");
        let anchors = serde_json::from_value(photo["anchors"].clone()).expect("two points");
        let file = folder.join(photo["file"].as_str().expect("a file"));
        Scene::new(format!("demo {id}"), view(id), anchors, vec![(Variant::AsIs, file)])
    };
    Person { name: "demo".into(), scenes: photos.map(scene).collect(), regions: crate::inference::regions() }
}

/// Rendered people with their changes; rendered on the first call, which takes a minute each.
pub fn rendered(people: u32) -> Vec<Person> {
    let out = root().join("target/scenes");
    let done = Command::new(root().join("target/venv/bin/python"))
        .arg(root().join("models/build/render_scenes.py"))
        .arg("--out")
        .arg(&out)
        .args(["--people", &people.to_string()])
        .status();
    assert!(done.expect("`make setup` made the Python environment").success(), "the renderer stopped; see above");
    rendered_in(&out)
}

/// The people of a folder that the renderer has filled.
pub fn rendered_in(out: &Path) -> Vec<Person> {
    let text = fs::read_to_string(out.join("scenes.json")).expect("just rendered");
    let listing: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut found: Vec<Person> = Vec::new();
    for scene in listing["scenes"].as_array().expect("a list") {
        let name = scene["person"].to_string();
        let file = |variant: &str| out.join(scene["files"][variant].as_str().expect("a file"));
        let id = scene["view"].as_str().expect("a view");
        let pictures = vec![
            (Variant::AsIs, file("asis")),
            (Variant::Removed10, file("removed10")),
            (Variant::Faded25, file("faded25")),
        ];
        let anchors = serde_json::from_value(scene["anchors"].clone()).expect("two points");
        let made = Scene::new(format!("{name} {id}"), view(id), anchors, pictures);
        match found.iter_mut().find(|person| person.name == name) {
            Some(person) => person.scenes.push(made),
            None => found.push(Person { name, scenes: vec![made], regions: crate::inference::regions() }),
        }
    }
    found
}

fn view(id: &str) -> ViewRegions {
    let regions = FaceRegions::parse(&crate::inference::regions()).expect("part of the repository");
    regions.view(id.parse().expect("a view")).expect("it is described").clone()
}

/// Where the data that is not the project's lies; `None`, with a line, where it does not.
pub fn shared() -> Option<PathBuf> {
    let found = ["../shared/data", "../../shared/data"].map(|path| root().join(path)).into_iter().find(|p| p.exists());
    if found.is_none() {
        crate::skipped::skipped("the pictures of ../shared/data are not on this machine");
    }
    found
}

/// The annotated face: its picture, every annotated pore, and the same picture without any of them.
pub struct Annotated {
    picture: Picture,
    /// Pixels of each pore and of the skin round it.
    pores: Vec<Vec<usize>>,
    bare: Vec<u8>,
}

/// Side of a square region, and how far it stays off the picture's border, pixels of 13 px/mm.
const TILE: usize = 220;
const BORDER: usize = 60;
/// What is mirrored round the picture, so that a shifted camera still sees something there; no region reaches into it.
const ROUND: usize = 140;

fn mirrored_round(picture: &Picture) -> Picture {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mirror = |at: usize, length: usize| {
        let at = at as isize - ROUND as isize;
        let at = if at < 0 { -at } else { at } as usize;
        if at < length { at } else { 2 * (length - 1) - at }
    };
    let (wide, high) = (width + 2 * ROUND, height + 2 * ROUND);
    let places = (0..wide * high).map(|at| mirror(at / wide, height) * width + mirror(at % wide, width));
    let rgb = places.flat_map(|at| picture.rgb()[3 * at..3 * at + 3].iter().copied()).collect();
    Picture::new(wide as u32, high as u32, rgb).expect("as many bytes")
}

/// The annotated face as a person with one view; her regions are squares that lie in the annotated part. Each look of the long form
/// is written down before there is anything to see.
pub fn annotated(test: &str) -> Option<Person> {
    let folder = shared()?.join("images/annotated-face-left");
    if crate::table::is_long() {
        crate::looks::written_down(test);
    }
    let picture = mirrored_round(&decode(&folder.join("input.png")));
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let above = |name: &str, limit: u8| -> Vec<bool> {
        let found = mirrored_round(&decode(&folder.join(name)));
        found.rgb().chunks_exact(3).map(|rgb| rgb.iter().any(|v| *v > limit)).collect()
    };
    let (label, roi) = (above("label.png", 100), above("mask.png", 128));
    let marked: Vec<bool> = label.iter().zip(&roi).map(|(label, roi)| *label && *roi).collect();
    let pores = blobs(&marked, width).into_iter().map(|pore| grown(&pore, width, height, 2)).collect();
    let mut face = Annotated { bare: picture.rgb().to_vec(), picture, pores };
    face.fill();
    let mut tiles = Vec::new();
    let border = ROUND + BORDER;
    let mut top = border;
    while top + TILE + border <= height {
        let mut left = border;
        let mut stepped = false;
        while left + TILE + border <= width {
            let inside = (top..top + TILE).flat_map(|y| (left..left + TILE).map(move |x| y * width + x));
            let share = inside.filter(|at| roi[*at]).count() * 100 / (TILE * TILE);
            if share >= 95 {
                tiles.push((left, top));
                stepped = true;
                left += TILE;
            } else {
                left += 20;
            }
        }
        top += if stepped { TILE } else { 20 };
    }
    let named = ["forehead", "nose", "chin", "left_cheek", "right_cheek"];
    tiles.truncate(named.len());
    assert!(tiles.len() >= 2, "the annotated part holds {} squares", tiles.len());
    // Two anchors 820 px apart give 13 px/mm for 63 mm; down the picture, as a side view has them.
    let middle = [width as f64 / 2.0, height as f64 / 2.0];
    let anchors = [[middle[0], middle[1] - 409.5], [middle[0], middle[1] + 409.5]];
    let mut text = "schema = 1\n[[view]]\nid = \"left\"\nlabel = { zh = \"面\", en = \"face\" }\nanchors = [\"a\", \"b\"]\naxis = \"y\"\nanchor_distance_mm = 63.0\nguide = [[0.5, 0.3], [0.5, 0.7]]\n".to_owned();
    for (name, (left, top)) in named.iter().zip(&tiles) {
        let corner = |dx: usize, dy: usize| {
            let [x, y] = [(left + dx) as f64 - middle[0], (top + dy) as f64 - middle[1]].map(|v| v / 819.0);
            format!("[{x:.5}, {y:.5}]")
        };
        let corners = [corner(0, 0), corner(TILE, 0), corner(TILE, TILE), corner(0, TILE)].join(", ");
        let _ = write!(text, "[[view.region]]\nid = \"{name}\"\npolygon = [{corners}]\n");
    }
    let regions = FaceRegions::parse(&text).unwrap_or_else(|e| panic!("{e}"));
    let view = regions.views[0].clone();
    println!("annotated face: {} pores, {} squares of 17 mm", face.pores.len(), tiles.len());
    let scene = Scene {
        name: "annotated".into(),
        view,
        anchors,
        pictures: Vec::new(),
        inpainted: Some(face),
        cut: [0; 4],
        made: RefCell::default(),
    };
    Some(Person { name: "annotated".into(), scenes: vec![scene], regions: text })
}

impl Annotated {
    /// Skin without pores: each one filled by what a membrane over its rim would be.
    fn fill(&mut self) {
        let width = self.picture.width() as usize;
        let mut soft: Vec<f32> = self.bare.iter().map(|v| f32::from(*v)).collect();
        for _ in 0..80 {
            for at in self.pores.iter().flatten() {
                for c in 0..3 {
                    let near = |at: usize| soft[3 * at + c];
                    soft[3 * at + c] = (near(at - 1) + near(at + 1) + near(at - width) + near(at + width)) / 4.0;
                }
            }
        }
        self.bare = soft.into_iter().map(|v| (v + 0.5) as u8).collect();
    }

    fn with(&self, variant: Variant) -> Picture {
        let mut rgb = self.picture.rgb().to_vec();
        let mut random = fastrand::Rng::with_seed(2_619);
        for pore in &self.pores {
            let share = match variant {
                Variant::AsIs => 0.0,
                Variant::Removed10 => f32::from(random.u8(..10) == 0),
                Variant::Faded25 => 0.25,
            };
            for at in pore.iter().flat_map(|at| [3 * at, 3 * at + 1, 3 * at + 2]) {
                let (is, bare) = (f32::from(rgb[at]), f32::from(self.bare[at]));
                rgb[at] = (is + share * (bare - is) + 0.5) as u8;
            }
        }
        Picture::new(self.picture.width(), self.picture.height(), rgb).expect("as many pixels")
    }
}

/// 8-connected.
fn blobs(marked: &[bool], width: usize) -> Vec<Vec<usize>> {
    let mut seen = vec![false; marked.len()];
    let mut found = Vec::new();
    for first in 0..marked.len() {
        if !marked[first] || seen[first] {
            continue;
        }
        seen[first] = true;
        let (mut todo, mut blob) = (vec![first], Vec::new());
        while let Some(at) = todo.pop() {
            blob.push(at);
            for near in neighbours(at, width, marked.len()) {
                if marked[near] && !seen[near] {
                    seen[near] = true;
                    todo.push(near);
                }
            }
        }
        found.push(blob);
    }
    found
}

fn neighbours(at: usize, width: usize, count: usize) -> impl Iterator<Item = usize> {
    let (x, y) = ((at % width) as isize, (at / width) as isize);
    let all = (-1..=1).flat_map(move |dy| (-1..=1).map(move |dx| (x + dx, y + dy)));
    all.filter(move |(x, _)| (0..width as isize).contains(x))
        .filter_map(move |(x, y)| usize::try_from(y * width as isize + x).ok().filter(|at| *at < count))
}

/// The blob and what lies within `by` pixels of it, away from the picture's border.
fn grown(blob: &[usize], width: usize, height: usize, by: usize) -> Vec<usize> {
    let mut all = blob.to_vec();
    for _ in 0..by {
        let more: Vec<usize> = all.iter().flat_map(|at| neighbours(*at, width, width * height)).collect();
        all.extend(more);
        all.sort_unstable();
        all.dedup();
    }
    all.retain(|at| (1..width - 1).contains(&(at % width)) && (1..height - 1).contains(&(at / width)));
    all
}

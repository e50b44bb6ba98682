//! The rules that the tensors coming out must keep: `[[output]]` and `[[detector]]`.

use super::{
    detector::{Decoder, Detector, Tensors},
    manifest::{Activation, Coordinates, Layout, Output, OutputKind},
    manifest_check::{Reader, is_slug},
    manifest_file as file,
};

/// Most names of one output, and most strides of a detector: above it the file is mistaken.
const MOST_NAMES: usize = 1_000;

impl Reader {
    pub(super) fn output(&mut self, at: usize, raw: file::Output) -> Output {
        let field = |name: &str| format!("output[{at}].{name}");
        self.check(!raw.name.is_empty(), &field("name"), "write the tensor's name exactly as in the model file");
        let activation = self.word(&field("activation"), &raw.activation).unwrap_or(Activation::None);
        let layout = raw.layout.as_deref().map_or(Some(Layout::Nchw), |word| self.word(&field("layout"), word));
        let unit = raw.coordinates.as_deref().and_then(|word| self.word::<Coordinates>(&field("coordinates"), word));
        let kind = match raw.kind.as_str() {
            "map" => OutputKind::Map { stride: self.count(&field("stride"), raw.stride, 1..=64).unwrap_or(1) },
            "scalar" => OutputKind::Scalar,
            "class" => OutputKind::Class,
            "landmarks" => {
                let given = raw.coordinates.is_some();
                self.check(given, &field("coordinates"), "say in what: share, pixel (of the tensor)");
                OutputKind::Landmarks { unit: unit.unwrap_or(Coordinates::Pixel) }
            }
            "vector" => OutputKind::Vector,
            "boxes" => OutputKind::Boxes,
            other => {
                let known = "map, scalar, class, landmarks, vector, boxes";
                self.complain(&field("kind"), format!("{other:?} is no kind; known are {known}"));
                OutputKind::Vector
            }
        };
        let is_map = matches!(kind, OutputKind::Map { .. });
        self.check(is_map || raw.stride.is_none(), &field("stride"), "only a map has a stride: remove it");
        self.check(is_map || raw.layout.is_none(), &field("layout"), "only a map has a layout: remove it");
        let is_landmarks = matches!(kind, OutputKind::Landmarks { .. });
        let stray = raw.coordinates.is_some() && !is_landmarks;
        self.check(!stray, &field("coordinates"), "only landmarks have coordinates: remove it");
        let names = self.names(&field, kind, [raw.channels, raw.classes, raw.points]);
        // Over a single channel it is 1 everywhere.
        let alone = is_map && activation == Activation::Softmax && names.len() < 2;
        self.check(!alone, &field("activation"), "softmax needs at least two channels: name them, or use sigmoid");
        Output { name: raw.name, kind, activation, layout: layout.unwrap_or(Layout::Nchw), names }
    }

    /// The names that this kind needs; those of another kind are complained of.
    fn names(
        &mut self,
        field: &dyn Fn(&str) -> String,
        kind: OutputKind,
        given: [Option<Vec<String>>; 3],
    ) -> Vec<String> {
        let (of, needed) = match kind {
            OutputKind::Map { .. } => (Some(0), false),
            OutputKind::Class => (Some(1), true),
            OutputKind::Landmarks { .. } => (Some(2), true),
            OutputKind::Scalar | OutputKind::Vector | OutputKind::Boxes => (None, false),
        };
        let mut found = Vec::new();
        for (at, (key, names)) in ["channels", "classes", "points"].iter().zip(given).enumerate() {
            match names {
                Some(names) if of == Some(at) => {
                    self.names_fit(&field(key), &names);
                    found = names;
                }
                Some(_) => self.complain(&field(key), "does not belong to this kind of output: remove it".into()),
                None if of == Some(at) && needed => {
                    self.complain(&field(key), "name them in the tensor's order".into())
                }
                None => {}
            }
        }
        found
    }

    fn names_fit(&mut self, field: &str, names: &[String]) {
        let number = (1..=MOST_NAMES).contains(&names.len());
        self.check(number, field, "give 1 to 1000 names, in the tensor's order");
        self.check(names.iter().all(|name| !name.is_empty()), field, "no name may be empty");
        self.once(field, names.iter().map(String::as_str));
    }

    pub(super) fn detector(&mut self, at: usize, raw: file::Detector, outputs: &[Output]) -> Option<Detector> {
        let field = |name: &str| format!("detector[{at}].{name}");
        self.check(is_slug(&raw.id), &field("id"), "use 1 to 40 of a-z, 0-9 and '-'");
        let threshold = self.number(&field("threshold"), Some(raw.threshold), 0.01..=1.0);
        let overlap = self.number(&field("overlap"), Some(raw.overlap), 0.0..=1.0);
        let class = self.count(&field("class"), Some(raw.class.unwrap_or(0)), 0..=9_999);
        let points = raw.points.clone().unwrap_or_default();
        if raw.points.is_some() {
            self.names_fit(&field("points"), &points);
        }
        let paired = raw.points.is_some() == raw.landmarks.is_some();
        self.check(
            paired,
            &field("points"),
            "landmarks names the tensors and points what they hold: give both or neither",
        );
        let anchor_free = match raw.decoder.as_str() {
            "corners" => false,
            "anchor-free" => true,
            other => {
                let known = "corners, anchor-free";
                self.complain(&field("decoder"), format!("{other:?} is no decoder; known are {known}"));
                return None;
            }
        };
        let levels = if anchor_free { raw.strides.as_ref().map_or(0, Vec::len) } else { 1 };
        let mut tensors = |key: &str, names: Option<&Vec<String>>| -> Option<Vec<usize>> {
            let names = names?;
            let remedy = if anchor_free { "name one tensor for each of strides" } else { "name one tensor" };
            self.check(names.len() == levels && levels > 0, &field(key), remedy);
            let known = |name: &String| {
                let of_boxes = |output: &Output| output.name == *name && output.kind == OutputKind::Boxes;
                outputs.iter().position(of_boxes)
            };
            let found: Option<Vec<usize>> = names.iter().map(known).collect();
            self.check(found.is_some(), &field(key), "name [[output]] tensors of kind \"boxes\"");
            found
        };
        let (boxes, scores) = (tensors("boxes", Some(&raw.boxes)), tensors("scores", Some(&raw.scores)));
        let objectness = tensors("objectness", raw.objectness.as_ref());
        let landmarks = tensors("landmarks", raw.landmarks.as_ref());
        let decoder = if anchor_free {
            let strides = raw.strides.unwrap_or_default();
            let good = !strides.is_empty() && strides.iter().all(|stride| (1..=1_024).contains(stride));
            self.check(good, &field("strides"), "give the strides in tensor pixels, 1 to 1024 each");
            let stray = raw.coordinates.is_some();
            self.check(!stray, &field("coordinates"), "anchor-free boxes are told in strides: remove it");
            (boxes.zip(scores).filter(|(boxes, _)| boxes.len() == strides.len())).map(|(boxes, scores)| {
                let level = |k: usize| Tensors {
                    boxes: boxes[k],
                    scores: scores
                        .get(k)
                        .into_iter()
                        .chain(objectness.as_ref().and_then(|o| o.get(k)))
                        .copied()
                        .collect(),
                    points: landmarks.as_ref().and_then(|l| l.get(k)).copied(),
                };
                Decoder::AnchorFree(strides.iter().enumerate().map(|(k, stride)| (*stride, level(k))).collect())
            })
        } else {
            self.check(raw.strides.is_none(), &field("strides"), "corners need no strides: remove them");
            let unit = raw.coordinates.as_deref().and_then(|word| self.word(&field("coordinates"), word));
            let given = raw.coordinates.is_some();
            self.check(given, &field("coordinates"), "say in what: share, pixel (of the tensor)");
            (unit.zip(boxes.zip(scores))).and_then(|(unit, (boxes, scores))| {
                let scores = scores.into_iter().chain(objectness.into_iter().flatten()).collect();
                let points = landmarks.and_then(|l| l.first().copied());
                Some(Decoder::Corners { unit, tensors: Tensors { boxes: *boxes.first()?, scores, points } })
            })
        };
        let (threshold, overlap) = (threshold? as f32, overlap? as f32);
        Some(Detector { id: raw.id, decoder: decoder?, class: class? as usize, threshold, overlap, points })
    }
}

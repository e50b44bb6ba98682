//! A model held against pictures of which something is known: what is kept of each picture, one line each, so that a long
//! evaluation goes on where it was ended. What all of them come to: [`super::summary`].
//!
//! The file of an evaluation: JSON lines. The first is the [`Head`]; each further one a [`Record`], written whole once its
//! picture is done. A last line that is cut off is no record: its picture is done again.

use super::job::{Evaluated, FacePlace, ModelName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of pictures: `--truth`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    schema: u32,
    #[serde(default)]
    picture: Vec<Known>,
}

/// Of one picture; everything but its name may be left out.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    pub file: String,
    pub px_per_mm: Option<f64>,
    view: Option<String>,
    anchors: Option<[[f64; 2]; 2]>,
    #[serde(default)]
    pub scores: Vec<KnownScore>,
    /// All that a detector must find: left, top, right, bottom in pixels as shown.
    pub boxes: Option<Vec<[f64; 4]>>,
    /// Where points lie, of the best thing found or of the landmarks.
    #[serde(default)]
    pub points: BTreeMap<String, [f64; 2]>,
    /// The right class, by the name of the class output.
    #[serde(default)]
    pub classes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownScore {
    pub metric: String,
    /// Without one: the whole picture.
    #[serde(default = "whole")]
    pub region: String,
    pub value: f64,
}

fn whole() -> String {
    "face".to_owned()
}

impl Truth {
    /// # Errors
    /// A sentence with what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let truth: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        if truth.schema != 1 {
            return Err("schema: write 1; this program knows no other".into());
        }
        let mut seen = BTreeSet::new();
        for known in &truth.picture {
            let file = &known.file;
            if !seen.insert(file) {
                return Err(format!("picture {file:?} stands twice; keep one"));
            }
            if known.view.is_some() != known.anchors.is_some() {
                return Err(format!("picture {file:?}: give view and anchors, or neither"));
            }
            if known.px_per_mm.is_some_and(|scale| !(0.1..=1000.0).contains(&scale)) {
                return Err(format!("picture {file:?}: px_per_mm: give 0.1 to 1000"));
            }
        }
        Ok(truth)
    }

    #[must_use]
    pub fn of(&self, file: &str) -> Option<&Known> {
        self.picture.iter().find(|known| known.file == file)
    }
}

impl Known {
    #[must_use]
    pub fn placed(&self) -> Option<FacePlace> {
        let (view, anchors) = self.view.clone().zip(self.anchors)?;
        Some(FacePlace { view, anchors })
    }
}

/// Which model an evaluation is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// 1.
    pub skinlink_evaluation: u32,
    pub model: ModelName,
    /// SHA-256 of its manifest.
    pub manifest: String,
}

/// One picture done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub file: String,
    /// SHA-256 of the picture file.
    pub sha256: String,
    /// What the model was told besides.
    pub face: Option<FacePlace>,
    pub px_per_mm: Option<f64>,
    pub seconds: f64,
    pub evaluated: Option<Evaluated>,
    /// Why there is nothing.
    pub fault: Option<String>,
}

/// An evaluation that was begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    pub head: Head,
    pub records: Vec<Record>,
    /// So many bytes are whole lines; what follows was cut off.
    pub whole: usize,
}

impl Begun {
    /// `None` where not even the first line is whole.
    ///
    /// # Errors
    /// A sentence where a whole line is none of an evaluation.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let mut lines = text[..whole].lines().enumerate();
        let Some((_, first)) = lines.next() else { return Ok(None) };
        let head: Head = serde_json::from_str(first).map_err(|e| format!("line 1 is no evaluation's: {e}"))?;
        if head.skinlink_evaluation != 1 {
            return Err("line 1: this program knows evaluations of version 1 alone".into());
        }
        let record = |(at, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|e| format!("line {} is no record: {e}", at + 1))
        };
        Ok(Some(Self { head, records: lines.map(record).collect::<Result<_, _>>()?, whole }))
    }

    /// The record of this very picture, told the same.
    #[must_use]
    pub fn has(&self, sha256: &str, file: &str, face: Option<&FacePlace>, px_per_mm: Option<f64>) -> Option<&Record> {
        let same = |record: &&Record| {
            record.file == file
                && record.sha256 == sha256
                && record.face.as_ref() == face
                && record.px_per_mm == px_per_mm
        };
        // The last one: a picture that was changed and changed back stands twice.
        self.records.iter().rfind(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::job::EvaluatedScore;

    fn head() -> Head {
        let model = ModelName { id: "m".into(), version: "1".into(), digest: "d".into(), provider: "cpu".into() };
        Head { skinlink_evaluation: 1, model, manifest: "x".into() }
    }

    fn record(file: &str, evaluated: Evaluated) -> Record {
        let (sha256, evaluated) = (format!("sha of {file}"), Some(evaluated));
        Record { file: file.into(), sha256, face: None, px_per_mm: None, seconds: 0.5, evaluated, fault: None }
    }

    fn scored(value: f64) -> Evaluated {
        let score = EvaluatedScore { metric: "pores".into(), region: "face".into(), value };
        Evaluated { scores: vec![score], ..Evaluated::default() }
    }

    #[test]
    fn an_evaluation_cut_off_anywhere_goes_on_after_its_last_whole_line() {
        let records = [record("a.png", scored(1.0)), record("b.png", scored(2.0))];
        let mut lines = vec![serde_json::to_string(&head()).unwrap()];
        lines.extend(records.iter().map(|record| serde_json::to_string(record).unwrap()));
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        for cut in 0..=text.len() {
            let begun = Begun::parse(&text[..cut]).unwrap_or_else(|e| panic!("cut to {cut}: {e}"));
            let whole = text[..cut].matches('\n').count();
            assert_eq!(begun.as_ref().map(|begun| begun.records.len() + 1).unwrap_or(0), whole, "cut to {cut}");
        }
        let begun = Begun::parse(&text).unwrap().unwrap();
        assert_eq!((begun.whole, &begun.records[..]), (text.len(), &records[..]));
        assert!(begun.has("sha of a.png", "a.png", None, None).is_some());
        assert!(begun.has("another", "a.png", None, None).is_none());
        assert!(begun.has("sha of a.png", "a.png", None, Some(13.0)).is_none(), "it was told something else");
        assert!(Begun::parse("{}\n").is_err());
        assert!(Begun::parse(&format!("{}\nno record\n", lines[0])).unwrap_err().contains("line 2"));
    }

    #[test]
    fn a_truth_that_contradicts_itself_is_refused() {
        for (text, words) in [
            ("schema = 2", "schema"),
            ("schema = 1\n[[picture]]\nfile = \"a\"\n[[picture]]\nfile = \"a\"", "twice"),
            ("schema = 1\n[[picture]]\nfile = \"a\"\nview = \"left\"", "anchors"),
            ("schema = 1\n[[picture]]\nfile = \"a\"\npx_per_mm = 0.0", "px_per_mm"),
            ("schema = 1\n[[picture]]\nfile = \"a\"\ncolour = 1", "colour"),
        ] {
            assert!(Truth::parse(text).unwrap_err().contains(words), "{text}");
        }
    }
}

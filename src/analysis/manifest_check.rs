//! The rules a manifest must keep, each with its remedy; all complaints of one file come together.

use super::{
    manifest::{Accuracy, Channels, Complaint, Fit, Golden, Input, Limits, Manifest, ManifestError, Output, Whole},
    manifest_file as file,
};
use crate::domain::{
    UnknownWord,
    metric::{Label, MetricId},
};
use std::{collections::BTreeSet, ops::RangeInclusive, str::FromStr, time::Duration};

/// Pixels to a millimetre: the finest contact scope that a station's configuration takes has 0.5 µm a pixel.
const FINEST: f64 = 2000.0;

pub(super) fn check(raw: file::File) -> Result<Manifest, ManifestError> {
    Reader::default().manifest(raw)
}

/// Collects complaints while the file is read to its end.
#[derive(Default)]
pub(super) struct Reader {
    complaints: Vec<Complaint>,
}

impl Reader {
    fn manifest(mut self, raw: file::File) -> Result<Manifest, ManifestError> {
        self.check(raw.schema == 1, "schema", "write 1; this program knows no other");
        self.check(is_slug(&raw.id), "id", "use 1 to 40 of a-z, 0-9 and '-'");
        self.check(!raw.version.is_empty() && raw.version.len() <= 40, "version", "write a version such as \"1.0.0\"");
        self.check(!raw.title.zh.is_empty() && !raw.title.en.is_empty(), "title", "name the model in both languages");
        self.check(
            is_inside(&raw.file) && !raw.file.contains('/'),
            "file",
            "name a file of this folder, without a path",
        );
        self.check(is_digest(&raw.sha256), "sha256", "write the file's SHA-256 as 64 lower-case hex digits");
        self.check(!raw.licence.is_empty(), "licence", "say under which licence the model may be used");
        self.check(!raw.provenance.is_empty(), "provenance", "say where the model comes from");
        self.check((1..=600_000).contains(&raw.limits.deadline_ms), "limits.deadline_ms", "use 1 to 600000");
        self.check((16..=65_536).contains(&raw.limits.memory_mib), "limits.memory_mib", "use 16 to 65536");
        self.check(!raw.output.is_empty(), "output", "describe at least one [[output]]");
        self.check(!raw.golden.is_empty(), "golden", "add at least one [[golden]] picture with what it must give");
        let by_region = raw.input.fit == "region";
        let input = self.input(raw.input);
        let outputs: Vec<Output> = raw.output.into_iter().enumerate().map(|(at, o)| self.output(at, o)).collect();
        self.once("output", outputs.iter().map(|output| output.name.as_str()));
        let detectors: Vec<_> =
            raw.detector.into_iter().enumerate().filter_map(|(at, d)| self.detector(at, d, &outputs)).collect();
        self.once("detector", detectors.iter().map(|detector| detector.id.as_str()));
        self.check(
            !by_region || detectors.is_empty(),
            "detector",
            "a detector sees whole pictures: use another input.fit",
        );
        let scores: Vec<_> =
            raw.score.into_iter().enumerate().filter_map(|(at, s)| self.score(at, s, &outputs, by_region)).collect();
        self.once("score", scores.iter().map(|rule| rule.metric.as_str()));
        self.responses(&scores, &outputs);
        let golden = raw.golden.into_iter().enumerate().map(|(at, g)| self.golden(at, g)).collect();
        let Some(input) = input.filter(|_| self.complaints.is_empty()) else {
            return Err(ManifestError::Wrong(self.complaints));
        };
        Ok(Manifest {
            id: raw.id,
            version: raw.version,
            title: Label { zh: raw.title.zh, en: raw.title.en },
            file: raw.file,
            sha256: raw.sha256,
            licence: raw.licence,
            provenance: raw.provenance,
            intended_use: raw.intended_use,
            limits: Limits {
                deadline: Duration::from_millis(raw.limits.deadline_ms),
                memory_mib: raw.limits.memory_mib,
            },
            input,
            outputs,
            detectors,
            scores,
            accuracy: Accuracy { measured_on: raw.accuracy.measured_on, note: raw.accuracy.note },
            golden,
        })
    }

    fn input(&mut self, raw: file::Input) -> Option<Input> {
        self.check(!raw.name.is_empty(), "input.name", "write the tensor's name exactly as in the model file");
        let element = self.word("input.element", &raw.element);
        let layout = self.word("input.layout", &raw.layout);
        let channels: Option<Channels> = self.word("input.channels", &raw.channels);
        let count = channels.map_or(3, Channels::count);
        let remedy = format!("give {count} finite numbers, one per channel");
        self.check(raw.scale.len() == count && all_f32(&raw.scale), "input.scale", &remedy);
        self.check(raw.offset.len() == count && all_f32(&raw.offset), "input.offset", &remedy);
        let fit = self.fit(&raw);
        Some(Input {
            name: raw.name,
            element: element?,
            layout: layout?,
            channels: channels?,
            scale: raw.scale.into_iter().map(|v| v as f32).collect(),
            offset: raw.offset.into_iter().map(|v| v as f32).collect(),
            fit: fit?,
        })
    }

    fn fit(&mut self, raw: &file::Input) -> Option<Fit> {
        if raw.fit == "region" {
            let whole = [raw.width, raw.height, raw.fill.map(u32::from)];
            self.check(
                whole.iter().all(Option::is_none),
                "input.fit",
                "a region has no width, height or fill: remove them",
            );
            let px_per_mm = self.number("input.px_per_mm", raw.px_per_mm, 1.0..=FINEST);
            let least = self.number("input.min_px_per_mm", raw.min_px_per_mm, 0.1..=px_per_mm.unwrap_or(FINEST));
            let margin_px = self.count("input.margin_px", raw.margin_px, 0..=512);
            let multiple_of = self.count("input.multiple_of", raw.multiple_of, 1..=256);
            return Some(Fit::Region {
                px_per_mm: px_per_mm?,
                min_px_per_mm: least?,
                margin_px: margin_px?,
                multiple_of: multiple_of?,
            });
        }
        let Ok(how) = raw.fit.parse::<Whole>() else {
            self.complain(
                "input.fit",
                format!("{:?} is no fit; known are region, {}", raw.fit, Whole::WORDS.join(", ")),
            );
            return None;
        };
        let scale =
            [raw.px_per_mm.is_some(), raw.min_px_per_mm.is_some(), raw.margin_px.is_some(), raw.multiple_of.is_some()];
        self.check(
            !scale.contains(&true),
            "input.fit",
            "px_per_mm, min_px_per_mm, margin_px and multiple_of belong to \"region\"",
        );
        let (width, height) =
            (self.count("input.width", raw.width, 1..=4096), self.count("input.height", raw.height, 1..=4096));
        Some(Fit::Whole { how, width: width?, height: height?, fill: raw.fill.unwrap_or(0) })
    }

    fn golden(&mut self, at: usize, raw: file::Golden) -> Golden {
        let remedy = "name a file below this folder, with forward slashes and without '..'";
        self.check(is_inside(&raw.input), &format!("golden[{at}].input"), remedy);
        self.check(is_inside(&raw.expect), &format!("golden[{at}].expect"), remedy);
        Golden { name: raw.name, input: raw.input, expect: raw.expect }
    }

    /// No name stands twice.
    pub(super) fn once<'a>(&mut self, field: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for name in names.filter(|name| !seen.insert(*name)).collect::<BTreeSet<_>>() {
            self.complain(field, format!("{name:?} stands twice; keep one"));
        }
    }

    pub(super) fn complain(&mut self, field: &str, remedy: String) {
        self.complaints.push(Complaint { field: field.to_owned(), remedy });
    }

    pub(super) fn check(&mut self, holds: bool, field: &str, remedy: &str) {
        if !holds {
            self.complain(field, remedy.to_owned());
        }
    }

    pub(super) fn word<T: FromStr<Err = UnknownWord>>(&mut self, field: &str, text: &str) -> Option<T> {
        text.parse().map_err(|e: UnknownWord| self.complain(field, e.to_string())).ok()
    }

    pub(super) fn number(&mut self, field: &str, value: Option<f64>, range: RangeInclusive<f64>) -> Option<f64> {
        let good = value.filter(|value| range.contains(value));
        if good.is_none() {
            self.complain(field, format!("give a number from {} to {}", range.start(), range.end()));
        }
        good
    }

    pub(super) fn count(&mut self, field: &str, value: Option<u32>, range: RangeInclusive<u32>) -> Option<u32> {
        let good = value.filter(|value| range.contains(value));
        if good.is_none() {
            self.complain(field, format!("give a whole number from {} to {}", range.start(), range.end()));
        }
        good
    }
}

pub(super) fn is_slug(text: &str) -> bool {
    MetricId::new(text).is_ok()
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A relative path that stays below its folder.
fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && !path.contains('\\')
}

fn all_f32(values: &[f64]) -> bool {
    values.iter().all(|value| (*value as f32).is_finite())
}

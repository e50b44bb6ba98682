//! The rules a manifest must keep, each with its remedy; all complaints of one file come together.

use super::{
    manifest::{
        Accuracy, Activation, Channels, Complaint, Fit, Golden, Input, KeptShare, Limits, Manifest, ManifestError,
        Output, OutputKind, Reduce, ScoreRepeatability, ScoreRule, Unchanged, Whole,
    },
    manifest_file as file,
};
use crate::domain::{
    UnknownWord,
    metric::{Label, MetricId},
};
use std::{ops::RangeInclusive, str::FromStr, time::Duration};

pub(super) fn check(raw: file::File) -> Result<Manifest, ManifestError> {
    Reader::default().manifest(raw)
}

/// Collects complaints while the file is read to its end.
#[derive(Default)]
struct Reader {
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
        let input = self.input(raw.input);
        let outputs: Vec<Output> = raw.output.into_iter().enumerate().map(|(at, o)| self.output(at, o)).collect();
        let scores: Vec<ScoreRule> =
            raw.score.into_iter().enumerate().filter_map(|(at, s)| self.score(at, s, &outputs)).collect();
        self.responses(&scores);
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
            let px_per_mm = self.number("input.px_per_mm", raw.px_per_mm, 1.0..=100.0);
            let least = self.number("input.min_px_per_mm", raw.min_px_per_mm, 0.1..=px_per_mm.unwrap_or(100.0));
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

    fn output(&mut self, at: usize, raw: file::Output) -> Output {
        let field = |name: &str| format!("output[{at}].{name}");
        self.check(!raw.name.is_empty(), &field("name"), "write the tensor's name exactly as in the model file");
        let kind = match raw.kind.as_str() {
            "map" => OutputKind::Map { stride: self.count(&field("stride"), raw.stride, 1..=64).unwrap_or(1) },
            "scalar" => OutputKind::Scalar,
            "vector" => OutputKind::Vector,
            "boxes" => OutputKind::Boxes,
            other => {
                self.complain(&field("kind"), format!("{other:?} is no kind; known are map, scalar, vector, boxes"));
                OutputKind::Vector
            }
        };
        let is_map = matches!(kind, OutputKind::Map { .. });
        self.check(is_map || raw.stride.is_none(), &field("stride"), "only a map has a stride: remove it");
        let activation = self.word(&field("activation"), &raw.activation).unwrap_or(Activation::None);
        Output { name: raw.name, kind, activation }
    }

    fn score(&mut self, at: usize, raw: file::Score, outputs: &[Output]) -> Option<ScoreRule> {
        let field = |name: &str| format!("score[{at}].{name}");
        let metric = MetricId::new(&raw.metric).map_err(|e| self.complain(&field("metric"), e.to_string())).ok();
        let found = outputs.iter().position(|output| output.name == raw.output);
        self.check(found.is_some(), &field("output"), "name one of the [[output]] tensors");
        let reduce = self.reduce(&field, &raw, found.map(|at| outputs[at].kind));
        let paired = self.paired(&field, &raw, reduce);
        let is_paired = raw.paired.is_some();
        let is_response = raw.paired.as_deref() == Some("response");
        let repeatability = raw.repeatability.map(|r| self.repeatability(&field("repeatability"), r, is_paired));
        let peaks_of = self.peaks_of(&field, raw.peaks_of.as_deref(), is_response);
        Some(ScoreRule { metric: metric?, output: found?, reduce: reduce?, paired, peaks_of, repeatability })
    }

    fn peaks_of(&mut self, field: &dyn Fn(&str) -> String, named: Option<&str>, is_response: bool) -> Option<MetricId> {
        let remedy = "paired = \"response\" and peaks_of belong together: name the metric of a kept-share score";
        self.check(named.is_some() == is_response, &field("peaks_of"), remedy);
        named.and_then(|id| MetricId::new(id).map_err(|e| self.complain(&field("peaks_of"), e.to_string())).ok())
    }

    /// A response is measured at the peaks of another score, on a map of the same grid.
    fn responses(&mut self, scores: &[ScoreRule]) {
        for (at, rule) in scores.iter().enumerate() {
            let Some(named) = &rule.peaks_of else { continue };
            let found = scores.iter().any(|other| other.metric == *named && other.paired.is_some());
            let remedy = "name the metric of a score with paired = \"kept-share\"";
            self.check(found, &format!("score[{at}].peaks_of"), remedy);
        }
    }

    fn reduce(
        &mut self,
        field: &dyn Fn(&str) -> String,
        raw: &file::Score,
        kind: Option<OutputKind>,
    ) -> Option<Reduce> {
        let threshold =
            |reader: &mut Self| reader.number(&field("threshold"), raw.threshold, -1e6..=1e6).map(|value| value as f32);
        let reduce = match raw.reduce.as_str() {
            "peak-density" => {
                let (window, threshold) = (self.count(&field("window"), raw.window, 3..=31), threshold(self));
                self.check(window.is_none_or(|w| w % 2 == 1), &field("window"), "use an odd number: it has a middle");
                Reduce::PeakDensity { threshold: threshold?, window: window? }
            }
            "area-fraction" => Reduce::AreaFraction { threshold: threshold(self)? },
            "mean" => Reduce::Mean,
            "scalar" => Reduce::Scalar,
            other => {
                let known = "peak-density, area-fraction, mean, scalar";
                self.complain(&field("reduce"), format!("{other:?} is no way to reduce; known are {known}"));
                return None;
            }
        };
        let fits = match (reduce, kind) {
            (_, None) => true,
            (Reduce::Scalar, Some(kind)) => kind == OutputKind::Scalar,
            (_, Some(kind)) => matches!(kind, OutputKind::Map { .. }),
        };
        self.check(fits, &field("reduce"), "scalar reads a scalar output, the others read a map");
        Some(reduce)
    }

    fn paired(
        &mut self,
        field: &dyn Fn(&str) -> String,
        raw: &file::Score,
        reduce: Option<Reduce>,
    ) -> Option<KeptShare> {
        let Some(kind) = raw.paired.as_deref() else {
            let stray = raw.kept_threshold.is_some() || raw.search_px.is_some();
            self.check(!stray, &field("paired"), "kept_threshold and search_px need paired = \"kept-share\"");
            return None;
        };
        if kind == "response" {
            let stray = raw.kept_threshold.is_some() || raw.search_px.is_some();
            self.check(
                !stray,
                &field("paired"),
                "a response takes kept_threshold and search_px from the score it names",
            );
            let map = matches!(reduce, None | Some(Reduce::Mean | Reduce::AreaFraction { .. }));
            self.check(map, &field("paired"), "a response needs reduce = \"mean\" or \"area-fraction\"");
            return None;
        }
        self.check(kind == "kept-share", &field("paired"), "the paired measures are \"kept-share\" and \"response\"");
        let peaks = matches!(reduce, None | Some(Reduce::PeakDensity { .. }));
        self.check(peaks, &field("paired"), "a kept share needs reduce = \"peak-density\"");
        // Both are looked at before either ends this, so that both can be complained of.
        let kept_threshold = self.number(&field("kept_threshold"), raw.kept_threshold, 0.01..=1.0);
        let search_px = self.count(&field("search_px"), raw.search_px, 0..=16);
        Some(KeptShare { kept_threshold: kept_threshold? as f32, search_px: search_px? })
    }

    fn repeatability(&mut self, field: &str, raw: file::Repeatability, paired: bool) -> ScoreRepeatability {
        let at = |name: &str| format!("{field}.{name}");
        self.check(
            !raw.source.is_empty(),
            &at("source"),
            "say where the figures come from: it is printed beside a verdict",
        );
        if let Some(level_sd) = raw.level_sd {
            self.number(&at("level_sd"), Some(level_sd), 0.0..=1e6);
        }
        let paired = if paired {
            let mean = self.number(&at("unchanged_mean"), raw.unchanged_mean, 0.0..=1.0);
            let sd = self.number(&at("unchanged_sd"), raw.unchanged_sd, 0.0..=1.0);
            let floor = self.number(&at("floor"), raw.floor, 0.0..=1.0);
            mean.zip(sd).zip(floor).map(|((mean, sd), floor)| Unchanged { mean, sd, floor })
        } else {
            let stray = [raw.unchanged_mean, raw.unchanged_sd, raw.floor].iter().any(Option::is_some);
            self.check(!stray, field, "unchanged_mean, unchanged_sd and floor belong to a paired measure");
            None
        };
        let degrees_of_freedom = raw.degrees_of_freedom;
        ScoreRepeatability { paired, level_sd: raw.level_sd, degrees_of_freedom, source: raw.source }
    }

    fn golden(&mut self, at: usize, raw: file::Golden) -> Golden {
        let remedy = "name a file below this folder, with forward slashes and without '..'";
        self.check(is_inside(&raw.input), &format!("golden[{at}].input"), remedy);
        self.check(is_inside(&raw.expect), &format!("golden[{at}].expect"), remedy);
        Golden { name: raw.name, input: raw.input, expect: raw.expect }
    }

    fn complain(&mut self, field: &str, remedy: String) {
        self.complaints.push(Complaint { field: field.to_owned(), remedy });
    }

    fn check(&mut self, holds: bool, field: &str, remedy: &str) {
        if !holds {
            self.complain(field, remedy.to_owned());
        }
    }

    fn word<T: FromStr<Err = UnknownWord>>(&mut self, field: &str, text: &str) -> Option<T> {
        text.parse().map_err(|e: UnknownWord| self.complain(field, e.to_string())).ok()
    }

    fn number(&mut self, field: &str, value: Option<f64>, range: RangeInclusive<f64>) -> Option<f64> {
        let good = value.filter(|value| range.contains(value));
        if good.is_none() {
            self.complain(field, format!("give a number from {} to {}", range.start(), range.end()));
        }
        good
    }

    fn count(&mut self, field: &str, value: Option<u32>, range: RangeInclusive<u32>) -> Option<u32> {
        let good = value.filter(|value| range.contains(value));
        if good.is_none() {
            self.complain(field, format!("give a whole number from {} to {}", range.start(), range.end()));
        }
        good
    }
}

fn is_slug(text: &str) -> bool {
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

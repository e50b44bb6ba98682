//! The rules that scores must keep: `[[score]]` and `[score.repeatability]`.

use super::{
    manifest::{Extent, KeptShare, Output, OutputKind, Per, Reduce, ScoreRepeatability, ScoreRule, Unchanged},
    manifest_check::Reader,
    manifest_file as file,
};
use crate::domain::metric::MetricId;

/// Where complaints about one score are put.
type Field<'a> = &'a dyn Fn(&str) -> String;

impl Reader {
    pub(super) fn score(
        &mut self,
        at: usize,
        raw: file::Score,
        outputs: &[Output],
        by_region: bool,
    ) -> Option<ScoreRule> {
        let field = |name: &str| format!("score[{at}].{name}");
        let metric = MetricId::new(&raw.metric).map_err(|e| self.complain(&field("metric"), e.to_string())).ok();
        let found = outputs.iter().position(|output| output.name == raw.output);
        self.check(found.is_some(), &field("output"), "name one of the [[output]] tensors");
        let output = found.map(|at| &outputs[at]);
        let reduce = self.reduce(&field, &raw, output);
        let channel = self.channel(&field, &raw, output);
        let better = raw.better.as_deref().and_then(|word| self.word(&field("better"), word));
        let by = self.extent(&field, &raw, output, by_region);
        let paired = self.paired(&field, &raw, reduce);
        let is_paired = raw.paired.is_some();
        self.check(by_region || !is_paired, &field("paired"), "a pair is compared by region: remove it");
        let is_response = raw.paired.as_deref() == Some("response");
        let peaks_of = self.peaks_of(&field, raw.peaks_of.as_deref(), is_response);
        let repeatability = raw.repeatability.map(|r| self.repeatability(&field("repeatability"), r, is_paired));
        Some(ScoreRule {
            metric: metric?,
            output: found?,
            channel,
            unit: raw.unit,
            better,
            by,
            reduce: reduce?,
            paired,
            peaks_of,
            repeatability,
        })
    }

    fn peaks_of(&mut self, field: Field<'_>, named: Option<&str>, is_response: bool) -> Option<MetricId> {
        let remedy = "paired = \"response\" and peaks_of belong together: name the metric of a kept-share score";
        self.check(named.is_some() == is_response, &field("peaks_of"), remedy);
        named.and_then(|id| MetricId::new(id).map_err(|e| self.complain(&field("peaks_of"), e.to_string())).ok())
    }

    /// A response is measured at the peaks of another score, on a map of the same grid.
    pub(super) fn responses(&mut self, scores: &[ScoreRule], outputs: &[Output]) {
        for (at, rule) in scores.iter().enumerate() {
            let Some(named) = &rule.peaks_of else { continue };
            let field = format!("score[{at}].peaks_of");
            let found = scores.iter().find(|other| other.metric == *named && other.paired.is_some());
            self.check(found.is_some(), &field, "name the metric of a score with paired = \"kept-share\"");
            let alike = found.is_none_or(|peaks| outputs[peaks.output].kind == outputs[rule.output].kind);
            self.check(alike, &field, "both scores must read maps of one stride");
        }
    }

    fn reduce(&mut self, field: Field<'_>, raw: &file::Score, output: Option<&Output>) -> Option<Reduce> {
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
            "mean-above" => Reduce::MeanAbove { threshold: threshold(self)? },
            "pieces" | "length" => {
                let threshold = threshold(self);
                let min_cells = self.count(&field("min_cells"), Some(raw.min_cells.unwrap_or(1)), 1..=1_000_000);
                let per = self.per(field, raw);
                let (threshold, min_cells, per) = (threshold?, min_cells?, per?);
                if raw.reduce == "pieces" {
                    Reduce::Pieces { threshold, min_cells, per }
                } else {
                    Reduce::Length { threshold, min_cells, per }
                }
            }
            "scalar" => Reduce::Scalar,
            "class" => Reduce::Class(self.class(field, raw, output)?),
            other => {
                let known = "peak-density, area-fraction, mean, mean-above, pieces, length, scalar, class";
                self.complain(&field("reduce"), format!("{other:?} is no way to reduce; known are {known}"));
                return None;
            }
        };
        self.stray_keys(field, raw);
        let fits = match (reduce, output.map(|output| output.kind)) {
            (_, None) => true,
            (Reduce::Scalar, Some(kind)) => kind == OutputKind::Scalar,
            (Reduce::Class(_), Some(kind)) => kind == OutputKind::Class,
            (_, Some(kind)) => matches!(kind, OutputKind::Map { .. }),
        };
        self.check(fits, &field("reduce"), "scalar reads a scalar output, class a class output, the others read a map");
        Some(reduce)
    }

    /// Keys that another way to reduce would read: whoever wrote them expects something of them.
    fn stray_keys(&mut self, field: Field<'_>, raw: &file::Score) {
        let how = raw.reduce.as_str();
        let pieces = ["pieces", "length"].contains(&how);
        for (key, given, belongs) in [
            (
                "threshold",
                raw.threshold.is_some(),
                pieces || ["peak-density", "area-fraction", "mean-above"].contains(&how),
            ),
            ("window", raw.window.is_some(), how == "peak-density"),
            ("min_cells", raw.min_cells.is_some(), pieces),
            ("per", raw.per.is_some(), pieces),
            ("class", raw.class.is_some(), how == "class"),
        ] {
            self.check(!given || belongs, &field(key), &format!("reduce = {how:?} does not read it: remove it"));
        }
    }

    fn per(&mut self, field: Field<'_>, raw: &file::Score) -> Option<Per> {
        match raw.per.as_deref() {
            Some(word) => self.word(&field("per"), word),
            None => {
                self.complain(&field("per"), format!("say per what: {}", Per::WORDS.join(", ")));
                None
            }
        }
    }

    fn class(&mut self, field: Field<'_>, raw: &file::Score, output: Option<&Output>) -> Option<usize> {
        let names = output.filter(|output| output.kind == OutputKind::Class).map(|output| &output.names);
        let found =
            raw.class.as_ref().zip(names).and_then(|(class, names)| names.iter().position(|name| name == class));
        // Of an output of another kind is complained where the kinds are held against each other.
        let known = names.map_or_else(String::new, |names| format!(" of {}", names.join(", ")));
        self.check(found.is_some() || names.is_none(), &field("class"), &format!("name one{known}"));
        found.or(names.is_none().then_some(0))
    }

    /// Which channel of a map; the first of one without names.
    fn channel(&mut self, field: Field<'_>, raw: &file::Score, output: Option<&Output>) -> usize {
        let named = output.filter(|output| matches!(output.kind, OutputKind::Map { .. }) && !output.names.is_empty());
        let Some(output) = named else {
            self.check(raw.channel.is_none(), &field("channel"), "this output names no channels: remove it");
            return 0;
        };
        let found = raw.channel.as_ref().and_then(|channel| output.names.iter().position(|name| name == channel));
        self.check(found.is_some(), &field("channel"), &format!("name one of {}", output.names.join(", ")));
        found.unwrap_or(0)
    }

    fn extent(&mut self, field: Field<'_>, raw: &file::Score, output: Option<&Output>, by_region: bool) -> Extent {
        let usual = if by_region { Extent::Region } else { Extent::Picture };
        let by = raw.by.as_deref().map_or(Some(usual), |word| self.word(&field("by"), word)).unwrap_or(usual);
        let is_map = output.is_none_or(|output| matches!(output.kind, OutputKind::Map { .. }));
        self.check(is_map || by == usual, &field("by"), "only a map can be cut into regions: remove it");
        let fits = !by_region || by == Extent::Region;
        self.check(fits, &field("by"), "a model of regions sees one region at a time: remove it");
        by
    }

    fn paired(&mut self, field: Field<'_>, raw: &file::Score, reduce: Option<Reduce>) -> Option<KeptShare> {
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
}

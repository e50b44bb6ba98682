//! One model as its manifest describes it: a page for people, a document for programs.

use crate::{
    analysis::{
        detector::{Decoder, Detector},
        manifest::{Extent, Fit, Input, Manifest, Output, OutputKind, Reduce, ScoreRule},
    },
    app::{catalogue, print::say},
    cli::exit,
};
use serde_json::{Value, json};
use std::{fmt::Write, path::Path};

pub(super) fn show(folder: &Path, as_json: bool) -> anyhow::Result<u8> {
    let text = catalogue::read(&folder.join("manifest.toml"))?;
    let manifest = match Manifest::parse(&text) {
        Ok(manifest) => manifest,
        Err(wrong) => {
            if as_json {
                say!("{}", json!({ "broken": wrong.to_string() }));
            } else {
                say!("{}: {wrong}", folder.display());
            }
            return Ok(exit::FAULT);
        }
    };
    if as_json {
        say!("{}", serde_json::to_string_pretty(&document(&manifest))?);
    } else {
        say!("{}", page(&manifest).trim_end());
    }
    Ok(exit::OK)
}

fn page(manifest: &Manifest) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "{name:14}{}", what.replace('\n', "\n              "));
    };
    let Manifest { id, version, title, file, sha256, licence, provenance, intended_use, limits, .. } = manifest;
    line(id, &format!("{version}  {} · {}", title.zh, title.en));
    line("file", &format!("{file}\n{sha256}"));
    line("licence", licence);
    line("made by", provenance);
    line("intended for", intended_use);
    let deadline = limits.deadline.as_millis();
    line("limits", &format!("{deadline} ms for one inference, {} MiB", limits.memory_mib));
    line("sees", &input(&manifest.input));
    for output in &manifest.outputs {
        line("gives", &self::output(output));
    }
    for detector in &manifest.detectors {
        line("finds", &self::detector(manifest, detector));
    }
    for rule in &manifest.scores {
        line("measures", &score(manifest, rule));
    }
    line("accuracy", &format!("{}\nmeasured on: {}", manifest.accuracy.note, manifest.accuracy.measured_on));
    let golden: Vec<&str> = manifest.golden.iter().map(|golden| golden.name.as_str()).collect();
    line("golden set", &golden.join(", "));
    text
}

fn input(input: &Input) -> String {
    let how = match &input.fit {
        Fit::Region { px_per_mm, min_px_per_mm, margin_px, multiple_of } => format!(
            "one region of the face at a time, at {px_per_mm} px/mm (pictures from {min_px_per_mm} px/mm), {margin_px} px of margin, sides a multiple of {multiple_of}"
        ),
        Fit::Whole { how, width, height, fill } => {
            format!("the whole picture, {how} to {width} × {height}, border {fill}")
        }
    };
    let per = |name: &str, values: &[f32]| {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        format!("{name} {}", values.join(" "))
    };
    format!(
        "{how}\ntensor {:?}: {} {} {}, {}, {}",
        input.name,
        input.element,
        input.layout,
        input.channels,
        per("×", &input.scale),
        per("+", &input.offset)
    )
}

fn output(output: &Output) -> String {
    let kind = match output.kind {
        OutputKind::Map { stride } => format!("map, a cell for {stride} px, {}", output.layout),
        OutputKind::Scalar => "one value".to_owned(),
        OutputKind::Class => "shares of classes".to_owned(),
        OutputKind::Landmarks { unit } => format!("points, in {unit}"),
        OutputKind::Vector => "values".to_owned(),
        OutputKind::Boxes => "for a detector".to_owned(),
    };
    let names = if output.names.is_empty() { String::new() } else { format!(": {}", output.names.join(", ")) };
    format!("tensor {:?}: {kind}, activation {}{names}", output.name, output.activation)
}

fn detector(manifest: &Manifest, detector: &Detector) -> String {
    let name = |at: usize| manifest.outputs[at].name.as_str();
    let how = match &detector.decoder {
        Decoder::Corners { unit, tensors } => format!("corners in {unit} of {:?}", name(tensors.boxes)),
        Decoder::AnchorFree(levels) => {
            let strides: Vec<String> = levels.iter().map(|(stride, _)| stride.to_string()).collect();
            format!("anchor-free, strides {}", strides.join(", "))
        }
    };
    let Detector { id, threshold, overlap, points, .. } = detector;
    let points = if points.is_empty() { String::new() } else { format!("; points: {}", points.join(", ")) };
    format!("{id}: {how}, from a score of {threshold}, overlap at most {overlap}{points}")
}

fn score(manifest: &Manifest, rule: &ScoreRule) -> String {
    let output = &manifest.outputs[rule.output];
    let channel = output.names.get(rule.channel).filter(|_| matches!(output.kind, OutputKind::Map { .. }));
    let from = channel.map_or_else(|| output.name.clone(), |channel| format!("{}, {channel}", output.name));
    let how = match rule.reduce {
        Reduce::PeakDensity { threshold, window } => format!("peaks above {threshold} in {window} × {window}, per cm²"),
        Reduce::AreaFraction { threshold } => format!("% of the cells from {threshold} upwards"),
        Reduce::Mean => "mean".to_owned(),
        Reduce::MeanAbove { threshold } => format!("mean of the cells from {threshold} upwards"),
        Reduce::Pieces { threshold, min_cells, per } => {
            format!("number of pieces from {threshold} upwards, of {min_cells} cells or more, per {per}")
        }
        Reduce::Length { threshold, min_cells, per } => {
            format!("mm of the lines from {threshold} upwards, of {min_cells} cells or more, per {per}")
        }
        Reduce::Scalar => "the value".to_owned(),
        Reduce::Class(class) => format!("% for {}", output.names[class]),
    };
    let by = if rule.by == Extent::Region { "by region" } else { "of the whole picture" };
    let mut text = format!("{} from {from}: {how}, {by}", rule.metric);
    if let Some(paired) = rule.paired {
        let _ = write!(
            text,
            "\npaired: kept from {} of the threshold, within {} cells",
            paired.kept_threshold, paired.search_px
        );
    }
    match &rule.repeatability {
        None => text += "\nrepeatability unknown: it is shown, never called a change",
        Some(known) => {
            if let Some(sd) = known.level_sd {
                let _ = write!(text, "\nlevel: SD {sd}");
            }
            if let Some(pair) = &known.paired {
                let _ =
                    write!(text, "\nkept on unchanged skin: {} ± {}, at least ± {}", pair.mean, pair.sd, pair.floor);
            }
            let _ = write!(text, "\n{} degrees of freedom: {}", known.degrees_of_freedom, known.source);
        }
    }
    text
}

fn document(manifest: &Manifest) -> Value {
    let outputs: Vec<Value> = manifest
        .outputs
        .iter()
        .map(|output| json!({ "name": output.name, "names": output.names, "told": self::output(output) }))
        .collect();
    let scores: Vec<Value> = manifest
        .scores
        .iter()
        .map(|rule| {
            json!({
                "metric": rule.metric.as_str(),
                "output": manifest.outputs[rule.output].name,
                "by": rule.by.as_str(),
                "paired": rule.paired.is_some(),
                "level_sd": rule.repeatability.as_ref().and_then(|known| known.level_sd),
                "degrees_of_freedom": rule.repeatability.as_ref().map(|known| known.degrees_of_freedom),
                "told": score(manifest, rule),
            })
        })
        .collect();
    let detectors: Vec<Value> = manifest
        .detectors
        .iter()
        .map(|found| json!({ "id": found.id, "points": found.points, "told": detector(manifest, found) }))
        .collect();
    json!({
        "id": manifest.id,
        "version": manifest.version,
        "title": { "zh": manifest.title.zh, "en": manifest.title.en },
        "file": manifest.file,
        "digest": manifest.sha256,
        "licence": manifest.licence,
        "provenance": manifest.provenance,
        "intended_use": manifest.intended_use,
        "limits": { "deadline_ms": manifest.limits.deadline.as_millis(), "memory_mib": manifest.limits.memory_mib },
        "input": { "name": manifest.input.name, "told": input(&manifest.input) },
        "outputs": outputs,
        "detectors": detectors,
        "scores": scores,
        "accuracy": { "measured_on": manifest.accuracy.measured_on, "note": manifest.accuracy.note },
        "golden": manifest.golden.iter().map(|golden| golden.name.as_str()).collect::<Vec<_>>(),
    })
}

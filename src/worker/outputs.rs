//! What a model gave for one tensor, as its manifest describes it: maps by channel, values, tables of boxes.

use crate::{
    adapters::onnx::Model,
    analysis::{
        golden::Raw,
        manifest::{Manifest, OutputKind, Reduce, ScoreRule},
        picture::Plane,
        regions::Mask,
        scores::{self, Scale},
        tensor::{self, Tensor},
    },
};

/// By output of the manifest, activated: the channels of a map, or the values of anything else as one row of cells.
pub(super) struct Outputs(Vec<Vec<Plane>>);

impl Outputs {
    pub(super) fn of(manifest: &Manifest, raw: Vec<Raw>) -> Result<Self, String> {
        let described = manifest.outputs.iter().zip(raw);
        let read = described.map(|(output, raw)| match output.kind {
            OutputKind::Map { .. } => scores::channels_of(output, raw).map_err(|e| e.to_string()),
            OutputKind::Boxes | OutputKind::Vector => Ok(Vec::new()),
            OutputKind::Scalar | OutputKind::Class | OutputKind::Landmarks { .. } => {
                let values: Vec<f32> =
                    scores::values_of(output, &raw).map_err(|e| e.to_string())?.iter().map(|v| *v as f32).collect();
                Ok(vec![Plane { width: values.len(), height: 1, values }])
            }
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// What a score reads.
    pub(super) fn of_rule(&self, rule: &ScoreRule) -> &Plane {
        // Of a map that many channels were read, of the others the one row; a score of boxes is refused at the door.
        &self.0[rule.output][rule.channel]
    }

    /// The values of an output that is no map.
    pub(super) fn values(&self, output: usize) -> &[f32] {
        self.0[output].first().map_or(&[], |row| &row.values)
    }

    /// One score over the cells of `mask`, which is at the scale of its map.
    pub(super) fn score(&self, rule: &ScoreRule, mask: &Mask, scale: Scale) -> Result<f64, String> {
        let plane = self.of_rule(rule);
        match rule.reduce {
            Reduce::Scalar | Reduce::Class(_) => {
                let values: Vec<f64> = plane.values.iter().map(|v| f64::from(*v)).collect();
                Ok(scores::of_values(rule.reduce, &values))
            }
            how => scores::reduce(how, plane, mask, scale).map_err(|e| e.to_string()),
        }
    }
}

/// The model run on red, green and blue planes as they are.
pub(super) fn of_planes(model: &mut Model, planes: &[Plane]) -> Result<Outputs, String> {
    let planes: &[Plane; 3] = planes.try_into().map_err(|_| "three planes are needed")?;
    let tensor: Tensor = tensor::from_planes(&model.manifest().input, planes).map_err(|e| e.to_string())?;
    let raw = model.run(&tensor).map_err(|e| e.to_string())?;
    Outputs::of(model.manifest(), raw)
}

/// Every score of a model of regions on one cut, in the manifest's order: `mask` and `px_per_mm` are the cut's.
pub(super) fn scores_of(
    manifest: &Manifest,
    outputs: &Outputs,
    mask: &Mask,
    px_per_mm: f64,
    face_mm: Option<f64>,
) -> Result<Vec<f64>, String> {
    let score = |rule: &ScoreRule| {
        let kind = manifest.outputs[rule.output].kind;
        let stride = if let OutputKind::Map { stride } = kind { stride } else { 1 };
        let mask = scores::map_mask(kind, mask, outputs.of_rule(rule));
        outputs.score(rule, &mask, Scale { cells_per_mm: Some(px_per_mm / f64::from(stride)), face_mm })
    };
    manifest.scores.iter().map(score).collect()
}

//! From items to measured values: fields as they are, arrays put together from several frames, quantities derived by
//! formula.

use super::{
    colour,
    item::{Decoded, Item, NoValue},
    spec::{Derived, Formula, Spec},
};
use crate::domain::{Quantity, Region, metric::MetricId, reading::MeasuredValue};
use std::collections::BTreeMap;

/// Holds the parts of arrays that have come so far.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    arrays: BTreeMap<String, Vec<Option<f32>>>,
}

/// What one frame gave.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Taken {
    pub(crate) values: Vec<MeasuredValue>,
    pub(crate) without: Vec<(MetricId, NoValue)>,
}

impl Assembler {
    /// Forgets unfinished arrays: a new measurement begins.
    pub(crate) fn clear(&mut self) {
        self.arrays.clear();
    }

    /// Takes a frame; `region` is where it was measured, unless a field says otherwise.
    pub(crate) fn take(&mut self, spec: &Spec, decoded: &Decoded, region: Option<Region>) -> Taken {
        let mut taken = Taken::default();
        let mut complete: Vec<(String, Vec<f32>)> = Vec::new();
        for item in &decoded.items {
            match item {
                Item::Value { metric, unit, region: fixed, value } => match value {
                    Ok(value) => taken.values.push(MeasuredValue {
                        metric: metric.clone(),
                        region: fixed.or(region),
                        value: *value,
                        unit: unit.to_string(),
                    }),
                    Err(reason) => taken.without.push((metric.clone(), reason.clone())),
                },
                Item::Array { name, first, values } => complete.extend(self.part(spec, name, *first, values)),
                _ => {}
            }
        }
        for derived in &spec.derived {
            let values = derive(derived, &complete, &taken.values, region);
            taken.values.extend(values);
        }
        taken
    }

    /// The whole array once its last part has come.
    fn part(&mut self, spec: &Spec, name: &str, first: usize, values: &[f32]) -> Option<(String, Vec<f32>)> {
        let length = spec.arrays.iter().find(|array| array.name == name)?.length;
        let places = self.arrays.entry(name.to_owned()).or_insert_with(|| vec![None; length]);
        for (place, value) in places.iter_mut().skip(first).zip(values) {
            *place = Some(*value);
        }
        let whole: Option<Vec<f32>> = places.iter().copied().collect();
        let whole = whole?;
        self.arrays.remove(name);
        Some((name.to_owned(), whole))
    }
}

fn derive(
    derived: &Derived,
    arrays: &[(String, Vec<f32>)],
    known: &[MeasuredValue],
    region: Option<Region>,
) -> Vec<MeasuredValue> {
    let numbers: Option<Vec<f64>> = match derived.formula {
        Formula::LabFromReflectance => {
            let array = arrays.iter().find(|(name, _)| derived.from.first() == Some(name));
            let bands = array.and_then(|(_, values)| <&[f32; colour::BANDS]>::try_from(values.as_slice()).ok());
            bands.map(|bands| colour::lab(bands).to_vec())
        }
        Formula::Ita => {
            let of = |name: &String| {
                known.iter().find(|value| value.metric.as_str() == name).map(|value| value.value.value())
            };
            let inputs: Option<Vec<f64>> = derived.from.iter().map(of).collect();
            inputs.and_then(|inputs| <[f64; 2]>::try_from(inputs).ok()).map(|[l, b]| vec![colour::ita(l, b)])
        }
    };
    let rounded = |(metric, number): (&MetricId, f64)| {
        let value = Quantity::new(number, derived.decimals)?;
        Some(MeasuredValue { metric: metric.clone(), region, value, unit: derived.unit.clone() })
    };
    numbers.map_or_else(Vec::new, |numbers| derived.metrics.iter().zip(numbers).filter_map(rounded).collect())
}

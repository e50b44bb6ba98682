//! Numbers of a simulated measurement that go out in several frames, and what comes out of them by formula.

use super::fill;
use crate::{
    domain::{Region, reading::MeasuredValue},
    protocol::{
        Assembler, Item, Spec,
        field::{Field, Shape},
        item::Decoded,
    },
};

/// The arrays of the measurement that is read now.
#[derive(Debug)]
pub(super) struct Arrays {
    seed: u64,
    /// Number of the measurement.
    pub number: u64,
    /// What its frames have given so far.
    assembler: Assembler,
}

impl Arrays {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, number: 0, assembler: Assembler::default() }
    }

    /// `command` was sent: where it begins a conversation that measures, the arrays are measured anew. What was left of the
    /// measurement before must not become a part of this one.
    pub(super) fn asked(&mut self, spec: &Spec, command: &str) {
        let mut firsts = spec.flow.measure.iter().filter_map(|measure| measure.steps.first()?.send.as_deref());
        if !spec.arrays.is_empty() && firsts.any(|first| first == command) {
            self.number += 1;
            self.assembler = Assembler::default();
        }
    }

    /// The parts that `shape` carries.
    pub(super) fn items(&self, spec: &Spec, shape: &Shape) -> Vec<Item> {
        let part = |field: &Field| match field {
            Field::Array { name, first, count, .. } => {
                let length = spec.arrays.iter().find(|array| array.name == *name).map_or(*count, |a| a.length);
                let place = |at| fill::array_place(self.seed, self.number, at, length);
                let values = (*first..first + count).map(place).collect();
                Some(Item::Array { name: name.clone(), first: *first, values })
            }
            _ => None,
        };
        shape.fields.iter().filter_map(part).collect()
    }

    /// What a formula makes of the arrays, once `said` has completed them: the device's measurement too.
    pub(super) fn derived(&mut self, spec: &Spec, said: &Decoded, at: Region) -> Vec<MeasuredValue> {
        let mut taken = self.assembler.take(spec, said, Some(at)).values;
        taken.retain(|value| spec.derived.iter().any(|derived| derived.metrics.contains(&value.metric)));
        taken
    }
}

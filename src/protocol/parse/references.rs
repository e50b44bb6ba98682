//! Every name that one part of a file uses must be defined by another.

use crate::domain::metric::MetricId;
use crate::protocol::{
    field::{Field, Shape},
    flow::Step,
    item::Role,
    reader::{Complaints, nearest},
    spec::{Formula, Spec},
};
use std::collections::BTreeSet;

pub(super) fn check(spec: &Spec, complaints: &Complaints) {
    steps(spec, complaints);
    metrics(spec, complaints);
    arrays(spec, complaints);
    errors(spec, complaints);
    acknowledge(spec, complaints);
    picture(spec, complaints);
}

fn known(complaints: &Complaints, field: &str, what: &str, name: &str, shapes: &[Shape]) -> bool {
    let found = shapes.iter().any(|shape| shape.name == name);
    if !found {
        let hint = nearest(name, shapes.iter().map(|shape| shape.name.as_str()));
        complaints.add(field, format!("{name:?} is no [[{what}]] of this file{hint}"));
    }
    found
}

fn steps(spec: &Spec, complaints: &Complaints) {
    let flow = &spec.flow;
    let mut all: Vec<(String, &Step)> = Vec::new();
    all.extend(flow.identify.iter().map(|step| ("flow.identify".to_owned(), step)));
    all.extend(flow.set_clock.iter().map(|step| ("flow.set_clock".to_owned(), step)));
    let alive = flow.keep_alive.iter().flat_map(|alive| &alive.steps);
    all.extend(alive.map(|step| ("flow.keep_alive".to_owned(), step)));
    for (at, measure) in flow.measure.iter().enumerate() {
        all.extend(measure.steps.iter().map(|step| (format!("flow.measure[{at}]"), step)));
    }
    for (field, step) in all {
        if let Some(send) = &step.send {
            known(complaints, &field, "command", send, &spec.commands);
        }
        known(complaints, &field, "message", &step.reply, &spec.messages);
    }
}

/// Metrics that frames bring or formulas give.
fn given(spec: &Spec) -> BTreeSet<MetricId> {
    let fields = spec.messages.iter().flat_map(|shape| &shape.fields);
    let direct =
        fields.filter_map(|field| if let Field::Value(value) = field { Some(value.metric.clone()) } else { None });
    direct.chain(spec.derived.iter().flat_map(|derived| derived.metrics.clone())).collect()
}

fn metrics(spec: &Spec, complaints: &Complaints) {
    let given = given(spec);
    let declared: BTreeSet<_> = spec.metrics.iter().map(|metric| metric.id.clone()).collect();
    for metric in given.difference(&declared) {
        complaints.add("metric", format!("{metric} is measured but not declared; add [[metric]] id = \"{metric}\""));
    }
    for metric in declared.difference(&given) {
        complaints.add("metric", format!("{metric} is declared, but no message or formula gives it"));
    }
    if declared.is_empty() {
        complaints.add("metric", "a protocol that measures nothing is of no use; add [[metric]] tables");
    }
    for (at, measure) in spec.flow.measure.iter().enumerate() {
        for metric in measure.metrics.iter().filter(|metric| !given.contains(metric)) {
            complaints.add(format!("flow.measure[{at}].metrics"), format!("no message or formula gives {metric}"));
        }
        if measure.steps.is_empty() || measure.metrics.is_empty() {
            complaints.add(format!("flow.measure[{at}]"), "needs metrics and at least one step");
        }
    }
}

fn arrays(spec: &Spec, complaints: &Complaints) {
    for shape in &spec.messages {
        for field in &shape.fields {
            let Field::Array { name, first, count, .. } = field else { continue };
            match spec.arrays.iter().find(|array| array.name == *name) {
                None => complaints
                    .add(format!("message {:?}", shape.name), format!("array {name:?} is not defined; add [[array]]")),
                Some(array) if first + count > array.length => {
                    let problem = format!("{name} has {} places, this field ends at {}", array.length, first + count);
                    complaints.add(format!("message {:?}", shape.name), problem);
                }
                Some(_) => {}
            }
        }
    }
    for derived in &spec.derived {
        let array = spec.arrays.iter().find(|array| derived.from.first() == Some(&array.name));
        let fits = match derived.formula {
            Formula::LabFromReflectance => array.is_some_and(|array| array.length == 31),
            Formula::Ita => derived.from.iter().all(|name| given(spec).iter().any(|metric| metric.as_str() == name)),
        };
        if !fits {
            let problem = format!("{:?} does not give what {} takes", derived.from, derived.formula);
            complaints.add("derived.from", problem);
        }
    }
}

fn errors(spec: &Spec, complaints: &Complaints) {
    let reports = spec.messages.iter().any(|shape| shape.has(Role::Error));
    if reports && spec.errors.is_empty() {
        complaints
            .add("error", "the device reports errors; add [[error]] tables with code and advice for the beautician");
    }
}

fn acknowledge(spec: &Spec, complaints: &Complaints) {
    let Some(name) = &spec.flow.acknowledge else { return };
    let known = known(complaints, "flow.acknowledge", "command", name, &spec.commands);
    if known && !spec.command(name).is_some_and(|shape| shape.has(Role::Counter)) {
        complaints.add("flow.acknowledge", format!("command {name:?} needs a field with role = \"counter\""));
    }
}

fn picture(spec: &Spec, complaints: &Complaints) {
    let Some(picture) = &spec.flow.picture else { return };
    let needs: [(&str, &str, &[Shape], &[Role]); 4] = [
        ("announce", &picture.announce, &spec.messages, &[Role::PictureBytes, Role::ChunkBytes, Role::PictureCheck]),
        ("chunk", &picture.chunk, &spec.messages, &[Role::Chunk, Role::Data]),
        ("request", &picture.request, &spec.commands, &[Role::Chunk, Role::Chunks]),
        ("done", &picture.done, &spec.commands, &[]),
    ];
    for (key, name, shapes, roles) in needs {
        let field = format!("flow.picture.{key}");
        let what = if std::ptr::eq(shapes, spec.messages.as_slice()) { "message" } else { "command" };
        if !known(complaints, &field, what, name, shapes) {
            continue;
        }
        let shape = shapes.iter().find(|shape| shape.name == *name);
        for role in roles.iter().filter(|role| !shape.is_some_and(|shape| shape.has(**role))) {
            complaints.add(&field, format!("{what} {name:?} needs a field with role = \"{role}\""));
        }
    }
}

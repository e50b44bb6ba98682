//! Every name that one part of a file uses must be defined by another.

use crate::domain::metric::MetricId;
use crate::protocol::{
    field::{Field, Shape, Times, ValueField},
    flow::Step,
    framing::Kind,
    item::Role,
    reader::{Complaints, meant},
    spec::{DeviceError, Formula, Sign, Spec},
};
use std::collections::BTreeSet;

pub(super) fn check(spec: &Spec, complaints: &Complaints) {
    steps(spec, complaints);
    metrics(spec, complaints);
    arrays(spec, complaints);
    errors(spec, complaints);
    fields(spec, complaints);
    bare(spec, complaints);
    acknowledge(spec, complaints);
    picture(spec, complaints);
}

fn known(complaints: &Complaints, field: &str, what: &str, name: &str, shapes: &[Shape]) -> bool {
    let found = shapes.iter().any(|shape| shape.name == name);
    if !found {
        let hint = meant(name, shapes.iter().map(|shape| shape.name.as_str()));
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
        for reply in &step.reply {
            known(complaints, &field, "message", reply, &spec.messages);
        }
    }
    for answer in &flow.answers {
        known(complaints, "flow.answers", "message", &answer.to, &spec.messages);
        known(complaints, "flow.answers", "command", &answer.send, &spec.commands);
    }
    if let Some(refuse) = &flow.refuse {
        known(complaints, "flow.refuse", "command", refuse, &spec.commands);
    }
}

/// Metrics that frames bring or formulas give.
fn given(spec: &Spec) -> BTreeSet<MetricId> {
    let fields = spec.messages.iter().flat_map(Shape::all_fields);
    let direct = fields.filter_map(|field| match field {
        Field::Value(ValueField { metric, .. }) | Field::Always { metric, .. } => Some(metric.clone()),
        _ => None,
    });
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
        for field in shape.all_fields() {
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
    for array in &spec.arrays {
        let brings = |field: &&Field| matches!(field, Field::Array { name, .. } if *name == array.name);
        if !spec.messages.iter().any(|shape| shape.all_fields().iter().any(brings)) {
            complaints.add(format!("array {:?}", array.name), "no field brings a part of it; remove it");
        } else if !spec.derived.iter().any(|derived| derived.from.contains(&array.name)) {
            complaints.add(format!("array {:?}", array.name), "no formula takes it; add a [[derived]] or remove it");
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
    let by_code = |error: &DeviceError| matches!(error.sign, Sign::Code(_));
    if reports && !spec.errors.iter().any(by_code) {
        complaints
            .add("error", "the device reports errors; add [[error]] tables with code and advice for the beautician");
    }
    if !reports && spec.errors.iter().any(by_code) {
        complaints.add(
            "error",
            "no message has a field with role = \"error\"; add it, name the message that says it (message = \"…\"), or \
             remove the [[error]] tables",
        );
    }
    for (at, error) in spec.errors.iter().enumerate() {
        let key = if by_code(error) { "code" } else { "message" };
        if let Sign::Message(name) = &error.sign
            && known(complaints, &format!("error[{at}].message"), "message", name, &spec.messages)
            && spec.message(name).is_some_and(|shape| shape.measures)
        {
            complaints.add(format!("error[{at}].message"), format!("{name:?} brings values; an error brings none"));
        }
        if spec.errors[..at].iter().any(|other| other.sign.word() == error.sign.word()) {
            complaints.add(format!("error[{at}].{key}"), format!("{} stands twice", error.sign.word()));
        }
    }
}

/// A message that begins with nothing is known by the question.
fn bare(spec: &Spec, complaints: &Complaints) {
    let bare: Vec<&Shape> = spec.messages.iter().filter(|shape| shape.is_bare()).collect();
    let asked = bare.len() > 1 || spec.framing.kind == Kind::Silence;
    let replies: Vec<&str> =
        spec.flow.conversations().flatten().flat_map(|step| &step.reply).map(String::as_str).collect();
    for shape in bare.iter().filter(|shape| asked && !replies.contains(&shape.name.as_str())) {
        let problem =
            "without `match` it is known only by its question; name it as the reply of a step, or give it a match";
        complaints.add(format!("message {:?}.match", shape.name), problem);
    }
    for command in &spec.commands {
        let replies = spec.flow.replies_to(&command.name);
        let meant: Vec<&str> =
            bare.iter().map(|shape| shape.name.as_str()).filter(|name| replies.contains(name)).collect();
        if let [one, other, ..] = meant.as_slice() {
            let problem = format!("{other:?} cannot be told from {one:?}: {:?} is answered by both", command.name);
            complaints.add(format!("message {other:?}.match"), problem);
        }
    }
    let gap = spec.framing.gap;
    for step in
        spec.flow.conversations().flatten().filter(|step| spec.framing.kind == Kind::Silence && step.timeout <= gap)
    {
        if let Some(shape) = bare.iter().find(|shape| step.reply.contains(&shape.name)) {
            let problem = format!(
                "{} ms must be less than the timeout_ms of the step that waits for {:?} ({} ms): half an answer would become \
                 part of the next",
                gap.as_millis(),
                shape.name,
                step.timeout.as_millis()
            );
            complaints.add("framing.gap_ms", problem);
        }
    }
}

fn acknowledge(spec: &Spec, complaints: &Complaints) {
    let Some(name) = &spec.flow.acknowledge else { return };
    let known = known(complaints, "flow.acknowledge", "command", name, &spec.commands);
    let counts = spec.messages.iter().any(|shape| shape.measures && shape.has(Role::Counter));
    if known && counts && !spec.command(name).is_some_and(|shape| shape.has(Role::Counter)) {
        complaints.add("flow.acknowledge", format!("command {name:?} needs a field with role = \"counter\""));
    }
}

/// Fields that say something of others must have others to say it of.
fn fields(spec: &Spec, complaints: &Complaints) {
    let sides = [("message", &spec.messages), ("command", &spec.commands)];
    for (side, shape) in sides.into_iter().flat_map(|(side, shapes)| shapes.iter().map(move |shape| (side, shape))) {
        let place = format!("{side} {:?}", shape.name);
        let all = shape.all_fields();
        let has = |test: &dyn Fn(&Field) -> bool| all.iter().any(|field| test(field));
        let pairs = [
            (
                "presence",
                "if_bit or unless_bit",
                shape.has(Role::Presence),
                has(&|field| matches!(field, Field::When { .. })),
            ),
            (
                "count",
                "repeat = \"count\"",
                shape.has(Role::Count),
                has(&|field| matches!(field, Field::Group { times: Times::Counted, .. })),
            ),
        ];
        for (role, used_by, there, used) in pairs {
            if there != used {
                let problem = format!("role = \"{role}\" and {used_by} go together; one of them is missing");
                complaints.add(&place, problem);
            }
        }
        for metric in all.iter().flat_map(|field| spoken_of(field)) {
            if !has(&|field| matches!(field, Field::Value(value) if value.metric == *metric)) {
                complaints.add(&place, format!("a field speaks of {metric}, which this {side} does not bring"));
            }
        }
    }
}

/// Metrics that a field says something of.
fn spoken_of(field: &Field) -> Vec<&MetricId> {
    match field {
        Field::Status { of, .. } => of.iter().collect(),
        Field::Flags { doubts, .. } => doubts.iter().filter_map(|doubt| doubt.metric.as_ref()).collect(),
        _ => Vec::new(),
    }
}

fn picture(spec: &Spec, complaints: &Complaints) {
    let Some(picture) = &spec.flow.picture else { return };
    let needs: [(&str, &str, &[Shape], &[Role]); 4] = [
        (
            "announce",
            &picture.announce,
            &spec.messages,
            &[Role::Counter, Role::PictureBytes, Role::ChunkBytes, Role::PictureCheck],
        ),
        ("chunk", &picture.chunk, &spec.messages, &[Role::Chunk, Role::Data]),
        ("request", &picture.request, &spec.commands, &[Role::Chunk, Role::Chunks]),
        // Without its number nobody could tell the device which picture is durable.
        ("done", &picture.done, &spec.commands, &[Role::Counter]),
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

//! A protocol as a page to read beside the manual (Markdown): frame, tables of fields with their offsets, conversations,
//! faults, metrics. Made from the [`Spec`], so it cannot say anything else than what is done.

use super::{
    field::{Code, Field, Form, Shape, ValueField},
    flow::Step,
    framing::{Framing, Kind, Part},
    item::hex_words,
    spec::Spec,
};
use std::fmt::Write;

/// The whole page.
#[must_use]
pub fn page(spec: &Spec) -> String {
    let mut page = String::new();
    head(&mut page, spec);
    shapes(&mut page, "What the device says", &spec.messages, &spec.framing);
    shapes(&mut page, "What the gateway says", &spec.commands, &spec.command_framing);
    conversations(&mut page, spec);
    tail(&mut page, spec);
    page
}

/// Writing to a `String` cannot fail.
macro_rules! line {
    ($page:expr, $($text:tt)*) => { writeln!($page, $($text)*).expect("a String takes all that is written") };
}

fn head(page: &mut String, spec: &Spec) {
    line!(page, "# {} · {}\n", spec.title.zh, spec.title.en);
    line!(page, "`{}` version {}. Source: {}.\n", spec.id, spec.version, spec.source);
    let serial = &spec.serial;
    let usb: Vec<String> = serial.usb.iter().map(|id| format!("{:04X}:{:04X}", id.vendor, id.product)).collect();
    line!(
        page,
        "Serial line: {} baud, {} data bits, parity {}, {} stop bits, flow control {}; USB {}.\n",
        serial.baud,
        serial.data_bits,
        serial.parity,
        serial.stop_bits,
        serial.flow,
        if usb.is_empty() { "id not known".to_owned() } else { usb.join(", ") },
    );
    line!(page, "Frame of the device: {}.\n", frame(&spec.framing));
    if spec.command_framing != spec.framing {
        line!(page, "Frame of the gateway: {}.\n", frame(&spec.command_framing));
    }
}

fn frame(framing: &Framing) -> String {
    let text = framing.kind == Kind::Delimited;
    let bytes =
        |bytes: &[u8]| if text { format!("`{}`", bytes.escape_ascii()) } else { format!("`{}`", hex_words(bytes)) };
    let checksum = framing.checksum.map(|checksum| {
        let (first, last) = checksum.covers;
        let parts = if first == last { first.to_string() } else { format!("{first} to {last}") };
        let mark = checksum.hex_after.map(|mark| format!(", in hex after `{}`", mark as char)).unwrap_or_default();
        let order = if checksum.algorithm.bytes() > 1 { format!(", {}", checksum.order) } else { String::new() };
        let check = format!("`123456789` gives {:X}", checksum.algorithm.check_value());
        format!("checksum {}{order} over {parts}{mark} ({check})", checksum.algorithm.name())
    });
    let mut parts = Vec::new();
    parts.extend((!framing.start.is_empty()).then(|| bytes(&framing.start)));
    parts.extend(framing.length.map(|width| format!("length {width} of the payload")));
    parts.push(match framing.kind {
        Kind::FixedLength => format!("payload of {} bytes", framing.max_payload),
        Kind::StartLengthEnd => format!("payload of up to {} bytes", framing.max_payload),
        Kind::Delimited => match framing.separator {
            Some(separator) => format!("line with columns between `{}`", separator as char),
            None => "line".to_owned(),
        },
    });
    let end = (!framing.end.is_empty()).then(|| bytes(&framing.end));
    if framing.checksum.is_some_and(|checksum| checksum.after == Part::End) {
        parts.extend(end.into_iter().chain(checksum));
    } else {
        parts.extend(checksum.into_iter().chain(end));
    }
    parts.join(" · ")
}

fn shapes(page: &mut String, title: &str, shapes: &[Shape], framing: &Framing) {
    line!(page, "## {title}\n");
    let text = framing.kind == Kind::Delimited;
    for shape in shapes {
        let begins = if text { shape.matches.escape_ascii().to_string() } else { hex_words(&shape.matches) };
        line!(page, "### {} · `{begins}`\n", shape.name);
        if shape.fields.is_empty() {
            continue;
        }
        line!(page, "| {} | width | field |\n| --- | --- | --- |", if text { "column" } else { "payload byte" });
        let mut at = if text { 1 } else { shape.matches.len() };
        for field in &shape.fields {
            line!(page, "| {at} | {} | {} |", width(field), meaning(field));
            at += if text { 1 } else { field.bytes().unwrap_or(0) };
        }
        line!(page, "");
    }
}

fn width(field: &Field) -> String {
    let of = |form: &Form| match form.length {
        Some(length) => format!("{} × {length}", form.width),
        None => form.width.to_string(),
    };
    match field {
        Field::Skip(count) => format!("{count} bytes"),
        Field::Constant(bytes) => format!("{} bytes", bytes.len()),
        Field::Value(value) => of(&value.form),
        Field::Number { form, .. }
        | Field::Text { form, .. }
        | Field::Region { form, .. }
        | Field::Flags { form, .. } => of(form),
        Field::Bytes { length, .. } => length.map_or_else(|| "the rest".to_owned(), |length| format!("{length} bytes")),
        Field::Array { form, count, .. } => format!("{} × {count}", form.width),
    }
}

fn meaning(field: &Field) -> String {
    let list = |pairs: Vec<String>| pairs.join(", ");
    match field {
        Field::Skip(_) => "not used".to_owned(),
        Field::Constant(bytes) => format!("always `{}`", bytes.escape_ascii()),
        Field::Value(value) => value_meaning(value),
        Field::Region { codes, .. } => {
            format!("region: {}", list(codes.iter().map(|(region, code)| format!("{code} {region}")).collect()))
        }
        Field::Flags { bits, .. } => {
            format!("flags: {}", list(bits.iter().map(|(flag, bit)| format!("bit {bit} {flag}")).collect()))
        }
        Field::Array { name, first, count, .. } => format!("{name}, places {first} to {}", first + count - 1),
        Field::Number { .. } | Field::Text { .. } | Field::Bytes { .. } => field.name(),
    }
}

fn value_meaning(value: &ValueField) -> String {
    let mut text = format!("**{}**", value.metric);
    if !value.unit.is_empty() {
        text.push_str(&format!(" in {}", value.unit));
    }
    if value.scale != 1.0 || value.offset != 0.0 {
        text.push_str(&format!(", times {} plus {}", value.scale, value.offset));
    }
    let codes = [("absent", &value.absent), ("under range", &value.under_range), ("over range", &value.over_range)];
    for (word, code) in codes {
        match code {
            Some(Code::Number(code)) => text.push_str(&format!(", {code:#X} {word}")),
            Some(Code::Text(code)) => text.push_str(&format!(", `{code}` {word}")),
            None => {}
        }
    }
    text
}

fn conversations(page: &mut String, spec: &Spec) {
    let flow = &spec.flow;
    line!(page, "## Conversations\n");
    steps(page, "Who are you", &flow.identify);
    for measure in &flow.measure {
        let metrics: Vec<&str> = measure.metrics.iter().map(|metric| metric.as_str()).collect();
        steps(page, &format!("Measure {}", metrics.join(", ")), &measure.steps);
    }
    steps(page, "Set the clock", &flow.set_clock);
    if let Some(alive) = &flow.keep_alive {
        steps(page, &format!("After {} ms without a byte", alive.every.as_millis()), &alive.steps);
    }
    if let Some(name) = &flow.acknowledge {
        line!(page, "- Once a value is safely stored: send `{name}`.");
    }
    if let Some(picture) = &flow.picture {
        line!(
            page,
            "- Picture: `{}` announces it, `{}` asks for up to {} chunks at once, `{}` brings one, {} checks the whole, `{}` ends it.",
            picture.announce,
            picture.request,
            picture.window,
            picture.chunk,
            picture.check.name(),
            picture.done,
        );
    }
    line!(page, "");
}

fn steps(page: &mut String, title: &str, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    let each = steps.iter().map(|step| {
        let send = step.send.as_ref().map_or_else(|| "wait".to_owned(), |send| format!("send `{send}`"));
        let (ms, retries) = (step.timeout.as_millis(), step.retries);
        format!("{send}, expect `{}` within {ms} ms, {retries} retries", step.reply)
    });
    line!(page, "- {title}: {}.", each.collect::<Vec<_>>().join("; then "));
}

fn tail(page: &mut String, spec: &Spec) {
    if !spec.derived.is_empty() {
        line!(page, "## Derived\n");
        for derived in &spec.derived {
            let metrics: Vec<&str> = derived.metrics.iter().map(|metric| metric.as_str()).collect();
            line!(page, "- {} by {} from {}", metrics.join(", "), derived.formula, derived.from.join(", "));
        }
        line!(page, "");
    }
    if !spec.errors.is_empty() {
        line!(page, "## Faults it reports\n\n| code | what the beautician is told |\n| --- | --- |");
        for error in &spec.errors {
            line!(page, "| {} | {} {} |", error.code, error.advice.zh, error.advice.en);
        }
        line!(page, "");
    }
    line!(
        page,
        "## Metrics\n\n| metric | repeat SD | placement SD | degrees of freedom | source |\n| --- | --- | --- | --- | --- |"
    );
    for metric in &spec.metrics {
        match &metric.repeatability {
            Some(r) => line!(
                page,
                "| {} | {} | {} | {} | {} |",
                metric.id,
                r.repeat_sd,
                r.placement_sd,
                r.degrees_of_freedom,
                r.source
            ),
            None => line!(page, "| {} | not known: values are shown, verdicts refused | | | |", metric.id),
        }
    }
}

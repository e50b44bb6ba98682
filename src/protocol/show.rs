//! A protocol as a page to read beside the manual (Markdown): frame, tables of fields with their offsets, conversations,
//! faults, metrics; and its vectors as examples. Made from the [`Spec`], so it cannot say anything else than what is done.

mod table;

use super::{
    air::{Advertises, Ble, Characteristic, shown},
    flow::{Step, Unasked},
    framing::{Checksum, Framing, Kind, Part, Written},
    item::hex_words,
    spec::{Serial, Spec},
    stuffing::Stuffing,
    vector::{Meaning, Vector, Words},
};
use std::fmt::Write;
use table::shapes;

/// Writing to a `String` cannot fail.
macro_rules! line {
    ($page:expr, $($text:tt)*) => { writeln!($page, $($text)*).expect("a String takes all that is written") };
}
use line;

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

/// The vectors as examples: bytes and what they mean.
#[must_use]
pub fn examples(vectors: &[Vector]) -> String {
    let mut page = String::from("\n## Examples\n\nThe vectors that prove the file; the tests hold them.\n");
    for vector in vectors {
        line!(page, "\n### {}\n\n{}\n\n```text", vector.name, vector.source);
        let text = vector.bytes.iter().all(|byte| (0x20..0x7F).contains(byte) || matches!(byte, b'\r' | b'\n'));
        if text && !vector.bytes.is_empty() {
            line!(page, "{}", vector.bytes.escape_ascii());
        } else {
            vector.bytes.chunks(16).for_each(|bytes| line!(page, "{}", hex_words(bytes)));
        }
        line!(page, "```\n\n{}", said(&vector.meaning));
    }
    page
}

fn said(meaning: &Meaning) -> String {
    let list = |items: &[Words]| -> String {
        let item = |words: &Words| {
            let pairs: Vec<String> = words.iter().map(|(key, value)| format!("{key} `{value}`")).collect();
            format!("\n- {}", pairs.join(" · "))
        };
        items.iter().map(item).collect()
    };
    let part = |what: String, items: &[Words]| match items {
        [] => format!("{what}."),
        items => format!("{what}:\n{}", list(items)),
    };
    match meaning {
        Meaning::Message { name, items } => part(format!("The device says `{name}`"), items),
        Meaning::Command { name, items } => part(format!("The gateway says `{name}`"), items),
        Meaning::Measured(items) => part("What comes out of it".to_owned(), items),
        Meaning::Fault(word) => format!("Refused: `{word}`."),
    }
}

fn head(page: &mut String, spec: &Spec) {
    line!(page, "# {} · {}\n", spec.title.zh, spec.title.en);
    line!(page, "`{}` version {}. Source: {}.\n", spec.id, spec.version, spec.source);
    if let Some(serial) = &spec.serial {
        serial_line(page, serial);
    }
    if let Some(ble) = &spec.ble {
        air(page, ble);
    }
    line!(page, "Frame of the device: {}.\n", frame(&spec.framing));
    if spec.command_framing != spec.framing {
        line!(page, "Frame of the gateway: {}.\n", frame(&spec.command_framing));
    }
}

fn serial_line(page: &mut String, serial: &Serial) {
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
}

fn air(page: &mut String, ble: &Ble) {
    let Advertises { service, name, manufacturer } = &ble.advertises;
    let mut signs = Vec::new();
    signs.extend(service.map(|uuid| format!("service {}", shown(uuid))));
    signs.extend(name.as_ref().map(|name| format!("a name that begins with `{name}`")));
    signs.extend(manufacturer.map(|company| format!("data of manufacturer {company:04X}")));
    line!(page, "Bluetooth: advertises {}.\n", signs.join(", "));
    if let Some(broadcast) = ble.broadcast {
        return line!(page, "It is never connected; its advertisements are read as {broadcast}.\n");
    }
    line!(page, "| characteristic | role |\n| --- | --- |");
    for Characteristic { uuid, role, write } in &ble.characteristics {
        let how = write.map(|write| format!(", written {write}")).unwrap_or_default();
        line!(page, "| {} | {role}{how} |", shown(*uuid));
    }
    line!(page, "");
}

fn frame(framing: &Framing) -> String {
    let bytes = |bytes: &[u8]| {
        if framing.is_text() { format!("`{}`", bytes.escape_ascii()) } else { format!("`{}`", hex_words(bytes)) }
    };
    let mut parts = Vec::new();
    parts.extend(stuffing(framing.stuffing));
    parts.extend((!framing.start.is_empty()).then(|| bytes(&framing.start)));
    parts.extend((framing.type_bytes > 0).then(|| format!("type of {} bytes", framing.type_bytes)));
    parts.extend(framing.length.map(|width| match framing.length_adds {
        0 => format!("length {width} of the payload"),
        more => format!("length {width} of the payload and {more} bytes more"),
    }));
    parts.push(match (framing.kind, framing.separator) {
        (Kind::FixedLength, _) => format!("payload of {} bytes", framing.max_payload),
        (Kind::Delimited, Some(separator)) => format!("line with columns between `{}`", separator as char),
        (Kind::Delimited, None) => "line".to_owned(),
        (Kind::Notification, _) => "one notification: the number of its characteristic, then its value".to_owned(),
        (Kind::Silence, _) => {
            format!("payload known by its first bytes, up to {} bytes, then silence", framing.max_payload)
        }
        _ => format!("payload of up to {} bytes", framing.max_payload),
    });
    let end = (!framing.end.is_empty()).then(|| bytes(&framing.end));
    let check = framing.checksum.as_ref().map(checksum);
    if framing.checksum.is_some_and(|checksum| checksum.after == Part::End) {
        parts.extend(end.into_iter().chain(check));
    } else {
        parts.extend(check.into_iter().chain(end));
    }
    let mut text = parts.join(" · ");
    for control in &framing.control {
        text.push_str(&format!("; or {} by itself", bytes(control)));
    }
    text
}

fn stuffing(stuffing: Option<Stuffing>) -> Option<String> {
    Some(match stuffing? {
        Stuffing::Cobs => "COBS, ended by `00`, of".to_owned(),
        Stuffing::Slip => "SLIP between `C0` of".to_owned(),
        Stuffing::Escaped { start, end, escape, xor, others } => {
            let others: Vec<String> = others.iter().flatten().map(|byte| format!("`{byte:02X}`")).collect();
            let too = if others.is_empty() { String::new() } else { format!(" (also {})", others.join(", ")) };
            format!("between `{start:02X}` and `{end:02X}`, escaped by `{escape:02X}` and xor `{xor:02X}`{too},")
        }
    })
}

fn checksum(checksum: &Checksum) -> String {
    let (first, last) = checksum.covers;
    let parts = if first == last { first.to_string() } else { format!("{first} to {last}") };
    let written = match checksum.written {
        Written::Bytes => String::new(),
        Written::Hex { mark: None } => ", in hex".to_owned(),
        Written::Hex { mark: Some(mark) } => format!(", in hex after `{}`", mark as char),
    };
    let order = if checksum.algorithm.bytes() > 1 { format!(", {}", checksum.order) } else { String::new() };
    let check = format!("`123456789` gives {:X}", checksum.algorithm.check_value());
    format!("checksum {}{order} over {parts}{written} ({check})", checksum.algorithm.name())
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
    for answer in &flow.answers {
        line!(page, "- To `{}`, whenever it comes: send `{}`.", answer.to, answer.send);
    }
    if flow.unasked == Unasked::Dropped {
        line!(page, "- What it sends without being asked is dropped.");
    }
    if let Some(name) = &flow.refuse {
        line!(page, "- To a frame that does not hold: send `{name}`.");
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
        if step.reply.is_empty() {
            return send;
        }
        let reply: Vec<String> = step.reply.iter().map(|reply| format!("`{reply}`")).collect();
        let (ms, retries) = (step.timeout.as_millis(), step.retries);
        format!("{send}, expect {} within {ms} ms, {retries} retries", reply.join(" or "))
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
            line!(page, "| {} | {} {} |", error.sign.word(), error.advice.zh, error.advice.en);
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

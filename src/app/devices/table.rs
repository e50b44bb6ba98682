//! What was seen, for people: one paragraph a port, then the blocks to be copied into the configuration.

use super::look::{Seen, State, Surroundings, Taken};
use crate::app::rows::{Layout, wrap};
use std::fmt::Write;

/// Under the name of the port.
const INDENT: usize = 4;

/// The whole answer.
#[must_use]
pub fn table(seen: &[Seen], surroundings: &Surroundings, layout: Layout) -> String {
    if seen.is_empty() {
        return nothing(layout);
    }
    let mut text = String::new();
    for port in seen {
        paragraph(&mut text, port, layout);
    }
    let blocks: Vec<&str> = seen.iter().filter_map(|port| port.block.as_deref()).collect();
    if !blocks.is_empty() {
        let file = if surroundings.config.is_some() { "the configuration" } else { "config/gateway.toml" };
        let _ = writeln!(text, "To use them, copy into {file} 复制到配置文件：\n\n{}", blocks.join("\n"));
    }
    text
}

fn nothing(layout: Layout) -> String {
    let lines = [
        "No USB serial port is plugged in. 没有插入 USB 串口设备。",
        "Check the cable (some only charge), the device's power, and `dmesg | tail` for what the kernel saw.",
        "A port that is not on USB is looked at by name: skinlink devices --port /dev/ttyS0",
    ];
    lines.iter().flat_map(|line| wrap(line, layout.width())).map(|line| line + "\n").collect()
}

fn paragraph(text: &mut String, port: &Seen, layout: Layout) {
    let usb = port.usb.as_ref().map(|usb| format!("USB {usb}"));
    let product = Some(port.product.clone()).filter(|product| !product.is_empty());
    let serial = match (&port.serial, &port.usb) {
        (Some(serial), _) => Some(format!("serial number {serial}")),
        (None, Some(_)) => Some("no serial number of its own".to_owned()),
        (None, None) => None,
    };
    let head: Vec<String> = usb.into_iter().chain(product).chain(serial).collect();
    let _ = writeln!(text, "{}  {}", port.node.display(), head.join(" · "));
    let mut say = |line: &str| {
        for line in wrap(line, layout.width() - INDENT) {
            let _ = writeln!(text, "{:INDENT$}{line}", "");
        }
    };
    if let Some(by_path) = &port.by_path {
        say(&format!("plugged in at {by_path}"));
    }
    say(&state(port));
    if let Some(advice) = &port.advice {
        say(&format!("→ {}", advice.zh));
        say(&format!("→ {}", advice.en));
    }
    for taken in &port.taken_for {
        say(&taken_for(taken));
    }
    if port.taken_for.is_empty() {
        say(
            "taken for nothing: no protocol file lists its USB id. Name it in a [[device]], or write a file: skinlink protocol new",
        );
    }
    match &port.configured {
        Some(known) => say(&format!("configured: {} at {}, known as {}", known.protocol, known.station, known.by)),
        None => say("not configured"),
    }
    if !port.alike.is_empty() {
        let others: Vec<String> = port.alike.iter().map(|node| node.display().to_string()).collect();
        say(&format!("✗ cannot be told from {}: each needs a [[device]] of its own", others.join(", ")));
        say("✗ 与其他设备无法区分：请为每台设备各写一个 [[device]]");
    }
    text.push('\n');
}

fn state(port: &Seen) -> String {
    let holders: Vec<String> = port.held_by.iter().map(ToString::to_string).collect();
    match (port.state, holders.is_empty()) {
        (State::Free, _) => "free 空闲".to_owned(),
        (State::Busy, true) => "busy 被占用: another program has it open (as root, its name is shown)".to_owned(),
        (State::Busy, false) => format!("busy 被占用: held by {}", holders.join(", ")),
        (State::Forbidden, _) => "no permission 无权限: sudo usermod -aG dialout $USER, then log in again".to_owned(),
        (State::Absent, _) => "absent 不存在".to_owned(),
        (State::Fault, _) => {
            let what = port.advice.as_ref().map_or("", |advice| advice.what.as_str());
            format!("cannot be opened 无法打开: {what}")
        }
    }
}

fn taken_for(taken: &Taken) -> String {
    let Taken { protocol, title_zh, title_en, why, says } = taken;
    let says = says.as_ref().map(|said| {
        let told = [("serial number", &said.serial), ("probe", &said.probe), ("firmware", &said.firmware)];
        let told = told.iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| format!("{key} {text}"));
        format!("; it says: {}", told.collect::<Vec<_>>().join(", "))
    });
    format!("taken for {protocol} ({title_zh} · {title_en}): {why}{}", says.unwrap_or_default())
}

//! `skinlink protocol new`: asks what the manual's tables say and writes a commented file that loads; what is then missing
//! are the vectors. In a terminal it asks; with `--yes`, which is needed elsewhere, flags and defaults answer.

mod draft;

use super::{
    catalogue,
    print::{self, say},
};
use crate::{
    adapters::discovery::{self, Discovery},
    cli::{NewProtocol, exit},
    protocol::{Spec, framing::Kind},
};
use anyhow::{Context, bail};
use draft::Draft;
use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

/// Asks, writes, and says what comes next.
///
/// # Errors
/// When the folder is there already, or the answers make no sound file: then nothing is written.
pub fn command(answers: &NewProtocol) -> anyhow::Result<u8> {
    let ask = !answers.yes;
    if ask && !io::stdin().is_terminal() {
        bail!("there is no terminal to ask in; give the answers as flags, and --yes for the defaults of all others");
    }
    let mut asked = Asked { ask, protocols: &answers.protocols, defaults: Vec::new() };
    let draft = questions(answers, &mut asked)?;
    let folder = answers.protocols.join(&draft.id);
    if folder.exists() {
        bail!("{} is there already; choose another id, or edit that file", folder.display());
    }
    let text = draft.file();
    let file = folder.join("protocol.toml");
    if let Err(faults) = Spec::parse_file(&file.display().to_string(), &draft.id, &text) {
        bail!("these answers make no sound file; nothing was written:\n{}", faults.with_lines());
    }
    write(&folder, &draft, &text)?;
    if !asked.defaults.is_empty() {
        say!("Nobody answered; taken by default 未回答，采用默认值：\n  {}\n", asked.defaults.join("\n  "));
    }
    let (id, folder) = (&draft.id, folder.display());
    say!("{folder}/protocol.toml and NOTES.md are written.\n\nWhat comes next 下一步：");
    say!("  1. skinlink protocol show {id}\n     tables to lay beside the manual; correct the file");
    say!(
        "  2. skinlink protocol try {id} --port /dev/ttyUSB0\n     the device live; the file is read again when it is saved"
    );
    say!("  3. skinlink devices record --protocol {id} --port /dev/ttyUSB0 --into {id}.rec");
    say!("     skinlink protocol vectors {id}.rec\n     frames become vectors; compare their values with the display");
    say!("  4. skinlink protocol test {id}");
    Ok(exit::OK)
}

fn write(folder: &Path, draft: &Draft, text: &str) -> anyhow::Result<()> {
    let make = |path: &Path| fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()));
    make(&folder.join("vectors"))?;
    for (name, text) in [("protocol.toml", text), ("NOTES.md", &draft.notes())] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Who answers.
struct Asked<'a> {
    ask: bool,
    protocols: &'a Path,
    /// What was taken without anybody's answer.
    defaults: Vec<String>,
}

impl Asked<'_> {
    /// A flag, else an answer that `fits`, else the default. A default of "" may stay empty.
    fn answer(
        &mut self,
        flag: Option<&String>,
        question: &str,
        default: &str,
        fits: impl Fn(&str) -> Result<(), String>,
    ) -> anyhow::Result<String> {
        if let Some(given) = flag {
            return fits(given).map(|()| given.clone()).map_err(|why| anyhow::anyhow!("{given:?}: {why}"));
        }
        loop {
            let answer = if self.ask { prompt(question, default)? } else { default.to_owned() };
            match fits(&answer) {
                Ok(()) => {
                    if !self.ask && !answer.is_empty() {
                        self.defaults.push(format!("{question}: {answer}"));
                    }
                    return Ok(answer);
                }
                Err(why) if self.ask => say!("  {why}"),
                Err(why) => bail!("{question}: {why}"),
            }
        }
    }
}

fn prompt(question: &str, default: &str) -> anyhow::Result<String> {
    let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
    print_now(&format!("{question}{shown}: "))?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        bail!("the questions were broken off; nothing was written");
    }
    let line = line.trim();
    Ok(if line.is_empty() { default.to_owned() } else { line.to_owned() })
}

fn print_now(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[expect(clippy::unnecessary_wraps, reason = "one of many rules that an answer may have to fit")]
fn anything(_: &str) -> Result<(), String> {
    Ok(())
}

fn one_of<'w>(words: &'w [&str]) -> impl Fn(&str) -> Result<(), String> + 'w {
    move |answer| match words.contains(&answer) {
        true => Ok(()),
        false => Err(format!("write one of {}", words.join(", "))),
    }
}

fn number(answer: &str) -> Result<(), String> {
    answer.parse::<f64>().map(drop).map_err(|_| "write a number".to_owned())
}

fn whole(answer: &str) -> Result<(), String> {
    answer.parse::<u32>().map(drop).map_err(|_| "write a whole number".to_owned())
}

fn hex_bytes(answer: &str) -> Result<(), String> {
    let digits: String = answer.split_whitespace().collect();
    hex::decode(digits).map(drop).map_err(|_| "write bytes in hex, as A5 5A".to_owned())
}

fn name(answer: &str) -> Result<(), String> {
    let fits = !answer.is_empty()
        && answer.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits { Ok(()) } else { Err("an id has a-z, 0-9 and '-', as acme-moist-3".to_owned()) }
}

fn not_empty(answer: &str) -> Result<(), String> {
    if answer.is_empty() { Err("this is needed".to_owned()) } else { Ok(()) }
}

fn questions(given: &NewProtocol, asked: &mut Asked<'_>) -> anyhow::Result<Draft> {
    let known = catalogue::protocols(asked.protocols).map(|found| found.sound.into_keys().collect::<Vec<_>>());
    if asked.ask {
        let known = known.ok().filter(|known| !known.is_empty());
        known.into_iter().for_each(|known| say!("There are already: {}", known.join(", ")));
        print::line("Enter takes what stands in brackets; Ctrl-C writes nothing. 回车采用括号中的值。\n");
    }
    let id = asked.answer(given.id.as_ref(), "id of the device model 型号代号", "", name)?;
    let title_zh = asked.answer(given.title_zh.as_ref(), "what it is called in Chinese 中文名称", &id, not_empty)?;
    let title_en = asked.answer(given.title_en.as_ref(), "what it is called in English 英文名称", &id, not_empty)?;
    let source =
        asked.answer(given.source.as_ref(), "manual, revision, page 说明书页码", "unknown manual", not_empty)?;
    let baud = asked.answer(given.baud.as_ref(), "bits per second 波特率", "9600", whole)?;
    let usb = asked.answer(given.usb.as_ref(), "USB id, where it has its own (lsusb)", &plugged_in(), anything)?;
    let framing = asked.answer(
        given.framing.as_ref(),
        "frames: delimited (lines of text), start-length-end, fixed-length, cobs, slip, escaped, silence 帧格式",
        "delimited",
        one_of(Kind::WORDS),
    )?;
    let text = framing == "delimited";
    let (marked, escaped) = (matches!(framing.as_str(), "start-length-end" | "fixed-length"), framing == "escaped");
    let bytes = |answer: &str| if text { Ok(()) } else { hex_bytes(answer) };
    let when = |wanted: bool, flag: &Option<String>, question: &str, default: &str, asked: &mut Asked<'_>| match wanted
    {
        true => asked.answer(flag.as_ref(), question, default, anything),
        false => Ok(String::new()),
    };
    let start = match marked || escaped {
        true => asked.answer(
            given.start.as_ref(),
            "first bytes of a frame in hex 帧头",
            if escaped { "7E" } else { "AA" },
            hex_bytes,
        )?,
        false => String::new(),
    };
    let length =
        when(framing == "start-length-end", &given.length, "width of the length: u8, u16be, u16le", "u8", asked)?;
    let frame_bytes = when(framing == "fixed-length", &given.frame_bytes, "bytes of a whole frame 帧长", "16", asked)?;
    let ends = if text {
        "\\r\\n"
    } else if escaped {
        "7E"
    } else {
        ""
    };
    let end = match text || marked || escaped {
        true => asked.answer(given.end.as_ref(), "last bytes of a frame 帧尾", ends, bytes)?,
        false => String::new(),
    };
    let separator = when(text, &given.separator, "between the columns of a line 分隔符", ",", asked)?;
    let checksum =
        when(true, &given.checksum, "checksum: none, sum8, xor8, lrc, CRC-16/MODBUS, … 校验", "none", asked)?;
    let begins = "the message with the value begins with (hex; in lines the first column); -: with nothing of its own, \
                  it is known by the question";
    let nothing = |answer: &str| if answer == "-" { Ok(()) } else { bytes(answer) };
    let matches = asked.answer(given.matches.as_ref(), begins, if text { "M" } else { "01" }, nothing)?;
    let matches = if matches == "-" { String::new() } else { matches };
    let metric = asked.answer(
        given.metric.as_ref(),
        "what it measures, as in config/metrics.toml 测量项目",
        "moisture",
        name,
    )?;
    let width =
        when(true, &given.width, "how the value stands there 数据类型", if text { "decimal" } else { "u16be" }, asked)?;
    let scale = match text {
        true => "1".to_owned(),
        false => asked.answer(given.scale.as_ref(), "raw number times 倍率", "0.1", number)?,
    };
    let unit = when(true, &given.unit, "unit 单位", if metric == "moisture" { "%" } else { "" }, asked)?;
    let command =
        when(true, &given.command, "command that asks for a value; empty: it measures by its own button", "", asked)?;
    Ok(Draft {
        id,
        title_zh,
        title_en,
        source,
        baud,
        usb,
        framing,
        start,
        length,
        frame_bytes,
        end,
        separator,
        checksum,
        matches,
        metric,
        width,
        scale,
        unit,
        command,
    })
}

/// The only USB serial port there is: probably the device on the table.
fn plugged_in() -> String {
    match Discovery::system().ports().as_slice() {
        [port] => discovery::shown(port.usb),
        _ => String::new(),
    }
}

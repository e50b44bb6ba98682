//! The salon's logo: a small file the installer chose, read once at the start. It goes with every report, to headquarters too, and
//! into every page, so it is small; and it is a picture and nothing else.

use crate::{config::Report, domain::look::Look};
use anyhow::{Context, bail};
use openssl::base64::encode_block;
use std::fs;

/// Of the file.
const MOST: usize = 8 * 1024;

/// Longest side of a PNG; pixels.
const MOST_SIDE: u32 = 1_024;

/// What an SVG may not hold: it could run, or ask another server for something.
const NOT_A_PICTURE: [&str; 6] = ["<script", "<foreignobject", "href=", "javascript:", "<!entity", "url(http"];

/// The look of reports as `config` has it.
///
/// # Errors
/// The logo is not there, is larger than 8 KiB, or is no picture by itself.
pub fn of(report: &Report) -> anyhow::Result<Look> {
    let colour = report.colour.map_or_else(String::new, |colour| colour.to_string());
    let Some(path) = &report.logo else { return Ok(Look { colour, logo: String::new() }) };
    let named = || format!("report.logo, {}", path.display());
    let bytes = fs::read(path).with_context(named)?;
    let logo = address(&bytes).with_context(named)?;
    Ok(Look { colour, logo })
}

fn address(bytes: &[u8]) -> anyhow::Result<String> {
    if bytes.len() > MOST {
        bail!("has {} bytes; at most {MOST} go with every report: simplify it, or save it smaller", bytes.len());
    }
    let kind = if bytes.starts_with(b"\x89PNG") { png(bytes)? } else { svg(bytes)? };
    Ok(format!("data:{kind};base64,{}", encode_block(bytes)))
}

fn png(bytes: &[u8]) -> anyhow::Result<&'static str> {
    let picture = image::load_from_memory_with_format(bytes, image::ImageFormat::Png).context("is no whole PNG")?;
    if picture.width().max(picture.height()) > MOST_SIDE {
        bail!("is larger than {MOST_SIDE} pixels; save it smaller");
    }
    Ok("image/png")
}

fn svg(bytes: &[u8]) -> anyhow::Result<&'static str> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("<svg") && text.contains("</svg>"));
    let Some(text) = text else { bail!("is neither SVG nor PNG; save it as one of them") };
    let lower = text.to_lowercase();
    if let Some(found) = NOT_A_PICTURE.iter().find(|word| lower.contains(**word)) {
        bail!("holds {found:?}, which is more than a picture; save it as plain SVG, with paths only");
    }
    if lower.contains("<text") {
        bail!("holds text, which looks different everywhere; turn it into paths");
    }
    Ok("image/svg+xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_a_small_picture_by_itself() {
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>"#;
        assert!(address(svg.as_bytes()).unwrap().starts_with("data:image/svg+xml;base64,PHN2Zy"));
        let faults = [
            svg.replace("<path", "<script>alert(1)</script><path"),
            svg.replace("<path", "<image href='http://a.example/x.png'/><path"),
            svg.replace("<path", "<text>Salon</text><path"),
            svg.replace("</svg>", ""),
            "\u{89}PNG".to_owned(),
            format!("{svg}{}", " ".repeat(MOST)),
        ];
        for fault in faults {
            assert!(address(fault.as_bytes()).is_err(), "{fault:.60}");
        }
        assert!(address(b"\x89PNG\r\n\x1a\n and then nothing").is_err());
    }
}

//! Pictures that mean harm, or were broken on their way: each ends in a value or in a sentence with what to do, never in a panic,
//! and never in more memory than a picture of that size needs. Swept: every boundary between the pieces of a file, every length.

use super::child::Worker;
use image::{ExtendedColorType, ImageEncoder, codecs};
use skinlink::{
    analysis::{
        door::{self, DoorError},
        job::Reply,
        picture,
    },
    domain::capture::Format,
};
use std::{sync::mpsc, time::Duration};

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

fn noisy(width: u32, height: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(3);
    (0..width * height * 3).map(|_| random.u8(..)).collect()
}

fn coded(format: Format, width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match format {
        Format::Jpeg => {
            codecs::jpeg::JpegEncoder::new(&mut bytes).write_image(rgb, width, height, ExtendedColorType::Rgb8)
        }
        Format::Png => {
            codecs::png::PngEncoder::new(&mut bytes).write_image(rgb, width, height, ExtendedColorType::Rgb8)
        }
        Format::Webp => {
            codecs::webp::WebPEncoder::new_lossless(&mut bytes).write_image(rgb, width, height, ExtendedColorType::Rgb8)
        }
    }
    .unwrap();
    bytes
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let counted = [&kind[..], content].concat();
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], &counted, &CRC.checksum(&counted).to_be_bytes()].concat()
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xFF, marker], &u16::try_from(content.len() + 2).unwrap().to_be_bytes()[..], content].concat()
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, content) in chunks {
        body.extend_from_slice(&kind[..]);
        body.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        body.extend_from_slice(content);
        body.extend(vec![0; content.len() % 2]);
    }
    [b"RIFF", &u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
}

/// Header of a PNG: size, bits, colour type, interlacing.
fn png_of(width: u32, height: u32, bits: u8, colour: u8, data: &[u8], before: &[Vec<u8>]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[bits, colour, 0, 0, 0]].concat();
    let packed = deflated(data);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(chunk(b"IHDR", &header));
    bytes.extend(before.concat());
    bytes.extend(chunk(b"IDAT", &packed));
    bytes.extend(chunk(b"IEND", b""));
    bytes
}

fn deflated(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(data).unwrap();
    packer.finish().unwrap()
}

/// Every place in a file where one piece ends and another begins.
fn boundaries(format: Format, bytes: &[u8]) -> Vec<usize> {
    let mut at = match format {
        Format::Jpeg => 2,
        Format::Png => 8,
        Format::Webp => 12,
    };
    let mut found = vec![0, 1, at];
    while at + 8 < bytes.len() {
        let long = |big: bool, from: usize| {
            let four: [u8; 4] = bytes[from..from + 4].try_into().unwrap();
            (if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }) as usize
        };
        at += match format {
            Format::Jpeg => 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])),
            Format::Png => 12 + long(true, at),
            Format::Webp => 8 + long(false, at + 4).next_multiple_of(2),
        };
        found.push(at);
        if format == Format::Jpeg
            && bytes.get(at.wrapping_sub(14)..).is_some_and(|_| bytes[..at].windows(2).any(|w| w == [0xFF, 0xDA]))
        {
            break;
        }
    }
    found
}

/// Taken in and decoded, or refused; a refusal says what to do now.
fn ends_well(name: &str, bytes: &[u8]) -> Result<(), String> {
    let told = |sentence: String| {
        let acts = ["again", "save", "set the camera", "lower"].iter().any(|word| sentence.contains(word));
        assert!(acts, "{name}: nothing to do in {sentence:?}");
        sentence
    };
    let admitted = door::admit(bytes).map_err(|refused| told(refused.to_string()))?;
    assert_eq!(door::admit(&admitted.bytes).as_ref(), Ok(&admitted), "{name}: what came in once comes in again");
    picture::decode(&admitted).map(drop).map_err(|refused| told(refused.to_string()))
}

#[test]
fn every_cut_at_every_boundary_is_a_sentence() {
    let mut cuts = 0;
    for format in Format::ALL {
        let whole = coded(*format, 61, 47, &noisy(61, 47));
        for boundary in boundaries(*format, &whole) {
            for length in boundary.saturating_sub(2)..=(boundary + 2).min(whole.len() - 1) {
                let refused = ends_well(&format!("{format} cut to {length}"), &whole[..length]);
                assert!(refused.is_err(), "{format} cut to {length} of {} came in", whole.len());
                cuts += 1;
            }
        }
        // And in the middle of everything, the coded pixels too.
        for length in (0..whole.len()).step_by(whole.len() / 200 + 1) {
            assert!(ends_well(&format!("{format} cut to {length}"), &whole[..length]).is_err());
            cuts += 1;
        }
    }
    println!("{cuts} cuts, each refused with what to do");
}

/// All kinds of harm by name; most are refused by the door, and none is decoded into more than its header said.
fn harmful() -> Vec<(&'static str, Vec<u8>)> {
    let jpeg = coded(Format::Jpeg, 61, 47, &noisy(61, 47));
    let png = coded(Format::Png, 61, 47, &noisy(61, 47));
    let webp = coded(Format::Webp, 61, 47, &noisy(61, 47));
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    let patched = |at: usize, bytes: &[u8]| {
        let mut copy = jpeg.clone();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        copy
    };
    let frame_of = |marker: u8, bits: u8, [width, height]: [u16; 2], components: u8| {
        let mut content = vec![bits];
        content.extend(height.to_be_bytes());
        content.extend(width.to_be_bytes());
        content.push(components);
        content.extend((1..=components).flat_map(|id| [id, 0x11, 0]));
        segment(marker, &content)
    };
    let scans = |count: usize, size: [u16; 2]| {
        let tables = jpeg[2..frame].to_vec();
        let scan = [&segment(0xDA, &[1, 1, 0x00, 0, 0, 0])[..], &[0x00; 4]].concat();
        [&[0xFF, 0xD8], &tables[..], &frame_of(0xC2, 8, size, 3), &scan.repeat(count), &[0xFF, 0xD9]].concat()
    };
    let head = |w: u32, h: u32, flags: u8| {
        let (w, h) = ((w - 1).to_le_bytes(), (h - 1).to_le_bytes());
        vec![flags, 0, 0, 0, w[0], w[1], w[2], h[0], h[1], h[2]]
    };
    let pixels = &webp[20..];
    let icc = |length: usize| {
        let profile = deflated(&vec![0; length]);
        chunk(b"iCCP", &[b"camera\0\0", &profile[..]].concat())
    };
    let black = |rows: usize, bytes: usize| vec![0; rows * (bytes + 1)];
    vec![
        ("a web page", b"<html><body>picture</body></html>".to_vec()),
        ("a GIF that moves", b"GIF89a\x3d\0\x2f\0\xf7\0\0!\xff\x0bNETSCAPE2.0".to_vec()),
        ("a TIFF", b"II*\0\x08\0\0\0\0\0".to_vec()),
        ("a HEIC", b"\0\0\0\x20ftypheic\0\0\0\0mif1heic".to_vec()),
        ("an SVG", b"<svg xmlns='http://www.w3.org/2000/svg' width='99999999' height='99999999'/>".to_vec()),
        ("a JPEG named by its first bytes alone", vec![0xFF, 0xD8, 0xFF]),
        ("a JPEG of 65535 a side", patched(frame + 5, &[0xFF; 4])),
        ("a JPEG without height", patched(frame + 5, &[0, 0])),
        ("a JPEG without width", patched(frame + 7, &[0, 0])),
        ("a JPEG of 12 bits", patched(frame + 4, &[12])),
        (
            "a CMYK JPEG",
            [
                &[0xFF, 0xD8],
                &segment(0xEE, b"Adobe\0\x64\0\0\0\0\x02")[..],
                &frame_of(0xC0, 8, [61, 47], 4),
                &jpeg[frame..],
            ]
            .concat(),
        ),
        ("a lossless JPEG", patched(frame + 1, &[0xC3])),
        ("an arithmetic JPEG", patched(frame + 1, &[0xC9])),
        ("a JPEG of two sizes", [&jpeg[..frame], &frame_of(0xC0, 8, [61, 47], 3), &jpeg[frame..]].concat()),
        ("a JPEG of two components", [&jpeg[..frame], &frame_of(0xC0, 8, [61, 47], 2), &[0xFF, 0xD9]].concat()),
        ("a JPEG with impossible sampling", patched(frame + 11, &[0xFF])),
        ("a JPEG with no sampling", patched(frame + 11, &[0x00])),
        ("a progressive JPEG of 5000 scans", scans(5000, [61, 47])),
        ("a large progressive JPEG of 60 scans", scans(60, [7000, 8000])),
        (
            "a JPEG with a broken profile",
            [&jpeg[..2], &segment(0xE2, b"ICC_PROFILE\0\xFF\0garbage")[..], &jpeg[2..]].concat(),
        ),
        (
            "a JPEG whose EXIF points at itself",
            [&jpeg[..2], &segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xFF\xFF")[..], &jpeg[2..]].concat(),
        ),
        (
            "a JPEG whose EXIF points outside",
            [&jpeg[..2], &segment(0xE1, b"Exif\0\0MM\0*\xFF\xFF\xFF\xFF")[..], &jpeg[2..]].concat(),
        ),
        ("a JPEG of tables only", [&jpeg[..frame], &[0xFF, 0xD9]].concat()),
        ("a PNG of 16 bits", png_of(9, 9, 16, 2, &black(9, 54), &[])),
        ("a PNG of 3 bits", png_of(9, 9, 3, 2, &black(9, 27), &[])),
        ("a PNG of an unknown colour", png_of(9, 9, 8, 5, &black(9, 27), &[])),
        ("a palette PNG without a palette", png_of(9, 9, 8, 3, &black(9, 9), &[])),
        ("a PNG that moves", png_of(9, 9, 8, 2, &black(9, 27), &[chunk(b"acTL", &[0, 0, 0, 9, 0, 0, 0, 0])])),
        ("a PNG without width", png_of(0, 9, 8, 2, &[0; 9], &[])),
        ("a PNG of 2³¹ a side", png_of(u32::MAX >> 1, u32::MAX >> 1, 8, 2, &[0; 9], &[])),
        ("a PNG of two headers", [&png[..33], &png[8..]].concat()),
        ("a PNG whose rows never come", png_of(3000, 3000, 8, 2, &[0; 9], &[])),
        ("a PNG with ten times its rows", png_of(50, 50, 8, 2, &black(500, 150), &[])),
        ("a PNG with an impossible filter", png_of(9, 9, 8, 2, &vec![99; 9 * 28], &[])),
        ("a PNG with a profile of 200 MB", png_of(9, 9, 8, 2, &black(9, 27), &[icc(200_000_000)])),
        (
            "a PNG with a text of 50 MB",
            png_of(
                9,
                9,
                8,
                2,
                &black(9, 27),
                &[chunk(b"zTXt", &[b"a\0\0", &deflated(&vec![0; 50_000_000])[..]].concat())],
            ),
        ),
        ("a PNG of 60000 empty pieces", png_of(9, 9, 8, 2, &black(9, 27), &vec![chunk(b"tEXt", b""); 60_000])),
        (
            "a PNG whose pixels come in 60000 pieces",
            png_of(9, 9, 8, 2, &black(9, 27), &vec![chunk(b"IDAT", b""); 60_000]),
        ),
        ("a PNG with unknown parts", png_of(9, 9, 8, 2, &black(9, 27), &[chunk(b"ABCD", b"")])),
        ("a black PNG of 60 megapixels", png_of(20_000, 3_000, 8, 2, &black(3_000, 60_000), &[])),
        ("a black PNG with alpha of 60 megapixels", png_of(20_000, 3_000, 8, 6, &black(3_000, 80_000), &[])),
        ("a WebP that moves", riff(&[(b"VP8X", &head(61, 47, 0x02)), (b"ANIM", &[0; 6]), (b"VP8L", pixels)])),
        ("a WebP of frames only", riff(&[(b"ANMF", &[0; 16])])),
        ("a WebP of another canvas", riff(&[(b"VP8X", &head(9999, 47, 0)), (b"VP8L", pixels)])),
        ("a WebP of 2¹⁴ a side", riff(&[(b"VP8L", &[0x2F, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0])])),
        ("a WebP of two pictures", riff(&[(b"VP8L", pixels), (b"VP8L", pixels)])),
        ("a WebP without a picture", riff(&[(b"VP8X", &head(61, 47, 0))])),
        ("a lossy WebP without a frame", riff(&[(b"VP8 ", &[0; 10])])),
        ("a lossy WebP of nothing", riff(&[(b"VP8 ", &[0x10, 0, 0, 0x9D, 0x01, 0x2A, 61, 0, 47, 0])])),
        ("a WebP of 2000 pieces", riff(&vec![(b"JUNK", &[][..]); 2000])),
        ("a WebP that says it is longer", {
            let mut w = webp.clone();
            w[4..8].copy_from_slice(&[0xFF; 4]);
            w
        }),
        (
            "a WebP whose alpha is garbage",
            riff(&[(b"VP8X", &head(61, 47, 0x10)), (b"ALPH", &[0xFF; 40]), (b"VP8L", pixels)]),
        ),
    ]
}

/// How each of them ends, from what the door and the decoders promise: words of the refusal, or none where nothing harmful is left
/// once the door has stripped it, so that it comes in.
fn fate(name: &str) -> Option<&'static str> {
    const NO_PICTURE: &str = "no JPEG, PNG or WebP picture";
    const NO_PIXELS: &str = "it has no pixels";
    const UNDECODABLE: &str = "cannot be decoded";
    const LARGE: &str = "megapixels are taken in";
    Some(match name {
        // Broken EXIF counts as none, and goes; profiles and texts go; alpha is not asked where the picture has its own.
        "a JPEG with a broken profile"
        | "a JPEG whose EXIF points at itself"
        | "a JPEG whose EXIF points outside"
        | "a PNG with ten times its rows"
        | "a PNG with a profile of 200 MB"
        | "a PNG with a text of 50 MB"
        | "a black PNG of 60 megapixels"
        | "a black PNG with alpha of 60 megapixels"
        | "a WebP whose alpha is garbage" => return None,
        "a web page" | "a GIF that moves" | "a TIFF" | "a HEIC" | "an SVG" => NO_PICTURE,
        "a JPEG named by its first bytes alone" => "no end marker",
        "a JPEG of 65535 a side" | "a PNG of 2³¹ a side" | "a WebP of 2¹⁴ a side" => LARGE,
        "a JPEG without height" | "a JPEG without width" | "a PNG without width" | "a WebP without a picture" => {
            NO_PIXELS
        }
        "a JPEG of 12 bits" => "a JPEG with more than 8 bits is not supported",
        "a CMYK JPEG" | "a JPEG of two components" => "a JPEG that is neither grey nor RGB is not supported",
        "a lossless JPEG" | "an arithmetic JPEG" => "a lossless or arithmetic-coded JPEG is not supported",
        "a JPEG of two sizes" | "a PNG of two headers" => "it states its size twice",
        "a JPEG with impossible sampling" | "a JPEG with no sampling" => UNDECODABLE,
        "a progressive JPEG of 5000 scans" => "a JPEG of more than 64 scans is not supported",
        // Few enough to be let in, and none of them holds what a scan must.
        "a large progressive JPEG of 60 scans" => UNDECODABLE,
        "a JPEG of tables only" => "it states no size",
        "a PNG of 16 bits" => "a PNG with more than 8 bits is not supported",
        "a PNG of 3 bits"
        | "a PNG of an unknown colour"
        | "a palette PNG without a palette"
        | "a PNG whose rows never come"
        | "a PNG with an impossible filter" => UNDECODABLE,
        "a PNG that moves" => "a moving PNG is not supported",
        "a PNG of 60000 empty pieces" | "a PNG whose pixels come in 60000 pieces" => "more than 50,000 pieces",
        "a PNG with unknown parts" => "a PNG with unknown parts is not supported",
        "a WebP that moves" | "a WebP of frames only" => "a moving WebP is not supported",
        "a WebP of another canvas" => "its two sizes differ",
        "a WebP of two pictures" => "it holds two pictures",
        "a lossy WebP without a frame" => "its first frame is none",
        "a lossy WebP of nothing" => UNDECODABLE,
        "a WebP of 2000 pieces" => "more than 1,000 pieces",
        "a WebP that says it is longer" => "half a chunk",
        other => panic!("say how {other:?} must end"),
    })
}

/// Many times what the slowest takes on a busy machine: a decoder that hangs is told from one that works.
const WATCHDOG: Duration = Duration::from_secs(30);

/// [`ends_well`] within the watchdog's time.
fn ends_in_time(name: &'static str, bytes: Vec<u8>) -> Result<(), String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(ends_well(name, &bytes)));
    match told.recv_timeout(WATCHDOG) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name}: nothing after {WATCHDOG:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{name}: it panicked, as said above"),
    }
}

/// How many were refused was only printed: a CMYK or a moving picture that came in, or a sound one that did not, changed nothing.
#[test]
fn what_means_harm_ends_in_its_own_sentence() {
    let (mut refused, mut passed, mut otherwise) = (0, 0, Vec::new());
    for (name, bytes) in harmful() {
        let outcome = ends_in_time(name, bytes);
        match &outcome {
            Ok(()) => passed += 1,
            Err(_) => refused += 1,
        }
        let told = outcome.err();
        println!("{name}: {}", told.as_deref().unwrap_or("taken in"));
        let as_promised = match (fate(name), &told) {
            (None, None) => true,
            (Some(words), Some(told)) => told.contains(words),
            _ => false,
        };
        if !as_promised {
            otherwise.push(format!("{name}: {told:?}, expected {:?}", fate(name)));
        }
    }
    println!("{refused} refused with what to do, {passed} harmless and taken in");
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    assert!(matches!(door::admit(&vec![0; door::MAX_BYTES + 1]), Err(DoorError::TooManyBytes { .. })));
}

/// Flipped bits in the pieces before the pixels, for pictures of every kind; the decoder sees what the door lets through.
#[test]
fn flipped_bits_end_well() {
    for (name, bytes) in harmful().into_iter().filter(|(_, bytes)| bytes.len() < 20_000) {
        let head = bytes.len().min(700);
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..if super::long() { 2_000 } else { 120 } {
            let mut copy = bytes.clone();
            let (at, bit) = (random.usize(..head), random.u8(..8));
            copy[at] ^= 1 << bit;
            let _ = ends_well(&format!("{name}, bit {bit} of byte {at}"), &copy);
        }
    }
}

/// In a process that may take a gibibyte: it answers every one of them and takes no more than its pictures need.
#[test]
fn a_process_under_a_limit_outlives_them_all() {
    let mut worker = Worker::with_memory(1024);
    let before = worker.peak_mib();
    for (name, bytes) in harmful() {
        let reply = worker.gate("front", &bytes);
        assert!(matches!(reply, Some(Reply::Failed { .. } | Reply::Gated(_))), "{name}: {reply:?}");
    }
    let good = coded(Format::Jpeg, 400, 300, &noisy(400, 300));
    assert!(matches!(worker.gate("front", &good), Some(Reply::Gated(_))), "the next good one is looked at");
    let peak = worker.peak_mib();
    println!("{before} MiB before, at most {peak} MiB while it was asked");
    // 60 megapixels: 240 MB as RGBA, 180 MB as RGB, 45 MB halved once, the file.
    assert!(peak < before + 600, "{peak} MiB");
}

/// A scope's picture one pixel wide was drawn to the width of the look, a gigabyte high.
#[test]
fn strips_of_a_pixel_are_looked_at_in_little_memory() {
    let mut worker = Worker::with_memory(1024);
    for (width, height) in [(1, 4000), (4000, 1), (1, 1), (15, 20_000), (20_000, 15), (3, 2)] {
        let strip = coded(Format::Png, width, height, &noisy(width, height));
        for view in ["front", "close"] {
            let reply = worker.gate(view, &strip);
            assert!(
                matches!(reply, Some(Reply::Failed { .. } | Reply::Gated(_))),
                "{width} × {height} {view}: {reply:?}"
            );
        }
    }
    assert!(worker.peak_mib() < 300, "{} MiB", worker.peak_mib());
}

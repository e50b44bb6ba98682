//! The long picture: 780 pixels wide, which a phone shows edge to edge, as long as the report gets. Drawn and written strip by
//! strip: as a whole it would be 30 MB.

use crate::{Fault, Made};
use image::{
    ExtendedColorType, ImageEncoder as _,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};
use jpeg_encoder::{Encoder, EncodingError, ImageBuffer, JpegColorType, SamplingFactor, rgb_to_ycbcr};
use std::cell::RefCell;
use typst::{
    layout::{Abs, Frame, FrameItem, Point, Size},
    utils::Scalar,
};
use typst_layout::{Page, PagedDocument};
use typst_render::RenderOptions;

/// Of 390 points.
const PIXELS_PER_POINT: f64 = 2.0;

/// Longer ones get narrower: apps for chat refuse what is longer still.
const LONGEST: f64 = 30_000.0;

/// What such an app takes as it is; bytes.
const MOST: usize = 2_500_000;

/// Tried in this order until the picture is light enough; the last one is taken as it is.
const QUALITIES: [u8; 3] = [86, 74, 58];

/// What a photograph fills in the long picture, as `report.typ` lays it out; pixels.
const PHOTOGRAPH: (u32, u32) = (320, 400);

/// It is coded once more with the whole picture.
const PHOTOGRAPH_QUALITY: u8 = 95;

/// Rows of pixels that are drawn at a time.
const STRIP: u32 = 1024;

/// How far ink may stand from the place of its text or line; points. No letter of a report is so large.
const SWASH: f64 = 60.0;

/// As JPEG; without photographs as PNG where that is smaller.
pub(crate) fn picture(document: &PagedDocument, plain: bool) -> Result<Made, Fault> {
    let [page] = document.pages() else { return Err(Fault::Layout("the long picture broke into pages".into())) };
    let strips = Strips::of(page);
    let fault = |error: &dyn std::fmt::Display| Fault::Picture(error.to_string());
    let mut jpeg = Vec::new();
    for quality in QUALITIES {
        jpeg.clear();
        strips.write_jpeg(&mut jpeg, quality).map_err(|error| fault(&error))?;
        if jpeg.len() <= MOST {
            break;
        }
    }
    if plain {
        let rows: Vec<u8> = (0..strips.height).flat_map(|y| strips.row(y)).flatten().collect();
        let mut png = Vec::new();
        let written =
            PngEncoder::new(&mut png).write_image(&rows, strips.width, strips.height, ExtendedColorType::Rgb8);
        written.map_err(|error| fault(&error))?;
        if png.len() <= jpeg.len() {
            return Ok(Made { kind: "image/png", bytes: png });
        }
    }
    Ok(Made { kind: "image/jpeg", bytes: jpeg })
}

/// A photograph as large as it is shown and no larger: six of them, decoded at the size they are stored in, would be half of all
/// memory, and each would be made smaller again for every strip it stands in. What cannot be decoded stays as it is and is
/// refused where it is drawn.
pub(crate) fn shrunk(bytes: &[u8]) -> Vec<u8> {
    sized(bytes, true)
}

/// The same for a picture of where something changed: as wide, and whole.
pub(crate) fn narrowed(bytes: &[u8]) -> Vec<u8> {
    sized(bytes, false)
}

fn sized(bytes: &[u8], cut: bool) -> Vec<u8> {
    let small = image::load_from_memory(bytes).ok().and_then(|whole| {
        let (wide, high) = PHOTOGRAPH;
        if whole.width() < wide || whole.height() < high {
            return None;
        }
        // The frame is covered; what stands over is cut off. Means over areas: the careful filters take ten times as long.
        let across = f64::from(wide) / f64::from(whole.width());
        let scale = if cut { across.max(f64::from(high) / f64::from(whole.height())) } else { across };
        let high = if cut { high } else { (f64::from(whole.height()) * scale).round().max(1.0) as u32 };
        let sides = [(whole.width(), wide), (whole.height(), high)];
        let [width, height] = sides.map(|(side, least)| ((f64::from(side) * scale).round() as u32).max(least));
        let small = whole.thumbnail_exact(width, height);
        let small = small.crop_imm((width - wide) / 2, (height - high) / 2, wide, high).to_rgb8();
        let mut out = Vec::new();
        JpegEncoder::new_with_quality(&mut out, PHOTOGRAPH_QUALITY).encode_image(&small).ok().map(|()| out)
    });
    small.unwrap_or_else(|| bytes.to_vec())
}

/// A page as pixels, of which one strip is there at a time: the one that was asked for last.
struct Strips<'a> {
    page: &'a Page,
    /// Pixels per point.
    scale: f64,
    width: u32,
    height: u32,
    /// Its first row, and its pixels (RGBA, 8 bits each); the page is opaque, so the colours are what they seem.
    strip: RefCell<(u32, Vec<u8>)>,
}

impl<'a> Strips<'a> {
    fn of(page: &'a Page) -> Self {
        let scale = PIXELS_PER_POINT.min(LONGEST / page.frame.height().to_pt());
        let pixels = |length: Abs| (scale * length.to_pt()).round().max(1.0) as u32;
        let (width, height) = (pixels(page.frame.width()), pixels(page.frame.height()));
        Self { page, scale, width, height, strip: RefCell::new((u32::MAX, Vec::new())) }
    }

    fn write_jpeg(&self, into: &mut Vec<u8>, quality: u8) -> Result<(), EncodingError> {
        let mut encoder = Encoder::new(into, quality);
        // Colours at full resolution: halved, small red letters fray.
        encoder.set_sampling_factor(SamplingFactor::F_1_1);
        encoder.encode_image(self)
    }

    fn row(&self, y: u32) -> Vec<[u8; 3]> {
        let (top, width) = (y - y % STRIP, self.width as usize);
        let mut strip = self.strip.borrow_mut();
        if strip.0 != top {
            // The old one first, or there were two.
            *strip = (u32::MAX, Vec::new());
            *strip = (top, self.drawn(top));
        }
        let at = 4 * (y - top) as usize * width;
        strip.1[at..at + 4 * width].as_chunks::<4>().0.iter().map(|&[r, g, b, _]| [r, g, b]).collect()
    }

    fn drawn(&self, top: u32) -> Vec<u8> {
        let points = |pixels: u32| Abs::pt(f64::from(pixels) / self.scale);
        let rows = STRIP.min(self.height - top);
        let mut frame = Frame::hard(Size::new(self.page.frame.width(), points(rows)));
        let seen = (points(top) - Abs::pt(SWASH), points(top + rows) + Abs::pt(SWASH));
        cut(&self.page.frame, Point::zero(), seen, &mut |at, item| frame.push(at - Point::with_y(points(top)), item));
        let page = Page { frame, ..self.page.clone() };
        let options = RenderOptions { pixel_per_pt: Scalar::new(self.scale), render_bleed: false };
        let pixels = typst_render::render(&page, &options).take();
        // The letters of one strip are of no use to the next: each stands elsewhere between two pixels.
        typst::comemo::evict(0);
        pixels
    }
}

/// Hands on what of `frame` lies between two heights of the page, in its order; what is clipped or turned is one piece.
fn cut(frame: &Frame, at: Point, seen: (Abs, Abs), found: &mut impl FnMut(Point, FrameItem)) {
    for (place, item) in frame.items() {
        let at = at + *place;
        let height = match item {
            FrameItem::Group(group) if group.clip.is_none() && group.transform.is_identity() => {
                cut(&group.frame, at, seen, found);
                continue;
            }
            FrameItem::Group(group) if group.transform.is_identity() => group.frame.height(),
            FrameItem::Image(_, size, _) => size.y,
            FrameItem::Text(_) => Abs::zero(),
            FrameItem::Shape(shape, _) => {
                let inked = shape.bbox(true);
                inked.max.y.max(Abs::zero())
            }
            // Where a turned one ends is not worth knowing.
            FrameItem::Group(_) => Abs::inf(),
            FrameItem::Link(..) | FrameItem::Tag(_) => continue,
        };
        let turned = matches!(item, FrameItem::Group(group) if !group.transform.is_identity());
        if turned || (at.y <= seen.1 && at.y + height >= seen.0) {
            found(at, item.clone());
        }
    }
}

/// Row by row, from the first to the last.
impl ImageBuffer for &Strips<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        u16::try_from(self.width).expect("a page is 390 points wide")
    }

    fn height(&self) -> u16 {
        u16::try_from(self.height).expect("no more than the longest")
    }

    fn fill_buffers(&self, y: u16, [luma, blue, red, _]: &mut [Vec<u8>; 4]) {
        for [r, g, b] in self.row(u32::from(y)) {
            let (y, cb, cr) = rgb_to_ycbcr(r, g, b);
            luma.push(y);
            blue.push(cb);
            red.push(cr);
        }
    }
}

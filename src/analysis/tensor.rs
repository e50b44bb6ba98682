//! Pixels to the input tensor of a model, as its manifest says: size, axes, colour order, scale and offset.

use super::{
    manifest::{Channels, Element, Fit, Input, Layout, Whole},
    picture::Plane,
};
use skinlink_pixels::{
    affine::Affine,
    sample::{Colour, Source, spread},
};

/// Most elements of one tensor; above it a manifest or a region is mistaken. 256 Mi floats are one GiB.
pub const MAX_ELEMENTS: usize = 1 << 28;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    #[error(
        "the input tensor would have {0:?} elements, more than any picture needs; check input.width and input.height"
    )]
    TooLarge(Vec<usize>),
    #[error("this model takes face regions, not a whole picture")]
    NeedsRegions,
    #[error("this model takes a whole picture, not face regions")]
    NeedsWhole,
}

/// A dense tensor, last axis fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub shape: [usize; 4],
    pub data: Data,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

/// The product of a shape, checked before anything of that size is allocated.
#[must_use]
pub fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, side| product.checked_mul(*side)).filter(|n| *n <= MAX_ELEMENTS)
}

/// From red, green and blue planes (0..255) of equal size.
///
/// # Errors
/// [`TensorError::TooLarge`].
pub fn from_planes(input: &Input, planes: &[Plane; 3]) -> Result<Tensor, TensorError> {
    let (width, height, channels) = (planes[0].width, planes[0].height, input.channels.count());
    let shape = match input.layout {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    };
    let count = elements(&shape).ok_or(TensorError::TooLarge(shape.to_vec()))?;
    let mut values = vec![0.0_f32; count];
    let pixels = width * height;
    for channel in 0..channels {
        // Where the channel's first value stands and how far apart its values are.
        let (first, step) = if input.layout == Layout::Nchw { (channel * pixels, 1) } else { (channel, channels) };
        let weights = weights(input.channels, channel);
        spread(planes, weights, &mut values[first..], step, input.scale[channel], input.offset[channel]);
    }
    let data = match input.element {
        Element::F32 => Data::F32(values),
        Element::U8 => Data::U8(values.into_iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect()),
    };
    Ok(Tensor { shape, data })
}

/// How much of red, green and blue is in a channel.
const fn weights(channels: Channels, channel: usize) -> [f32; 3] {
    match (channels, channel) {
        (Channels::Grey, _) => [0.299, 0.587, 0.114],
        (Channels::Rgb, 0) | (Channels::Bgr, 2) => [1.0, 0.0, 0.0],
        (Channels::Rgb | Channels::Bgr, 1) => [0.0, 1.0, 0.0],
        (Channels::Rgb | Channels::Bgr, _) => [0.0, 0.0, 1.0],
    }
}

/// Where a whole picture lies in the tensor of a `stretch`, `letterbox` or `pad-corner` model; widths before heights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    pub tensor: [usize; 2],
    pub picture: [usize; 2],
    /// What the picture takes of the tensor, and from where.
    pub size: [usize; 2],
    pub corner: [usize; 2],
}

impl Placement {
    #[must_use]
    pub fn of(how: Whole, tensor: [usize; 2], picture: [usize; 2]) -> Self {
        let share = |axis: usize| tensor[axis] as f64 / picture[axis] as f64;
        let fitting = share(0).min(share(1));
        let side = |axis: usize| ((picture[axis] as f64 * fitting).round() as usize).clamp(1, tensor[axis]);
        let size = if how == Whole::Stretch { tensor } else { [side(0), side(1)] };
        let corner = if how == Whole::Letterbox { [0, 1].map(|axis| (tensor[axis] - size[axis]) / 2) } else { [0, 0] };
        Self { tensor, picture, size, corner }
    }

    /// Picture pixels to one of the tensor, across and down.
    #[must_use]
    pub fn ratio(&self) -> [f64; 2] {
        [0, 1].map(|axis| self.picture[axis] as f64 / self.size[axis] as f64)
    }

    /// From the tensor, where 0, 0 is the corner of the first pixel, to the picture, where it is the pixel's middle.
    #[must_use]
    pub fn to_picture(&self, place: [f64; 2]) -> [f64; 2] {
        let ratio = self.ratio();
        [0, 1].map(|axis| (place[axis] - self.corner[axis] as f64) * ratio[axis] - 0.5)
    }
}

/// A whole picture in the size that a `stretch`, `letterbox` or `pad-corner` model takes, and where it lies in it.
///
/// # Errors
/// [`TensorError::NeedsRegions`] for a model of regions, [`TensorError::TooLarge`].
pub fn from_picture(input: &Input, source: &mut Source) -> Result<(Tensor, Placement), TensorError> {
    let Fit::Whole { how, width, height, fill } = input.fit else { return Err(TensorError::NeedsRegions) };
    let (width, height) = (width as usize, height as usize);
    elements(&[3, width, height]).ok_or_else(|| TensorError::TooLarge(vec![3, width, height]))?;
    let picture = [source.picture().width() as usize, source.picture().height() as usize];
    let placement = Placement::of(how, [width, height], picture);
    let (ratio, [to_width, to_height], [left, top]) = (placement.ratio(), placement.size, placement.corner);
    let onto = Affine { m: [ratio[0], 0.0, 0.0, ratio[1]], t: ratio.map(|r| 0.5 * r - 0.5) };
    let small = source.sample_affine(to_width, to_height, ratio, Colour::Rgb, &onto);
    let mut planes = [(); 3].map(|()| Plane::filled(width, height, f32::from(fill)));
    for (plane, small) in planes.iter_mut().zip(&small) {
        for y in 0..to_height {
            plane.values[(top + y) * width + left..][..to_width].copy_from_slice(small.row(y));
        }
    }
    Ok((from_planes(input, &planes)?, placement))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::picture::Picture;

    fn input(layout: Layout, channels: Channels, fit: Fit) -> Input {
        let (scale, offset) = (vec![2.0, 1.0, 0.5], vec![0.0, 10.0, 0.0]);
        let n = channels.count();
        Input {
            name: "x".into(),
            element: Element::F32,
            layout,
            channels,
            scale: scale[..n].to_vec(),
            offset: offset[..n].to_vec(),
            fit,
        }
    }

    fn region() -> Fit {
        Fit::Region { px_per_mm: 13.0, min_px_per_mm: 8.0, margin_px: 0, multiple_of: 1 }
    }

    fn floats(tensor: &Tensor) -> &[f32] {
        let Data::F32(values) = &tensor.data else { panic!("f32 was asked for") };
        values
    }

    #[test]
    fn axes_and_colours_as_the_manifest_says() {
        let picture = Picture::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let planes = picture.planes();
        let made = |layout, channels| from_planes(&input(layout, channels, region()), &planes).unwrap();
        let rgb = made(Layout::Nchw, Channels::Rgb);
        assert_eq!((rgb.shape, floats(&rgb)), ([1, 3, 1, 2], &[2.0, 8.0, 12.0, 15.0, 1.5, 3.0][..]));
        let bgr = made(Layout::Nhwc, Channels::Bgr);
        assert_eq!((bgr.shape, floats(&bgr)), ([1, 1, 2, 3], &[6.0, 12.0, 0.5, 12.0, 15.0, 2.0][..]));
        let grey = made(Layout::Nchw, Channels::Grey);
        assert_eq!(grey.shape, [1, 1, 1, 2]);
        assert!((floats(&grey)[0] - 2.0 * (0.299 + 0.587 * 2.0 + 0.114 * 3.0)).abs() < 1e-5);
    }

    #[test]
    fn whole_pictures_are_stretched_boxed_or_put_in_the_corner() {
        let made = |how, width, height| {
            let fit = Fit::Whole { how, width, height, fill: 7 };
            let mut source = Source::new(Picture::new(4, 2, [200; 24].to_vec()).unwrap());
            let (tensor, _) = from_picture(&input(Layout::Nchw, Channels::Grey, fit), &mut source).unwrap();
            floats(&tensor).iter().map(|v| *v > 100.0).collect::<Vec<_>>()
        };
        assert!(made(Whole::Stretch, 2, 4).iter().all(|filled| *filled));
        let f = false;
        assert_eq!(made(Whole::Letterbox, 2, 3), [f, f, true, true, f, f]);
        assert_eq!(made(Whole::PadCorner, 2, 3), [true, true, f, f, f, f]);
    }

    #[test]
    fn no_product_overflows_and_none_is_too_large() {
        assert_eq!(elements(&[1, 3, 1 << 40, 1 << 40]), None);
        assert_eq!(elements(&[1, 1, 1 << 14, 1 << 14]), Some(1 << 28));
        assert_eq!(elements(&[1, 1, 1 << 14, (1 << 14) + 1]), None);
    }
}

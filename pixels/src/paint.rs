//! Drawing over a picture that people look at: marks of a few pixels, tints, outlines.

use crate::{grid::Mask, plane::Plane};

/// A colour to look at, 0 to 255.
pub type Ink = [f32; 3];

/// Three planes that are drawn upon.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    planes: [Plane; 3],
}

impl Canvas {
    /// `None` unless there are three planes of one size.
    #[must_use]
    pub fn new(planes: Vec<Plane>) -> Option<Self> {
        let planes: [Plane; 3] = planes.try_into().ok()?;
        let same = planes.iter().all(|plane| (plane.width, plane.height) == (planes[0].width, planes[0].height));
        same.then_some(Self { planes })
    }

    #[must_use]
    pub const fn width(&self) -> usize {
        self.planes[0].width
    }
    #[must_use]
    pub const fn height(&self) -> usize {
        self.planes[0].height
    }
    #[must_use]
    pub const fn planes(&self) -> &[Plane; 3] {
        &self.planes
    }

    /// Grey and pale, so that marks stand out: what is drawn upon is still recognised, but says no colour.
    pub fn fade_to_grey(&mut self) {
        let [red, green, blue] = &mut self.planes;
        for ((r, g), b) in red.values.iter_mut().zip(&mut green.values).zip(&mut blue.values) {
            let grey = 0.299 * *r + 0.587 * *g + 0.114 * *b;
            let pale = 96.0 + 0.56 * grey;
            (*r, *g, *b) = (pale, pale, pale);
        }
    }

    /// Brighter or darker by one factor for all channels, in linear light.
    pub fn expose(&mut self, factor: f32) {
        // sRGB is near enough to a power of 2.2 that one factor of the coded values does the same to mid tones.
        let coded = factor.powf(1.0 / 2.2);
        self.planes.iter_mut().flat_map(|plane| &mut plane.values).for_each(|v| *v = (*v * coded).min(255.0));
    }

    fn blend(&mut self, x: usize, y: usize, ink: Ink, opacity: f32) {
        let at = y * self.width() + x;
        for (plane, ink) in self.planes.iter_mut().zip(ink) {
            let value = &mut plane.values[at];
            *value += (ink - *value) * opacity;
        }
    }

    /// A filled dot with a soft edge.
    pub fn dot(&mut self, place: [f32; 2], radius: f32, ink: Ink, opacity: f32) {
        self.stamp(place, radius + 1.0, &|far| (radius + 0.5 - far).clamp(0.0, 1.0) * opacity, ink);
    }

    /// An open ring with a soft edge.
    pub fn ring(&mut self, place: [f32; 2], radius: f32, width: f32, ink: Ink, opacity: f32) {
        let cover = |far: f32| ((width / 2.0 + 0.5) - (far - radius).abs()).clamp(0.0, 1.0) * opacity;
        self.stamp(place, radius + width, &cover, ink);
    }

    fn stamp(&mut self, [x, y]: [f32; 2], reach: f32, cover: &dyn Fn(f32) -> f32, ink: Ink) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let span = |at: f32, limit: usize| {
            let low = (at - reach).floor().max(0.0) as usize;
            low..((at + reach).ceil().max(-1.0) + 1.0).min(limit as f32) as usize
        };
        for row in span(y, self.height()) {
            for column in span(x, self.width()) {
                let opacity = cover((column as f32 - x).hypot(row as f32 - y));
                if opacity > 0.0 {
                    self.blend(column, row, ink, opacity);
                }
            }
        }
    }

    /// Tints by a signed map of the same size, −1 to 1: `less` where it is negative, `more` where positive, by its size.
    pub fn tint(&mut self, map: &Plane, mask: &Mask, less: Ink, more: Ink, most: f32) {
        for y in 0..self.height() {
            for x in (0..self.width()).filter(|x| mask.at(*x, y)) {
                let value = map.at(x, y).clamp(-1.0, 1.0);
                let ink = if value < 0.0 { less } else { more };
                self.blend(x, y, ink, value.abs() * most);
            }
        }
    }

    /// The border of a mask, `width` pixels inwards.
    pub fn outline(&mut self, mask: &Mask, width: usize, ink: Ink, opacity: f32) {
        for y in 0..self.height() {
            for x in (0..self.width()).filter(|x| mask.at(*x, y)) {
                let near = |dx: isize, dy: isize| {
                    let (x, y) = (x.checked_add_signed(dx), y.checked_add_signed(dy));
                    x.zip(y).is_some_and(|(x, y)| mask.at(x, y))
                };
                let w = width as isize;
                if !(near(w, 0) && near(-w, 0) && near(0, w) && near(0, -w)) {
                    self.blend(x, y, ink, opacity);
                }
            }
        }
    }

    /// Row by row, RGB, one byte a channel.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let [red, green, blue] = &self.planes;
        let colours = red.values.iter().zip(&green.values).zip(&blue.values);
        colours.flat_map(|((r, g), b)| [r, g, b].map(|v| (v + 0.5).clamp(0.0, 255.0) as u8)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey() -> Canvas {
        Canvas::new(vec![Plane::filled(40, 30, 100.0); 3]).unwrap()
    }

    #[test]
    fn marks_at_and_beyond_the_border_are_cut() {
        let mut canvas = grey();
        for place in [[0.0, 0.0], [39.0, 29.0], [-5.0, 12.0], [200.0, -300.0], [f32::NAN, 1.0]] {
            canvas.dot(place, 3.0, [255.0, 0.0, 0.0], 1.0);
            canvas.ring(place, 4.0, 2.0, [0.0, 0.0, 255.0], 0.5);
        }
        assert_eq!(&canvas.bytes()[..3], [255, 0, 0]);
    }

    #[test]
    fn a_ring_leaves_its_middle_open() {
        let mut canvas = grey();
        canvas.ring([20.0, 15.0], 5.0, 2.0, [0.0, 0.0, 0.0], 1.0);
        let at = |x: usize, y: usize| canvas.bytes()[3 * (y * 40 + x)];
        assert_eq!((at(20, 15), at(25, 15), at(20, 10)), (100, 0, 0));
    }

    #[test]
    fn planes_of_two_sizes_are_no_canvas() {
        assert!(
            Canvas::new(vec![Plane::filled(4, 4, 0.0), Plane::filled(4, 4, 0.0), Plane::filled(4, 5, 0.0)]).is_none()
        );
        assert!(Canvas::new(vec![Plane::filled(4, 4, 0.0); 2]).is_none());
    }
}

//! What a region looks like: how fine its detail is and how it is exposed.

use crate::{grid::Mask, plane::Plane};

const DARK_VALUE: f32 = 10.0;
const BRIGHT_VALUE: f32 = 245.0;

/// What a region looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Root mean square of the Laplacian of the lightly blurred green channel, over its mean: sensor noise is mostly gone
    /// by the blur (it defeats the plain variance of the Laplacian), brightness by the division.
    pub detail: f64,
    /// Shares of pixels below 10 and above 245.
    pub dark: f64,
    pub bright: f64,
}

/// Looks at a green plane of 0..255; `None` when nothing of it is inside.
#[must_use]
pub fn look(green: &Plane, mask: &Mask) -> Option<Look> {
    let count = mask.count() as f64;
    if count == 0.0 || green.width < 3 || green.height < 3 {
        return None;
    }
    let inside = || green.values.iter().zip(&mask.inside).filter(|(_, inside)| **inside).map(|(value, _)| *value);
    let share = |test: &dyn Fn(f32) -> bool| inside().filter(|v| test(*v)).count() as f64 / count;
    let mean = inside().map(f64::from).sum::<f64>() / count;
    let soft = green.blurred(1.0);
    let mut squares = 0.0;
    for y in 1..green.height - 1 {
        for x in (1..green.width - 1).filter(|x| mask.at(*x, y)) {
            let round = soft.at(x - 1, y) + soft.at(x + 1, y) + soft.at(x, y - 1) + soft.at(x, y + 1);
            squares += f64::from(round - 4.0 * soft.at(x, y)).powi(2);
        }
    }
    let detail = (squares / count).sqrt() / mean.max(1.0);
    Some(Look { detail, dark: share(&|v| v < DARK_VALUE), bright: share(&|v| v > BRIGHT_VALUE) })
}

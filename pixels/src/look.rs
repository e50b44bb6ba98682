//! What a region looks like on a coarse grid: its colour, how it is exposed, and how much of it is no skin.

use crate::{
    colour::{lab_of, linear},
    grid::Mask,
    plane::Plane,
};

const DARK_LEVEL: f32 = 10.0;
const BRIGHT_LEVEL: f32 = 245.0;
const CLIPPED_LEVEL: f32 = 254.0;

/// What a region looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Shares of pixels whose green lies below 10 and above 245.
    pub dark: f64,
    pub bright: f64,
    /// Share of pixels with two channels or more at the end of their range: highlights, where nothing is left to see.
    pub clipped: f64,
    /// Share of pixels with any channel there: their colour is lost, though not their detail.
    pub colourless: f64,
    /// Median red, green and blue, grey levels 0..255.
    pub median: [f64; 3],
    /// Mean linear light of red, green and blue.
    pub light: [f64; 3],
    pub pixels: usize,
}

/// What is taken for no skin, against the median colour of the skin round it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoSkin {
    /// Green darker than this share of the median's.
    pub darker: f64,
    /// Green brighter than this multiple of the median's.
    pub brighter: f64,
    /// Farther than this in a*, b*.
    pub colour: f64,
}

/// Looks at red, green and blue of 0..255; `None` when nothing is inside.
#[must_use]
pub fn look(planes: &[Plane; 3], mask: &Mask) -> Option<Look> {
    let count = mask.count();
    if count == 0 {
        return None;
    }
    let share = |n: usize| n as f64 / count as f64;
    let [mut dark, mut bright, mut clipped, mut colourless] = [0, 0, 0, 0];
    let mut counts = [[0_usize; 256]; 3];
    for (at, _) in mask.inside.iter().enumerate().filter(|(_, inside)| **inside) {
        let rgb = [0, 1, 2].map(|c: usize| planes[c].values[at]);
        dark += usize::from(rgb[1] < DARK_LEVEL);
        bright += usize::from(rgb[1] > BRIGHT_LEVEL);
        let ends = rgb.iter().filter(|v| **v >= CLIPPED_LEVEL).count();
        clipped += usize::from(ends >= 2);
        colourless += usize::from(ends >= 1);
        for (channel, value) in counts.iter_mut().zip(rgb) {
            channel[value.clamp(0.0, 255.0).round() as usize] += 1;
        }
    }
    let lights: Vec<f64> = (0..256).map(|level| linear(f64::from(level))).collect();
    let light = counts
        .map(|channel| channel.iter().zip(&lights).map(|(n, light)| *n as f64 * light).sum::<f64>() / count as f64);
    let median = counts.map(|channel| middle(&channel, count));
    Some(Look {
        dark: share(dark),
        bright: share(bright),
        clipped: share(clipped),
        colourless: share(colourless),
        median,
        light,
        pixels: count,
    })
}

fn middle(counts: &[usize; 256], all: usize) -> f64 {
    let mut below = 0;
    let level = counts.iter().position(|n| {
        below += n;
        below * 2 >= all
    });
    level.unwrap_or(255) as f64
}

/// Share of a region that is no skin: not of `skin`'s brightness or colour (its median red, green and blue).
#[must_use]
pub fn no_skin(planes: &[Plane; 3], mask: &Mask, skin: [f64; 3], rule: NoSkin) -> f64 {
    let [_, a, b] = lab_of(skin);
    let odd = |at: usize| {
        let rgb = [0, 1, 2].map(|c: usize| f64::from(planes[c].values[at]));
        if rgb[1] < rule.darker * skin[1] || rgb[1] > rule.brighter * skin[1] {
            return true;
        }
        let [_, x, y] = lab_of(rgb);
        (x - a).hypot(y - b) > rule.colour
    };
    let inside = mask.inside.iter().enumerate().filter(|(_, inside)| **inside);
    inside.filter(|(at, _)| odd(*at)).count() as f64 / mask.count().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(rgb: [f32; 3]) -> [Plane; 3] {
        rgb.map(|value| Plane::filled(20, 10, value))
    }

    #[test]
    fn a_flat_region_is_what_it_is() {
        let seen = look(&planes([180.0, 140.0, 120.0]), &Mask::whole(20, 10)).unwrap();
        assert_eq!((seen.median, seen.pixels), ([180.0, 140.0, 120.0], 200));
        assert_eq!((seen.dark, seen.bright, seen.clipped), (0.0, 0.0, 0.0));
        assert!((seen.light[1] - linear(140.0)).abs() < 1e-12);
        let empty = Mask { width: 20, height: 10, inside: vec![false; 200] };
        assert_eq!(look(&planes([180.0, 140.0, 120.0]), &empty), None);
    }

    #[test]
    fn shares_are_counted_and_what_covers_the_skin_is_told() {
        let mut painted = planes([180.0, 140.0, 120.0]);
        for at in 0..50 {
            // A quarter is hair.
            for (plane, value) in painted.iter_mut().zip([40.0, 30.0, 25.0]) {
                plane.values[at] = value;
            }
        }
        for plane in &mut painted {
            plane.values[60..70].fill(255.0);
        }
        let rule = NoSkin { darker: 0.55, brighter: 1.6, colour: 18.0 };
        let mask = Mask::whole(20, 10);
        let seen = look(&painted, &mask).unwrap();
        assert!((seen.clipped - 0.05).abs() < 1e-9 && (seen.bright - 0.05).abs() < 1e-9);
        assert!((no_skin(&painted, &mask, seen.median, rule) - 0.30).abs() < 1e-9);
    }
}

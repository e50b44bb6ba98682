//! Brings two registered cuts of one region to the same sharpness: the sharper one is blurred until both show the same
//! share of fine detail. Without it a steadier hand would look like fewer pores lost or gained.
//!
//! Sharpness is the ratio of two bands of the green channel (Gaussian differences 0.8 − 1.3 px over 2.5 − 4 px), each freed of
//! the energy that sensor noise has in it. It does not repair noise or strong compression: quality gates and the
//! measured repeatability answer for those.

use crate::{grid::Mask, plane::Plane};

const FINE: [f32; 2] = [0.8, 1.3];
const WIDE: [f32; 2] = [2.5, 4.0];
/// Most blur that is added, pixels; two pictures farther apart than this are too unlike to be evened out.
const MOST: f32 = 1.6;
/// Judged on at most this many pixels square of the region's middle.
const SIDE: usize = 320;
/// Less blur than this changes no measure.
const LEAST: f32 = 0.15;

/// Blurs the sharper of both; red, green, blue planes of one size. Says whether both are of one sharpness now: false, with
/// nothing changed, where more blur than 1.6 pixels would be needed, and where one shows detail and the other none.
#[must_use]
pub fn equalise(before: &mut [Plane], after: &mut [Plane], mask: &Mask) -> bool {
    // A region too small to be judged is too small to count in.
    let Some(window) = Window::middle(mask) else { return true };
    let sharpness = |planes: &[Plane]| Band::of(&window.cut(&planes[1])).sharpness(0.0);
    let (first, second) = match (sharpness(before), sharpness(after)) {
        (Some(first), Some(second)) => (first, second),
        (None, None) => return true,
        _ => return false,
    };
    let (sharper, goal) = if first > second { (before, second) } else { (after, first) };
    let sigma = Band::of(&window.cut(&sharper[1])).blur_to(goal);
    if sigma > 0.98 * MOST {
        return false;
    }
    if sigma >= LEAST {
        sharper.iter_mut().for_each(|plane| *plane = plane.blurred(sigma));
    }
    true
}

/// Sharpness and noise in the middle of a region: what a blur gate may look at. Noise alone never counts as sharp.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// Fine over wide energy without the noise, 0 where hardly any structure is left; see the head of this file.
    pub sharpness: f64,
    /// SD of the noise, grey levels.
    pub noise_sd: f64,
    middle: Plane,
}

/// Looks at a green plane of 0..255; `None` where too little of the region is inside.
#[must_use]
pub fn detail(green: &Plane, mask: &Mask) -> Option<Detail> {
    let middle = Window::middle(mask)?.cut(green);
    let band = Band::of(&middle);
    let (sharpness, noise_sd) = (band.sharpness(0.0).unwrap_or(0.0), band.noise.sqrt());
    Some(Detail { sharpness, noise_sd, middle })
}

/// The Gaussian that brings the sharper of both down to the other, pixels; at most 1.6.
#[must_use]
pub fn apart(first: &Detail, second: &Detail) -> f32 {
    let (sharper, goal) = if first.sharpness > second.sharpness { (first, second) } else { (second, first) };
    Band::of(&sharper.middle).blur_to(goal.sharpness)
}

/// The largest square about the middle of the region.
struct Window {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Window {
    fn middle(mask: &Mask) -> Option<Self> {
        let places = || mask.inside.iter().enumerate().filter(|(_, inside)| **inside).map(|(at, _)| at);
        let count = places().count();
        if count < 1_000 {
            return None;
        }
        let x = places().map(|at| at % mask.width).sum::<usize>() / count;
        let y = places().map(|at| at / mask.width).sum::<usize>() / count;
        let span = |at: usize, limit: usize| {
            let low = at.saturating_sub(SIDE / 2);
            (low, (at + SIDE / 2).min(limit) - low)
        };
        let ((left, width), (top, height)) = (span(x, mask.width), span(y, mask.height));
        (width >= 48 && height >= 48).then_some(Self { left, top, width, height })
    }

    fn cut(&self, plane: &Plane) -> Plane {
        let rows = self.top..self.top + self.height;
        let values = rows.flat_map(|y| plane.row(y)[self.left..][..self.width].iter().copied()).collect();
        Plane { width: self.width, height: self.height, values }
    }
}

/// A plane and the variance of its noise.
struct Band {
    plane: Plane,
    noise: f64,
}

impl Band {
    fn of(plane: &Plane) -> Self {
        Self { plane: plane.clone(), noise: noise_variance(plane) }
    }

    /// Fine over wide energy after a further blur, without the noise; `None` where nothing is left to judge.
    fn sharpness(&self, sigma: f32) -> Option<f64> {
        let wide = self.energy(WIDE, sigma);
        (wide > 1e-3).then(|| self.energy(FINE, sigma).max(0.0) / wide)
    }

    fn energy(&self, [narrow, broad]: [f32; 2], sigma: f32) -> f64 {
        // Two Gaussian blurs in a row are one: their variances add.
        let [narrow, broad] = [narrow, broad].map(|s| s.hypot(sigma));
        let (a, b) = (self.plane.blurred(narrow), self.plane.blurred(broad));
        let squares: f64 = a.values.iter().zip(&b.values).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        squares / a.values.len() as f64 - self.noise * noise_share(narrow, broad)
    }

    /// The Gaussian that brings this plane down to `goal`, by bisection.
    fn blur_to(&self, goal: f64) -> f32 {
        let sharper = |sigma: f32| self.sharpness(sigma).is_some_and(|s| s > goal);
        if !sharper(0.0) {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, MOST);
        for _ in 0..6 {
            let middle = f32::midpoint(low, high);
            if sharper(middle) { low = middle } else { high = middle }
        }
        f32::midpoint(low, high)
    }
}

/// Variance of white noise, from the median size of its response to a mask that flat skin and slopes do not answer
/// (Immerkær 1996, with the median in place of the mean so that pores do not count).
fn noise_variance(plane: &Plane) -> f64 {
    let mut sizes = Vec::with_capacity(plane.values.len());
    for y in 1..plane.height - 1 {
        let (up, here, down) = (plane.row(y - 1), plane.row(y), plane.row(y + 1));
        for x in 1..plane.width - 1 {
            let cross = up[x] + down[x] + here[x - 1] + here[x + 1];
            let corners = up[x - 1] + up[x + 1] + down[x - 1] + down[x + 1];
            sizes.push((4.0 * here[x] - 2.0 * cross + corners).abs());
        }
    }
    let middle = sizes.len() / 2;
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f32::total_cmp);
    // The mask multiplies an SD by 6; the median size of a normal value is 0.6745 SD.
    (f64::from(*median) / 0.6745 / 6.0).powi(2)
}

/// Share of white noise's variance that passes the difference of two Gaussians.
fn noise_share(narrow: f32, broad: f32) -> f64 {
    let (a, b) = (f64::from(narrow).powi(2), f64::from(broad).powi(2));
    let pass = |sum: f64| 1.0 / (std::f64::consts::TAU * sum);
    // ∫(g_a − g_b)² = 1/(4πa²) + 1/(4πb²) − 2/(2π(a²+b²))
    pass(2.0 * a) + pass(2.0 * b) - 2.0 * pass(a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skin(seed: u64) -> Plane {
        let mut random = fastrand::Rng::with_seed(seed);
        let rough = Plane { width: 200, height: 200, values: (0..40_000).map(|_| random.f32() * 400.0).collect() };
        let mut soft = rough.blurred(1.2);
        soft.values.iter_mut().for_each(|v| *v = 150.0 + (*v - 200.0) * 0.5);
        soft
    }

    #[test]
    fn the_sharper_picture_is_brought_down_to_the_other() {
        let sharp = skin(7);
        for sigma in [0.5, 0.9, 1.3] {
            let mut before = vec![sharp.clone(); 3];
            let mut after = vec![sharp.blurred(sigma); 3];
            let goal = after.clone();
            assert!(equalise(&mut before, &mut after, &Mask::whole(200, 200)));
            assert_eq!(after, goal, "the blurred one stays as it is");
            let off: f64 = before[1].values.iter().zip(&goal[1].values).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let was: f64 = sharp.values.iter().zip(&goal[1].values).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            assert!(off < 0.25 * was, "sigma {sigma}: {off} of {was} is left");
        }
    }

    #[test]
    fn equal_pictures_stay_as_they_are() {
        let (mut before, mut after) = (vec![skin(7); 3], vec![skin(7); 3]);
        assert!(equalise(&mut before, &mut after, &Mask::whole(200, 200)));
        assert_eq!((&before[0], &after[0]), (&skin(7), &skin(7)));
    }

    /// An after picture out of focus went on unevened: its pores were blurred away and counted as gone.
    #[test]
    fn a_picture_far_out_of_focus_is_said_to_be_so_and_nothing_is_changed() {
        for sigma in [2.2, 3.0, 5.0, 12.0] {
            for turned in [false, true] {
                let (mut before, mut after) = (vec![skin(7); 3], vec![skin(7).blurred(sigma); 3]);
                if turned {
                    std::mem::swap(&mut before, &mut after);
                }
                let was = (before.clone(), after.clone());
                assert!(!equalise(&mut before, &mut after, &Mask::whole(200, 200)), "sigma {sigma}");
                assert_eq!((before, after), was);
            }
        }
    }

    #[test]
    fn noise_is_estimated_and_does_not_count_as_sharpness() {
        let clean = skin(7);
        let mut random = fastrand::Rng::with_seed(9);
        let mut noisy = clean.blurred(0.8);
        for value in &mut noisy.values {
            // Sum of twelve uniform numbers: normal enough, SD 4.
            *value += 4.0 * ((0..12).map(|_| random.f32()).sum::<f32>() - 6.0);
        }
        let estimate = noise_variance(&noisy).sqrt();
        assert!((3.4..5.0).contains(&estimate), "{estimate} for 4");
        let sharpness = |plane: &Plane| Band::of(plane).sharpness(0.0).unwrap();
        assert!(sharpness(&noisy) < sharpness(&clean), "blurred and noisy is still less sharp");
    }
}

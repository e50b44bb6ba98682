//! One channel as f32, and its filters.

/// One channel: width × height values, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Plane {
    #[must_use]
    pub fn filled(width: usize, height: usize, value: f32) -> Self {
        Self { width, height, values: vec![value; width * height] }
    }

    #[must_use]
    pub fn row(&self, y: usize) -> &[f32] {
        &self.values[y * self.width..][..self.width]
    }

    #[must_use]
    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y * self.width + x]
    }

    /// Separable filter with an odd number of taps; the border is repeated.
    #[must_use]
    pub fn filtered(&self, taps: &[f32]) -> Self {
        let reach = taps.len() / 2;
        let (width, height) = (self.width, self.height);
        let mut across = Self::filled(width, height, 0.0);
        let mut padded = vec![0.0; width + 2 * reach];
        for y in 0..height {
            let row = self.row(y);
            padded[..reach].fill(row[0]);
            padded[reach..reach + width].copy_from_slice(row);
            padded[reach + width..].fill(row[width - 1]);
            let out = &mut across.values[y * width..][..width];
            for (k, tap) in taps.iter().enumerate() {
                for (o, v) in out.iter_mut().zip(&padded[k..k + width]) {
                    *o += v * tap;
                }
            }
        }
        let mut down = Self::filled(width, height, 0.0);
        for y in 0..height {
            let out = &mut down.values[y * width..][..width];
            for (k, tap) in taps.iter().enumerate() {
                let from = (y + k).saturating_sub(reach).min(height - 1);
                for (o, v) in out.iter_mut().zip(across.row(from)) {
                    *o += v * tap;
                }
            }
        }
        down
    }

    /// Gaussian blur; a sigma of zero or less changes nothing.
    #[must_use]
    pub fn blurred(&self, sigma: f32) -> Self {
        if sigma <= 0.0 { self.clone() } else { self.filtered(&gaussian(sigma)) }
    }

    /// What is finer than a box of `2 · reach + 1` pixels: the plane minus its local mean.
    #[must_use]
    pub fn high_passed(&self, reach: usize) -> Self {
        let mean = self.box_mean(reach);
        let values = self.values.iter().zip(&mean.values).map(|(v, m)| v - m).collect();
        Self { width: self.width, height: self.height, values }
    }

    /// Bilinear enlargement: this plane's cell (x, y) lies at (x, y) × `step` of the new one.
    #[must_use]
    pub fn enlarged(&self, step: usize, width: usize, height: usize) -> Self {
        let mut out = Self::filled(width, height, 0.0);
        let (right, bottom) = (self.width - 1, self.height - 1);
        for y in 0..height {
            let (row, fy) = ((y / step).min(bottom), (y % step) as f32 / step as f32);
            for x in 0..width {
                let (column, fx) = ((x / step).min(right), (x % step) as f32 / step as f32);
                let at = |dx: usize, dy: usize| self.at((column + dx).min(right), (row + dy).min(bottom));
                let upper = at(0, 0) * (1.0 - fx) + at(1, 0) * fx;
                let lower = at(0, 1) * (1.0 - fx) + at(1, 1) * fx;
                out.values[y * width + x] = upper * (1.0 - fy) + lower * fy;
            }
        }
        out
    }

    /// Mean over a square of `2 · reach + 1` pixels, cut at the border.
    #[must_use]
    pub fn box_mean(&self, reach: usize) -> Self {
        let (width, height) = (self.width, self.height);
        let mut across = Self::filled(width, height, 0.0);
        for y in 0..height {
            running_mean(self.row(y), reach, |x, mean| across.values[y * width + x] = mean);
        }
        let mut mean = Self::filled(width, height, 0.0);
        // Down, a whole row at a time: walking columns would miss the cache with every step.
        let mut sums = vec![0.0_f64; width];
        let add = |sums: &mut [f64], y: usize, sign: f64| {
            for (sum, value) in sums.iter_mut().zip(across.row(y)) {
                *sum += sign * f64::from(*value);
            }
        };
        (0..reach.min(height)).for_each(|y| add(&mut sums, y, 1.0));
        for y in 0..height {
            if y + reach < height {
                add(&mut sums, y + reach, 1.0);
            }
            if y > reach {
                add(&mut sums, y - reach - 1, -1.0);
            }
            let count = ((y + reach + 1).min(height) - y.saturating_sub(reach)) as f64;
            for (out, sum) in mean.values[y * width..][..width].iter_mut().zip(&sums) {
                *out = (sum / count) as f32;
            }
        }
        mean
    }
}

fn running_mean(values: &[f32], reach: usize, mut write: impl FnMut(usize, f32)) {
    // f64, so that a long row's sum does not drift.
    let mut sum: f64 = values.iter().take(reach).map(|v| f64::from(*v)).sum();
    for at in 0..values.len() {
        if let Some(next) = values.get(at + reach) {
            sum += f64::from(*next);
        }
        if at > reach {
            sum -= f64::from(values[at - reach - 1]);
        }
        let count = (at + reach + 1).min(values.len()) - at.saturating_sub(reach);
        write(at, (sum / count as f64) as f32);
    }
}

/// Taps of a Gaussian out to three sigma, summing to 1.
#[must_use]
pub fn gaussian(sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as i32;
    let taps: Vec<f32> = (-reach..=reach).map(|x| (-0.5 * (x as f32 / sigma).powi(2)).exp()).collect();
    let sum: f32 = taps.iter().sum();
    taps.into_iter().map(|tap| tap / sum).collect()
}

//! How far a share that was counted may lie from the true one. Pure. All bounds are exact (Clopper and Pearson, *Biometrika* 26, 1934): they
//! hold for three photographs as for three thousand, where an approximation would call one failure of one a certainty.

use std::f64::consts::PI;

/// Of so many so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub of: u64,
    pub hit: u64,
}

impl Count {
    /// `hit` never exceeds `of`.
    #[must_use]
    pub fn new(hit: u64, of: u64) -> Self {
        Self { of, hit: hit.min(of) }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { of: self.of + other.of, hit: self.hit + other.hit }
    }

    /// `None` of nothing.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.hit as f64 / self.of as f64)
    }

    /// The true share lies below this with a probability of `alpha` at the most; 0 of nothing.
    #[must_use]
    pub fn at_least(self, alpha: f64) -> f64 {
        if self.hit == 0 { 0.0 } else { solve(|share| at_least(self, share) < alpha) }
    }

    /// The true share lies above this with a probability of `alpha` at the most; 1 of nothing.
    #[must_use]
    pub fn at_most(self, alpha: f64) -> f64 {
        if self.hit == self.of { 1.0 } else { solve(|share| at_most(self, share) > alpha) }
    }
}

/// The share up to which `below` holds.
fn solve(below: impl Fn(f64) -> bool) -> f64 {
    const HALVINGS: u32 = 48;
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if below(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// How probable it is to count as many as `count.hit` or more where the true share is `share`.
#[must_use]
pub fn at_least(count: Count, share: f64) -> f64 {
    let Count { of, hit } = count;
    if hit == 0 {
        1.0
    } else if (hit as f64) < share * of as f64 {
        1.0 - below(Count { of, hit: hit - 1 }, share)
    } else {
        // The same from the other end: as few misses.
        below(Count { of, hit: of - hit }, 1.0 - share)
    }
}

fn at_most(count: Count, share: f64) -> f64 {
    let Count { of, hit } = count;
    if hit >= of {
        1.0
    } else if hit as f64 > share * of as f64 {
        1.0 - at_least(Count { of, hit: hit + 1 }, share)
    } else {
        below(count, share)
    }
}

/// The sum of the probabilities of 0 to `hit`, largest first: it ends where the rest adds nothing.
fn below(Count { of, hit }: Count, share: f64) -> f64 {
    if share <= 0.0 {
        return 1.0;
    }
    if share >= 1.0 {
        return if hit >= of { 1.0 } else { 0.0 };
    }
    let odds = (1.0 - share) / share;
    let chosen = ln_factorial(of) - ln_factorial(hit) - ln_factorial(of - hit);
    let mut term = (chosen + hit as f64 * share.ln() + (of - hit) as f64 * (1.0 - share).ln()).exp();
    // The first is the largest of them: beside it nothing counts where it is nothing itself.
    if term < f64::MIN_POSITIVE {
        return 0.0;
    }
    let (mut sum, mut at) = (term, hit);
    while at > 0 {
        term *= odds * at as f64 / (of - at + 1) as f64;
        sum += term;
        at -= 1;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum.min(1.0)
}

/// Stirling's series; below that the sum itself.
fn ln_factorial(n: u64) -> f64 {
    if n < 32 {
        return (2..=n).map(|at| (at as f64).ln()).sum();
    }
    let n = n as f64;
    n * n.ln() - n + 0.5 * (2.0 * PI * n).ln() + 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 5e-5, "{found} is not {wanted}");
    }

    /// Tables of Clopper-Pearson intervals at 95 % (two-sided: 2.5 % on each side).
    #[test]
    fn bounds_are_those_of_the_tables() {
        let of_ten = |hit| Count::new(hit, 10);
        near(of_ten(0).at_most(0.025), 0.30850);
        near(of_ten(1).at_least(0.025), 0.00253);
        near(of_ten(1).at_most(0.025), 0.44502);
        near(of_ten(5).at_least(0.025), 0.18709);
        near(of_ten(5).at_most(0.025), 0.81291);
        near(of_ten(10).at_least(0.025), 0.69150);
        // 1 - 0.05^(1/59): the "rule of three".
        near(Count::new(0, 59).at_most(0.05), 0.04951);
        assert_eq!((Count::default().at_least(0.05), Count::default().at_most(0.05)), (0.0, 1.0));
        near(at_least(Count::new(5, 10), 0.1), 0.0016349);
    }

    #[test]
    fn large_counts_are_no_worse_than_small_ones() {
        // The normal approximation is good to three digits here.
        let many = Count::new(5_000, 100_000);
        assert!((many.at_least(0.001) - 0.04788).abs() < 2e-4, "{}", many.at_least(0.001));
        assert!((many.at_most(0.001) - 0.05216).abs() < 2e-4, "{}", many.at_most(0.001));
        // What no honest gateway says must not keep anybody busy.
        let huge = Count::new(1 << 23, 1 << 24);
        assert!(huge.at_least(0.001) > 0.49 && huge.at_most(0.001) < 0.51);
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let of = random.u64(1..5_000);
            let count = Count::new(random.u64(0..=of), of);
            let share = count.share().expect("of something");
            let (low, high) = (count.at_least(0.01), count.at_most(0.01));
            assert!(low <= share && share <= high, "{count:?}: {low} to {high}");
            assert!((0.0..=1.0).contains(&at_least(count, random.f64())));
        }
    }
}

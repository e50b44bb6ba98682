//! Student's t: the quantile behind every limit of a comparison.
//!
//! A limit of `t × SE` with the degrees of freedom behind SE; with many of them it is the normal quantile. The
//! distribution function comes from the continued fraction of the incomplete beta function, the quantile from bisection:
//! slow, but drawn a few dozen times a visit and right over the whole range.

/// Above this the difference to the normal distribution is below one part in a hundred thousand.
const NORMAL_FROM: f64 = 1e6;

/// The t that an unchanged value exceeds in size with probability `alpha`.
///
/// `alpha` is cut to `1e-12..=1`, `degrees_of_freedom` to at least 1.
#[must_use]
pub fn two_sided_limit(alpha: f64, degrees_of_freedom: u32) -> f64 {
    let alpha = alpha.clamp(1e-12, 1.0);
    let df = f64::from(degrees_of_freedom.max(1)).min(NORMAL_FROM);
    let (mut low, mut high) = (0.0, 1.0);
    while tail(high, df) > alpha {
        low = high;
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if tail(middle, df) > alpha { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The share of alpha that each of `tested` values may use so that all together stay at `alpha` (Šidák, which for
/// two-sided tests of normal values holds under any correlation between them).
#[must_use]
pub fn share_of(alpha: f64, tested: u32) -> f64 {
    1.0 - (1.0 - alpha).powf(1.0 / f64::from(tested.max(1)))
}

/// P(|T| > t): the regularised incomplete beta function I_x(df/2, 1/2) at x = df / (df + t²).
fn tail(t: f64, df: f64) -> f64 {
    let x = df / (df + t * t);
    incomplete_beta(df / 2.0, 0.5, x)
}

fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    // The fraction converges fast on one side of the mean only; the other side is its mirror.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), evaluated forwards by Lentz's method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut c = 1.0;
    let mut fraction = d;
    for step in 1..2_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for term in [even, odd] {
            d = 1.0 / guard(1.0 + term * d);
            c = guard(1.0 + term / c);
            fraction *= d * c;
        }
        if (fraction - before).abs() <= 1e-15 * fraction.abs() {
            break;
        }
    }
    fraction
}

/// ln Γ(x) for x > 0: Stirling's series after stepping up to x ≥ 10, where its five terms leave less than 1e-13.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse * (1.0 / 1680.0 - inverse / 1188.0))))
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - f64::ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published tables of Student's t (two-sided alpha, degrees of freedom, value).
    #[test]
    fn quantiles_agree_with_the_tables() {
        let table = [
            (0.5, 1, 1.000),
            (0.10, 1, 6.314),
            (0.05, 1, 12.706),
            (0.01, 1, 63.657),
            (0.001, 1, 636.619),
            (0.05, 2, 4.303),
            (0.05, 5, 2.571),
            (0.05, 10, 2.228),
            (0.001, 10, 4.587),
            (0.10, 30, 1.697),
            (0.05, 30, 2.042),
            (0.01, 30, 2.750),
            (0.001, 30, 3.646),
            (0.05, 60, 2.000),
            (0.01, 60, 2.660),
            (0.05, 120, 1.980),
            (0.001, 120, 3.373),
            (0.05, u32::MAX, 1.960),
            (0.01, u32::MAX, 2.576),
            (0.001, u32::MAX, 3.291),
        ];
        for (alpha, df, expected) in table {
            let found = two_sided_limit(alpha, df);
            assert!((found - expected).abs() <= 0.000_51, "alpha {alpha}, df {df}: {found}, table {expected}");
        }
    }

    #[test]
    fn normal_quantiles_to_one_part_in_a_hundred_thousand() {
        for (alpha, expected) in [(0.05, 1.959_964), (0.01, 2.575_829), (1e-4, 3.890_592), (1e-6, 4.891_638)] {
            let found = two_sided_limit(alpha, u32::MAX);
            assert!((found / expected - 1.0).abs() < 1e-5, "alpha {alpha}: {found}");
        }
    }

    #[test]
    fn twenty_tests_share_five_percent() {
        assert!((share_of(0.05, 1) - 0.05).abs() < 1e-15);
        let each = share_of(0.05, 20);
        assert!((1.0 - (1.0 - each).powi(20) - 0.05).abs() < 1e-12);
        assert!(each > 0.05 / 20.0, "Šidák is a little kinder than Bonferroni");
    }
}

//! Shares with their intervals, and how much of the campaign is run.

/// The long form by `SKINLINK_PAIRS=long` (`make pairs`), a part of it by a number of per cent, the short one with every
/// `cargo test`.
pub fn trials(short: u32, long: u32) -> u32 {
    per_cent().map_or(short, |share| (long * share / 100).max(short))
}

pub fn is_long() -> bool {
    per_cent().is_some()
}

fn per_cent() -> Option<u32> {
    let form = std::env::var("SKINLINK_PAIRS").ok()?;
    if form == "long" { Some(100) } else { form.parse().ok() }
}

/// Printed with every table; another one by `SKINLINK_PAIRS_SEED`.
pub fn seed() -> u64 {
    std::env::var("SKINLINK_PAIRS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_127)
}

/// A share of trials with its 95 % interval (Wilson).
#[derive(Clone, Copy, Default)]
pub struct Share {
    pub hits: u32,
    pub of: u32,
}

impl Share {
    pub fn add(&mut self, hit: bool) {
        self.hits += u32::from(hit);
        self.of += 1;
    }

    pub fn value(self) -> f64 {
        f64::from(self.hits) / f64::from(self.of.max(1))
    }

    /// Whether the bar is held: by the campaign's own share, or, of the few trials of the short form, not contradicted by them
    /// (the bar lies within the interval).
    pub fn is_at_least(self, bar: f64) -> bool {
        if is_long() { self.value() >= bar } else { self.interval()[1] >= bar }
    }

    /// The same for a share that must be small.
    pub fn is_at_most(self, bar: f64) -> bool {
        if is_long() { self.value() <= bar } else { self.interval()[0] <= bar }
    }

    pub fn interval(self) -> [f64; 2] {
        const Z: f64 = 1.96;
        let n = f64::from(self.of.max(1));
        let p = self.value();
        let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        [(middle - half).max(0.0), (middle + half).min(1.0)]
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [low, high] = self.interval().map(|v| 100.0 * v);
        write!(f, "{:5.1} % ({}/{}, 95 % {low:.1} to {high:.1})", 100.0 * self.value(), self.hits, self.of)
    }
}

/// The value below which `share` of them lie.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * share) as usize).min(values.len() - 1)]
}

/// 95 % interval of a quantile of the trials' own values, by drawing trials again 1,000 times.
pub fn interval_over(trials: &[Vec<f64>], share: f64, seed: u64) -> [f64; 2] {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut found: Vec<f64> = (0..1_000)
        .map(|_| {
            let mut drawn: Vec<f64> =
                (0..trials.len()).flat_map(|_| trials[random.usize(..trials.len())].iter().copied()).collect();
            let at = ((drawn.len() as f64 * share) as usize).min(drawn.len() - 1);
            *drawn.select_nth_unstable_by(at, f64::total_cmp).1
        })
        .collect();
    [quantile(&mut found, 0.025), quantile(&mut found, 0.975)]
}

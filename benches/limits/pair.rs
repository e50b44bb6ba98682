//! Two sides measured turn by turn, so that whatever else the machine does meets both: a clock that drifts, a neighbour that
//! wakes up. Criterion measures one side for seconds and then the other.

use std::time::{Duration, Instant};

/// Turns that are not counted: caches fill, the library makes its plans.
const WARM_UP: usize = 10;

/// Nanoseconds of each turn.
pub struct Pair {
    pub name: &'static str,
    ours: Vec<f64>,
    bare: Vec<f64>,
}

impl Pair {
    /// Runs both sides `turns` times, each giving how long it took. Who begins alternates: the second of a turn may find a
    /// warmer cache or a busier disk.
    pub fn measure(
        name: &'static str,
        turns: usize,
        mut ours: impl FnMut() -> Duration,
        mut bare: impl FnMut() -> Duration,
    ) -> Self {
        let mut pair = Self { name, ours: Vec::new(), bare: Vec::new() };
        for turn in 0..turns + WARM_UP {
            let (first, second);
            if turn % 2 == 0 {
                first = ours();
                second = bare();
            } else {
                second = bare();
                first = ours();
            }
            if turn >= WARM_UP {
                pair.ours.push(first.as_secs_f64() * 1e9);
                pair.bare.push(second.as_secs_f64() * 1e9);
            }
        }
        pair
    }

    /// Medians of both sides.
    pub fn medians(&self) -> (f64, f64) {
        (quantile(self.ours.clone(), 0.5), quantile(self.bare.clone(), 0.5))
    }

    /// Quartiles of the turns' own ratios: first, median, third.
    pub fn ratios(&self) -> [f64; 3] {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.bare).map(|(ours, bare)| ours / bare).collect();
        [0.25, 0.5, 0.75].map(|share| quantile(ratios.clone(), share))
    }
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// How long `work` takes.
#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
pub fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    std::hint::black_box(work());
    begun.elapsed()
}

//! One similarity or affine map through many correspondences, some of which are wrong.
//!
//! RANSAC with a fixed seed, so that the same pictures give the same numbers for ever, then least squares on those who
//! agree, three times.

use crate::affine::Affine;

/// A place and where it was found, in the same unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub from: [f64; 2],
    pub to: [f64; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Turn, scale, shift.
    Similarity,
    Affine,
}

const TRIES: usize = 300;
const SEED: u64 = 0x05EE_D0F5;

/// The map that most pairs agree with within `tolerance`, and which do. `None` when fewer than `need` agree.
#[must_use]
pub fn robust(pairs: &[Pair], model: Model, tolerance: f64, need: usize) -> Option<(Affine, Vec<bool>)> {
    let sample = if model == Model::Similarity { 2 } else { 3 };
    if pairs.len() < need.max(sample) {
        return None;
    }
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut best: Option<(usize, Affine)> = None;
    for _ in 0..TRIES {
        let drawn: Vec<Pair> = (0..sample).map(|_| pairs[random.usize(..pairs.len())]).collect();
        let Some(map) = least_squares(&drawn, model) else { continue };
        let agree = pairs.iter().filter(|pair| distance(&map, pair) <= tolerance).count();
        if best.is_none_or(|(most, _)| agree > most) {
            best = Some((agree, map));
        }
    }
    let (_, mut map) = best?;
    for _ in 0..3 {
        let agreeing: Vec<Pair> = pairs.iter().copied().filter(|pair| distance(&map, pair) <= tolerance).collect();
        if agreeing.len() < need {
            return None;
        }
        map = least_squares(&agreeing, model)?;
    }
    Some((map, pairs.iter().map(|pair| distance(&map, pair) <= tolerance).collect()))
}

fn distance(map: &Affine, pair: &Pair) -> f64 {
    let [x, y] = map.apply(pair.from);
    (x - pair.to[0]).hypot(y - pair.to[1])
}

/// The map with the least squared error; `None` when the places do not fix one.
#[must_use]
pub fn least_squares(pairs: &[Pair], model: Model) -> Option<Affine> {
    let n = pairs.len() as f64;
    let mean = |pick: fn(&Pair) -> [f64; 2]| {
        let sum = pairs.iter().map(pick).fold([0.0, 0.0], |s, p| [s[0] + p[0], s[1] + p[1]]);
        [sum[0] / n, sum[1] / n]
    };
    let (from, to) = (mean(|p| p.from), mean(|p| p.to));
    let centred =
        || pairs.iter().map(|p| ([p.from[0] - from[0], p.from[1] - from[1]], [p.to[0] - to[0], p.to[1] - to[1]]));
    let m = match model {
        Model::Similarity => {
            let square: f64 = centred().map(|(a, _)| a[0] * a[0] + a[1] * a[1]).sum();
            let along: f64 = centred().map(|(a, b)| a[0] * b[0] + a[1] * b[1]).sum();
            let across: f64 = centred().map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum();
            if square < 1e-9 {
                return None;
            }
            [along / square, -across / square, across / square, along / square]
        }
        Model::Affine => {
            let sum = |term: fn(&([f64; 2], [f64; 2])) -> f64| centred().map(|pair| term(&pair)).sum::<f64>();
            let (xx, xy, yy) = (sum(|p| p.0[0] * p.0[0]), sum(|p| p.0[0] * p.0[1]), sum(|p| p.0[1] * p.0[1]));
            let determinant = xx * yy - xy * xy;
            // Places on one line leave the direction across it open.
            if determinant < 1e-6 * (xx + yy).powi(2) {
                return None;
            }
            let solve = |a: f64, b: f64| [(a * yy - b * xy) / determinant, (b * xx - a * xy) / determinant];
            let [m0, m1] = solve(sum(|p| p.0[0] * p.1[0]), sum(|p| p.0[1] * p.1[0]));
            let [m2, m3] = solve(sum(|p| p.0[0] * p.1[1]), sum(|p| p.0[1] * p.1[1]));
            [m0, m1, m2, m3]
        }
    };
    let turned = Affine { m, t: [0.0, 0.0] }.apply(from);
    Some(Affine { m, t: [to[0] - turned[0], to[1] - turned[1]] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_wrong_pairs_does_not_bend_the_map() {
        let truth = Affine { m: [1.02, -0.05, 0.04, 0.97], t: [12.0, -7.0] };
        let mut random = fastrand::Rng::with_seed(11);
        let pairs: Vec<Pair> = (0..60)
            .map(|at| {
                let from = [random.f64() * 400.0, random.f64() * 300.0];
                let [x, y] = truth.apply(from);
                let off = if at % 3 == 0 { 40.0 } else { 0.2 };
                Pair { from, to: [x + off * (random.f64() - 0.5), y + off * (random.f64() - 0.5)] }
            })
            .collect();
        let (map, agree) = robust(&pairs, Model::Affine, 1.0, 20).unwrap();
        assert!(agree.iter().filter(|a| **a).count() >= 40);
        for corner in [[0.0, 0.0], [400.0, 0.0], [0.0, 300.0], [400.0, 300.0]] {
            let ([x, y], [u, v]) = (map.apply(corner), truth.apply(corner));
            assert!((x - u).hypot(y - v) < 0.2, "{corner:?}: {x} {y}, not {u} {v}");
        }
        assert_eq!(robust(&pairs, Model::Affine, 1.0, 20), robust(&pairs, Model::Affine, 1.0, 20));
    }

    #[test]
    fn too_few_or_aligned_places_fix_nothing() {
        let line: Vec<Pair> = (0..9).map(|x| Pair { from: [f64::from(x), 0.0], to: [f64::from(x), 1.0] }).collect();
        assert_eq!(robust(&line, Model::Affine, 1.0, 3), None);
        assert!(robust(&line, Model::Similarity, 1.0, 3).is_some());
        assert_eq!(robust(&line[..1], Model::Similarity, 1.0, 1), None);
    }
}

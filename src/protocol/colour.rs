//! Colour from reflectance: CIE 1964 10° observer, illuminant D65, 31 bands from 400 to 700 nm at 10 nm.
//!
//! Weighted sums at the bands themselves, without interpolation, normalised so that a perfect reflector is 100, 0, 0.
//! Observer and illuminant are part of the result: the 2° observer gives other numbers. Source of the tables: CIE 015.

/// Bands a spectrum has.
pub const BANDS: usize = 31;

/// x̄10, ȳ10, z̄10 and the relative power of D65, 400 to 700 nm at 10 nm.
const OBSERVER_AND_LIGHT: [[f64; 4]; BANDS] = [
    [0.019_110, 0.002_004, 0.086_011, 82.7549],
    [0.084_736, 0.008_756, 0.389_366, 91.4860],
    [0.204_492, 0.021_391, 0.972_542, 93.4318],
    [0.314_679, 0.038_676, 1.553_480, 86.6823],
    [0.383_734, 0.062_077, 1.967_280, 104.865],
    [0.370_702, 0.089_456, 1.994_800, 117.008],
    [0.302_273, 0.128_201, 1.745_370, 117.812],
    [0.195_618, 0.185_190, 1.317_560, 114.861],
    [0.080_507, 0.253_589, 0.772_125, 115.923],
    [0.016_172, 0.339_133, 0.415_254, 108.811],
    [0.003_816, 0.460_777, 0.218_502, 109.354],
    [0.037_465, 0.606_741, 0.112_044, 107.802],
    [0.117_749, 0.761_757, 0.060_709, 104.790],
    [0.236_491, 0.875_211, 0.030_451, 107.689],
    [0.376_772, 0.961_988, 0.013_676, 104.405],
    [0.529_826, 0.991_761, 0.003_988, 104.046],
    [0.705_224, 0.997_340, 0.0, 100.000],
    [0.878_655, 0.955_552, 0.0, 96.3342],
    [1.014_160, 0.868_934, 0.0, 95.7880],
    [1.118_520, 0.777_405, 0.0, 88.6856],
    [1.123_990, 0.658_341, 0.0, 90.0062],
    [1.030_480, 0.527_963, 0.0, 89.5991],
    [0.856_297, 0.398_057, 0.0, 87.6987],
    [0.647_467, 0.283_493, 0.0, 83.2886],
    [0.431_567, 0.179_828, 0.0, 83.6992],
    [0.268_329, 0.107_633, 0.0, 80.0268],
    [0.152_568, 0.060_281, 0.0, 80.2146],
    [0.081_260_6, 0.031_800_4, 0.0, 82.2778],
    [0.040_850_8, 0.015_905_1, 0.0, 78.2842],
    [0.019_941_3, 0.007_748_8, 0.0, 69.7213],
    [0.009_576_88, 0.003_717_74, 0.0, 71.6091],
];

/// L*, a*, b* of a surface; reflectance in percent.
#[must_use]
pub fn lab(reflectance_percent: &[f32; BANDS]) -> [f64; 3] {
    let [x, y, z] = [0, 1, 2].map(|axis| {
        let weights = OBSERVER_AND_LIGHT.iter().map(|row| row[axis] * row[3]);
        let white: f64 = weights.clone().sum();
        let seen: f64 =
            weights.zip(reflectance_percent).map(|(weight, share)| weight * f64::from(*share) / 100.0).sum();
        cube_root(seen / white)
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// CIE's cube root with its straight part near black.
fn cube_root(share: f64) -> f64 {
    if share > 216.0 / 24_389.0 { share.cbrt() } else { (24_389.0 / 27.0 * share + 16.0) / 116.0 }
}

/// Individual typology angle in degrees; `atan2`, since b* near or below zero would flip an `atan`.
#[must_use]
pub fn ita(lightness: f64, yellowness: f64) -> f64 {
    (lightness - 50.0).atan2(yellowness).to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_reflector_is_white_and_none_is_black() {
        let [l, a, b] = lab(&[100.0; BANDS]);
        assert!((l - 100.0).abs() < 1e-9 && a.abs() < 1e-9 && b.abs() < 1e-9, "{l} {a} {b}");
        assert!(lab(&[0.0; BANDS])[0].abs() < 1e-9);
    }

    #[test]
    fn grey_of_18_percent_has_the_known_lightness() {
        assert!((lab(&[18.418_7; BANDS])[0] - 50.0).abs() < 0.01);
    }

    #[test]
    fn ita_of_light_and_dark_skin_and_of_blueish_skin() {
        assert!((ita(70.0, 20.0) - 45.0).abs() < 1e-9);
        assert!((ita(40.0, 10.0) + 45.0).abs() < 1e-9);
        assert!((ita(60.0, -0.001) - 90.0).abs() < 0.01);
    }
}

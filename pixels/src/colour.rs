//! From coded grey levels to light, and from light to CIELAB.
//!
//! sRGB as IEC 61966-2-1 has it; CIELAB for D65 and the 2° observer, which is what sRGB itself is defined with.

/// Linear light 0..1 of an sRGB grey level 0..255.
#[must_use]
pub fn linear(level: f64) -> f64 {
    let v = (level / 255.0).clamp(0.0, 1.0);
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

/// L*, a*, b* of linear red, green and blue; white is 1, 1, 1.
#[must_use]
pub fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
    let x = (0.412_456_4 * r + 0.357_576_1 * g + 0.180_437_5 * b) / 0.950_47;
    let y = 0.212_672_9 * r + 0.715_152_2 * g + 0.072_175 * b;
    let z = (0.019_333_9 * r + 0.119_192 * g + 0.950_304_1 * b) / 1.088_83;
    let f = |t: f64| if t > 216.0 / 24_389.0 { t.cbrt() } else { (24_389.0 / 27.0 * t + 16.0) / 116.0 };
    [116.0 * f(y) - 16.0, 500.0 * (f(x) - f(y)), 200.0 * (f(y) - f(z))]
}

/// L*, a*, b* of coded grey levels.
#[must_use]
pub fn lab_of(levels: [f64; 3]) -> [f64; 3] {
    lab(levels.map(linear))
}

/// Direction in the plane of a* and b*, degrees.
#[must_use]
pub fn hue([_, a, b]: [f64; 3]) -> f64 {
    b.atan2(a).to_degrees()
}

/// Distance from grey in the plane of a* and b*.
#[must_use]
pub fn chroma([_, a, b]: [f64; 3]) -> f64 {
    a.hypot(b)
}

/// Individual typology angle: atan2(L* − 50, b*), degrees (Chardon 1991).
#[must_use]
pub fn typology([lightness, _, b]: [f64; 3]) -> f64 {
    (lightness - 50.0).atan2(b).to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: [f64; 3], expected: [f64; 3]) {
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 0.05, "{found:?}, not {expected:?}");
        }
    }

    /// The corners of sRGB, as every table of them has them.
    #[test]
    fn known_colours_have_their_known_places() {
        near(lab_of([255.0, 255.0, 255.0]), [100.0, 0.0, 0.0]);
        near(lab_of([0.0, 0.0, 0.0]), [0.0, 0.0, 0.0]);
        near(lab_of([255.0, 0.0, 0.0]), [53.24, 80.09, 67.20]);
        near(lab_of([0.0, 255.0, 0.0]), [87.73, -86.18, 83.18]);
        near(lab_of([0.0, 0.0, 255.0]), [32.30, 79.19, -107.86]);
        near(lab_of([119.0, 119.0, 119.0]), [50.03, 0.0, 0.0]);
    }

    /// atan2, not atan: a bluish skin must not flip to the other end of the scale.
    #[test]
    fn the_angle_does_not_flip_where_blue_outweighs_yellow() {
        assert!((typology([70.0, 0.0, 20.0]) - 45.0).abs() < 1e-9);
        assert!(typology([70.0, 0.0, -1.0]) > 90.0);
        assert!((typology([30.0, 0.0, 20.0]) + 45.0).abs() < 1e-9);
    }
}

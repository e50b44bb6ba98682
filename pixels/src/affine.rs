//! Affine maps of the plane.

/// p ↦ M p + t, with M = [[m0, m1], [m2, m3]].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    pub m: [f64; 4],
    pub t: [f64; 2],
}

impl Affine {
    pub const IDENTITY: Self = Self { m: [1.0, 0.0, 0.0, 1.0], t: [0.0, 0.0] };

    #[must_use]
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let Self { m, t } = self;
        [m[0] * x + m[1] * y + t[0], m[2] * x + m[3] * y + t[1]]
    }

    /// First `inner`, then this one.
    #[must_use]
    pub fn after(&self, inner: &Self) -> Self {
        let (a, b) = (self.m, inner.m);
        let m = [
            a[0] * b[0] + a[1] * b[2],
            a[0] * b[1] + a[1] * b[3],
            a[2] * b[0] + a[3] * b[2],
            a[2] * b[1] + a[3] * b[3],
        ];
        Self { m, t: self.apply(inner.t) }
    }

    /// The way back; `None` when the map folds everything onto a line.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        let [a, b, c, d] = self.m;
        let determinant = a * d - b * c;
        if !determinant.is_normal() {
            return None;
        }
        let m = [d / determinant, -b / determinant, -c / determinant, a / determinant];
        let [x, y] = Self { m, t: [0.0, 0.0] }.apply(self.t);
        Some(Self { m, t: [-x, -y] })
    }

    /// How much lengths grow, as the root of the area's growth.
    #[must_use]
    pub fn scale(&self) -> f64 {
        (self.m[0] * self.m[3] - self.m[1] * self.m[2]).abs().sqrt()
    }
}

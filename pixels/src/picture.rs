//! RGB, one byte a channel, rows from the top, no padding.

use crate::plane::Plane;

/// Width × height × 3 bytes, RGB, upright.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} × {})", self.width, self.height)
    }
}

impl Picture {
    /// `None` when the number of bytes is not width × height × 3, or zero.
    #[must_use]
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let bytes = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (bytes > 0 && bytes == rgb.len()).then_some(Self { width, height, rgb })
    }

    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }
    /// Row by row from the top, RGB.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Half as wide and high, each pixel the mean of four; an odd last row or column is left out.
    #[must_use]
    pub fn halved(&self) -> Option<Self> {
        let (width, height) = ((self.width / 2) as usize, (self.height / 2) as usize);
        let row = self.width as usize * 3;
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            let (upper, lower) = (&self.rgb[2 * y * row..][..row], &self.rgb[(2 * y + 1) * row..][..row]);
            for x in 0..width {
                for c in 0..3 {
                    let at = 6 * x + c;
                    let sum = u16::from(upper[at])
                        + u16::from(upper[at + 3])
                        + u16::from(lower[at])
                        + u16::from(lower[at + 3]);
                    rgb.push(((sum + 2) / 4) as u8);
                }
            }
        }
        Self::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?, rgb)
    }

    /// Red, green and blue as they are, 0 to 255.
    #[must_use]
    pub fn planes(&self) -> [Plane; 3] {
        let (width, height) = (self.width as usize, self.height as usize);
        [0, 1, 2].map(|channel: usize| {
            let values = self.rgb.iter().skip(channel).step_by(3).map(|v| f32::from(*v)).collect();
            Plane { width, height, values }
        })
    }
}

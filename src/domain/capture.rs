//! One photograph: what it shows and how good it is. The picture itself is a file of the store.

use super::{CaptureId, ScanId, Stamp, word::words};

words! {
    /// From where the camera looked; `config/face-regions.toml` says which regions a view shows.
    pub enum View as "view" { Front = "front", Left = "left", Right = "right", Close = "close" }
}

words! {
    /// Under which light.
    pub enum Light as "light" { White = "white", CrossPolarised = "cross_polarised", ParallelPolarised = "parallel_polarised", Uv = "uv" }
}

words! {
    /// How the stored bytes are coded.
    pub enum Format as "picture format" { Jpeg = "image/jpeg", Png = "image/png", Webp = "image/webp" }
}

/// One photograph of a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct Capture {
    pub id: CaptureId,
    pub scan: ScanId,
    pub view: View,
    pub light: Light,
    pub format: Format,
    /// As shown, that is with the orientation applied; pixels.
    pub width: u32,
    pub height: u32,
    /// Of the stripped original, in bytes, and its SHA-256: what is kept bit for bit.
    pub bytes: u64,
    pub sha256: [u8; 32],
    /// The two anchors of the view in pixels as shown, tapped by the operator or from the framing guide.
    pub anchors: [[f64; 2]; 2],
    /// What the quality gates said, as words; empty when all passed.
    pub complaints: Vec<String>,
    /// Which camera, as far as known (browser's device label, folder name); pairs need the same.
    pub camera: String,
    pub taken: Stamp,
}

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

words! {
    /// What a photograph's colours are held against. Without one of the last three nothing that depends on colour is compared:
    /// a camera's own white balance moves skin tone by more than a treatment does, and skin is never matched to skin.
    pub enum ColourReference as "colour reference" {
        /// Not looked for yet.
        Unknown = "unknown",
        None = "none",
        /// A grey card in the picture.
        Card = "card",
        /// A camera whose exposure and white balance are locked and were measured once.
        Profile = "profile",
        /// The device's own white tile, photographed and kept.
        White = "white",
    }
}

impl ColourReference {
    #[must_use]
    pub const fn stands(self) -> bool {
        matches!(self, Self::Card | Self::Profile | Self::White)
    }
}

words! {
    /// Who says where the points of a face lie.
    pub enum PointSource as "source of points" {
        /// A person tapped or dragged them.
        Confirmed = "confirmed",
        /// Carried over from an earlier picture by registration.
        Inherited = "inherited",
        /// Where a model's detector saw them; a person has still to confirm.
        Proposed = "proposed",
    }
}

/// Where a face lies in one photograph: the two anchors of its view and the tip of the nose, in pixels as shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FacePoints {
    pub anchors: [[f64; 2]; 2],
    pub nose: [f64; 2],
}

/// Points with who set them.
#[derive(Debug, Clone, PartialEq)]
pub struct SetPoints {
    pub points: FacePoints,
    pub source: PointSource,
    pub staff: String,
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
    /// The two anchors of the view in pixels as shown: those of `points`, else as the framing guide has them.
    pub anchors: [[f64; 2]; 2],
    /// Set by a person or carried over; `None` where the framing guide alone speaks.
    pub points: Option<SetPoints>,
    pub colour: ColourReference,
    /// What the quality gates said, as words; empty when all passed.
    pub complaints: Vec<String>,
    /// Which camera, as far as known (browser's device label, folder name); pairs need the same.
    pub camera: String,
    pub taken: Stamp,
}

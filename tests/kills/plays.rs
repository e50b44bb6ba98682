//! The visits that are cut short by kills: small, so that many of them can be.

use skinlink::{
    app::demo::{plant::Rendered, today},
    domain::{Region, scan::Phase},
    sim::{
        beautician::{Photograph, Plan},
        deeds::Deed,
    },
};
use std::path::{Path, PathBuf};

/// What a visit consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// One scan, twelve values.
    Short,
    /// Both scans with the treatment between, compared.
    Whole,
    /// One scan with one small photograph, which is too coarse for the model.
    Photograph,
    /// Both scans with a small photograph each, compared.
    Pair,
    /// One scan with a photograph that the model measures.
    Measured,
    /// A short visit in which something goes otherwise.
    With(&'static [Deed]),
    /// The same with a small photograph.
    PhotographWith(&'static [Deed]),
}

pub const PAUSED: Play = Play::With(&[Deed::Pause]);
pub const SKIPPED: Play = Play::With(&[Deed::SkipRegion(Region::LeftCheek)]);
pub const REPEATED: Play = Play::With(&[Deed::RepeatRegion(Region::Forehead)]);
pub const CANCELLED: Play = Play::With(&[Deed::CancelScan]);
pub const TRAY: Play =
    Play::With(&[Deed::Pause, Deed::PressSebum(Region::LeftCheek), Deed::BindFromTray(Region::LeftCheek)]);
pub const STRUCK_SCAN: Play = Play::With(&[Deed::VoidScan, Deed::RestoreScan]);
pub const MOVED_SCAN: Play = Play::With(&[Deed::MoveScan(Phase::After), Deed::MoveScan(Phase::Before)]);
pub const STRUCK_VISIT: Play = Play::With(&[Deed::VoidVisit, Deed::RestoreVisit]);
pub const CLOSED_EARLY: Play = Play::With(&[Deed::CloseVisit]);
pub const MEASURING_WITHDRAWN: Play = Play::With(&[Deed::WithdrawMeasuring]);
pub const NUMBERS_WITHDRAWN: Play = Play::With(&[Deed::WithdrawNumbers]);
/// What headquarters had not got yet is told again: all of it must be there in the end, once.
pub const AGREED_AGAIN: Play = Play::With(&[Deed::WithdrawNumbers, Deed::AgreeAgain]);
pub const PHOTOGRAPHS_AGREED_AGAIN: Play = Play::PhotographWith(&[Deed::WithdrawPhotographs, Deed::AgreeAgain]);
pub const PHOTOGRAPHS_WITHDRAWN: Play = Play::PhotographWith(&[Deed::WithdrawPhotographs]);
pub const MOVED_VISIT: Play = Play::PhotographWith(&[Deed::MoveVisit]);

impl Play {
    /// Everything that can be drawn by chance.
    pub const ALL: &'static [Self] = &[
        Self::Short,
        Self::Whole,
        Self::Photograph,
        Self::Pair,
        PAUSED,
        SKIPPED,
        REPEATED,
        CANCELLED,
        TRAY,
        STRUCK_SCAN,
        MOVED_SCAN,
        STRUCK_VISIT,
        CLOSED_EARLY,
        MEASURING_WITHDRAWN,
        PHOTOGRAPHS_WITHDRAWN,
        AGREED_AGAIN,
        PHOTOGRAPHS_AGREED_AGAIN,
        MOVED_VISIT,
    ];

    /// Whether the model is needed; without it the gateway starts faster.
    pub fn needs_model(self) -> bool {
        self == Self::Measured
    }

    pub const fn has_photographs(self) -> bool {
        matches!(self, Self::Photograph | Self::Pair | Self::Measured | Self::PhotographWith(_))
    }

    pub const fn deeds(self) -> &'static [Deed] {
        match self {
            Self::With(deeds) | Self::PhotographWith(deeds) => deeds,
            _ => &[],
        }
    }

    /// Whether headquarters gets a report picture in the end.
    pub const fn sends_picture(self) -> bool {
        match self {
            Self::Photograph | Self::Pair | Self::Measured => true,
            Self::PhotographWith(deeds) => matches!(deeds, [.., Deed::AgreeAgain]),
            Self::Short | Self::Whole | Self::With(_) => false,
        }
    }

    pub fn plan(self, pictures: &Pictures) -> Plan {
        let both = matches!(self, Self::Whole | Self::Pair);
        let phases: Vec<Phase> = if both { vec![Phase::Before, Phase::After] } else { vec![Phase::Before] };
        let photographs = match self {
            Self::Photograph | Self::PhotographWith(_) => vec![pictures.small(Phase::Before)],
            Self::Pair => vec![pictures.small(Phase::Before), pictures.small(Phase::After)],
            Self::Measured => vec![pictures.cut.clone()],
            Self::Short | Self::Whole | Self::With(_) => Vec::new(),
        };
        Plan {
            steps: if both { vec!["补水导入".to_owned()] } else { Vec::new() },
            baselines: if both { vec!["same_visit".to_owned()] } else { Vec::new() },
            phases,
            photographs,
            deeds: self.deeds().to_vec(),
        }
    }
}

/// Small versions of the rendered photographs: large ones take seconds each in a development build.
pub struct Pictures {
    small: Vec<Photograph>,
    /// A cut in full resolution, so that the model finds what it needs.
    cut: Photograph,
}

impl Pictures {
    /// Makes them in `folder`.
    pub fn make(rendered: &Rendered, photos: &Path, folder: &Path) -> Self {
        let left = today(rendered, photos).photographs.into_iter().filter(|photograph| photograph.view == "left");
        let left: Vec<Photograph> = left.collect();
        Self { small: left.iter().map(|one| shrunk(one, folder)).collect(), cut: cut(&left[0], folder) }
    }

    fn small(&self, phase: Phase) -> Photograph {
        self.small.iter().find(|photograph| photograph.phase == phase).expect("both phases are rendered").clone()
    }
}

fn shrunk(photograph: &Photograph, folder: &Path) -> Photograph {
    const TIMES: u32 = 4;
    let picture = image::open(&photograph.path).expect("a rendered photograph");
    let (width, height) = (picture.width() / TIMES, picture.height() / TIMES);
    let path = folder.join(format!("small-{}.jpg", photograph.phase));
    picture.resize_exact(width, height, image::imageops::FilterType::Triangle).save(&path).expect("room for a picture");
    let anchors = photograph.anchors.map(|point| point.map(|at| at / f64::from(TIMES)));
    Photograph { path, anchors, ..photograph.clone() }
}

/// The part between and around the two anchors.
fn cut(photograph: &Photograph, folder: &Path) -> Photograph {
    let picture = image::open(&photograph.path).expect("a rendered photograph");
    let (left, top, width, height) = (1050, 1060, 740, 1060);
    let path: PathBuf = folder.join("cut.jpg");
    picture.crop_imm(left, top, width, height).save(&path).expect("room for a picture");
    let anchors = photograph.anchors.map(|[x, y]| [x - f64::from(left), y - f64::from(top)]);
    Photograph { path, anchors, ..photograph.clone() }
}

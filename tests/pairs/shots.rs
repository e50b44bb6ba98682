//! Photographs of scenes, with the anchors an operator would tap and the truth she does not know.

use crate::scenes::{Scene, Variant};
use skinlink::analysis::{
    picture::Picture,
    regions::Pose,
    register::Face,
    retake::{Manner, Taken, Way},
};
use skinlink_pixels::sample::Source;

/// How far a tap lies beside, at most, each way; in millimetres.
const TAP_MM: f64 = 1.5;

pub struct Shot {
    pub bytes: Vec<u8>,
    pub anchors: [[f64; 2]; 2],
    pub way: Way,
    /// What a white card would have looked like, linear.
    pub white: [f64; 3],
}

/// How the anchors of a photograph come about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Anchors {
    Tapped,
    /// Where the framing guide has them: as if the head stood exactly in it.
    OfTheGuide,
}

pub fn shoot(
    scene: &Scene,
    variant: Variant,
    manner: Manner,
    bend_px: f64,
    anchors: Anchors,
    random: &mut fastrand::Rng,
) -> Shot {
    let picture = scene.picture(variant);
    let taken = manner.draw(random, bend_px);
    of(&taken, scene, picture, anchors, random)
}

pub fn of(taken: &Taken, scene: &Scene, picture: Picture, anchors: Anchors, random: &mut fastrand::Rng) -> Shot {
    let way = taken.way(&picture);
    let pose = scene.view.pose(scene.anchors, picture.width(), picture.height()).expect("sound anchors");
    let (right, bottom) = (f64::from(picture.width()), f64::from(picture.height()));
    let tap = TAP_MM * pose.px_per_mm;
    let anchors = scene.anchors.map(|anchor| match anchors {
        Anchors::OfTheGuide => anchor,
        Anchors::Tapped => {
            let [x, y] = way.onto(anchor).map(|v| v + tap * (2.0 * random.f64() - 1.0));
            [x.clamp(0.0, right), y.clamp(0.0, bottom)]
        }
    });
    // The coded values were multiplied; light goes with about their power of 2.2.
    let white = taken.retake.colour.map(|gain| (0.9 * f64::from(gain)).powf(2.2));
    Shot { bytes: taken.photograph(&mut Source::new(picture)), anchors, way, white }
}

/// A photograph as the registration sees it.
pub struct Opened {
    pub source: Source,
    pub pose: Pose,
}

impl Opened {
    pub fn of(scene: &Scene, shot: &Shot) -> Self {
        let admitted = skinlink::analysis::door::admit(&shot.bytes).expect("a photograph");
        let picture = skinlink::analysis::picture::decode(&admitted).expect("pixels");
        let pose = scene.view.pose(shot.anchors, picture.width(), picture.height()).expect("sound anchors");
        Self { source: Source::new(picture), pose }
    }

    pub fn face(&mut self) -> Face<'_> {
        Face { source: &mut self.source, pose: self.pose }
    }
}

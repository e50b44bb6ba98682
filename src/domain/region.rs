//! Regions of the face. Left and right are the customer's own.

use super::word::words;

words! {
    /// Where on the customer a value was measured.
    pub enum Region as "region" {
        Forehead = "forehead",
        Nose = "nose",
        LeftCheek = "left_cheek",
        RightCheek = "right_cheek",
        Chin = "chin",
        LeftEye = "left_eye",
        RightEye = "right_eye",
        Lips = "lips",
        Neck = "neck",
        InnerForearm = "inner_forearm",
        /// Whatever a contact scope was set down on: the whole of its field.
        Field = "field",
        /// A value for the whole face, such as a model's overall score.
        Face = "face",
    }
}

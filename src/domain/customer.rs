//! The customer. Names and phone numbers stay in the store: `Debug` prints the id only.

use super::{CustomerId, word::words};
use std::fmt;

words! {
    /// A skin type: what a beautician's note says of it, and all of it that leaves the store. The note itself may hold anything.
    pub enum SkinType as "skin type" {
        Sensitive = "sensitive",
        Combination = "combination",
        Oily = "oily",
        Dry = "dry",
        Normal = "normal",
    }
}

/// Days until the next visit that are offered where the skin does not say otherwise.
pub const USUAL_DAYS: [u32; 3] = [14, 7, 30];

impl SkinType {
    /// As far as a note tells it, in the languages of the house; "sensitive, dry" is cared for as sensitive.
    #[must_use]
    pub fn noted(note: &str) -> Option<Self> {
        let note = note.to_lowercase();
        Self::ALL.iter().copied().find(|kind| kind.signs().iter().any(|sign| note.contains(sign)))
    }

    /// Days until the next visit that are offered, the usual one first: by the service plan oily skin after a week, dry skin after
    /// fifteen days.
    #[must_use]
    pub const fn next_days(self) -> [u32; 3] {
        match self {
            Self::Oily => [7, 14, 30],
            Self::Dry => [15, 30, 7],
            Self::Sensitive | Self::Combination | Self::Normal => USUAL_DAYS,
        }
    }

    const fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Sensitive => &["敏", "sensitive"],
            Self::Combination => &["混合", "combination", "mixed"],
            Self::Oily => &["油", "oily"],
            Self::Dry => &["干", "乾", "dry"],
            Self::Normal => &["中性", "normal"],
        }
    }
}

/// A customer of the chain.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: CustomerId,
    pub name: String,
    /// As dialled; empty when unknown.
    pub phone: String,
    /// Skin type as the beautician noted it; empty when unknown.
    pub skin_type: String,
    /// Allergies and preferences at hand; empty when none are known.
    pub notes: String,
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name: _, phone: _, skin_type: _, notes: _ } = self;
        write!(f, "Customer({id})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_note_only_the_skin_type_is_taken() {
        let found = |note: &str| SkinType::noted(note).map(SkinType::as_str);
        assert_eq!(found("敏感偏干，王女士介绍，138 0000 0000"), Some("sensitive"));
        assert_eq!([found("乾性"), found("Oily"), found("中性")], [Some("dry"), Some("oily"), Some("normal")]);
        assert_eq!([found(""), found("allergic to nuts")], [None, None]);
        assert!(SkinType::ALL.iter().all(|kind| found(kind.as_str()) == Some(kind.as_str())), "a code is its own note");
    }
}

//! What a customer says on the page of a report, and how far it came.

use super::word::words;

words! {
    /// What it is about.
    pub enum Topic as "topic" {
        /// Stars for the visit as a whole, with free words.
        Visit = "visit",
        /// Stars for one treatment step; the words name it.
        Step = "step",
        /// Please call me.
        Call = "call",
        /// No more messages.
        Unsubscribe = "unsubscribe",
        /// The report is closed, and nothing is shared any longer: takes effect at once.
        Withdraw = "withdraw",
        /// A copy of everything that is known of me.
        MyData = "my_data",
        /// To be erased.
        Erasure = "erasure",
    }
}

impl Topic {
    /// How often it is taken of one visit on the pages of its reports; `None` for what must always be heard. Whoever has the
    /// link can say something, and each word is an event for two people to read.
    #[must_use]
    pub const fn most(self) -> Option<u32> {
        match self {
            Self::Withdraw => None,
            // A treatment has a dozen steps.
            Self::Step => Some(120),
            Self::Visit | Self::Call => Some(20),
            Self::Unsubscribe | Self::MyData | Self::Erasure => Some(10),
        }
    }
}

words! {
    /// How far it came; each step is an event of its own.
    pub enum Stage as "stage" { Given = "given", Answered = "answered", Solved = "solved" }
}

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

words! {
    /// How far it came; each step is an event of its own.
    pub enum Stage as "stage" { Given = "given", Answered = "answered", Solved = "solved" }
}

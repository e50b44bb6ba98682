//! What a customer agreed to, purpose by purpose. *Deliver* is not *share*.

use super::{ConsentId, CustomerId, Stamp, word::words};

words! {
    /// What a consent is for.
    pub enum Purpose as "purpose" {
        Measure = "measure",
        Photograph = "photograph",
        KeepPhotographs = "keep_photographs",
        DeliverReport = "deliver_report",
        ShareNumbers = "share_numbers",
        SharePhotographs = "share_photographs",
    }
}

words! {
    /// How the customer said it.
    pub enum Channel as "channel" {
        Station = "station",
        Phone = "phone",
        Paper = "paper",
        /// By the customer alone, on the page of a report: only ever a no.
        Report = "report",
    }
}

/// One entry of the ledger: a yes or a no to one purpose. The last entry for a purpose counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    pub id: ConsentId,
    pub customer: CustomerId,
    pub purpose: Purpose,
    pub given: bool,
    /// Version of the text that was shown.
    pub text_version: String,
    pub channel: Channel,
    /// Who of the staff asked.
    pub staff: String,
    /// Signature strokes as the page recorded them (SVG path data); empty where none was drawn.
    pub signature: String,
    pub recorded: Stamp,
}

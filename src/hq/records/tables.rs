//! What each kind of event says, taken apart into columns: one table of facts for each, a row for each thing said. A fact is
//! written once and never changed, in any order; the views above say what holds now. `n` is the event it was read from.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Int,
    Real,
}

/// One table of facts.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// Beside the [`COMMON`] ones.
    pub columns: &'static [(&'static str, Kind)],
    /// Columns by which people look.
    pub indexes: &'static [&'static [&'static str]],
}

use Kind::{Int, Real, Text};

/// In every table: the event, which of the things it says, whose it is, its place among the gateway's events (`era` is when
/// HQ first heard of the epoch), its time, and the clock behind that.
pub const COMMON: &[(&str, Kind)] = &[
    ("n", Int),
    ("item", Int),
    ("store", Text),
    ("gateway", Text),
    ("era", Int),
    ("seq", Int),
    ("at_ms", Int),
    ("clock", Text),
    ("boot", Text),
    ("monotonic_ns", Int),
];

pub const VISITS: Table = Table {
    name: "visit_facts",
    columns: &[
        ("visit", Text),
        ("customer", Text),
        ("station", Text),
        ("beautician", Text),
        ("state", Text),
        ("version", Int),
        ("steps", Text),
    ],
    indexes: &[&["visit", "version"], &["customer"], &["at_ms"], &["store", "at_ms"]],
};

pub const SCANS: Table = Table {
    name: "scan_facts",
    columns: &[("scan", Text), ("visit", Text), ("phase", Text), ("state", Text)],
    indexes: &[&["scan"], &["visit"]],
};

pub const READINGS: Table = Table {
    name: "reading_facts",
    columns: &[
        ("reading", Text),
        ("visit", Text),
        ("scan", Text),
        ("phase", Text),
        ("metric", Text),
        ("region", Text),
        ("value", Text),
        ("number", Real),
        ("unit", Text),
        ("spread", Real),
        ("repeats", Int),
        ("protocol", Text),
        ("protocol_version", Text),
        ("serial", Text),
        ("probe", Text),
        ("firmware", Text),
    ],
    indexes: &[&["reading"], &["visit"], &["scan"], &["metric", "at_ms"], &["serial", "at_ms"]],
};

pub const MEASUREMENTS: Table = Table {
    name: "measurement_facts",
    columns: &[
        ("station", Text),
        ("counter", Int),
        ("flags", Text),
        ("metric", Text),
        ("region", Text),
        ("value", Text),
        ("number", Real),
        ("unit", Text),
        ("protocol", Text),
        ("protocol_version", Text),
        ("serial", Text),
        ("probe", Text),
        ("firmware", Text),
    ],
    indexes: &[&["gateway", "metric", "at_ms"], &["serial", "at_ms"]],
};

pub const CAPTURES: Table = Table {
    name: "capture_facts",
    columns: &[
        ("capture", Text),
        ("visit", Text),
        ("scan", Text),
        ("phase", Text),
        ("face_view", Text),
        ("light", Text),
        ("format", Text),
        ("width", Int),
        ("height", Int),
        ("bytes", Int),
        ("sha256", Text),
        ("complaints", Text),
    ],
    indexes: &[&["capture"], &["visit"]],
};

pub const SCORES: Table = Table {
    name: "score_facts",
    columns: &[
        ("score", Text),
        ("capture", Text),
        ("visit", Text),
        ("scan", Text),
        ("phase", Text),
        ("metric", Text),
        ("region", Text),
        ("value", Text),
        ("number", Real),
        ("unit", Text),
        ("model", Text),
        ("model_version", Text),
        ("model_digest", Text),
        ("provider", Text),
    ],
    indexes: &[&["visit"], &["capture"], &["metric", "at_ms"]],
};

pub const COMPARISONS: Table = Table {
    name: "comparison_facts",
    columns: &[
        ("comparison", Text),
        ("visit", Text),
        ("baseline", Text),
        ("before_scan", Text),
        ("after_scan", Text),
        ("tested", Int),
        ("metric", Text),
        ("region", Text),
        ("unit", Text),
        ("before_value", Real),
        ("after_value", Real),
        ("change", Real),
        ("smallest_detectable_change", Real),
        ("verdict", Text),
        ("refusal", Text),
        ("model", Text),
    ],
    indexes: &[&["visit"], &["metric", "at_ms"]],
};

pub const CONSENTS: Table = Table {
    name: "consent_facts",
    columns: &[
        ("consent", Text),
        ("customer", Text),
        ("purpose", Text),
        ("given", Int),
        ("text_version", Text),
        ("channel", Text),
        ("staff", Text),
    ],
    indexes: &[&["customer", "purpose"]],
};

pub const VOIDED: Table = Table {
    name: "voided_facts",
    columns: &[("what", Text), ("id", Text), ("restored", Int), ("staff", Text), ("reason", Text)],
    indexes: &[&["id"]],
};

pub const MOVED: Table = Table {
    name: "moved_facts",
    columns: &[
        ("what", Text),
        ("id", Text),
        ("customer", Text),
        ("visit", Text),
        ("phase", Text),
        ("staff", Text),
        ("reason", Text),
    ],
    indexes: &[&["id"], &["visit"], &["customer"]],
};

pub const ALIASES: Table = Table {
    name: "alias_facts",
    columns: &[("alias", Text), ("customer", Text), ("staff", Text)],
    indexes: &[&["alias"], &["customer"]],
};

pub const FEEDBACK: Table = Table {
    name: "feedback_facts",
    columns: &[
        ("feedback", Text),
        ("visit", Text),
        ("customer", Text),
        ("state", Text),
        ("stars", Int),
        ("topic", Text),
        ("words", Text),
        ("staff", Text),
    ],
    indexes: &[&["feedback"], &["visit"], &["customer"]],
};

pub const SHEETS: Table = Table {
    name: "sheet_facts",
    columns: &[
        ("visit", Text),
        ("skin_state", Text),
        ("make_up", Text),
        ("washed_min", Int),
        ("wishes", Text),
        ("steps", Text),
        ("stars", Int),
        ("remark", Text),
        ("next_day", Text),
        ("staff", Text),
    ],
    indexes: &[&["visit"], &["next_day"]],
};

/// The steps that a service sheet tells of.
pub const STEPS: Table = Table {
    name: "step_facts",
    columns: &[
        ("visit", Text),
        ("step", Text),
        ("done_ms", Int),
        ("staff", Text),
        ("level", Int),
        ("setting", Text),
        ("remark", Text),
    ],
    indexes: &[&["visit"]],
};

/// What was used in them: whoever recalls a batch looks for whom it was used on.
pub const PRODUCTS: Table = Table {
    name: "product_facts",
    columns: &[("visit", Text), ("step", Text), ("product", Text), ("batch", Text)],
    indexes: &[&["visit"], &["batch"]],
};

pub const REPORTS: Table = Table {
    name: "report_facts",
    columns: &[
        ("report", Text),
        ("visit", Text),
        ("customer", Text),
        ("state", Text),
        ("token_sha256", Text),
        ("expires_ms", Int),
        ("sheet", Text),
    ],
    indexes: &[&["report"], &["token_sha256"], &["visit"], &["customer"]],
};

pub const ERASED: Table = Table {
    name: "erased_facts",
    columns: &[("customer", Text), ("staff", Text), ("reason", Text)],
    indexes: &[&["customer"]],
};

/// What gateways answered to orders.
pub const ANSWERS: Table = Table {
    name: "answer_facts",
    columns: &[("order_id", Text), ("outcome", Text), ("words", Text)],
    indexes: &[&["order_id"]],
};

pub const CLOCKS: Table = Table {
    name: "clock_facts",
    columns: &[("of_boot", Text), ("of_monotonic_ns", Int), ("wall_ms", Int)],
    indexes: &[&["gateway", "of_boot"]],
};

pub const ALL: &[&Table] = &[
    &VISITS,
    &SCANS,
    &READINGS,
    &MEASUREMENTS,
    &CAPTURES,
    &SCORES,
    &COMPARISONS,
    &CONSENTS,
    &VOIDED,
    &MOVED,
    &ALIASES,
    &FEEDBACK,
    &SHEETS,
    &STEPS,
    &PRODUCTS,
    &REPORTS,
    &ERASED,
    &ANSWERS,
    &CLOCKS,
];

/// Tables of what belongs to a visit.
pub(in crate::hq) fn of_visits() -> impl Iterator<Item = &'static Table> {
    ALL.iter().copied().filter(|table| table.has("visit") && table.name != MOVED.name)
}

impl Table {
    /// Whether it has a column of this name.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _)| *name == column)
    }

    /// The id of what its rows tell of; for what others (`voided.v1`) may name.
    #[must_use]
    pub fn object(&self) -> Option<&'static str> {
        [&READINGS, &CAPTURES].iter().any(|table| table.name == self.name).then(|| self.columns[0].0)
    }

    /// All columns in the order of a row.
    pub fn row(&self) -> impl Iterator<Item = &(&'static str, Kind)> {
        COMMON.iter().chain(self.columns)
    }

    /// Statements that make its indexes; those that there are already stay as they are.
    fn indexed(&self) -> impl Iterator<Item = String> {
        let name = self.name;
        self.indexes.iter().map(move |columns| {
            let (together, list) = (columns.join("_"), columns.join(", "));
            format!("CREATE INDEX IF NOT EXISTS {name}_by_{together} ON {name} ({list})")
        })
    }

    /// Statements that make it, in the SQL of both sides.
    #[must_use]
    pub fn schema(&self) -> Vec<String> {
        let columns: Vec<String> = self
            .row()
            .map(|(name, kind)| match kind {
                Text => format!("{name} TEXT"),
                Int => format!("{name} BIGINT"),
                Real => format!("{name} DOUBLE PRECISION"),
            })
            .collect();
        let name = self.name;
        let mut statements =
            vec![format!("CREATE TABLE IF NOT EXISTS {name} ({}, PRIMARY KEY (n, item))", columns.join(", "))];
        statements.extend(self.indexed());
        statements
            .push(format!("CREATE INDEX IF NOT EXISTS {name}_unset ON {name} (gateway, boot) WHERE clock = 'unset'"));
        statements
    }
}

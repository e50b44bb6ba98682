//! The tables people query: what holds now, of every store. Corrections, moves, joined customers and redactions are already
//! in them. Written in the SQL of both sides; `AT(x)` stands for a time from milliseconds. `docs/hq-schema.md` is made from
//! this file and those below it.

mod sheet;

/// One view, with what a person must know of it.
#[derive(Debug)]
pub struct View {
    pub name: &'static str,
    pub about: &'static str,
    /// Name and meaning, in the order of the statement.
    pub columns: &'static [(&'static str, &'static str)],
    /// For people; the others help these.
    pub public: bool,
    pub sql: &'static str,
}

const STORE: (&str, &str) = ("store", "the store");
const GATEWAY: (&str, &str) = ("gateway", "the store's gateway, by its certificate");
const VISIT: (&str, &str) = ("visit", "the visit it belongs to now");
const SCAN: (&str, &str) = ("scan", "the scan it belongs to");
const PHASE: (&str, &str) = ("phase", "`before` or `after` the treatment, as it stands now");
const METRIC: (&str, &str) = ("metric", "what was measured, such as `moisture`");
const REGION: (&str, &str) = ("region", "where on the face");
const VALUE: (&str, &str) = ("value", "the number as the device gave it: `2.0` is not `2.00`");
const NUMBER: (&str, &str) = ("number", "the same to reckon with");
const UNIT: (&str, &str) = ("unit", "its unit");
const AT: (&str, &str) = ("at", "when, by the gateway's clock; mapped later where that clock was not set yet");
const VOIDED: (&str, &str) = ("voided", "1 where it, its scan or its visit was recorded by mistake");
const N: (&str, &str) = ("n", "the raw event in `events`");

/// In the order of their making: each names only what stands before it.
pub const ALL: &[View] = &[
    View {
        name: "now_void",
        about: "What is void now.",
        columns: &[STORE, ("id", "of the visit, scan, reading or capture")],
        public: false,
        sql: "SELECT v.store, v.id FROM voided_facts v WHERE v.restored = 0 AND NOT EXISTS (
                  SELECT 1 FROM voided_facts w WHERE w.id = v.id AND w.store = v.store AND (w.era, w.seq) > (v.era, v.seq))",
    },
    View {
        name: "now_moved",
        about: "Where something belongs after its last move.",
        columns: &[
            STORE,
            ("id", "of the scan or visit"),
            ("visit", "for a scan"),
            ("phase", "for a scan"),
            ("customer", "for a visit"),
        ],
        public: false,
        sql: "SELECT m.store, m.id, m.visit, m.phase, m.customer FROM moved_facts m WHERE NOT EXISTS (
                  SELECT 1 FROM moved_facts w WHERE w.id = m.id AND w.store = m.store AND (w.era, w.seq) > (m.era, m.seq))",
    },
    View {
        name: "now_alias",
        about: "Two ids that are one person: the one that counts.",
        columns: &[STORE, ("alias", "an id of that person"), ("customer", "the id that counts")],
        public: false,
        // A person joined twice is followed to the end; ids that point at one another end after some steps.
        sql: "WITH RECURSIVE chain(store, alias, customer, steps) AS (
                  SELECT a.store, a.alias, a.customer, 1 FROM alias_facts a WHERE NOT EXISTS (
                      SELECT 1 FROM alias_facts w
                      WHERE w.alias = a.alias AND w.store = a.store AND (w.era, w.seq) > (a.era, a.seq))
                  UNION ALL
                  SELECT c.store, c.alias, a.customer, c.steps + 1 FROM chain c
                  JOIN alias_facts a ON a.alias = c.customer AND a.store = c.store
                  WHERE c.steps < 16)
              SELECT c.store, c.alias, c.customer FROM chain c WHERE NOT EXISTS (
                  SELECT 1 FROM chain d WHERE d.alias = c.alias AND d.store = c.store AND d.steps > c.steps)",
    },
    View {
        name: "visits",
        about: "One row a visit, in its newest version.",
        columns: &[
            STORE,
            GATEWAY,
            ("visit", "its id"),
            ("customer", "whose it is now; joined cards are followed"),
            ("station", "the chair"),
            ("beautician", "who served"),
            ("state", "where it stands"),
            ("version", "grows with every change"),
            ("steps", "treatment steps done, a JSON list"),
            ("changed_at", "when it became so, by the gateway's clock"),
            ("voided", "1 where it was recorded by mistake"),
            N,
        ],
        public: true,
        sql: "SELECT v.store, v.gateway, v.visit, coalesce(a.customer, m.customer, v.customer) AS customer, v.station,
                  v.beautician, v.state, v.version, v.steps, AT(v.at_ms) AS changed_at,
                  CASE WHEN x.id IS NULL THEN 0 ELSE 1 END AS voided, v.n
              FROM visit_facts v
              LEFT JOIN now_moved m ON m.id = v.visit AND m.store = v.store
              LEFT JOIN now_alias a ON a.alias = coalesce(m.customer, v.customer) AND a.store = v.store
              LEFT JOIN now_void x ON x.id = v.visit AND x.store = v.store
              WHERE NOT EXISTS (SELECT 1 FROM visit_facts w WHERE w.visit = v.visit AND w.store = v.store
                                AND (w.version, w.era, w.seq) > (v.version, v.era, v.seq))",
    },
    View {
        name: "scans",
        about: "One row a scan: all that was measured before or after a treatment.",
        columns: &[
            STORE,
            GATEWAY,
            ("scan", "its id"),
            VISIT,
            PHASE,
            ("state", "where it stands"),
            ("changed_at", "when it became so"),
            ("voided", "1 where it or its visit was recorded by mistake"),
            N,
        ],
        public: true,
        sql: "SELECT s.store, s.gateway, s.scan, coalesce(m.visit, s.visit) AS visit, coalesce(m.phase, s.phase) AS phase,
                  s.state, AT(s.at_ms) AS changed_at,
                  CASE WHEN x.id IS NULL AND y.id IS NULL THEN 0 ELSE 1 END AS voided, s.n
              FROM scan_facts s
              LEFT JOIN now_moved m ON m.id = s.scan AND m.store = s.store
              LEFT JOIN now_void x ON x.id = s.scan AND x.store = s.store
              LEFT JOIN now_void y ON y.id = coalesce(m.visit, s.visit) AND y.store = s.store
              WHERE NOT EXISTS (SELECT 1 FROM scan_facts w WHERE w.scan = s.scan AND w.store = s.store
                                AND (w.era, w.seq) > (s.era, s.seq))",
    },
    View {
        name: "readings",
        about: "One row a reading: one metric at one region, closed with its repeats.",
        columns: &[
            STORE,
            GATEWAY,
            ("reading", "its id"),
            VISIT,
            SCAN,
            PHASE,
            METRIC,
            REGION,
            VALUE,
            NUMBER,
            UNIT,
            ("spread", "standard deviation of its repeats"),
            ("repeats", "how many"),
            ("protocol", "the device's protocol file"),
            ("protocol_version", "and its version"),
            ("serial", "the device"),
            ("probe", "the probe"),
            ("firmware", "the device's firmware"),
            AT,
            VOIDED,
            N,
        ],
        public: true,
        sql: "SELECT r.store, r.gateway, r.reading, coalesce(m.visit, r.visit) AS visit, r.scan,
                  coalesce(m.phase, r.phase) AS phase, r.metric, r.region, r.value, r.number, r.unit, r.spread, r.repeats,
                  r.protocol, r.protocol_version, r.serial, r.probe, r.firmware, AT(r.at_ms) AS at,
                  CASE WHEN x.id IS NULL AND y.id IS NULL AND z.id IS NULL THEN 0 ELSE 1 END AS voided, r.n
              FROM reading_facts r
              LEFT JOIN now_moved m ON m.id = r.scan AND m.store = r.store
              LEFT JOIN now_void x ON x.id = r.reading AND x.store = r.store
              LEFT JOIN now_void y ON y.id = r.scan AND y.store = r.store
              LEFT JOIN now_void z ON z.id = coalesce(m.visit, r.visit) AND z.store = r.store",
    },
    View {
        name: "measurements",
        about: "What devices of the store itself measured: a room's climate, a reference plate. Belongs to no visit.",
        columns: &[
            STORE,
            GATEWAY,
            ("station", "where the device stands"),
            METRIC,
            ("region", "where it has one"),
            VALUE,
            NUMBER,
            UNIT,
            ("counter", "the device's own number of this measurement"),
            ("flags", "what the device said of it, a JSON list"),
            ("serial", "the device"),
            AT,
            N,
        ],
        public: true,
        sql: "SELECT f.store, f.gateway, f.station, f.metric, f.region, f.value, f.number, f.unit, f.counter, f.flags,
                  f.serial, AT(f.at_ms) AS at, f.n
              FROM measurement_facts f",
    },
    View {
        name: "captures",
        about: "One row a photograph that headquarters gets; the pictures themselves are in `images`.",
        columns: &[
            STORE,
            GATEWAY,
            ("capture", "its id, and the name of its files"),
            VISIT,
            SCAN,
            PHASE,
            ("face_view", "which side of the face"),
            ("light", "under which light"),
            ("format", "of the file"),
            ("width", "pixels"),
            ("height", "pixels"),
            ("bytes", "of the file"),
            ("sha256", "of the file"),
            ("complaints", "what the quality check said, a JSON list"),
            AT,
            VOIDED,
            N,
        ],
        public: true,
        sql: "SELECT c.store, c.gateway, c.capture, coalesce(m.visit, c.visit) AS visit, c.scan,
                  coalesce(m.phase, c.phase) AS phase, c.face_view, c.light, c.format, c.width, c.height, c.bytes, c.sha256,
                  c.complaints, AT(c.at_ms) AS at,
                  CASE WHEN x.id IS NULL AND y.id IS NULL AND z.id IS NULL THEN 0 ELSE 1 END AS voided, c.n
              FROM capture_facts c
              LEFT JOIN now_moved m ON m.id = c.scan AND m.store = c.store
              LEFT JOIN now_void x ON x.id = c.capture AND x.store = c.store
              LEFT JOIN now_void y ON y.id = c.scan AND y.store = c.store
              LEFT JOIN now_void z ON z.id = coalesce(m.visit, c.visit) AND z.store = c.store",
    },
    View {
        name: "scores",
        about: "One row a model's opinion on one region of one photograph.",
        columns: &[
            STORE,
            GATEWAY,
            ("score", "its id"),
            ("capture", "the photograph"),
            VISIT,
            SCAN,
            PHASE,
            METRIC,
            REGION,
            VALUE,
            NUMBER,
            UNIT,
            ("model", "which model"),
            ("model_version", "in which version"),
            ("model_digest", "SHA-256 of its file"),
            ("provider", "what it ran on"),
            AT,
            VOIDED,
            N,
        ],
        public: true,
        sql: "SELECT s.store, s.gateway, s.score, s.capture, coalesce(m.visit, s.visit) AS visit, s.scan,
                  coalesce(m.phase, s.phase) AS phase, s.metric, s.region, s.value, s.number, s.unit, s.model,
                  s.model_version, s.model_digest, s.provider, AT(s.at_ms) AS at,
                  CASE WHEN x.id IS NULL AND y.id IS NULL AND z.id IS NULL THEN 0 ELSE 1 END AS voided, s.n
              FROM score_facts s
              LEFT JOIN now_moved m ON m.id = s.scan AND m.store = s.store
              LEFT JOIN now_void x ON x.id = s.capture AND x.store = s.store
              LEFT JOIN now_void y ON y.id = s.scan AND y.store = s.store
              LEFT JOIN now_void z ON z.id = coalesce(m.visit, s.visit) AND z.store = s.store",
    },
    View {
        name: "comparisons",
        about: "One row for each thing compared: one metric at one region, of one comparison.",
        columns: &[
            STORE,
            GATEWAY,
            ("comparison", "its id"),
            ("visit", "the visit it was drawn in"),
            ("baseline", "against what: this visit's before, the last visit, the first"),
            ("before_scan", "the scan compared against"),
            ("after_scan", "the scan compared"),
            ("tested", "how many things were tested together: the limit is corrected for it"),
            METRIC,
            REGION,
            UNIT,
            ("before_value", "value before"),
            ("after_value", "value after"),
            ("change", "the difference"),
            ("smallest_detectable_change", "smaller changes are what measuring twice would show anyway"),
            ("verdict", "`improved`, `worsened`, `none`, `not_comparable`"),
            ("refusal", "why it is not comparable"),
            ("model", "for what was measured in photographs"),
            AT,
            ("voided", "1 where its visit or one of its scans was recorded by mistake"),
            N,
        ],
        public: true,
        sql: "SELECT c.store, c.gateway, c.comparison, c.visit, c.baseline, c.before_scan, c.after_scan, c.tested, c.metric,
                  c.region, c.unit, c.before_value, c.after_value, c.change, c.smallest_detectable_change, c.verdict,
                  c.refusal, c.model, AT(c.at_ms) AS at,
                  CASE WHEN x.id IS NULL AND y.id IS NULL AND z.id IS NULL THEN 0 ELSE 1 END AS voided, c.n
              FROM comparison_facts c
              LEFT JOIN now_void x ON x.id = c.visit AND x.store = c.store
              LEFT JOIN now_void y ON y.id = c.before_scan AND y.store = c.store
              LEFT JOIN now_void z ON z.id = c.after_scan AND z.store = c.store",
    },
    View {
        name: "consents",
        about: "The ledger of consents, newest word last. What counts for a purpose is its newest entry.",
        columns: &[
            STORE,
            GATEWAY,
            ("consent", "the entry's id"),
            ("customer", "whose; joined cards are followed"),
            ("purpose", "what for"),
            ("given", "1 given, 0 withdrawn"),
            ("text_version", "the text that was shown"),
            ("channel", "where it was asked"),
            ("staff", "by whom"),
            AT,
            ("counts", "1 for the newest entry of this person and purpose, over all joined cards"),
            N,
        ],
        public: true,
        // By the person, not by the card: who withdraws on one of two joined cards has withdrawn.
        sql: "SELECT c.store, c.gateway, c.consent, c.person AS customer, c.purpose, c.given, c.text_version, c.channel,
                  c.staff, AT(c.at_ms) AS at,
                  CASE WHEN row_number() OVER (PARTITION BY c.store, c.person, c.purpose
                                               ORDER BY c.at_ms DESC, c.era DESC, c.seq DESC, c.n DESC) = 1
                      THEN 1 ELSE 0 END AS counts, c.n
              FROM (SELECT f.*, coalesce(a.customer, f.customer) AS person FROM consent_facts f
                    LEFT JOIN now_alias a ON a.alias = f.customer AND a.store = f.store) AS c",
    },
    View {
        name: "devices",
        about: "Every analyser that ever measured, with the time between its first and its last value here.",
        columns: &[
            STORE,
            GATEWAY,
            ("protocol", "its protocol file"),
            ("serial", "which one"),
            ("probe", "with which probe"),
            ("firmware", "its firmware then"),
            ("first_at", "first value"),
            ("last_at", "last value"),
            ("measured", "readings and measurements"),
        ],
        public: true,
        sql: "SELECT d.store, d.gateway, d.protocol, d.serial, d.probe, d.firmware, AT(min(d.at_ms)) AS first_at,
                  AT(max(d.at_ms)) AS last_at, count(*) AS measured
              FROM (SELECT store, gateway, protocol, serial, probe, firmware, at_ms FROM reading_facts
                    UNION ALL
                    SELECT store, gateway, protocol, serial, probe, firmware, at_ms FROM measurement_facts
                    WHERE item = 0) AS d
              GROUP BY d.store, d.gateway, d.protocol, d.serial, d.probe, d.firmware",
    },
    View {
        name: "feedback",
        about: "One row a word of a customer about a visit: when it was given, answered and solved.",
        columns: &[
            STORE,
            GATEWAY,
            ("feedback", "its id"),
            VISIT,
            ("customer", "who said it; joined cards are followed"),
            ("state", "`given`, `answered` or `solved`: how far it came"),
            ("stars", "1 to 5, where some were given"),
            ("topic", "a word of the chain's own list"),
            ("words", "what the customer wrote"),
            ("given_at", "when"),
            ("answered_at", "when someone answered first"),
            ("solved_at", "when it was solved first"),
            ("hours_to_answer", "from the one to the other"),
            ("hours_to_solve", "from the one to the other"),
            N,
        ],
        public: true,
        sql: "SELECT f.store, f.gateway, f.feedback, f.visit, coalesce(a.customer, f.customer) AS customer,
                  CASE WHEN s.at_ms IS NOT NULL THEN 'solved' WHEN r.at_ms IS NOT NULL THEN 'answered' ELSE 'given' END
                      AS state,
                  f.stars, f.topic, f.words, AT(f.at_ms) AS given_at, AT(r.at_ms) AS answered_at, AT(s.at_ms) AS solved_at,
                  (r.at_ms - f.at_ms) / CAST(3600000.0 AS DOUBLE PRECISION) AS hours_to_answer,
                  (s.at_ms - f.at_ms) / CAST(3600000.0 AS DOUBLE PRECISION) AS hours_to_solve,
                  f.n
              FROM feedback_facts f
              LEFT JOIN now_alias a ON a.alias = f.customer AND a.store = f.store
              LEFT JOIN (SELECT store, feedback, min(at_ms) AS at_ms FROM feedback_facts WHERE state = 'answered'
                         GROUP BY store, feedback) AS r ON r.feedback = f.feedback AND r.store = f.store
              LEFT JOIN (SELECT store, feedback, min(at_ms) AS at_ms FROM feedback_facts WHERE state = 'solved'
                         GROUP BY store, feedback) AS s ON s.feedback = f.feedback AND s.store = f.store
              WHERE f.state = 'given' AND NOT EXISTS (
                  SELECT 1 FROM feedback_facts w WHERE w.store = f.store AND w.feedback = f.feedback AND w.state = 'given'
                  AND (w.era, w.seq) > (f.era, f.seq))",
    },
    sheet::SHEETS,
    sheet::STEPS,
    sheet::PRODUCTS,
    View {
        name: "reports",
        about: "One row a link to a customer's report, as the store told of it last. Whether it opens depends on more: time, \
                consents, corrections, and whether the store was heard lately.",
        columns: &[
            STORE,
            GATEWAY,
            ("report", "the link's id"),
            ("visit", "the visit it shows"),
            ("state", "`open` or `closed`"),
            ("expires_at", "from then on the link is dead"),
            ("changed_at", "when it became so"),
            N,
        ],
        public: true,
        sql: "SELECT r.store, r.gateway, r.report, r.visit, r.state, AT(r.expires_ms) AS expires_at, AT(r.at_ms) AS changed_at,
                  r.n
              FROM report_facts r WHERE NOT EXISTS (
                  SELECT 1 FROM report_facts w WHERE w.store = r.store AND w.report = r.report AND (w.era, w.seq) > (r.era, r.seq))",
    },
    View {
        name: "audit",
        about: "Who changed what was recorded: consents, corrections, moves, joined cards, erasures.",
        columns: &[
            STORE,
            GATEWAY,
            ("staff", "who"),
            ("deed", "`consent given`, `consent withdrawn`, `voided`, `restored`, `moved`, `joined`, `erased`"),
            ("about", "the id it was done to"),
            ("reason", "why, where one is given"),
            AT,
            N,
        ],
        public: true,
        sql: "SELECT store, gateway, staff, CASE given WHEN 1 THEN 'consent given' ELSE 'consent withdrawn' END AS deed,
                  customer AS about, purpose AS reason, AT(at_ms) AS at, n FROM consent_facts
              UNION ALL
              SELECT store, gateway, staff, CASE restored WHEN 1 THEN 'restored' ELSE 'voided' END, id, reason, AT(at_ms), n
              FROM voided_facts
              UNION ALL
              SELECT store, gateway, staff, 'moved', id, reason, AT(at_ms), n FROM moved_facts
              UNION ALL
              SELECT store, gateway, staff, 'joined', alias, NULL, AT(at_ms), n FROM alias_facts
              UNION ALL
              SELECT store, gateway, staff, 'erased', customer, reason, AT(at_ms), n FROM erased_facts",
    },
];

impl View {
    /// Its statement, with times as the side at hand writes them.
    #[must_use]
    pub fn schema(&self, at: fn(&str) -> String) -> String {
        let mut sql = String::new();
        let mut rest = self.sql;
        while let Some((before, after)) = rest.split_once("AT(") {
            // The closing bracket: one level of brackets may stand inside.
            let mut depth = 1;
            let end = after
                .find(|c: char| {
                    depth += i32::from(c == '(') - i32::from(c == ')');
                    depth == 0
                })
                .unwrap_or(after.len());
            sql += before;
            sql += &at(&after[..end]);
            rest = after.get(end + 1..).unwrap_or_default();
        }
        format!("CREATE VIEW {} AS {sql}{rest}", self.name)
    }
}

//! The service sheet of a visit: what was asked and said, the steps that were done, and what was used in them.

use super::{GATEWAY, N, STORE, VISIT, VOIDED, View};

pub(super) const SHEETS: View = View {
    name: "sheets",
    about: "One row a visit that was closed: its service sheet, and the stars that the customer gave at the station. What \
            customers say later, on their report, is in `feedback`.",
    columns: &[
        STORE,
        GATEWAY,
        VISIT,
        ("skin_state", "how the skin felt, as the customer said it"),
        ("make_up", "`none`, `light` or `full`"),
        ("washed_min", "minutes since the face was washed"),
        ("wishes", "as they were written"),
        ("steps", "treatment steps as a JSON list, with what was noted of each; one row each in `steps`"),
        ("stars", "1 to 5, where some were given"),
        ("remark", "what the customer said with them"),
        ("next_day", "the day agreed for the next visit; empty where none was"),
        ("staff", "who wrote last"),
        ("closed_at", "when the visit was closed"),
        VOIDED,
        N,
    ],
    public: true,
    sql: "SELECT s.store, s.gateway, s.visit, s.skin_state, s.make_up, s.washed_min, s.wishes, s.steps, s.stars, s.remark,
              s.next_day, s.staff, AT(s.at_ms) AS closed_at, CASE WHEN x.id IS NULL THEN 0 ELSE 1 END AS voided, s.n
          FROM sheet_facts s LEFT JOIN now_void x ON x.id = s.visit AND x.store = s.store
          WHERE NOT EXISTS (SELECT 1 FROM sheet_facts w WHERE w.visit = s.visit AND w.store = s.store
                            AND (w.era, w.seq) > (s.era, s.seq))",
};

pub(super) const STEPS: View = View {
    name: "steps",
    about: "One row a treatment step that was done, and how. Told with the service sheet of its visit; what was used is in \
            `products`.",
    columns: &[
        STORE,
        GATEWAY,
        VISIT,
        ("step", "its name"),
        ("done_at", "when it was ticked"),
        ("staff", "who ticked it"),
        ("level", "the level of the device, where one was noted"),
        ("setting", "what else the device was set to, as it was written"),
        ("remark", "as it was written"),
        VOIDED,
        N,
    ],
    public: true,
    sql: "SELECT d.store, d.gateway, d.visit, d.step, AT(d.done_ms) AS done_at, d.staff, d.level, d.setting, d.remark,
              s.voided, d.n
          FROM step_facts d JOIN sheets s ON s.n = d.n",
};

pub(super) const PRODUCTS: View = View {
    name: "products",
    about: "One row a product used in a treatment step, with its batch: whom a batch reached. A sheet of more than 62 kB comes without \
            its products: docs/contracts/wire.md.",
    columns: &[
        STORE,
        GATEWAY,
        VISIT,
        ("step", "the step it was used in"),
        ("product", "by the salon's own name"),
        ("batch", "as printed on the package; empty where nobody looked"),
        VOIDED,
        N,
    ],
    public: true,
    sql: "SELECT p.store, p.gateway, p.visit, p.step, p.product, p.batch, s.voided, p.n
          FROM product_facts p JOIN sheets s ON s.n = p.n",
};

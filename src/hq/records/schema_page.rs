//! `docs/hq-schema.md`: the page for people who query, made from the views themselves.

use super::views::{self, View};
use std::fmt::Write as _;

const HEAD: &str = "\
# The tables of headquarters

Made from `src/hq/records/views.rs`; a test fails where this page is out of date (`skinlink-hq schema > docs/hq-schema.md`
writes it anew).

The views below say what holds now: corrections, moves, joined customers and redactions are in them already. They follow
the raw events within seconds, each store's in its own order; what lies beyond a hole waits until the hole is filled. They are
the same on SQLite and PostgreSQL and are made anew from the raw events by `skinlink-hq rebuild`, and by itself where a newer
program reads events in another way: give them no columns and no indexes of your own. Ids are texts, so are times in SQLite
(`2026-03-02T09:14:05.120Z`); in PostgreSQL times are `timestamptz`. Flags are 0 and 1.

For reading give people a role of their own: `GRANT SELECT ON visits, scans, readings TO crm`.

";

const RAW: &str = "\
## Raw events and the rest

`events` holds every event as it came (`body`, CloudEvents JSON), unique by `(gateway, epoch, seq)`; `refused` says why one was
not accepted, `same_as` that it had been told before under another key. A program that follows the events itself remembers for
each `(gateway, epoch)` the `seq` it has read, and reads on to `streams.upto`: up to there nothing more will come but, perhaps, what
`lost` names; `late_events` lists what did, and what counts only after it was passed. The running number `n` is no such mark:
several receivers commit in another order than they draw numbers.

`gateways` says who was heard when and who is retired, `streams` how far each epoch goes, `lost` what nobody holds any longer, `alarms` what a
person must look at, `images` which pictures are here.

`agenda` holds the appointments that the CRM handed over and no visit view knows: names are in it. How it is written is in
hq-crm.md; do not grant it to people who only query. So it is with `staff_people`, the names of stores' staff; `staff_books`, `staff_told`, `orders`,
`order_told` and `order_answers` say how far stores hold them, and what they were to do once. `visit_changes` holds each visit under the number of
its last change, `change_marks` the marks by which numbers of before a restored backup are known; `crm_keys`, `care_watch` and `care_messages` are
the programs' door and the messages of care, `birthdays` the days that the CRM told for them (month and day alone): of persons, and not to be
granted either.
";

/// The page.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for View { name, about, columns, .. } in views::ALL.iter().filter(|view| view.public) {
        let _ = write!(page, "## {name}\n\n{about}\n\n| column | meaning |\n|---|---|\n");
        for (column, meaning) in *columns {
            let _ = writeln!(page, "| `{column}` | {meaning} |");
        }
        page.push('\n');
    }
    page + RAW
}

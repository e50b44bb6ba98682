//! The customer's earlier visits, as they stand behind the report of a later one: those with a comparison, the last one first.
//! What was struck out since, or was another customer's after all, is not among them.

use super::{StoreError, VisitView, comparisons, customers, local, sheets, views};
use crate::{domain::VisitId, sync::sheet::Earlier};
use rusqlite::{Connection, params};

/// So many are shown.
const MOST: usize = 3;

/// So many are looked through for them.
const LOOKED_AT: u32 = 8;

pub(super) fn of(conn: &Connection, view: &VisitView) -> Result<Vec<Earlier>, StoreError> {
    let sql = format!(
        "SELECT v.id FROM visits v WHERE v.customer IN {} AND v.state <> 'voided'
         AND v.n < (SELECT n FROM visits WHERE id = ?2) ORDER BY v.n DESC LIMIT ?3",
        customers::PERSON
    );
    let mut select = conn.prepare_cached(&sql)?;
    let ids = select.query_map(params![view.visit.customer, view.visit.id, LOOKED_AT], |row| row.get(0))?;
    let ids: Vec<VisitId> = ids.collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    for id in ids {
        let view = views::visit(conn, id)?;
        let Some(comparison) = sheets::comparison(&view) else { continue };
        found.push(Earlier {
            opened: local::here(conn, view.visit.opened.wall)?,
            steps: view.visit.steps.clone(),
            tested: comparison.tested,
            items: comparisons::told_items(comparison),
        });
        if found.len() == MOST {
            break;
        }
    }
    Ok(found)
}

//! Drawn comparisons.

use super::{
    Store,
    columns::int,
    error::{StoreError, found},
    outbox::{self, About, Gate},
    reports, visits,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        ComparisonId, Stamp, VisitId,
        comparison::{Compared, Comparison},
        score::Engine,
    },
    faults,
    sync::payload::{self, kind},
};
use rusqlite::{Connection, Row, params};

pub(super) fn load(conn: &Connection, id: ComparisonId) -> Result<Comparison, StoreError> {
    let row = conn
        .prepare_cached("SELECT visit, baseline, before, after, tested FROM comparisons WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(Comparison {
                id,
                visit: row.get(0)?,
                baseline: row.get(1)?,
                before: row.get(2)?,
                after: row.get(3)?,
                tested: row.get(4)?,
                items: Vec::new(),
            })
        });
    let comparison = found(row, "comparison", id)?;
    let mut select = conn.prepare_cached(
        "SELECT metric, region, unit, before, after, change, smallest, verdict, refusal, model, model_version,
         model_digest, provider FROM comparison_items WHERE comparison = ?1 ORDER BY place",
    )?;
    let items = select.query_map([id], item)?.collect::<Result<_, _>>()?;
    Ok(Comparison { items, ..comparison })
}

fn item(row: &Row<'_>) -> rusqlite::Result<Compared> {
    let engine = match row.get::<_, Option<String>>(9)? {
        Some(model) => {
            Some(Engine { model, model_version: row.get(10)?, model_digest: row.get(11)?, provider: row.get(12)? })
        }
        None => None,
    };
    Ok(Compared {
        metric: row.get(0)?,
        region: row.get(1)?,
        unit: row.get(2)?,
        before: row.get(3)?,
        after: row.get(4)?,
        change: row.get(5)?,
        smallest_detectable_change: row.get(6)?,
        verdict: row.get(7)?,
        refusal: row.get(8)?,
        engine,
    })
}

/// In the order they were drawn; the last of a baseline is the one to show.
pub(super) fn of_visit(conn: &Connection, visit: VisitId) -> Result<Vec<Comparison>, StoreError> {
    let mut select = conn.prepare_cached("SELECT id FROM comparisons WHERE visit = ?1 ORDER BY n")?;
    let ids: Vec<ComparisonId> = select.query_map([visit], |row| row.get(0))?.collect::<Result<_, _>>()?;
    ids.into_iter().map(|id| load(conn, id)).collect()
}

fn save(tx: &Tx<'_>, comparison: &Comparison, drawn: Stamp) -> Result<(), StoreError> {
    let Comparison { id, visit, baseline, before, after, tested, items } = comparison;
    let inserted = tx.execute(
        "INSERT INTO comparisons (id, visit, baseline, before, after, tested, told, boot, ns, ms, clock)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING",
        params![
            id,
            visit,
            baseline,
            before,
            after,
            tested,
            drawn.boot,
            int(drawn.monotonic_ns),
            drawn.wall,
            drawn.clock
        ],
    )?;
    if inserted == 0 {
        return Ok(());
    }
    for (place, item) in (0_i64..).zip(items) {
        insert_item(tx, *id, place, item)?;
    }
    faults::point("store.comparison.row_written");
    visits::touch(tx, *visit)?;
    tell(tx, comparison, drawn)?;
    reports::settle(tx, *visit)
}

fn insert_item(tx: &Tx<'_>, id: ComparisonId, place: i64, item: &Compared) -> Result<(), StoreError> {
    let Compared { metric, region, unit, before, after, change, smallest_detectable_change, verdict, refusal, engine } =
        item;
    let engine = engine.as_ref();
    tx.prepare_cached(
        "INSERT INTO comparison_items (comparison, place, metric, region, unit, before, after, change, smallest, verdict,
         refusal, model, model_version, model_digest, provider)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        id,
        place,
        metric,
        region,
        unit,
        before,
        after,
        change,
        smallest_detectable_change,
        verdict,
        refusal,
        engine.map(|engine| &engine.model),
        engine.map(|engine| &engine.model_version),
        engine.map(|engine| &engine.model_digest),
        engine.map(|engine| &engine.provider)
    ])?;
    Ok(())
}

fn tell(tx: &Tx<'_>, comparison: &Comparison, drawn: Stamp) -> Result<(), StoreError> {
    let about = About {
        kind: kind::COMPARISON,
        gate: Gate::Numbers,
        customer: Some(visits::load(tx, comparison.visit)?.customer),
        visit: Some(comparison.visit),
        object: comparison.id.bits(),
        subject: comparison.visit.to_string(),
        stamp: drawn,
    };
    if outbox::enqueue(tx, &about, &told(comparison))? {
        tx.execute("UPDATE comparisons SET told = 1 WHERE id = ?1", [comparison.id])?;
    }
    Ok(())
}

fn told(comparison: &Comparison) -> payload::Comparison {
    let Comparison { id, visit, baseline, before, after, tested, items: _ } = comparison;
    payload::Comparison {
        comparison: id.to_string(),
        visit: visit.to_string(),
        baseline: baseline.to_string(),
        before: before.to_string(),
        after: after.to_string(),
        tested: *tested,
        items: told_items(comparison),
    }
}

/// What HQ and a report are told of each item.
pub(super) fn told_items(comparison: &Comparison) -> Vec<payload::Compared> {
    comparison.items.iter().map(told_item).collect()
}

fn told_item(item: &Compared) -> payload::Compared {
    payload::Compared {
        metric: item.metric.to_string(),
        region: item.region.to_string(),
        unit: item.unit.clone(),
        before: item.before,
        after: item.after,
        change: item.change,
        smallest_detectable_change: item.smallest_detectable_change,
        verdict: item.verdict.to_string(),
        refusal: item.refusal.map(|refusal| refusal.to_string()),
        model: item.engine.as_ref().map(|engine| format!("{} {}", engine.model, engine.model_version)),
    }
}

/// Enqueues what of this visit HQ was not told.
pub(super) fn tell_untold(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    let mut select = tx.prepare_cached("SELECT id FROM comparisons WHERE visit = ?1 AND told = 0 ORDER BY n")?;
    let ids: Vec<ComparisonId> = select.query_map([visit], |row| row.get(0))?.collect::<Result<_, _>>()?;
    ids.into_iter().try_for_each(|id| tell(tx, &load(tx, id)?, clock::now()))
}

impl Store {
    /// Stores a drawn comparison; the same id again changes nothing.
    pub async fn save_comparison(&self, comparison: Comparison) -> Result<(), StoreError> {
        self.write(move |tx| save(tx, &comparison, clock::now())).await
    }

    pub async fn comparison(&self, id: ComparisonId) -> Result<Comparison, StoreError> {
        self.read(move |conn| load(conn, id)).await
    }
}

//! Corrections: nothing measured is edited or deleted. Things are struck out and restored, or moved to where they belong,
//! and HQ is told each time.

use super::{
    Store, audit, captures, consents, customers,
    error::StoreError,
    outbox::{self, About, Gate},
    pairs, pictures, readings, reports, scans, sharing,
    vault::Vault,
    visits,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        CaptureId, CustomerId, ReadingId, Region, ScanId, VisitId,
        consent::Purpose,
        reading::Reading,
        scan::{Phase, ScanState},
        visit::{Visit, VisitState},
    },
    faults,
    sync::payload::{self, kind},
};
use rusqlite::params;

/// What is struck out or restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    Visit(VisitId),
    Scan(ScanId),
    Reading(ReadingId),
    Capture(CaptureId),
}

impl Thing {
    const fn word(self) -> &'static str {
        match self {
            Self::Visit(_) => "visit",
            Self::Scan(_) => "scan",
            Self::Reading(_) => "reading",
            Self::Capture(_) => "capture",
        }
    }

    const fn bits(self) -> u128 {
        match self {
            Self::Visit(id) => id.bits(),
            Self::Scan(id) => id.bits(),
            Self::Reading(id) => id.bits(),
            Self::Capture(id) => id.bits(),
        }
    }

    fn id(self) -> String {
        VisitId::from_bits(self.bits()).to_string()
    }
}

/// Who corrects, and why.
#[derive(Debug, Clone)]
pub struct Why {
    /// Staff id.
    pub staff: String,
    /// Goes to HQ: a short reason without names.
    pub reason: String,
}

/// The visit a thing belongs to.
fn visit_of(tx: &Tx<'_>, thing: Thing) -> Result<Visit, StoreError> {
    let visit = match thing {
        Thing::Visit(id) => id,
        Thing::Scan(id) => scans::place(tx, id)?.visit,
        Thing::Reading(id) => scans::place(tx, readings::load(tx, id)?.scan)?.visit,
        Thing::Capture(id) => scans::place(tx, captures::load(tx, id)?.scan)?.visit,
    };
    visits::load(tx, visit)
}

pub(super) fn strike(tx: &Tx<'_>, thing: Thing, restored: bool, why: &Why) -> Result<(), StoreError> {
    let visit = visit_of(tx, thing)?;
    let changed = match thing {
        Thing::Visit(_) => strike_visit(tx, &visit, restored)?,
        Thing::Scan(id) => {
            require_ended(id, scans::place(tx, id)?.state)?;
            strike_scan(tx, id, restored)?
        }
        Thing::Reading(id) => strike_reading(tx, id, restored)?,
        Thing::Capture(id) => {
            tx.execute("UPDATE captures SET voided = ?2 WHERE id = ?1 AND voided <> ?2", params![id, !restored])? > 0
        }
    };
    if !changed {
        let state = if restored { "standing" } else { "struck out already" };
        return Err(StoreError::WrongState {
            what: thing.word(),
            id: thing.id(),
            state: state.to_owned(),
            remedy: "nothing is left to do",
        });
    }
    faults::point("store.strike.row_changed");
    if !matches!(thing, Thing::Visit(_)) {
        visits::touch(tx, visit.id)?;
    }
    tell_struck(tx, thing, &visit, restored, why)?;
    faults::point("store.strike.told");
    if restored {
        // What was measured before a yes and was struck out when it came has not been told yet.
        customers::settle_if_open_or_withdrawn(tx, visit.id, visit.customer)?;
    }
    follow_pictures(tx, &visit, restored)?;
    pairs::prune(tx, visit.id, visit.customer)?;
    reports::settle_person(tx, visit.customer)?;
    let what = if restored { "restored" } else { "voided" };
    audit::note(tx, &why.staff, what, Some(visit.customer), &format!("{} {}", thing.word(), thing.id()))
}

fn strike_visit(tx: &Tx<'_>, visit: &Visit, restored: bool) -> Result<bool, StoreError> {
    if (visit.state == VisitState::Voided) != restored {
        return Ok(false);
    }
    let state = match (restored, visit.closed) {
        (false, _) => VisitState::Voided,
        (true, Some(_)) => VisitState::Closed,
        (true, None) => VisitState::Open,
    };
    if state == VisitState::Open
        && let Some(other) = visits::at_station(tx, &visit.station)?
    {
        return Err(StoreError::StationBusy { station: visit.station.clone(), visit: other.id });
    }
    visits::save(tx, Visit { state, ..visit.clone() })?;
    Ok(true)
}

/// Values of a scan that is under way are closed into readings first, or they would stay open for ever.
pub(super) fn require_ended(scan: ScanId, state: ScanState) -> Result<(), StoreError> {
    if !state.is_under_way() {
        return Ok(());
    }
    let (state, remedy) = (state.to_string(), "finish or cancel it first");
    Err(StoreError::WrongState { what: "scan", id: scan.to_string(), state, remedy })
}

/// `was` is `paused` only where an earlier version struck out a scan that was under way.
fn strike_scan(tx: &Tx<'_>, id: ScanId, restored: bool) -> Result<bool, StoreError> {
    let changed = if restored {
        tx.execute(
            "UPDATE scans SET state = coalesce(was, 'finished'), was = NULL WHERE id = ?1 AND state = 'voided'",
            [id],
        )?
    } else {
        tx.execute("UPDATE scans SET was = state, state = 'voided' WHERE id = ?1 AND state <> 'voided'", [id])?
    };
    if changed > 0 {
        scans::tell(tx, id, clock::now())?;
    }
    Ok(changed > 0)
}

fn strike_reading(tx: &Tx<'_>, id: ReadingId, restored: bool) -> Result<bool, StoreError> {
    if restored && let Some(other) = readings::standing(tx, &readings::load(tx, id)?)? {
        return Err(StoreError::Refused(format!("reading {other} took its place; void that one first")));
    }
    Ok(tx.execute("UPDATE readings SET voided = ?2 WHERE id = ?1 AND voided <> ?2", params![id, !restored])? > 0)
}

fn tell_struck(tx: &Tx<'_>, thing: Thing, visit: &Visit, restored: bool, why: &Why) -> Result<(), StoreError> {
    let payload = payload::Voided {
        what: thing.word().to_owned(),
        id: thing.id(),
        restored,
        staff: why.staff.clone(),
        reason: why.reason.clone(),
    };
    outbox::enqueue(tx, &about(kind::VOIDED, thing, visit), &payload).map(|_| ())
}

fn about(kind: &'static str, thing: Thing, visit: &Visit) -> About {
    About {
        kind,
        gate: Gate::Always,
        customer: Some(visit.customer),
        visit: Some(visit.id),
        object: thing.bits(),
        subject: visit.id.to_string(),
        stamp: clock::now(),
    }
}

/// Pictures of struck-out things are not sent; restored ones that HQ was told of are owed again.
fn follow_pictures(tx: &Tx<'_>, visit: &Visit, restored: bool) -> Result<(), StoreError> {
    const STRUCK: &str = "SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit
        WHERE v.id = ?1 AND (c.voided = 1 OR s.state = 'voided' OR v.state = 'voided')";
    tx.execute(&format!("UPDATE pictures SET owed = 0 WHERE owed = 1 AND capture IN ({STRUCK})"), [visit.id])?;
    if restored && consents::given(tx, visit.customer, Purpose::SharePhotographs)? {
        tx.execute(
            &format!(
                "UPDATE pictures SET owed = 1 WHERE owed = 0 AND role <> 'original' AND kept = 1 AND capture IN
                 (SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan WHERE s.visit = ?1 AND c.told = 1)
                 AND capture NOT IN ({STRUCK})"
            ),
            [visit.id],
        )?;
        tx.pictures_owed();
    }
    Ok(())
}

fn move_scan(tx: &Tx<'_>, vault: &Vault, scan: ScanId, to: (VisitId, Phase), why: &Why) -> Result<(), StoreError> {
    let from = scans::place(tx, scan)?;
    let (target, phase) = (visits::load(tx, to.0)?, to.1);
    if from.visit == target.id && from.phase == phase {
        return Err(StoreError::Refused(format!("scan {scan} is there already")));
    }
    // What is measured right now goes where it was begun; in a visit that has ended nobody could end it.
    if from.state == ScanState::Running || target.state != VisitState::Open {
        require_ended(scan, from.state)?;
    }
    tx.execute("UPDATE scans SET visit = ?2, phase = ?3 WHERE id = ?1", params![scan, target.id, phase])?;
    visits::touch(tx, from.visit)?;
    if target.id != from.visit {
        visits::touch(tx, target.id)?;
    }
    tx.execute(
        "UPDATE outbox SET visit = ?2, customer = ?3 WHERE object IN (SELECT id FROM readings WHERE scan = ?1
         UNION SELECT id FROM captures WHERE scan = ?1
         UNION SELECT x.id FROM scores x JOIN captures c ON c.id = x.capture WHERE c.scan = ?1)",
        params![scan, target.id, target.customer],
    )?;
    faults::point("store.scan.moved");
    let payload = payload::Reassigned {
        what: "scan".to_owned(),
        id: scan.to_string(),
        customer: None,
        visit: Some(target.id.to_string()),
        phase: Some(phase.to_string()),
        staff: why.staff.clone(),
        reason: why.reason.clone(),
    };
    outbox::enqueue(tx, &about(kind::REASSIGNED, Thing::Scan(scan), &target), &payload)?;
    if target.customer != from.customer {
        pictures::rewrap(tx, vault, target.id, target.customer)?;
        sharing::settle(tx, target.id, target.customer)?;
    } else {
        customers::settle_if_open_or_withdrawn(tx, target.id, target.customer)?;
    }
    // One of the two visits may be struck out.
    follow_pictures(tx, &target, true)?;
    pairs::prune(tx, from.visit, from.customer)?;
    pairs::prune(tx, target.id, target.customer)?;
    reports::settle_person(tx, from.customer)?;
    if target.customer != from.customer {
        reports::settle_person(tx, target.customer)?;
    }
    let detail = format!("scan {scan} from {} to {}", from.visit, target.id);
    audit::note(tx, &why.staff, "reassigned", Some(target.customer), &detail)
}

/// The probe was elsewhere: the values stand at another region of the plan, and what stood there stands here instead.
fn move_reading(tx: &Tx<'_>, id: ReadingId, region: Region, why: &Why) -> Result<(), StoreError> {
    let reading = readings::load(tx, id)?;
    let scan = scans::load(tx, reading.scan)?;
    // While it is under way its chair measures the region again instead.
    require_ended(scan.id, scan.state)?;
    if scan.state == ScanState::Voided || reading.region == region {
        return Err(StoreError::Refused(format!("reading {id} cannot be moved to {region}")));
    }
    if !scan.plan.iter().any(|step| step.metric == reading.metric && step.region == region) {
        return Err(StoreError::Refused(format!("the scan measures no {} at {region}", reading.metric)));
    }
    let other = readings::standing(tx, &Reading { region, ..reading.clone() })?;
    strike(tx, Thing::Reading(id), false, why)?;
    if let Some(other) = other {
        strike(tx, Thing::Reading(other), false, why)?;
    }
    readings::anew(tx, id, region)?;
    if let Some(other) = other {
        readings::anew(tx, other, reading.region)?;
    }
    let visit = visits::load(tx, scan.visit)?;
    reports::settle_person(tx, visit.customer)?;
    let detail = format!("reading {id} from {} to {region}", reading.region);
    audit::note(tx, &why.staff, "reassigned", Some(visit.customer), &detail)
}

fn move_visit(tx: &Tx<'_>, vault: &Vault, visit: Visit, customer: CustomerId, why: &Why) -> Result<Visit, StoreError> {
    customers::load(tx, customer)?;
    if visit.customer == customer {
        return Err(StoreError::Refused(format!("visit {} is this customer's already", visit.id)));
    }
    let from = visit.customer;
    reports::withdraw(tx, visit.id)?;
    let visit = visits::save(tx, Visit { customer, ..visit })?;
    tx.execute("UPDATE outbox SET customer = ?2 WHERE visit = ?1", params![visit.id, customer])?;
    faults::point("store.visit.moved");
    let payload = payload::Reassigned {
        what: "visit".to_owned(),
        id: visit.id.to_string(),
        customer: Some(customer.to_string()),
        visit: None,
        phase: None,
        staff: why.staff.clone(),
        reason: why.reason.clone(),
    };
    outbox::enqueue(tx, &about(kind::REASSIGNED, Thing::Visit(visit.id), &visit), &payload)?;
    pictures::rewrap(tx, vault, visit.id, customer)?;
    sharing::settle(tx, visit.id, customer)?;
    // It leaves the courses of the one and enters those of the other.
    reports::settle_person(tx, from)?;
    reports::settle_person(tx, customer)?;
    audit::note(tx, &why.staff, "reassigned", Some(customer), &format!("visit {} from {from}", visit.id))?;
    Ok(visit)
}

impl Store {
    /// Strikes something out: it stays stored and shown as such, is in no comparison, and HQ is told.
    pub async fn void(&self, thing: Thing, why: Why) -> Result<(), StoreError> {
        self.write(move |tx| strike(tx, thing, false, &why)).await
    }

    /// Takes back [`Store::void`].
    pub async fn restore(&self, thing: Thing, why: Why) -> Result<(), StoreError> {
        self.write(move |tx| strike(tx, thing, true, &why)).await
    }

    /// Moves a scan to another phase or visit. Comparisons drawn with it stay as they were drawn; draw them anew.
    ///
    /// When the other visit is another customer's, that customer's consents decide from now on, and the photographs'
    /// keys move under that customer's key.
    pub async fn reassign_scan(&self, scan: ScanId, visit: VisitId, phase: Phase, why: Why) -> Result<(), StoreError> {
        let vault = self.0.vault.clone();
        self.write(move |tx| move_scan(tx, &vault, scan, (visit, phase), &why)).await
    }

    /// Moves a reading of a scan that has ended to another region of its plan; a reading of the same metric that stands there
    /// takes its place. HQ hears of the old ones struck out and of the new ones.
    pub async fn move_reading(&self, reading: ReadingId, region: Region, why: Why) -> Result<(), StoreError> {
        self.write(move |tx| move_reading(tx, reading, region, &why)).await
    }

    /// Gives a visit to another customer, see [`Store::reassign_scan`].
    pub async fn reassign_visit(
        &self,
        visit: VisitId,
        expected: Option<u64>,
        customer: CustomerId,
        why: Why,
    ) -> Result<Visit, StoreError> {
        let vault = self.0.vault.clone();
        self.write(move |tx| {
            let visit = visits::expect(tx, visit, expected)?;
            move_visit(tx, &vault, visit, customer, &why)
        })
        .await
    }
}

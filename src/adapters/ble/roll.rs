//! Which adapters there are: asked beside everything else, one by one, so that one that does not answer hides no other.

use super::{
    bus::{CALL_LIMIT, Lifeline},
    seat::{Events, name_of},
    trouble::Trouble,
};
use btleplug::{
    api::{Central as _, Manager as _},
    platform::{Adapter, Manager},
};
use futures_util::future::join_all;

/// What the roll call found.
pub(super) struct Roll {
    /// Those that told their names.
    pub names: Vec<String>,
    /// Some did not: whoever is missing among the names need not be gone.
    pub nameless: bool,
    /// Those that were not known, ready to be taken into use.
    pub new: Vec<(Adapter, String, Events)>,
    /// Why one of them cannot be taken into use.
    pub fault: Option<Trouble>,
}

/// Calls the roll; `known` are in use.
///
/// # Errors
/// Where bluetoothd does not say what there is. What is wrong with one adapter alone stands in the roll.
pub(super) async fn call_roll(manager: Manager, known: Vec<String>, lifeline: Lifeline) -> Result<Roll, Trouble> {
    let there = lifeline.within(CALL_LIMIT, manager.adapters()).await?;
    let asked = there.into_iter().map(|adapter| ask(adapter, &known, &lifeline));
    let mut roll = Roll { names: Vec::new(), nameless: false, new: Vec::new(), fault: None };
    for Answer { name, new, fault } in join_all(asked).await {
        roll.fault = fault.or(roll.fault);
        roll.nameless |= name.is_none();
        if let Some(name) = name {
            roll.new.extend(new.map(|(adapter, events)| (adapter, name.clone(), events)));
            roll.names.push(name);
        }
    }
    // BlueZ tells them in no order.
    roll.new.sort_by(|(_, one, _), (_, other, _)| one.cmp(other));
    Ok(roll)
}

/// Of one adapter.
struct Answer {
    name: Option<String>,
    /// Itself, where it was not known.
    new: Option<(Adapter, Events)>,
    fault: Option<Trouble>,
}

async fn ask(adapter: Adapter, known: &[String], lifeline: &Lifeline) -> Answer {
    let name = match name_of(&adapter, lifeline).await {
        Ok(name) => name,
        Err(trouble) => return Answer { name: None, new: None, fault: Some(trouble) },
    };
    if known.contains(&name) {
        return Answer { name: Some(name), new: None, fault: None };
    }
    match lifeline.within(CALL_LIMIT, adapter.events()).await {
        Ok(events) => Answer { name: Some(name), new: Some((adapter, events)), fault: None },
        Err(trouble) => Answer { name: Some(name), new: None, fault: Some(trouble) },
    }
}

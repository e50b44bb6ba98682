//! What headquarters has rolled out to the salon.

use skinlink::{
    sync::package::{InUse, Refusal, Slot, Wish},
    tasks::packages::{self, Counts, PackagesHandle, Running, State},
};

/// What headquarters has rolled out: a model that measures, settings that were refused, rules that wait.
pub fn rolled_out() -> PackagesHandle {
    let mut state = State { chain: "qinghe".to_owned(), ..State::default() };
    let mut running = Running::new();
    for (slot, version) in [(Slot::Model("pores-dog".to_owned()), 3), (Slot::Settings, 8), (Slot::Suggestions, 2)] {
        let sha256 = format!("{version:064x}");
        let wish = Wish { slot: slot.clone(), version, sha256: sha256.clone(), bytes: 9 };
        state.holdings.wished(&wish);
        match slot {
            Slot::Model(_) => {
                state.holdings.held(&wish);
                state.holdings.used(&slot);
                let counts = Counts { version, measured: 214, failed: 1 };
                state.health.insert(slot.clone(), counts);
                running.insert(slot, InUse { version, sha256 });
            }
            Slot::Suggestions => state.holdings.held(&wish),
            _ => {
                let reason = "settings.toml:2: scan.repeats: 12 is outside 1 to 9".to_owned();
                state.holdings.refused(&wish, &Refusal::Unfit(reason));
            }
        }
    }
    packages::channel(&state, &running).0
}

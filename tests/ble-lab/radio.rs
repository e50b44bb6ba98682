//! The air of the guest: an adapter that can be pulled, and pens that can be switched off.

use crate::{controller::Controller, pen::Pen};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How long packets may lie before they are seen.
const TURN: Duration = Duration::from_millis(2);

struct Air {
    plugged: bool,
    pens: Vec<Pen>,
}

/// Steers the air. It goes on by itself, whatever happens to the programs above it.
#[derive(Clone)]
pub struct Radio(Arc<Mutex<Air>>);

impl Radio {
    /// An adapter that is plugged in, and these pens.
    pub fn start(pens: Vec<Pen>) -> Self {
        let radio = Self(Arc::new(Mutex::new(Air { plugged: true, pens })));
        let air = radio.clone();
        thread::spawn(move || {
            let mut controller = None;
            loop {
                {
                    let mut air = air.air();
                    if air.plugged {
                        controller.get_or_insert_with(Controller::plug_in).turn(&mut air.pens);
                    } else if controller.take().is_some() {
                        air.pens.iter_mut().for_each(Pen::lost);
                    }
                }
                thread::sleep(TURN);
            }
        });
        radio
    }

    fn air(&self) -> MutexGuard<'_, Air> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn plug(&self, plugged: bool) {
        self.air().plugged = plugged;
    }

    pub fn pen<T>(&self, at: usize, look: impl FnOnce(&mut Pen) -> T) -> T {
        look(&mut self.air().pens[at])
    }
}

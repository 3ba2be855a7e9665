//! The clock that the core lives by: monotonic, and honest about sleep.
//!
//! `performance.now()` may stand still while the machine sleeps; the wall clock does not, but it may be set. So
//! the time is the monotonic one, plus whatever the wall clock moved on while the monotonic one did not. It
//! never runs backwards. A wall clock that is set forward looks like sleep: the core checks its link, no more.

use std::cell::Cell;

use protocol::time::{Instant, UnixMillis};
use wasm_bindgen::prelude::*;

/// A wall clock may run ahead by less than this, in milliseconds, without it being taken for sleep: coarse
/// clocks and slow corrections stay below.
const SLEEP_MS_MIN: f64 = 1_000.0;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now, catch)]
    fn performance_now() -> Result<f64, JsValue>;
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Clock {
    last: Cell<Option<Reading>>,
    /// Milliseconds of sleep that the monotonic clock missed so far.
    slept_ms: Cell<f64>,
    latest: Cell<u64>,
}

/// What both clocks of the engine showed at one moment, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The monotonic clock, from any origin.
    pub monotonic_ms: f64,
    /// The wall clock.
    pub wall_ms: f64,
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> Instant {
        let wall_ms = js_sys::Date::now();
        self.after(Reading {
            monotonic_ms: performance_now().unwrap_or(wall_ms),
            wall_ms,
        })
    }

    /// How much of the time was sleep that the monotonic clock missed, in milliseconds, as of the latest reading. Timers
    /// of the engine run by the monotonic clock: each fires that much later than it was meant to, counted from when it
    /// was set.
    #[must_use]
    pub fn slept_ms(&self) -> u64 {
        // A float cast saturates.
        self.slept_ms.get().floor() as u64
    }

    /// What the wall clock showed when this clock showed 0.
    pub fn wall_at_zero(&self) -> UnixMillis {
        let since_zero_ms = self.now().0 as f64;
        // A float cast saturates: nonsense of a mocked clock becomes 0.
        UnixMillis((js_sys::Date::now() - since_zero_ms).floor() as u64)
    }

    /// The time when the engine's clocks show `reading`.
    pub fn after(&self, reading: Reading) -> Instant {
        if let Some(last) = self.last.replace(Some(reading)) {
            let missed_ms =
                (reading.wall_ms - last.wall_ms) - (reading.monotonic_ms - last.monotonic_ms);
            if missed_ms >= SLEEP_MS_MIN {
                self.slept_ms.set(self.slept_ms.get() + missed_ms);
            }
        }
        // A float cast saturates: nonsense of a mocked clock becomes 0 and is then the latest time again.
        let now = (reading.monotonic_ms + self.slept_ms.get()).floor() as u64;
        self.latest.set(self.latest.get().max(now));
        Instant(self.latest.get())
    }
}

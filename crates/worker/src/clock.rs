//! The object's clock and its one alarm.
//!
//! Owns what time it is for a space: the runtime's wall clock, which a test may put ahead. Everything that the
//! room hears or says about time passes through here, so that a day that a test skips is skipped everywhere.
//! It must not know what the time is for.

#[cfg(feature = "test-hooks")]
use std::cell::Cell;

use js_sys::Promise;
use protocol::time::UnixMillis;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::host::{self, ObjectStorage, message};
use crate::log::Log;

/// Tells the time, and has the runtime ring.
pub(crate) struct Clock {
    storage: ObjectStorage,
    log: Log,
    #[cfg(feature = "test-hooks")]
    ahead_ms: Cell<u64>,
}

impl Clock {
    pub(crate) fn new(storage: ObjectStorage, log: Log) -> Self {
        Self {
            #[cfg(feature = "test-hooks")]
            ahead_ms: Cell::new(crate::hooks::ahead_ms(&storage.sql())),
            storage,
            log,
        }
    }

    /// The space's time.
    pub(crate) fn now(&self) -> UnixMillis {
        self.of_runtime(host::now())
    }

    /// The space's time at a moment of the runtime's.
    pub(crate) fn of_runtime(&self, at: UnixMillis) -> UnixMillis {
        at.plus_ms(self.ahead_ms())
    }

    /// A moment of the space's time in the runtime's, as JavaScript wants it.
    pub(crate) fn to_runtime(&self, at: UnixMillis) -> f64 {
        at.0.saturating_sub(self.ahead_ms()) as f64
    }

    /// Sets the alarm, instead of any set before; `None` takes it back.
    pub(crate) fn set_alarm(&self, at: Option<UnixMillis>) {
        #[cfg(feature = "test-hooks")]
        crate::hooks::note_alarm(&self.storage.sql(), at);
        let set = match at {
            Some(at) => self.storage.set_alarm(self.to_runtime(at)),
            None => self.storage.delete_alarm(),
        };
        let log = self.log.clone();
        let failed = move |thrown: JsValue| {
            log.error(
                "the alarm could not be set",
                &[("error", message(&thrown).into())],
            );
        };
        match set {
            Ok(promise) => watch(promise, failed),
            Err(thrown) => failed(thrown),
        }
    }

    #[cfg(not(feature = "test-hooks"))]
    fn ahead_ms(&self) -> u64 {
        0
    }

    #[cfg(feature = "test-hooks")]
    fn ahead_ms(&self) -> u64 {
        self.ahead_ms.get()
    }

    /// Puts the clock ahead of the runtime's. Whether the alarm that was set is due by that.
    #[cfg(feature = "test-hooks")]
    pub(crate) fn put_ahead(&self, ms: u64) -> bool {
        let sql = self.storage.sql();
        crate::hooks::keep_ahead_ms(&sql, ms);
        self.ahead_ms.set(ms);
        let due = crate::hooks::alarm(&sql).is_some_and(|at| at <= self.now());
        if due {
            // It rings by the test's hand; that it rings again by the runtime's would be one ring too many.
            if let Ok(promise) = self.storage.delete_alarm() {
                watch(promise, drop);
            }
        }
        due
    }
}

/// Calls `failed` should the promise be rejected. The one future there is: it holds nothing of the room, and
/// nobody waits for it.
fn watch(promise: Promise, failed: impl FnOnce(JsValue) + 'static) {
    spawn_local(async move {
        if let Err(thrown) = JsFuture::from(promise).await {
            failed(thrown);
        }
    });
}

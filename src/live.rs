//! Counts what the shell holds of the browser, so that a test can see that nothing is left behind.
//!
//! Must not know what is counted.

use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

/// Stands for one held resource: a socket, a timer, a listener, a pending promise. Lives in its owner's struct.
#[derive(Debug)]
pub(crate) struct Live(());

impl Live {
    /// Counts one more, until the value is dropped.
    pub(crate) fn new() -> Self {
        COUNT.with(|count| count.set(count.get().saturating_add(1)));
        Self(())
    }

    /// How many are held.
    pub(crate) fn count() -> u32 {
        COUNT.with(Cell::get)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        COUNT.with(|count| count.set(count.get().saturating_sub(1)));
    }
}

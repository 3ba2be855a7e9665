//! The one deadline of a client, and the way into a later task.
//!
//! Must not know what the deadline is for. Each value here owns its browser resource and lets go of it when it
//! is dropped.

use gloo_timers::callback::Timeout;
use protocol::time::Instant;
use wasm_bindgen::prelude::*;
use web_sys::{MessageChannel, MessagePort};

use crate::clock::Clock;
use crate::live::Live;

/// The longest delay that `setTimeout` takes, in milliseconds: it reads a signed 32-bit number, and a longer
/// delay would fire at once.
pub const DELAY_MS_MAX: u32 = i32::MAX as u32;

/// The delay to give to `setTimeout` at `now` for `deadline`, in milliseconds. A deadline beyond
/// [`DELAY_MS_MAX`] is met in several steps: the timer fires early and is set again.
#[must_use]
pub fn delay_ms(deadline: Instant, now: Instant) -> u32 {
    u32::try_from(deadline.ms_since(now))
        .unwrap_or(DELAY_MS_MAX)
        .min(DELAY_MS_MAX)
}

/// A timer that is running.
#[derive(Debug)]
pub(crate) struct Deadline {
    /// When the timer fires, if the machine does not sleep meanwhile.
    fires_at: Instant,
    /// The clock's sleep when the timer was set.
    slept_ms: u64,
    _timeout: Timeout,
    _live: Live,
}

impl Deadline {
    /// Calls `fire` once at `at`, or earlier where that is too far away.
    pub(crate) fn start(at: Instant, clock: &Clock, fire: impl FnOnce() + 'static) -> Self {
        let now = clock.now();
        let delay_ms = delay_ms(at, now);
        Self {
            fires_at: now.plus_ms(u64::from(delay_ms)),
            slept_ms: clock.slept_ms(),
            _timeout: Timeout::new(delay_ms, fire),
            _live: Live::new(),
        }
    }

    /// Whether the timer serves for `wanted` as well. One that fires too early does: whoever waits looks at the
    /// clock and starts another, which is cheaper than moving the timer with every frame that comes in. A timer that
    /// slept is late by as much, while `clock` jumped: it does not serve for what comes before it fires.
    pub(crate) fn serves(&self, wanted: Instant, clock: &Clock) -> bool {
        let late_ms = clock.slept_ms().saturating_sub(self.slept_ms);
        self.fires_at.plus_ms(late_ms) <= wanted
    }
}

/// A later task that was asked for.
///
/// A message to ourselves and not a timer: pages in the background get their timers once a second or once a
/// minute, and events that wait for the task would wait as long. Messages are not held back.
#[derive(Debug)]
pub(crate) struct NextTask {
    _means: Means,
    _live: Live,
}

#[derive(Debug)]
enum Means {
    Message(#[expect(dead_code, reason = "held for its drop")] Ports),
    Timer(#[expect(dead_code, reason = "held for its drop")] Timeout),
}

#[derive(Debug)]
struct Ports {
    receiving: MessagePort,
    _on_message: Closure<dyn FnMut()>,
}

impl NextTask {
    /// Calls `fire` once in a later task than this one.
    pub(crate) fn start(fire: impl FnOnce() + 'static) -> Self {
        let means = match MessageChannel::new() {
            Ok(channel) => {
                let receiving = channel.port1();
                let on_message = Closure::once(fire);
                receiving.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
                // Posting `null` can not fail: it is neither uncloneable nor to a closed port.
                let posted = channel.port2().post_message(&JsValue::NULL);
                debug_assert!(posted.is_ok());
                Means::Message(Ports {
                    receiving,
                    _on_message: on_message,
                })
            }
            Err(_) => Means::Timer(Timeout::new(0, fire)),
        };
        Self {
            _means: means,
            _live: Live::new(),
        }
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        self.receiving.set_onmessage(None);
        // An open port would keep a Node process alive.
        self.receiving.close();
    }
}

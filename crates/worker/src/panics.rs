//! What is logged of a panic: its place in our code, and nothing else.
//!
//! Owns the panic hook. It stands in place of the `worker` crate's, which writes the panic's message to the
//! console: Rust puts the text that was being worked on into some messages (a slice off a character's border
//! does), and that may be somebody's.

use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use js_sys::{Reflect, global};
use serde_json::Value;
use wasm_bindgen::JsValue;

use crate::log::Log;
use crate::variables::Level;

/// Has panics logged by their place. To be called by whatever `entry.js` may call first: a fresh instance has
/// the `worker` crate's hook again.
pub(crate) fn log_places_only() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        panic::set_hook(Box::new(|info| {
            tell_entry();
            let log = Log::new(Level::Error, None);
            log.error("panicked", &[("at", place(info))]);
        }));
    });
}

/// Tells `entry.js` that this instance is lost, as the `worker` crate's hook does. Should it fail, `entry.js`
/// still sees the exception.
fn tell_entry() {
    let state = Reflect::get(&global(), &JsValue::from_str("__worker_init_state"));
    let _told = state.and_then(|state| Reflect::set(&state, &"criticalError".into(), &true.into()));
}

fn place(info: &PanicHookInfo<'_>) -> Value {
    info.location().map_or(Value::Null, |place| {
        format!("{}:{}", place.file(), place.line()).into()
    })
}

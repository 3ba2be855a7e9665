//! What happens when this module panics: one line on the console, naming the place.
//!
//! A panic is a bug of ours and ends the Wasm instance; the wrapper sees a `WebAssembly.RuntimeError` and never
//! calls in again. The line holds the place only: a panic's message may quote what a person wrote.

use std::cell::RefCell;
use std::sync::Once;

use wasm_bindgen::prelude::*;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error, catch)]
    fn console_error(text: &str) -> Result<(), JsValue>;
}

/// Puts the hook in place. Only the first call does something.
pub(crate) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Debug builds are for tests, which want to see their failed assertions as well.
        let previous = cfg!(debug_assertions).then(std::panic::take_hook);
        std::panic::set_hook(Box::new(move |info| {
            if let Some(previous) = &previous {
                previous(info);
            }
            let place = info
                .location()
                .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
            record(format!(
                "kuratchi-spaces: internal error at {place}; this client is dead, make a new one"
            ));
        }));
    });
}

/// The text of the first panic, if there was one.
pub(crate) fn last() -> Option<String> {
    LAST.with(|last| last.try_borrow().ok()?.clone())
}

fn record(text: String) {
    let first = LAST.with(|last| {
        // A panic while another one is recorded has nothing to add.
        let Ok(mut last) = last.try_borrow_mut() else {
            return false;
        };
        let first = last.is_none();
        last.get_or_insert_with(|| text.clone());
        first
    });
    if first {
        // Without a console there is nobody to tell.
        let _ = console_error(&text);
    }
}

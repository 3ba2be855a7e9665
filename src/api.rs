//! What the npm package's own JavaScript calls. Private to it: apps get `pkg-template/client.js`.
//!
//! Each export takes what it is given to [`Driver`] and gives back what comes of it. Must not decide anything.

use std::rc::Rc;

use client_core::io::Input;
use js_sys::Promise;
use protocol::ids::ClientMessageId;
use wasm_bindgen::prelude::*;

use crate::drive::Driver;
use crate::host::Host;
use crate::json::JsJson;
use crate::live::Live;
use crate::options::Options;
use crate::outbox_row;
use crate::panic;

/// One client of one space.
///
/// Every method may be called at any time, from inside the host's functions as well. Promises reject with what
/// the host's `error` made.
#[wasm_bindgen]
pub struct SpaceCore {
    driver: Rc<Driver>,
}

#[wasm_bindgen]
impl SpaceCore {
    /// Makes a client of `{ spaceId, workerUrl, newestFirst?, webSocket?, clientScope?, userId? }`. Nothing is opened yet.
    ///
    /// # Errors
    /// Throws what `host.error` makes of a field that is absent or wrong.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue, host: Host) -> Result<SpaceCore, JsValue> {
        panic::install_hook();
        match Options::read(options) {
            Ok(options) => Ok(Self {
                driver: Driver::new(options, host),
            }),
            Err(error) => Err(host.make_error(&error)),
        }
    }

    /// Connects. Resolves when the space has accepted the client.
    pub fn connect(&self) -> Promise {
        self.driver.call(|core, call, now| core.connect(call, now))
    }

    /// Disconnects. What waits for the connection is rejected.
    pub fn disconnect(&self) {
        self.driver.enter(|core, now| core.disconnect(now));
    }

    /// Whether messages flow.
    #[wasm_bindgen(js_name = isConnected)]
    pub fn is_connected(&self) -> bool {
        self.driver.is_connected()
    }

    /// Sends a message. Resolves with it once it is stored, or with nothing once it is safe in the outbox.
    #[wasm_bindgen(js_name = sendMessage)]
    pub fn send_message(&self, options: JsValue, until_stored: bool) -> Promise {
        self.driver.call(move |core, call, now| {
            core.send_message(call, &JsJson(options), until_stored, now)
        })
    }

    /// Replaces a message's text: `{ text }`. Resolves as [`Self::send_message`] does.
    #[wasm_bindgen(js_name = editMessage)]
    pub fn edit_message(&self, id: JsValue, options: JsValue, until_stored: bool) -> Promise {
        self.driver.call(move |core, call, now| {
            core.edit_message(call, &JsJson(id), &JsJson(options), until_stored, now);
        })
    }

    /// Takes a message's text away. Resolves as [`Self::send_message`] does.
    #[wasm_bindgen(js_name = deleteMessage)]
    pub fn delete_message(&self, id: JsValue, until_stored: bool) -> Promise {
        self.driver.call(move |core, call, now| {
            core.delete_message(call, &JsJson(id), until_stored, now);
        })
    }

    /// Sends an entry of the outbox again that failed.
    pub fn retry(&self, id: JsValue) -> Promise {
        self.driver
            .call(move |core, call, now| core.retry(call, &JsJson(id), now))
    }

    /// Takes an entry out of the outbox.
    pub fn discard(&self, id: JsValue) -> Promise {
        self.driver
            .call(move |core, call, _now| core.discard(call, &JsJson(id)))
    }

    /// Forgets everything in the outbox of this space, of whatever identity.
    #[wasm_bindgen(js_name = clearLocal)]
    pub fn clear_local(&self) -> Promise {
        self.driver.call(|core, call, _now| core.clear_local(call))
    }

    /// Gets the newest page, without joining it to live messages.
    #[wasm_bindgen(js_name = newestMessages)]
    pub fn newest_messages(&self) -> Promise {
        self.driver
            .call(|core, call, now| core.newest_messages(call, now))
    }

    /// Gets a page of history: `{ limit?, before?, order? }`.
    #[wasm_bindgen(js_name = getMessages)]
    pub fn get_messages(&self, options: JsValue) -> Promise {
        let options = (!options.is_undefined()).then_some(JsJson(options));
        self.driver
            .call(move |core, call, now| core.messages(call, options.as_ref(), now))
    }

    /// Tells the others that somebody types or stopped.
    #[wasm_bindgen(js_name = setTyping)]
    pub fn set_typing(&self, user_id: JsValue, is_typing: JsValue) -> Promise {
        self.driver.call(move |core, call, now| {
            core.set_typing(call, &JsJson(user_id), &JsJson(is_typing), now)
        })
    }

    /// Gets everybody who is known in the space.
    #[wasm_bindgen(js_name = getParticipants)]
    pub fn participants(&self) -> Promise {
        self.driver
            .call(|core, call, now| core.participants(call, now))
    }

    /// Gets the space's metadata.
    #[wasm_bindgen(js_name = getMetadata)]
    pub fn metadata(&self) -> Promise {
        self.driver.call(|core, call, now| core.metadata(call, now))
    }

    /// Changes the space's metadata: new values, `null` to remove one. Resolves with all of it.
    #[wasm_bindgen(js_name = setMetadata)]
    pub fn set_metadata(&self, changes: JsValue) -> Promise {
        self.driver
            .call(move |core, call, now| core.set_metadata(call, &JsJson(changes), now))
    }

    /// Brings in rows that the host holds: those it was asked to load, and those of a lane that it adopted.
    #[wasm_bindgen(js_name = outboxLoaded)]
    pub fn outbox_loaded(&self, rows: &JsValue) {
        self.driver
            .input(Input::OutboxLoaded(outbox_row::read_all(rows)));
    }

    /// Whether one of these rows is of who uses the client.
    #[wasm_bindgen(js_name = ownsAny)]
    #[must_use]
    pub fn owns_any(&self, rows: &JsValue) -> bool {
        self.driver.owns_any(&outbox_row::read_all(rows))
    }

    /// Others may send what the host holds, from now on.
    #[wasm_bindgen(js_name = outboxReleased)]
    pub fn outbox_released(&self) {
        self.driver.input(Input::OutboxReleased);
    }

    /// What the host holds is ours alone again, and this is all of it.
    #[wasm_bindgen(js_name = outboxReclaimed)]
    pub fn outbox_reclaimed(&self, rows: &JsValue) {
        self.driver
            .input(Input::OutboxReclaimed(outbox_row::read_all(rows)));
    }

    /// The row is safe on disk.
    pub fn persisted(&self, id: String) {
        self.driver.input(Input::Persisted(ClientMessageId(id)));
    }

    /// The row is gone from the disk.
    pub fn removed(&self, id: String) {
        self.driver.input(Input::Removed(ClientMessageId(id)));
    }

    /// There is no store, or it failed.
    #[wasm_bindgen(js_name = persistFailed)]
    pub fn persist_failed(&self) {
        self.driver.input(Input::PersistFailed);
    }

    /// The app has another token, or another function for one.
    #[wasm_bindgen(js_name = tokenChanged)]
    pub fn token_changed(&self) {
        self.driver.input(Input::TokenChanged);
    }

    /// Looks whether the link is alive, now.
    pub fn wake(&self) {
        self.driver.input(Input::Woken);
    }
}

impl Drop for SpaceCore {
    fn drop(&mut self) {
        self.driver.close();
    }
}

/// Sockets, timers, listeners, requests and promises that the shell holds at present, for tests of leaks.
#[wasm_bindgen(js_name = liveResources)]
pub fn live_resources() -> u32 {
    Live::count()
}

/// What the console was told about the panic that ended this module, if one did.
#[wasm_bindgen(js_name = lastPanic)]
pub fn last_panic() -> Option<String> {
    panic::last()
}

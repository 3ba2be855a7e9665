//! The host: the plain JS object through which the shell asks and tells the app.
//!
//! Its functions are not meant to throw. One that does is reported to the page and changes nothing for the
//! connection. Must not know what the app does with what it is told.

use client_core::error::ClientError;
use client_core::io::Event;
use js_sys::{Array, Error, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use crate::convert;
use crate::json::JsJson;

#[wasm_bindgen]
extern "C" {
    /// See the module's text. Made by `pkg-template/client.js`.
    #[derive(Clone)]
    pub type Host;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn token(this: &Host, fresh: bool) -> Result<JsValue, JsValue>;
    /// Reads the text of an answer; the promise rejects where it has no end.
    #[wasm_bindgen(method, catch, js_name = readText)]
    pub(crate) fn read_text(
        this: &Host,
        response: &JsValue,
        signal: Option<&AbortSignal>,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn error(
        this: &Host,
        code: &str,
        message: &str,
        retryable: bool,
        field: Option<&str>,
        status: Option<u16>,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = onMessage)]
    fn on_message(this: &Host, message: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onUpdate)]
    fn on_update(this: &Host, message: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onOutbox)]
    fn on_outbox(this: &Host, news: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onConnectionChange)]
    fn on_connection_change(this: &Host, connected: bool) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onState)]
    fn on_state(this: &Host, state: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onTyping)]
    fn on_typing(this: &Host, user_id: &str, is_typing: bool) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onPresence)]
    fn on_presence(this: &Host, users: &Array) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onParticipant)]
    fn on_participant(this: &Host, participant: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onMetadata)]
    fn on_metadata(this: &Host, changes: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onDiscontinuity)]
    fn on_discontinuity(this: &Host, reason: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onError)]
    fn on_error(this: &Host, error: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = loadOutbox)]
    pub(crate) fn load_outbox(this: &Host) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = reclaimOutbox)]
    pub(crate) fn reclaim_outbox(this: &Host) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = onIdentified)]
    pub(crate) fn on_identified(this: &Host, is_known: bool) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = putRow)]
    pub(crate) fn put_row(this: &Host, row: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = removeRow)]
    pub(crate) fn remove_row(this: &Host, id: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = clearRows)]
    pub(crate) fn clear_rows(this: &Host) -> Result<(), JsValue>;

    #[wasm_bindgen(js_namespace = globalThis, js_name = reportError, catch)]
    fn report_error(error: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(js_namespace = console, js_name = error, catch)]
    fn console_error(error: &JsValue) -> Result<(), JsValue>;
}

impl Host {
    /// Makes the error that the app sees.
    pub(crate) fn make_error(&self, error: &ClientError) -> JsValue {
        let ClientError {
            code,
            message,
            retryable,
            field,
            status,
        } = error;
        self.error(
            code.as_str(),
            message,
            *retryable,
            field.as_deref(),
            *status,
        )
        .unwrap_or_else(|thrown| {
            report(&thrown);
            Error::new(message).into()
        })
    }

    /// Tells the app one thing.
    pub(crate) fn tell(&self, event: Event<JsJson>) {
        let told = match event {
            Event::Message(message) => self.on_message(&message.0),
            Event::Updated(message) => self.on_update(&message.0),
            Event::Outbox(news) => {
                let error = news
                    .row
                    .failure
                    .as_ref()
                    .map(|error| self.make_error(error));
                self.on_outbox(&convert::news(&news, error))
            }
            Event::ConnectionChanged(connected) => self.on_connection_change(connected),
            Event::StateChanged {
                state,
                transport,
                retry_in_ms,
                reason,
            } => {
                let reason = reason.map(|reason| self.make_error(&reason));
                self.on_state(&convert::state(state, transport, retry_in_ms, reason))
            }
            Event::Typing { user_id, is_typing } => self.on_typing(&user_id, is_typing),
            Event::Presence(users) => self.on_presence(&convert::array(users)),
            Event::Participant(participant) => self.on_participant(&participant.0),
            Event::Metadata(changes) => self.on_metadata(&changes.0),
            Event::Discontinuity { reason } => self.on_discontinuity(reason),
            Event::Error(error) => self.on_error(&self.make_error(&error)),
        };
        if let Err(thrown) = told {
            report(&thrown);
        }
    }
}

/// Reports what somebody else's function threw, as an uncaught exception would be.
pub(crate) fn report(thrown: &JsValue) {
    if report_error(thrown).is_err() {
        // Node and old browsers have no `reportError`; without a console there is nobody to tell.
        let _ = console_error(thrown);
    }
}

/// What an exception or a rejection says, for the app's own eyes.
pub(crate) fn said(thrown: &JsValue) -> String {
    let message = Reflect::get(thrown, &JsValue::from_str("message"))
        .ok()
        .and_then(|message| message.as_string());
    message
        .or_else(|| thrown.as_string())
        .unwrap_or_else(|| "no reason was given".to_owned())
}

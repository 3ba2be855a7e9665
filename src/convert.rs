//! What goes out as structure: the only place where serde writes JavaScript values.
//!
//! Nothing is read in with serde: its errors would not name the field, and reading costs fifteen times what
//! writing does. Must not know who gets the values.

use client_core::io::{ConnectionState, OutboxNews, OutboxStatus, Reply, Transport};
use js_sys::{Array, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;

use crate::json::JsJson;
use crate::outbox_row;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_ms: Option<u64>,
}

/// The connection's state: `{ state, transport?, retryInMs?, reason? }`.
pub(crate) fn state(
    state: ConnectionState,
    transport: Option<Transport>,
    retry_in_ms: Option<u64>,
    reason: Option<JsValue>,
) -> JsValue {
    let state = State {
        state: state.as_str(),
        transport: transport.map(Transport::as_str),
        retry_in_ms,
    };
    // Writing fails for numbers above 2^53 only, which no delay is.
    let object = state
        .serialize(&Serializer::json_compatible())
        .unwrap_or_default();
    if let Some(reason) = reason {
        // An error has to stay the `Error` that it is, so it does not go through serde.
        let set = Reflect::set(&object, &JsValue::from_str("reason"), &reason);
        debug_assert!(set.is_ok());
    }
    object
}

/// News of an entry of the outbox: `{ row, status, message?, error? }`, where `error` is why it failed.
pub(crate) fn news(news: &OutboxNews<JsJson>, error: Option<JsValue>) -> JsValue {
    let (status, message) = match &news.status {
        OutboxStatus::Pending => ("pending", None),
        OutboxStatus::Sent(message) => ("sent", message.as_ref()),
        OutboxStatus::Failed => ("failed", None),
        OutboxStatus::Dropped => ("dropped", None),
    };
    let mut fields = vec![
        ("row", outbox_row::write(&news.row)),
        ("status", JsValue::from_str(status)),
    ];
    fields.extend(message.map(|message| ("message", message.0.clone())));
    fields.extend(error.map(|error| ("error", error)));
    outbox_row::object(&fields)
}

/// An array of the engine's values.
pub(crate) fn array(values: Vec<JsJson>) -> Array {
    values.into_iter().map(|value| value.0).collect()
}

/// What a settled call gives.
pub(crate) fn reply(reply: Reply<JsJson>) -> JsValue {
    match reply {
        Reply::Done => JsValue::UNDEFINED,
        Reply::Value(value) => value.0,
        Reply::List(messages) => array(messages).into(),
    }
}

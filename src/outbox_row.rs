//! Rows of the outbox as plain JavaScript objects, for the host that keeps them, and back.
//!
//! `{id, operation, body, owner, scope, epoch, addedAt, failure, adopted, fresh}`: `operation` is `'message'`, `'edit'` or
//! `'delete'`, `owner` is `'user:<sub>'`, `'bearer'` or `'unknown'`, `epoch` is a text or `null`, `failure` is
//! `{code, message, field?}` or `null`, `adopted` says whether another tab had the row. `fresh` is said by the host alone, of rows
//! that this life of the page wrote. `body` is the engine's own object, never copied. What comes back was on somebody's disk and
//! may be anything: a row that can not be read is left out. Must not know where rows are kept.

use client_core::error::{ClientError, Code};
use client_core::io::{Operation, OutboxRow, Owner};
use js_sys::{Object, Reflect};
use protocol::ids::{ClientMessageId, Epoch};
use protocol::json::{Json, Shape, whole_number};
use protocol::time::UnixMillis;
use wasm_bindgen::prelude::*;

use crate::json::JsJson;

const USER_PREFIX: &str = "user:";
const BEARER: &str = "bearer";
const UNKNOWN: &str = "unknown";

/// Writes a row.
pub fn write(row: &OutboxRow<JsJson>) -> JsValue {
    let OutboxRow {
        client_message_id,
        operation,
        body,
        owner,
        scope,
        epoch,
        added_at,
        failure,
        adopted,
        fresh: _,
    } = row;
    let epoch = epoch
        .as_ref()
        .map(|epoch| JsValue::from_str(epoch.as_str()));
    object(&[
        ("id", JsValue::from_str(client_message_id.as_str())),
        ("operation", JsValue::from_str(operation.word().as_str())),
        ("body", body.0.clone()),
        ("owner", write_owner(owner)),
        ("scope", JsValue::from_str(scope)),
        ("epoch", epoch.unwrap_or(JsValue::NULL)),
        ("addedAt", JsValue::from_f64(added_at.0 as f64)),
        (
            "failure",
            failure.as_ref().map_or(JsValue::NULL, write_failure),
        ),
        ("adopted", JsValue::from_bool(*adopted)),
    ])
}

/// Writes whose a row is.
fn write_owner(owner: &Owner) -> JsValue {
    match owner {
        Owner::User(sub) => JsValue::from_str(&format!("{USER_PREFIX}{sub}")),
        Owner::Bearer => JsValue::from_str(BEARER),
        Owner::Unknown => JsValue::from_str(UNKNOWN),
    }
}

/// Reads an array of rows, without those that can not be read. What is no array has none.
pub fn read_all(rows: &JsValue) -> Vec<OutboxRow<JsJson>> {
    let rows = JsJson(rows.clone());
    let count = rows.items().unwrap_or(0);
    (0..count)
        .filter_map(|index| read(&rows.item(index)?.0))
        .collect()
}

/// Makes an object of these fields, in this order.
pub(crate) fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // It can not fail: the object is new, and none of the names is special.
        let set = Reflect::set(&object, &JsValue::from_str(name), value);
        debug_assert_eq!(set, Ok(true));
    }
    object.into()
}

fn write_failure(failure: &ClientError) -> JsValue {
    let mut fields = vec![
        ("code", JsValue::from_str(failure.code.as_str())),
        ("message", JsValue::from_str(&failure.message)),
    ];
    if let Some(field) = &failure.field {
        fields.push(("field", JsValue::from_str(field)));
    }
    object(&fields)
}

fn read(row: &JsValue) -> Option<OutboxRow<JsJson>> {
    let epoch = field(row, "epoch")?;
    let failure = field(row, "failure")?;
    let body = JsJson(field(row, "body")?);
    Some(OutboxRow {
        client_message_id: ClientMessageId(text(row, "id").filter(|id| !id.is_empty())?),
        operation: Operation::parse(&text(row, "operation")?)?,
        body: (body.shape() == Shape::Object).then_some(body)?,
        owner: read_owner(&text(row, "owner")?)?,
        scope: text(row, "scope")?,
        epoch: if is_absent(&epoch) {
            None
        } else {
            Some(Epoch(epoch.as_string()?))
        },
        added_at: UnixMillis(whole_number(&JsJson(field(row, "addedAt")?))?),
        failure: if is_absent(&failure) {
            None
        } else {
            Some(read_failure(&failure)?)
        },
        adopted: field(row, "adopted")?.is_truthy(),
        fresh: field(row, "fresh")?.is_truthy(),
    })
}

fn read_owner(owner: &str) -> Option<Owner> {
    match owner {
        BEARER => Some(Owner::Bearer),
        UNKNOWN => Some(Owner::Unknown),
        owner => owner
            .strip_prefix(USER_PREFIX)
            .map(|sub| Owner::User(sub.to_owned())),
    }
}

fn read_failure(failure: &JsValue) -> Option<ClientError> {
    // A code of some other version is none of ours, but the row has failed all the same.
    let code = Code::parse(&text(failure, "code")?).unwrap_or(Code::Protocol);
    Some(ClientError {
        field: text(failure, "field"),
        ..ClientError::new(code, text(failure, "message")?)
    })
}

fn text(object: &JsValue, name: &str) -> Option<String> {
    field(object, name)?.as_string()
}

/// The field's value, `undefined` where there is none. Fails for what has no fields, and where reading throws.
fn field(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name)).ok()
}

fn is_absent(value: &JsValue) -> bool {
    value.is_undefined() || value.is_null()
}

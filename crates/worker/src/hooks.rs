//! What only tests ask an object: how often it was constructed, what it wrote, and to panic.
//!
//! Owns one table of counters beside the space's own. Compiled with the feature `test-hooks` alone; no
//! shipped build has it. Its own writes are not counted, and neither is what the runtime does by itself.

use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use worker::web_sys::Response;

use crate::host::Sql;
use crate::reply;

/// What a test wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Hook {
    /// `GET /__test/space`: `{constructed, sockets}`
    Space,
    /// `GET /__test/rows`: `{rows, alarms}`, written since the space exists
    Rows,
    /// `POST /__test/panic`
    Panic,
}

impl Hook {
    /// The hook behind a path.
    pub(crate) fn find(path: &str) -> Option<Self> {
        match path {
            "/__test/space" => Some(Self::Space),
            "/__test/rows" => Some(Self::Rows),
            "/__test/panic" => Some(Self::Panic),
            _ => None,
        }
    }
}

/// Counts a construction of the object.
pub(crate) fn count_construction(sql: &Sql) {
    count(sql, "constructed", 1.0);
}

/// Counts a `setAlarm`, which is billed as a row.
pub(crate) fn count_alarm(sql: &Sql) {
    count(sql, "alarms", 1.0);
}

/// Counts rows written.
pub(crate) fn count_rows(sql: &Sql, rows: f64) {
    if rows > 0.0 {
        count(sql, "rows", rows);
    }
}

/// Does what the test wants.
#[allow(clippy::panic, reason = "a test asks for it")]
pub(crate) fn answer(hook: Hook, sql: &Sql, sockets: u32) -> Result<Response, JsValue> {
    match hook {
        Hook::Space => {
            let constructed = counter(sql, "constructed")?;
            reply::json(
                200,
                &format!(r#"{{"constructed":{constructed},"sockets":{sockets}}}"#),
            )
        }
        Hook::Rows => {
            let (rows, alarms) = (counter(sql, "rows")?, counter(sql, "alarms")?);
            reply::json(200, &format!(r#"{{"rows":{rows},"alarms":{alarms}}}"#))
        }
        Hook::Panic => panic!("a test wanted this panic"),
    }
}

fn count(sql: &Sql, name: &str, by: f64) {
    let made = run(
        sql,
        "CREATE TABLE IF NOT EXISTS test_hooks (name TEXT PRIMARY KEY, value REAL) WITHOUT ROWID",
        &[],
    );
    let counted = run(
        sql,
        "INSERT INTO test_hooks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        &[name.into(), by.into()],
    );
    if made.and(counted).is_err() {
        worker::console_error!("test hooks can not count {name}");
    }
}

fn counter(sql: &Sql, name: &str) -> Result<f64, JsValue> {
    let rows = run(
        sql,
        "SELECT coalesce(max(value), 0) FROM test_hooks WHERE name = ?",
        &[name.into()],
    )?;
    let row = js_sys::Array::from(&rows.get(0));
    Ok(row.get(0).as_f64().unwrap_or_default())
}

fn run(sql: &Sql, query: &str, bindings: &[JsValue]) -> Result<js_sys::Array, JsValue> {
    sql.exec(query, &bindings.iter().collect())?
        .raw()?
        .to_array()
}

//! What only tests ask an object: what it has done and holds, and to fail or to age.
//!
//! Owns one table of numbers beside the space's own, and the fault that waits for its moment. Compiled with
//! the feature `test-hooks` alone; no shipped build has it. Its own writes are not counted, and neither is
//! what the runtime does by itself.

use std::cell::Cell;

use js_sys::Array;
use protocol::time::UnixMillis;
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use worker::web_sys::Response;

use crate::host::{Sql, millis};
use crate::reply;

/// What a test wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Hook {
    /// `GET /__test/space`: `{constructed, resets, sockets, alarmAt, aheadMs}`; `alarmAt` is `null` while none
    /// is set
    Space,
    /// `GET /__test/rows`: `{rows, alarms}`, written since the space exists
    Rows,
    /// `POST /__test/holds {text}`: `{rows}`, the rows of all tables that hold the text
    Holds,
    /// `POST /__test/clock {aheadMs}`: the space's time runs ahead of the runtime's by that much from now on.
    /// An alarm that becomes due by it rings before the answer.
    Clock,
    /// `POST /__test/reset {at?}`: the object forgets all that it has in memory, at its [`Moment`]. Whatever
    /// happens next builds it anew, from its store and its sockets.
    Reset,
    /// `POST /__test/panic {at?}`: the same by a panic, after which `entry.js` has the object wake up by itself
    Panic,
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Moment {
    /// At once.
    #[default]
    Now,
    /// Once, when the next input that writes anything has been committed, and before anybody was told of it.
    AfterCommit,
}

/// What a test's body may say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) at: Moment,
    pub(crate) ahead_ms: u64,
    pub(crate) text: String,
}

/// What can go wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its memory is lost; its sockets and its store are not.
    Reset,
    /// Rust panics, which takes the memory of every object of the Worker along.
    Panic,
}

/// The fault that waits for its moment.
#[derive(Default)]
pub(crate) struct Trap(Cell<Option<Fault>>);

impl Hook {
    /// The hook behind a path.
    pub(crate) fn find(path: &str) -> Option<Self> {
        match path {
            "/__test/space" => Some(Self::Space),
            "/__test/rows" => Some(Self::Rows),
            "/__test/holds" => Some(Self::Holds),
            "/__test/clock" => Some(Self::Clock),
            "/__test/reset" => Some(Self::Reset),
            "/__test/panic" => Some(Self::Panic),
            _ => None,
        }
    }

    /// Whether its request has a body.
    pub(crate) fn has_body(self) -> bool {
        match self {
            Self::Holds | Self::Clock | Self::Reset | Self::Panic => true,
            Self::Space | Self::Rows => false,
        }
    }
}

impl Wish {
    /// Reads a body; an empty one wishes for nothing in particular.
    pub(crate) fn read(body: &str) -> Result<Self, JsValue> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(body).map_err(|error| JsValue::from_str(&error.to_string()))
    }
}

impl Trap {
    pub(crate) fn set(&self, fault: Fault) {
        self.0.set(Some(fault));
    }

    /// Strikes, if it is set. Whether the memory is to be lost.
    pub(crate) fn strikes(&self) -> bool {
        match self.0.take() {
            None => false,
            Some(Fault::Reset) => true,
            Some(Fault::Panic) => fail(),
        }
    }
}

/// Panics, with a text that must not reach the log.
#[allow(clippy::panic, reason = "a test asks for it")]
pub(crate) fn fail() -> ! {
    panic!("a test wanted this panic")
}

/// Counts a construction of the object.
pub(crate) fn count_construction(sql: &Sql) {
    add(sql, "constructed", 1.0);
}

/// Counts a loss of memory.
pub(crate) fn count_reset(sql: &Sql) {
    add(sql, "resets", 1.0);
}

/// Counts rows written.
pub(crate) fn count_rows(sql: &Sql, rows: f64) {
    if rows > 0.0 {
        add(sql, "rows", rows);
    }
}

/// Counts a `setAlarm`, which is billed as a row, and keeps when it is to ring.
pub(crate) fn note_alarm(sql: &Sql, at: Option<UnixMillis>) {
    if at.is_some() {
        add(sql, "alarms", 1.0);
    }
    keep(sql, "alarmAt", at.map_or(0.0, |at| at.0 as f64));
}

/// Notes that the alarm rang.
pub(crate) fn alarm_rang(sql: &Sql) {
    keep(sql, "alarmAt", 0.0);
}

/// When the alarm is to ring, in the space's time.
pub(crate) fn alarm(sql: &Sql) -> Option<UnixMillis> {
    let at = number(sql, "alarmAt").unwrap_or_default();
    (at > 0.0).then(|| millis(at))
}

/// How far the space's time runs ahead.
pub(crate) fn ahead_ms(sql: &Sql) -> u64 {
    number(sql, "aheadMs").unwrap_or_default() as u64
}

/// Keeps how far the space's time runs ahead, for the object's next lives.
pub(crate) fn keep_ahead_ms(sql: &Sql, ms: u64) {
    keep(sql, "aheadMs", ms as f64);
}

/// The answer to [`Hook::Space`].
pub(crate) fn space(sql: &Sql, sockets: u32) -> Result<Response, JsValue> {
    let (constructed, resets) = (number(sql, "constructed")?, number(sql, "resets")?);
    let alarm_at = alarm(sql).map(|at| at.0);
    let ahead_ms = ahead_ms(sql);
    let body = serde_json::json!({
        "constructed": constructed,
        "resets": resets,
        "sockets": sockets,
        "alarmAt": alarm_at,
        "aheadMs": ahead_ms,
    });
    reply::json(200, &body.to_string())
}

/// The answer to [`Hook::Rows`].
pub(crate) fn rows(sql: &Sql) -> Result<Response, JsValue> {
    let (rows, alarms) = (number(sql, "rows")?, number(sql, "alarms")?);
    reply::json(200, &format!(r#"{{"rows":{rows},"alarms":{alarms}}}"#))
}

/// The answer to [`Hook::Holds`].
pub(crate) fn holds(sql: &Sql, text: &str) -> Result<Response, JsValue> {
    let tables = "SELECT t.name, group_concat('instr(\"' || c.name || '\", ?1) > 0', ' OR ') \
         FROM pragma_table_list t, pragma_table_info(t.name) c \
         WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '_cf_%' GROUP BY t.name";
    let mut found = 0.0;
    for table in run(sql, tables, &[])?.iter() {
        let table = Array::from(&table);
        let (name, holds) = (table.get(0).as_string(), table.get(1).as_string());
        let (Some(name), Some(holds)) = (name, holds) else {
            continue;
        };
        let query = format!("SELECT count(*) FROM \"{name}\" WHERE {holds}");
        let rows = run(sql, &query, &[text.into()])?;
        found += Array::from(&rows.get(0))
            .get(0)
            .as_f64()
            .unwrap_or_default();
    }
    reply::json(200, &format!(r#"{{"rows":{found}}}"#))
}

/// The answer to a wish that has none of its own.
pub(crate) fn done() -> Result<Response, JsValue> {
    reply::json(200, r#"{"done":true}"#)
}

fn add(sql: &Sql, name: &str, by: f64) {
    write(sql, name, by, "value = value + excluded.value");
}

fn keep(sql: &Sql, name: &str, value: f64) {
    write(sql, name, value, "value = excluded.value");
}

fn write(sql: &Sql, name: &str, value: f64, change: &str) {
    let upsert =
        format!("INSERT INTO test_hooks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET {change}");
    let written =
        make_table(sql).and_then(|()| run(sql, &upsert, &[name.into(), value.into()]).map(drop));
    if written.is_err() {
        worker::console_error!("test hooks can not keep {name}");
    }
}

fn number(sql: &Sql, name: &str) -> Result<f64, JsValue> {
    make_table(sql)?;
    let rows = run(
        sql,
        "SELECT coalesce(max(value), 0) FROM test_hooks WHERE name = ?",
        &[name.into()],
    )?;
    let row = Array::from(&rows.get(0));
    Ok(row.get(0).as_f64().unwrap_or_default())
}

fn make_table(sql: &Sql) -> Result<(), JsValue> {
    let table =
        "CREATE TABLE IF NOT EXISTS test_hooks (name TEXT PRIMARY KEY, value REAL) WITHOUT ROWID";
    run(sql, table, &[]).map(drop)
}

fn run(sql: &Sql, query: &str, bindings: &[JsValue]) -> Result<Array, JsValue> {
    sql.exec(query, &bindings.iter().collect())?
        .raw()?
        .to_array()
}

//! The room's store over a Durable Object's SQLite.
//!
//! Owns reading, writing in one transaction, and when the tables are made: with the first write, so that
//! looking at an empty space costs nothing. It must not know what the rows mean.

use std::cell::Cell;

use js_sys::Array;
use protocol::ids::{Epoch, Seq};
use room_core::storage::{EntityKey, EntityKind, EntityRange, EventKind, LogHead, LogRow, Write};
use room_core::{Storage, StorageError};
use wasm_bindgen::prelude::*;

use crate::host::{ObjectStorage, Sql, message};
use crate::log::Log;
use crate::statements::{SCHEMA, SCHEMA_VERSION, of_writes};

/// The object's SQLite.
pub(crate) struct Sqlite {
    storage: ObjectStorage,
    sql: Sql,
    log: Log,
    tables: Cell<Tables>,
    bytes: Cell<Option<Bytes>>,
    #[cfg(feature = "test-hooks")]
    rows_written: Cell<f64>,
    #[cfg(feature = "test-hooks")]
    committed: Cell<bool>,
}

/// After so many bytes that were written SQLite is asked again how large it is: asking takes a query.
const MEASURE_EVERY_BYTES: u64 = 64 * 1024;

/// How large the database is.
#[derive(Clone, Copy, Debug)]
struct Bytes {
    /// When it was asked last.
    measured: u64,
    /// Texts written since.
    written: u64,
}

/// Whether there are tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tables {
    /// Nobody looked yet.
    Unknown,
    /// Nothing was ever written.
    Missing,
    /// There are, and of our version.
    Present,
}

impl Sqlite {
    pub(crate) fn new(storage: ObjectStorage, log: Log) -> Self {
        let sql = storage.sql();
        Self {
            storage,
            sql,
            log,
            tables: Cell::new(Tables::Unknown),
            bytes: Cell::new(None),
            #[cfg(feature = "test-hooks")]
            rows_written: Cell::new(0.0),
            #[cfg(feature = "test-hooks")]
            committed: Cell::new(false),
        }
    }

    /// Hands the rows written since the last call to the tests' own counter.
    #[cfg(feature = "test-hooks")]
    pub(crate) fn report_rows_written(&self) {
        crate::hooks::count_rows(&self.sql, self.rows_written.take());
    }

    /// Whether anything was committed since the last call.
    #[cfg(feature = "test-hooks")]
    pub(crate) fn take_committed(&self) -> bool {
        self.committed.take()
    }

    fn has_tables(&self) -> Result<bool, StorageError> {
        if self.tables.get() == Tables::Unknown {
            let found = self.rows(
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'",
                &[],
            )?;
            if found.length() == 0 {
                self.tables.set(Tables::Missing);
            } else {
                self.check_version()?;
                self.tables.set(Tables::Present);
            }
        }
        Ok(self.tables.get() == Tables::Present)
    }

    fn check_version(&self) -> Result<(), StorageError> {
        let rows = self.rows("SELECT value FROM meta WHERE name = 'schema'", &[])?;
        let version = column(&rows.get(0), 0).as_f64();
        if version == Some(SCHEMA_VERSION as f64) {
            return Ok(());
        }
        let fields = [
            ("found", version.into()),
            ("expected", SCHEMA_VERSION.into()),
        ];
        self.log.error(
            "the space's tables are of a version that this Worker does not know",
            &fields,
        );
        Err(StorageError::Broken)
    }

    /// Runs a query to its end.
    fn rows(&self, query: &str, bindings: &[JsValue]) -> Result<Array, StorageError> {
        self.exec(query, bindings)
            .map_err(|thrown| self.failed("read", &thrown))
    }

    fn exec(&self, query: &str, bindings: &[JsValue]) -> Result<Array, JsValue> {
        let cursor = self.sql.exec(query, &bindings.iter().collect::<Array>())?;
        // Statements run as far as they are read: to the end, always.
        let rows = cursor.raw()?.to_array()?;
        #[cfg(feature = "test-hooks")]
        self.rows_written
            .set(self.rows_written.get() + cursor.rows_written());
        Ok(rows)
    }

    fn failed(&self, action: &str, thrown: &JsValue) -> StorageError {
        let text = message(thrown);
        self.log.error(
            "storage failed",
            &[("action", action.into()), ("error", text.as_str().into())],
        );
        // The names of SQLite's result codes; the runtime puts them at the end of its texts.
        if text.contains("SQLITE_FULL") || text.contains("SQLITE_TOOBIG") {
            StorageError::Full
        } else {
            StorageError::Broken
        }
    }

    fn unreadable(&self, what: &str) -> StorageError {
        self.log
            .error("a stored row can not be read", &[("what", what.into())]);
        StorageError::Broken
    }

    fn log_row(&self, row: &JsValue) -> Result<LogRow, StorageError> {
        let kind = column(row, 1)
            .as_f64()
            .and_then(|number| EventKind::of_number(number as u8));
        match (
            column(row, 0).as_f64(),
            kind,
            column(row, 2).as_string(),
            column(row, 3).as_string(),
        ) {
            (Some(seq), Some(kind), Some(entity), Some(data)) => Ok(LogRow {
                seq: Seq(seq as u64),
                kind,
                entity,
                data,
            }),
            _ => Err(self.unreadable("log")),
        }
    }
}

impl Storage for Sqlite {
    fn head(&self) -> Result<LogHead, StorageError> {
        if !self.has_tables()? {
            return Ok(LogHead {
                epoch: None,
                seq: Seq::ZERO,
            });
        }
        let rows = self.rows(
            "SELECT (SELECT value FROM meta WHERE name = 'epoch'), (SELECT max(seq) FROM log)",
            &[],
        )?;
        let row = rows.get(0);
        let seq = column(&row, 1)
            .as_f64()
            .map_or(Seq::ZERO, |seq| Seq(seq as u64));
        Ok(LogHead {
            epoch: column(&row, 0).as_string().map(Epoch),
            seq,
        })
    }

    fn log(&self, after: Seq, limit: usize) -> Result<Vec<LogRow>, StorageError> {
        if !self.has_tables()? {
            return Ok(Vec::new());
        }
        let rows = self.rows(
            "SELECT seq, kind, entity, data FROM log WHERE seq > ? ORDER BY seq LIMIT ?",
            &[number(after), count(limit)],
        )?;
        rows.iter().map(|row| self.log_row(&row)).collect()
    }

    fn get(&self, kind: EntityKind, key: &EntityKey) -> Result<Option<String>, StorageError> {
        if !self.has_tables()? {
            return Ok(None);
        }
        let rows = self.rows(
            "SELECT data FROM entities WHERE kind = ? AND key = ?",
            &[JsValue::from_f64(f64::from(kind as u8)), key_value(key)],
        )?;
        if rows.length() == 0 {
            return Ok(None);
        }
        column(&rows.get(0), 0)
            .as_string()
            .map(Some)
            .ok_or_else(|| self.unreadable("entity"))
    }

    fn range(&self, range: &EntityRange) -> Result<Vec<(EntityKey, String)>, StorageError> {
        if !self.has_tables()? {
            return Ok(Vec::new());
        }
        let Part {
            wanted,
            order,
            bindings,
        } = Part::of(range);
        let mut query = format!("SELECT key, data {wanted}");
        let mut all = bindings.clone();
        if range.bytes_max < usize::MAX {
            // `octet_length` knows a text's length without reading it, so only what is given out is read.
            query.push_str(&format!(
                "(SELECT count(*) FROM (SELECT sum(bytes) OVER (ORDER BY key {order} ROWS UNBOUNDED PRECEDING) - bytes AS before \
                 FROM (SELECT key, octet_length(data) AS bytes {wanted}?)) WHERE before < ?)"
            ));
            all.extend(bindings);
            all.extend([count(range.limit), count(range.bytes_max.max(1))]);
        } else {
            query.push('?');
            all.push(count(range.limit));
        }
        let rows = self.rows(&query, &all)?;
        rows.iter()
            .map(|row| {
                key_of(&row)
                    .zip(column(&row, 1).as_string())
                    .ok_or_else(|| self.unreadable("entity"))
            })
            .collect()
    }

    fn first_number(
        &self,
        range: &EntityRange,
        name: &str,
    ) -> Result<Option<(EntityKey, u64)>, StorageError> {
        if !self.has_tables()? {
            return Ok(None);
        }
        let Part {
            wanted, bindings, ..
        } = Part::of(range);
        let query = format!("SELECT key, data ->> ? {wanted}1");
        let mut all = vec![JsValue::from_str(name)];
        all.extend(bindings);
        let rows = self.rows(&query, &all)?;
        if rows.length() == 0 {
            return Ok(None);
        }
        let row = rows.get(0);
        let number = column(&row, 1)
            .as_f64()
            .filter(|number| *number >= 0.0)
            .map(|number| number as u64);
        key_of(&row)
            .zip(number)
            .map(Some)
            .ok_or_else(|| self.unreadable("entity"))
    }

    fn bytes(&self) -> Result<u64, StorageError> {
        let known = self.bytes.get();
        if let Some(known) = known.filter(|known| known.written < MEASURE_EVERY_BYTES) {
            return Ok(known.measured + known.written);
        }
        self.measured_bytes()
    }

    fn measured_bytes(&self) -> Result<u64, StorageError> {
        let measured = self.sql.database_size();
        let measured = measured.map_err(|thrown| self.failed("read", &thrown))? as u64;
        self.bytes.set(Some(Bytes {
            measured,
            written: 0,
        }));
        Ok(measured)
    }

    fn note(&self, name: &str) -> Result<Option<String>, StorageError> {
        if !self.has_tables()? {
            return Ok(None);
        }
        let rows = self.rows(
            "SELECT value FROM meta WHERE name = ?",
            &[JsValue::from_str(name)],
        )?;
        if rows.length() == 0 {
            return Ok(None);
        }
        column(&rows.get(0), 0)
            .as_string()
            .map(Some)
            .ok_or_else(|| self.unreadable("note"))
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        if writes.is_empty() {
            return Ok(());
        }
        let had_tables = self.has_tables()?;
        let statements = of_writes(writes).ok_or(StorageError::Broken)?;
        let mut write = || -> Result<(), JsValue> {
            for sql in SCHEMA.iter().filter(|_| !had_tables) {
                self.exec(sql, &[])?;
            }
            for statement in &statements {
                self.exec(statement.sql, &[JsValue::from_str(&statement.rows)])?;
            }
            Ok(())
        };
        match self.storage.transaction_sync(&mut write) {
            Ok(_) => {
                self.tables.set(Tables::Present);
                let written: usize = statements.iter().map(|it| it.rows.len()).sum();
                self.bytes.set(self.bytes.get().map(|known| Bytes {
                    written: known.written + written as u64,
                    ..known
                }));
                #[cfg(feature = "test-hooks")]
                self.committed.set(true);
                Ok(())
            }
            Err(thrown) => Err(self.failed("write", &thrown)),
        }
    }
}

/// A range as SQL.
struct Part {
    /// From `FROM` to `LIMIT`, without the limit.
    wanted: String,
    /// `ASC` or `DESC`.
    order: &'static str,
    /// The parameters of `wanted`.
    bindings: Vec<JsValue>,
}

impl Part {
    fn of(range: &EntityRange) -> Self {
        let mut wanted = "FROM entities WHERE kind = ?".to_owned();
        let mut bindings = vec![JsValue::from_f64(f64::from(range.kind as u8))];
        if let Some(from) = &range.from {
            wanted.push_str(" AND key >= ?");
            bindings.push(key_value(from));
        }
        if let Some(before) = &range.before {
            wanted.push_str(" AND key < ?");
            bindings.push(key_value(before));
        }
        let order = if range.descending { "DESC" } else { "ASC" };
        wanted.push_str(&format!(" ORDER BY key {order} LIMIT "));
        Self {
            wanted,
            order,
            bindings,
        }
    }
}

/// The key of an entity, in the first column.
fn key_of(row: &JsValue) -> Option<EntityKey> {
    let key = column(row, 0);
    let seq = key
        .as_f64()
        .map(|number| EntityKey::Seq(Seq(number as u64)));
    seq.or_else(|| key.as_string().map(EntityKey::Text))
}

fn column(row: &JsValue, index: u32) -> JsValue {
    row.dyn_ref::<Array>()
        .map_or(JsValue::UNDEFINED, |row| row.get(index))
}

fn number(seq: Seq) -> JsValue {
    JsValue::from_f64(seq.0 as f64)
}

/// A limit. Numbers are bound as floats; one that is no exact integer is refused.
fn count(limit: usize) -> JsValue {
    JsValue::from_f64(f64::from(u32::try_from(limit).unwrap_or(u32::MAX)))
}

fn key_value(key: &EntityKey) -> JsValue {
    match key {
        EntityKey::Seq(seq) => number(*seq),
        EntityKey::Text(text) => JsValue::from_str(text),
    }
}

//! What is written, as SQL: the schema, and one statement per table for a whole list of changes.
//!
//! Owns the tables' shape. It must not know how a statement is run.
//!
//! `log` and `entities` are all there is of a space's contents, and neither has an index beside its key:
//! every row of an index is a billed row. A key is an integer or a text in one column without affinity, so
//! that integers sort by value and before texts. Rows reach SQLite as one JSON parameter through `json_each`,
//! because a statement takes at most 100 parameters.

use std::collections::BTreeMap;

use room_core::storage::{EntityKey, EntityKind, Write};
use serde::Serialize;

/// Version of the tables, kept in `meta`.
pub(crate) const SCHEMA_VERSION: u64 = 1;

/// Makes the tables. Running it again does nothing.
pub(crate) const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, entity TEXT NOT NULL, data TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS entities (kind INTEGER NOT NULL, key NOT NULL, data TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID",
    "INSERT OR IGNORE INTO meta (name, value) VALUES ('schema', 1)",
];

/// Most bytes of one JSON parameter. SQLite takes 2 MB; a row that is larger alone goes alone.
const PARAMETER_BYTES_MAX: usize = 512 * 1024;

const PUT_META: &str = "INSERT INTO meta (name, value) \
     SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
// Not `INSERT OR REPLACE`: a row that is there already is a fault of ours, and must roll everything back.
const APPEND: &str = "INSERT INTO log (seq, kind, entity, data) \
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)";
const PUT: &str = "INSERT INTO entities (kind, key, data) \
     SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true \
     ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data";
const REMOVE: &str =
    "DELETE FROM entities WHERE (kind, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))";
// A scalar subquery: it is computed once, and the log's key finds the rows.
const TRIM: &str = "DELETE FROM log WHERE seq <= (SELECT max(value) FROM json_each(?))";

/// One statement with its one parameter, a JSON array of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) rows: String,
}

/// The statements that make `writes` true. `None` when a row has no JSON form, which no write of ours has.
pub(crate) fn of_writes(writes: &[Write]) -> Option<Vec<Statement>> {
    let mut meta = Rows::new(PUT_META);
    let mut log = Rows::new(APPEND);
    let mut trims = Rows::new(TRIM);
    // The last change of a key wins, so that the order of puts and removes does not matter any more.
    let mut entities: BTreeMap<(EntityKind, &EntityKey), Option<&str>> = BTreeMap::new();
    for write in writes {
        match write {
            Write::Begin(epoch) => meta.push(&("epoch", epoch))?,
            Write::Note(name, text) => meta.push(&(name, text))?,
            Write::TrimLog(seq) => trims.push(seq)?,
            Write::Append(row) => log.push(&(row.seq, row.kind as u8, &row.entity, &row.data))?,
            Write::Put(kind, key, data) => {
                entities.insert((*kind, key), Some(data));
            }
            Write::Remove(kind, key) => {
                entities.insert((*kind, key), None);
            }
        }
    }
    let mut puts = Rows::new(PUT);
    let mut removes = Rows::new(REMOVE);
    for ((kind, key), data) in entities {
        let kind = kind as u8;
        match (key, data) {
            (EntityKey::Seq(seq), Some(data)) => puts.push(&(kind, seq, data))?,
            (EntityKey::Text(text), Some(data)) => puts.push(&(kind, text, data))?,
            (EntityKey::Seq(seq), None) => removes.push(&(kind, seq))?,
            (EntityKey::Text(text), None) => removes.push(&(kind, text))?,
        }
    }
    Some(
        [meta, log, puts, removes, trims]
            .into_iter()
            .flat_map(Rows::statements)
            .collect(),
    )
}

/// Rows of one statement, cut into parameters of bounded size.
struct Rows {
    sql: &'static str,
    full: Vec<String>,
    open: String,
}

impl Rows {
    fn new(sql: &'static str) -> Self {
        Self {
            sql,
            full: Vec::new(),
            open: String::new(),
        }
    }

    fn push(&mut self, row: &impl Serialize) -> Option<()> {
        let row = serde_json::to_string(row).ok()?;
        if !self.open.is_empty() && self.open.len() + row.len() > PARAMETER_BYTES_MAX {
            self.full.push(std::mem::take(&mut self.open));
        }
        self.open.push(if self.open.is_empty() { '[' } else { ',' });
        self.open.push_str(&row);
        Some(())
    }

    fn statements(mut self) -> Vec<Statement> {
        if !self.open.is_empty() {
            self.full.push(self.open);
        }
        self.full
            .into_iter()
            .map(|rows| Statement {
                sql: self.sql,
                rows: rows + "]",
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::{Epoch, Seq};
    use room_core::storage::{EventKind, LogRow};

    fn put(key: EntityKey, data: &str) -> Write {
        Write::Put(EntityKind::Message, key, data.to_owned())
    }

    #[test]
    fn one_statement_a_table_and_the_last_change_of_a_key_wins() {
        let row = LogRow {
            seq: Seq(1),
            kind: EventKind::Message,
            entity: String::new(),
            data: "\"".into(),
        };
        let writes = [
            Write::Begin(Epoch("e".into())),
            Write::Append(row),
            put(EntityKey::Seq(Seq(1)), "{}"),
            put(EntityKey::Text("a".into()), "1"),
            Write::Remove(EntityKind::Message, EntityKey::Text("a".into())),
            Write::Remove(EntityKind::Send, EntityKey::Text("b".into())),
            Write::TrimLog(Seq(9)),
            Write::Note("housekeeping", "17".into()),
            Write::Put(EntityKind::Send, EntityKey::Text("b".into()), "2".into()),
        ];
        let rows: Vec<_> = of_writes(&writes)
            .unwrap()
            .into_iter()
            .map(|s| (s.sql, s.rows))
            .collect();
        assert_eq!(
            rows,
            [
                (
                    PUT_META,
                    r#"[["epoch","e"],["housekeeping","17"]]"#.to_owned()
                ),
                (APPEND, r#"[[1,1,"","\""]]"#.to_owned()),
                (PUT, r#"[[1,1,"{}"],[4,"b","2"]]"#.to_owned()),
                (REMOVE, r#"[[1,"a"]]"#.to_owned()),
                (TRIM, "[9]".to_owned()),
            ]
        );
    }

    #[test]
    fn parameters_stay_below_what_sqlite_takes() {
        let data = "\"".repeat(100_000);
        let writes: Vec<_> = (0..50)
            .map(|seq| put(EntityKey::Seq(Seq(seq)), &data))
            .collect();
        let statements = of_writes(&writes).unwrap();
        assert!(statements.len() > 10);
        for statement in &statements {
            assert!(statement.rows.len() <= PARAMETER_BYTES_MAX + 2);
            assert!(serde_json::from_str::<Vec<(u8, u64, String)>>(&statement.rows).is_ok());
        }
        assert_eq!(of_writes(&[]).unwrap(), []);
    }
}

//! The logs: one JSON line per event worth it.
//!
//! Owns their form and their places. Never a token, a key, a text, the name of a space or of a user: an
//! object is named by its own id, a peer not at all.

use serde_json::{Map, Value};
use worker::{console_error, console_log};

use crate::variables::Level;

/// Writes logs of one place, up to one level.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    level: Level,
    /// The object's id; absent in the Worker itself.
    object: Option<String>,
}

impl Log {
    /// The log of the Worker, or of an object.
    pub(crate) fn new(level: Level, object: Option<String>) -> Self {
        Self { level, object }
    }

    /// Something failed.
    pub(crate) fn error(&self, event: &str, fields: &[(&str, Value)]) {
        console_error!("{}", self.line("error", event, fields));
    }

    /// Something that an owner wants to see.
    pub(crate) fn info(&self, event: &str, fields: &[(&str, Value)]) {
        if self.level >= Level::Info {
            console_log!("{}", self.line("info", event, fields));
        }
    }

    /// Something that helps to find a fault.
    pub(crate) fn debug(&self, event: &str, fields: &[(&str, Value)]) {
        if self.level >= Level::Debug {
            console_log!("{}", self.line("debug", event, fields));
        }
    }

    fn line(&self, level: &str, event: &str, fields: &[(&str, Value)]) -> String {
        let mut line = Map::new();
        line.insert("level".to_owned(), level.into());
        line.insert("event".to_owned(), event.into());
        if let Some(object) = &self.object {
            line.insert("object".to_owned(), object.as_str().into());
        }
        line.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        Value::Object(line).to_string()
    }
}

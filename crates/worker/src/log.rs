//! The logs: one JSON line per event worth it.
//!
//! Never a token, a key, a text, the name of a space or of a user: an object is named by its own id, a peer not at all.
//!
//! Most lines are caused by peers, and a peer may cause as many as it likes. So a line is written once, and while it
//! goes on coming it is counted: it is written again with `times` at the tenth, hundredth, thousandth time.

use std::cell::RefCell;
use std::collections::BTreeMap;

use protocol::time::UnixMillis;
use serde_json::{Map, Value};
use worker::{console_error, console_log};

use crate::host::now;
use crate::variables::Level;

/// How long after it first came a line is written anew, in milliseconds.
const FRESH_AFTER_MS: u64 = 60_000;
/// Most lines that are counted at a time.
const LINES_MAX: usize = 256;

thread_local! {
    static REPEATS: RefCell<Repeats> = RefCell::default();
}

/// Lines that were written lately, and how often each came.
#[derive(Debug, Default)]
struct Repeats(BTreeMap<String, (UnixMillis, u64)>);

impl Repeats {
    /// Counts the line. `Some` is how often it came, where it is to be written.
    fn count(&mut self, line: &str, now: UnixMillis) -> Option<u64> {
        if let Some((first, times)) = self.0.get_mut(line)
            && first.ms_since(now) == 0
            && now.ms_since(*first) < FRESH_AFTER_MS
        {
            *times += 1;
            return is_power_of_ten(*times).then_some(*times);
        }
        if self.0.len() >= LINES_MAX {
            self.0.clear();
        }
        self.0.insert(line.to_owned(), (now, 1));
        Some(1)
    }
}

fn is_power_of_ten(mut number: u64) -> bool {
    while number > 1 && number.is_multiple_of(10) {
        number /= 10;
    }
    number == 1
}

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
        if let Some(line) = self.counted("error", event, fields) {
            console_error!("{line}");
        }
    }

    /// Something that an owner wants to see.
    pub(crate) fn info(&self, event: &str, fields: &[(&str, Value)]) {
        if self.level >= Level::Info
            && let Some(line) = self.counted("info", event, fields)
        {
            console_log!("{line}");
        }
    }

    /// Something that helps to find a fault. Each is written.
    pub(crate) fn debug(&self, event: &str, fields: &[(&str, Value)]) {
        if self.level >= Level::Debug {
            console_log!("{}", self.line("debug", event, fields));
        }
    }

    /// The line, if it is to be written.
    fn counted(&self, level: &str, event: &str, fields: &[(&str, Value)]) -> Option<String> {
        let line = self.line(level, event, fields);
        let times = REPEATS.with_borrow_mut(|repeats| repeats.count(&line, now()))?;
        if times == 1 {
            return Some(line);
        }
        let times = [("times", Value::from(times))];
        Some(self.line(level, event, &[fields, &times].concat()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_that_goes_on_coming_is_written_at_powers_of_ten() {
        let mut repeats = Repeats::default();
        let now = UnixMillis(1_000_000);
        let written: Vec<u64> = (0..1_234).filter_map(|_| repeats.count("a", now)).collect();
        assert_eq!(written, [1, 10, 100, 1_000]);
        assert_eq!(repeats.count("b", now), Some(1), "another line");
        let later = now.plus_ms(FRESH_AFTER_MS);
        assert_eq!(repeats.count("a", later), Some(1), "a minute later");
        assert_eq!(repeats.count("a", now), Some(1), "the clock stepped back");
    }

    #[test]
    fn counted_lines_are_bounded() {
        let mut repeats = Repeats::default();
        for n in 0..LINES_MAX * 3 {
            repeats.count(&n.to_string(), UnixMillis(1));
        }
        assert!(repeats.0.len() <= LINES_MAX);
    }
}

//! What must hold, and what a run counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::person::{Outcome, Person};

/// What a run did and found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Messages that apps sent.
    pub sent: usize,
    /// Messages that were promised or confirmed to their senders.
    pub promised: usize,
    /// Messages in the store.
    pub stored: usize,
    /// Messages on all screens together.
    pub shown: usize,
    /// Connections that died, evictions, restarts, lost answers and refused commits.
    pub faults: u64,
    /// Times that an app had to load its history anew.
    pub discontinuities: u64,
    /// Frames that the room sent.
    pub frames: u64,
    /// Things that happened.
    pub steps: u64,
}

impl Report {
    /// Adds another run's numbers.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.promised += other.promised;
        self.stored += other.stored;
        self.shown += other.shown;
        self.faults += other.faults;
        self.discontinuities += other.discontinuities;
        self.frames += other.frames;
        self.steps += other.steps;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            promised,
            stored,
            shown,
            faults,
            discontinuities,
            frames,
            steps,
        } = self;
        write!(
            f,
            "sent {sent}, promised {promised}, stored {stored}, shown {shown}, faults {faults}, \
             discontinuities {discontinuities}, frames {frames}, steps {steps}"
        )
    }
}

/// Checks, once all is quiet, that every screen shows the store's newest messages without a hole, and that
/// everything promised is stored once.
///
/// # Errors
/// Says what is lost or doubled.
pub fn all_is_well(people: &[Person], stored: &[(u64, String)]) -> Result<(), String> {
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, text) in stored {
        *copies.entry(text).or_default() += 1;
    }
    if let Some((text, count)) = copies.iter().find(|(_, count)| **count > 1) {
        return Err(format!("'{text}' is stored {count} times"));
    }
    let mut known = BTreeSet::new();
    for person in people {
        for sent in &person.sent {
            known.insert(sent.text.as_str());
            if sent.outcome != Outcome::Doubtful && !copies.contains_key(sent.text.as_str()) {
                return Err(format!(
                    "'{}' was {:?} and is not stored",
                    sent.text, sent.outcome
                ));
            }
        }
        let newest: Vec<u64> = stored.iter().map(|(seq, _)| *seq).collect();
        let expected = newest
            .get(newest.len().saturating_sub(person.shown.len())..)
            .unwrap_or_default();
        if !person.is_loaded()
            || person.shown != expected
            || (person.shown.is_empty() && !newest.is_empty())
        {
            let wrong = person
                .shown
                .iter()
                .zip(expected)
                .find(|(shown, expected)| shown != expected);
            let (count, first, last) = (person.shown.len(), person.shown.first(), newest.last());
            return Err(format!(
                "{}'s screen (loaded: {}, online: {}) has {count} messages from {first:?} that are not the newest \
                 up to {last:?}; first difference (shown, expected): {wrong:?}",
                person.name,
                person.is_loaded(),
                person.client.is_connected(),
            ));
        }
    }
    match copies.keys().find(|text| !known.contains(*text)) {
        Some(text) => Err(format!("'{text}' was never sent")),
        None => Ok(()),
    }
}

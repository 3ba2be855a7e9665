//! Guests: senders whom no token has proven, as messages name them.
//!
//! A token that names nobody may say any name, so guests are few and soon forgotten: the [`GUESTS_MAX`] that spoke last, for
//! [`GUEST_MS`]. They stand apart from the participants that tokens have proven and from the log: whoever says a thousand
//! names displaces guests and nobody else, and makes nothing grow.

use std::collections::BTreeMap;

use protocol::limits::{GUEST_MS, GUESTS_MAX};
use protocol::model::Participant;
use protocol::time::UnixMillis;
use protocol::token::Role;
use serde::{Deserialize, Serialize};

use crate::storage::{EntityKey, EntityKind, EntityRange, Storage, StorageError};
use crate::stored::from_json;

/// A guest who speaks again is written down again after this time, in milliseconds.
const SEEN_EVERY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A guest as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Guest {
    role: Role,
    joined_at: UnixMillis,
    /// When they last spoke, give or take [`SEEN_EVERY_MS`].
    seen_at: UnixMillis,
}

/// The guests that are stored, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Guests(BTreeMap<String, Guest>);

/// What is to be written after a guest spoke.
pub(crate) struct Greeting {
    /// The guest as it is to be stored.
    pub(crate) guest: Guest,
    /// Guests that are forgotten.
    pub(crate) forgotten: Vec<String>,
}

impl Guests {
    pub(crate) fn read(storage: &dyn Storage) -> Result<Self, StorageError> {
        let range = EntityRange {
            kind: EntityKind::Guest,
            from: None,
            before: None,
            descending: false,
            limit: 2 * GUESTS_MAX,
            bytes_max: usize::MAX,
        };
        let entry = |(key, json): (EntityKey, String)| match key {
            EntityKey::Text(id) => Ok((id, from_json(&json)?)),
            EntityKey::Seq(_) => Err(StorageError::Broken),
        };
        let found = storage.range(&range)?.into_iter().map(entry);
        found.collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether the guest was written down of late.
    pub(crate) fn is_known(&self, id: &str, now: UnixMillis) -> bool {
        let known = self.0.get(id);
        known.is_some_and(|guest| now.ms_since(guest.seen_at) < SEEN_EVERY_MS)
    }

    /// Takes note that a guest speaks.
    pub(crate) fn greet(&mut self, id: &str, role: Role, now: UnixMillis) -> Greeting {
        let known = self.0.get(id).filter(|guest| !guest.is_over(now));
        let guest = Guest {
            role,
            joined_at: known.map_or(now, |guest| guest.joined_at),
            seen_at: now,
        };
        self.0.insert(id.to_owned(), guest.clone());
        let over = self.0.iter().filter(|(_, guest)| guest.is_over(now));
        let mut forgotten: Vec<String> = over.map(|(id, _)| id.clone()).collect();
        let places = self.0.len() - forgotten.len();
        if places > GUESTS_MAX {
            let mut others: Vec<(&String, &Guest)> = self
                .0
                .iter()
                .filter(|(other, it)| *other != id && !it.is_over(now))
                .collect();
            others.sort_by_key(|(_, guest)| guest.seen_at);
            let oldest = others.into_iter().take(places - GUESTS_MAX);
            forgotten.extend(oldest.map(|(id, _)| id.clone()));
        }
        for id in &forgotten {
            self.0.remove(id);
        }
        Greeting { guest, forgotten }
    }

    /// Forgets a guest: a token has proven the name. Returns whether there was one.
    pub(crate) fn forget(&mut self, id: &str) -> bool {
        self.0.remove(id).is_some()
    }

    /// The guests that are listed.
    pub(crate) fn list(&self, now: UnixMillis) -> Vec<Participant> {
        let listed = self.0.iter().filter(|(_, guest)| !guest.is_over(now));
        listed
            .map(|(id, guest)| Participant {
                user_id: id.clone(),
                role: guest.role,
                joined_at: guest.joined_at,
                verified: false,
            })
            .collect()
    }
}

impl Guest {
    fn is_over(&self, now: UnixMillis) -> bool {
        now.ms_since(self.seen_at) >= GUEST_MS
    }
}

/// Whether somebody counts as a participant. Before guests had a list of their own, names that nobody had proven were written
/// down among the participants, as agents: without a bound, and for ever.
pub(crate) fn is_known(participant: &Participant) -> bool {
    participant.verified || participant.role != Role::Agent
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

    fn greet(guests: &mut Guests, id: &str, ms: u64) -> Option<Vec<String>> {
        let now = UnixMillis(ms);
        (!guests.is_known(id, now)).then(|| guests.greet(id, Role::Customer, now).forgotten)
    }

    fn ids(guests: &Guests, ms: u64) -> Vec<String> {
        let listed = guests.list(UnixMillis(ms)).into_iter();
        listed.map(|guest| guest.user_id).collect()
    }

    #[test]
    fn guest_is_written_once_a_day_and_forgotten_after_a_week() {
        let mut guests = Guests::default();
        assert_eq!(greet(&mut guests, "ada", 1_000), Some(vec![]));
        assert_eq!(greet(&mut guests, "ada", 2_000), None);
        assert_eq!(greet(&mut guests, "ada", DAY_MS + 1_000), Some(vec![]));
        assert_eq!(
            guests.list(UnixMillis(DAY_MS))[0].joined_at,
            UnixMillis(1_000)
        );
        assert_eq!(ids(&guests, 8 * DAY_MS), ["ada"]);
        assert_eq!(ids(&guests, 8 * DAY_MS + 1_000), [""; 0]);
        let later = 9 * DAY_MS;
        assert_eq!(greet(&mut guests, "bob", later), Some(vec!["ada".into()]));
        assert_eq!(ids(&guests, later), ["bob"]);
        assert!(guests.forget("bob") && !guests.forget("bob"));
    }

    #[test]
    fn who_spoke_longest_ago_makes_place() {
        let mut guests = Guests::default();
        for n in 0..GUESTS_MAX {
            assert_eq!(
                greet(&mut guests, &format!("g{n}"), 1_000 + n as u64),
                Some(vec![])
            );
        }
        assert_eq!(greet(&mut guests, "new", 9_000), Some(vec!["g0".into()]));
        assert_eq!(ids(&guests, 9_000).len(), GUESTS_MAX);
    }
}

//! Who is here, as the server tells it. Must not know why somebody came or went.

use litemap::LiteMap;
use protocol::json::Json;
use protocol::limits::{CONNECTIONS_PER_SPACE_MAX, NAME_BYTES_MAX};
use protocol::wire::{Key, Word};

/// Most people who are known to be here: as many as a space has places.
const HERE_MAX: usize = CONNECTIONS_PER_SPACE_MAX;

/// The people who are connected, by id.
#[derive(Clone, Debug)]
pub(crate) struct Presence<J> {
    here: LiteMap<String, J>,
    /// Whether there is news that the app was not told.
    is_news: bool,
}

impl<J: Json> Presence<J> {
    pub(crate) fn new() -> Self {
        Self {
            here: LiteMap::new_vec(),
            is_news: false,
        }
    }

    /// Takes a change, of [`HERE_MAX`] people at most.
    pub(crate) fn change(&mut self, status: Word, users: &J) {
        if status == Word::Here {
            self.here.clear();
        }
        for index in 0..users.items().unwrap_or(0).min(HERE_MAX) {
            let Some(user) = users.item(index) else {
                continue;
            };
            let Some(id) = name_of(&user, Key::UserId).and_then(|id| id.string()) else {
                continue;
            };
            if status == Word::Left {
                self.here.remove(&id);
            } else if self.here.len() < HERE_MAX || self.here.contains_key(&id) {
                self.here.insert(id, known_of(&user));
            }
        }
        self.is_news = true;
    }

    /// Everybody who is here, if that is news: once for all changes of a frame.
    pub(crate) fn take_news(&mut self) -> Option<Vec<J>> {
        std::mem::take(&mut self.is_news).then(|| self.here.values().cloned().collect())
    }

    /// Forgets everybody; tells whether there was anybody.
    pub(crate) fn clear(&mut self) -> bool {
        let any = !self.here.is_empty();
        self.here.clear();
        self.is_news = false;
        any
    }
}

/// A name or id of somebody, if it is one: a list of longer ones would have no bound in bytes.
fn name_of<J: Json>(user: &J, key: Key) -> Option<J> {
    let name = user.get(key)?;
    let bytes = name.string_bytes()?;
    (bytes <= NAME_BYTES_MAX).then_some(name)
}

/// What is kept of somebody who is here.
fn known_of<J: Json>(user: &J) -> J {
    let known = [Key::UserId, Key::Name, Key::Role].map(|key| Some((key, name_of(user, key)?)));
    let known: Vec<_> = known.into_iter().flatten().collect();
    J::object(&known)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn people_come_and_go() {
        let mut presence = Presence::new();
        let mut check = |status: Word, users: Value, expected: &[&str]| {
            presence.change(status, &users);
            let here = presence.take_news().unwrap();
            let ids: Vec<&str> = here
                .iter()
                .filter_map(|user| user["userId"].as_str())
                .collect();
            assert_eq!(ids, expected);
        };
        check(
            Word::Here,
            json!([{"userId": "bo"}, {"userId": "ada"}]),
            &["ada", "bo"],
        );
        check(
            Word::Joined,
            json!([{"userId": "cy"}, {"nonsense": 1}, 5]),
            &["ada", "bo", "cy"],
        );
        check(
            Word::Left,
            json!([{"userId": "bo"}, {"userId": "nobody"}]),
            &["ada", "cy"],
        );
        check(Word::Here, json!([{"userId": "dee"}]), &["dee"]);
        check(Word::Left, json!("nonsense"), &["dee"]);
        assert!(presence.clear());
        assert!(!presence.clear());
    }
}

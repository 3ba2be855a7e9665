//! Who is here, as the server tells it. Must not know why somebody came or went.

use litemap::LiteMap;
use protocol::json::Json;
use protocol::wire::{Key, Word};

/// The people who are connected, by id.
#[derive(Clone, Debug)]
pub(crate) struct Presence<J>(LiteMap<String, J>);

impl<J: Json> Presence<J> {
    pub(crate) fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    /// Takes a change; gives everybody who is here afterwards.
    pub(crate) fn change(&mut self, status: Word, users: &J) -> Vec<J> {
        if status == Word::Here {
            self.0.clear();
        }
        for index in 0..users.items().unwrap_or(0) {
            let Some(user) = users.item(index) else {
                continue;
            };
            let Some(id) = user.get(Key::UserId).and_then(|id| id.string()) else {
                continue;
            };
            if status == Word::Left {
                self.0.remove(&id);
            } else {
                self.0.insert(id, user);
            }
        }
        self.0.values().cloned().collect()
    }

    /// Forgets everybody; tells whether there was anybody.
    pub(crate) fn clear(&mut self) -> bool {
        let any = !self.0.is_empty();
        self.0.clear();
        any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn people_come_and_go() {
        let mut presence = Presence::new();
        let mut check = |status: Word, users: Value, expected: &[&str]| {
            let here = presence.change(status, &users);
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

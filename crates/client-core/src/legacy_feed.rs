//! What was told of a space whose messages have no place in a log: by id, and numbered here.
//!
//! A worker of the TypeScript SDK gives messages an id and a time, and several may share one time. Each message that
//! the app learns of gets the next number, so that [`crate::timeline`] can account for it as it does for places.
//!
//! Owns which messages are news. Must not know how pages are fetched.

use protocol::ids::Seq;

/// How many messages are known by id. What is older than the oldest of them is never news.
const KNOWN_MAX: usize = 2_000;

#[derive(Clone, Debug)]
struct Known {
    id: String,
    created_at: u64,
    number: Seq,
}

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    /// In the order of their numbers.
    known: Vec<Known>,
    last: Seq,
    /// What was created up to here is no news, unless it is known.
    floor: u64,
    /// Up to where every message is known; `None` before the first page.
    complete_to: Option<u64>,
}

impl Feed {
    /// Up to where every message is known; `None` before the first page.
    pub(crate) fn complete_to(&self) -> Option<u64> {
        self.complete_to
    }

    /// Every message up to the time `at` is known.
    pub(crate) fn complete(&mut self, at: u64) {
        self.complete_to = self.complete_to.max(Some(at));
    }

    /// Starts anew: nothing that was created up to `floor` is news.
    pub(crate) fn start(&mut self, floor: u64) {
        *self = Self {
            known: Vec::new(),
            last: self.last,
            floor,
            complete_to: Some(floor),
        };
    }

    /// From now on nothing that was created up to `at` is news.
    pub(crate) fn raise_floor(&mut self, at: u64) {
        self.floor = self.floor.max(at);
    }

    /// The number of the newest message.
    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    /// The number of a message that is known.
    pub(crate) fn number(&self, id: &str) -> Option<Seq> {
        let known = self.known.iter().rev().find(|known| known.id == id);
        known.map(|known| known.number)
    }

    /// Gives a message that is news its number; `None` for one that is not.
    pub(crate) fn add(&mut self, id: &str, created_at: u64) -> Option<Seq> {
        if created_at <= self.floor || self.number(id).is_some() {
            return None;
        }
        if self.known.len() >= KNOWN_MAX {
            let oldest = self.known.remove(0);
            self.raise_floor(oldest.created_at);
        }
        self.last = self.last.next();
        self.known.push(Known {
            id: id.to_owned(),
            created_at,
            number: self.last,
        });
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_news_once_and_old_ones_never_are() {
        let mut feed = Feed::default();
        assert_eq!(feed.complete_to(), None);
        feed.start(10);
        assert_eq!(feed.add("old", 10), None);
        assert_eq!(feed.add("a", 11), Some(Seq(1)));
        assert_eq!(feed.add("b", 11), Some(Seq(2)), "of the same time");
        assert_eq!(feed.add("a", 11), None);
        assert_eq!(feed.number("b"), Some(Seq(2)));
        feed.complete(11);
        feed.complete(9);
        assert_eq!(feed.complete_to(), Some(11));
    }

    #[test]
    fn what_is_known_is_bounded_and_forgotten_ids_are_no_news() {
        let mut feed = Feed::default();
        feed.start(0);
        let count = KNOWN_MAX as u64 + 5;
        for at in 1..=count {
            assert_eq!(feed.add(&format!("m{at}"), at), Some(Seq(at)));
        }
        assert_eq!(feed.known.len(), KNOWN_MAX);
        assert_eq!((feed.number("m5"), feed.add("m5", 5)), (None, None));
        assert_eq!(feed.add("late", 6), Some(Seq(count + 1)), "never told");
    }

    #[test]
    fn numbers_go_on_after_a_fresh_start() {
        let mut feed = Feed::default();
        feed.start(0);
        feed.add("a", 1);
        feed.start(1);
        assert_eq!((feed.add("a", 1), feed.add("b", 2)), (None, Some(Seq(2))));
    }
}

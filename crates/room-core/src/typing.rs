//! Who said that they type and has not stopped.
//!
//! Kept so that everybody hears that a typist stopped: when their message comes, when their socket closes on them, and where
//! they said so over HTTP, after the time for which clients of ours show it. In memory only: clients show a typing sign for
//! seconds. Those of the first version show it until they hear otherwise. So a room that was opened among them takes everybody
//! whom it has not heard of for somebody who may have said so before.

use std::collections::{BTreeMap, BTreeSet};

use protocol::limits::TYPING_SHOWN_MS;
use protocol::time::UnixMillis;

use crate::io::PeerId;

/// Names that one peer may be remembered to type as. Only a token that names nobody can use more than one.
const NAMES_PER_PEER_MAX: usize = 16;
/// The same for everybody who says so over HTTP together.
const NAMES_BY_HTTP_MAX: usize = 100;
/// Of so many users a room that was opened among peers says that they type no more, though it does not know that they did.
const NAMES_DOUBTED_MAX: usize = 1_000;

#[derive(Default)]
pub(crate) struct Typists {
    names: BTreeMap<PeerId, BTreeSet<String>>,
    /// How many peers type as each name.
    peers: BTreeMap<String, usize>,
    /// Who said so over HTTP, and until when it is shown.
    by_http: BTreeMap<String, UnixMillis>,
    /// Who was heard of since the room was opened; `None` where nobody was there who may have typed before.
    heard: Option<BTreeSet<String>>,
}

impl Typists {
    /// For a room that is opened while peers are here.
    pub(crate) fn doubt_everybody(&mut self) {
        self.heard = Some(BTreeSet::new());
    }

    /// Whether nothing is known of this user's typing before now. From now on it is.
    fn was_doubted(&mut self, user_id: &str) -> bool {
        let Some(heard) = &mut self.heard else {
            return false;
        };
        heard.len() < NAMES_DOUBTED_MAX && heard.insert(user_id.to_owned())
    }

    /// Whether others are to hear of it: not that somebody stopped who types on another connection.
    pub(crate) fn note(&mut self, peer: PeerId, user_id: &str, is_typing: bool) -> bool {
        self.was_doubted(user_id);
        let names = self.names.entry(peer).or_default();
        if !is_typing {
            if names.remove(user_id) {
                self.stopped(user_id);
            }
            if self.names.get(&peer).is_some_and(BTreeSet::is_empty) {
                self.names.remove(&peer);
            }
        } else if names.len() < NAMES_PER_PEER_MAX && names.insert(user_id.to_owned()) {
            *self.peers.entry(user_id.to_owned()).or_default() += 1;
        }
        is_typing || !self.peers.contains_key(user_id)
    }

    /// The same for somebody who has no socket to say it on: nobody else says that they stopped.
    pub(crate) fn note_by_http(&mut self, user_id: &str, is_typing: bool, now: UnixMillis) {
        if !is_typing {
            self.by_http.remove(user_id);
        } else if self.by_http.len() < NAMES_BY_HTTP_MAX || self.by_http.contains_key(user_id) {
            let until = now.plus_ms(TYPING_SHOWN_MS);
            self.by_http.insert(user_id.to_owned(), until);
        }
    }

    /// What somebody typed has come. Returns whether they were said to type, or may have been.
    pub(crate) fn end(&mut self, user_id: &str) -> bool {
        let may_have = self.was_doubted(user_id);
        let by_http = self.by_http.remove(user_id).is_some();
        let by_socket = self.peers.remove(user_id).is_some();
        if by_socket {
            self.names.retain(|_, names| {
                names.remove(user_id);
                !names.is_empty()
            });
        }
        by_http || by_socket || may_have
    }

    /// Takes those who said so over HTTP for whom the time is over.
    pub(crate) fn take_expired(&mut self, now: UnixMillis) -> Vec<String> {
        let latest = now.plus_ms(TYPING_SHOWN_MS);
        // After a backward step of the clock they would be shown for long.
        let is_over = |_: &String, until: &mut UnixMillis| *until <= now || *until > latest;
        let expired = self.by_http.extract_if(.., is_over);
        expired.map(|(name, _)| name).collect()
    }

    /// When [`Self::take_expired`] has something to take.
    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        self.by_http.values().copied().min()
    }

    /// The peer of this user is gone: the names that nobody types as any more.
    pub(crate) fn leave(&mut self, peer: PeerId, user_id: Option<&str>) -> Vec<String> {
        let mut names = self.names.remove(&peer).unwrap_or_default();
        names.retain(|name| self.stopped(name));
        let doubted = user_id.filter(|user_id| self.was_doubted(user_id));
        names.extend(doubted.map(str::to_owned));
        names.into_iter().collect()
    }

    /// Whether that was the last peer that typed as `name`.
    fn stopped(&mut self, name: &str) -> bool {
        let Some(count) = self.peers.get_mut(name) else {
            return true;
        };
        *count = count.saturating_sub(1);
        let last = *count == 0;
        if last {
            self.peers.remove(name);
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stops_with_its_last_typing_peer() {
        let mut typists = Typists::default();
        for peer in [1, 2, 3] {
            typists.note(PeerId(peer), "ada", true);
            typists.note(PeerId(peer), "ada", true);
        }
        assert!(
            !typists.note(PeerId(3), "ada", false),
            "she types elsewhere"
        );
        assert_eq!(typists.leave(PeerId(3), None), Vec::<String>::new());
        assert_eq!(typists.leave(PeerId(1), None), Vec::<String>::new());
        assert_eq!(typists.leave(PeerId(2), None), ["ada"]);
        assert!(typists.names.is_empty() && typists.peers.is_empty());
    }

    #[test]
    fn names_are_bounded() {
        let mut typists = Typists::default();
        for name in 0..100 {
            typists.note(PeerId(1), &name.to_string(), true);
        }
        assert_eq!(typists.leave(PeerId(1), None).len(), NAMES_PER_PEER_MAX);
        for name in 0..200 {
            typists.note_by_http(&name.to_string(), true, UnixMillis(1));
        }
        let all = typists.take_expired(UnixMillis(1 + TYPING_SHOWN_MS));
        assert_eq!(all.len(), NAMES_BY_HTTP_MAX);
    }

    #[test]
    fn a_message_ends_the_typing_of_all_its_sender_s_peers() {
        let mut typists = Typists::default();
        for peer in [1, 2] {
            typists.note(PeerId(peer), "ada", true);
        }
        typists.note(PeerId(2), "bo", true);
        assert!(typists.end("ada"));
        assert!(!typists.end("ada"));
        assert_eq!(typists.leave(PeerId(1), None), Vec::<String>::new());
        assert_eq!(typists.leave(PeerId(2), None), ["bo"]);
        assert!(typists.names.is_empty() && typists.peers.is_empty());
    }

    #[test]
    fn who_may_have_typed_before_the_room_was_opened_stops_once() {
        let mut typists = Typists::default();
        typists.doubt_everybody();
        assert!(typists.end("ada") && !typists.end("ada"));
        assert_eq!(typists.leave(PeerId(1), Some("bo")), ["bo"]);
        assert_eq!(typists.leave(PeerId(2), Some("bo")), Vec::<String>::new());
        typists.note(PeerId(3), "cy", false);
        assert!(!typists.end("cy"), "said so since");
        for name in 0..2 * NAMES_DOUBTED_MAX {
            typists.end(&name.to_string());
        }
        let heard = typists.heard.map(|heard| heard.len());
        assert_eq!(heard, Some(NAMES_DOUBTED_MAX));
    }

    #[test]
    fn typing_over_http_ends_by_itself_unless_it_is_said_again() {
        let mut typists = Typists::default();
        typists.note_by_http("ada", true, UnixMillis(1_000));
        typists.note_by_http("ada", true, UnixMillis(3_000));
        typists.note_by_http("bo", true, UnixMillis(3_000));
        typists.note_by_http("bo", false, UnixMillis(3_100));
        assert_eq!(typists.deadline(), Some(UnixMillis(9_000)));
        assert!(typists.take_expired(UnixMillis(8_999)).is_empty());
        assert_eq!(typists.take_expired(UnixMillis(9_000)), ["ada"]);
        assert_eq!(typists.deadline(), None);
        typists.note_by_http("ada", true, UnixMillis(9_000));
        assert_eq!(
            typists.take_expired(UnixMillis(10)),
            ["ada"],
            "the clock stepped back"
        );
    }
}

//! Who said that they type and has not stopped, by peer.
//!
//! Kept so that everybody hears that a typist stopped when the socket closes on them. In memory only: clients
//! show a typing sign for seconds.

use std::collections::{BTreeMap, BTreeSet};

use crate::io::PeerId;

/// Names that one peer may be remembered to type as. Only a token that names nobody can use more than one.
const NAMES_PER_PEER_MAX: usize = 16;

#[derive(Default)]
pub(crate) struct Typists {
    names: BTreeMap<PeerId, BTreeSet<String>>,
    /// How many peers type as each name.
    peers: BTreeMap<String, usize>,
}

impl Typists {
    pub(crate) fn note(&mut self, peer: PeerId, user_id: &str, is_typing: bool) {
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
    }

    /// The peer is gone: the names that nobody types as any more.
    pub(crate) fn leave(&mut self, peer: PeerId) -> Vec<String> {
        let names = self.names.remove(&peer).unwrap_or_default();
        names
            .into_iter()
            .filter(|name| self.stopped(name))
            .collect()
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
        typists.note(PeerId(3), "ada", false);
        assert_eq!(typists.leave(PeerId(3)), Vec::<String>::new());
        assert_eq!(typists.leave(PeerId(1)), Vec::<String>::new());
        assert_eq!(typists.leave(PeerId(2)), ["ada"]);
        assert!(typists.names.is_empty() && typists.peers.is_empty());
    }

    #[test]
    fn names_are_bounded() {
        let mut typists = Typists::default();
        for name in 0..100 {
            typists.note(PeerId(1), &name.to_string(), true);
        }
        assert_eq!(typists.leave(PeerId(1)).len(), NAMES_PER_PEER_MAX);
    }
}

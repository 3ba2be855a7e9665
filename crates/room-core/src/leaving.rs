//! Connections that the room has closed and whose other end has not answered yet.
//!
//! The runtime keeps the socket of each until then, and a client that means harm never answers. Owns how many there may be: each
//! counts for whoever it was of, so that closing makes no place for more. Must not know why they were closed.

use std::collections::BTreeMap;

use protocol::limits::{
    CONNECTIONS_ANONYMOUS_MAX, CONNECTIONS_PER_SPACE_MAX, LEAVING_PER_CONNECTION,
};
use protocol::principal::Principal;

use crate::io::{Leave, PeerId};
use crate::peers::connections_max;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Leaving {
    peers: BTreeMap<PeerId, Owner>,
    /// How many there are by each user, and by each token that names nobody.
    counts: BTreeMap<String, usize>,
    /// Those of tokens that name nobody, without the gateway key.
    anonymous: usize,
}

struct Owner {
    bucket: String,
    is_known: bool,
    leave: Leave,
}

impl Leaving {
    /// A peer's connection was closed.
    pub(crate) fn close(&mut self, peer: PeerId, principal: &Principal, leave: Leave) {
        let owner = Owner {
            bucket: principal.bucket.clone(),
            is_known: principal.is_known(),
            leave,
        };
        self.end(peer);
        self.anonymous += usize::from(!owner.is_known);
        *self.counts.entry(owner.bucket.clone()).or_default() += 1;
        self.peers.insert(peer, owner);
    }

    /// The other end of a connection has answered, or is gone.
    pub(crate) fn end(&mut self, peer: PeerId) {
        let Some(owner) = self.peers.remove(&peer) else {
            return;
        };
        self.anonymous -= usize::from(!owner.is_known);
        if let Some(count) = self.counts.get_mut(&owner.bucket) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&owner.bucket);
            }
        }
    }

    /// How many of the principal's take as much memory as open ones.
    pub(crate) fn unread_of(&self, principal: &Principal) -> usize {
        let is_it =
            |owner: &&Owner| owner.leave == Leave::Unread && owner.bucket == principal.bucket;
        self.peers.values().filter(is_it).count()
    }

    /// Whether so many wait that nobody of the principal's may come in. Those of tokens that name nobody keep none out but their
    /// like: as many may leave as were open, all at once.
    pub(crate) fn is_too_much(&self, principal: &Principal) -> bool {
        let own = self.counts.get(&principal.bucket).copied().unwrap_or(0);
        let (all, most) = if principal.is_known() {
            let known = self.peers.len().saturating_sub(self.anonymous);
            (known, CONNECTIONS_PER_SPACE_MAX)
        } else {
            (self.anonymous, CONNECTIONS_ANONYMOUS_MAX)
        };
        all >= most || own >= LEAVING_PER_CONNECTION * connections_max(principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::limits::CONNECTIONS_PER_USER_MAX;
    use protocol::token::Role;

    fn principal(sub: Option<&str>, bucket: &str) -> Principal {
        Principal {
            tenant: None,
            sub: sub.map(str::to_owned),
            name: None,
            role: Role::Customer,
            caps: Vec::new(),
            exp: protocol::time::UnixMillis(0),
            bucket: bucket.to_owned(),
            gateway: false,
        }
    }

    #[test]
    fn those_that_do_not_answer_count_for_whom_they_were_of() {
        let mut leaving = Leaving::default();
        let (ada, bo) = (
            principal(Some("ada"), "sub:ada"),
            principal(Some("bo"), "sub:bo"),
        );
        let most = LEAVING_PER_CONNECTION * CONNECTIONS_PER_USER_MAX;
        for id in 0..most as u64 {
            assert!(!leaving.is_too_much(&ada), "{id}");
            leaving.close(
                PeerId(id),
                &ada,
                if id == 0 { Leave::Unread } else { Leave::Read },
            );
            leaving.close(
                PeerId(id),
                &ada,
                if id == 0 { Leave::Unread } else { Leave::Read },
            );
        }
        assert!(leaving.is_too_much(&ada) && !leaving.is_too_much(&bo));
        assert_eq!((leaving.unread_of(&ada), leaving.unread_of(&bo)), (1, 0));
        leaving.end(PeerId(0));
        leaving.end(PeerId(0));
        assert!(!leaving.is_too_much(&ada));
    }

    #[test]
    fn tokens_that_name_nobody_leave_room_for_everybody_else() {
        let mut leaving = Leaving::default();
        for id in 0..CONNECTIONS_ANONYMOUS_MAX as u64 {
            let bucket = format!("token:{}", id / 500);
            leaving.close(PeerId(id), &principal(None, &bucket), Leave::Read);
        }
        assert!(leaving.is_too_much(&principal(None, "token:new")));
        assert!(!leaving.is_too_much(&principal(Some("ada"), "sub:ada")));
    }
}

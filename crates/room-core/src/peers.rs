//! Who is connected, and which people that makes present.
//!
//! Owns the accepted peers and presence: a person counts once over
//! all connections, only if a token names them, and for [`PRESENCE_GRACE_MS`] after the last connection ended, so
//! that nobody hears of a page that was reloaded.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use protocol::dialect::Dialect;
use protocol::ids::Seq;
use protocol::limits::{
    CONNECTIONS_PER_ANONYMOUS_TOKEN_MAX, CONNECTIONS_PER_USER_MAX, HEARD_EVERY_MS,
    PRESENCE_GRACE_MS,
};
use protocol::model::PresentUser;
use protocol::principal::Principal;
use protocol::time::UnixMillis;

use crate::io::{Leave, PeerId, PeerRecord};

/// Returns how many connections the principal may have in one space.
pub(crate) fn connections_max(principal: &Principal) -> usize {
    if principal.verified() {
        CONNECTIONS_PER_USER_MAX
    } else {
        CONNECTIONS_PER_ANONYMOUS_TOKEN_MAX
    }
}

/// Version of [`PeerRecord`]'s shape.
const RECORD_VERSION: u8 = 1;

/// A peer that was accepted.
pub(crate) struct Peer {
    pub(crate) dialect: Dialect,
    /// Shared, so that a frame can be judged by it while the room changes.
    pub(crate) principal: Rc<Principal>,
    pub(crate) client_scope: Option<String>,
    /// As in [`PeerRecord::instance`].
    pub(crate) instance: Option<String>,
    pub(crate) connected_at: UnixMillis,
    /// When it showed the token that it holds now.
    pub(crate) shown_at: UnixMillis,
    /// As in [`PeerRecord::behind`].
    pub(crate) behind: Option<Seq>,
    /// When it last gave a sign of life.
    pub(crate) heard_at: UnixMillis,
    /// What its record says of that.
    pub(crate) kept_heard_at: UnixMillis,
    /// Whether it was told that its token's time is over soon.
    pub(crate) warned: bool,
}

impl Peer {
    pub(crate) fn record(&self) -> PeerRecord {
        PeerRecord {
            v: RECORD_VERSION,
            dialect: self.dialect.version(),
            principal: (*self.principal).clone(),
            client_scope: self.client_scope.clone(),
            instance: self.instance.clone(),
            connected_at: self.connected_at,
            shown_at: (self.shown_at != self.connected_at).then_some(self.shown_at),
            heard_at: (self.kept_heard_at != self.connected_at).then_some(self.kept_heard_at),
            behind: self.behind,
            warned: self.warned,
            leaving: None,
        }
    }

    /// The peer that a record tells of, and how it left if it did; `None` for a record of another shape.
    pub(crate) fn of_record(record: PeerRecord) -> Option<(Self, Option<Leave>)> {
        let dialect = Dialect::of_version(record.dialect).filter(|_| record.v == RECORD_VERSION)?;
        let heard_at = record.heard_at.unwrap_or(record.connected_at);
        let peer = Self {
            dialect,
            principal: Rc::new(record.principal),
            client_scope: record.client_scope,
            instance: record.instance,
            connected_at: record.connected_at,
            shown_at: record.shown_at.unwrap_or(record.connected_at),
            behind: record.behind,
            heard_at,
            kept_heard_at: heard_at,
            warned: record.warned,
        };
        Some((peer, record.leaving))
    }
}

#[derive(Default)]
pub(crate) struct Peers {
    accepted: BTreeMap<PeerId, Peer>,
    users: BTreeMap<String, User>,
    /// How many connections there are by each token that names nobody.
    anonymous: BTreeMap<String, usize>,
    /// How many there are by all of them, but for those that bring the gateway key.
    anonymous_count: usize,
}

struct User {
    present: PresentUser,
    peers: BTreeSet<PeerId>,
    /// When they count as gone, while they have no connection.
    grace_ends: Option<UnixMillis>,
}

/// Whom a principal makes present.
fn present(principal: &Principal) -> Option<PresentUser> {
    Some(PresentUser {
        user_id: principal.sub.clone()?,
        name: principal.name.clone(),
        role: principal.role,
    })
}

impl Peers {
    /// All open sockets.
    pub(crate) fn count(&self) -> usize {
        self.accepted.len()
    }

    /// Whether any peer speaks `dialect`.
    pub(crate) fn are_any_of(&self, dialect: Dialect) -> bool {
        self.accepted.values().any(|peer| peer.dialect == dialect)
    }

    /// Open sockets of tokens that name nobody, without the gateway key.
    pub(crate) fn anonymous_count(&self) -> usize {
        self.anonymous_count
    }

    pub(crate) fn knows(&self, peer: PeerId) -> bool {
        self.accepted.contains_key(&peer)
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Peer> {
        self.accepted.get(&peer)
    }

    pub(crate) fn accepted(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        self.accepted.iter().map(|(id, peer)| (*id, peer))
    }

    /// Takes in an accepted peer. `Some` when that makes somebody present who was not, or was otherwise.
    pub(crate) fn enter(&mut self, id: PeerId, peer: Peer) -> Option<PresentUser> {
        self.count_anonymous(&peer.principal);
        let present = present(&peer.principal);
        self.accepted.insert(id, peer);
        let present = present?;
        let sub = present.user_id.clone();
        let is_new = !self.users.contains_key(&sub);
        let user = self.users.entry(sub.clone()).or_insert_with(|| User {
            present: present.clone(),
            peers: BTreeSet::new(),
            grace_ends: None,
        });
        user.peers.insert(id);
        user.grace_ends = None;
        let changed = self.newest_present(&sub);
        if is_new { Some(present) } else { changed }
    }

    /// Updates a user's name and role to those of the connection that presented its token last. Returns them if they changed.
    fn newest_present(&mut self, sub: &str) -> Option<PresentUser> {
        let user = self.users.get_mut(sub)?;
        let peers = user.peers.iter().filter_map(|id| self.accepted.get(id));
        let newest = peers.max_by_key(|peer| peer.shown_at)?;
        let present = present(&newest.principal)?;
        (user.present != present).then(|| {
            user.present.clone_from(&present);
            present
        })
    }

    /// Forgets an accepted peer. Its user's grace begins with the last; else the newest of the others says who is present, which
    /// is given if it changes.
    pub(crate) fn leave(
        &mut self,
        id: PeerId,
        now: UnixMillis,
    ) -> Option<(Peer, Option<PresentUser>)> {
        let peer = self.accepted.remove(&id)?;
        self.discount_anonymous(&peer.principal);
        let sub = peer.principal.sub.clone();
        let news = sub.and_then(|sub| {
            let user = self.users.get_mut(&sub)?;
            user.peers.remove(&id);
            if user.peers.is_empty() {
                user.grace_ends = Some(now.plus_ms(PRESENCE_GRACE_MS));
            }
            self.newest_present(&sub)
        });
        Some((peer, news))
    }

    fn count_anonymous(&mut self, principal: &Principal) {
        if !principal.verified() {
            let bucket = principal.bucket.clone();
            *self.anonymous.entry(bucket).or_default() += 1;
            self.anonymous_count += usize::from(!principal.gateway);
        }
    }

    fn discount_anonymous(&mut self, principal: &Principal) {
        if let Some(count) = self.anonymous.get_mut(&principal.bucket) {
            *count = count.saturating_sub(1);
            let counted = usize::from(!principal.gateway);
            self.anonymous_count = self.anonymous_count.saturating_sub(counted);
            if *count == 0 {
                self.anonymous.remove(&principal.bucket);
            }
        }
    }

    /// Forgets users whose grace is over.
    pub(crate) fn end_grace(&mut self, now: UnixMillis) -> Vec<PresentUser> {
        for user in self.users.values_mut() {
            // After a backward step of the clock they would stay for long.
            let latest = now.plus_ms(PRESENCE_GRACE_MS);
            user.grace_ends = user.grace_ends.map(|at| at.min(latest));
        }
        let over = |user: &mut User| user.grace_ends.is_some_and(|at| at <= now);
        let gone = self.users.extract_if(.., |_, user| over(user));
        gone.map(|(_, user)| user.present).collect()
    }

    /// When the next user's grace is over, if there is anybody who would hear of it.
    pub(crate) fn grace_deadline(&self) -> Option<UnixMillis> {
        let deadlines = self.users.values().filter_map(|user| user.grace_ends);
        deadlines.min().filter(|_| !self.accepted.is_empty())
    }

    /// Sets where a peer fell behind, or that it is not behind. Keeps the older place of a peer that was behind already.
    /// Returns whether anything changed.
    pub(crate) fn note_behind(&mut self, id: PeerId, behind: Option<Seq>) -> bool {
        let Some(peer) = self.accepted.get_mut(&id) else {
            return false;
        };
        let changes = peer.behind.is_some() != behind.is_some();
        if changes {
            peer.behind = behind;
        }
        changes
    }

    /// Notes that a peer was told that its token's time is over soon.
    pub(crate) fn warn(&mut self, id: PeerId) -> Option<&Peer> {
        let peer = self.accepted.get_mut(&id)?;
        peer.warned = true;
        Some(peer)
    }

    /// Puts a renewed principal, of the same user, in place of the old one. `Some` when that changes who is present.
    pub(crate) fn renew(
        &mut self,
        id: PeerId,
        principal: Principal,
        now: UnixMillis,
    ) -> Option<PresentUser> {
        let peer = self.accepted.get_mut(&id)?;
        peer.shown_at = now;
        peer.warned = false;
        let principal = Rc::new(principal);
        let before = std::mem::replace(&mut peer.principal, Rc::clone(&principal));
        self.discount_anonymous(&before);
        self.count_anonymous(&principal);
        self.newest_present(principal.sub.as_ref()?)
    }

    /// Notes a sign of life. One from before the last changes nothing.
    pub(crate) fn heard(&mut self, id: PeerId, at: UnixMillis) {
        if let Some(peer) = self.accepted.get_mut(&id) {
            peer.heard_at = peer.heard_at.max(at);
        }
    }

    /// Notes that a peer says something. Whether its record is to be kept anew: the runtime remembers only pings that it answers
    /// itself, and a room that sleeps forgets the others.
    pub(crate) fn speaks(&mut self, id: PeerId, now: UnixMillis) -> bool {
        self.heard(id, now);
        let Some(peer) = self.accepted.get_mut(&id) else {
            return false;
        };
        let is_due = peer.dialect == Dialect::V2
            && peer.heard_at.ms_since(peer.kept_heard_at) >= HEARD_EVERY_MS;
        if is_due {
            peer.kept_heard_at = peer.heard_at;
        }
        is_due
    }

    /// All of a user's connections.
    pub(crate) fn of_user(&self, sub: &str) -> Vec<PeerId> {
        self.users
            .get(sub)
            .map(|user| user.peers.iter().copied().collect())
            .unwrap_or_default()
    }

    /// The principal's connections of one client object: one at most, unless it is no client of ours.
    pub(crate) fn of_instance(&self, principal: &Principal, instance: &str) -> Vec<PeerId> {
        let is_it = |peer: &Peer| {
            peer.instance.as_deref() == Some(instance) && peer.principal.bucket == principal.bucket
        };
        match &principal.sub {
            Some(sub) => {
                let own = self.of_user(sub).into_iter();
                own.filter(|id| self.get(*id).is_some_and(is_it)).collect()
            }
            None => self
                .accepted()
                .filter(|(_, peer)| is_it(peer))
                .map(|(id, _)| id)
                .collect(),
        }
    }

    /// How many connections the principal has: its user's, or its token's where that names nobody.
    pub(crate) fn connections_of(&self, principal: &Principal) -> usize {
        match &principal.sub {
            Some(sub) => self.users.get(sub).map_or(0, |user| user.peers.len()),
            None => self.anonymous.get(&principal.bucket).copied().unwrap_or(0),
        }
    }

    /// How many are here.
    pub(crate) fn present_count(&self) -> usize {
        self.users.len()
    }

    /// Everybody who is here.
    pub(crate) fn present(&self) -> Vec<PresentUser> {
        self.users
            .values()
            .map(|user| user.present.clone())
            .collect()
    }
}

//! Coming in and going out: who may enter, what they are told first, and what others hear of it.

use std::rc::Rc;

use protocol::codes::{CloseCode, ErrorCode};
use protocol::dialect::Dialect;
use protocol::frame::{Refusal, ServerFrame, Welcome};
use protocol::ids::{ConnectionId, Seq};
use protocol::limits::{
    CONNECT_PERMITS, CONNECTIONS_ANONYMOUS_MAX, CONNECTIONS_PER_SPACE_MAX, PEER_SILENT_MS_MAX,
};
use protocol::principal::Principal;
use protocol::time::UnixMillis;

use crate::failure::{refuse, storage_refusal};
use crate::history::{self, Window};
use crate::io::{Cursor, Leave, Output, PeerId, PeerRecord};
use crate::ledger::Transaction;
use crate::peers::{Peer, connections_max};
use crate::rates::Counted;
use crate::room::Room;
use crate::storage::{Storage, StorageError};

/// Longest close reason in bytes (RFC 6455 §5.5).
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// A peer that proved who it is and wants in.
pub(crate) struct Candidate {
    pub(crate) id: PeerId,
    pub(crate) dialect: Dialect,
    pub(crate) principal: Principal,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) client_scope: Option<String>,
    pub(crate) instance: Option<String>,
}

/// What a cursor brings.
pub(crate) enum Replay {
    /// There is no cursor.
    NotAsked,
    /// The cursor cannot be followed: its client starts afresh.
    Refused,
    /// The first window after the cursor.
    Followed(Window),
    /// The cursor is followed, and the first window after it waits until others' reads are served.
    Queued(Seq),
}

impl Replay {
    /// Bytes that were read for it.
    pub(crate) fn read(&self) -> usize {
        match self {
            Self::NotAsked | Self::Refused | Self::Queued(_) => 0,
            Self::Followed(window) => window.read,
        }
    }
}

impl Room {
    /// Lets the candidate in, or says why not and closes. What it changes is stored first, then it is welcomed
    /// and told what it missed, then the others hear of it: all in one stretch, so that nothing comes between.
    pub(crate) fn admit(
        &mut self,
        candidate: Candidate,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) {
        let (id, dialect) = (candidate.id, candidate.dialect);
        let replaced = match &candidate.instance {
            Some(instance) => self.peers.of_instance(&candidate.principal, instance),
            None => Vec::new(),
        };
        let entered = match self.check_entry(&candidate, replaced.len(), now) {
            Err(refusal) => Err(refusal),
            Ok(()) => self.enter(candidate, now, storage).map_err(storage_refusal),
        };
        match entered {
            Ok(()) => {
                // Only now: its user is here all the time.
                for old in replaced {
                    let reason = "this client has a newer connection";
                    self.close(old, CloseCode::Replaced, reason, now);
                }
            }
            Err(refusal) => self.dismiss(id, dialect, refusal, now),
        }
    }

    /// Charges the candidate for coming in, and looks for a place. `replaced`: connections whose places it takes.
    fn check_entry(
        &mut self,
        candidate: &Candidate,
        replaced: usize,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        let principal = &candidate.principal;
        let scope = candidate.client_scope.as_deref();
        self.rates.check_away(principal, scope, now)?;
        self.rates
            .take(Counted::Http, CONNECT_PERMITS, principal, now)?;
        if self.leaving.is_too_much(principal) {
            return Err(refuse(ErrorCode::TooManyConnections));
        }
        // Tokens that name nobody are handed out to the world: they leave places for everybody else.
        let is_crowded = !principal.is_known()
            && self.peers.anonymous_count().saturating_sub(replaced) >= CONNECTIONS_ANONYMOUS_MAX;
        if is_crowded || self.peers.count().saturating_sub(replaced) >= CONNECTIONS_PER_SPACE_MAX {
            return Err(refuse(ErrorCode::SpaceFull));
        }
        if let Some(refusal) = self.identity_refusal(principal) {
            return Err(refusal);
        }
        let most = connections_max(principal);
        let open = self.peers.connections_of(principal) + self.leaving.unread_of(principal);
        if open.saturating_sub(replaced) < most {
            Ok(())
        } else {
            Err(refuse(ErrorCode::TooManyConnections))
        }
    }

    /// Whether this room wants people to be named, and this one is not.
    pub(crate) fn identity_refusal(&self, principal: &Principal) -> Option<Refusal> {
        let nameless = self.settings.require_identity && !principal.is_known();
        nameless.then(|| refuse(ErrorCode::IdentityRequired))
    }

    fn enter(
        &mut self,
        candidate: Candidate,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        let Candidate {
            id,
            dialect,
            principal,
            cursor,
            client_scope,
            instance,
        } = candidate;
        match self.meet(&principal, now, storage) {
            // A full store is still worth reading.
            Ok(()) | Err(StorageError::Full) => {}
            Err(StorageError::Broken) => return Err(StorageError::Broken),
        }
        let replay = match self.queued_replay(cursor.as_ref(), now) {
            Some(queued) => queued,
            None => self.replay_from(cursor.as_ref(), &*storage)?,
        };
        if replay.read() > 0 {
            self.rates.owe_read(replay.read(), &principal, now);
            self.reads.start_pause(replay.read(), now);
        }
        let peer = Peer {
            dialect,
            principal: Rc::new(principal),
            client_scope,
            instance,
            connected_at: now,
            shown_at: now,
            behind: None,
            heard_at: now,
            kept_heard_at: now,
            warned: false,
        };
        self.outputs.push_back(Output::Remember {
            peer: id,
            record: peer.record(),
        });
        let news = self.peers.enter(id, peer);
        self.fanout.enter(id, dialect, now);
        if dialect == Dialect::V2 {
            self.welcome(id, replay, now);
        }
        if let Some(user) = news {
            self.share_present(user, vec![id]);
        }
        Ok(())
    }

    /// Notes whom a token names, and in which role. The others hear of it whatever becomes of this peer: it is stored.
    fn meet(
        &mut self,
        principal: &Principal,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        let Some(sub) = &principal.sub else {
            return Ok(());
        };
        let mut transaction = Transaction::new(&self.ledger, &*storage, &mut self.random, now);
        transaction.meet_anew(sub, principal)?;
        let decided = transaction.decided();
        let effects = self.commit(decided, storage)?;
        self.perform(effects, now);
        Ok(())
    }

    /// What the cursor brings if its first window has to wait: a crowd that comes back at once would keep everybody waiting.
    fn queued_replay(&mut self, cursor: Option<&Cursor>, now: UnixMillis) -> Option<Replay> {
        let after = self.followed(cursor?)?;
        let head = self.ledger.head();
        let is_due = after < head.seq && history::reaches(head, self.ledger.oldest(), after);
        (is_due && !self.reads.can_read_now(now)).then_some(Replay::Queued(after))
    }

    /// Where the cursor stands, if it is of the log's present life.
    fn followed(&self, cursor: &Cursor) -> Option<Seq> {
        let head = self.ledger.head();
        // Who met an empty space has missed nothing of whatever epoch began afterwards.
        let same_epoch = match &cursor.epoch {
            Some(epoch) => head.epoch.as_ref() == Some(epoch),
            None => cursor.since == Seq::ZERO,
        };
        same_epoch.then_some(cursor.since)
    }

    /// What the cursor brings.
    pub(crate) fn replay_from(
        &self,
        cursor: Option<&Cursor>,
        storage: &dyn Storage,
    ) -> Result<Replay, StorageError> {
        let Some(cursor) = cursor else {
            return Ok(Replay::NotAsked);
        };
        let window = match self.followed(cursor) {
            Some(after) => {
                history::window(storage, self.ledger.head(), self.ledger.oldest(), after)?
            }
            None => None,
        };
        Ok(window.map_or(Replay::Refused, Replay::Followed))
    }

    /// Where the log stands, as a socket that resumes is told first, and who asks by HTTP.
    pub(crate) fn welcome_text(
        &self,
        connection_id: Option<ConnectionId>,
        replay: &Replay,
        now: UnixMillis,
    ) -> Rc<str> {
        let (recovered, more) = match replay {
            Replay::NotAsked => (None, false),
            Replay::Refused => (Some(false), false),
            Replay::Followed(window) => (Some(true), window.more),
            Replay::Queued(_) => (Some(true), true),
        };
        let head = self.ledger.head().clone();
        let welcome = ServerFrame::Welcome(Welcome {
            epoch: head.epoch,
            seq: head.seq,
            // A socket is sent the rest without asking.
            more: more && connection_id.is_none(),
            connection_id,
            recovered,
            server_time: now,
        });
        Dialect::V2.encode(&welcome).unwrap_or_default().into()
    }

    /// Welcomes a peer and sends it the first window. Where the log goes on behind it, the peer is behind.
    fn welcome(&mut self, id: PeerId, replay: Replay, now: UnixMillis) {
        let connection_id = ConnectionId(format!("{:016x}", id.0));
        let text = self.welcome_text(Some(connection_id), &replay, now);
        self.fanout
            .tell_text(id, Dialect::V2, text, &mut self.outputs);
        match replay {
            Replay::NotAsked | Replay::Refused => {}
            Replay::Followed(window) => {
                if window.more {
                    self.fanout.fall_behind(id, window.end, false);
                }
                self.fanout.send_window(id, window, &mut self.outputs);
            }
            Replay::Queued(after) => {
                self.fanout.fall_behind(id, after, false);
                self.enqueue_window(id, now);
            }
        }
        let here = self.here();
        self.fanout.tell(id, Dialect::V2, &here, &mut self.outputs);
    }

    /// Follows the shell's verdict on a token that a peer sent: its principal is renewed.
    pub(crate) fn judge_token(
        &mut self,
        id: PeerId,
        verdict: Result<Principal, Refusal>,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let renewed = verdict.and_then(|principal| {
            let is_other = principal.bucket != peer.principal.bucket;
            if principal.sub.is_none() && peer.principal.sub.is_none() && is_other {
                // The connection goes over to the other token, and counts for that from then on.
                let connections =
                    self.peers.connections_of(&principal) + self.leaving.unread_of(&principal);
                let is_full = connections >= connections_max(&principal)
                    || self.leaving.is_too_much(&principal);
                return if is_full {
                    Err(refuse(ErrorCode::TooManyConnections))
                } else {
                    Ok(principal)
                };
            }
            if principal.sub == peer.principal.sub {
                return Ok(principal);
            }
            let error = "the token names another user than this connection's: connect anew with it";
            Err(Refusal::new(ErrorCode::SenderMismatch, error))
        });
        match renewed {
            Ok(principal) => {
                // Where the store fails, the role is noted with what they send or when they come next.
                let _ = self.meet(&principal, now, storage);
                let news = self.peers.renew(id, principal, now);
                self.remember(id);
                if let Some(user) = news {
                    self.share_present(user, Vec::new());
                }
            }
            // The connection was accepted with a token that was good then; it stays.
            Err(refusal) => {
                let dialect = peer.dialect;
                self.fanout
                    .tell(id, dialect, &ServerFrame::Error(refusal), &mut self.outputs);
            }
        }
    }

    /// Says why, and closes: for peers that never get in, or broke the terms.
    pub(crate) fn dismiss(
        &mut self,
        peer: PeerId,
        dialect: Dialect,
        refusal: Refusal,
        now: UnixMillis,
    ) {
        let (code, reason) = (CloseCode::from(refusal.code), refusal.error.clone());
        self.fanout.tell(
            peer,
            dialect,
            &ServerFrame::Error(refusal),
            &mut self.outputs,
        );
        self.close(peer, code, &reason, now);
    }

    /// Closes a socket after it heard what is queued for it, and forgets the peer.
    pub(crate) fn close(&mut self, id: PeerId, code: CloseCode, reason: &str, now: UnixMillis) {
        self.fanout.part(id, &mut self.outputs);
        if let Some(peer) = self.peers.get(id) {
            // A peer of the first version says nothing about what it has read.
            let leave = if peer.dialect == Dialect::V1 || code == CloseCode::SlowConsumer {
                Leave::Unread
            } else {
                Leave::Read
            };
            self.leaving.close(id, &peer.principal, leave);
            let record = PeerRecord {
                leaving: Some(leave),
                ..peer.record()
            };
            self.outputs
                .push_back(Output::Remember { peer: id, record });
        }
        self.forget(id, now);
        let mut end = reason.len().min(CLOSE_REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let reason = reason.get(..end).unwrap_or_default().to_owned();
        self.outputs.push_back(Output::Close {
            peer: id,
            code: code.number(),
            reason,
        });
    }

    /// Forgets a peer; the others hear that it types no more, and after a while, if it was its user's last
    /// connection and none follows, that the user left.
    pub(crate) fn forget(&mut self, id: PeerId, now: UnixMillis) {
        self.fanout.leave(id);
        self.rates.leave(id);
        let Some((peer, news)) = self.peers.leave(id, now) else {
            return;
        };
        let sub = peer.principal.sub.as_deref();
        let gone = sub.filter(|sub| self.peers.of_user(sub).is_empty());
        let stopped = self.typists.leave(id, gone);
        if let Some(user) = news {
            self.share_present(user, Vec::new());
        }
        for user_id in stopped {
            let own = peer
                .principal
                .sub
                .as_deref()
                .map(|sub| self.peers.of_user(sub))
                .unwrap_or_default();
            self.fanout.share(
                &ServerFrame::Typing {
                    user_id,
                    is_typing: false,
                },
                own,
            );
        }
    }

    /// Closes peers that were silent for too long. Those of the first version do not ping, and are left alone.
    pub(crate) fn close_silent(&mut self, now: UnixMillis) {
        let silent = |peer: &Peer| {
            peer.dialect == Dialect::V2 && now.ms_since(peer.heard_at) > PEER_SILENT_MS_MAX
        };
        let silent: Vec<PeerId> = self
            .peers
            .accepted()
            .filter(|(_, peer)| silent(peer))
            .map(|(id, _)| id)
            .collect();
        for id in silent {
            let reason = format!(
                "nothing was heard from this socket for {} s",
                PEER_SILENT_MS_MAX / 1_000
            );
            self.close(id, CloseCode::Silent, &reason, now);
        }
    }

    /// Closes peers that confirm nothing for too long: what they have not read follows when they come back with their
    /// cursor. Whether there were any.
    pub(crate) fn close_slow(&mut self, now: UnixMillis) -> bool {
        let slow = self.fanout.take_slow();
        for (id, dialect) in &slow {
            self.dismiss(*id, *dialect, refuse(ErrorCode::SlowConsumer), now);
        }
        !slow.is_empty()
    }
}

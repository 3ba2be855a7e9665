//! Connections that end with their token's time, where the owner wants that.
//!
//! A peer is told some time before, once for each token, and closed at the end; a fresh token in an `auth` frame
//! gives it new deadlines. Where the owner does not want it, a token's time counts at connect alone.

use protocol::codes::ErrorCode;
use protocol::dialect::Dialect;
use protocol::frame::ServerFrame;
use protocol::limits::RENEW_BEFORE_MS;
use protocol::time::UnixMillis;

use crate::failure::refuse;
use crate::io::PeerId;
use crate::peers::Peer;
use crate::room::Room;

/// When the peer is to be told that its token's time is over soon; `None` when it was. The first version has no
/// word for it.
fn warning(peer: &Peer) -> Option<UnixMillis> {
    let exp = peer.principal.exp.0;
    (!peer.warned && peer.dialect == Dialect::V2)
        .then(|| UnixMillis(exp.saturating_sub(RENEW_BEFORE_MS)))
}

impl Room {
    /// Closes peers whose token's time is over, and tells those whose time is over soon.
    pub(crate) fn expire(&mut self, now: UnixMillis) {
        if !self.settings.strict_expiry {
            return;
        }
        let over: Vec<(PeerId, Dialect)> = self
            .peers
            .accepted()
            .filter(|(_, peer)| peer.principal.exp <= now)
            .map(|(id, peer)| (id, peer.dialect))
            .collect();
        for (id, dialect) in over {
            self.dismiss(id, dialect, refuse(ErrorCode::TokenExpired), now);
        }
        let soon: Vec<PeerId> = self
            .peers
            .accepted()
            .filter(|(_, peer)| warning(peer).is_some_and(|at| at <= now))
            .map(|(id, _)| id)
            .collect();
        for id in soon {
            let Some(peer) = self.peers.warn(id) else {
                continue;
            };
            let exp = peer.principal.exp;
            let expiring = ServerFrame::Expiring { exp };
            self.fanout
                .tell(id, Dialect::V2, &expiring, &mut self.outputs);
            self.remember(id);
        }
    }

    /// When the next peer is to be told or closed.
    pub(crate) fn expiry_deadline(&self) -> Option<UnixMillis> {
        if !self.settings.strict_expiry {
            return None;
        }
        let deadline = |peer: &Peer| warning(peer).unwrap_or(peer.principal.exp);
        self.peers.accepted().map(|(_, peer)| deadline(peer)).min()
    }
}

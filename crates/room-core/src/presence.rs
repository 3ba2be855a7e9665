//! Who hears that somebody came, is here, is called otherwise, or went.

use protocol::frame::{PresenceChange, ServerFrame};
use protocol::model::PresentUser;
use protocol::time::UnixMillis;

use crate::io::PeerId;
use crate::room::Room;

/// Users times peers up to which everybody is told who is here by a room that was built anew: about 20 MB.
const TOLD_MAX: usize = 250_000;

impl Room {
    /// Tells that users went whose grace is over.
    pub(crate) fn end_grace(&mut self, now: UnixMillis) {
        let gone = self.peers.end_grace(now);
        if !gone.is_empty() {
            self.share_presence(PresenceChange::Left, gone, Vec::new());
        }
    }

    /// Tells everybody but some that somebody came, or how they are called and what they are from now on.
    pub(crate) fn share_present(&mut self, user: PresentUser, but: Vec<PeerId>) {
        self.share_presence(PresenceChange::Joined, vec![user], but);
    }

    /// Who is here, as a joiner hears it.
    pub(crate) fn here(&self) -> ServerFrame {
        ServerFrame::Presence {
            change: PresenceChange::Here,
            users: self.peers.present(),
        }
    }

    /// Tells everybody who is here. A room that was built anew does so once, by its first alarm: if somebody's
    /// grace ran out while it was away, that alarm is the one that was to tell. In a room of very many people
    /// nobody is told, and who went in those seconds is shown until the next who asks or connects anew.
    pub(crate) fn tell_who_is_here(&mut self) {
        if self.peers.present_count() * self.peers.count() <= TOLD_MAX {
            let here = self.here();
            self.fanout.share(&here, Vec::new());
        }
    }

    fn share_presence(
        &mut self,
        change: PresenceChange,
        users: Vec<PresentUser>,
        but: Vec<PeerId>,
    ) {
        self.fanout
            .share(&ServerFrame::Presence { change, users }, but);
    }
}

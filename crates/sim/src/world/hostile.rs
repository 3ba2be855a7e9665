//! The hostile peer's sockets.

use room_core::io::PeerId;

use super::{Down, Happening, Up, World};
use crate::hostile::Deed;
use crate::network::Owner;

/// How long the hostile peer waits where it is to begin only once everybody's history is loaded, in milliseconds.
const WAIT_MS: u64 = 250;

impl World {
    /// Acts on one of the hostile peer's sockets.
    pub(super) fn hostile_act(&mut self, slot: usize) {
        let waits = self.options.hostile_waits && !self.people.iter().all(|it| it.is_loaded());
        let Some(hostile) = &mut self.hostile else {
            return;
        };
        if waits {
            return self.at(self.now + WAIT_MS, Happening::Hostile(slot));
        }
        self.hostile_since.get_or_insert(self.now);
        let overheard: Vec<&str> = self.meter.overheard().collect();
        let deed = hostile.act(slot, &overheard);
        let pause_ms = hostile.pause_ms();
        match deed {
            Some(Deed::Connect { url, protocols }) => {
                let peer = self.network.connect(Owner::Hostile(slot), self.now);
                hostile.connected(slot, peer);
                self.send_up(peer, Up::Upgrade { url, protocols });
            }
            Some(Deed::Send(peer, frames)) => {
                self.report.hostile_frames += frames.len() as u64;
                for frame in frames {
                    self.send_up(peer, Up::of(frame));
                }
            }
            Some(Deed::HangUp(peer)) => self.hang_up(peer),
            None => {}
        }
        self.at(self.now + pause_ms, Happening::Hostile(slot));
    }

    /// Something reaches one of the hostile peer's sockets.
    pub(super) fn reach_hostile(&mut self, slot: usize, peer: PeerId, down: &Down) {
        let Some(hostile) = &mut self.hostile else {
            return;
        };
        match down {
            Down::Opened => {}
            Down::Frame(text) => {
                if let Some(answer) = hostile.read(text) {
                    self.send_up(peer, Up::of(answer));
                }
            }
            // The socket is there until it hangs up: what it goes on sending reaches the server.
            Down::Closed(_) => hostile.closed(slot),
        }
    }

    /// The hostile peer leaves for good.
    pub(super) fn end_hostile(&mut self) {
        for peer in self.network.of_hostile() {
            self.hang_up(peer);
        }
    }

    /// The connection ends, and the server knows.
    pub(super) fn hang_up(&mut self, peer: PeerId) {
        if !self.network.kill(peer) {
            return;
        }
        if let (Some(Owner::Hostile(slot)), Some(hostile)) = (
            self.network.wire(peer).map(|wire| wire.owner),
            &mut self.hostile,
        ) {
            hostile.lost(slot);
        }
        self.tell_room_of_end(peer);
    }
}

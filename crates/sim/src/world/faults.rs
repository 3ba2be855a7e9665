//! Faults: deaths, evictions, restarts, and the end of them.

use room_core::io::{self as room_io, PeerId};

use super::{Happening, World};
use crate::server::wall;

impl World {
    pub(super) fn kill_one(&mut self) {
        let alive = self.network.alive();
        let chosen = self.random.between(0, alive.len().saturating_sub(1) as u64);
        if let Some(peer) = usize::try_from(chosen)
            .ok()
            .and_then(|chosen| alive.get(chosen).copied())
        {
            self.kill(peer);
        }
        self.next_fault(self.options.death_ms, || Happening::Death);
    }

    /// A connection dies; each end notices in its own time.
    pub(super) fn kill(&mut self, peer: PeerId) {
        if !self.network.kill(peer) {
            return;
        }
        self.report.faults += 1;
        let Some(wire) = self.network.wire(peer) else {
            return;
        };
        let (person, socket) = (wire.person, wire.socket);
        let noticed = self.now + self.random.between(0, self.options.silence_ms_max);
        self.at(noticed, Happening::SocketGone(person, socket, 1006));
        self.server
            .records
            .retain(|(recorded, _)| *recorded != peer);
        self.server.room.handle_input(
            room_io::Input::Disconnected { peer },
            wall(self.now),
            &mut self.server.storage,
        );
        self.carry_out_for_room();
    }

    pub(super) fn evict(&mut self) -> Result<(), String> {
        self.report.faults += 1;
        self.server.evict(&mut self.random, self.now)?;
        self.lose_requests();
        self.carry_out_for_room();
        self.next_fault(self.options.eviction_ms, || Happening::Eviction);
        Ok(())
    }

    pub(super) fn restart(&mut self) -> Result<(), String> {
        for peer in self.network.alive() {
            self.kill(peer);
        }
        self.server.records.clear();
        self.server.evict(&mut self.random, self.now)?;
        self.lose_requests();
        self.next_fault(self.options.restart_ms, || Happening::Restart);
        Ok(())
    }

    /// Requests that the room had taken and not answered: their connections break.
    pub(super) fn lose_requests(&mut self) {
        for (person, fetch) in std::mem::take(&mut self.asked).into_values() {
            self.at(
                self.now,
                Happening::Answer(person, fetch, Err("the server was restarted".to_owned())),
            );
        }
    }

    pub(super) fn heal(&mut self) {
        self.faulty = false;
        self.network.heal();
        for person in 0..self.people.len() {
            if !self.person(person).online {
                let now = self.now;
                self.person(person).come(now);
                self.carry_out_for_client(person);
            }
        }
    }
}

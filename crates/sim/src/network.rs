//! Connections: two ways of ordered bytes, each with its own delay, and a death that the ends notice when
//! they notice it. A WebSocket never loses or reorders a single frame; it only ends.

use std::collections::BTreeMap;

use client_core::io::SocketId;
use room_core::io::PeerId;

use crate::options::Options;
use crate::random::Random;

/// One connection.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Whose it is.
    pub person: usize,
    /// The client's name of it.
    pub socket: SocketId,
    /// Whether bytes still pass.
    pub alive: bool,
    /// When the last frame towards the room arrives.
    up_busy_until: u64,
    /// When the last frame towards the client arrives.
    down_busy_until: u64,
}

/// All connections of a run.
#[derive(Debug)]
pub struct Network {
    wires: BTreeMap<PeerId, Wire>,
    latency: (u64, u64),
    next_peer: u64,
}

impl Network {
    /// A network without connections.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let latency = (options.latency_ms_min, options.latency_ms_max);
        Self {
            wires: BTreeMap::new(),
            latency,
            next_peer: 1,
        }
    }

    /// Makes a connection.
    pub fn connect(&mut self, person: usize, socket: SocketId, now: u64) -> PeerId {
        let peer = PeerId(self.next_peer);
        self.next_peer += 1;
        let wire = Wire {
            person,
            socket,
            alive: true,
            up_busy_until: now,
            down_busy_until: now,
        };
        self.wires.insert(peer, wire);
        peer
    }

    /// The connection, alive or not.
    #[must_use]
    pub fn wire(&self, peer: PeerId) -> Option<&Wire> {
        self.wires.get(&peer)
    }

    /// The name of a client's connection on the other side.
    #[must_use]
    pub fn peer_of(&self, person: usize, socket: SocketId) -> Option<PeerId> {
        self.wires
            .iter()
            .find(|(_, wire)| wire.person == person && wire.socket == socket)
            .map(|(peer, _)| *peer)
    }

    /// Every connection through which bytes pass.
    #[must_use]
    pub fn alive(&self) -> Vec<PeerId> {
        self.wires
            .iter()
            .filter(|(_, wire)| wire.alive)
            .map(|(peer, _)| *peer)
            .collect()
    }

    /// When a frame sent now arrives at the room: never before the one sent earlier.
    pub fn up(&mut self, peer: PeerId, now: u64, random: &mut Random) -> u64 {
        let at = now + self.delay(random);
        let Some(wire) = self.wires.get_mut(&peer) else {
            return at;
        };
        wire.up_busy_until = wire.up_busy_until.max(at);
        wire.up_busy_until
    }

    /// When a frame sent now arrives at the client.
    pub fn down(&mut self, peer: PeerId, now: u64, random: &mut Random) -> u64 {
        let at = now + self.delay(random);
        let Some(wire) = self.wires.get_mut(&peer) else {
            return at;
        };
        wire.down_busy_until = wire.down_busy_until.max(at);
        wire.down_busy_until
    }

    /// Kills a connection: what is on its way is lost. Tells whether it was alive.
    pub fn kill(&mut self, peer: PeerId) -> bool {
        self.wires
            .get_mut(&peer)
            .is_some_and(|wire| std::mem::take(&mut wire.alive))
    }

    /// How long something takes that has no connection of its own.
    pub fn delay(&self, random: &mut Random) -> u64 {
        random.between(self.latency.0, self.latency.1)
    }

    /// From now on the network is quick and sound.
    pub fn heal(&mut self) {
        self.latency = (1, 20);
    }
}

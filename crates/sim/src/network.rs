//! Connections: two ways of ordered bytes, each with its own delay, and a death that the ends notice when
//! they notice it. A WebSocket never loses or reorders a single frame; it only ends, or swallows all that follows.

use std::collections::BTreeMap;

use client_core::io::SocketId;
use room_core::io::PeerId;

use crate::options::Options;
use crate::random::Random;
use crate::world::Tab;

/// One connection.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Whose it is.
    pub tab: Tab,
    /// The client's name of it.
    pub socket: SocketId,
    /// Whether there is a connection at all.
    pub alive: bool,
    /// Towards the room.
    pub up: Way,
    /// Towards the client.
    pub down: Way,
}

/// One direction of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Whether what is sent vanishes.
    pub swallows: bool,
    /// When the last frame arrives.
    busy_until: u64,
}

/// Which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the room.
    Up,
    /// Towards the client.
    Down,
}

/// All connections of a run.
#[derive(Debug)]
pub struct Network {
    wires: BTreeMap<PeerId, Wire>,
    latency: (u64, u64),
    bytes_per_ms: u64,
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
            bytes_per_ms: options.bytes_per_ms,
            next_peer: 1,
        }
    }

    /// Makes a connection.
    pub fn connect(&mut self, tab: Tab, socket: SocketId, now: u64) -> PeerId {
        let peer = PeerId(self.next_peer);
        self.next_peer += 1;
        let way = Way {
            swallows: false,
            busy_until: now,
        };
        let wire = Wire {
            tab,
            socket,
            alive: true,
            up: way,
            down: way,
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
    pub fn peer_of(&self, tab: Tab, socket: SocketId) -> Option<PeerId> {
        self.wires
            .iter()
            .find(|(_, wire)| wire.tab == tab && wire.socket == socket)
            .map(|(peer, _)| *peer)
    }

    /// Every connection that has not ended.
    #[must_use]
    pub fn alive(&self) -> Vec<PeerId> {
        self.those(|wire| wire.alive)
    }

    /// Every connection from which the runtime hears pings.
    #[must_use]
    pub fn heard(&self) -> Vec<PeerId> {
        self.those(|wire| wire.alive && !wire.up.swallows)
    }

    /// Every connection of one person, of whatever life of the tab.
    #[must_use]
    pub fn of_person(&self, person: usize) -> Vec<PeerId> {
        self.those(|wire| wire.alive && wire.tab.person == person)
    }

    fn those(&self, wanted: impl Fn(&Wire) -> bool) -> Vec<PeerId> {
        self.wires
            .iter()
            .filter(|(_, wire)| wanted(wire))
            .map(|(peer, _)| *peer)
            .collect()
    }

    /// When a frame sent now arrives: never before the one sent earlier. `None` when it never does.
    pub fn pass(
        &mut self,
        peer: PeerId,
        direction: Direction,
        bytes: usize,
        now: u64,
        random: &mut Random,
    ) -> Option<u64> {
        let at = now + self.delay(random);
        let bytes_per_ms = self.bytes_per_ms;
        let way = self.way(peer, direction)?;
        if way.swallows {
            return None;
        }
        let takes_ms = (bytes as u64).checked_div(bytes_per_ms).unwrap_or(0);
        way.busy_until = way.busy_until.max(at) + takes_ms;
        Some(way.busy_until)
    }

    /// From now on, what is sent this way vanishes.
    pub fn swallow(&mut self, peer: PeerId, direction: Direction) {
        if let Some(way) = self.way(peer, direction) {
            way.swallows = true;
        }
    }

    /// Nothing that is sent from now on arrives before `until`.
    pub fn stall(&mut self, peer: PeerId, direction: Direction, until: u64) {
        if let Some(way) = self.way(peer, direction) {
            way.busy_until = way.busy_until.max(until);
        }
    }

    fn way(&mut self, peer: PeerId, direction: Direction) -> Option<&mut Way> {
        let wire = self.wires.get_mut(&peer)?;
        Some(match direction {
            Direction::Up => &mut wire.up,
            Direction::Down => &mut wire.down,
        })
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

    /// From now on the network is quick and sound. Connections that swallow go on doing so: both ends have to find
    /// out for themselves.
    pub fn heal(&mut self) {
        self.latency = (1, 20);
        self.bytes_per_ms = 0;
    }
}

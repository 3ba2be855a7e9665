//! Connections: two ways of ordered bytes, each with its own delay, and a death that the ends notice when
//! they notice it. A WebSocket never loses or reorders a single frame; it only ends, or swallows all that follows.

use std::collections::BTreeMap;

use client_core::io::SocketId;
use room_core::io::PeerId;

use crate::options::Options;
use crate::random::{Random, Stream};
use crate::world::Tab;

/// Peer ids of hostile connections begin here, so that they shift nobody else's.
const HOSTILE_PEERS: u64 = 1 << 32;

/// Whether a peer is the hostile one.
#[must_use]
pub fn is_hostile(peer: PeerId) -> bool {
    peer.0 >= HOSTILE_PEERS
}

/// Who is at the client's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An app's client, which has its own name for the connection.
    App(Tab, SocketId),
    /// The hostile peer, in one of its slots.
    Hostile(usize),
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Whose it is.
    pub owner: Owner,
    /// Whether there is a connection at all.
    pub alive: bool,
    /// When the runtime last answered a ping.
    pub pinged_at: Option<u64>,
    /// Bytes that pass in a millisecond, each way; 0 for as many as there are.
    bytes_per_ms: u64,
    up: Way,
    down: Way,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
struct Way {
    /// Whether what is sent vanishes.
    swallows: bool,
    /// When the last frame arrives.
    busy_until: u64,
    random: Random,
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
    seed: u64,
    wires: BTreeMap<PeerId, Wire>,
    latency: (u64, u64),
    /// Bytes a millisecond of each person's machine; 0 for as many as there are.
    rates: Vec<u64>,
    next_peer: u64,
    next_hostile_peer: u64,
}

impl Network {
    /// A network without connections.
    #[must_use]
    pub fn new(seed: u64, options: &Options) -> Self {
        let latency = (options.latency_ms_min, options.latency_ms_max);
        Self {
            seed,
            wires: BTreeMap::new(),
            latency,
            rates: options.bytes_per_ms.clone(),
            next_peer: 1,
            next_hostile_peer: HOSTILE_PEERS,
        }
    }

    /// Makes a connection.
    pub fn connect(&mut self, owner: Owner, now: u64) -> PeerId {
        let (counter, whose, number, bytes_per_ms) = match owner {
            Owner::App(tab, socket) => {
                let number = (u64::from(tab.life) << 32) | u64::from(socket.0);
                let rate = self.rate(tab.person);
                (&mut self.next_peer, tab.person as u64, number, rate)
            }
            Owner::Hostile(_) => {
                let number = self.next_hostile_peer;
                (&mut self.next_hostile_peer, u64::MAX, number, 0)
            }
        };
        let peer = PeerId(*counter);
        *counter += 1;
        let way = |direction| Way {
            swallows: false,
            busy_until: now,
            random: Random::new(self.seed, Stream::Wire(whose, number, direction)),
        };
        let wire = Wire {
            owner,
            alive: true,
            pinged_at: None,
            bytes_per_ms,
            up: way(0),
            down: way(1),
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
        let owner = Owner::App(tab, socket);
        self.wires
            .iter()
            .find(|(_, wire)| wire.owner == owner)
            .map(|(peer, _)| *peer)
    }

    /// Every connection of an app that has not ended.
    #[must_use]
    pub fn of_apps(&self) -> Vec<PeerId> {
        self.those(|owner| matches!(owner, Owner::App(..)))
    }

    /// Every connection of the hostile peer that has not ended.
    #[must_use]
    pub fn of_hostile(&self) -> Vec<PeerId> {
        self.those(|owner| matches!(owner, Owner::Hostile(_)))
    }

    /// Every connection of one person that has not ended, of whatever life of the tab.
    #[must_use]
    pub fn of_person(&self, person: usize) -> Vec<PeerId> {
        self.those(|owner| matches!(owner, Owner::App(tab, _) if tab.person == person))
    }

    fn those(&self, wanted: impl Fn(Owner) -> bool) -> Vec<PeerId> {
        self.wires
            .iter()
            .filter(|(_, wire)| wire.alive && wanted(wire.owner))
            .map(|(peer, _)| *peer)
            .collect()
    }

    /// Whether all that was sent to the room on a connection has arrived.
    #[must_use]
    pub fn has_carried(&self, peer: PeerId, now: u64) -> bool {
        let carried = |wire: &Wire| wire.alive && !wire.up.swallows && wire.up.busy_until <= now;
        self.wires.get(&peer).is_some_and(carried)
    }

    /// When the runtime last answered a ping of each connection that has not ended. A frozen tab sends none.
    #[must_use]
    pub fn pinged(&self) -> Vec<(PeerId, u64)> {
        self.wires
            .iter()
            .filter(|(_, wire)| wire.alive)
            .filter_map(|(peer, wire)| Some((*peer, wire.pinged_at?)))
            .collect()
    }

    /// The runtime answers a ping.
    pub fn note_ping(&mut self, peer: PeerId, now: u64) {
        if let Some(wire) = self.wires.get_mut(&peer) {
            wire.pinged_at = Some(now);
        }
    }

    /// When a frame sent now arrives: never before the one sent earlier. `None` when it never does.
    pub fn pass(
        &mut self,
        peer: PeerId,
        direction: Direction,
        bytes: usize,
        now: u64,
    ) -> Option<u64> {
        let (low, high) = self.latency;
        let bytes_per_ms = self.wires.get(&peer)?.bytes_per_ms;
        let way = self.way(peer, direction)?;
        let at = now + way.random.between(low, high);
        if way.swallows {
            return None;
        }
        way.busy_until = way.busy_until.max(at) + transfer_ms(bytes, bytes_per_ms);
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

    /// How long a request or an answer of `bytes` takes between a person's machine and the server.
    pub fn request_ms(&self, person: usize, bytes: usize, random: &mut Random) -> u64 {
        // An app that asks anew after each failure would else ask for ever in no time.
        let ms =
            random.between(self.latency.0, self.latency.1) + transfer_ms(bytes, self.rate(person));
        ms.max(1)
    }

    fn rate(&self, person: usize) -> u64 {
        self.rates.get(person).copied().unwrap_or(0)
    }

    /// From now on the network is quick and sound. Connections that swallow go on doing so: both ends have to find
    /// out for themselves. What is on its way over a slow connection still takes its time.
    pub fn heal(&mut self) {
        self.latency = (1, 20);
        self.rates.clear();
        for wire in self.wires.values_mut() {
            wire.bytes_per_ms = 0;
        }
    }
}

fn transfer_ms(bytes: usize, bytes_per_ms: u64) -> u64 {
    (bytes as u64).checked_div(bytes_per_ms).unwrap_or(0)
}

//! The object's hibernatable sockets, by peer.
//!
//! Owns which socket is which peer (its tag), and what is kept with a socket (its attachment). It must not
//! know what a peer says or hears.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use protocol::codes::CloseCode;
use protocol::frame::Frame;
use protocol::ids::SpaceId;
use protocol::time::UnixMillis;
use room_core::{PeerId, PeerRecord};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::host::{ObjectState, Socket, millis, random};

/// What a close says that has nothing to say (RFC 6455 §7.4.1).
const CLOSE_NORMAL: u16 = 1000;

/// The socket is gone, or takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dead;

/// What is kept with a socket, as JSON. At most 16 KiB; a peer's record has at most about 6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// The space's name: an object that wakes up does not know its own for certain.
    pub(crate) space: String,
    /// The room's own record.
    pub(crate) record: PeerRecord,
}

/// A socket found open by an object that woke up.
pub(crate) struct Found {
    pub(crate) peer: PeerId,
    pub(crate) attachment: Attachment,
}

/// Every socket that the room knows as a peer.
pub(crate) struct Sockets {
    open: BTreeMap<PeerId, Slot>,
    /// The socket that arrives, if the room has turned it away.
    turned_away: Option<TurnedAway>,
}

/// A socket that the room did not let in.
pub(crate) struct TurnedAway {
    pub(crate) socket: Socket,
    /// What it is told.
    pub(crate) frames: Vec<JsValue>,
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// A peer's socket.
enum Slot {
    /// Accepted, to hibernate with the object.
    Accepted(Socket),
    /// Not accepted yet: the room is being asked. See [`Sockets::settle`].
    Arriving {
        socket: Socket,
        frames: RefCell<Vec<JsValue>>,
        attachment: RefCell<Option<JsValue>>,
    },
}

impl Sockets {
    /// Takes up the sockets that the runtime has. One that is open and can not be read is closed: its client connects anew.
    /// `waking` is the socket that the object woke up for: one that broke is not in the runtime's list any more.
    pub(crate) fn wake(
        state: &ObjectState,
        waking: Option<&Socket>,
    ) -> Result<(Self, Vec<Found>), JsValue> {
        let mut sockets = Self {
            open: BTreeMap::new(),
            turned_away: None,
        };
        let mut found: Vec<Found> = Vec::new();
        let listed = state.web_sockets()?;
        let waking = waking.map(|socket| JsValue::from(socket.clone()));
        for socket in listed.iter().chain(waking) {
            let socket: Socket = socket.unchecked_into();
            let is_open = socket.is_open();
            match (peer_of(state, &socket), read_attachment(&socket)) {
                (Some(peer), Some(_)) if found.iter().any(|known| known.peer == peer) => {}
                (Some(peer), Some(attachment)) => match attachment.record.leaving {
                    // One that is closing was closed by its client: it is a peer until that is told.
                    None => {
                        sockets.open.insert(peer, Slot::Accepted(socket));
                        found.push(Found { peer, attachment });
                    }
                    Some(_) if is_open => {
                        close_socket(&socket, CloseCode::Internal.number(), "closed before");
                    }
                    // Its other end has not answered our close yet.
                    Some(_) => found.push(Found { peer, attachment }),
                },
                (_, _) if is_open => {
                    close_socket(&socket, CloseCode::Internal.number(), "unknown socket");
                }
                (_, _) => {}
            }
        }
        Ok((sockets, found))
    }

    /// Names a new socket. What is sent to it waits until [`Sockets::settle`].
    pub(crate) fn arrive(&mut self, socket: Socket) -> Result<PeerId, JsValue> {
        let peer = PeerId(u64::from_le_bytes(random::<8>()?));
        let slot = Slot::Arriving {
            socket,
            frames: RefCell::default(),
            attachment: RefCell::default(),
        };
        self.open.insert(peer, slot);
        Ok(peer)
    }

    /// Returns the arriving socket if the room turned it away. Accept it with `accept()`, not as hibernatable: the runtime
    /// never ends the connection of a hibernatable socket that is closed before its client sent anything.
    pub(crate) fn take_turned_away(&mut self) -> Option<TurnedAway> {
        self.turned_away.take()
    }

    /// Accepts a socket that the room let in.
    pub(crate) fn settle(&mut self, state: &ObjectState, peer: PeerId) -> Result<(), JsValue> {
        match self.open.remove(&peer) {
            None => Ok(()),
            Some(Slot::Accepted(socket)) => {
                self.open.insert(peer, Slot::Accepted(socket));
                Ok(())
            }
            Some(Slot::Arriving {
                socket,
                frames,
                attachment,
            }) => {
                state.accept_web_socket(&socket, &Array::of1(&JsValue::from_str(&tag(peer))))?;
                if let Some(attachment) = attachment.take() {
                    socket.serialize_attachment(&attachment)?;
                }
                for frame in frames.take() {
                    socket.send(&frame)?;
                }
                self.open.insert(peer, Slot::Accepted(socket));
                Ok(())
            }
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// The peer behind a socket, if the room still knows it.
    pub(crate) fn peer(&self, state: &ObjectState, socket: &Socket) -> Option<PeerId> {
        peer_of(state, socket).filter(|peer| self.open.contains_key(peer))
    }

    /// Forgets the peer behind a socket that is closing or gone. Returns it also where the room has closed the socket before.
    pub(crate) fn end(&mut self, state: &ObjectState, socket: &Socket) -> Option<PeerId> {
        let peer = peer_of(state, socket)?;
        self.open.remove(&peer);
        Some(peer)
    }

    /// Sends one frame to all of `peers`, converted once. Gives those whose socket is dead.
    pub(crate) fn send(&self, peers: &[PeerId], frame: &Frame<Rc<str>, Rc<[u8]>>) -> Vec<PeerId> {
        let data = match frame {
            Frame::Text(text) => JsValue::from_str(text),
            Frame::Binary(bytes) => Uint8Array::from(bytes.as_ref()).into(),
        };
        let dead = |peer: &&PeerId| {
            self.open
                .get(peer)
                .is_some_and(|slot| slot.send(&data).is_err())
        };
        peers.iter().filter(dead).copied().collect()
    }

    /// Keeps `record` with the peer's socket.
    pub(crate) fn remember(
        &self,
        space: &SpaceId,
        peer: PeerId,
        record: PeerRecord,
    ) -> Result<(), Dead> {
        let Some(slot) = self.open.get(&peer) else {
            return Ok(());
        };
        let attachment = Attachment {
            space: space.as_str().to_owned(),
            record,
        };
        let json = serde_json::to_string(&attachment).map_err(|_| Dead)?;
        let json = JsValue::from_str(&json);
        match slot {
            Slot::Accepted(socket) => socket.serialize_attachment(&json).map_err(|_| Dead),
            Slot::Arriving { attachment, .. } => {
                attachment.replace(Some(json));
                Ok(())
            }
        }
    }

    /// Forgets the peer and closes its socket.
    pub(crate) fn close(&mut self, peer: PeerId, code: u16, reason: &str) {
        match self.open.remove(&peer) {
            None => {}
            // What the room keeps with it says that it is leaving.
            Some(Slot::Accepted(socket)) => end_socket(&socket, code, reason),
            Some(Slot::Arriving { socket, frames, .. }) => {
                self.turned_away = Some(TurnedAway {
                    socket,
                    frames: frames.take(),
                    code,
                    reason: reason.to_owned(),
                });
            }
        }
    }

    /// When the runtime last answered each peer's ping by itself.
    pub(crate) fn heard(&self, state: &ObjectState) -> Vec<(PeerId, UnixMillis)> {
        let heard = |(peer, slot): (&PeerId, &Slot)| {
            let Slot::Accepted(socket) = slot else {
                return None;
            };
            let date = state.auto_response_timestamp(socket).ok().flatten()?;
            Some((*peer, millis(date.get_time())))
        };
        self.open.iter().filter_map(heard).collect()
    }
}

impl Slot {
    fn send(&self, data: &JsValue) -> Result<(), JsValue> {
        match self {
            Self::Accepted(socket) => socket.send(data),
            Self::Arriving { frames, .. } => {
                frames.borrow_mut().push(data.clone());
                Ok(())
            }
        }
    }
}

/// Closes an accepted socket for good: should the object be built anew before the other end has answered, the socket
/// must not be taken for a peer again.
pub(crate) fn close_socket(socket: &Socket, code: u16, reason: &str) {
    let _forgotten = socket.serialize_attachment(&JsValue::NULL);
    end_socket(socket, code, reason);
}

/// Answers the close of a socket's other end, in kind where that can be said. The runtime hands on whatever code came, and keeps
/// a socket for good that is not closed.
pub(crate) fn answer_close(socket: &Socket, code: u16) {
    // RFC 6455 §7.4: those below are reserved or stand for "none", and those from 5000 on are none.
    let code = match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => code,
        _ => CLOSE_NORMAL,
    };
    close_socket(socket, code, "");
}

fn end_socket(socket: &Socket, code: u16, reason: &str) {
    // An exception that comes again means that it is closed already.
    let _closed = socket
        .close(code, reason)
        .or_else(|_| socket.close(CLOSE_NORMAL, ""));
}

fn tag(peer: PeerId) -> String {
    format!("{:016x}", peer.0)
}

fn peer_of(state: &ObjectState, socket: &Socket) -> Option<PeerId> {
    let tag = state.tags(socket).ok()?.get(0).as_string()?;
    u64::from_str_radix(&tag, 16).ok().map(PeerId)
}

fn read_attachment(socket: &Socket) -> Option<Attachment> {
    serde_json::from_str(&socket.deserialize_attachment().ok()?.as_string()?).ok()
}

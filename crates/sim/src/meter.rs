//! Counts how readers lag, from the frames that pass: which peers fall behind, and how they are served then.
//!
//! It knows of a peer what the room can know: what was sent to it, and the marks that it echoed. A peer is behind from
//! the moment it has [`UNCONFIRMED_BYTES_MAX`] unconfirmed, or was sent a window behind which the log goes on, until it
//! is sent an event that its own echo did not bring.

use std::collections::{BTreeMap, VecDeque};

use protocol::limits::UNCONFIRMED_BYTES_MAX;
use room_core::io::PeerId;
use serde_json::Value;

use crate::network::is_hostile;

/// No echo of a mark is longer, in bytes.
const ECHO_BYTES_MAX: usize = 192;
/// How many marks are remembered for whoever wants to echo those of others.
const OVERHEARD_MAX: usize = 32;

/// What a run's readers were sent and confirmed.
#[derive(Debug, Default)]
pub struct Meter {
    readers: BTreeMap<PeerId, Reader>,
    /// The input that the room is handling.
    handling: Option<Handling>,
    /// The newest marks that apps were sent.
    overheard: VecDeque<String>,
    /// Times that an app fell behind.
    pub fell_behind: u64,
    /// Windows of the log that were sent to apps: to those that resumed, asked, or are behind.
    pub windows: u64,
    /// Marks that apps echoed to the room.
    pub marks_echoed: u64,
    /// Most bytes in frames with events that any peer, hostile or not, was sent and had not confirmed.
    pub unconfirmed_max: u64,
}

#[derive(Debug, Default)]
struct Reader {
    sent: Sent,
    confirmed: Sent,
    /// Marks that were not echoed, and what was sent up to each.
    marks: VecDeque<(String, Sent)>,
    behind: bool,
}

/// Bytes that a peer was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    bytes: u64,
    /// Those of frames with events.
    event_bytes: u64,
}

/// An input that may bring its peer a window of the log.
#[derive(Debug)]
struct Handling {
    peer: PeerId,
    cause: Cause,
    has_events: bool,
    ends_with_mark: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A peer connects, or asks for what it missed.
    Resume,
    /// A peer echoes a mark.
    Echo,
}

impl Meter {
    /// The room begins to handle a connection's upgrade.
    pub fn begin_upgrade(&mut self, peer: PeerId) {
        self.begin(peer, Cause::Resume);
    }

    /// The room begins to handle a frame.
    pub fn begin_frame(&mut self, peer: PeerId, text: &str) {
        if text.len() > ECHO_BYTES_MAX {
            return;
        }
        if text.contains("\"sync\"") {
            self.begin(peer, Cause::Resume);
        } else if text.contains("\"seen\"") && self.confirm(peer, text) {
            self.begin(peer, Cause::Echo);
        }
    }

    fn begin(&mut self, peer: PeerId, cause: Cause) {
        self.handling = Some(Handling {
            peer,
            cause,
            has_events: false,
            ends_with_mark: false,
        });
    }

    fn confirm(&mut self, peer: PeerId, text: &str) -> bool {
        let echo: Value = serde_json::from_str(text).unwrap_or_default();
        let (Some(id), Some(reader)) = (text_of(&echo, "mark"), self.readers.get_mut(&peer)) else {
            return false;
        };
        let Some(index) = reader.marks.iter().position(|(mark, _)| mark == id) else {
            return false;
        };
        if let Some((_, end)) = reader.marks.drain(..=index).next_back() {
            reader.confirmed = end;
        }
        self.marks_echoed += u64::from(!is_hostile(peer));
        true
    }

    /// A frame leaves the room for one peer.
    pub fn sent(&mut self, peer: PeerId, text: &str) {
        let reader = self.readers.entry(peer).or_default();
        let handling = self.handling.as_mut().filter(|it| it.peer == peer);
        if let Some(id) = mark_of(text) {
            reader.marks.push_back((id.clone(), reader.sent));
            if let Some(handling) = handling {
                handling.ends_with_mark = true;
            }
            if !is_hostile(peer) {
                if self.overheard.len() == OVERHEARD_MAX {
                    self.overheard.pop_front();
                }
                self.overheard.push_back(id);
            }
            return;
        }
        let (bytes, has_events) = (text.len() as u64, has_events(text));
        reader.sent.bytes += bytes;
        if has_events {
            reader.sent.event_bytes += bytes;
        }
        match handling {
            Some(handling) => {
                handling.has_events |= has_events;
                handling.ends_with_mark = false;
            }
            None if has_events => reader.behind = false,
            None => {}
        }
        let unconfirmed = reader.sent.event_bytes - reader.confirmed.event_bytes;
        self.unconfirmed_max = self.unconfirmed_max.max(unconfirmed);
        let is_full = reader.sent.bytes - reader.confirmed.bytes >= UNCONFIRMED_BYTES_MAX as u64;
        if is_full && !reader.behind {
            reader.behind = true;
            self.fell_behind += u64::from(!is_hostile(peer));
        }
    }

    /// The room has handled the input.
    pub fn end(&mut self) {
        let Some(handled) = self.handling.take() else {
            return;
        };
        let Some(reader) = self.readers.get_mut(&handled.peer) else {
            return;
        };
        let is_window = match handled.cause {
            Cause::Resume => handled.has_events,
            Cause::Echo => handled.has_events && reader.behind,
        };
        self.windows += u64::from(is_window && !is_hostile(handled.peer));
        if handled.cause == Cause::Resume && is_window && handled.ends_with_mark {
            reader.behind = true;
        }
    }

    /// The room lost its memory: nobody is behind, and earlier marks confirm nothing.
    pub fn forget(&mut self) {
        self.readers.clear();
        self.handling = None;
    }

    /// The newest marks that apps were sent.
    pub fn overheard(&self) -> impl Iterator<Item = &str> {
        self.overheard.iter().map(String::as_str)
    }
}

fn mark_of(text: &str) -> Option<String> {
    let is_mark = text.starts_with("{\"type\":\"mark\"");
    let mark: Value = is_mark.then(|| serde_json::from_str(text).ok()).flatten()?;
    text_of(&mark, "id").map(str::to_owned)
}

fn text_of<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// Whether an event of the log is in the frame. A text that somebody wrote has its quotes escaped, and is none.
fn has_events(text: &str) -> bool {
    const EVENTS: [&str; 5] = ["message", "update", "participant", "metadata", "skip"];
    let begins = |rest: &str| {
        let word = rest.strip_prefix("{\"type\":\"");
        word.is_some_and(|word| EVENTS.iter().any(|event| word.starts_with(event)))
    };
    begins(text.strip_prefix('[').unwrap_or(text))
        || text
            .match_indices(",{\"type\":\"")
            .any(|(at, _)| begins(&text[at + 1..]))
}

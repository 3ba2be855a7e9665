//! A hostile peer: no client, only bare sockets that flood the room with everything a socket can carry.
//!
//! It decides what is sent; [`crate::world`] carries it. All its choices come from a generator of its own, so that a run
//! with it and a run without it draw everything else alike.

use std::collections::VecDeque;

use protocol::frame::Frame;
use protocol::limits::{ANONYMOUS_RATE_FACTOR, SAFE_INTEGER_MAX, SEND_BURST, SEND_PER_SECOND};
use protocol::text::encode_token_subprotocol;
use protocol::wire::PING;
use room_core::io::PeerId;
use serde_json::{Value, json};

use crate::person::name_of;
use crate::random::{Random, Stream};
use crate::server::{SPACE, Server};

/// Its user id, and what the names of its messages begin with.
pub const NAME: &str = "hostile";
/// What the text of a message begins with that the room must refuse.
const LIE: &str = "lie";
/// Frames that it sends in a run, at most, so that none takes for ever.
const FRAMES_MAX: u64 = 60_000;
/// Messages that it sends in a run, at most.
const MESSAGES_MAX: u64 = 6_000;
/// Bytes of padding that it sends in a run, at most.
const BYTES_MAX: u64 = 10_000_000;
/// Bytes of a frame that no room looks at.
const OVERSIZED_BYTES: usize = 300 * 1024;
/// How many ids of others' messages it remembers.
const IDS_MAX: usize = 32;

/// The hostile peer of a run.
#[derive(Debug)]
pub struct Hostile {
    /// How it behaves.
    pub habits: Habits,
    random: Random,
    slots: Vec<Slot>,
    token: String,
    /// The epoch of the log, as it was told last.
    epoch: Option<String>,
    /// Ids of messages that others wrote.
    ids: VecDeque<String>,
    frames: u64,
    messages: u64,
    bytes: u64,
}

/// How the hostile peer behaves; each run draws other habits.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Sockets that it uses at once.
    pub sockets: usize,
    /// When it begins, in milliseconds.
    pub begins_at: u64,
    /// Whether its token names it. If not, its connections together may do ten times as much.
    pub is_named: bool,
    /// Whether it echoes marks.
    pub echoes_marks: bool,
    /// Whether it asks for the whole log each time that it connects.
    pub replays_log: bool,
    /// How often it goes on sending on a socket that was closed.
    pub acts_after_close: u32,
    /// Frames in one burst, at most.
    pub burst: u64,
    /// Bytes that its messages are padded with, at most.
    pub padding: u64,
    /// Pause between two acts on a socket, at most, in milliseconds.
    pub pause_ms_max: u64,
    /// What it floods with.
    pub floods: Vec<Flood>,
}

/// What a burst consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Messages under its own name, one a frame.
    Messages,
    /// Messages under its own name, many a frame.
    MessageBatches,
    /// New messages under ids that it used before.
    ReusedIds,
    /// Messages under somebody else's name.
    OthersNames,
    /// Edits and deletions of what others wrote.
    OthersMessages,
    /// Typing signs.
    Typing,
    /// Requests for the log, from any position.
    Sync,
    /// Echoes of marks that nobody sent.
    InventedMarks,
    /// Echoes of marks that were sent to others.
    OverheardMarks,
    /// Tokens that are none.
    Auth,
    /// Pings, which the runtime answers.
    Pings,
    /// Pings that reach the room.
    SpelledPings,
    /// Frames of types that do not exist, and JSON that is no frame.
    UnknownTypes,
    /// Text that is no JSON.
    NoJson,
    /// Batches of a thousand empty entries.
    EmptyEntries,
    /// Batches of more entries than a batch may have.
    TooManyEntries,
    /// Binary frames.
    Binary,
    /// Frames that are larger than any may be.
    Oversized,
}

const FLOODS: [Flood; 18] = [
    Flood::Messages,
    Flood::MessageBatches,
    Flood::ReusedIds,
    Flood::OthersNames,
    Flood::OthersMessages,
    Flood::Typing,
    Flood::Sync,
    Flood::InventedMarks,
    Flood::OverheardMarks,
    Flood::Auth,
    Flood::Pings,
    Flood::SpelledPings,
    Flood::UnknownTypes,
    Flood::NoJson,
    Flood::EmptyEntries,
    Flood::TooManyEntries,
    Flood::Binary,
    Flood::Oversized,
];

/// One of its sockets.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    peer: Option<PeerId>,
    /// How often it acted on the socket since that was closed.
    acts_after_close: Option<u32>,
}

/// What the hostile peer does next with one of its sockets.
#[derive(Debug)]
pub enum Deed {
    /// It opens one.
    Connect {
        /// The upgrade's address.
        url: String,
        /// The upgrade's subprotocols.
        protocols: Vec<String>,
    },
    /// It sends these frames.
    Send(PeerId, Vec<Frame>),
    /// It hangs up.
    HangUp(PeerId),
}

impl Hostile {
    /// The hostile peer of the run that `seed` determines.
    ///
    /// # Errors
    /// When its token cannot be minted.
    pub fn new(seed: u64) -> Result<Self, String> {
        let mut random = Random::new(seed, Stream::Hostile);
        let habits = Habits::draw(&mut random);
        let token = Self::mint(habits.is_named, &mut random)?;
        Ok(Self {
            slots: vec![Slot::default(); habits.sockets],
            habits,
            random,
            token,
            epoch: None,
            ids: VecDeque::new(),
            frames: 0,
            messages: 0,
            bytes: 0,
        })
    }

    /// From now on its token names it.
    ///
    /// # Errors
    /// When the token cannot be minted.
    pub fn name(&mut self) -> Result<(), String> {
        self.habits.is_named = true;
        self.token = Self::mint(true, &mut self.random)?;
        Ok(())
    }

    fn mint(is_named: bool, random: &mut Random) -> Result<String, String> {
        Server::mint(is_named.then_some(NAME), u64::from(u32::MAX), random)
    }

    /// How many messages it can have had stored after `ms` milliseconds, in a room that was rebuilt so many times: a
    /// rebuilt room forgives.
    #[must_use]
    pub fn stored_max(&self, ms: u64, rebuilt: u64) -> u64 {
        let factor = if self.habits.is_named {
            1
        } else {
            ANONYMOUS_RATE_FACTOR
        };
        factor * (SEND_BURST * (rebuilt + 1) + SEND_PER_SECOND * ms.div_ceil(1_000))
    }

    /// Whether a message of this name is one that it sent and the room may store.
    #[must_use]
    pub fn sent(&self, name: &str) -> bool {
        let number = name
            .strip_prefix(NAME)
            .and_then(|rest| rest.trim_start().parse::<u64>().ok());
        number.is_some_and(|number| number < self.messages)
    }

    /// When it acts on a socket again, in milliseconds from now.
    pub fn pause_ms(&mut self) -> u64 {
        self.random.between(1, self.habits.pause_ms_max)
    }

    /// Acts on the socket in `slot`. `overheard` are marks that were sent to others.
    pub fn act(&mut self, slot: usize, overheard: &[&str]) -> Option<Deed> {
        let Slot {
            peer,
            acts_after_close,
        } = *self.slots.get(slot)?;
        let Some(peer) = peer else {
            return Some(self.connect());
        };
        match acts_after_close {
            Some(acts) if acts >= self.habits.acts_after_close => {
                self.lost(slot);
                return Some(Deed::HangUp(peer));
            }
            Some(acts) => self.change(slot, |slot| slot.acts_after_close = Some(acts + 1)),
            None => {}
        }
        Some(Deed::Send(peer, self.burst(overheard)))
    }

    fn connect(&mut self) -> Deed {
        let mut url = format!("wss://simulated/?spaceId={SPACE}&clientScope={NAME}");
        if let Some(epoch) = self.epoch.as_ref().filter(|_| self.habits.replays_log) {
            url.push_str(&format!("&epoch={epoch}&since=0"));
        }
        let protocols = vec![
            "spaces.v2".to_owned(),
            encode_token_subprotocol(&self.token),
        ];
        Deed::Connect { url, protocols }
    }

    /// Its new socket has this name.
    pub fn connected(&mut self, slot: usize, peer: PeerId) {
        self.change(slot, |slot| slot.peer = Some(peer));
    }

    /// The socket was closed by the room.
    pub fn closed(&mut self, slot: usize) {
        self.change(slot, |slot| slot.acts_after_close = Some(0));
    }

    /// The socket is gone.
    pub fn lost(&mut self, slot: usize) {
        self.change(slot, |slot| *slot = Slot::default());
    }

    fn change(&mut self, slot: usize, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(slot) {
            change(slot);
        }
    }

    /// Reads a frame. Gives the answer, if it sends one.
    pub fn read(&mut self, text: &str) -> Option<Frame> {
        let is_short = text.len() < 4_000 || self.random.chance(20);
        let frame: Value = is_short
            .then(|| serde_json::from_str(text).ok())
            .flatten()?;
        let entries = frame.as_array().cloned().unwrap_or_else(|| vec![frame]);
        let mut answer = None;
        for entry in &entries {
            let field = |key: &str| entry.get(key).and_then(Value::as_str);
            match field("type") {
                Some("welcome") => self.epoch = field("epoch").map(str::to_owned),
                Some("message") => self.note_message(entry.get("message")),
                Some("mark") if self.habits.echoes_marks => {
                    let echo = json!({"type": "seen", "mark": field("id"), "seq": 0});
                    answer = Some(Frame::Text(echo.to_string()));
                }
                Some(_) | None => {}
            }
        }
        answer
    }

    fn note_message(&mut self, message: Option<&Value>) {
        let field = |key: &str| message?.get(key)?.as_str();
        let is_own = name_of(field("text").unwrap_or_default()).starts_with(NAME);
        if let Some(id) = field("id").filter(|_| !is_own) {
            if self.ids.len() == IDS_MAX {
                self.ids.pop_front();
            }
            self.ids.push_back(id.to_owned());
        }
    }

    fn burst(&mut self, overheard: &[&str]) -> Vec<Frame> {
        let Some(flood) = self.random.pick(&self.habits.floods).copied() else {
            return Vec::new();
        };
        let most = match flood {
            Flood::MessageBatches | Flood::EmptyEntries | Flood::TooManyEntries => 4,
            Flood::Oversized => 3,
            Flood::Messages
            | Flood::ReusedIds
            | Flood::OthersNames
            | Flood::OthersMessages
            | Flood::Typing
            | Flood::Sync
            | Flood::InventedMarks
            | Flood::OverheardMarks
            | Flood::Auth
            | Flood::Pings
            | Flood::SpelledPings
            | Flood::UnknownTypes
            | Flood::NoJson
            | Flood::Binary => self.habits.burst,
        };
        let count = self.random.between(1, most).min(FRAMES_MAX - self.frames);
        self.frames += count;
        (0..count).map(|_| self.frame(flood, overheard)).collect()
    }

    fn frame(&mut self, flood: Flood, overheard: &[&str]) -> Frame {
        let number = self.random.between(0, SAFE_INTEGER_MAX);
        let is_even = number.is_multiple_of(2);
        let frame = match flood {
            Flood::Messages => self.message(),
            Flood::MessageBatches => {
                let count = self.random.between(2, 300);
                Value::Array((0..count).map(|_| self.message()).collect())
            }
            Flood::ReusedIds => {
                let earlier = self.random.between(0, self.messages);
                self.message_under(&id_of(earlier))
            }
            // Without a user in its token it may use any name that belongs to nobody.
            Flood::OthersNames if !self.habits.is_named => json!({}),
            Flood::OthersNames => {
                let user = format!("user{}", number % 3);
                json!({"type": "message", "clientMessageId": id_of(number), "senderId": user, "text": LIE})
            }
            Flood::OthersMessages => {
                let ids: Vec<String> = self.ids.iter().cloned().collect();
                let id = self.random.pick(&ids).cloned().unwrap_or_default();
                if is_even {
                    json!({"type": "delete", "messageId": id})
                } else {
                    json!({"type": "edit", "messageId": id, "text": LIE})
                }
            }
            Flood::Typing => json!({"type": "typing", "userId": NAME, "isTyping": is_even}),
            Flood::Sync => {
                let positions = [
                    json!(0),
                    json!(number % 2_000),
                    json!(number),
                    json!(-1),
                    json!("x"),
                ];
                let since = self.random.pick(&positions).cloned();
                json!({"type": "sync", "since": since})
            }
            Flood::InventedMarks => {
                json!({"type": "seen", "mark": format!("{number:016x}"), "seq": SAFE_INTEGER_MAX})
            }
            Flood::OverheardMarks => {
                let mark = self.random.pick(overheard).copied().unwrap_or_default();
                json!({"type": "seen", "mark": mark, "seq": number})
            }
            Flood::Auth => json!({"type": "auth", "token": format!("{SPACE}.{number}.1.x")}),
            Flood::SpelledPings => json!({"type": "ping", "number": number}),
            Flood::UnknownTypes => {
                let frames = [
                    json!({"type": format!("t{number}")}),
                    json!({}),
                    json!([]),
                    json!("x"),
                    json!([[[]]]),
                ];
                self.random.pick(&frames).cloned().unwrap_or_default()
            }
            Flood::EmptyEntries => return Frame::Text(empty_entries(1_000)),
            Flood::TooManyEntries => {
                return Frame::Text(empty_entries(self.random.between(1_001, 20_000)));
            }
            Flood::Pings => return Frame::Text(PING.to_owned()),
            Flood::NoJson => return Frame::Text(format!("{{\"type\":{number}")),
            Flood::Binary => {
                let bytes = self.random.between(0, 20) * self.random.between(0, 20_000);
                return Frame::Binary(vec![0; usize::try_from(bytes).unwrap_or(0)]);
            }
            Flood::Oversized if is_even => return Frame::Binary(vec![0; OVERSIZED_BYTES]),
            Flood::Oversized => return Frame::Text("x".repeat(OVERSIZED_BYTES)),
        };
        Frame::Text(frame.to_string())
    }

    /// A message under its own name; nothing of use once it has sent enough.
    fn message(&mut self) -> Value {
        self.message_under(&id_of(self.messages))
    }

    fn message_under(&mut self, id: &str) -> Value {
        let padding = self.random.between(0, self.habits.padding);
        if self.messages >= MESSAGES_MAX || self.bytes + padding > BYTES_MAX {
            return json!({"type": "message"});
        }
        let number = self.messages;
        self.messages += 1;
        self.bytes += padding;
        let padding = "x".repeat(usize::try_from(padding).unwrap_or(0));
        json!({
            "type": "message",
            "clientMessageId": id,
            "senderId": NAME,
            "senderType": "user",
            "text": format!("{NAME} {number},{padding}"),
        })
    }
}

impl Habits {
    fn draw(random: &mut Random) -> Self {
        let mut floods: Vec<Flood> = FLOODS.into_iter().filter(|_| random.chance(400)).collect();
        if floods.is_empty() {
            floods.push(Flood::Messages);
        }
        let sockets = if random.chance(50) {
            // More than a user may have.
            25
        } else {
            random.between(1, 3)
        };
        Self {
            sockets: usize::try_from(sockets).unwrap_or(1),
            begins_at: random.between(0, 10_000),
            is_named: random.chance(700),
            echoes_marks: random.chance(500),
            replays_log: random.chance(500),
            acts_after_close: u32::try_from(random.between(0, 5)).unwrap_or(0),
            burst: random.between(50, 1_000),
            padding: if random.chance(300) { 16_000 } else { 200 },
            pause_ms_max: random.between(100, 3_000),
            floods,
        }
    }
}

fn id_of(number: u64) -> String {
    format!("{NAME}{number:025}")
}

/// A batch of so many empty entries.
fn empty_entries(count: u64) -> String {
    let entries = vec!["{}"; usize::try_from(count).unwrap_or(0)];
    format!("[{}]", entries.join(","))
}

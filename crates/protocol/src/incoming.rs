//! The client's reading of server frames, over any JSON engine.
//!
//! Reads the type, the numbers and the ids; payloads (a message, a participant) are passed through as the
//! engine's own values. Must not know what the client does with them. Client frames are written here as well.

use crate::codes::ErrorCode;
use crate::ids::{ClientMessageId, ConnectionId, Epoch, MarkId, Seq};
use crate::json::{Json, Shape, whole_number};
use crate::limits::{ATTACHMENTS_MAX, BATCH_ENTRIES_MAX, EPOCH_BYTES_MAX, RETRY_AFTER_MS_MAX};
use crate::time::UnixMillis;
use crate::wire::{Key, Word};

/// Something the server said, as the client sees it. `J` is the payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming<J> {
    /// The connection is accepted.
    Welcome {
        /// The log's present life; `None` while nothing was ever stored.
        epoch: Option<Epoch>,
        /// The newest event.
        seq: Seq,
        /// The server's wall clock, where it tells it.
        server_time: Option<UnixMillis>,
        /// The server's name of the connection; `None` in an answer to `GET /events`, which has none.
        connection_id: Option<ConnectionId>,
        /// With a cursor: whether every event after it follows.
        recovered: Option<bool>,
        /// In an answer to `GET /events`: whether the log goes on behind the events of this answer.
        more: bool,
    },
    /// An event of the log.
    Event {
        /// Its place.
        seq: Seq,
        /// What it tells.
        body: EventPayload<J>,
    },
    /// The events up to `to` were superseded.
    Skip {
        /// First.
        from: Seq,
        /// Last.
        to: Seq,
    },
    /// Where the log stands.
    Head {
        /// The log's present life.
        epoch: Option<Epoch>,
        /// The newest event.
        seq: Seq,
        /// `Some(false)`: the `sync` could not be followed.
        recovered: Option<bool>,
    },
    /// One of our messages is stored.
    Ack {
        /// Our id of it.
        client_message_id: ClientMessageId,
        /// Its place.
        seq: Seq,
        /// The message, where it is not told as an event.
        message: Option<J>,
    },
    /// Somebody types or stopped.
    Typing {
        /// Who.
        user_id: String,
        /// Whether they type.
        is_typing: bool,
    },
    /// Who is here: `here`, `joined` or `left`, and an array of users.
    Presence {
        /// How it changed.
        status: Word,
        /// Whom it is about.
        users: J,
    },
    /// Our token's time is over soon.
    Expiring,
    /// To be echoed at once.
    Mark {
        /// What is echoed.
        id: MarkId,
    },
    /// A frame of ours was refused, or the connection ends.
    Error(ErrorPayload),
    /// The answer to a ping.
    Pong,
    /// A type of a later version: nothing to do.
    Unknown,
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq)]
pub enum EventPayload<J> {
    /// A message was stored.
    Message(J),
    /// A message was edited or deleted.
    Update(J),
    /// Somebody is known for the first time.
    Participant(J),
    /// Metadata changed.
    Metadata(J),
    /// A kind of a later version: only the cursor moves.
    Unknown,
}

/// An error the server told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPayload {
    /// Which kind; `None` for one of a later version.
    pub code: Option<ErrorCode>,
    /// A sentence for people.
    pub error: String,
    /// The field that is absent or wrong.
    pub field: Option<String>,
    /// What it answers.
    pub reference: Option<String>,
    /// When to try again, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// A frame, or an entry of a batch, that breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Reads one socket frame. One entry for each object of a batch, up to the first that is unreadable: nothing behind it
/// counts. A batch of more than [`BATCH_ENTRIES_MAX`] is unreadable as a whole.
#[must_use]
pub fn read<J: Json>(text: &J::Text) -> Vec<Result<Incoming<J>, Unreadable>> {
    match J::parse(text) {
        Some(frame) => read_parsed(&frame),
        None => vec![Err(Unreadable)],
    }
}

fn read_parsed<J: Json>(frame: &J) -> Vec<Result<Incoming<J>, Unreadable>> {
    match frame.items() {
        None => vec![read_entry(frame)],
        Some(count) if count > BATCH_ENTRIES_MAX => vec![Err(Unreadable)],
        Some(count) => {
            let mut is_readable = true;
            (0..count)
                .map_while(|index| read_item(frame, index))
                .take_while(|entry| std::mem::replace(&mut is_readable, entry.is_ok()))
                .collect()
        }
    }
}

/// Reads one frame of the array of frames that `GET /events` answers; `None` beyond its end.
#[must_use]
pub fn read_item<J: Json>(frames: &J, index: usize) -> Option<Result<Incoming<J>, Unreadable>> {
    frames.item(index).map(|entry| read_entry(&entry))
}

fn read_entry<J: Json>(entry: &J) -> Result<Incoming<J>, Unreadable> {
    let word = entry.get(Key::Type).ok_or(Unreadable)?.word();
    match word {
        Some(Word::Message) => event(entry, EventPayload::Message(message(entry)?)),
        Some(Word::Update) => event(entry, EventPayload::Update(message(entry)?)),
        Some(Word::Participant) => event(
            entry,
            EventPayload::Participant(sound(entry, Key::Participant, is_participant)?),
        ),
        Some(Word::Metadata) => event(
            entry,
            EventPayload::Metadata(sound(entry, Key::Changes, is_object)?),
        ),
        Some(Word::Ack) => Ok(Incoming::Ack {
            client_message_id: ClientMessageId(text(entry, Key::ClientMessageId)?),
            seq: seq(entry, Key::Seq)?,
            message: message(entry).ok(),
        }),
        Some(Word::Welcome) => Ok(Incoming::Welcome {
            epoch: read_epoch(entry),
            seq: seq(entry, Key::Seq)?,
            connection_id: text(entry, Key::ConnectionId).ok().map(ConnectionId),
            server_time: entry
                .get(Key::ServerTime)
                .as_ref()
                .and_then(whole_number)
                .map(UnixMillis),
            recovered: boolean(entry, Key::Recovered),
            more: boolean(entry, Key::More) == Some(true),
        }),
        Some(Word::Head) => Ok(Incoming::Head {
            epoch: read_epoch(entry),
            seq: seq(entry, Key::Seq)?,
            recovered: boolean(entry, Key::Recovered),
        }),
        Some(Word::Skip) => Ok(Incoming::Skip {
            from: seq(entry, Key::From)?,
            to: seq(entry, Key::To)?,
        }),
        Some(Word::Typing) => Ok(Incoming::Typing {
            user_id: text(entry, Key::UserId)?,
            is_typing: boolean(entry, Key::IsTyping).ok_or(Unreadable)?,
        }),
        Some(Word::Presence) => Ok(Incoming::Presence {
            status: required(entry, Key::Status)?.word().ok_or(Unreadable)?,
            users: required(entry, Key::Users)?,
        }),
        Some(Word::Expiring) => Ok(Incoming::Expiring),
        Some(Word::Mark) => Ok(Incoming::Mark {
            id: MarkId(text(entry, Key::Id)?),
        }),
        Some(Word::Error) => Ok(Incoming::Error(error(entry))),
        Some(Word::Pong) => Ok(Incoming::Pong),
        // A later version's event still has its place in the log.
        Some(_) | None => match entry.get(Key::Seq) {
            Some(_) => event(entry, EventPayload::Unknown),
            None => Ok(Incoming::Unknown),
        },
    }
}

/// Reads the error that an HTTP answer or a frame carries.
#[must_use]
pub fn error<J: Json>(entry: &J) -> ErrorPayload {
    let optional = |key: Key| entry.get(key).and_then(|value| value.string());
    ErrorPayload {
        code: optional(Key::Code).as_deref().and_then(ErrorCode::parse),
        error: optional(Key::Error).unwrap_or_default(),
        field: optional(Key::Field),
        reference: optional(Key::Ref),
        retry_after_ms: entry
            .get(Key::RetryAfterMs)
            .as_ref()
            .and_then(whole_number)
            .map(|ms| ms.min(RETRY_AFTER_MS_MAX)),
    }
}

fn event<J: Json>(entry: &J, body: EventPayload<J>) -> Result<Incoming<J>, Unreadable> {
    Ok(Incoming::Event {
        seq: seq(entry, Key::Seq)?,
        body,
    })
}

fn required<J: Json>(entry: &J, key: Key) -> Result<J, Unreadable> {
    entry.get(key).ok_or(Unreadable)
}

fn message<J: Json>(entry: &J) -> Result<J, Unreadable> {
    required(entry, Key::Message).and_then(|value| read_message(value).ok_or(Unreadable))
}

/// A payload that an app can rely on.
fn sound<J: Json>(entry: &J, key: Key, is_sound: fn(&J) -> bool) -> Result<J, Unreadable> {
    entry.get(key).filter(is_sound).ok_or(Unreadable)
}

/// Whether a value is an object, whatever is in it.
pub fn is_object<J: Json>(value: &J) -> bool {
    value.shape() == Shape::Object
}

/// The latest time, and with its sign the earliest, that a `Date` can be made of. JSON has infinite numbers, as `1e400`.
const TIME_MAX: f64 = 8.64e15;
const TIMES: [Key; 5] = [
    Key::CreatedAt,
    Key::UpdatedAt,
    Key::EditedAt,
    Key::DeletedAt,
    Key::JoinedAt,
];

/// Fields that the client itself lays over messages, in its store and in what it tells the app.
const OWN_FIELDS: [Key; 5] = [
    Key::ClientMessageId,
    Key::Dropped,
    Key::Error,
    Key::Key,
    Key::Status,
];

/// A message as far as an app relies on it: each field that it knows is of its kind; `None` for what is none. Attachments that
/// nobody could show are left out, the message stays: a worker of the TypeScript SDK says `null` where there are none, and
/// stores whatever it is given. So are the client's own fields, by which a stranger's message would pass as one's own. Fields of
/// a later version stay. Of the known fields only kinds are looked at.
///
/// `value` is the client's alone, fresh from an answer or a frame: it is mended in place.
pub fn read_message<J: Json>(value: J) -> Option<J> {
    const HAS: [(Key, Shape); 3] = [
        (Key::Id, Shape::String),
        (Key::SenderId, Shape::String),
        (Key::Text, Shape::String),
    ];
    const MAY_HAVE: [(Key, Shape); 7] = [
        (Key::SenderType, Shape::String),
        (Key::CreatedAt, Shape::Number),
        (Key::UpdatedAt, Shape::Number),
        (Key::EditedAt, Shape::Number),
        (Key::DeletedAt, Shape::Number),
        (Key::Seq, Shape::Number),
        (Key::Verified, Shape::Boolean),
    ];
    if value.shape() != Shape::Object || !has(&value, &HAS) {
        return None;
    }
    let attachments = value.get(Key::Attachments);
    let known = HAS.len() + count(&value, &MAY_HAVE)? + usize::from(attachments.is_some());
    let message = match attachments {
        Some(list) => match shown_of(&list) {
            Some(shown) => value.changed(Key::Attachments, Some(shown)),
            None => value,
        },
        None => value,
    };
    if message.fields() <= known {
        // All that our Worker sends is known, so that nothing has to be looked for.
        return Some(message);
    }
    let is_there = |key: &&Key| message.get(**key).is_some();
    let told: Vec<&Key> = OWN_FIELDS.iter().filter(is_there).collect();
    let bare = told
        .into_iter()
        .fold(message, |message, key| message.changed(*key, None));
    Some(bare)
}

/// What is shown of a message's attachments, if not all of it: the first ones, since a page lays out each of them, and none where
/// one of these has no address or no name.
fn shown_of<J: Json>(list: &J) -> Option<J> {
    const HAS: [(Key, Shape); 2] = [(Key::Url, Shape::String), (Key::Filename, Shape::String)];
    const MAY_HAVE: [(Key, Shape); 3] = [
        (Key::Id, Shape::String),
        (Key::ContentType, Shape::String),
        (Key::Size, Shape::Number),
    ];
    let is_good = |item: &J| has(item, &HAS) && may_have(item, &MAY_HAVE);
    let Some(count) = list.items() else {
        return Some(J::array(&[]));
    };
    let first = (0..count.min(ATTACHMENTS_MAX)).map(|index| list.item(index).filter(is_good));
    match first.collect::<Option<Vec<J>>>() {
        None => Some(J::array(&[])),
        Some(_) if count <= ATTACHMENTS_MAX => None,
        Some(few) => Some(J::array(&few)),
    }
}

/// Whether a value says of somebody what an app relies on.
pub fn is_participant<J: Json>(value: &J) -> bool {
    has(value, &[(Key::UserId, Shape::String)])
        && may_have(
            value,
            &[
                (Key::Role, Shape::String),
                (Key::JoinedAt, Shape::Number),
                (Key::Verified, Shape::Boolean),
            ],
        )
}

fn has<J: Json>(value: &J, fields: &[(Key, Shape)]) -> bool {
    fields.iter().all(|(key, shape)| {
        value
            .get(*key)
            .is_some_and(|field| is_of(*key, &field, *shape))
    })
}

fn may_have<J: Json>(value: &J, fields: &[(Key, Shape)]) -> bool {
    count(value, fields).is_some()
}

/// How many of these fields a value has; `None` where one of them is of another kind.
fn count<J: Json>(value: &J, fields: &[(Key, Shape)]) -> Option<usize> {
    fields
        .iter()
        .try_fold(0, |count, (key, shape)| match value.get(*key) {
            Some(field) => is_of(*key, &field, *shape).then_some(count + 1),
            None => Some(count),
        })
}

/// To ask an engine for one kind takes less than to ask which kind it is.
fn is_of<J: Json>(key: Key, value: &J, shape: Shape) -> bool {
    match shape {
        Shape::Number if key == Key::Seq => whole_number(value).is_some(),
        Shape::Number if TIMES.contains(&key) => {
            value.number().is_some_and(|time| time.abs() <= TIME_MAX)
        }
        Shape::Number => value.number().is_some_and(f64::is_finite),
        Shape::Boolean => value.boolean().is_some(),
        Shape::Null | Shape::String | Shape::Array | Shape::Object | Shape::Other => {
            value.shape() == shape
        }
    }
}

fn text<J: Json>(entry: &J, key: Key) -> Result<String, Unreadable> {
    required(entry, key)?.string().ok_or(Unreadable)
}

fn seq<J: Json>(entry: &J, key: Key) -> Result<Seq, Unreadable> {
    whole_number(&required(entry, key)?)
        .map(Seq)
        .ok_or(Unreadable)
}

/// Of which life of the log a frame or an answer is. One that the server would not look at again is none: with it, a client
/// would be refused for ever.
pub fn read_epoch<J: Json>(entry: &J) -> Option<Epoch> {
    let text = entry.get(Key::Epoch)?;
    let is_short = text.string_bytes()? <= EPOCH_BYTES_MAX;
    is_short.then(|| text.string().map(Epoch))?
}

fn boolean<J: Json>(entry: &J, key: Key) -> Option<bool> {
    entry.get(key)?.boolean()
}

/// What an outbox lays over the body of what it sends.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// What is to be done: `message`, `edit` or `delete`.
    pub word: Word,
    /// The sender's own id of it.
    pub client_message_id: &'a ClientMessageId,
    /// The scope of that id, where it is another than the connection's own.
    pub client_scope: Option<&'a str>,
    /// What was sent right before and is not confirmed: the server does not let this overtake it.
    pub after: Option<&'a ClientMessageId>,
}

/// Writes a frame that an outbox sends.
#[must_use]
pub fn outbox_frame<J: Json>(envelope: Envelope<'_>, body: &J) -> J {
    let id = J::from_text(envelope.client_message_id.as_str());
    let mut fields = vec![
        (Key::Type, J::from_word(envelope.word)),
        (Key::ClientMessageId, id),
    ];
    let scope = envelope.client_scope.map(J::from_text);
    fields.extend(scope.map(|scope| (Key::ClientScope, scope)));
    let after = envelope.after.map(|after| J::from_text(after.as_str()));
    fields.extend(after.map(|after| (Key::After, after)));
    J::extended(body, &fields)
}

/// Writes a `typing` frame.
#[must_use]
pub fn typing_frame<J: Json>(user_id: &str, is_typing: bool) -> J {
    J::object(&[
        (Key::Type, J::from_word(Word::Typing)),
        (Key::UserId, J::from_text(user_id)),
        (Key::IsTyping, J::from_boolean(is_typing)),
    ])
}

/// Writes an `auth` frame: a fresh token for the connection.
#[must_use]
pub fn auth_frame<J: Json>(token: &str) -> J {
    J::object(&[
        (Key::Type, J::from_word(Word::Auth)),
        (Key::Token, J::from_text(token)),
    ])
}

/// Writes a `sync` frame: asks for what came after `since`.
#[must_use]
pub fn sync_frame<J: Json>(since: Seq) -> J {
    J::object(&[
        (Key::Type, J::from_word(Word::Sync)),
        (Key::Since, J::from_number(since.0 as f64)),
    ])
}

/// Writes a `seen` frame: echoes a mark, and tells the last event that was applied.
#[must_use]
pub fn seen_frame<J: Json>(mark: &MarkId, seq: Seq) -> J {
    J::object(&[
        (Key::Type, J::from_word(Word::Seen)),
        (Key::Mark, J::from_text(&mark.0)),
        (Key::Seq, J::from_number(seq.0 as f64)),
    ])
}

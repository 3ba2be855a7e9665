//! A space at a worker of the TypeScript SDK: how its HTTP endpoints stand in for what it lacks.
//!
//! It knows no ids of senders, so a request whose answer was lost may have been carried out or not. A message is
//! therefore looked for before it is sent again: the same sender, type and text, new since the sending began, and not
//! known as another's of one's own. Its socket of the first version is tried once beside polls; what it brings is told
//! at once, and polls go on, because nothing there says what was missed.
//!
//! Owns those decisions and the worker's error texts. Must not know how pages are fetched
//! ([`crate::legacy_history`]), nor when a client leaves such a worker ([`crate::transport`]).

use protocol::codes::ErrorCode;
use protocol::frame::Frame;
use protocol::http::refusal_text;
use protocol::ids::{ClientMessageId, Seq};
use protocol::json::Json;
use protocol::limits::CONNECT_MS_MAX;
use protocol::time::{Instant, UnixMillis};
use protocol::wire::{Key, Word};

use crate::client::Client;
use crate::error::{ClientError, Code};
use crate::io::{CallId, Operation, Output, SocketId, Transport};
use crate::legacy_feed::Feed;
use crate::legacy_history::{Stored, read_message};
use crate::outbox::Outbox;

/// What a poll waits for while a socket brings the news, in milliseconds.
const POLL_BESIDE_SOCKET_MS: u64 = 30_000;
/// How many answered messages are remembered until a poll brings them.
const CLAIMED_MAX: usize = 1_000;
/// How far this machine's clock may be ahead of the worker's where a message is looked for by its time.
const CLOCK_MS_MAX: u64 = 5_000;

/// What is known of the space.
#[derive(Clone, Debug, Default)]
pub(crate) struct Legacy {
    pub(crate) feed: Feed,
    /// The entry of the outbox that was sent last.
    sending: Option<Sending>,
    /// Ids of one's own messages that were answered, and came by no poll yet.
    claimed: Vec<String>,
    first_version: FirstVersion,
}

/// An entry of the outbox on its way.
#[derive(Clone, Debug)]
struct Sending {
    id: ClientMessageId,
    /// The newest message that was known when it was first sent; `None` where an earlier life of the page sent it.
    after: Option<Seq>,
    /// When that was, at the earliest.
    since: UnixMillis,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The request is out.
    Posted,
    /// Nobody knows what became of it: the next poll tells.
    Doubtful,
    /// It is not stored: it may be sent.
    Free,
}

/// The socket of the first version.
#[derive(Clone, Copy, Debug, Default)]
enum FirstVersion {
    #[default]
    Untried,
    Opening(SocketId),
    /// Open; a poll still brings what came before.
    CatchingUp(SocketId),
    /// Open. `brings_news` once it did: until then it may be one that nobody serves.
    Open {
        socket: SocketId,
        brings_news: bool,
    },
    Over,
}

impl Legacy {
    /// The socket of the first version, while there is one.
    pub(crate) fn socket(&self) -> Option<SocketId> {
        match self.first_version {
            FirstVersion::Opening(socket)
            | FirstVersion::CatchingUp(socket)
            | FirstVersion::Open { socket, .. } => Some(socket),
            FirstVersion::Untried | FirstVersion::Over => None,
        }
    }

    pub(crate) fn socket_closed(&mut self) {
        self.first_version = FirstVersion::Over;
    }

    /// Takes the socket out, to be closed. A later `connect()` tries another.
    pub(crate) fn take_socket(&mut self) -> Option<SocketId> {
        let socket = self.socket();
        self.first_version = FirstVersion::Untried;
        socket
    }

    /// A poll is through, and whether it told anything that the socket had not.
    pub(crate) fn caught_up(&mut self, is_news: bool) {
        if let Some(socket) = self.socket()
            && !matches!(self.first_version, FirstVersion::Opening(_))
        {
            let brought = matches!(
                self.first_version,
                FirstVersion::Open {
                    brings_news: true,
                    ..
                }
            );
            self.first_version = FirstVersion::Open {
                socket,
                brings_news: brought && !is_news,
            };
        }
    }

    /// What a poll waits for that would wait for `interval_ms`.
    pub(crate) fn interval_ms(&self, interval_ms: u64) -> u64 {
        match self.first_version {
            FirstVersion::Open {
                brings_news: true, ..
            } => POLL_BESIDE_SOCKET_MS,
            FirstVersion::Untried
            | FirstVersion::Opening(_)
            | FirstVersion::CatchingUp(_)
            | FirstVersion::Open { .. }
            | FirstVersion::Over => interval_ms,
        }
    }

    /// The time below which a poll has to get: all is known there, and nothing that is looked for can be.
    pub(crate) fn reach<J: Json>(&self, outbox: &Outbox<J>) -> Option<u64> {
        let known = self.feed.complete_to();
        let looked_for = self.sending.as_ref().filter(|sending| {
            let is_there = outbox.get(&sending.id).is_some();
            is_there && sending.after.is_none() && sending.stage == Stage::Doubtful
        });
        let looked_for = looked_for.map(|sending| sending.since.0);
        match (known, looked_for) {
            (Some(known), Some(looked_for)) => Some(known.min(looked_for)),
            (known, looked_for) => known.or(looked_for),
        }
    }
}

impl<J: Json> Client<J> {
    /// The header that such a worker asks for; nobody else is sent it.
    pub(crate) fn key_header(&self) -> Option<(&'static str, String)> {
        let key = self.config.legacy_worker.as_ref();
        let key = key.filter(|_| self.answerer.way == Transport::Legacy)?;
        Some(("Authorization", format!("Bearer {}", key.0)))
    }

    /// Sends the next entry of the outbox, once it is sure that it is not stored already.
    pub(crate) fn send_next_to_legacy(&mut self, now: Instant) {
        // Bounded: each round fails an entry for good, or is the last.
        while let Some(entry) = self.outbox.next_alone() {
            let id = entry.row.client_message_id.clone();
            let (operation, added_at) = (entry.row.operation, entry.row.added_at);
            if operation != Operation::Send {
                self.fail_entry(&id, unsupported());
                continue;
            }
            let was_carried = entry.carried;
            let known = self.legacy.sending.take_if(|sending| sending.id == id);
            let mut sending = known.unwrap_or_else(|| Sending {
                id: id.clone(),
                after: (!was_carried).then_some(self.legacy.feed.last()),
                since: UnixMillis(added_at.0.saturating_sub(CLOCK_MS_MAX)),
                stage: if was_carried {
                    Stage::Posted
                } else {
                    Stage::Free
                },
            });
            let is_free = sending.stage == Stage::Free;
            // One that is posted and not on its way was lost sight of.
            let is_new_doubt = sending.stage == Stage::Posted;
            sending.stage = if is_free {
                Stage::Posted
            } else {
                Stage::Doubtful
            };
            self.legacy.sending = Some(sending);
            if is_free {
                self.request_entry(&id, now);
            } else if is_new_doubt {
                self.poll_afresh(now);
            }
            return;
        }
    }

    /// The worker answered that the entry is stored as this message.
    pub(crate) fn claim_answered(
        &mut self,
        id: &ClientMessageId,
        stored: Option<&J>,
        now: Instant,
    ) {
        self.legacy.sending.take_if(|sending| sending.id == *id);
        let Some(stored) = stored.and_then(read_message) else {
            return;
        };
        self.learn_time(Some(UnixMillis(stored.created_at)), now);
        if self.legacy.feed.number(&stored.id).is_none() {
            if self.legacy.claimed.len() >= CLAIMED_MAX {
                self.legacy.claimed.remove(0);
            }
            self.legacy.claimed.push(stored.id);
        }
    }

    /// The request for the entry failed. What the worker refused was not stored; of anything else nobody knows, and
    /// the next poll has to tell.
    pub(crate) fn doubt_unanswered(
        &mut self,
        id: &ClientMessageId,
        error: &ClientError,
        now: Instant,
    ) {
        let is_refused = error.status.is_some_and(|status| status < 500);
        let sending = self.legacy.sending.as_mut();
        if let Some(sending) = sending.filter(|sending| sending.id == *id) {
            if is_refused {
                sending.stage = Stage::Free;
            } else {
                sending.stage = Stage::Doubtful;
                self.poll_afresh(now);
            }
        }
    }

    /// Looks whether a message that is news is the one that is on its way. Gives the calls that waited for it.
    #[must_use]
    pub(crate) fn recognise_legacy(&mut self, stored: &Stored<J>, now: Instant) -> Vec<CallId> {
        let claimed = &mut self.legacy.claimed;
        if let Some(place) = claimed.iter().position(|id| *id == stored.id) {
            claimed.remove(place);
            return Vec::new();
        }
        let Some(sending) = self.legacy.sending.as_ref() else {
            return Vec::new();
        };
        if sending.stage == Stage::Free && sending.after.is_none() {
            return Vec::new();
        }
        let id = sending.id.clone();
        let entry = self.outbox.get(&id);
        if !entry.is_some_and(|entry| is_same(&entry.row.body, &stored.message)) {
            return Vec::new();
        }
        self.legacy.sending = None;
        self.take_stored(&id, Some(stored.message.clone()), None, now)
    }

    /// A poll that was asked after the doubt came up is through: what it does not show is not stored. What an earlier
    /// life of the page sent is looked for in all of it, by time.
    pub(crate) fn finish_doubt(&mut self, collected: &[Stored<J>], now: Instant) {
        let Some(sending) = self
            .legacy
            .sending
            .as_mut()
            .filter(|sending| sending.stage == Stage::Doubtful)
        else {
            return;
        };
        sending.stage = Stage::Free;
        if sending.after.is_some() {
            return;
        }
        let (id, since) = (sending.id.clone(), sending.since.0);
        sending.after = Some(self.legacy.feed.last());
        let Some(body) = self.outbox.get(&id).map(|entry| entry.row.body.clone()) else {
            return;
        };
        let found = collected
            .iter()
            .find(|stored| stored.created_at >= since && is_same(&body, &stored.message));
        if let Some(found) = found {
            self.legacy.sending = None;
            self.settle_stored(&id, Some(found.message.clone()), None, now);
        }
    }

    /// Tries a socket of the first version, once.
    pub(crate) fn try_first_version(&mut self) {
        if !matches!(self.legacy.first_version, FirstVersion::Untried) {
            return;
        }
        let parameters = [("spaceId", self.config.space_id.as_str())];
        let url = self.config.endpoint.socket(&parameters);
        let socket = self.name_socket();
        self.legacy.first_version = FirstVersion::Opening(socket);
        self.outputs.push_back(Output::OpenSocket {
            socket,
            url,
            protocols: Vec::new(),
            within_ms: CONNECT_MS_MAX,
        });
    }

    /// The socket opened. It has to show its credentials before anything else.
    pub(crate) fn greet_first_version(&mut self, socket: SocketId, now: Instant) {
        let (Some(token), Some(key)) = (self.credentials.token(), &self.config.legacy_worker)
        else {
            return;
        };
        let greeting = J::object(&[
            (Key::Type, J::from_word(Word::Auth)),
            (Key::SpaceToken, J::from_text(token)),
            (Key::GatewayKey, J::from_text(&key.0)),
        ]);
        if let Some(text) = greeting.to_text() {
            let frame = Frame::Text(text);
            self.outputs.push_back(Output::Transmit { socket, frame });
            self.legacy.first_version = FirstVersion::CatchingUp(socket);
            self.poll_afresh(now);
        }
    }

    /// Takes a frame of the first version. What can not be read, or comes too early, comes by a poll.
    pub(crate) fn hear_first_version(&mut self, frame: &Frame<J::Text>, now: Instant) {
        let Frame::Text(text) = frame else { return };
        let Some(frame) = J::parse(text) else { return };
        match frame.get(Key::Type).and_then(|word| word.word()) {
            Some(Word::Message) => self.hear_message(&frame, now),
            Some(Word::Typing) => {
                let who = frame.get(Key::UserId).and_then(|id| id.string());
                let is_typing = frame.get(Key::IsTyping).and_then(|typing| typing.boolean());
                if let (Some(who), Some(is_typing)) = (who, is_typing) {
                    self.hear_typing(who, is_typing, now);
                }
            }
            // It was not accepted, or something of it was not: polls do without it.
            Some(Word::Error) => {
                if let Some(socket) = self.legacy.socket() {
                    self.close_socket(socket, 1000, "refused");
                }
                self.end_first_version(now);
            }
            Some(_) | None => {}
        }
    }

    /// The socket is of no use any more, and polls come as often as without one, from now on.
    pub(crate) fn end_first_version(&mut self, now: Instant) {
        self.legacy.socket_closed();
        self.poll_later(true, now);
    }

    fn hear_message(&mut self, frame: &J, now: Instant) {
        let stored = frame
            .get(Key::Message)
            .and_then(|message| read_message(&message));
        let is_open = matches!(self.legacy.first_version, FirstVersion::Open { .. });
        let Some(stored) = stored.filter(|_| is_open && self.is_polling()) else {
            return self.poll_later(true, now);
        };
        self.tell_if_news(&stored, now);
        if let FirstVersion::Open { brings_news, .. } = &mut self.legacy.first_version {
            *brings_news = true;
        }
        self.poll_later(true, now);
        self.flush_outbox(now);
    }
}

/// Whether the message says what the entry's body says.
fn is_same<J: Json>(body: &J, message: &J) -> bool {
    [Key::SenderId, Key::SenderType, Key::Text]
        .into_iter()
        .all(|key| {
            let said = |value: &J| value.get(key).and_then(|value| value.string());
            said(body) == said(message)
        })
}

/// The code of an error that such a worker tells by its status and its text alone.
pub(crate) fn code_of(status: u16, text: &str) -> Option<ErrorCode> {
    const TOLD: [ErrorCode; 8] = [
        ErrorCode::GatewayKeyInvalid,
        ErrorCode::TokenMissing,
        ErrorCode::TokenInvalid,
        ErrorCode::SpaceMismatch,
        ErrorCode::TokenExpired,
        ErrorCode::SpaceIdRequired,
        ErrorCode::NotFound,
        ErrorCode::MethodNotAllowed,
    ];
    let is_malformed = status == 401 && text == "Invalid token format";
    let told = TOLD
        .into_iter()
        .find(|code| code.http_status() == status && refusal_text(*code) == text);
    told.or(is_malformed.then_some(ErrorCode::TokenInvalid))
}

/// Such a worker answered, and the app did not say that there is one.
pub(crate) fn not_asked_for() -> ClientError {
    let told = "the worker at workerUrl seems to be one of the TypeScript SDK: deploy the Worker of this package (npx \
                kuratchi-spaces deploy); to use the old one until then, pass legacyWorker: true with its gatewayKey";
    ClientError {
        field: Some("legacyWorker".to_owned()),
        ..ClientError::new(Code::Unsupported, told)
    }
}

/// Such a worker can not do this.
pub(crate) fn unsupported() -> ClientError {
    let told = "the worker at workerUrl is one of the TypeScript SDK, which can not edit, delete or set metadata: \
                deploy the Worker of this package (npx kuratchi-spaces deploy)";
    ClientError::new(Code::Unsupported, told)
}

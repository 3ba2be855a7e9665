//! The client driven by hand: a bench that carries out what it asks for, and notes it in words.

use client_core::Client;
use client_core::endpoint::Endpoint;
use client_core::io::{
    CallId, Config, Event, FetchId, Fetched, GatewayKey, Input, OutboxChange, OutboxRow,
    OutboxStatus, Output, Reply, Request, SocketId, TokenId, Transport,
};
use protocol::frame::Frame;
use protocol::ids::{ClientMessageId, MessageId, Seq, SpaceId};
use protocol::text::decode_token_subprotocol;
use protocol::time::{Instant, UnixMillis};
use protocol::token::{self, ClaimsJson};
use serde_json::{Value, json};

/// A client, and everything it asked for in words.
pub(crate) struct Bench {
    pub(crate) client: Client<Value>,
    pub(crate) now: Instant,
    pub(crate) socket: SocketId,
    /// The last socket of the first version.
    pub(crate) first_version: SocketId,
    pub(crate) token: TokenId,
    pub(crate) fetch: FetchId,
    pub(crate) url: String,
    /// The token that the last socket or request carried.
    pub(crate) used_token: String,
    /// Ids of what was transmitted for the outbox, newest last.
    pub(crate) sent_ids: Vec<String>,
    /// What became of the outbox's entries, and what its store was told.
    pub(crate) outbox: Vec<String>,
    /// What the outbox's store holds.
    pub(crate) rows: Vec<OutboxRow<Value>>,
    /// The last page of history that was given out.
    pub(crate) last_page: Vec<Value>,
    /// Every request that was made, with its words.
    pub(crate) requests: Vec<(FetchId, String, Request<Value>)>,
    /// What was transmitted, as it was since [`Self::take_frames`].
    frames: Vec<String>,
    /// Whether the store says at once that a row is safe.
    pub(crate) persists: bool,
    /// Whether the store answers what it holds.
    pub(crate) loads: bool,
    /// Requests that were ended.
    /// The messages of the errors that the app was told of.
    pub(crate) errors: Vec<String>,
    pub(crate) ended: Vec<FetchId>,
    seen: Vec<String>,
}

/// A token that names nobody and whose time is long over by its own word: what it says is the server's business.
pub(crate) const TOKEN: &str = "room.r.1.s";
/// What the wall clock shows at instant 0.
pub(crate) const EPOCH_MS: u64 = 1_700_000_000_000;

/// A token for a user that is good until `exp` milliseconds after instant 0.
pub(crate) fn token_of(user: &str, exp: u64) -> String {
    let claims = ClaimsJson {
        sub: Some(user.to_owned()),
        ..ClaimsJson::default()
    };
    token::mint(
        "room",
        "r",
        Some(&claims),
        UnixMillis(EPOCH_MS + exp),
        b"key",
    )
    .unwrap()
}

/// The gateway key of a [`Bench::of_legacy_worker`].
pub(crate) const KEY: &str = "a key that signs tokens";

fn config(legacy_worker: Option<GatewayKey>, seed: u8) -> Config {
    Config {
        space_id: SpaceId::parse("room").unwrap(),
        endpoint: Endpoint::parse("https://x").unwrap(),
        newest_first: false,
        seed: [seed; 32],
        client_scope: Some("tab".to_owned()),
        user: None,
        wall_clock_at_zero: UnixMillis(EPOCH_MS),
        legacy_worker,
        polls_only: false,
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::made(None, 1)
    }

    /// A client of which the app says who uses it.
    pub(crate) fn of_user(user: &str) -> Self {
        let mut bench = Self::new();
        bench.client = Client::new(Config {
            user: Some(user.to_owned()),
            ..config(None, 1)
        });
        bench
    }

    /// A client that has the gateway key.
    pub(crate) fn of_legacy_worker() -> Self {
        Self::made(Some(GatewayKey(KEY.to_owned())), 1)
    }

    fn made(legacy_worker: Option<GatewayKey>, seed: u8) -> Self {
        Self {
            client: Client::new(config(legacy_worker, seed)),
            now: Instant(0),
            socket: SocketId(0),
            first_version: SocketId(0),
            token: TokenId(0),
            fetch: FetchId(0),
            url: String::new(),
            used_token: String::new(),
            sent_ids: Vec::new(),
            outbox: Vec::new(),
            rows: Vec::new(),
            last_page: Vec::new(),
            requests: Vec::new(),
            frames: Vec::new(),
            persists: true,
            loads: true,
            errors: Vec::new(),
            ended: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Connected, with nothing noted.
    pub(crate) fn ready() -> Self {
        Self::ready_with(TOKEN)
    }

    /// A connected client whose app gave this token.
    pub(crate) fn ready_with(token: &str) -> Self {
        Self::new().connected_with(token)
    }

    /// A connected client with randomness of its own.
    pub(crate) fn ready_of_seed(seed: u8) -> Self {
        Self::made(None, seed).connected_with(TOKEN)
    }

    fn connected_with(mut self, token: &str) -> Self {
        self.connect_with(1, token);
        self.welcome(r#""seq":4"#);
        self.take();
        self
    }

    pub(crate) fn connect(&mut self, call: u32) {
        self.connect_with(call, TOKEN);
    }

    fn connect_with(&mut self, call: u32, token: &str) {
        self.client.connect(CallId(call), self.now);
        self.drain();
        self.give_token(token);
    }

    /// The app gives its token, a text.
    pub(crate) fn give_token(&mut self, token: &str) {
        self.answer_token(token, true);
    }

    /// The app's function gives a token.
    pub(crate) fn fetch_token(&mut self, token: &str) {
        self.answer_token(token, false);
    }

    fn answer_token(&mut self, token: &str, fixed: bool) {
        self.input(Input::TokenReady {
            token_id: self.token,
            token: token.to_owned(),
            fixed,
        });
    }

    pub(crate) fn welcome(&mut self, fields: &str) {
        self.frame(&format!(
            r#"{{"type":"welcome","epoch":"e","connectionId":"c",{fields}}}"#
        ));
    }

    pub(crate) fn message(&mut self, seq: u64) {
        self.frame(&message_frame(seq));
    }

    /// A message that was stored at this time.
    pub(crate) fn message_of(&mut self, seq: u64, created_at: u64) {
        let mut message = message(seq);
        message["createdAt"] = created_at.into();
        self.frame(&json!({"type": "message", "seq": seq, "message": message}).to_string());
    }

    pub(crate) fn frame(&mut self, text: &str) {
        self.input(Input::Frame {
            socket: self.socket,
            frame: Frame::Text(text.to_owned()),
        });
    }

    pub(crate) fn close(&mut self, code: u16) {
        self.input(Input::SocketClosed {
            socket: self.socket,
            code,
        });
    }

    pub(crate) fn answer(&mut self, status: u16, body: &Value) {
        let outcome = answered(status, body);
        let fetch = self.fetch;
        self.input(Input::Fetched { fetch, outcome });
    }

    /// Answers the newest request whose words start so.
    pub(crate) fn answer_to(&mut self, words: &str, status: u16, body: &Value) {
        self.end(words, answered(status, body));
    }

    /// The newest request whose words start so gets no answer.
    pub(crate) fn break_off(&mut self, words: &str) {
        self.end(words, Err("the connection was lost".to_owned()));
    }

    pub(crate) fn end(&mut self, words: &str, outcome: Result<Fetched<Value>, String>) {
        let fetch = self.request(words).0;
        self.input(Input::Fetched { fetch, outcome });
    }

    /// The newest request whose words start so.
    pub(crate) fn request(&self, words: &str) -> &(FetchId, String, Request<Value>) {
        let asked = |(_, said, _): &&(FetchId, String, Request<Value>)| said.starts_with(words);
        let found = self.requests.iter().rev().find(asked);
        found.unwrap_or_else(|| panic!("{words} was not asked for"))
    }

    pub(crate) fn input(&mut self, input: Input<Value>) {
        self.client.handle_input(input, self.now);
        self.drain();
    }

    pub(crate) fn send(&mut self, call: u32, text: &str, until_stored: bool) {
        let options = json!({"senderId": "ada", "senderType": "user", "text": text});
        self.client
            .send_message(CallId(call), &options, until_stored, self.now);
        self.drain();
    }

    pub(crate) fn history(&mut self, call: u32, options: Value) {
        self.client.messages(CallId(call), Some(&options), self.now);
        self.drain();
    }

    pub(crate) fn advance(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.client.handle_timeout(self.now);
        self.drain();
    }

    /// Passes the time until the first retry after a loss.
    pub(crate) fn retry(&mut self) {
        self.advance(1_200);
    }

    /// The frames that were transmitted since the last look.
    pub(crate) fn take_frames(&mut self) -> Vec<String> {
        std::mem::take(&mut self.frames)
    }

    /// What was asked for since the last look.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    pub(crate) fn expect(&mut self, expected: &[&str]) {
        assert_eq!(self.take(), expected);
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            if let Some(words) = self.note(output) {
                self.seen.push(words);
            }
        }
    }

    fn note(&mut self, output: Output<Value>) -> Option<String> {
        Some(match output {
            Output::OpenSocket {
                socket,
                url,
                protocols,
                within_ms: _,
            } => {
                self.url.clone_from(&url);
                if protocols.is_empty() {
                    self.first_version = socket;
                    return Some("open first version".to_owned());
                }
                assert_eq!((protocols.len(), protocols[0].as_str()), (2, "spaces.v2"));
                self.used_token = decode_token_subprotocol(&protocols[1]).unwrap();
                self.socket = socket;
                "open".to_owned()
            }
            Output::Transmit {
                frame: Frame::Text(text),
                ..
            } => {
                self.frames.push(text.clone());
                let value: Value = serde_json::from_str(&text).unwrap();
                let texts = |v: &Value| match v["mark"].as_str() {
                    Some(mark) => format!("seen {mark} at {}", v["seq"]),
                    None => {
                        let word = v["text"].as_str().or(v["type"].as_str());
                        word.unwrap().to_owned()
                    }
                };
                let list: Vec<String> = value.as_array().map_or_else(
                    || vec![texts(&value)],
                    |list| list.iter().map(texts).collect(),
                );
                let entries = value.as_array().cloned().unwrap_or_else(|| vec![value]);
                let ids = entries
                    .iter()
                    .filter_map(|entry| entry["clientMessageId"].as_str());
                self.sent_ids.extend(ids.map(str::to_owned));
                format!("transmit {}", list.join("+"))
            }
            Output::Transmit { .. } => panic!("no binary frames"),
            Output::CloseSocket { code, .. } => format!("close {code}"),
            Output::RequestToken { token_id, fresh } => {
                self.token = token_id;
                format!("token fresh={fresh}")
            }
            Output::Fetch { fetch, request } => {
                self.fetch = fetch;
                let carried = |(name, _): &&(&str, String)| *name == "x-space-token";
                if let Some((_, token)) = request.headers.iter().find(carried) {
                    self.used_token.clone_from(token);
                }
                let words = format!("{} {}", request.method, request.url);
                self.requests.push((fetch, words.clone(), request));
                words
            }
            Output::EndFetch { fetch } => {
                self.ended.push(fetch);
                return None;
            }
            Output::Settle { call, result } => match result {
                Ok(Reply::Done) => format!("{} done", call.0),
                Ok(Reply::Value(value)) => format!("{} value {}", call.0, value["text"]),
                Ok(Reply::List(list)) => {
                    let place = |m: &Value| match m.get("seq") {
                        Some(seq) => seq.to_string(),
                        None => m["id"].as_str().unwrap().to_owned(),
                    };
                    let seqs: Vec<String> = list.iter().map(place).collect();
                    self.last_page = list;
                    format!("{} page {}", call.0, seqs.join(","))
                }
                Err(error) => format!("{} {}: {error}", call.0, error.code.as_str()),
            },
            Output::Event(event) => match event {
                Event::Message(message) => match message.get("seq") {
                    Some(seq) => format!("message {seq}"),
                    None => format!("message {}", message["id"].as_str().unwrap()),
                },
                Event::Updated(message) => {
                    format!("updated {} {}", message["seq"], message["text"])
                }
                Event::Outbox(news) => {
                    let status = match &news.status {
                        OutboxStatus::Pending => "pending".to_owned(),
                        OutboxStatus::Sent(None) => "sent".to_owned(),
                        OutboxStatus::Sent(Some(stored)) => {
                            format!("sent as {}", stored.get("seq").unwrap_or(&stored["id"]))
                        }
                        OutboxStatus::Failed => {
                            format!(
                                "failed {}",
                                news.row.failure.as_ref().unwrap().code.as_str()
                            )
                        }
                        OutboxStatus::Dropped => "dropped".to_owned(),
                    };
                    self.outbox.push(format!("{} {status}", said(&news.row)));
                    return None;
                }
                Event::ConnectionChanged(connected) => format!("connected {connected}"),
                Event::StateChanged {
                    state,
                    retry_in_ms,
                    transport,
                    ..
                } => match (retry_in_ms, transport) {
                    // One of the first retries.
                    (Some(0..=1_200), None) => format!("{} in soon", state.as_str()),
                    (Some(ms), None) => format!("{} in {ms}", state.as_str()),
                    (None, None | Some(Transport::WebSocket)) => state.as_str().to_owned(),
                    (None, Some(other)) => format!("{} {}", state.as_str(), other.as_str()),
                    (Some(_), Some(_)) => panic!("waits and is connected"),
                },
                Event::Typing { user_id, is_typing } => format!("{user_id} types {is_typing}"),
                Event::Presence(users) => format!("{} here", users.len()),
                Event::Participant(participant) => format!("participant {}", participant["userId"]),
                Event::Metadata(changes) => format!("metadata {changes}"),
                Event::Discontinuity { reason } => format!("discontinuity {reason}"),
                Event::Error(error) => {
                    self.errors.push(error.message.clone());
                    format!("error {}", error.code.as_str())
                }
            },
            Output::YieldTask => "yield".to_owned(),
            Output::LoadOutbox if !self.loads => return None,
            Output::LoadOutbox => {
                let rows = self.rows.clone();
                self.client
                    .handle_input(Input::OutboxLoaded(rows), self.now);
                return None;
            }
            Output::ReclaimOutbox => "reclaim".to_owned(),
            Output::Identified(_) => return None,
            Output::Persist(change) => {
                self.follow(change);
                return None;
            }
        })
    }

    /// Keeps the store's rows.
    fn follow(&mut self, change: OutboxChange<Value>) {
        match change {
            OutboxChange::Put(row) => {
                let id = row.client_message_id.clone();
                let tried_again = |known: &OutboxRow<Value>| {
                    known.client_message_id == id
                        && known.failure.is_some()
                        && row.failure.is_none()
                };
                self.rows.retain(|known| !tried_again(known));
                match self
                    .rows
                    .iter_mut()
                    .find(|known| known.client_message_id == id)
                {
                    Some(known) => *known = row,
                    None => self.rows.push(row),
                }
                if self.persists {
                    self.client.handle_input(Input::Persisted(id), self.now);
                }
            }
            OutboxChange::Remove(id) => {
                self.rows.retain(|row| row.client_message_id != id);
                if self.persists {
                    self.client.handle_input(Input::Removed(id), self.now);
                }
            }
            OutboxChange::Clear => self.rows.clear(),
        }
    }

    /// A write of this row has reached the disk.
    pub(crate) fn confirm_write(&mut self, id: &str) {
        self.input(Input::Persisted(ClientMessageId(id.to_owned())));
    }

    /// What became of the outbox's entries since the last look.
    pub(crate) fn expect_outbox(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.outbox), expected);
    }

    /// What the store holds, in words.
    pub(crate) fn stored(&self) -> Vec<String> {
        self.rows.iter().map(said).collect()
    }

    /// A client in a fresh page that finds what another life of it left on disk.
    pub(crate) fn reloaded(rows: Vec<OutboxRow<Value>>) -> Self {
        let mut bench = Self::new();
        bench.rows = rows;
        bench.client.connect(CallId(1), bench.now);
        bench.drain();
        bench.take();
        bench
    }

    /// The stored form of the last thing sent, at `seq`.
    pub(crate) fn stored_form(&self, seq: u64) -> Value {
        let id = ClientMessageId(self.sent_ids.last().unwrap().clone());
        let mut message = message(seq);
        message["id"] = json!(MessageId::of(Seq(seq), id.trace()).0);
        message
    }
}

fn answered(status: u16, body: &Value) -> Result<Fetched<Value>, String> {
    Ok(Fetched {
        status,
        body: body.to_string(),
        retry_after_ms: None,
    })
}

fn said(row: &OutboxRow<Value>) -> String {
    let text = row.body["text"].as_str().or(row.body["messageId"].as_str());
    text.unwrap_or_default().to_owned()
}

pub(crate) fn message_frame(seq: u64) -> String {
    json!({"type": "message", "seq": seq, "message": message(seq)}).to_string()
}

pub(crate) fn message(seq: u64) -> Value {
    json!({"id": format!("m{seq}-0"), "senderId": "bob", "seq": seq, "text": format!("m{seq}"), "createdAt": 1000 + seq, "updatedAt": 1000 + seq})
}

/// A page as the server gives it: the log begins at 1.
pub(crate) fn page(seqs: impl DoubleEndedIterator<Item = u64>, head: u64) -> Value {
    let messages: Vec<Value> = seqs.rev().map(message).collect();
    let oldest = messages.last().and_then(|message| message["seq"].as_u64());
    let mut page = json!({"messages": messages, "epoch": "e", "seq": head});
    if let Some(oldest) = oldest.filter(|oldest| *oldest > 1) {
        page["cursor"] = oldest.into();
    }
    page
}

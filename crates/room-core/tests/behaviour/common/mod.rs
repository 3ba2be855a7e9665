//! A shell for tests: drives a room over a store in memory, and keeps what every peer heard.

use std::collections::{BTreeMap, BTreeSet};

use protocol::codes::ErrorCode;
use protocol::dialect::Dialect;
use protocol::frame::{Frame, Refusal};
use protocol::ids::{Epoch, Seq};
use protocol::principal::Principal;
use protocol::time::UnixMillis;
use protocol::token::Role;
use room_core::memory::MemoryStorage;
use room_core::{
    Call, Cursor, Input, Output, PeerId, PeerRecord, Query, Rate, RequestId, Response, Room,
    Settings,
};
use serde_json::{Value, json};

/// Where every test's clock starts.
pub(crate) const START: u64 = 1_700_000_000_000;

/// A token's outcome that names nobody.
pub(crate) fn anonymous(bucket: &str) -> Principal {
    Principal {
        tenant: None,
        sub: None,
        name: None,
        role: Role::Customer,
        caps: Vec::new(),
        exp: UnixMillis(u64::MAX),
        bucket: format!("token:{bucket}"),
        gateway: false,
    }
}

/// A token's outcome that names a customer.
pub(crate) fn user(sub: &str) -> Principal {
    Principal {
        sub: Some(sub.into()),
        bucket: format!("sub:{sub}"),
        ..anonymous(sub)
    }
}

pub(crate) fn agent(sub: &str) -> Principal {
    Principal {
        role: Role::Agent,
        ..user(sub)
    }
}

pub(crate) fn with_caps(principal: Principal, caps: &[&str]) -> Principal {
    Principal {
        caps: caps.iter().map(|cap| (*cap).to_owned()).collect(),
        ..principal
    }
}

pub(crate) fn gateway(principal: Principal) -> Principal {
    Principal {
        gateway: true,
        ..principal
    }
}

/// Drives a room.
pub(crate) struct Shell {
    pub(crate) room: Room,
    pub(crate) storage: MemoryStorage,
    pub(crate) now: u64,
    settings: Settings,
    seed: u8,
    next_peer: u64,
    /// What tokens of `auth` frames stand for; all others are refused.
    pub(crate) tokens: BTreeMap<String, Principal>,
    pub(crate) records: BTreeMap<u64, PeerRecord>,
    /// Frames as they came, and the close if there was one.
    pub(crate) frames: BTreeMap<u64, Vec<String>>,
    pub(crate) closed: BTreeMap<u64, (u16, String)>,
    pub(crate) responses: Vec<Response>,
    pub(crate) alarms: Vec<u64>,
    /// When the alarm rings.
    pub(crate) alarm_at: Option<u64>,
    /// What the owner heard of a full space.
    pub(crate) full_at: Vec<u64>,
    pub(crate) sends: usize,
    /// Peers that do not read: they echo no mark until [`Shell::read`].
    pub(crate) stalled: BTreeSet<u64>,
    /// Marks that were sent and not echoed, by peer.
    pub(crate) owed: BTreeMap<u64, Vec<String>>,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    /// A shell whose users may send `burst` entries at once and `per_second` after that.
    pub(crate) fn with_send_rate(burst: u64, per_second: u64) -> Self {
        Self::with(Settings {
            send_rate: Rate { burst, per_second },
            ..Settings::default()
        })
    }

    /// A room whose rate limits nothing in a test reaches.
    pub(crate) fn unlimited() -> Self {
        let rate = Rate {
            burst: 1_000_000,
            per_second: 1_000_000,
        };
        Self::with(Settings {
            send_rate: rate,
            http_rate: rate,
            ..Settings::default()
        })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let storage = MemoryStorage::default();
        let room = Room::open(
            settings.clone(),
            [0; 32],
            Vec::new(),
            UnixMillis(START),
            &storage,
        )
        .unwrap();
        Self {
            room,
            storage,
            now: START,
            settings,
            seed: 0,
            next_peer: 1,
            tokens: BTreeMap::new(),
            records: BTreeMap::new(),
            frames: BTreeMap::new(),
            closed: BTreeMap::new(),
            responses: Vec::new(),
            alarms: Vec::new(),
            alarm_at: None,
            full_at: Vec::new(),
            sends: 0,
            stalled: BTreeSet::new(),
            owed: BTreeMap::new(),
        }
    }

    /// Forgets the room and builds it anew: hibernation, eviction, a crash.
    pub(crate) fn rebuild(&mut self) {
        self.seed = self.seed.wrapping_add(1);
        let open: Vec<(PeerId, PeerRecord)> = self
            .records
            .iter()
            .map(|(id, record)| (PeerId(*id), record.clone()))
            .collect();
        let settings = self.settings.clone();
        self.room = Room::open(
            settings,
            [self.seed; 32],
            open,
            UnixMillis(self.now),
            &self.storage,
        )
        .unwrap();
        self.drain();
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.feed(input);
        self.echo();
    }

    /// The same, and nobody echoes, nor is the room given time.
    pub(crate) fn feed(&mut self, input: Input) {
        self.room
            .handle_input(input, UnixMillis(self.now), &mut self.storage);
        self.drain();
    }

    /// Everybody who reads echoes what was sent.
    fn echo(&mut self) {
        loop {
            let reads = |id: &&u64| !self.stalled.contains(id);
            let Some(id) = self.owed.keys().find(reads).copied() else {
                if self.ring_if_due() {
                    continue;
                }
                return;
            };
            self.read_one(id);
        }
    }

    /// Runs the room's timeout if it is due. Returns whether it was.
    pub(crate) fn ring_if_due(&mut self) -> bool {
        let is_due = self.room.poll_timeout().is_some_and(|at| at.0 <= self.now);
        if is_due {
            self.room
                .handle_timeout(UnixMillis(self.now), &self.storage);
            self.drain();
        }
        is_due
    }

    /// The peer reads up to the last mark that it was sent. Whether it was sent one.
    pub(crate) fn read_one(&mut self, id: u64) -> bool {
        let marks = self.owed.remove(&id).unwrap_or_default();
        let Some(mark) = marks.last() else {
            return false;
        };
        let seen = json!({"type": "seen", "mark": mark, "seq": 0}).to_string();
        self.feed(Input::Frame {
            peer: PeerId(id),
            frame: Frame::Text(seen),
        });
        self.ring_if_due();
        true
    }

    /// The peer reads from now on.
    pub(crate) fn read(&mut self, id: u64) {
        self.stalled.remove(&id);
        self.echo();
    }

    /// Lets time pass, with the deadline of the window kept on the way.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.room.poll_timeout().filter(|at| at.0 <= end) {
            self.now = self.now.max(at.0);
            self.room
                .handle_timeout(UnixMillis(self.now), &self.storage);
            self.drain();
            self.echo();
        }
        self.now = end;
    }

    /// Lets time pass and lets the alarm ring on the way, as often as it is set, at most 1,000 times; everybody
    /// was heard of just then.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.now + ms;
        for _ in 0..1_000 {
            let Some(at) = self.alarm_at.filter(|at| *at <= end) else {
                break;
            };
            self.pass(at.saturating_sub(self.now));
            self.ring();
        }
        self.pass(end - self.now);
    }

    /// The alarm rings; everybody was heard of just then.
    pub(crate) fn ring(&mut self) {
        let heard: Vec<(u64, u64)> = self.records.keys().map(|id| (*id, self.now)).collect();
        self.alarm_at = None;
        self.alarm(&heard);
    }

    pub(crate) fn alarm(&mut self, heard: &[(u64, u64)]) {
        let heard = heard
            .iter()
            .map(|(id, at)| (PeerId(*id), UnixMillis(*at)))
            .collect();
        self.room
            .handle_alarm(UnixMillis(self.now), heard, &mut self.storage);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Send {
                    peers,
                    frame: Frame::Text(text),
                } => {
                    self.sends += 1;
                    for peer in peers {
                        assert!(
                            !self.closed.contains_key(&peer.0),
                            "sent after close: {text}"
                        );
                        if let Some(mark) = text.strip_prefix(r#"{"type":"mark","id":""#) {
                            let mark = mark.trim_end_matches("\"}").to_owned();
                            self.owed.entry(peer.0).or_default().push(mark);
                            continue;
                        }
                        self.frames
                            .entry(peer.0)
                            .or_default()
                            .push(text.to_string());
                    }
                }
                Output::Send {
                    frame: Frame::Binary(_),
                    ..
                } => panic!("nothing binary is ever said"),
                Output::Close { peer, code, reason } => {
                    assert!(reason.len() <= 123);
                    // Of one that was let in it keeps that it is leaving.
                    self.records
                        .retain(|id, record| *id != peer.0 || record.leaving.is_some());
                    assert!(
                        self.closed.insert(peer.0, (code, reason)).is_none(),
                        "closed twice"
                    );
                }
                Output::Authenticate {
                    peer,
                    token,
                    gateway_key: _,
                } => {
                    let refusal = Refusal::new(ErrorCode::TokenInvalid, "Invalid token signature");
                    let result = self.tokens.get(&token).cloned().ok_or(refusal);
                    self.room.handle_input(
                        Input::Authenticated { peer, result },
                        UnixMillis(self.now),
                        &mut self.storage,
                    );
                }
                Output::Remember { peer, record } => {
                    self.records.insert(peer.0, record);
                }
                Output::Postpone { .. } => {}
                Output::QuotaReached { bytes, .. } => self.full_at.push(bytes),
                Output::Respond {
                    request: _,
                    response,
                } => self.responses.push(response),
                Output::SetAlarm(at) => {
                    self.alarm_at = at.map(|at| at.0);
                    self.alarms.extend(self.alarm_at);
                }
            }
        }
    }

    fn connected(&mut self, dialect: Dialect, principal: Principal, cursor: Option<Cursor>) -> u64 {
        self.connected_from(dialect, principal, cursor, None, None)
    }

    fn connected_from(
        &mut self,
        dialect: Dialect,
        principal: Principal,
        cursor: Option<Cursor>,
        client_scope: Option<String>,
        instance: Option<String>,
    ) -> u64 {
        let id = self.next_peer;
        self.next_peer += 1;
        self.input(Input::Connected {
            peer: PeerId(id),
            dialect,
            principal,
            cursor,
            client_scope,
            instance,
        });
        id
    }

    /// A peer of the second version whose outbox has a name.
    pub(crate) fn join_from(&mut self, principal: Principal, scope: &str) -> u64 {
        self.connected_from(Dialect::V2, principal, None, Some(scope.to_owned()), None)
    }

    /// A peer of the second version that is a new connection of a client object.
    pub(crate) fn join_as(&mut self, principal: Principal, instance: &str) -> u64 {
        let instance = Some(instance.to_owned());
        self.connected_from(Dialect::V2, principal, None, None, instance)
    }

    /// A peer of the second version.
    pub(crate) fn join(&mut self, principal: Principal) -> u64 {
        self.connected(Dialect::V2, principal, None)
    }

    pub(crate) fn resume(&mut self, principal: Principal, epoch: Option<&str>, since: u64) -> u64 {
        let cursor = Cursor {
            epoch: epoch.map(|epoch| Epoch(epoch.to_owned())),
            since: Seq(since),
        };
        self.connected(Dialect::V2, principal, Some(cursor))
    }

    /// A peer of the first version.
    pub(crate) fn join_v1(&mut self, principal: Principal) -> u64 {
        self.connected(Dialect::V1, principal, None)
    }

    pub(crate) fn leave(&mut self, id: u64) {
        self.records.remove(&id);
        self.input(Input::Disconnected { peer: PeerId(id) });
    }

    pub(crate) fn say(&mut self, id: u64, frame: Value) {
        self.say_text(id, &frame.to_string());
    }

    pub(crate) fn say_text(&mut self, id: u64, text: &str) {
        self.input(Input::Frame {
            peer: PeerId(id),
            frame: Frame::Text(text.to_owned()),
        });
    }

    /// Everything the peer heard since it was asked last, batches taken apart.
    pub(crate) fn heard(&mut self, id: u64) -> Vec<Value> {
        let take_apart = |text: String| match serde_json::from_str(&text).unwrap() {
            Value::Array(entries) => entries,
            one @ (Value::Object(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)) => {
                vec![one]
            }
        };
        self.frames
            .remove(&id)
            .unwrap_or_default()
            .into_iter()
            .flat_map(take_apart)
            .collect()
    }

    /// As [`Self::heard`], only those of a type.
    pub(crate) fn heard_of(&mut self, id: u64, kind: &str) -> Vec<Value> {
        self.heard(id)
            .into_iter()
            .filter(|frame| frame["type"] == kind)
            .collect()
    }

    /// The types of everything the peer heard.
    pub(crate) fn heard_types(&mut self, id: u64) -> Vec<String> {
        self.heard(id)
            .iter()
            .map(|frame| frame["type"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn forget_heard(&mut self) {
        self.frames.clear();
    }

    /// Asks over HTTP.
    pub(crate) fn call(&mut self, principal: Principal, call: Call) -> (u16, Value) {
        let response = self.respond(principal, call);
        (
            response.status,
            serde_json::from_str(&response.body).unwrap(),
        )
    }

    pub(crate) fn respond(&mut self, principal: Principal, call: Call) -> Response {
        let before = self.responses.len();
        self.input(Input::Request {
            request: RequestId(7),
            principal,
            call,
        });
        // What reads may have to wait for its turn.
        while self.responses.len() == before && self.ring_if_due() {}
        assert_eq!(self.responses.len(), before + 1, "one request, one answer");
        self.responses.pop().unwrap()
    }

    pub(crate) fn post(&mut self, principal: Principal, body: Value) -> (u16, Value) {
        self.call(
            principal,
            Call::PostMessage {
                body: body.to_string(),
                dialect: Dialect::V2,
            },
        )
    }

    pub(crate) fn edit(&mut self, principal: Principal, id: &str, body: Value) -> (u16, Value) {
        let (id, body, dialect) = (id.to_owned(), body.to_string(), Dialect::V2);
        self.call(principal, Call::EditMessage { id, body, dialect })
    }

    pub(crate) fn delete(&mut self, principal: Principal, id: &str) -> (u16, Value) {
        let (id, body, dialect) = (id.to_owned(), String::new(), Dialect::V2);
        self.call(principal, Call::DeleteMessage { id, body, dialect })
    }

    /// Posts as a user whom a token names, and says the message's id.
    pub(crate) fn posted(&mut self, sub: &str, text: &str) -> String {
        let (status, body) = self.post(user(sub), json!({ "text": text }));
        assert_eq!(status, 201, "{body}");
        body["message"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn list(&mut self, limit: Option<&str>, before: Option<&str>) -> (u16, Value) {
        let (limit, before) = (limit.map(str::to_owned), before.map(str::to_owned));
        self.call(
            anonymous("reader"),
            Call::Read(Query::Messages {
                limit,
                before,
                cursor: None,
                dialect: Dialect::V2,
            }),
        )
    }

    /// The texts of a page, newest first.
    pub(crate) fn texts(&mut self, limit: Option<&str>, before: Option<&str>) -> Vec<String> {
        let (status, body) = self.list(limit, before);
        assert_eq!(status, 200, "{body}");
        let text = |message: &Value| message["text"].as_str().unwrap().to_owned();
        body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(text)
            .collect()
    }

    /// Where the log stands.
    pub(crate) fn head(&mut self) -> (Option<String>, u64) {
        let (_, body) = self.list(Some("1"), None);
        (
            body["epoch"].as_str().map(str::to_owned),
            body["seq"].as_u64().unwrap(),
        )
    }
}

/// A `message` frame.
pub(crate) fn message(text: &str, id: &str) -> Value {
    json!({"type": "message", "text": text, "clientMessageId": id})
}

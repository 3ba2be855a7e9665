//! An app that chats: it connects, loads the history and appends what comes, as the documents' samples do.
//!
//! Owns what one person was shown and what they sent. Must not know the network or the room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use client_core::Client;
use client_core::endpoint::Endpoint;
use client_core::error::{ClientError, Code};
use client_core::io::{
    CallId, Config, Event, Input, Operation, OutboxChange, OutboxNews, OutboxRow, OutboxStatus,
    Owner, Reply,
};
use protocol::codes::ErrorCode;
use protocol::ids::{ClientMessageId, MessageId, SpaceId};
use protocol::time::{Instant, UnixMillis};
use serde_json::{Value, json};

use crate::cache::Cache;
use crate::disk::Disk;
use crate::page::Page;
use crate::random::{Random, Stream};
use crate::server::{SPACE, wall};
use crate::world::Tab;

/// What the id of the second one of two people who share an app ends with.
const GUEST: &str = "-guest";

/// What became of a message, as far as the sender was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handed over; nothing was said yet.
    Open,
    /// Promised: it will be stored, or is.
    Promised,
    /// Refused, or nobody was there to hear: it may be stored once, or not at all.
    Doubtful,
}

/// How a network keeps WebSockets out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// The upgrade is refused.
    Refuses,
    /// The upgrade is never answered.
    Swallows,
    /// The upgrade passes, and no frame comes down.
    Deafens,
    /// The upgrade passes, and no frame either way.
    Mutes,
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What its text starts with, of which there is only one.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it was deleted while it waited: it may never be stored.
    pub withdrawn: bool,
    /// Whose it is, where the client knew who was signed in, or else the app said.
    pub by: Option<String>,
    call: CallId,
}

/// An edit or a deletion.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The id that the message was shown with: of the stored one, or of the sender's while it waited.
    pub id: String,
    /// What it is to say; `None` for a deletion.
    pub text: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    call: CallId,
}

/// A message on the screen.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its place.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// What it says.
    pub text: String,
    /// Rises with each change.
    pub updated_at: u64,
    /// Who sent it.
    pub sender: String,
}

impl fmt::Debug for Shown {
    /// Without the padding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seq,
            id,
            text,
            updated_at,
            sender,
        } = self;
        let text = text.split("xx").next().unwrap_or_default();
        write!(f, "{seq} '{text}' by {sender} ({id}, {updated_at})")
    }
}

impl Shown {
    /// What a screen shows of a message.
    #[must_use]
    pub fn of(message: &Value) -> Self {
        let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
        Self {
            seq: message["seq"].as_u64().unwrap_or_default(),
            id: text("id"),
            text: text("text"),
            updated_at: message["updatedAt"].as_u64().unwrap_or_default(),
            sender: text("senderId"),
        }
    }

    /// The name that the message was given when it was sent; empty once it is deleted.
    #[must_use]
    pub fn name(&self) -> &str {
        name_of(&self.text)
    }
}

/// The name in a text: what stands before the first comma.
#[must_use]
pub fn name_of(text: &str) -> &str {
    text.split(',').next().unwrap_or_default()
}

/// The trace of the message that is called so: by the id of the stored one, or by the sender's.
#[must_use]
pub fn trace_of(id: &str) -> u64 {
    let stored = MessageId(id.to_owned()).trace();
    stored.unwrap_or_else(|| ClientMessageId(id.to_owned()).trace())
}

/// The trace of the message that a row changes; `None` for a message.
#[must_use]
pub fn changed_by(row: &OutboxRow<Value>) -> Option<u64> {
    row.body
        .get("messageId")
        .and_then(Value::as_str)
        .map(trace_of)
}

/// One app.
#[derive(Debug)]
pub struct Person {
    /// The tab, in its present life.
    pub tab: Tab,
    /// The page in it.
    pub page: Page,
    /// The app's name in reports; no two are alike.
    pub name: String,
    /// The id of whoever uses it; two apps may be one person's tabs.
    pub user: String,
    /// The client that ships.
    pub client: Client<Value>,
    /// What a reload finds.
    pub disk: Disk,
    /// Whether others may take what is on the disk.
    pub is_released: bool,
    /// Writes that wait until what is on the disk is the tab's alone.
    pub unwritten: Vec<OutboxChange<Value>>,
    /// What stands between the app and the network, in some runs.
    pub cache: Option<Cache>,
    /// Until when the tab is frozen.
    pub frozen_until: u64,
    /// What reached the frozen tab, in order: frames wait in its sockets, and are read when it thaws.
    pub inbox: VecDeque<Input<Value>>,
    /// The token that the app's server gave last.
    pub last_token: Option<String>,
    /// The text that the app gives as its token, where it gives no function.
    pub text: Option<String>,
    /// What failed and is to be tried again: people look later.
    pub failed: Vec<ClientMessageId>,
    /// Until when the machine has no network.
    pub offline_until: u64,
    /// Until when the machine's network lets no WebSocket through, and what becomes of one that is tried.
    pub blocked_until: (u64, Blocking),
    /// Whether the tab was closed.
    pub is_closed: bool,
    /// What is on the screen, top to bottom.
    pub shown: Vec<Shown>,
    /// A list that was made of the first page, and of what was told since: it is never loaded anew, save where the app is
    /// told to.
    kept: Option<Vec<Shown>>,
    /// Messages that wait on the screen to be stored.
    echoes: BTreeSet<String>,
    /// What was sent.
    pub sent: Vec<Sent>,
    /// What was edited and deleted.
    pub changed: Vec<Changed>,
    /// Names of messages by the sender's own ids, as the outbox told them.
    pub ids: BTreeMap<ClientMessageId, String>,
    /// Whether entries left their place in the queue: tried again, or sent by another tab.
    pub(crate) lost_order: bool,
    /// Traces of messages with a change that left its place in the queue: it may come after a later one.
    pub(crate) unordered: BTreeSet<u64>,
    /// Who is here, as the client last said.
    pub present: Vec<String>,
    /// Who is shown typing.
    pub typing: BTreeSet<String>,
    /// Whether the person types.
    types: bool,
    /// Whether the app wants to be connected.
    pub online: bool,
    /// Whether two people take turns at it: only their tokens say who writes.
    pub is_shared: bool,
    /// Whether the app says who uses its client.
    pub says_user: bool,
    /// What was shown twice or out of order.
    pub fault: Option<String>,
    /// When history had to be loaded anew, and why.
    pub discontinuities: Vec<(u64, &'static str)>,
    /// Decides what the person does, and when.
    pub acts: Random,
    /// Decides all else about the person and the tab.
    pub random: Random,
    /// Whether a page could not be loaded: it is asked for again a little later.
    pub loads_again: bool,
    /// Pages that are on their way.
    loading: Vec<CallId>,
    connecting: Option<CallId>,
    loaded: bool,
    next_call: u32,
}

/// `user`: who uses it, where the app says so.
fn client(name: &str, user: Option<&String>, random: &mut Random) -> Result<Client<Value>, String> {
    Ok(Client::new(Config {
        space_id: SpaceId::parse(SPACE).ok_or("no space id")?,
        endpoint: Endpoint::parse("https://simulated").map_err(|error| error.to_string())?,
        newest_first: false,
        seed: random.seed(),
        client_scope: Some(name.to_owned()),
        user: user.cloned(),
        // Clocks of people's machines are minutes wrong.
        wall_clock_at_zero: UnixMillis(wall(0).0 + random.between(0, 600_000) - 300_000),
        legacy_worker: None,
        polls_only: false,
    }))
}

impl Person {
    /// An app that has not done anything yet.
    ///
    /// # Errors
    /// When the client can not be made.
    pub fn new(person: usize, user: String, says_user: bool, seed: u64) -> Result<Self, String> {
        let name = format!("app{person}");
        let mut random = Random::new(seed, Stream::Person(person));
        Ok(Self {
            tab: Tab { person, life: 0 },
            page: Page::default(),
            client: client(&name, says_user.then_some(&user), &mut random)?,
            name,
            user,
            disk: Disk::default(),
            is_released: false,
            unwritten: Vec::new(),
            cache: None,
            frozen_until: 0,
            inbox: VecDeque::new(),
            last_token: None,
            text: None,
            failed: Vec::new(),
            typing: BTreeSet::new(),
            types: false,
            offline_until: 0,
            blocked_until: (0, Blocking::Refuses),
            is_closed: false,
            shown: Vec::new(),
            kept: None,
            echoes: BTreeSet::new(),
            sent: Vec::new(),
            changed: Vec::new(),
            ids: BTreeMap::new(),
            lost_order: false,
            unordered: BTreeSet::new(),
            present: Vec::new(),
            online: false,
            is_shared: false,
            says_user,
            fault: None,
            discontinuities: Vec::new(),
            acts: Random::new(seed, Stream::Acts(person)),
            random,
            loads_again: false,
            loading: Vec::new(),
            connecting: None,
            loaded: false,
            next_call: 0,
        })
    }

    /// The tab's memory is gone. With `keeps_promises`, what was promised is on disk; without a disk, nobody knows.
    ///
    /// # Errors
    /// When the client can not be made.
    pub fn crash(&mut self, keeps_promises: bool) -> Result<(), String> {
        self.begin_anew()?;
        self.page = Page::new(self.tab);
        self.unwritten.clear();
        self.frozen_until = 0;
        self.inbox.clear();
        self.lose(keeps_promises);
        Ok(())
    }

    /// The view that shows the room goes, and another one comes, at once or later. The page lives on: what was being written gets
    /// written.
    ///
    /// # Errors
    /// When the client can not be made.
    pub fn change_view(&mut self, is_later: bool) -> Result<(), String> {
        self.begin_anew()?;
        if is_later {
            self.page.forget_ownerless();
        }
        self.lose(true);
        Ok(())
    }

    /// There is a new client, and nothing on the screen.
    fn begin_anew(&mut self) -> Result<(), String> {
        let user = self.says_user.then_some(&self.user);
        self.client = client(&self.name, user, &mut self.random)?;
        self.tab.life += 1;
        self.online = false;
        self.is_released = false;
        self.failed.clear();
        self.shown.clear();
        self.kept = None;
        self.echoes.clear();
        self.present.clear();
        self.typing.clear();
        self.types = false;
        self.loading.clear();
        self.loads_again = false;
        (self.connecting, self.loaded) = (None, false);
        Ok(())
    }

    fn lose(&mut self, keeps_promises: bool) {
        let lost = |outcome: &mut Outcome| {
            if *outcome == Outcome::Open || !keeps_promises {
                *outcome = Outcome::Doubtful;
            }
        };
        self.sent
            .iter_mut()
            .for_each(|sent| lost(&mut sent.outcome));
        self.changed
            .iter_mut()
            .for_each(|changed| lost(&mut changed.outcome));
    }

    /// What a client that was closed had sent is on disk: `close()` waited for that.
    pub fn kept(&mut self, row: &OutboxRow<Value>) {
        let name = self.ids.get(&row.client_message_id);
        let is_it = |sent: &&mut Sent| Some(&sent.name) == name;
        if row.operation == Operation::Send
            && row.failure.is_none()
            && let Some(sent) = self.sent.iter_mut().find(is_it)
        {
            sent.outcome = Outcome::Promised;
        }
    }

    /// Who writes what is sent now: whom the app says, or else whoever is known to use the client. `None` where that is another one,
    /// whose token the app still has, or nobody can tell.
    fn writer(&self) -> Option<String> {
        let is_known = self
            .client
            .owns_any(&[row_of(Owner::User(self.user.clone()))]);
        (self.says_user || is_known).then(|| self.user.clone())
    }

    /// `await connect()`
    pub fn come(&mut self, now: u64) {
        self.online = true;
        let call = self.call();
        self.connecting = Some(call);
        self.client.connect(call, Instant(now));
    }

    /// `disconnect()`
    pub fn leave(&mut self, now: u64) {
        self.online = false;
        self.client.disconnect(Instant(now));
    }

    /// `sendMessage()`; `until_stored` as in the API.
    pub fn send(&mut self, until_stored: bool, padding: u64, now: u64) {
        let name = format!("{} {}", self.name, self.sent.len());
        let text = format!(
            "{name},{}",
            "x".repeat(usize::try_from(padding).unwrap_or(0))
        );
        let call = self.call();
        let by = self.writer();
        self.sent.push(Sent {
            name,
            outcome: Outcome::Open,
            withdrawn: false,
            by,
            call,
        });
        let options = if self.is_shared {
            json!({ "text": text })
        } else {
            json!({"senderId": self.user, "senderType": "user", "text": text})
        };
        self.client
            .send_message(call, &options, until_stored, Instant(now));
    }

    /// Whether the client knows who uses it.
    pub fn knows_somebody(&self) -> bool {
        self.client.owns_any(&[row_of(Owner::Unknown)])
    }

    /// The other one of two uses the app from now on.
    pub fn take_turns(&mut self) {
        self.user = match self.user.strip_suffix(GUEST) {
            Some(host) => host.to_owned(),
            None => format!("{}{GUEST}", self.user),
        };
        // What waits for one of them is overtaken by what the other one writes.
        self.lost_order = true;
    }

    /// `setTyping()`, where that is news.
    pub fn type_on(&mut self, types: bool, now: u64) {
        if types != self.types {
            self.types = types;
            let call = self.call();
            let user = json!(self.user);
            self.client
                .set_typing(call, &user, &json!(types), Instant(now));
        }
    }

    /// One of the person's own messages on the screen, if there is one, those that wait to be stored included: the id that it
    /// is shown with, and its name. `which` chooses it.
    pub fn own_message(&self, which: u64) -> Option<(String, String)> {
        // Of those that went through this outbox: what a deleted message was called is known by its trace.
        let traces: BTreeSet<u64> = self.ids.keys().map(ClientMessageId::trace).collect();
        let is_own = |shown: &&Shown| {
            let trace = MessageId(shown.id.clone()).trace();
            !shown.text.is_empty() && trace.is_some_and(|trace| traces.contains(&trace))
        };
        let stored = self.shown.iter().filter(is_own);
        let stored = stored.map(|shown| (shown.id.clone(), shown.name().to_owned()));
        let waits = |(_, name): &(&ClientMessageId, &String)| self.echoes.contains(*name);
        let waiting = self.ids.iter().filter(waits);
        let waiting = waiting.map(|(id, name)| (id.0.clone(), name.clone()));
        let stored: Vec<(String, String)> = stored.collect();
        let waiting: Vec<(String, String)> = waiting.collect();
        // What waits is looked at more than what is long since told.
        let own = if waiting.is_empty() || which.is_multiple_of(2) {
            [stored, waiting].concat()
        } else {
            waiting
        };
        let index = which % own.len().max(1) as u64;
        own.into_iter().nth(usize::try_from(index).unwrap_or(0))
    }

    /// `editMessage()`
    pub fn edit(&mut self, id: &str, name: &str, until_stored: bool, now: u64) {
        let text = format!("{name},edit {}", self.changed.len());
        let call = self.changes(id, Some(text.clone()));
        let options = json!({ "text": text });
        self.client
            .edit_message(call, &json!(id), &options, until_stored, Instant(now));
    }

    /// `deleteMessage()`
    pub fn delete(&mut self, id: &str, name: &str, until_stored: bool, now: u64) {
        if self.echoes.contains(name) {
            let sent = self.sent.iter_mut().filter(|sent| sent.name == name);
            sent.for_each(|sent| sent.withdrawn = true);
        }
        let call = self.changes(id, None);
        self.client
            .delete_message(call, &json!(id), until_stored, Instant(now));
    }

    fn changes(&mut self, id: &str, text: Option<String>) -> CallId {
        let call = self.call();
        self.changed.push(Changed {
            id: id.to_owned(),
            text,
            outcome: Outcome::Open,
            call,
        });
        call
    }

    /// Takes the end of a call.
    pub fn settled(&mut self, call: CallId, result: Result<Reply<Value>, ClientError>, now: u64) {
        if self.connecting == Some(call) {
            self.connecting = None;
            if result.is_ok() {
                self.load_if_due(now);
            }
        } else if let Some(at) = self.loading.iter().position(|it| *it == call) {
            self.loading.remove(at);
            match result {
                Ok(Reply::List(page)) => {
                    self.shown = page.iter().map(Shown::of).collect();
                    self.kept.get_or_insert_with(|| self.shown.clone());
                    self.loaded = true;
                    self.look_for_doubles();
                }
                Ok(_) | Err(_) => self.loads_again = true,
            }
        } else {
            let outcome = if result.is_ok() {
                Outcome::Promised
            } else {
                Outcome::Doubtful
            };
            if let Some(sent) = self.sent.iter_mut().find(|sent| sent.call == call) {
                sent.outcome = outcome;
            } else if let Some(changed) = self.changed.iter_mut().find(|it| it.call == call) {
                changed.outcome = outcome;
            }
        }
    }

    /// Takes an event.
    pub fn told(&mut self, event: &Event<Value>, now: u64) {
        match event {
            // Before the assignment the sample's list is still the empty one that the page replaces.
            Event::Message(message) => {
                let message = Shown::of(message);
                let seq = message.seq;
                if self.loaded && self.shown.last().is_some_and(|last| last.seq >= seq) {
                    let fault = if self.shown.iter().any(|shown| shown.seq == seq) {
                        "twice"
                    } else {
                        "out of order"
                    };
                    self.fault = Some(format!("{}'s screen shows {seq} {fault}", self.name));
                }
                self.kept
                    .iter_mut()
                    .for_each(|kept| kept.push(message.clone()));
                self.shown.push(message);
                self.look_for_doubles();
            }
            Event::Updated(message) => self.show_newer(message),
            Event::Outbox(news) => {
                if let OutboxStatus::Sent(Some(message)) = &news.status
                    && news.row.operation != Operation::Send
                {
                    self.show_newer(message);
                }
                self.hear_of_outbox(news, now);
            }
            Event::Typing { user_id, is_typing } => {
                if *is_typing {
                    self.typing.insert(user_id.clone());
                } else {
                    self.typing.remove(user_id);
                }
            }
            Event::Presence(users) => {
                let id = |user: &Value| user["userId"].as_str().unwrap_or_default().to_owned();
                self.present = users.iter().map(id).collect();
                self.present.sort_unstable();
            }
            Event::Discontinuity { reason } => {
                self.discontinuities.push((now, reason));
                self.loaded = false;
                self.kept = None;
                self.load_if_due(now);
            }
            // A client that was refused for good comes back by itself where another token is given: the call to connect is over.
            Event::ConnectionChanged(true) if self.connecting.is_none() => self.load_if_due(now),
            Event::ConnectionChanged(_)
            | Event::StateChanged { .. }
            | Event::Participant(_)
            | Event::Metadata(_)
            | Event::Error(_) => {}
        }
    }

    /// `onMessageUpdate`
    fn show_newer(&mut self, message: &Value) {
        let newer = Shown::of(message);
        let is_older = |old: &&mut Shown| old.id == newer.id && old.updated_at < newer.updated_at;
        let kept = self.kept.iter_mut().flatten();
        for old in self.shown.iter_mut().chain(kept).filter(is_older) {
            *old = newer.clone();
        }
    }

    fn hear_of_outbox(&mut self, news: &OutboxNews<Value>, now: u64) {
        let row = &news.row;
        let text = row
            .body
            .get("text")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if row.operation == Operation::Send {
            let name = name_of(text).to_owned();
            self.ids.insert(row.client_message_id.clone(), name.clone());
            match news.status {
                OutboxStatus::Pending | OutboxStatus::Failed => self.echoes.insert(name),
                OutboxStatus::Sent(_) | OutboxStatus::Dropped => self.echoes.remove(&name),
            };
        }
        if matches!(news.status, OutboxStatus::Failed) {
            let trace = changed_by(row);
            let is_it = |changed: &&mut Changed| Some(trace_of(&changed.id)) == trace;
            for changed in self.changed.iter_mut().filter(is_it) {
                changed.outcome = Outcome::Doubtful;
            }
        }
        // Written for a life of the log that is over, or too long ago: people send it all the same.
        let asks = |error: &ClientError| {
            matches!(
                error.code,
                Code::EpochChanged | Code::OutboxExpired | Code::OwnerUnknown
            )
        };
        let failed = matches!(news.status, OutboxStatus::Failed);
        let Some(error) = row.failure.as_ref().filter(|_| failed) else {
            return;
        };
        if asks(error) || is_of_token(error) {
            self.lost_order = true;
            self.unordered.extend(changed_by(row));
        }
        if asks(error) && self.may_be_own(row) {
            self.try_again(&row.client_message_id, now);
        } else if is_of_token(error) {
            self.failed.push(row.client_message_id.clone());
        }
    }

    /// Whether whoever uses the app may have written what asks whose it is: what the other one wrote is left to them.
    fn may_be_own(&self, row: &OutboxRow<Value>) -> bool {
        let name = self.ids.get(&row.client_message_id);
        let sent = self.sent.iter().find(|sent| Some(&sent.name) == name);
        let writer = sent.and_then(|sent| sent.by.as_ref());
        writer.is_none_or(|writer| *writer == self.user)
    }

    /// `retry()`
    pub fn try_again(&mut self, id: &ClientMessageId, now: u64) {
        let call = self.call();
        self.client.retry(call, &json!(id.as_str()), Instant(now));
    }

    /// A message that is shown as stored must not be shown as waiting beside it.
    fn look_for_doubles(&mut self) {
        let double = self
            .shown
            .iter()
            .rev()
            .take(50)
            .find(|shown| self.echoes.contains(shown.name()));
        if let Some(double) = double {
            let told = format!(
                "{}'s screen shows '{}' beside its echo",
                self.name,
                double.name()
            );
            self.fault = Some(told);
        }
    }

    /// The lists that have to be whole, and what they are called.
    pub fn lists(&self) -> impl Iterator<Item = (&'static str, &[Shown])> {
        let kept = self.kept.as_deref().map(|kept| ("first list", kept));
        [("screen", self.shown.as_slice())].into_iter().chain(kept)
    }

    /// How many messages wait on the screen to be stored.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.echoes.len()
    }

    /// Whether the history is on the screen.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Loads the history anew, as an app does that asks once more, or twice. Whichever answer comes last is shown.
    pub fn reload(&mut self, now: u64) {
        if self.loaded {
            self.load(now);
        }
    }

    /// `getMessages()` of an app that is not connected, and shows something else meanwhile.
    pub fn look(&mut self, now: u64) {
        let call = self.call();
        self.client.messages(call, None, Instant(now));
    }

    /// Loads, unless that is done or under way.
    pub fn load_if_due(&mut self, now: u64) {
        if !self.loaded && self.loading.is_empty() {
            self.load(now);
        }
    }

    /// `messages = await getMessages()`
    fn load(&mut self, now: u64) {
        let call = self.call();
        self.loading.push(call);
        self.client
            .messages(call, Some(&json!({"limit": 200})), Instant(now));
    }

    fn call(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }
}

/// Whether another token would help.
fn is_of_token(error: &ClientError) -> bool {
    matches!(
        error.code,
        Code::TokenUnavailable
            | Code::Server(
                ErrorCode::TokenExpired
                    | ErrorCode::TokenInvalid
                    | ErrorCode::TokenMissing
                    | ErrorCode::SpaceMismatch
                    | ErrorCode::IdentityRequired
                    | ErrorCode::NotAuthenticated
            )
    )
}

/// Something that was written by `owner`.
fn row_of(owner: Owner) -> OutboxRow<Value> {
    OutboxRow {
        client_message_id: ClientMessageId(String::new()),
        operation: Operation::Send,
        body: json!({}),
        owner,
        scope: String::new(),
        epoch: None,
        added_at: UnixMillis(0),
        failure: None,
        adopted: false,
        fresh: false,
    }
}

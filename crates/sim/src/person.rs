//! An app that chats: it connects, loads the history and appends what comes, as the documents' samples do.
//!
//! Owns what one person was shown and what they sent. Must not know the network or the room.

use client_core::Client;
use client_core::endpoint::Endpoint;
use client_core::error::ClientError;
use client_core::io::{CallId, Config, Event, Reply};
use protocol::ids::SpaceId;
use protocol::time::Instant;
use serde_json::{Value, json};

use crate::random::Random;
use crate::server::SPACE;

/// What became of a message, as far as the sender was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handed over; nothing was said yet.
    Open,
    /// Promised: it will be stored, or is.
    Promised,
    /// Refused, or the answer was lost: it may be stored once, or not at all.
    Doubtful,
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its text, of which there is only one.
    pub text: String,
    /// What became of it.
    pub outcome: Outcome,
    call: CallId,
}

/// One app.
#[derive(Debug)]
pub struct Person {
    /// The app's name in reports; no two are alike.
    pub name: String,
    /// The id of whoever uses it; two apps may be one person's tabs.
    pub user: String,
    /// The client that ships.
    pub client: Client<Value>,
    /// The token of this app.
    pub token: String,
    /// What is on the screen: `seq` of each message, top to bottom.
    pub shown: Vec<u64>,
    /// What was sent.
    pub sent: Vec<Sent>,
    /// Whether the app wants to be connected.
    pub online: bool,
    /// What was shown twice or out of order.
    pub fault: Option<String>,
    /// How often history had to be loaded anew.
    pub discontinuities: u64,
    loading: Option<CallId>,
    connecting: Option<CallId>,
    loaded: bool,
    next_call: u32,
}

impl Person {
    /// An app that has not done anything yet.
    ///
    /// # Errors
    /// When the client can not be made.
    pub fn new(
        name: String,
        user: String,
        token: String,
        random: &mut Random,
    ) -> Result<Self, String> {
        let config = Config {
            space_id: SpaceId::parse(SPACE).ok_or("no space id")?,
            endpoint: Endpoint::parse("https://simulated").map_err(|error| error.to_string())?,
            newest_first: false,
            seed: random.seed(),
        };
        Ok(Self {
            name,
            user,
            client: Client::new(config),
            token,
            shown: Vec::new(),
            sent: Vec::new(),
            online: false,
            fault: None,
            discontinuities: 0,
            loading: None,
            connecting: None,
            loaded: false,
            next_call: 0,
        })
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
    pub fn send(&mut self, until_stored: bool, now: u64) {
        let text = format!("{} {}", self.name, self.sent.len());
        let call = self.call();
        self.sent.push(Sent {
            text: text.clone(),
            outcome: Outcome::Open,
            call,
        });
        let options = json!({"senderId": self.user, "senderType": "user", "text": text});
        self.client
            .send_message(call, &options, until_stored, Instant(now));
    }

    /// Takes the end of a call.
    pub fn settled(&mut self, call: CallId, result: Result<Reply<Value>, ClientError>, now: u64) {
        if self.connecting == Some(call) {
            self.connecting = None;
            if result.is_ok() && !self.loaded && self.loading.is_none() {
                self.load(now);
            }
        } else if self.loading == Some(call) {
            self.loading = None;
            match result {
                Ok(Reply::Messages(page)) => {
                    self.shown = page
                        .iter()
                        .filter_map(|message| message["seq"].as_u64())
                        .collect();
                    self.loaded = true;
                }
                Ok(_) | Err(_) => self.load(now),
            }
        } else if let Some(sent) = self.sent.iter_mut().find(|sent| sent.call == call) {
            sent.outcome = if result.is_ok() {
                Outcome::Promised
            } else {
                Outcome::Doubtful
            };
        }
    }

    /// Takes an event.
    pub fn told(&mut self, event: &Event<Value>, now: u64) {
        match event {
            // Before the assignment the sample's list is still the empty one that the page replaces.
            Event::Message(message) => {
                let seq = message["seq"].as_u64().unwrap_or_default();
                if self.loaded && self.shown.last().is_some_and(|last| *last >= seq) {
                    let fault = if self.shown.contains(&seq) {
                        "twice"
                    } else {
                        "out of order"
                    };
                    self.fault = Some(format!("{}'s screen shows {seq} {fault}", self.name));
                }
                self.shown.push(seq);
            }
            Event::Discontinuity { .. } => {
                self.discontinuities += 1;
                self.loaded = false;
                if self.loading.is_none() {
                    self.load(now);
                }
            }
            Event::ConnectionChanged(_)
            | Event::StateChanged { .. }
            | Event::Typing { .. }
            | Event::Presence(_)
            | Event::Participant(_)
            | Event::Metadata(_)
            | Event::Error(_) => {}
        }
    }

    /// Whether the history is on the screen.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// `messages = await getMessages()`
    fn load(&mut self, now: u64) {
        let call = self.call();
        self.loading = Some(call);
        self.client
            .messages(call, Some(&json!({"limit": 200})), Instant(now));
    }

    fn call(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }
}

//! One history for everybody: whoever applies live frames and replays, through crashes, broken connections, edits,
//! deletions, new epochs and trimmed logs, ends with what the pages hold, each event once and in order.

use std::collections::BTreeMap;

use crate::common::{Shell, anonymous, gateway, message, user, with_caps};
use proptest::prelude::*;
use protocol::principal::Principal;
use room_core::{Call, Rate, Settings, StorageError};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    Edit(u8, usize, u8),
    Delete(u8, usize),
    /// Several of them in one frame.
    Batch(u8, Vec<u8>, usize),
    Metadata(u8),
    Connect(usize),
    Break(usize),
    /// The room loses its memory, and with it what waits in the window.
    Crash,
    FailNext,
    RenewEpoch,
    Pass(u16),
    Day,
    /// More events than a replay holds, which housekeeping trims.
    Flood,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<u8>().prop_map(Step::Send),
        8 => (any::<u8>(), any::<usize>(), any::<u8>()).prop_map(|(who, which, text)| Step::Edit(who, which, text)),
        4 => (any::<u8>(), any::<usize>()).prop_map(|(who, which)| Step::Delete(who, which)),
        3 => (any::<u8>(), prop::collection::vec(any::<u8>(), 1..6), any::<usize>())
            .prop_map(|(who, texts, which)| Step::Batch(who, texts, which)),
        1 => any::<u8>().prop_map(Step::Metadata),
        4 => any::<usize>().prop_map(Step::Connect),
        4 => any::<usize>().prop_map(Step::Break),
        3 => Just(Step::Crash),
        1 => Just(Step::FailNext),
        1 => Just(Step::RenewEpoch),
        6 => (0..20u16).prop_map(Step::Pass),
        1 => Just(Step::Day),
        1 => Just(Step::Flood),
    ]
}

fn author(number: u8) -> Principal {
    match number % 3 {
        0 => user("ada"),
        1 => user("bob"),
        _ => with_caps(user("mod"), &["moderate"]),
    }
}

/// A client as far as the log is concerned: what it shows, and where it stands.
#[derive(Default)]
struct Reader {
    peer: Option<u64>,
    epoch: Option<String>,
    last: u64,
    messages: BTreeMap<u64, Value>,
    /// How often it started afresh, and resumed.
    fresh: usize,
    recovered: usize,
    started: bool,
}

impl Reader {
    fn connect(&mut self, shell: &mut Shell) {
        if self.peer.is_some() {
            return;
        }
        self.peer = Some(if self.started {
            shell.resume(anonymous("reader"), self.epoch.as_deref(), self.last)
        } else {
            shell.join(anonymous("reader"))
        });
        self.follow(shell);
    }

    /// Takes in what it heard, and asks for what it missed, until there is nothing more to ask.
    fn follow(&mut self, shell: &mut Shell) {
        let Some(peer) = self.peer else { return };
        for _ in 0..5 {
            let mut asks = false;
            for frame in shell.heard(peer) {
                asks |= self.take(&frame, shell);
            }
            if !asks {
                break;
            }
            shell.say(peer, json!({"type": "sync", "since": self.last}));
            shell.pass(10);
        }
        shell.say(peer, json!({"type": "seen", "seq": self.last}));
        if shell.closed.contains_key(&peer) {
            self.peer = None;
        }
    }

    /// Whether something is missing.
    fn take(&mut self, frame: &Value, shell: &mut Shell) -> bool {
        let number = |key: &str| frame[key].as_u64().unwrap();
        match frame["type"].as_str().unwrap() {
            "welcome" => match frame.get("recovered") {
                Some(Value::Bool(true)) => {
                    self.recovered += 1;
                    self.epoch = frame["epoch"].as_str().map(str::to_owned);
                }
                _ => self.reload(shell),
            },
            "head" => {
                let epoch = frame["epoch"].as_str().map(str::to_owned);
                let lost = frame["recovered"] == false;
                if lost || (self.epoch.is_some() && self.epoch != epoch) {
                    self.reload(shell);
                } else {
                    self.epoch = epoch;
                    return number("seq") > self.last;
                }
            }
            "skip" if number("from") > self.last + 1 => return true,
            "skip" => self.last = self.last.max(number("to")),
            "message" | "update" | "participant" | "metadata" => {
                let seq = number("seq");
                if seq > self.last + 1 {
                    return true;
                }
                if seq == self.last + 1 {
                    self.last = seq;
                    self.apply(&frame["message"]);
                }
            }
            _ => {}
        }
        false
    }

    fn apply(&mut self, message: &Value) {
        let Some(seq) = message["seq"].as_u64() else {
            return;
        };
        if let Some(known) = self.messages.get(&seq) {
            let at = |message: &Value| message["updatedAt"].as_u64().unwrap();
            if at(known) == at(message) {
                assert_eq!(known, message, "two states of one time");
            }
            if at(known) > at(message) {
                return;
            }
        }
        self.messages.insert(seq, message.clone());
    }

    /// Starts afresh from the pages.
    fn reload(&mut self, shell: &mut Shell) {
        let (epoch, seq, messages) = pages(shell);
        (self.epoch, self.last, self.messages) = (epoch, seq, messages);
        self.started = true;
        self.fresh += 1;
    }
}

/// All that the pages hold, and where the log stands.
fn pages(shell: &mut Shell) -> (Option<String>, u64, BTreeMap<u64, Value>) {
    let (epoch, seq) = shell.head();
    let (mut messages, mut before) = (BTreeMap::new(), None);
    loop {
        let (status, body) = shell.list(Some("200"), before.as_deref());
        assert_eq!(status, 200, "{body}");
        let page = body["messages"].as_array().unwrap();
        for message in page {
            let at = message["seq"].as_u64().unwrap();
            assert!(messages.insert(at, message.clone()).is_none(), "twice");
        }
        let Some(oldest) = page.last() else { break };
        before = Some(oldest["createdAt"].to_string());
    }
    (epoch, seq, messages)
}

struct World {
    shell: Shell,
    writers: Vec<u64>,
    readers: Vec<Reader>,
    sent: usize,
}

impl World {
    fn new() -> Self {
        let fast = Rate {
            burst: 1_000_000,
            per_second: 1,
        };
        let shell = Shell::with(Settings {
            send_rate: fast,
            http_rate: fast,
            log_events_kept: 0,
            ..Settings::default()
        });
        let mut world = Self {
            shell,
            writers: Vec::new(),
            readers: (0..3).map(|_| Reader::default()).collect(),
            sent: 0,
        };
        for number in 0..3 {
            let writer = world.shell.join(author(number));
            world.writers.push(writer);
        }
        world
    }

    fn next_id(&mut self) -> String {
        self.sent += 1;
        format!("id{}", self.sent)
    }

    fn any_message(&mut self, which: usize) -> String {
        let (_, body) = self.shell.list(Some("50"), None);
        let messages = body["messages"].as_array().unwrap();
        match messages.len() {
            0 => "m1-0000000000000000".to_owned(),
            count => messages[which % count]["id"].as_str().unwrap().to_owned(),
        }
    }

    fn say(&mut self, who: u8, frame: Value) {
        let writer = self.writers[usize::from(who % 3)];
        self.shell.say(writer, frame);
    }

    fn edit(&mut self, which: usize, text: u8) -> Value {
        let (message_id, id) = (self.any_message(which), self.next_id());
        json!({"type": "edit", "messageId": message_id, "text": text.to_string(), "clientMessageId": id})
    }

    fn delete(&mut self, which: usize) -> Value {
        let (message_id, id) = (self.any_message(which), self.next_id());
        json!({"type": "delete", "messageId": message_id, "clientMessageId": id})
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send(who) => {
                let frame = message("sent", &self.next_id());
                self.say(who, frame);
            }
            Step::Edit(who, which, text) => {
                let frame = self.edit(which, text);
                self.say(who, frame);
            }
            Step::Delete(who, which) => {
                let frame = self.delete(which);
                self.say(who, frame);
            }
            Step::Batch(who, texts, which) => {
                let entry = |text: u8| match text % 3 {
                    0 => message("batched", &self.next_id()),
                    1 => self.edit(which, text),
                    _ => self.delete(which),
                };
                let frames: Vec<Value> = texts.into_iter().map(entry).collect();
                self.say(who, frames.into());
            }
            Step::Metadata(value) => {
                let body = json!({ "n": value.to_string() }).to_string();
                self.shell
                    .call(gateway(anonymous("owner")), Call::PutMetadata { body });
            }
            Step::Connect(index) => {
                let index = index % self.readers.len();
                self.readers[index].connect(&mut self.shell);
            }
            Step::Break(index) => {
                let index = index % self.readers.len();
                if let Some(peer) = self.readers[index].peer.take() {
                    self.shell.leave(peer);
                    // What was on its way is lost.
                    self.shell.frames.remove(&peer);
                }
            }
            Step::Crash => self.shell.rebuild(),
            Step::FailNext => self.shell.storage.fail_next_commit(StorageError::Full),
            Step::RenewEpoch => {
                self.shell
                    .call(gateway(anonymous("owner")), Call::RenewEpoch);
            }
            Step::Pass(ms) => self.shell.pass(u64::from(ms)),
            Step::Day => {
                self.shell.pass(24 * 3_600_000);
                for _ in 0..3 {
                    self.say(0, json!({"type": "ping"}));
                    self.shell.wait(1_500);
                }
            }
            Step::Flood => {
                for _ in 0..22 {
                    let frames: Vec<Value> =
                        (0..50).map(|_| message("flood", &self.next_id())).collect();
                    self.say(0, frames.into());
                }
            }
        }
        // Writers read all that they hear.
        for writer in self.writers.clone() {
            self.shell.frames.remove(&writer);
            self.shell
                .say(writer, json!({"type": "seen", "seq": 9_000_000}));
        }
        for reader in &mut self.readers {
            reader.follow(&mut self.shell);
        }
    }
}

fn run(steps: Vec<Step>) -> World {
    let mut world = World::new();
    for step in steps {
        world.take(step);
    }
    let World { shell, readers, .. } = &mut world;
    shell.pass(10);
    for reader in readers.iter_mut() {
        reader.connect(shell);
        reader.follow(shell);
    }
    let (epoch, seq, messages) = pages(shell);
    for reader in readers {
        assert_eq!((&reader.epoch, reader.last), (&epoch, seq));
        assert!(reader.messages == messages, "shown is not what is stored");
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn who_follows_live_and_by_replay_ends_where_the_pages_are(steps in prop::collection::vec(step(), 1..70)) {
        run(steps);
    }
}

#[test]
fn a_trimmed_log_and_a_new_epoch_are_fresh_starts_and_a_crash_is_not() {
    let send = || Step::Send(0);
    let world = run(vec![
        send(),
        Step::Connect(0),
        Step::Connect(1),
        Step::Connect(2),
        Step::Pass(10),
        Step::Break(0),
        send(),
        Step::Connect(0),
        Step::Pass(10),
        Step::Break(1),
        Step::Flood,
        Step::Day,
        Step::Connect(1),
        Step::RenewEpoch,
        send(),
        Step::Edit(0, 0, 1),
        Step::Crash,
        Step::Break(2),
        Step::Delete(2, 0),
    ]);
    let started: Vec<(usize, usize)> = world
        .readers
        .iter()
        .map(|reader| (reader.fresh, reader.recovered))
        .collect();
    assert_eq!(started, [(2, 1), (3, 0), (2, 1)]);
    assert!(world.shell.storage.log_rows() < 1_200);
}

//! The clock and the queue: what happens next, and what follows from it.

mod acts;
mod clients;
mod faults;
mod hostile;
mod rooms;
mod tabs;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use client_core::io::{self as client_io, FetchId, Fetched, OutboxChange, SocketId};
use protocol::frame::Frame;
use protocol::ids::ClientMessageId;
use protocol::time::Instant;
use room_core::io::{PeerId, RequestId};
use room_core::storage::{EntityKind, EntityRange};
use room_core::{Settings, Storage};
use serde_json::Value;

use crate::cache::Cache;
use crate::hostile::Hostile;
use crate::meter::Meter;
use crate::network::Network;
use crate::options::{Fault, Options};
use crate::person::{Person, Shown};
use crate::random::{Random, Stream};
use crate::server::{Server, wall};
use crate::verdict::{self, Ending, Log, Report};

/// How long everybody may take to agree once the faults have stopped: the room's own look for silent sockets comes
/// every ten minutes, and is the slowest of all.
const HEALING_MS: u64 = 15 * 60_000;
/// The longest step that a trace shows whole, in bytes.
const STEP_BYTES_MAX: usize = 2_000;
/// A run that does more than this is stuck in a loop.
const STEPS_MAX: u64 = 3_000_000;

/// A tab in one of its lives: what was meant for an earlier one never reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tab {
    /// Whose it is.
    pub person: usize,
    /// How often it was loaded anew.
    pub life: u32,
}

/// Something that happens.
#[derive(Debug)]
enum Happening {
    /// A person does something.
    Act(usize),
    /// A text that is being made grows.
    Edit(acts::Stream),
    /// A frame or an upgrade reaches the room.
    ToRoom(PeerId, Up),
    /// A frame or a close reaches a client.
    ToClient(PeerId, Down),
    /// A socket could not be made, or its end noticed that it is dead.
    SocketGone(Tab, SocketId, u16),
    Request(Tab, FetchId, client_io::Request<Value>),
    Answer(Tab, FetchId, Result<Fetched<Value>, String>),
    /// The app's source answers, or fails.
    Token(Tab, client_io::Input<Value>),
    /// An app asks again for a page that it did not get.
    LoadsAgain(Tab),
    /// Somebody tries again what had failed.
    TriedAgain(Tab, ClientMessageId),
    TaskPassed(Tab),
    Loaded(Tab),
    Written(Tab, OutboxChange<Value>),
    Adopted(Tab, Tab),
    Thawed(Tab, bool),
    /// A tab that has no link gives up what is on its disk.
    Left(Tab),
    Reclaimed(Tab),
    Online(usize),
    /// Somebody else signs in at an app.
    SignIn(usize),
    /// An app gives another source of tokens, and again before that is over.
    Source(usize),
    ClientTimer(Tab),
    RoomTimer,
    Alarm,
    Fault(Fault, u64),
    /// Every connection dies, and so many times again.
    Storm(u64),
    /// The hostile peer acts on one of its sockets.
    Hostile(usize),
    Heal,
}

#[derive(Debug)]
enum Up {
    Upgrade {
        url: String,
        protocols: Vec<String>,
    },
    Frame(Frame),
    /// A ping, which the runtime answers.
    Ping,
    Closed,
}

#[derive(Debug)]
enum Down {
    /// The upgrade was answered.
    Opened,
    Frame(Rc<str>),
    Closed(u16),
}

/// One run.
pub struct World {
    faults_random: Random,
    server_random: Random,
    options: Options,
    now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    next_place: u64,
    network: Network,
    server: Server,
    hostile: Option<Hostile>,
    /// When the hostile peer began.
    hostile_since: Option<u64>,
    meter: Meter,
    people: Vec<Person>,
    /// Requests at the room, and who asked.
    asked: BTreeMap<RequestId, (Tab, FetchId)>,
    next_request: u64,
    /// Bytes of messages that people may still send.
    bytes_left: u64,
    /// Tokens that the room asks about, and whose.
    tokens_to_verify: VecDeque<(PeerId, String)>,
    faulty: bool,
    /// Whether the log began anew, as after a restore.
    epoch_renewed: bool,
    traced: bool,
    report: Report,
}

/// What an app shows in the end, without the hostile peer's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The app's name.
    pub name: String,
    /// Names of the messages of each app, top to bottom.
    pub messages: BTreeMap<String, Vec<String>>,
}

/// Runs a seed. With `traced`, every step is printed.
///
/// # Errors
/// Says what does not hold.
pub fn run(seed: u64, traced: bool) -> Result<Report, String> {
    let options = Options::draw(&mut Random::new(seed, Stream::Options));
    let hostile = options
        .has_hostile
        .then(|| Hostile::new(seed))
        .transpose()?;
    let (report, _) = World::new(seed, options, hostile, traced)?.run()?;
    Ok(report)
}

impl World {
    /// A run that has not begun.
    ///
    /// # Errors
    /// When a client or the room cannot be made.
    pub fn new(
        seed: u64,
        options: Options,
        hostile: Option<Hostile>,
        traced: bool,
    ) -> Result<Self, String> {
        let mut people = Vec::new();
        for index in 0..options.people {
            // Every third app belongs to the person of the one before: two tabs of one user.
            let is_second_tab = index % 3 == 2 && !options.takes_turns;
            let user = format!("user{}", if is_second_tab { index - 1 } else { index });
            let mut person = Person::new(index, user, options.says_user, seed)?;
            person.cache = options.has_cache.then(Cache::default);
            person.is_shared = options.takes_turns;
            people.push(person);
        }
        let settings = Settings {
            strict_expiry: options.strict_expiry,
            ..Settings::default()
        };
        let mut server_random = Random::new(seed, Stream::Server);
        Ok(Self {
            network: Network::new(seed, &options),
            server: Server::new(settings, &mut server_random)?,
            faults_random: Random::new(seed, Stream::Faults),
            server_random,
            hostile,
            hostile_since: None,
            meter: Meter::default(),
            now: 0,
            queue: BTreeMap::new(),
            next_place: 0,
            people,
            asked: BTreeMap::new(),
            next_request: 0,
            bytes_left: options.bytes_max,
            tokens_to_verify: VecDeque::new(),
            faulty: true,
            epoch_renewed: false,
            traced,
            report: Report::default(),
            options,
        })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// Says what does not hold.
    pub fn run(mut self) -> Result<(Report, Vec<Screen>), String> {
        if self.traced {
            println!("{:#?}", self.options);
            println!(
                "{:#?}",
                self.hostile.as_ref().map(|hostile| &hostile.habits)
            );
        }
        self.begin()?;
        self.go_on()?;
        self.end()
    }

    fn begin(&mut self) -> Result<(), String> {
        for person in 0..self.people.len() {
            self.renew_text(person)?;
            let at = self.person(person).acts.between(0, 2_000);
            self.at(at, Happening::Act(person));
        }
        self.at(self.options.duration_ms, Happening::Heal);
        for (fault, mean_ms) in self.options.faults.clone() {
            self.next_fault(fault, mean_ms);
        }
        if let Some(habits) = self.hostile.as_ref().map(|hostile| hostile.habits.clone()) {
            for slot in 0..habits.sockets {
                self.at(habits.begins_at, Happening::Hostile(slot));
            }
        }
        Ok(())
    }

    fn go_on(&mut self) -> Result<(), String> {
        let end = self.options.duration_ms + HEALING_MS;
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > end {
                break;
            }
            self.now = at;
            self.report.steps += 1;
            if self.traced {
                println!("{at:>8} {}", shortened(format!("{happening:?}")));
            }
            if self.report.steps > STEPS_MAX {
                return Err(format!(
                    "at {at} ms: more than {STEPS_MAX} steps, stuck in a loop at {happening:?}"
                ));
            }
            self.happen(happening)?;
            if let Some(fault) = self
                .people
                .iter_mut()
                .find_map(|person| person.fault.take())
            {
                return Err(format!("at {at} ms: {fault}"));
            }
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            // Once the run heals, nothing new happens to anybody.
            Happening::Act(_)
            | Happening::Edit(_)
            | Happening::Fault(..)
            | Happening::Storm(_)
            | Happening::Hostile(_)
                if !self.faulty => {}
            Happening::Act(person) => self.act(person),
            Happening::Edit(stream) => self.edit(stream),
            Happening::ToRoom(peer, up) => return self.reach_room(peer, up),
            Happening::ToClient(peer, down) => self.reach_client(peer, down),
            Happening::SocketGone(tab, socket, code) => {
                self.client(tab, client_io::Input::SocketClosed { socket, code });
            }
            Happening::Request(tab, fetch, request) => {
                return self.reach_room_by_http(tab, fetch, &request);
            }
            Happening::Answer(tab, fetch, outcome) => {
                if let (Some(cache), Ok(answer)) = (&mut self.person(tab.person).cache, &outcome) {
                    cache.learn(tab, fetch, answer);
                }
                self.client(tab, client_io::Input::Fetched { fetch, outcome });
            }
            Happening::Token(tab, answer) => self.client(tab, answer),
            Happening::LoadsAgain(tab) => self.load_again(tab),
            Happening::TriedAgain(tab, id) => self.try_again(tab, &id),
            Happening::TaskPassed(tab) => self.client(tab, client_io::Input::TaskPassed),
            Happening::Loaded(tab) => {
                let person = self.person(tab.person);
                let rows = person.page.with_freshness(person.disk.rows());
                self.client(tab, client_io::Input::OutboxLoaded(rows));
            }
            Happening::Written(tab, change) => self.written(tab, change),
            Happening::Adopted(from, by) => self.adopt(from, by),
            Happening::Thawed(tab, was_hidden) => self.thaw(tab, was_hidden),
            Happening::Left(tab) => self.leave_disk(tab),
            Happening::Reclaimed(tab) => self.reclaim(tab),
            Happening::Online(person) => self.go_online(person),
            Happening::SignIn(person) => self.sign_in(person)?,
            Happening::Source(person) => self.keep_source(person)?,
            Happening::ClientTimer(tab) => self.client_timer(tab),
            Happening::RoomTimer => {
                let Server { room, storage, .. } = &mut self.server;
                room.handle_timeout(wall(self.now), storage);
                self.carry_out_for_room();
            }
            Happening::Alarm => self.ring(),
            Happening::Fault(fault, mean_ms) => {
                self.go_wrong(fault)?;
                self.next_fault(fault, mean_ms);
            }
            Happening::Storm(times) => self.storm(times),
            Happening::Hostile(slot) => self.hostile_act(slot),
            Happening::Heal => return self.heal(),
        }
        Ok(())
    }

    // The end.

    fn end(mut self) -> Result<(Report, Vec<Screen>), String> {
        let stored = self.stored()?;
        let hostile_ms = self
            .hostile_since
            .map_or(0, |since| self.options.duration_ms.saturating_sub(since));
        let ending = Ending {
            people: &self.people,
            stored: &stored,
            log: Log {
                renewed: self.epoch_renewed,
                trimmed: self.is_trimmed()?,
            },
            named: self.options.named,
            hostile: self.hostile.as_ref(),
            hostile_ms,
            rebuilt: self.server.rebuilt,
        };
        self.report.count(&ending);
        self.report.fell_behind = self.meter.fell_behind;
        self.report.windows = self.meter.windows;
        self.report.marks_echoed = self.meter.marks_echoed;
        self.report.unconfirmed_max = self.meter.unconfirmed_max;
        verdict::all_is_well(&ending)?;
        verdict::nobody_is_closed_for_sending(&self.report)?;
        verdict::nobody_is_sent_too_much(&self.report)?;
        let screens = self.people.iter().map(|person| self.screen(person));
        Ok((self.report.clone(), screens.collect()))
    }

    fn screen(&self, person: &Person) -> Screen {
        let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let names = person.shown.iter().map(Shown::name);
        let is_of_app = |name: &&str| self.hostile.as_ref().is_none_or(|it| !it.sent(name));
        for name in names.filter(is_of_app) {
            let sender = name.split(' ').next().unwrap_or_default();
            messages
                .entry(sender.to_owned())
                .or_default()
                .push(name.to_owned());
        }
        Screen {
            name: person.name.clone(),
            messages,
        }
    }

    fn is_trimmed(&self) -> Result<bool, String> {
        let head = self
            .server
            .storage
            .head()
            .map_err(|error| error.to_string())?;
        Ok(head.seq.0 > self.server.storage.log_rows() as u64)
    }

    fn stored(&self) -> Result<Vec<Shown>, String> {
        let range = EntityRange {
            kind: EntityKind::Message,
            from: None,
            before: None,
            descending: false,
            limit: usize::MAX,
            bytes_max: usize::MAX,
        };
        let rows = self
            .server
            .storage
            .range(&range)
            .map_err(|error| error.to_string())?;
        rows.into_iter()
            .map(|(_, json)| {
                let message: Value =
                    serde_json::from_str(&json).map_err(|error| error.to_string())?;
                Ok(Shown::of(&message))
            })
            .collect()
    }

    // Small things.

    #[allow(
        clippy::indexing_slicing,
        reason = "people are numbered from 0 and never leave the list"
    )]
    fn person(&mut self, index: usize) -> &mut Person {
        &mut self.people[index]
    }

    /// Whether the tab is in the life that something is meant for.
    fn lives(&mut self, tab: Tab) -> bool {
        self.person(tab.person).tab == tab
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.next_place += 1;
        self.queue.insert((at, self.next_place), happening);
    }

    fn next_fault(&mut self, fault: Fault, mean_ms: u64) {
        let at = self.now + self.faults_random.between(1, 2 * mean_ms);
        self.at(at, Happening::Fault(fault, mean_ms));
    }

    fn client_timer(&mut self, tab: Tab) {
        let now = self.now;
        let person = self.person(tab.person);
        if person.tab != tab {
            return;
        }
        if person.frozen_until > now {
            let until = person.frozen_until;
            return self.at(until, Happening::ClientTimer(tab));
        }
        let due = person.client.poll_timeout();
        if due.is_some_and(|at| at <= Instant(now)) {
            person.client.handle_timeout(Instant(now));
            self.carry_out_for_client(tab.person);
        }
    }
}

impl Up {
    fn of(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) if text == protocol::wire::PING => Self::Ping,
            frame @ (Frame::Text(_) | Frame::Binary(_)) => Self::Frame(frame),
        }
    }
}

/// A step of a trace, without most of what long frames hold.
fn shortened(mut step: String) -> String {
    let bytes = step.len();
    if bytes > STEP_BYTES_MAX {
        let mut end = STEP_BYTES_MAX;
        while !step.is_char_boundary(end) {
            end -= 1;
        }
        step.truncate(end);
        step.push_str(&format!("… ({bytes} bytes)"));
    }
    step
}

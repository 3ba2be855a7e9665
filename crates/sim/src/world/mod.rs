//! The clock and the queue: what happens next, and what follows from it.

mod clients;
mod faults;
mod rooms;

use std::collections::BTreeMap;

use client_core::io::{self as client_io, FetchId, Fetched, SocketId, TokenId};
use protocol::ids::Seq;
use protocol::time::Instant;
use room_core::Storage;
use room_core::io::{PeerId, RequestId};
use room_core::storage::{EntityKey, EntityKind, EntityRange};
use serde_json::Value;

use crate::network::Network;
use crate::options::Options;
use crate::person::Person;
use crate::random::Random;
use crate::server::{Server, wall};
use crate::verdict::{self, Report};

/// How long everybody may take to agree once the faults have stopped: the longest back-off, a silent link's
/// ping and grace, a request's time-out, and then some.
const HEALING_MS: u64 = 180_000;
/// A run that does more than this is stuck in a loop.
const STEPS_MAX: u64 = 3_000_000;

/// Something that happens.
#[derive(Debug)]
enum Happening {
    /// A person does something.
    Act(usize),
    /// A frame or an upgrade reaches the room.
    ToRoom(PeerId, Up),
    /// A frame or a close reaches a client.
    ToClient(PeerId, Down),
    /// A socket could not be made, or its end noticed that it is dead.
    SocketGone(usize, SocketId, u16),
    Request(usize, FetchId, client_io::Request<Value>),
    Answer(usize, FetchId, Result<Fetched<Value>, String>),
    Token(usize, TokenId),
    TaskPassed(usize),
    Loaded(usize),
    ClientTimer(usize),
    RoomTimer,
    Alarm,
    Death,
    Eviction,
    Restart,
    Heal,
}

#[derive(Debug)]
enum Up {
    Upgrade { url: String, protocols: Vec<String> },
    Frame(String),
    Closed,
}

#[derive(Debug)]
enum Down {
    Frame(String),
    Closed(u16),
}

struct World {
    random: Random,
    options: Options,
    now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    next_place: u64,
    network: Network,
    server: Server,
    people: Vec<Person>,
    /// Requests at the room, and who asked.
    asked: BTreeMap<RequestId, (usize, FetchId)>,
    next_request: u64,
    faulty: bool,
    traced: bool,
    report: Report,
}

/// Runs a seed. With `traced`, every step is printed.
///
/// # Errors
/// Says what does not hold.
pub fn run(seed: u64, traced: bool) -> Result<Report, String> {
    let mut random = Random::new(seed);
    let options = Options::draw(&mut random);
    let mut people = Vec::new();
    for index in 0..options.people {
        // Every third app belongs to the person of the one before: two tabs of one user.
        let user = format!("user{}", if index % 3 == 2 { index - 1 } else { index });
        let token = Server::mint(options.named.then_some(user.as_str()), &mut random)?;
        people.push(Person::new(
            format!("app{index}"),
            user,
            token,
            &mut random,
        )?);
    }
    let mut world = World {
        network: Network::new(&options),
        server: Server::new(&mut random)?,
        random,
        now: 0,
        queue: BTreeMap::new(),
        next_place: 0,
        people,
        asked: BTreeMap::new(),
        next_request: 0,
        faulty: true,
        traced,
        report: Report::default(),
        options,
    };
    world.begin();
    world.go_on()?;
    world.end()
}

impl World {
    fn begin(&mut self) {
        for person in 0..self.people.len() {
            let at = self.random.between(0, 2_000);
            self.at(at, Happening::Act(person));
        }
        self.at(self.options.duration_ms, Happening::Heal);
        self.next_fault(self.options.death_ms, || Happening::Death);
        self.next_fault(self.options.eviction_ms, || Happening::Eviction);
        self.next_fault(self.options.restart_ms, || Happening::Restart);
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
                println!("{at:>8} {happening:?}");
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
            Happening::Act(_) | Happening::Death | Happening::Eviction | Happening::Restart
                if !self.faulty => {}
            Happening::Act(person) => self.act(person),
            Happening::ToRoom(peer, up) => return self.reach_room(peer, up),
            Happening::ToClient(peer, down) => self.reach_client(peer, down),
            Happening::SocketGone(person, socket, code) => {
                self.client(person, client_io::Input::SocketClosed { socket, code });
            }
            Happening::Request(person, fetch, request) => {
                self.reach_room_by_http(person, fetch, &request)
            }
            Happening::Answer(person, fetch, outcome) => {
                self.client(person, client_io::Input::Fetched { fetch, outcome });
            }
            Happening::Token(person, token_id) => {
                let token = self.person(person).token.clone();
                self.client(person, client_io::Input::TokenReady { token_id, token });
            }
            Happening::TaskPassed(person) => self.client(person, client_io::Input::TaskPassed),
            Happening::Loaded(person) => {
                self.client(person, client_io::Input::OutboxLoaded(Vec::new()))
            }
            Happening::ClientTimer(person) => {
                let due = self
                    .person(person)
                    .client
                    .poll_timeout()
                    .is_some_and(|at| at <= Instant(self.now));
                if due {
                    let now = Instant(self.now);
                    self.person(person).client.handle_timeout(now);
                    self.carry_out_for_client(person);
                }
            }
            Happening::RoomTimer => {
                self.server.room.handle_timeout(wall(self.now));
                self.carry_out_for_room();
            }
            Happening::Alarm => {
                if self.server.alarm.is_some_and(|at| at <= self.now) {
                    self.server.alarm = None;
                    // The runtime answers pings by itself, so every living socket was heard just now.
                    let heard = self
                        .network
                        .alive()
                        .into_iter()
                        .map(|peer| (peer, wall(self.now)))
                        .collect();
                    self.server
                        .room
                        .handle_alarm(wall(self.now), heard, &mut self.server.storage);
                    self.carry_out_for_room();
                }
            }
            Happening::Death => self.kill_one(),
            Happening::Eviction => return self.evict(),
            Happening::Restart => return self.restart(),
            Happening::Heal => self.heal(),
        }
        Ok(())
    }

    // What people do.

    fn act(&mut self, index: usize) {
        let (now, leave) = (self.now, self.random.chance(self.options.leave_permille));
        let count = self.random.between(1, self.options.burst);
        let until_stored = self.random.chance(100);
        let person = self.person(index);
        if !person.online {
            if until_stored {
                // Not connected: one HTTP request.
                person.send(false, now);
            }
            person.come(now);
        } else if leave {
            person.leave(now);
        } else {
            for _ in 0..count {
                person.send(until_stored, now);
            }
        }
        self.carry_out_for_client(index);
        let pause = self.random.between(1, 2 * self.options.pause_ms);
        self.at(self.now + pause, Happening::Act(index));
    }

    // The end.

    fn end(mut self) -> Result<Report, String> {
        let stored = self.stored()?;
        self.report.stored = stored.len();
        self.report.sent = self.people.iter().map(|person| person.sent.len()).sum();
        self.report.shown = self.people.iter().map(|person| person.shown.len()).sum();
        self.report.discontinuities = self
            .people
            .iter()
            .map(|person| person.discontinuities)
            .sum();
        let promised =
            |sent: &&crate::person::Sent| sent.outcome == crate::person::Outcome::Promised;
        self.report.promised = self
            .people
            .iter()
            .map(|person| person.sent.iter().filter(promised).count())
            .sum();
        verdict::all_is_well(&self.people, &stored)?;
        Ok(self.report)
    }

    fn stored(&self) -> Result<Vec<(u64, String)>, String> {
        let range = EntityRange {
            kind: EntityKind::Message,
            from: None,
            before: None,
            descending: false,
            limit: usize::MAX,
        };
        let rows = self
            .server
            .storage
            .range(&range)
            .map_err(|error| error.to_string())?;
        let read = |(key, data): (EntityKey, String)| {
            let EntityKey::Seq(Seq(seq)) = key else {
                return Err("a message without a place".to_owned());
            };
            let value: Value = serde_json::from_str(&data).map_err(|error| error.to_string())?;
            Ok((
                seq,
                value
                    .get("text")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
            ))
        };
        rows.into_iter().map(read).collect()
    }

    // Small things.

    #[allow(
        clippy::indexing_slicing,
        reason = "people are numbered from 0 and never leave the list"
    )]
    fn person(&mut self, index: usize) -> &mut Person {
        &mut self.people[index]
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.next_place += 1;
        self.queue.insert((at, self.next_place), happening);
    }

    fn next_fault(&mut self, mean_ms: u64, happening: impl FnOnce() -> Happening) {
        if mean_ms > 0 {
            let at = self.now + self.random.between(1, 2 * mean_ms);
            self.at(at, happening());
        }
    }
}

//! The clock and the queue: what happens next, and what follows from it.

use std::collections::BTreeMap;

use client_core::io::{self as client_io, FetchId, Fetched, SocketId, TokenId};
use protocol::frame::Frame;
use protocol::ids::Seq;
use protocol::time::Instant;
use room_core::Storage;
use room_core::io::{self as room_io, PeerId, RequestId};
use room_core::storage::{EntityKey, EntityKind, EntityRange, StorageError};
use serde_json::Value;

use crate::network::Network;
use crate::options::Options;
use crate::person::Person;
use crate::random::Random;
use crate::server::{Server, virtual_ms, wall};
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

    // The client's side.

    fn client(&mut self, person: usize, input: client_io::Input<Value>) {
        let now = Instant(self.now);
        self.person(person).client.handle_input(input, now);
        self.carry_out_for_client(person);
    }

    fn carry_out_for_client(&mut self, index: usize) {
        while let Some(output) = self.person(index).client.poll_output() {
            self.carry_out(index, output);
        }
        if let Some(at) = self.person(index).client.poll_timeout() {
            self.at(at.0.max(self.now), Happening::ClientTimer(index));
        }
    }

    fn carry_out(&mut self, index: usize, output: client_io::Output<Value>) {
        let now = self.now;
        match output {
            client_io::Output::OpenSocket {
                socket,
                url,
                protocols,
            } => {
                let peer = self.network.connect(index, socket, now);
                let at = self.network.up(peer, now, &mut self.random);
                self.at(at, Happening::ToRoom(peer, Up::Upgrade { url, protocols }));
            }
            client_io::Output::Transmit {
                socket,
                frame: Frame::Text(text),
            } => {
                let Some(peer) = self.network.peer_of(index, socket) else {
                    return;
                };
                let at = self.network.up(peer, now, &mut self.random);
                if text == protocol::wire::PING {
                    // The runtime answers without the room.
                    let back = at + self.network.delay(&mut self.random);
                    let back = back.max(self.network.down(peer, at, &mut self.random));
                    self.at(
                        back,
                        Happening::ToClient(peer, Down::Frame(protocol::wire::PONG.to_owned())),
                    );
                } else {
                    self.at(at, Happening::ToRoom(peer, Up::Frame(text)));
                }
            }
            client_io::Output::Transmit {
                frame: Frame::Binary(_),
                ..
            } => {}
            client_io::Output::CloseSocket { socket, .. } => {
                if let Some(peer) = self.network.peer_of(index, socket) {
                    let at = self.network.up(peer, now, &mut self.random);
                    self.at(at, Happening::ToRoom(peer, Up::Closed));
                }
            }
            client_io::Output::RequestToken { token_id, .. } => {
                let at = now + self.network.delay(&mut self.random);
                self.at(at, Happening::Token(index, token_id));
            }
            client_io::Output::Fetch { fetch, request } => {
                let at = now + self.network.delay(&mut self.random);
                self.at(at, Happening::Request(index, fetch, request));
            }
            client_io::Output::Settle { call, result } => {
                self.person(index).settled(call, result, now)
            }
            client_io::Output::Event(event) => self.person(index).told(&event, now),
            client_io::Output::YieldTask => {
                let at = now + self.random.between(0, 5);
                self.at(at, Happening::TaskPassed(index));
            }
            client_io::Output::LoadOutbox => self.at(now, Happening::Loaded(index)),
            client_io::Output::Persist(_) => {}
        }
    }

    fn reach_client(&mut self, peer: PeerId, down: Down) {
        let Some(wire) = self.network.wire(peer).filter(|wire| wire.alive) else {
            return;
        };
        let (person, socket) = (wire.person, wire.socket);
        match down {
            Down::Frame(text) => {
                self.client(
                    person,
                    client_io::Input::Frame {
                        socket,
                        frame: Frame::Text(text),
                    },
                );
            }
            Down::Closed(code) => {
                self.network.kill(peer);
                self.client(person, client_io::Input::SocketClosed { socket, code });
            }
        }
    }

    // The room's side.

    fn reach_room(&mut self, peer: PeerId, up: Up) -> Result<(), String> {
        if !self.network.wire(peer).is_some_and(|wire| wire.alive) {
            return Ok(());
        }
        let input = match up {
            Up::Upgrade { url, protocols } => Server::connected(peer, &url, &protocols, self.now)
                .ok_or("a token of the simulator was refused")?,
            Up::Frame(text) => room_io::Input::Frame {
                peer,
                frame: Frame::Text(text),
            },
            Up::Closed => {
                self.network.kill(peer);
                self.server
                    .records
                    .retain(|(recorded, _)| *recorded != peer);
                room_io::Input::Disconnected { peer }
            }
        };
        self.feed_room(input);
        Ok(())
    }

    fn reach_room_by_http(
        &mut self,
        person: usize,
        fetch: FetchId,
        request: &client_io::Request<Value>,
    ) {
        let name = RequestId(self.next_request);
        self.next_request += 1;
        match Server::request(name, request, self.now) {
            Ok(input) => {
                self.asked.insert(name, (person, fetch));
                self.feed_room(input);
            }
            Err(status) => {
                let answer = Fetched {
                    status,
                    body: String::new(),
                };
                self.at(self.now, Happening::Answer(person, fetch, Ok(answer)));
            }
        }
    }

    fn feed_room(&mut self, input: room_io::Input) {
        if self.faulty && self.random.chance(self.options.disk_failure_permille) {
            self.server.storage.fail_next_commit(StorageError::Full);
            self.report.faults += 1;
        }
        if self.server.room.wants_heard(wall(self.now)) {
            let heard = self
                .network
                .alive()
                .into_iter()
                .map(|peer| (peer, wall(self.now)))
                .collect();
            let heard = room_io::Input::Heard(heard);
            self.server
                .room
                .handle_input(heard, wall(self.now), &mut self.server.storage);
        }
        self.server
            .room
            .handle_input(input, wall(self.now), &mut self.server.storage);
        self.carry_out_for_room();
    }

    fn carry_out_for_room(&mut self) {
        while let Some(output) = self.server.room.poll_output() {
            match output {
                room_io::Output::Send {
                    peers,
                    frame: Frame::Text(text),
                } => {
                    self.report.frames += 1;
                    for peer in peers {
                        let at = self.network.down(peer, self.now, &mut self.random);
                        self.at(at, Happening::ToClient(peer, Down::Frame(text.to_string())));
                    }
                }
                room_io::Output::Close { peer, code, .. } => {
                    self.server
                        .records
                        .retain(|(recorded, _)| *recorded != peer);
                    let at = self.network.down(peer, self.now, &mut self.random);
                    self.at(at, Happening::ToClient(peer, Down::Closed(code)));
                }
                room_io::Output::Remember { peer, record } => {
                    self.server
                        .records
                        .retain(|(recorded, _)| *recorded != peer);
                    self.server.records.push((peer, record));
                }
                room_io::Output::Respond { request, response } => self.respond(request, response),
                room_io::Output::SetAlarm(at) => {
                    self.server.alarm = at.map(virtual_ms);
                    if let Some(at) = self.server.alarm {
                        self.at(at.max(self.now), Happening::Alarm);
                    }
                }
                // The simulator speaks the second version in text only.
                room_io::Output::Send {
                    frame: Frame::Binary(_),
                    ..
                }
                | room_io::Output::Authenticate { .. } => {}
            }
        }
        if let Some(at) = self.server.room.poll_timeout() {
            self.at(virtual_ms(at).max(self.now), Happening::RoomTimer);
        }
    }

    fn respond(&mut self, request: RequestId, response: room_io::Response) {
        let Some((person, fetch)) = self.asked.remove(&request) else {
            return;
        };
        let at = self.now + self.network.delay(&mut self.random);
        let lost = self.faulty && self.random.chance(self.options.http_loss_permille);
        let outcome = if lost {
            self.report.faults += 1;
            Err("the connection was lost".to_owned())
        } else {
            Ok(Fetched {
                status: response.status,
                body: response.body,
            })
        };
        self.at(at, Happening::Answer(person, fetch, outcome));
    }

    // Faults.

    fn kill_one(&mut self) {
        let alive = self.network.alive();
        let chosen = self.random.between(0, alive.len().saturating_sub(1) as u64);
        if let Some(peer) = usize::try_from(chosen)
            .ok()
            .and_then(|chosen| alive.get(chosen).copied())
        {
            self.kill(peer);
        }
        self.next_fault(self.options.death_ms, || Happening::Death);
    }

    /// A connection dies; each end notices in its own time.
    fn kill(&mut self, peer: PeerId) {
        if !self.network.kill(peer) {
            return;
        }
        self.report.faults += 1;
        let Some(wire) = self.network.wire(peer) else {
            return;
        };
        let (person, socket) = (wire.person, wire.socket);
        let noticed = self.now + self.random.between(0, self.options.silence_ms_max);
        self.at(noticed, Happening::SocketGone(person, socket, 1006));
        self.server
            .records
            .retain(|(recorded, _)| *recorded != peer);
        self.server.room.handle_input(
            room_io::Input::Disconnected { peer },
            wall(self.now),
            &mut self.server.storage,
        );
        self.carry_out_for_room();
    }

    fn evict(&mut self) -> Result<(), String> {
        self.report.faults += 1;
        self.server.evict(&mut self.random, self.now)?;
        self.lose_requests();
        self.carry_out_for_room();
        self.next_fault(self.options.eviction_ms, || Happening::Eviction);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), String> {
        for peer in self.network.alive() {
            self.kill(peer);
        }
        self.server.records.clear();
        self.server.evict(&mut self.random, self.now)?;
        self.lose_requests();
        self.next_fault(self.options.restart_ms, || Happening::Restart);
        Ok(())
    }

    /// Requests that the room had taken and not answered: their connections break.
    fn lose_requests(&mut self) {
        for (person, fetch) in std::mem::take(&mut self.asked).into_values() {
            self.at(
                self.now,
                Happening::Answer(person, fetch, Err("the server was restarted".to_owned())),
            );
        }
    }

    fn heal(&mut self) {
        self.faulty = false;
        self.network.heal();
        for person in 0..self.people.len() {
            if !self.person(person).online {
                let now = self.now;
                self.person(person).come(now);
                self.carry_out_for_client(person);
            }
        }
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

//! What follows from the clients' outputs, and how frames reach them.

use client_core::io::{self as client_io, TokenId};
use protocol::frame::Frame;
use protocol::time::Instant;
use room_core::io::PeerId;
use serde_json::Value;

use super::{Down, Happening, Tab, Up, World};
use crate::network::{Direction, Owner};
use crate::person::Blocking;
use crate::server::Server;

/// How long it takes at most until both ends have noticed that a gateway closed their connection, in milliseconds.
const GATEWAY_NOTICED_MS_MAX: u64 = 200;
/// After which time an app asks again for a page that it did not get, in milliseconds.
const LOADS_AGAIN_MS: u64 = 500;
/// How long it takes until somebody who is told that something failed tries again, in milliseconds.
const LOOKS_MS_MIN: u64 = 1_000;
const LOOKS_MS_MAX: u64 = 60_000;
/// How often the timers of a hidden tab run, in milliseconds.
const HIDDEN_TIMER_MS: u64 = 60_000;

impl World {
    pub(super) fn client(&mut self, tab: Tab, input: client_io::Input<Value>) {
        let now = self.now;
        let person = self.person(tab.person);
        if person.tab != tab {
            return;
        }
        // Nothing overtakes what waits already.
        if person.frozen_until > now || !person.inbox.is_empty() {
            return person.inbox.push_back(input);
        }
        self.client_now(tab, input);
    }

    pub(super) fn client_now(&mut self, tab: Tab, input: client_io::Input<Value>) {
        let now = self.now;
        self.person(tab.person)
            .client
            .handle_input(input, Instant(now));
        self.carry_out_for_client(tab.person);
    }

    pub(super) fn carry_out_for_client(&mut self, index: usize) {
        let tab = self.person(index).tab;
        while let Some(output) = self.person(index).client.poll_output() {
            self.carry_out(tab, output);
        }
        if std::mem::take(&mut self.person(index).loads_again) {
            self.at(self.now + LOADS_AGAIN_MS, Happening::LoadsAgain(tab));
        }
        for id in std::mem::take(&mut self.person(index).failed) {
            let at = self.now
                + self
                    .person(index)
                    .random
                    .between(LOOKS_MS_MIN, LOOKS_MS_MAX);
            self.at(at, Happening::TriedAgain(tab, id));
        }
        if let Some(at) = self.person(index).client.poll_timeout() {
            let at = at.0.max(self.now);
            let is_hidden = self.faulty && self.options.hidden.get(index) == Some(&true);
            let at = if is_hidden {
                at.next_multiple_of(HIDDEN_TIMER_MS)
            } else {
                at
            };
            self.at(at, Happening::ClientTimer(tab));
        }
    }

    fn carry_out(&mut self, tab: Tab, output: client_io::Output<Value>) {
        let now = self.now;
        match output {
            client_io::Output::OpenSocket {
                socket,
                url,
                protocols,
                within_ms: _,
            } => self.open_socket(tab, socket, url, protocols),
            client_io::Output::Transmit { socket, frame } => {
                if let Some(peer) = self.network.peer_of(tab, socket) {
                    self.send_up(peer, Up::of(frame));
                }
            }
            client_io::Output::CloseSocket { socket, .. } => {
                if let Some(peer) = self.network.peer_of(tab, socket) {
                    self.send_up(peer, Up::Closed);
                }
            }
            client_io::Output::RequestToken { token_id, .. } => self.ask_source(tab, token_id),
            client_io::Output::Fetch { fetch, request } => {
                let cache = self.person(tab.person).cache.as_mut();
                if let Some(known) = cache.and_then(|cache| cache.ask(tab, fetch, &request)) {
                    self.report.faults += 1;
                    self.at(now + 1, Happening::Answer(tab, fetch, Ok(known)));
                }
                let bytes = request.body.as_ref().map_or(0, String::len);
                let at = now + self.request_ms(tab.person, bytes);
                if self.person(tab.person).offline_until > now {
                    let told = Err("there is no network".to_owned());
                    return self.at(at, Happening::Answer(tab, fetch, told));
                }
                self.at(at, Happening::Request(tab, fetch, request));
            }
            // An answer that comes all the same is ignored.
            client_io::Output::EndFetch { .. } => {}
            client_io::Output::Settle { call, result } => {
                self.person(tab.person).settled(call, result, now);
            }
            client_io::Output::Event(event) => self.person(tab.person).told(&event, now),
            client_io::Output::YieldTask => {
                let at = now + self.person(tab.person).random.between(0, 5);
                self.at(at, Happening::TaskPassed(tab));
            }
            client_io::Output::LoadOutbox => {
                let at = self.written_at(tab);
                self.at(at, Happening::Loaded(tab));
            }
            client_io::Output::Identified(_) => {}
            client_io::Output::ReclaimOutbox => self.claim(tab),
            client_io::Output::Persist(change) => {
                let person = self.person(tab.person);
                person.page.note(&change);
                if person.is_released {
                    person.unwritten.push(change);
                    return self.claim(tab);
                }
                let at = self.written_at(tab);
                self.at(at, Happening::Written(tab, change));
            }
        }
    }

    fn open_socket(
        &mut self,
        tab: Tab,
        socket: client_io::SocketId,
        url: String,
        protocols: Vec<String>,
    ) {
        if self.person(tab.person).offline_until > self.now {
            let at = self.now + self.person(tab.person).random.between(0, 50);
            return self.at(at, Happening::SocketGone(tab, socket, 1006));
        }
        let (until, blocking) = self.person(tab.person).blocked_until;
        let blocking = (until > self.now).then_some(blocking);
        match blocking {
            Some(Blocking::Refuses) => {
                let at = self.now + self.request_ms(tab.person, 0);
                return self.at(at, Happening::SocketGone(tab, socket, 1006));
            }
            Some(Blocking::Swallows) => return,
            Some(Blocking::Deafens | Blocking::Mutes) | None => {}
        }
        let peer = self.network.connect(Owner::App(tab, socket), self.now);
        self.send_up(peer, Up::Upgrade { url, protocols });
        if blocking.is_none() {
            return;
        }
        // Whatever opened it carries nothing, also once the network is another one.
        let opened = self.now + self.request_ms(tab.person, 0);
        self.at(opened, Happening::ToClient(peer, Down::Opened));
        self.network.swallow(peer, Direction::Down);
        if blocking == Some(Blocking::Mutes) {
            self.network.swallow(peer, Direction::Up);
        }
    }

    pub(super) fn send_up(&mut self, peer: PeerId, up: Up) {
        let bytes = match &up {
            Up::Frame(frame) => frame.bytes(),
            Up::Upgrade { .. } | Up::Ping | Up::Closed => 0,
        };
        if self.dies_of(peer, bytes) {
            self.report.deaths_of_length += 1;
            return self.kill_noticed(peer, GATEWAY_NOTICED_MS_MAX);
        }
        if let Some(at) = self.network.pass(peer, Direction::Up, bytes, self.now) {
            self.at(at, Happening::ToRoom(peer, up));
        }
    }

    /// Whether a gateway on the way closes the connection on a frame of so many bytes.
    fn dies_of(&self, peer: PeerId, bytes: usize) -> bool {
        let owner = self.network.wire(peer).map(|wire| wire.owner);
        let Some(Owner::App(tab, _)) = owner else {
            return false;
        };
        let limit = self.options.frame_bytes_max.get(tab.person);
        limit.is_some_and(|limit| *limit > 0 && bytes > *limit)
    }

    /// How long a request of a person, or the answer to one, is on its way.
    pub(super) fn request_ms(&mut self, person: usize, bytes: usize) -> u64 {
        let Some(whose) = self.people.get_mut(person) else {
            return 0;
        };
        self.network.request_ms(person, bytes, &mut whose.random)
    }

    pub(super) fn reach_client(&mut self, peer: PeerId, down: Down) {
        let Some(wire) = self.network.wire(peer).filter(|wire| wire.alive) else {
            return;
        };
        let (tab, socket) = match wire.owner {
            Owner::App(tab, socket) => (tab, socket),
            Owner::Hostile(slot) => return self.reach_hostile(slot, peer, &down),
        };
        match down {
            Down::Opened => self.client(tab, client_io::Input::SocketOpened { socket }),
            Down::Frame(text) => {
                let frame = Frame::Text(text.to_string());
                self.client(tab, client_io::Input::Frame { socket, frame });
            }
            Down::Closed(code) => {
                self.network.kill(peer);
                self.tell_room_of_end(peer);
                self.client(tab, client_io::Input::SocketClosed { socket, code });
            }
        }
    }

    /// The app's source is asked for a token. Whose it is, is decided now; the answer may take a while.
    fn ask_source(&mut self, tab: Tab, token_id: TokenId) {
        if let Some(token) = self.person(tab.person).text.clone() {
            let input = client_io::Input::TokenReady {
                token_id,
                token,
                fixed: true,
            };
            return self.at(self.now, Happening::Token(tab, input));
        }
        let faulty = self.faulty;
        let (silence, failure) = (
            self.options.token_silence_permille,
            self.options.token_failure_permille,
        );
        let takes_ms_max = if faulty { self.options.token_ms_max } else { 0 };
        let is_out_of_reach =
            self.options.sources_are_far && self.person(tab.person).offline_until > self.now;
        let random = &mut self.person(tab.person).random;
        let is_silent = random.chance(silence) && faulty;
        let fails = (random.chance(failure) && faulty) || is_out_of_reach;
        let takes_ms = random.between(0, takes_ms_max);
        self.report.faults += u64::from(is_silent || fails);
        if is_silent {
            return;
        }
        let token = if fails {
            Err("the app's server is away".to_owned())
        } else {
            self.mint(tab.person)
        };
        let input = match token {
            Ok(token) => client_io::Input::TokenReady {
                token_id,
                token,
                fixed: false,
            },
            Err(message) => client_io::Input::TokenFailed { token_id, message },
        };
        let at = self.now + self.request_ms(tab.person, 0) + takes_ms;
        self.at(at, Happening::Token(tab, input));
    }

    /// The app's server mints a token each time it is asked; what stands between may give the one before, or a login page.
    fn mint(&mut self, index: usize) -> Result<String, String> {
        let (faulty, now) = (self.faulty, self.now);
        let exp = match self.options.token_ms {
            0 => u64::from(u32::MAX),
            ms => now + ms,
        };
        let (named, stale_permille) = (self.options.named, self.options.token_stale_permille);
        let person = self.person(index);
        let user = named.then_some(person.user.as_str());
        let fresh = Server::mint(user, exp, &mut person.random)?;
        let is_stale = person.random.chance(stale_permille) && faulty;
        let is_signed_out = person.random.chance(300);
        let token = match &person.last_token {
            _ if !is_stale => fresh,
            Some(last) if !is_signed_out => last.clone(),
            _ => "<h1>Sign in</h1>".to_owned(),
        };
        if !is_stale {
            person.last_token = Some(token.clone());
        }
        self.report.faults += u64::from(is_stale);
        Ok(token)
    }

    /// An app that gives its token as a text has a fresh one.
    pub(super) fn renew_text(&mut self, index: usize) -> Result<(), String> {
        if self.options.texts.get(index) == Some(&true) {
            self.person(index).text = Some(self.mint(index)?);
        }
        Ok(())
    }
}

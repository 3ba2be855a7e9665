//! Faults: what goes wrong, and the end of it.

use client_core::io as client_io;
use room_core::io::{self as room_io, PeerId, RequestId};

use super::{HEALING_MS, Happening, World};
use crate::network::{Direction, Owner};
use crate::options::Fault;
use crate::person::Blocking;
use crate::server::{Server, wall};

/// How long it takes at most until everybody has noticed that all connections died at once, in milliseconds.
const STORM_NOTICED_MS_MAX: u64 = 200;

/// How long it takes at most, once nothing goes wrong any more, until apps that give texts give a good one, in milliseconds.
const SOURCE_MS_MAX: u64 = 60_000;

/// How often people take turns at an app once nothing goes wrong any more: what waits of either of them leaves.
const TURNS_AFTER: u64 = 4;

impl World {
    pub(super) fn go_wrong(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Death => {
                if let Some(peer) = self.some_connection() {
                    self.kill(peer);
                }
            }
            Fault::BlackHole => self.open_black_hole(),
            Fault::Stall => self.stall(),
            Fault::Eviction => return self.evict(),
            Fault::Restart => return self.restart(),
            Fault::NewEpoch => self.renew_epoch(),
            Fault::Crash => {
                let person = self.some_person();
                if !self.person(person).is_closed {
                    self.report.faults += 1;
                    return self.crash(person);
                }
            }
            Fault::Close => return self.close_tab(),
            Fault::Freeze => {
                let person = self.some_person();
                self.freeze(person);
            }
            Fault::Offline => {
                let person = self.some_person();
                self.go_offline(person);
            }
            Fault::Blocked => self.block_sockets(),
            Fault::Hint => self.hint(),
            Fault::SignIn => {
                let person = self.some_person();
                self.report.faults += 1;
                self.sign_in(person)?;
            }
            Fault::Source => {
                let person = self.some_person();
                self.report.faults += 1;
                return self.change_source(person);
            }
            Fault::View => {
                let person = self.some_person();
                return self.change_view(person);
            }
            Fault::Storm => {
                let times = self.faults_random.between(2, 6);
                self.storm(times);
            }
        }
        Ok(())
    }

    fn some_person(&mut self) -> usize {
        let last = self.people.len() as u64 - 1;
        usize::try_from(self.faults_random.between(0, last)).unwrap_or(0)
    }

    fn some_connection(&mut self) -> Option<PeerId> {
        let alive = self.network.of_apps();
        self.faults_random.pick(&alive).copied()
    }

    /// Every connection dies at once, which everybody notices; `times` says how often that happens from here on.
    pub(super) fn storm(&mut self, times: u64) {
        if times == 0 {
            return;
        }
        for peer in self.network.of_apps() {
            self.kill_noticed(peer, STORM_NOTICED_MS_MAX);
        }
        let next = self.now + self.faults_random.between(200, 4_000);
        self.at(next, Happening::Storm(times - 1));
    }

    /// A connection dies; each end notices in its own time.
    pub(super) fn kill(&mut self, peer: PeerId) {
        self.kill_noticed(peer, self.options.silence_ms_max);
    }

    pub(super) fn kill_noticed(&mut self, peer: PeerId, noticed_ms_max: u64) {
        if !self.network.kill(peer) {
            return;
        }
        self.report.faults += 1;
        let Some(wire) = self.network.wire(peer) else {
            return;
        };
        if let Owner::App(tab, socket) = wire.owner {
            let noticed = self.now + self.faults_random.between(0, noticed_ms_max);
            self.at(noticed, Happening::SocketGone(tab, socket, 1006));
        }
        self.tell_room_of_end(peer);
    }

    /// The server's end of a connection notices that it is over.
    pub(super) fn tell_room_of_end(&mut self, peer: PeerId) {
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

    fn open_black_hole(&mut self) {
        let Some(peer) = self.some_connection() else {
            return;
        };
        self.report.faults += 1;
        let kind = self.faults_random.between(0, 2);
        if kind != 1 {
            self.network.swallow(peer, Direction::Up);
        }
        if kind != 2 {
            self.network.swallow(peer, Direction::Down);
        }
    }

    /// A browser says something, which may be true.
    fn hint(&mut self) {
        let index = self.some_person();
        let hint = match self.faults_random.between(0, 3) {
            0 => client_io::Input::OnlineChanged(false),
            1 => client_io::Input::OnlineChanged(true),
            2 => client_io::Input::Focused,
            _ => client_io::Input::Woken,
        };
        self.report.faults += 1;
        let tab = self.person(index).tab;
        self.client(tab, hint);
    }

    /// A network begins to keep WebSockets out; those that are open it mostly ends.
    fn block_sockets(&mut self) {
        let index = self.some_person();
        self.report.faults += 1;
        let until = self.now + self.faults_random.between(1, self.options.pause_ms_max);
        let blocking = match self.faults_random.between(0, 9) {
            0..=3 => Blocking::Refuses,
            4..=5 => Blocking::Swallows,
            6..=7 => Blocking::Deafens,
            _ => Blocking::Mutes,
        };
        self.person(index).blocked_until = (until, blocking);
        if self.faults_random.chance(700) {
            for peer in self.network.of_person(index) {
                self.kill(peer);
            }
        }
    }

    fn stall(&mut self) {
        let Some(peer) = self.some_connection() else {
            return;
        };
        self.report.faults += 1;
        let until = self.now + self.faults_random.between(1, self.options.pause_ms_max);
        let kind = self.faults_random.between(0, 2);
        if kind != 1 {
            self.network.stall(peer, Direction::Up, until);
        }
        if kind != 2 {
            self.network.stall(peer, Direction::Down, until);
        }
    }

    pub(super) fn evict(&mut self) -> Result<(), String> {
        self.report.faults += 1;
        self.server.evict(&mut self.server_random, self.now)?;
        self.meter.forget();
        self.lose_requests();
        self.carry_out_for_room();
        Ok(())
    }

    fn restart(&mut self) -> Result<(), String> {
        self.end_hostile();
        for peer in self.network.of_apps() {
            self.kill(peer);
        }
        self.server.records.clear();
        self.server.evict(&mut self.server_random, self.now)?;
        self.meter.forget();
        self.lose_requests();
        Ok(())
    }

    fn renew_epoch(&mut self) {
        self.report.faults += 1;
        self.epoch_renewed = true;
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.server.room.handle_input(
            room_io::Input::Request {
                request,
                principal: Server::owner(),
                call: room_io::Call::RenewEpoch,
            },
            wall(self.now),
            &mut self.server.storage,
        );
        self.carry_out_for_room();
    }

    /// A tab is closed for good; one of the same user takes over what it left, if there is one.
    fn close_tab(&mut self) -> Result<(), String> {
        let index = self.some_person();
        let Some(by) = self.sibling(index) else {
            return Ok(());
        };
        if self.person(index).is_closed {
            return Ok(());
        }
        self.report.faults += 1;
        self.crash(index)?;
        let person = self.person(index);
        person.is_closed = true;
        let from = person.tab;
        let at = self.now + self.faults_random.between(0, 500);
        self.at(at, Happening::Adopted(from, by));
        Ok(())
    }

    /// Requests that the room had taken and not answered: their connections break.
    pub(super) fn lose_requests(&mut self) {
        for (tab, fetch) in std::mem::take(&mut self.asked).into_values() {
            let told = Err("the server was restarted".to_owned());
            self.at(self.now, Happening::Answer(tab, fetch, told));
        }
    }

    /// The one of two who take turns at an app signs out, and the other one in: the app's source gives their tokens.
    pub(super) fn sign_in(&mut self, index: usize) -> Result<(), String> {
        let now = self.now;
        if self.options.says_user {
            return self.change_user(index);
        }
        let signs_out = self.faults_random.chance(500);
        let person = self.person(index);
        person.take_turns();
        let (tab, is_text) = (person.tab, person.text.is_some());
        // A frozen page runs no code that signs anybody out.
        let signs_out = signs_out && person.online && person.frozen_until <= now;
        if !signs_out {
            self.renew_text(index)?;
            self.client(tab, client_io::Input::TokenChanged);
            return Ok(());
        }
        // As the guides sign out.
        person.leave(now);
        if is_text {
            self.renew_text(index)?;
            self.client(tab, client_io::Input::TokenChanged);
        }
        let person = self.person(index);
        if person.knows_somebody() {
            return Err(format!("{} is taken for the one before", person.user));
        }
        self.carry_out_for_client(index);
        self.come(index);
        Ok(())
    }

    /// The one of two who take turns signs in at an app that says who uses its clients: the view of another user is another one.
    fn change_user(&mut self, index: usize) -> Result<(), String> {
        let now = self.now;
        let person = self.person(index);
        if person.is_closed || person.frozen_until > now {
            return Ok(());
        }
        person.take_turns();
        self.change_view(index)
    }

    /// An app gives another source: a text in place of a function, another text, or a function again.
    fn change_source(&mut self, index: usize) -> Result<(), String> {
        let is_function = self.faults_random.chance(300);
        self.person(index).text = None;
        if !is_function {
            self.renew_text(index)?;
        }
        let tab = self.person(index).tab;
        self.client(tab, client_io::Input::TokenChanged);
        Ok(())
    }

    /// Nothing goes wrong any more: whoever gives texts gives another one before that is over.
    pub(super) fn keep_source(&mut self, index: usize) -> Result<(), String> {
        self.renew_text(index)?;
        let tab = self.person(index).tab;
        self.client(tab, client_io::Input::TokenChanged);
        if self.options.token_ms > 0 {
            let next = self.now + self.options.token_ms / 2;
            self.at(next, Happening::Source(index));
        }
        Ok(())
    }

    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.faulty = false;
        self.end_hostile();
        self.network.heal();
        for index in 0..self.people.len() {
            let person = self.person(index);
            person.is_closed = false;
            person.offline_until = 0;
            person.blocked_until.0 = 0;
            let tab = person.tab;
            self.hint_online(tab, true);
            self.come(index);
            if self.options.texts.get(index) == Some(&true) {
                let at = self.now + self.faults_random.between(0, SOURCE_MS_MAX);
                self.at(at, Happening::Source(index));
            }
            let turns = if self.options.takes_turns {
                TURNS_AFTER
            } else {
                0
            };
            for turn in 1..=turns {
                let at = self.now + turn * HEALING_MS / (TURNS_AFTER + 1);
                self.at(at, Happening::SignIn(index));
            }
        }
        Ok(())
    }

    /// An app connects: what is on its disk is for itself again.
    pub(super) fn come_now(&mut self, index: usize) {
        let now = self.now;
        let person = self.person(index);
        let tab = person.tab;
        person.come(now);
        if person.is_released {
            self.claim(tab);
        }
    }

    /// An app connects, if it is not connected, and nobody types in it any more; a frozen one does so when it thaws.
    pub(super) fn come(&mut self, index: usize) {
        let now = self.now;
        let person = self.person(index);
        if person.frozen_until > now {
            return;
        }
        person.type_on(false, now);
        if !person.online {
            self.come_now(index);
        }
        self.carry_out_for_client(index);
    }
}

//! What becomes of tabs and their disks: writes, adoption, freezing, networks that go away.

use client_core::io::{self as client_io, OutboxChange};
use serde_json::Value;

use super::{Happening, Tab, World};

impl World {
    /// When a write that a tab asks for now is done.
    pub(super) fn written_at(&mut self, tab: Tab) -> u64 {
        let (now, ms_max) = (self.now, self.options.tab_disk_ms_max);
        let person = self.person(tab.person);
        let takes_ms = person.random.between(0, ms_max);
        person.disk.done_at(now, takes_ms)
    }

    /// A write is done, or was lost with the tab.
    pub(super) fn written(&mut self, tab: Tab, change: OutboxChange<Value>) {
        if !self.lives(tab) {
            return;
        }
        if self.options.no_tab_disk {
            return self.client(tab, client_io::Input::PersistFailed);
        }
        let done = match &change {
            OutboxChange::Put(row) => {
                Some(client_io::Input::Persisted(row.client_message_id.clone()))
            }
            OutboxChange::Remove(id) => Some(client_io::Input::Removed(id.clone())),
            OutboxChange::Clear => None,
        };
        self.person(tab.person).disk.write(change);
        if let Some(done) = done {
            self.client(tab, done);
        }
    }

    /// A tab takes over what another one left.
    pub(super) fn adopt(&mut self, from: Tab, by: Tab) {
        if !self.lives(by) || self.person(by.person).frozen_until > self.now {
            return;
        }
        let mut rows = self.person(from.person).disk.take();
        for row in &mut rows {
            row.adopted = true;
        }
        for index in [from.person, by.person] {
            self.person(index).lost_order = true;
        }
        self.person(by.person).disk.adopt(rows.clone());
        self.client(by, client_io::Input::OutboxLoaded(rows));
    }

    /// Another tab of the same user that could adopt, if there is one.
    pub(super) fn sibling(&mut self, index: usize) -> Option<Tab> {
        let user = self.person(index).user.clone();
        let now = self.now;
        self.people
            .iter()
            .find(|other| {
                let is_up = other.online && !other.is_closed && other.frozen_until <= now;
                other.tab.person != index && other.user == user && is_up
            })
            .map(|other| other.tab)
    }

    pub(super) fn crash(&mut self, index: usize) -> Result<(), String> {
        for peer in self.network.of_person(index) {
            self.kill(peer);
        }
        let keeps = !self.options.no_tab_disk;
        self.person(index).crash(keeps)
    }

    /// A tab freezes. One that is hidden gives its outbox up before, and another tab may take it.
    pub(super) fn freeze(&mut self, index: usize) {
        let (least, most) = (self.options.frozen_ms_min, self.options.pause_ms_max);
        let until = self.now + self.faults_random.between(least, most);
        let (now, was_hidden) = (self.now, self.faults_random.chance(500));
        let person = self.person(index);
        if person.is_closed || person.frozen_until > now {
            return;
        }
        let tab = person.tab;
        if was_hidden {
            self.client(tab, client_io::Input::OutboxReleased);
            if self.faults_random.chance(500) {
                self.client(tab, client_io::Input::PutAway);
            }
            if let Some(by) = self
                .sibling(index)
                .filter(|_| self.faults_random.chance(500))
            {
                let at = self.now + self.faults_random.between(1, 500);
                self.at(at, Happening::Adopted(tab, by));
            }
        }
        self.report.faults += 1;
        self.person(index).frozen_until = until;
        self.at(until, Happening::Thawed(tab, was_hidden));
    }

    pub(super) fn thaw(&mut self, tab: Tab, was_hidden: bool) {
        if !self.lives(tab) {
            return;
        }
        // What came meanwhile is in the page's queue, the word of writes that were done before it froze as well: it is handled
        // before the lock is had again and the rows are read.
        while let Some(input) = self.person(tab.person).inbox.pop_front() {
            self.client_now(tab, input);
        }
        if was_hidden {
            // The rows are read behind whatever was given to the disk before.
            let at = self.written_at(tab);
            self.at(at, Happening::Reclaimed(tab));
        }
        self.client_now(tab, client_io::Input::Woken);
        if !self.faulty {
            self.come(tab.person);
        }
    }

    /// A tab has its outbox back.
    pub(super) fn reclaim(&mut self, tab: Tab) {
        if !self.lives(tab) {
            return;
        }
        let frozen_until = self.person(tab.person).frozen_until;
        if frozen_until > self.now {
            return self.at(frozen_until, Happening::Reclaimed(tab));
        }
        let rows = self.person(tab.person).disk.rows();
        self.client(tab, client_io::Input::OutboxReclaimed(rows));
    }

    /// A machine's network is away for a while, and its browser mostly says so.
    pub(super) fn go_offline(&mut self, index: usize) {
        for peer in self.network.of_person(index) {
            self.kill(peer);
        }
        self.report.faults += 1;
        let until = self.now + self.faults_random.between(1, self.options.pause_ms_max);
        self.person(index).offline_until = until;
        let tab = self.person(index).tab;
        self.hint_online(tab, false);
        self.at(until, Happening::Online(index));
    }

    /// A browser says whether there is a network, if it does: what it said before, true or not, is good until then.
    pub(super) fn hint_online(&mut self, tab: Tab, online: bool) {
        if !self.options.hints_are_silent {
            self.client(tab, client_io::Input::OnlineChanged(online));
        }
    }

    pub(super) fn go_online(&mut self, index: usize) {
        if self.person(index).offline_until <= self.now {
            let tab = self.person(index).tab;
            self.hint_online(tab, true);
        }
    }
}

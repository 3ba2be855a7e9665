//! What becomes of tabs and their disks: writes, adoption, freezing, networks that go away.

use client_core::io::{self as client_io, OutboxChange, OutboxRow};
use protocol::ids::ClientMessageId;
use serde_json::Value;

use super::{Happening, Tab, Up, World};
use crate::person::changed_by;

/// How long a tab without a link keeps what is on its disk to itself.
pub(super) const KEPT_MS: u64 = 1_000;

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
            return self.written_after_all(tab, change);
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

    /// A client was closed in the middle of a write, and its page lives on.
    fn written_after_all(&mut self, tab: Tab, change: OutboxChange<Value>) {
        let person = self.person(tab.person);
        if !person.page.has_had(tab) {
            return;
        }
        if let OutboxChange::Put(row) = &change {
            person.kept(row);
        }
        person.disk.write(change);
    }

    /// A view goes with its client, and another one comes, which connects if the one before was connected.
    pub(super) fn change_view(&mut self, index: usize) -> Result<(), String> {
        let now = self.now;
        let person = self.person(index);
        if person.is_closed || person.frozen_until > now || self.options.no_tab_disk {
            return Ok(());
        }
        let person = self.person(index);
        let (tab, was_online) = (person.tab, person.online);
        for change in std::mem::take(&mut person.unwritten) {
            let at = self.written_at(tab);
            self.at(at, Happening::Written(tab, change));
        }
        for peer in self.network.of_person(index) {
            self.send_up(peer, Up::Closed);
        }
        self.report.faults += 1;
        self.renew_text(index)?;
        let is_later = self.faults_random.chance(500);
        self.person(index).change_view(is_later)?;
        if was_online {
            self.come_now(index);
            self.carry_out_for_client(index);
        }
        Ok(())
    }

    /// A tab takes over what another one left, unless that has it again.
    pub(super) fn adopt(&mut self, from: Tab, by: Tab) {
        let busy_until = self.person(from.person).disk.busy_until();
        if busy_until > self.now {
            // It was given up again since: reads come behind these writes as well.
            return self.at(busy_until, Happening::Adopted(from, by));
        }
        let owner = self.person(from.person);
        let is_held = !owner.is_closed && !owner.is_released;
        let heir = self.person(by.person);
        let is_up = heir.online && !heir.is_released && heir.frozen_until <= self.now;
        if is_held || !is_up || !self.lives(by) {
            return;
        }
        let mut rows = self.person(from.person).disk.take();
        for row in &mut rows {
            row.adopted = true;
            row.fresh = false;
        }
        for index in [from.person, by.person] {
            let person = self.person(index);
            person.lost_order = true;
            person.unordered.extend(rows.iter().filter_map(changed_by));
        }
        self.person(by.person).disk.adopt(rows.clone(), from.person);
        self.client(by, client_io::Input::OutboxLoaded(rows));
    }

    /// An app asks again for a page that it did not get; one that is frozen does so when it thaws.
    pub(super) fn load_again(&mut self, tab: Tab) {
        let now = self.now;
        let person = self.person(tab.person);
        if person.tab != tab {
            return;
        }
        if person.frozen_until > now {
            let until = person.frozen_until;
            return self.at(until, Happening::LoadsAgain(tab));
        }
        person.load_if_due(now);
        self.carry_out_for_client(tab.person);
    }

    /// Somebody tries again what had failed, unless the tab sleeps or was loaded anew.
    pub(super) fn try_again(&mut self, tab: Tab, id: &ClientMessageId) {
        let now = self.now;
        let person = self.person(tab.person);
        if person.tab == tab && !person.is_closed && person.frozen_until <= now {
            person.try_again(id, now);
            self.carry_out_for_client(tab.person);
        } else if person.tab == tab {
            person.failed.push(id.clone());
        }
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
        self.renew_text(index)?;
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
            self.release(tab);
            if self.faults_random.chance(500) {
                self.client(tab, client_io::Input::PutAway);
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
            self.claim(tab);
        }
        self.client_now(tab, client_io::Input::Woken);
        if !self.faulty {
            self.come(tab.person);
        }
    }

    /// Others may take what is on the tab's disk, what it took over of them included.
    fn release(&mut self, tab: Tab) {
        if self.options.no_tab_disk || self.person(tab.person).is_released {
            return;
        }
        self.client(tab, client_io::Input::OutboxReleased);
        let person = self.person(tab.person);
        person.is_released = true;
        let busy_until = person.disk.busy_until();
        for (lane, rows) in person.disk.give_back() {
            self.give_back(lane, rows);
        }
        if let Some(by) = self
            .sibling(tab.person)
            .filter(|_| self.faults_random.chance(500))
        {
            // Reads come behind the writes that were asked for before.
            let at = busy_until.max(self.now) + self.faults_random.between(1, 500);
            self.at(at, Happening::Adopted(tab, by));
        }
    }

    /// A tab finds in its lane again what another one had taken over.
    fn give_back(&mut self, lane: usize, rows: Vec<OutboxRow<Value>>) {
        let person = self.person(lane);
        person.disk.take_back(rows.clone());
        let rows = person.page.with_freshness(rows);
        let (tab, is_looking) = (person.tab, person.online && !person.is_released);
        if is_looking {
            self.client(tab, client_io::Input::OutboxLoaded(rows));
        }
    }

    /// A tab without a link keeps what is on its disk to itself no longer.
    pub(super) fn leave_disk(&mut self, tab: Tab) {
        if !self.lives(tab) || self.person(tab.person).online {
            return;
        }
        let frozen_until = self.person(tab.person).frozen_until;
        if frozen_until > self.now {
            return self.at(frozen_until, Happening::Left(tab));
        }
        self.release(tab);
    }

    /// A tab wants its disk for itself again: the rows are read behind whatever was given to it before.
    pub(super) fn claim(&mut self, tab: Tab) {
        let at = self.written_at(tab);
        self.at(at, Happening::Reclaimed(tab));
    }

    /// A tab has its outbox back, for as long as it has a link, or a moment.
    pub(super) fn reclaim(&mut self, tab: Tab) {
        if !self.lives(tab) || !self.person(tab.person).is_released {
            return;
        }
        let frozen_until = self.person(tab.person).frozen_until;
        if frozen_until > self.now {
            return self.at(frozen_until, Happening::Reclaimed(tab));
        }
        let person = self.person(tab.person);
        person.is_released = false;
        let rows = person.page.with_freshness(person.disk.rows());
        let unwritten = std::mem::take(&mut person.unwritten);
        if !person.online {
            self.at(self.now + KEPT_MS, Happening::Left(tab));
        }
        for change in unwritten {
            let at = self.written_at(tab);
            self.at(at, Happening::Written(tab, change));
        }
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

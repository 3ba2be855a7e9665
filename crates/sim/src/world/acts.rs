//! What people do: they come, chat, change what they wrote, and leave.

use super::tabs::KEPT_MS;
use super::{Happening, Tab, World};
use crate::options::Options;
use crate::random::Random;

/// What a message has besides its padding, in bytes.
const MESSAGE_BYTES: u64 = 200;
/// How often a text that is being made is edited at most, and the longest pause between two edits, in milliseconds.
const STREAM_EDITS_MAX: u64 = 150;
const STREAM_PAUSE_MS_MAX: u64 = 60;

/// Edits of one message that are still to come.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    tab: Tab,
    id: String,
    name: String,
    left: u64,
    pause_ms: u64,
    until_stored: bool,
}

/// Something that a person is about to do. Which part of it counts depends on how things stand; what is drawn does not,
/// so that an act that is passed over shifts no other.
struct Act {
    leaves: bool,
    /// Whether somebody who has left does not come back yet.
    stays: bool,
    types: bool,
    changes: bool,
    deletes: bool,
    /// Whether the history is loaded anew.
    reloads: bool,
    /// Which of the person's own messages is changed.
    which: u64,
    /// Edits of it, one after the other, as of a text that is being made.
    edits: u64,
    /// Between two of them, in milliseconds.
    edits_pause_ms: u64,
    /// Messages to send by a client that is connected, or about to be.
    count: u64,
    /// Messages to send by HTTP before connecting.
    posts: u64,
    padding: u64,
    until_stored: bool,
    /// Whether the person goes on, however many messages wait.
    is_stubborn: bool,
    pause_ms: u64,
}

impl Act {
    fn draw(options: &Options, random: &mut Random) -> Self {
        let (least, most) = options.padding;
        Self {
            leaves: random.chance(options.leave_permille),
            stays: random.chance(options.stay_permille),
            changes: random.chance(options.change_permille),
            deletes: random.chance(300),
            reloads: random.chance(options.reload_permille),
            which: random.between(0, u64::MAX - 1),
            count: random.between(1, options.burst),
            posts: u64::from(random.chance(options.http_permille))
                * random.between(1, options.http_burst),
            padding: random.between(least, most),
            until_stored: random.chance(100),
            is_stubborn: random.chance(20),
            pause_ms: random.between(1, 2 * options.pause_ms),
            types: random.chance(options.type_permille),
            edits: if random.chance(options.stream_permille) {
                random.between(2, STREAM_EDITS_MAX)
            } else {
                1
            },
            edits_pause_ms: random.between(0, STREAM_PAUSE_MS_MAX),
        }
    }
}

impl World {
    pub(super) fn act(&mut self, index: usize) {
        let mut random = self.person(index).acts.clone();
        let act = Act::draw(&self.options, &mut random);
        self.person(index).acts = random;
        let person = self.person(index);
        if !person.is_closed && person.frozen_until <= self.now {
            self.do_act(index, &act);
            self.carry_out_for_client(index);
        }
        self.at(self.now + act.pause_ms, Happening::Act(index));
    }

    fn do_act(&mut self, index: usize, act: &Act) {
        let (now, patience) = (self.now, self.options.patience);
        let person = self.person(index);
        // Most stop before they do something else, and some send what they typed.
        person.type_on(act.types, now);
        if !person.online && act.changes {
            self.change(index, act);
        } else if !person.online && !act.stays {
            self.send(index, act.posts, act, false);
            self.come_now(index);
        } else if !person.online && act.reloads {
            person.look(now);
        } else if !person.online {
            // Stays away.
        } else if act.leaves {
            let tab = person.tab;
            person.leave(now);
            self.at(now + KEPT_MS, Happening::Left(tab));
        } else if act.reloads {
            person.reload(now);
        } else if act.changes {
            self.change(index, act);
        } else if person.waiting() < patience || act.is_stubborn {
            self.send(index, act.count, act, act.until_stored);
        }
    }

    fn change(&mut self, index: usize, act: &Act) {
        let now = self.now;
        let person = self.person(index);
        let Some((id, name)) = person.own_message(act.which) else {
            return;
        };
        if act.deletes {
            return person.delete(&id, &name, act.until_stored, now);
        }
        let stream = Stream {
            tab: person.tab,
            id,
            name,
            left: act.edits,
            pause_ms: act.edits_pause_ms,
            until_stored: act.until_stored,
        };
        self.edit(stream);
    }

    /// The next edit of a text that is being made; the tab that makes it may end meanwhile.
    pub(super) fn edit(&mut self, mut stream: Stream) {
        let now = self.now;
        let person = self.person(stream.tab.person);
        if person.tab != stream.tab || person.is_closed || person.frozen_until > now {
            return;
        }
        person.edit(&stream.id, &stream.name, stream.until_stored, now);
        self.carry_out_for_client(stream.tab.person);
        stream.left -= 1;
        if stream.left > 0 {
            self.at(now + stream.pause_ms, Happening::Edit(stream));
        }
    }

    /// Sends `count` messages, as far as the bytes of the run reach; a single short one if they do not.
    fn send(&mut self, index: usize, count: u64, act: &Act, until_stored: bool) {
        let now = self.now;
        let bytes = act.padding + MESSAGE_BYTES;
        let (count, padding) = match self.bytes_left / bytes {
            0 => (count.min(1), 0),
            affordable => (count.min(affordable), act.padding),
        };
        self.bytes_left = self.bytes_left.saturating_sub(count * bytes);
        for _ in 0..count {
            self.person(index).send(until_stored, padding, now);
        }
    }
}

//! The public face of the room: which input goes where, and what follows every input.

use std::collections::VecDeque;

use protocol::codes::CloseCode;
use protocol::dialect::Dialect;
use protocol::frame::ServerFrame;
use protocol::time::UnixMillis;

use crate::admission::Candidate;
use crate::fanout::Fanout;
use crate::housekeeping::Housekeeping;
use crate::io::{Input, Output, PeerId, PeerRecord};
use crate::leaving::Leaving;
use crate::ledger::{Decided, Effect, Ledger};
use crate::liveness::Liveness;
use crate::peers::{Peer, Peers};
use crate::random::Random;
use crate::rates::Rates;
use crate::reads::Reads;
use crate::settings::Settings;
use crate::storage::{Storage, StorageError};
use crate::typing::Typists;

/// One space's room. See the crate's documentation for how it is driven.
///
/// `now` is the wall clock everywhere. It may stand still between inputs; steps backwards do no harm.
pub struct Room {
    pub(crate) settings: Settings,
    pub(crate) random: Random,
    pub(crate) ledger: Ledger,
    pub(crate) peers: Peers,
    pub(crate) leaving: Leaving,
    pub(crate) fanout: Fanout,
    pub(crate) typists: Typists,
    pub(crate) rates: Rates,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) housekeeping: Housekeeping,
    pub(crate) reads: Reads,
    /// What was done for peers since the shell asked last.
    pub(crate) work: Work,
    liveness: Liveness,
}

/// Work that no output shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Entries of frames.
    pub entries: usize,
    /// Bytes that were read from the log.
    pub read_bytes: usize,
}

impl Room {
    /// Builds the room from what is stored and the sockets that are open.
    ///
    /// Queues `head {epoch, seq}` to each open peer of the second version, so that one that missed something
    /// while the room was away asks for it. Closes peers whose record it cannot read, with [`CloseCode::Internal`]. `seed` must be random and secret, and another one
    /// each time: epochs come from it, and the ids of messages that their senders gave none.
    ///
    /// # Errors
    /// When the store can not be read, or holds what no room wrote.
    pub fn open(
        settings: Settings,
        seed: [u8; 32],
        peers: Vec<(PeerId, PeerRecord)>,
        now: UnixMillis,
        storage: &dyn Storage,
    ) -> Result<Self, StorageError> {
        let ledger = Ledger::open(&settings, storage)?;
        let mut random = Random::new(seed);
        let mut room = Self {
            rates: Rates::new(&settings),
            housekeeping: Housekeeping::open(&settings, storage)?,
            settings,
            peers: Peers::default(),
            leaving: Leaving::default(),
            fanout: Fanout::new(random.fork(), ledger.head().seq),
            random,
            ledger,
            typists: Typists::default(),
            outputs: VecDeque::new(),
            reads: Reads::default(),
            work: Work::default(),
            liveness: Liveness::new(0, None, now),
        };
        for (id, record) in peers {
            match Peer::of_record(record) {
                Some((peer, Some(leave))) => room.leaving.close(id, &peer.principal, leave),
                Some((peer, None)) => {
                    room.fanout.enter(id, peer.dialect, now);
                    room.peers.enter(id, peer);
                }
                None => room.close(
                    id,
                    CloseCode::Internal,
                    "the server lost what was sent: connect again",
                    now,
                ),
            }
        }
        if room.peers.are_any_of(Dialect::V1) {
            room.typists.doubt_everybody();
        }
        let waits = room.housekeeping.message_due(&room.settings);
        room.liveness = Liveness::new(room.peers.count(), waits, now);
        let head = room.ledger.head().clone();
        room.fanout.share(
            &ServerFrame::Head {
                epoch: head.epoch,
                seq: head.seq,
                recovered: None,
            },
            Vec::new(),
        );
        // At once, and without a window: nothing can follow it yet.
        room.fanout.flush(now, &mut room.outputs);
        Ok(room)
    }

    /// Takes one input; then drain [`Self::poll_output`].
    ///
    /// Never fails as a whole: a refusal or a failing store becomes a typed error to whoever asked. Inputs of
    /// peers that the room does not know, or has closed, are ignored.
    pub fn handle_input(&mut self, input: Input, now: UnixMillis, storage: &mut dyn Storage) {
        self.fanout.advance(now);
        self.end_what_is_over(now);
        match input {
            Input::Connected { peer, .. } if self.peers.knows(peer) => {}
            Input::Connected {
                peer,
                dialect,
                principal,
                cursor,
                client_scope,
                instance,
            } => {
                let candidate = Candidate {
                    id: peer,
                    dialect,
                    principal,
                    cursor,
                    client_scope,
                    instance,
                };
                self.admit(candidate, now, storage);
            }
            Input::Frame { peer, frame } => self.handle_frame(peer, frame, now, storage),
            Input::Unread { peer, bytes } => self.handle_unread(peer, bytes, now),
            Input::Authenticated { peer, result } => {
                self.judge_token(peer, result, now, storage);
            }
            Input::Disconnected { peer } => {
                self.leaving.end(peer);
                self.forget(peer, now);
            }
            Input::Request {
                request,
                principal,
                call,
            } => self.request(request, principal, call, now, storage),
            Input::Heard(heard) => {
                self.note_heard(heard, now);
                return;
            }
        }
        self.work.read_bytes += self.rates.end_input(now);
        self.tell_quota(now);
        self.read_in_time(&*storage, now);
        self.settle(now);
    }

    /// Sends what the coalescing window holds, and serves queued reads. Legal early or late; see [`Self::poll_timeout`].
    pub fn handle_timeout(&mut self, now: UnixMillis, storage: &dyn Storage) {
        self.end_typing(now);
        self.read_turn(storage, now);
        self.settle(now);
    }

    /// Does the same as [`Self::handle_timeout`], for a shell that has inputs waiting: reads keep their pauses.
    pub fn handle_timeout_among_inputs(&mut self, now: UnixMillis, storage: &dyn Storage) {
        self.read_in_time(storage, now);
        self.settle(now);
    }

    /// Does what the alarm is for that [`Output::SetAlarm`] asked for, when it rings, early or late: looks for
    /// peers that are gone without a word or whose token's time is over, tells who left, and does a part of the
    /// housekeeping if that is due. `heard` is as in [`Input::Heard`].
    ///
    /// A room that was built with sockets open tells everybody who is here at its first alarm, for it may have
    /// forgotten that somebody was about to be told as gone; but not where users times peers are more than
    /// 250,000.
    pub fn handle_alarm(
        &mut self,
        now: UnixMillis,
        heard: Vec<(PeerId, UnixMillis)>,
        storage: &mut dyn Storage,
    ) {
        self.end_what_is_over(now);
        if self.liveness.rang() {
            self.tell_who_is_here();
        }
        self.note_heard(heard, now);
        self.keep_house(now, storage);
        self.settle(now);
    }

    /// Whether the shell should feed [`Input::Heard`] before the input at hand: at most every 30 s while
    /// sockets are open.
    #[must_use]
    pub fn wants_heard(&self, now: UnixMillis) -> bool {
        self.liveness.wants_heard(self.peers.count(), now)
    }

    /// Work that was done for peers since the last call: for a shell that has them take turns.
    #[must_use]
    pub fn take_work(&mut self) -> Work {
        std::mem::take(&mut self.work)
    }

    /// The next thing to do, until there is none.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` while nothing waits. A time that is over means: as soon as no input
    /// waits.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        let deadlines = [
            self.fanout.deadline(),
            self.reads.deadline(),
            self.typists.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Has the store take what was decided, and hands out what follows. On failure nothing has changed.
    pub(crate) fn commit(
        &mut self,
        decided: Decided,
        storage: &mut dyn Storage,
    ) -> Result<Vec<Effect>, StorageError> {
        if !decided.writes.is_empty() {
            storage.commit(&decided.writes)?;
        }
        Ok(self.ledger.apply(decided))
    }

    fn note_heard(&mut self, heard: Vec<(PeerId, UnixMillis)>, now: UnixMillis) {
        for (peer, at) in heard {
            self.peers.heard(peer, at);
        }
        self.liveness.heard(now);
    }

    /// Begins an input: what was over before it is not there any more.
    fn end_what_is_over(&mut self, now: UnixMillis) {
        self.expire(now);
        self.end_grace(now);
        self.end_typing(now);
    }

    /// Tells of those who said over HTTP that they type, and no more.
    fn end_typing(&mut self, now: UnixMillis) {
        for user_id in self.typists.take_expired(now) {
            self.share_typing_over(user_id);
        }
    }

    /// Tells everybody that somebody types no more.
    pub(crate) fn share_typing_over(&mut self, user_id: String) {
        let frame = ServerFrame::Typing {
            user_id,
            is_typing: false,
        };
        self.fanout.share(&frame, Vec::new());
    }

    /// Ends an input: closes who is overdue, gone or too slow, lets the queue leave, sees to the alarm.
    fn settle(&mut self, now: UnixMillis) {
        self.expire(now);
        if self.liveness.judge() {
            self.close_silent(now);
        }
        self.fanout.settle(now, &mut self.outputs);
        // Others hear of a close as well, which may be too much for one of them.
        while self.close_slow(now) {
            self.fanout.settle(now, &mut self.outputs);
        }
        self.remember_who_is_behind();
        self.see_to_the_alarm(now);
    }

    fn remember_who_is_behind(&mut self) {
        for peer in self.fanout.take_moved() {
            let behind = self.fanout.behind_at(peer);
            if self.peers.note_behind(peer, behind) {
                self.remember(peer);
            }
        }
    }

    /// Has the shell keep the peer's present record with its socket.
    pub(crate) fn remember(&mut self, peer: PeerId) {
        if let Some(record) = self.peers.get(peer).map(Peer::record) {
            self.outputs.push_back(Output::Remember { peer, record });
        }
    }

    fn see_to_the_alarm(&mut self, now: UnixMillis) {
        let house = match self.ledger.head().epoch {
            Some(_) => {
                let newest_at = self.ledger.newest_at();
                self.housekeeping.deadline(&self.settings, newest_at, now)
            }
            None => None,
        };
        let deadlines = [self.peers.grace_deadline(), self.expiry_deadline(), house];
        let other = deadlines.into_iter().flatten().min();
        if let Some(at) = self.liveness.alarm(self.peers.count(), other, now) {
            self.outputs.push_back(Output::SetAlarm(Some(at)));
        }
    }
}

//! Who is sent what, in which order, in which batches.
//!
//! Owns the one queue through which everything reaches an accepted peer, the coalescing window, and which peers are
//! live: sent what is shared as it happens. The others are behind ([`crate::flow`]) and are sent windows of the log.
//! One queue for all, because a peer must get its own message before the ack of it, and an event before the next.
//!
//! Life cycle: `share` and `tell` queue; `settle`, at the end of each input, decides whether the queue leaves.
//! A lone event leaves at once and opens a window of [`COALESCE_MS`]; what is shared within it is gathered and
//! leaves when the window ends, or when it is as much as a batch holds. News of messages that were changed waits for longer,
//! [`UPDATES_MS`] from the last such news, if nothing else is shared: a text that grows by edits costs its readers a few
//! updates a second. Whoever is owed an answer is sent what comes before it at once. Each text is encoded once, and written
//! into one batch for all who are sent the same; only a peer with frames of its own gets a batch of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use protocol::dialect::Dialect;
use protocol::frame::{EventBody, Frame, ServerFrame};
use protocol::ids::{MarkId, Seq};
use protocol::limits::{BATCH_FRAMES_MAX, COALESCE_MS, UNCONFIRMED_BYTES_MAX, UPDATES_MS};
use protocol::time::UnixMillis;

use crate::batch::{BATCH_BYTES_MAX, Line, batches, first_batch};
use crate::flow::{Behind, Flows};
use crate::history::Window;
use crate::io::{Output, PeerId};
use crate::random::Random;

/// Most frames that wait for the window to end, those for single peers included.
const QUEUE_FRAMES_MAX: usize = 256;

pub(crate) struct Fanout {
    v1: BTreeSet<PeerId>,
    /// Live peers of the second version.
    v2: BTreeSet<PeerId>,
    flows: Flows,
    queue: Vec<Item>,
    /// Bytes in the queue, in the second version's spelling.
    bytes: usize,
    /// Frames in the queue that are not for a single peer, and those of them that are no news of an edited message.
    shared: usize,
    urgent: usize,
    /// Frames in the queue for single peers.
    answers: usize,
    /// The last event that was shared: what live peers have once the queue has left.
    shared_to: Seq,
    /// Peers that became live while something was queued: what is shared before this index is not for them.
    late: BTreeMap<PeerId, usize>,
    window_ends: Option<UnixMillis>,
    /// Until when news of changed messages waits, if it is alone.
    updates_end: Option<UnixMillis>,
    /// Peers of the first version whose budget is spent.
    overdrawn: BTreeSet<PeerId>,
}

struct Item {
    to: To,
    v1: Option<Rc<str>>,
    v2: Option<Line>,
    /// The place of the message that it says the new state of.
    updates: Option<Seq>,
}

impl Item {
    /// The peer that it alone is for.
    fn answers(&self) -> Option<PeerId> {
        match self.to {
            To::Only(peer) => Some(peer),
            To::All | To::AllBut(_) => None,
        }
    }

    fn bytes(&self) -> usize {
        let line = self.v2.as_ref().map(|line| &line.text);
        let text = line.or(self.v1.as_ref());
        text.map_or(0, |text| text.len())
    }
}

enum To {
    All,
    /// All, save these where they speak the second version: the first echoes everything.
    AllBut(Vec<PeerId>),
    Only(PeerId),
}

impl To {
    fn includes(&self, peer: PeerId) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(others) => !others.contains(&peer),
            Self::Only(one) => *one == peer,
        }
    }
}

impl Fanout {
    /// Nobody is here. `head` is the newest event of the log; `random` makes the ids of marks.
    pub(crate) fn new(random: Random, head: Seq) -> Self {
        Self {
            v1: BTreeSet::new(),
            v2: BTreeSet::new(),
            flows: Flows::new(random),
            queue: Vec::new(),
            bytes: 0,
            shared: 0,
            urgent: 0,
            answers: 0,
            shared_to: head,
            late: BTreeMap::new(),
            window_ends: None,
            updates_end: None,
            overdrawn: BTreeSet::new(),
        }
    }

    /// From here on `peer` is sent what is shared.
    pub(crate) fn enter(&mut self, peer: PeerId, dialect: Dialect, now: UnixMillis) {
        self.flows.enter(peer, dialect, self.shared_to, now);
        match dialect {
            Dialect::V1 => {
                self.v1.insert(peer);
                self.start_late(peer);
            }
            Dialect::V2 => self.make_live(peer),
        }
    }

    /// `peer` is sent nothing more; what was queued for it is lost with its socket.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.v1.remove(&peer);
        self.v2.remove(&peer);
        self.late.remove(&peer);
        self.overdrawn.remove(&peer);
        self.flows.leave(peer);
    }

    fn make_live(&mut self, peer: PeerId) {
        self.v2.insert(peer);
        self.start_late(peer);
    }

    fn start_late(&mut self, peer: PeerId) {
        if !self.queue.is_empty() {
            self.late.insert(peer, self.queue.len());
        }
    }

    /// Notes that an input came.
    pub(crate) fn advance(&mut self, now: UnixMillis) {
        self.flows.advance(now);
    }

    /// Follows the echo of a mark. Whether the mark was one that this peer owed.
    pub(crate) fn confirm(&mut self, peer: PeerId, mark: &MarkId) -> bool {
        self.flows.confirm(peer, mark)
    }

    /// Whether the peer is sent windows of the log instead of what is shared.
    pub(crate) fn is_behind(&self, peer: PeerId) -> bool {
        self.flows.is_behind(peer)
    }

    /// From here on the peer is sent windows of the log, the first one after `after`. `asked`: it is told when it
    /// has reached the head.
    pub(crate) fn fall_behind(&mut self, peer: PeerId, after: Seq, asked: bool) {
        if self.flows.knows(peer) {
            self.v2.remove(&peer);
            self.late.remove(&peer);
            self.flows.fall_behind(peer, after, asked);
        }
    }

    /// Whether the peer asked for the events that it is sent windows of.
    pub(crate) fn has_asked(&self, peer: PeerId) -> bool {
        let behind = self.flows.behind().find(|(behind, _)| *behind == peer);
        behind.is_some_and(|(_, behind)| behind.asked)
    }

    /// Whether an answer to the peer may be long: what it has not confirmed, and what is queued, is not too much yet. A peer
    /// that is just behind has room, so that its own message is shown before the events ahead of it were read.
    pub(crate) fn has_room(&self, peer: PeerId) -> bool {
        self.flows.unconfirmed(peer) + (self.bytes as u64) < 2 * UNCONFIRMED_BYTES_MAX as u64
    }

    /// After which event the next window of the peer begins, if it is behind and has confirmed enough.
    pub(crate) fn window_due(&self, peer: PeerId) -> Option<Seq> {
        self.flows.window_due(peer)
    }

    /// Returns the last event that was sent to the peer if it is behind, otherwise `None`.
    pub(crate) fn behind_at(&self, peer: PeerId) -> Option<Seq> {
        self.flows.behind_at(peer)
    }

    /// Returns the peers that fell behind, caught up or confirmed a mark since the last call.
    pub(crate) fn take_moved(&mut self) -> BTreeSet<PeerId> {
        self.flows.take_moved()
    }

    /// Queues a window for a peer that is behind. Where it reaches the head the peer is live again; gives what it is
    /// owed then.
    pub(crate) fn send_window(
        &mut self,
        peer: PeerId,
        window: Window,
        outputs: &mut VecDeque<Output>,
    ) -> Option<Behind> {
        let (end, more) = (window.end, window.more);
        for text in window.lines {
            self.tell_text(peer, Dialect::V2, text, outputs);
        }
        if more {
            self.flows.window_sent(peer, end);
            return None;
        }
        self.catch_up(peer, end)
    }

    /// The peer, which has everything up to `position`, is live from here on. Gives what it is owed.
    pub(crate) fn catch_up(&mut self, peer: PeerId, position: Seq) -> Option<Behind> {
        let behind = self.flows.catch_up(peer, position)?;
        self.make_live(peer);
        Some(behind)
    }

    /// Another epoch begins: what peers that are behind would be sent next is void, and they start from here. Gives those
    /// that were not told who came and went.
    pub(crate) fn void_windows(&mut self) -> Vec<PeerId> {
        let behind: Vec<PeerId> = self.flows.behind().map(|(peer, _)| peer).collect();
        let position = self.shared_to;
        behind
            .into_iter()
            .filter(|peer| {
                let behind = self.catch_up(*peer, position);
                behind.is_some_and(|behind| behind.missed_presence)
            })
            .collect()
    }

    /// Sends `frame` to everybody, save `but` (see [`To::AllBut`]).
    pub(crate) fn share(&mut self, frame: &ServerFrame, but: Vec<PeerId>) {
        match frame {
            ServerFrame::Event { seq, body: _ } => self.shared_to = *seq,
            ServerFrame::Presence { .. } => self.flows.miss_presence(),
            ServerFrame::Welcome(_)
            | ServerFrame::Head { .. }
            | ServerFrame::Skip { .. }
            | ServerFrame::Ack { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Expiring { .. }
            | ServerFrame::Mark { .. }
            | ServerFrame::Error(_)
            | ServerFrame::Pong => {}
        }
        let spell = |heard: bool, dialect: Dialect| {
            if heard {
                dialect.encode(frame).map(Rc::from)
            } else {
                None
            }
        };
        // What nobody is sent must not open a window that the next would wait for.
        let v1 = spell(!self.v1.is_empty(), Dialect::V1);
        let v2 = spell(self.v2.iter().any(|peer| !but.contains(peer)), Dialect::V2);
        if v1.is_some() || v2.is_some() {
            let updates = updated(frame);
            if let Some(message) = updates {
                self.supersede(message);
            }
            if updates.is_none() || is_deletion(frame) {
                self.urgent += 1;
            }
            self.shared += 1;
            self.push(Item {
                to: if but.is_empty() {
                    To::All
                } else {
                    To::AllBut(but)
                },
                v1,
                v2: v2.map(|text| Line {
                    text,
                    seq: place(frame),
                }),
                updates,
            });
        }
    }

    /// The message at this place has another state again: whoever is not told the one before yet passes it over.
    fn supersede(&mut self, message: Seq) {
        let mut queued = self.queue.iter_mut().rev();
        let Some(older) = queued.find(|item| item.updates == Some(message)) else {
            return;
        };
        older.updates = None;
        if let Some(line) = &mut older.v2
            && let Some(seq) = line.seq
        {
            let skip = ServerFrame::Skip { from: seq, to: seq };
            let text: Rc<str> = Dialect::V2.encode(&skip).unwrap_or_default().into();
            self.bytes = (self.bytes + text.len()).saturating_sub(line.text.len());
            line.text = text;
        }
    }

    /// Sends `frame` to one peer: in order, or at once to one that is sent nothing else.
    pub(crate) fn tell(
        &mut self,
        peer: PeerId,
        dialect: Dialect,
        frame: &ServerFrame,
        outputs: &mut VecDeque<Output>,
    ) {
        if let Some(text) = dialect.encode(frame) {
            self.tell_text(peer, dialect, text.into(), outputs);
        }
    }

    /// As [`Self::tell`], for a frame that is spelled already.
    pub(crate) fn tell_text(
        &mut self,
        peer: PeerId,
        dialect: Dialect,
        text: Rc<str>,
        outputs: &mut VecDeque<Output>,
    ) {
        if !self.v1.contains(&peer) && !self.flows.knows(peer) {
            outputs.push_back(send(vec![peer], text));
            return;
        }
        let (v1, v2) = match dialect {
            Dialect::V1 => (Some(text), None),
            Dialect::V2 => (None, Some(Line { text, seq: None })),
        };
        self.answers += 1;
        self.push(Item {
            to: To::Only(peer),
            v1,
            v2,
            updates: None,
        });
    }

    fn push(&mut self, item: Item) {
        self.bytes += item.bytes();
        self.queue.push(item);
    }

    /// Ends an input: lets the queue leave, or wait for the window's end.
    pub(crate) fn settle(&mut self, now: UnixMillis, outputs: &mut VecDeque<Output>) {
        let waits = self.window_is_open(now);
        if self.queue.is_empty() || (waits && self.shared > 0 && !self.is_full()) {
            return;
        }
        if self.holds_updates_alone()
            && !self.is_full()
            && is_open(self.updates_end, UPDATES_MS, now)
        {
            return self.flush_answered(now, outputs);
        }
        // A window opens behind what was shared, not behind an answer to one peer.
        if self.shared > 0 && !waits {
            self.window_ends = Some(now.plus_ms(COALESCE_MS));
        }
        self.flush(now, outputs);
    }

    /// When the window ends and something waits for it.
    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        if self.queue.is_empty() {
            None
        } else if self.holds_updates_alone() && self.answers == 0 {
            self.window_ends.max(self.updates_end)
        } else {
            self.window_ends
        }
    }

    /// Whether nothing is shared in the queue but news of changed messages.
    fn holds_updates_alone(&self) -> bool {
        self.shared > 0 && self.urgent == 0
    }

    fn window_is_open(&mut self, now: UnixMillis) -> bool {
        let open = is_open(self.window_ends, COALESCE_MS, now);
        if !open {
            self.window_ends = None;
        }
        open
    }

    fn is_full(&self) -> bool {
        self.shared >= BATCH_FRAMES_MAX
            || self.bytes >= BATCH_BYTES_MAX
            || self.queue.len() >= QUEUE_FRAMES_MAX
    }

    /// Lets everything leave now. Peers that then have too much unconfirmed are behind.
    pub(crate) fn flush(&mut self, now: UnixMillis, outputs: &mut VecDeque<Output>) {
        self.flush_first_version(now, outputs);
        self.flush_second_version(outputs);
        if self.shared > self.urgent {
            self.updates_end = Some(now.plus_ms(UPDATES_MS));
        }
        self.queue.clear();
        self.late.clear();
        (self.bytes, self.shared, self.urgent, self.answers) = (0, 0, 0, 0);
    }

    /// Lets leave what is queued for those whom something in the queue answers. The rest goes on waiting.
    fn flush_answered(&mut self, now: UnixMillis, outputs: &mut VecDeque<Output>) {
        if self.answers == 0 {
            return;
        }
        let answered: BTreeSet<PeerId> = self.queue.iter().filter_map(Item::answers).collect();
        for peer in &answered {
            if self.v1.contains(peer) {
                let texts: Vec<Rc<str>> = self
                    .items_of(*peer)
                    .filter_map(|item| item.v1.clone())
                    .collect();
                for text in texts {
                    self.send_first_version(vec![*peer], text, now, outputs);
                }
            } else if self.flows.knows(*peer) {
                self.flush_peer(*peer, outputs);
            }
        }
        for index in self.late.values_mut() {
            let before = self.queue.iter().take(*index);
            *index = before.filter(|item| item.answers().is_none()).count();
        }
        self.queue.retain(|item| item.answers().is_none());
        self.bytes = self.queue.iter().map(Item::bytes).sum();
        self.answers = 0;
        // They have all of what is left.
        for peer in answered {
            if self.v1.contains(&peer) || self.v2.contains(&peer) {
                self.late.insert(peer, self.queue.len());
            }
        }
    }

    /// Lets leave what is queued for `peer`, which then leaves itself: the last that a closing socket is sent.
    pub(crate) fn part(&mut self, peer: PeerId, outputs: &mut VecDeque<Output>) {
        if self.v1.contains(&peer) {
            let texts = self.items_of(peer).filter_map(|item| item.v1.clone());
            outputs.extend(texts.map(|text| send(vec![peer], text)));
        } else if self.flows.knows(peer) {
            let lines: Vec<&Line> = self
                .items_of(peer)
                .filter_map(|item| item.v2.as_ref())
                .collect();
            let packed = batches(&lines).into_iter();
            outputs.extend(packed.map(|line| send(vec![peer], line.text)));
        }
        self.leave(peer);
    }

    fn flush_first_version(&mut self, now: UnixMillis, outputs: &mut VecDeque<Output>) {
        let mut due = Vec::new();
        for (index, item) in self.queue.iter().enumerate() {
            let Some(text) = &item.v1 else { continue };
            let peers: Vec<PeerId> = match &item.to {
                To::Only(peer) => self.v1.get(peer).copied().into_iter().collect(),
                To::All | To::AllBut(_) => self
                    .v1
                    .iter()
                    .copied()
                    .filter(|peer| self.first_index(*peer) <= index)
                    .collect(),
            };
            due.push((peers, text.clone()));
        }
        for (peers, text) in due {
            self.send_first_version(peers, text, now, outputs);
        }
    }

    fn send_first_version(
        &mut self,
        peers: Vec<PeerId>,
        text: Rc<str>,
        now: UnixMillis,
        outputs: &mut VecDeque<Output>,
    ) {
        for peer in &peers {
            if !self.flows.spend(*peer, text.len(), now) {
                self.overdrawn.insert(*peer);
            }
        }
        if !peers.is_empty() {
            outputs.push_back(send(peers, text));
        }
    }

    fn flush_second_version(&mut self, outputs: &mut VecDeque<Output>) {
        let mut apart: BTreeSet<PeerId> = self.late.keys().copied().collect();
        for item in &self.queue {
            match &item.to {
                To::All => {}
                To::AllBut(others) => apart.extend(others),
                To::Only(peer) => {
                    apart.insert(*peer);
                }
            }
        }
        let mut together: Vec<PeerId> = self.v2.difference(&apart).copied().collect();
        let shared: Vec<Line> = self
            .queue
            .iter()
            .filter(|item| !together.is_empty() && !matches!(item.to, To::Only(_)))
            .filter_map(|item| item.v2.clone())
            .collect();
        for line in batches(&shared.iter().collect::<Vec<_>>()) {
            self.transmit(&together, &line, outputs);
            together.retain(|peer| !self.falls_behind(*peer));
            if together.is_empty() {
                break;
            }
        }
        for peer in apart {
            if self.flows.knows(peer) {
                self.flush_peer(peer, outputs);
            }
        }
    }

    /// Lets leave what is queued for one peer. Once it has too much unconfirmed it is sent no more of what is shared.
    fn flush_peer(&mut self, peer: PeerId, outputs: &mut VecDeque<Output>) {
        let own = |item: &Item| {
            let line = item.v2.clone()?;
            Some((line, matches!(item.to, To::Only(_))))
        };
        let mut rest: Vec<(Line, bool)> = self.items_of(peer).filter_map(own).collect();
        loop {
            let lines: Vec<&Line> = rest.iter().map(|(line, _)| line).collect();
            let Some((batch, count)) = first_batch(&lines) else {
                break;
            };
            self.transmit(&[peer], &batch, outputs);
            rest.drain(..count);
            if self.falls_behind(peer) {
                rest.retain(|(_, is_own)| *is_own);
            }
        }
        if let Some(mark) = self.flows.end_window(peer) {
            self.transmit_mark(peer, mark, outputs);
        }
    }

    /// Whether a live peer has too much unconfirmed: then it is behind from here on.
    fn falls_behind(&mut self, peer: PeerId) -> bool {
        let falls = self.v2.contains(&peer) && self.flows.is_full(peer);
        if falls {
            self.fall_behind(peer, self.flows.position(peer), false);
        }
        falls
    }

    fn transmit(&mut self, peers: &[PeerId], line: &Line, outputs: &mut VecDeque<Output>) {
        outputs.push_back(send(peers.to_vec(), Rc::clone(&line.text)));
        for peer in peers {
            if let Some(mark) = self.flows.sent(*peer, line.text.len(), line.seq) {
                self.transmit_mark(*peer, mark, outputs);
            }
        }
    }

    /// The mark's own bytes are not worth counting.
    fn transmit_mark(&self, peer: PeerId, id: MarkId, outputs: &mut VecDeque<Output>) {
        if let Some(text) = Dialect::V2.encode(&ServerFrame::Mark { id }) {
            outputs.push_back(send(vec![peer], text.into()));
        }
    }

    /// Peers to close: those that confirm nothing for too long, and those of the first version that were sent more than
    /// they may be.
    pub(crate) fn take_slow(&mut self) -> Vec<(PeerId, Dialect)> {
        let second = self.flows.overdue().into_iter();
        let first = std::mem::take(&mut self.overdrawn).into_iter();
        second
            .map(|peer| (peer, Dialect::V2))
            .chain(first.map(|peer| (peer, Dialect::V1)))
            .collect()
    }

    fn first_index(&self, peer: PeerId) -> usize {
        self.late.get(&peer).copied().unwrap_or_default()
    }

    /// What is queued for `peer`, in order.
    fn items_of(&self, peer: PeerId) -> impl Iterator<Item = &Item> {
        let echoes = self.v1.contains(&peer);
        let is_live = echoes || self.v2.contains(&peer);
        let first = self.first_index(peer);
        let items = self.queue.iter().enumerate();
        items
            .filter(move |(index, item)| match &item.to {
                To::Only(one) => *one == peer,
                to @ (To::All | To::AllBut(_)) => {
                    is_live && *index >= first && (echoes || to.includes(peer))
                }
            })
            .map(|(_, item)| item)
    }
}

/// Whether a window of `length_ms` that ends at `ends` is open: after a backward step of the clock the end would be far away.
fn is_open(ends: Option<UnixMillis>, length_ms: u64, now: UnixMillis) -> bool {
    ends.is_some_and(|ends| now < ends && ends <= now.plus_ms(length_ms))
}

/// The place of the message that an event says the new state of.
fn updated(frame: &ServerFrame) -> Option<Seq> {
    if let ServerFrame::Event {
        seq: _,
        body: EventBody::Update(message),
    } = frame
    {
        Some(message.seq)
    } else {
        None
    }
}

/// Whether an event says that a message was deleted: what had to go goes at once.
fn is_deletion(frame: &ServerFrame) -> bool {
    matches!(
        frame,
        ServerFrame::Event { seq: _, body: EventBody::Update(message) } if message.deleted_at.is_some()
    )
}

/// The place of an event in the log.
fn place(frame: &ServerFrame) -> Option<Seq> {
    match frame {
        ServerFrame::Event { seq, body: _ } => Some(*seq),
        ServerFrame::Welcome(_)
        | ServerFrame::Skip { .. }
        | ServerFrame::Head { .. }
        | ServerFrame::Ack { .. }
        | ServerFrame::Typing { .. }
        | ServerFrame::Presence { .. }
        | ServerFrame::Expiring { .. }
        | ServerFrame::Mark { .. }
        | ServerFrame::Error(_)
        | ServerFrame::Pong => None,
    }
}

fn send(peers: Vec<PeerId>, text: Rc<str>) -> Output {
    Output::Send {
        peers,
        frame: Frame::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typing(user: &str) -> ServerFrame {
        ServerFrame::Typing {
            user_id: user.to_owned(),
            is_typing: true,
        }
    }

    fn drained(outputs: &mut VecDeque<Output>) -> Vec<(Vec<u64>, String)> {
        let read = |output| {
            let Output::Send {
                peers,
                frame: Frame::Text(text),
            } = output
            else {
                panic!("{output:?}")
            };
            (peers.into_iter().map(|peer| peer.0).collect(), short(&text))
        };
        outputs.drain(..).map(read).collect()
    }

    /// `[a,b]` for a batch, `a` for a frame alone.
    fn short(text: &str) -> String {
        let name =
            |value: &serde_json::Value| value["userId"].as_str().unwrap_or("pong").to_owned();
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        match value.as_array() {
            Some(entries) => format!(
                "[{}]",
                entries.iter().map(name).collect::<Vec<_>>().join(",")
            ),
            None => name(&value),
        }
    }

    fn fanout() -> Fanout {
        let mut fanout = Fanout::new(Random::new([1; 32]), Seq::ZERO);
        for peer in 1..=3 {
            fanout.enter(PeerId(peer), Dialect::V2, UnixMillis(0));
        }
        fanout.enter(PeerId(9), Dialect::V1, UnixMillis(0));
        fanout
    }

    fn sent(peers: &[u64], text: &str) -> (Vec<u64>, String) {
        (peers.to_vec(), text.to_owned())
    }

    #[test]
    fn a_lone_event_leaves_at_once_and_the_next_are_gathered_until_the_window_ends() {
        let (mut fanout, mut outputs) = (fanout(), VecDeque::new());
        let at = |ms: u64| UnixMillis(1_000 + ms);
        fanout.share(&typing("a"), Vec::new());
        fanout.settle(at(0), &mut outputs);
        assert_eq!(
            drained(&mut outputs),
            [sent(&[9], "a"), sent(&[1, 2, 3], "a")]
        );
        assert_eq!(fanout.deadline(), None, "nothing waits");
        for (ms, user) in [(1, "b"), (4, "c")] {
            fanout.share(&typing(user), Vec::new());
            fanout.settle(at(ms), &mut outputs);
        }
        assert!(outputs.is_empty());
        assert_eq!(fanout.deadline(), Some(at(5)));
        fanout.settle(at(3), &mut outputs);
        assert!(outputs.is_empty(), "too early does nothing");
        fanout.settle(at(5), &mut outputs);
        assert_eq!(
            drained(&mut outputs),
            [sent(&[9], "b"), sent(&[9], "c"), sent(&[1, 2, 3], "[b,c]")]
        );
        // The window that followed ends empty: the next event is a lone one again.
        fanout.settle(at(10), &mut outputs);
        fanout.share(&typing("d"), Vec::new());
        fanout.settle(at(11), &mut outputs);
        assert_eq!(drained(&mut outputs).len(), 2);
    }

    #[test]
    fn peers_with_frames_of_their_own_hear_everything_in_order() {
        let (mut fanout, mut outputs) = (fanout(), VecDeque::new());
        fanout.share(&typing("a"), Vec::new());
        fanout.tell(PeerId(2), Dialect::V2, &ServerFrame::Pong, &mut outputs);
        fanout.share(&typing("b"), vec![PeerId(3), PeerId(9)]);
        fanout.enter(PeerId(4), Dialect::V2, UnixMillis(0));
        fanout.share(&typing("c"), Vec::new());
        fanout.settle(UnixMillis(0), &mut outputs);
        let v1 = [sent(&[9], "a"), sent(&[9], "b"), sent(&[9], "c")];
        let v2 = [
            sent(&[1], "[a,b,c]"),
            sent(&[2], "[a,pong,b,c]"),
            sent(&[3], "[a,c]"),
            sent(&[4], "c"),
        ];
        assert_eq!(drained(&mut outputs), [&v1[..], &v2[..]].concat());
    }

    #[test]
    fn an_answer_alone_neither_waits_nor_opens_a_window() {
        let (mut fanout, mut outputs) = (fanout(), VecDeque::new());
        fanout.tell(PeerId(1), Dialect::V2, &ServerFrame::Pong, &mut outputs);
        fanout.settle(UnixMillis(0), &mut outputs);
        assert_eq!(drained(&mut outputs), [sent(&[1], "pong")]);
        fanout.share(&typing("a"), Vec::new());
        fanout.settle(UnixMillis(0), &mut outputs);
        assert_eq!(drained(&mut outputs).len(), 2);
        fanout.tell(PeerId(1), Dialect::V2, &ServerFrame::Pong, &mut outputs);
        fanout.settle(UnixMillis(1), &mut outputs);
        assert_eq!(drained(&mut outputs), [sent(&[1], "pong")]);
    }

    #[test]
    fn what_nobody_hears_opens_no_window() {
        let (mut fanout, mut outputs) = (
            Fanout::new(Random::new([1; 32]), Seq::ZERO),
            VecDeque::new(),
        );
        fanout.enter(PeerId(1), Dialect::V2, UnixMillis(0));
        for user in ["a", "b"] {
            fanout.share(&typing("unheard"), vec![PeerId(1)]);
            fanout.settle(UnixMillis(0), &mut outputs);
            assert!(outputs.is_empty() && fanout.queue.is_empty());
            fanout.window_ends = None;
            fanout.share(&typing(user), Vec::new());
            fanout.settle(UnixMillis(0), &mut outputs);
            assert_eq!(drained(&mut outputs), [sent(&[1], user)]);
        }
    }

    #[test]
    fn a_full_window_does_not_wait_and_batches_are_bounded() {
        let (mut fanout, mut outputs) = (fanout(), VecDeque::new());
        fanout.share(&typing("first"), Vec::new());
        fanout.settle(UnixMillis(0), &mut outputs);
        outputs.clear();
        for _ in 0..BATCH_FRAMES_MAX + 1 {
            fanout.share(&typing("x"), Vec::new());
        }
        fanout.settle(UnixMillis(1), &mut outputs);
        let sizes: Vec<usize> = drained(&mut outputs)
            .iter()
            .map(|(_, text)| text.split(',').count())
            .collect();
        assert_eq!(sizes[BATCH_FRAMES_MAX + 1..], [BATCH_FRAMES_MAX, 1]);
    }

    #[test]
    fn a_backward_step_of_the_clock_holds_nothing_back() {
        let (mut fanout, mut outputs) = (fanout(), VecDeque::new());
        fanout.share(&typing("a"), Vec::new());
        fanout.settle(UnixMillis(1_000_000), &mut outputs);
        fanout.share(&typing("b"), Vec::new());
        fanout.settle(UnixMillis(1_000_001), &mut outputs);
        outputs.clear();
        fanout.settle(UnixMillis(5), &mut outputs);
        assert_eq!(drained(&mut outputs).len(), 2);
    }

    #[test]
    fn a_parting_peer_hears_the_rest_and_nobody_else_does_yet() {
        let (mut fanout, mut outputs) = (fanout(), VecDeque::new());
        fanout.share(&typing("a"), Vec::new());
        fanout.tell(PeerId(1), Dialect::V2, &ServerFrame::Pong, &mut outputs);
        fanout.part(PeerId(1), &mut outputs);
        assert_eq!(drained(&mut outputs), [sent(&[1], "[a,pong]")]);
        fanout.part(PeerId(9), &mut outputs);
        assert_eq!(drained(&mut outputs), [sent(&[9], "a")]);
        fanout.settle(UnixMillis(0), &mut outputs);
        assert_eq!(drained(&mut outputs), [sent(&[2, 3], "a")]);
    }
}

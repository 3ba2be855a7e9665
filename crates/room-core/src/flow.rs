//! How much each peer was sent and has not confirmed, and which peers are behind.
//!
//! Only a peer knows how far it has read: the buffer of a socket cannot be seen from here. So after each
//! [`MARK_EVERY_BYTES`] to a peer of the second version comes a mark with a random id, and the peer echoes it as soon
//! as it reads it. The echo of a mark confirms everything sent before it; an id that was not sent to this peer confirms
//! nothing.
//!
//! A peer with [`UNCONFIRMED_BYTES_MAX`] unconfirmed is *behind*: it is sent nothing of what is shared, and nothing is
//! kept for it but its position in the log. It is sent windows of the log as it confirms, until it has reached the head.
//! That a peer is behind says nothing bad about it: on a server, all queued frames of a fast sender are handled before
//! the first echo of any reader arrives. What does is a mark that stays unanswered for [`MARK_OWED_MS_MAX`] in which
//! the room was running and none was confirmed.
//!
//! Peers of the first version confirm nothing. They have a budget of bytes that refills with time.
//!
//! All of it is in memory only: a rebuilt room treats every peer as live, and the `head` that it sends makes those `sync` that
//! lack events. Only where a peer fell behind is kept with its socket (`PeerRecord::behind`), so that trimming spares what it lacks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::dialect::Dialect;
use protocol::ids::{MarkId, Seq};
use protocol::limits::{
    FIRST_VERSION_BYTES_BURST, FIRST_VERSION_BYTES_PER_SECOND, MARK_EVERY_BYTES, MARK_OWED_MS_MAX,
    UNCONFIRMED_BYTES_MAX, WINDOW_BYTES_MAX,
};
use protocol::time::UnixMillis;

use crate::io::PeerId;
use crate::random::Random;

/// The most that a pause between two inputs adds to the time in which the room was running: in a longer one it slept,
/// and so did whoever would have passed it an echo.
const RUNNING_STEP_MS_MAX: u64 = 1_000;
/// How often peers are looked at for marks that they owe, in milliseconds of that time: a room has thousands of them.
const OVERDUE_EVERY_MS: u64 = 1_000;
/// Bytes of a mark's id, before hex.
const MARK_ID_BYTES: usize = 8;

pub(crate) struct Flows {
    second: BTreeMap<PeerId, Flow>,
    first: BTreeMap<PeerId, Budget>,
    /// Peers that fell behind, caught up or confirmed a mark since the last [`Self::take_moved`].
    moved: BTreeSet<PeerId>,
    random: Random,
    /// For how long the room has been running, in milliseconds.
    running_ms: u64,
    /// When the last input came.
    input_at: Option<UnixMillis>,
    /// When peers were last looked at for marks that they owe, on the clock of `running_ms`.
    looked_at: u64,
}

/// What was sent to one peer of the second version.
#[derive(Default)]
struct Flow {
    sent: u64,
    confirmed: u64,
    /// What was sent when the last mark was.
    marked: u64,
    /// Marks that were not echoed, oldest first.
    marks: VecDeque<Mark>,
    /// When the last mark was confirmed, on the clock of `running_ms`.
    confirmed_at: u64,
    /// The last event that it was sent, while it is not behind.
    position: Seq,
    behind: Option<Behind>,
}

struct Mark {
    id: MarkId,
    /// What was sent up to and with it.
    end: u64,
    /// When it was sent, on the clock of `running_ms`.
    sent_at: u64,
}

/// What a peer that is behind is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    /// The last event that it was sent.
    pub(crate) after: Seq,
    /// Whether it asked for the events itself, and is told when it has them all.
    pub(crate) asked: bool,
    /// Whether users came or went that it was not told of.
    pub(crate) missed_presence: bool,
    /// Whether a window was sent to it that needs a mark at its end.
    window_open: bool,
}

/// What one peer of the first version may be sent.
struct Budget {
    left: u64,
    refilled_at: UnixMillis,
}

impl Flow {
    fn unconfirmed(&self) -> u64 {
        self.sent.saturating_sub(self.confirmed)
    }
}

impl Flows {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            second: BTreeMap::new(),
            first: BTreeMap::new(),
            moved: BTreeSet::new(),
            random,
            running_ms: 0,
            input_at: None,
            looked_at: 0,
        }
    }

    /// A peer is here that has everything up to `position`, or does not want it.
    pub(crate) fn enter(&mut self, peer: PeerId, dialect: Dialect, position: Seq, now: UnixMillis) {
        match dialect {
            Dialect::V1 => {
                let budget = Budget {
                    left: FIRST_VERSION_BYTES_BURST as u64,
                    refilled_at: now,
                };
                self.first.insert(peer, budget);
            }
            Dialect::V2 => {
                let flow = Flow {
                    position,
                    ..Flow::default()
                };
                self.second.insert(peer, flow);
            }
        }
    }

    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.first.remove(&peer);
        self.second.remove(&peer);
        self.moved.remove(&peer);
    }

    /// Whether the peer speaks the second version and is here.
    pub(crate) fn knows(&self, peer: PeerId) -> bool {
        self.second.contains_key(&peer)
    }

    /// Notes that an input came.
    pub(crate) fn advance(&mut self, now: UnixMillis) {
        let passed = self.input_at.map_or(0, |at| now.ms_since(at));
        self.running_ms += passed.min(RUNNING_STEP_MS_MAX);
        self.input_at = Some(now);
    }

    /// Counts a frame on its way to a peer of the second version, and the last event in it. `Some` is a mark to send
    /// right behind it.
    pub(crate) fn sent(&mut self, peer: PeerId, bytes: usize, seq: Option<Seq>) -> Option<MarkId> {
        let flow = self.second.get_mut(&peer)?;
        flow.sent += bytes as u64;
        flow.position = seq.unwrap_or(flow.position);
        (flow.sent - flow.marked >= MARK_EVERY_BYTES as u64)
            .then(|| self.mark(peer))
            .flatten()
    }

    /// The mark that ends a window, where the log goes on behind it: its echo is what brings the next.
    pub(crate) fn end_window(&mut self, peer: PeerId) -> Option<MarkId> {
        let flow = self.second.get_mut(&peer)?;
        let is_open = std::mem::take(&mut flow.behind.as_mut()?.window_open);
        (is_open && flow.sent > flow.marked)
            .then(|| self.mark(peer))
            .flatten()
    }

    fn mark(&mut self, peer: PeerId) -> Option<MarkId> {
        let flow = self.second.get_mut(&peer)?;
        let id = MarkId(self.random.hex(MARK_ID_BYTES));
        flow.marked = flow.sent;
        flow.marks.push_back(Mark {
            id: id.clone(),
            end: flow.sent,
            sent_at: self.running_ms,
        });
        Some(id)
    }

    /// Follows the echo of a mark. Whether it was one that this peer was sent and had not echoed.
    pub(crate) fn confirm(&mut self, peer: PeerId, id: &MarkId) -> bool {
        let Some(flow) = self.second.get_mut(&peer) else {
            return false;
        };
        let Some(index) = flow.marks.iter().position(|mark| mark.id == *id) else {
            return false;
        };
        // Frames keep their order: marks before this one were read as well.
        if let Some(mark) = flow.marks.drain(..=index).next_back() {
            flow.confirmed = mark.end;
        }
        flow.confirmed_at = self.running_ms;
        self.moved.insert(peer);
        true
    }

    /// Whether the peer has too much unconfirmed to be sent more of what is shared.
    pub(crate) fn is_full(&self, peer: PeerId) -> bool {
        self.second
            .get(&peer)
            .is_some_and(|flow| flow.unconfirmed() >= UNCONFIRMED_BYTES_MAX as u64)
    }

    /// The last event that the peer was sent, while it is not behind.
    pub(crate) fn position(&self, peer: PeerId) -> Seq {
        self.second
            .get(&peer)
            .map_or(Seq::ZERO, |flow| flow.position)
    }

    /// Bytes that the peer has not confirmed.
    pub(crate) fn unconfirmed(&self, peer: PeerId) -> u64 {
        self.second.get(&peer).map_or(0, Flow::unconfirmed)
    }

    /// From here on the peer is behind, at `after`.
    pub(crate) fn fall_behind(&mut self, peer: PeerId, after: Seq, asked: bool) {
        if let Some(flow) = self.second.get_mut(&peer) {
            let before = flow.behind;
            flow.behind = Some(Behind {
                after,
                asked: asked || before.is_some_and(|before| before.asked),
                missed_presence: before.is_some_and(|before| before.missed_presence),
                window_open: false,
            });
            self.moved.insert(peer);
        }
    }

    /// The peer was sent a window that ends at `end`, and the log goes on behind it.
    pub(crate) fn window_sent(&mut self, peer: PeerId, end: Seq) {
        if let Some(behind) = self.behind_mut(peer) {
            (behind.after, behind.window_open) = (end, true);
        }
    }

    /// The peer has reached the head, which is at `position`. Gives what it is owed.
    pub(crate) fn catch_up(&mut self, peer: PeerId, position: Seq) -> Option<Behind> {
        let flow = self.second.get_mut(&peer)?;
        let behind = flow.behind.take()?;
        flow.position = position;
        self.moved.insert(peer);
        Some(behind)
    }

    pub(crate) fn is_behind(&self, peer: PeerId) -> bool {
        self.behind_at(peer).is_some()
    }

    /// Returns the last event that was sent to the peer if it is behind, otherwise `None`.
    pub(crate) fn behind_at(&self, peer: PeerId) -> Option<Seq> {
        let behind = self.second.get(&peer)?.behind?;
        Some(behind.after)
    }

    /// Returns the peers that fell behind, caught up or confirmed a mark since the last call.
    pub(crate) fn take_moved(&mut self) -> BTreeSet<PeerId> {
        std::mem::take(&mut self.moved)
    }

    /// All peers that are behind.
    pub(crate) fn behind(&self) -> impl Iterator<Item = (PeerId, Behind)> {
        self.second
            .iter()
            .filter_map(|(peer, flow)| Some((*peer, flow.behind?)))
    }

    /// Where the next window of a peer begins that is behind and has confirmed enough to be sent one.
    pub(crate) fn window_due(&self, peer: PeerId) -> Option<Seq> {
        const ROOM: u64 = (UNCONFIRMED_BYTES_MAX - WINDOW_BYTES_MAX) as u64;
        let flow = self.second.get(&peer)?;
        let behind = flow.behind?;
        (flow.unconfirmed() <= ROOM).then_some(behind.after)
    }

    /// Users came or went: peers that are behind are not told.
    pub(crate) fn miss_presence(&mut self) {
        let behind = self.second.values_mut();
        for behind in behind.filter_map(|flow| flow.behind.as_mut()) {
            behind.missed_presence = true;
        }
    }

    /// Counts a frame on its way to a peer of the first version. Whether its budget allowed for it.
    pub(crate) fn spend(&mut self, peer: PeerId, bytes: usize, now: UnixMillis) -> bool {
        let Some(budget) = self.first.get_mut(&peer) else {
            return true;
        };
        let refill = now.ms_since(budget.refilled_at);
        let refill = refill.saturating_mul(FIRST_VERSION_BYTES_PER_SECOND as u64);
        budget.left = budget.left.saturating_add(refill / 1_000);
        budget.left = budget.left.min(FIRST_VERSION_BYTES_BURST as u64);
        budget.refilled_at = now;
        let left = budget.left.checked_sub(bytes as u64);
        budget.left = left.unwrap_or_default();
        left.is_some()
    }

    /// Peers that owe the echo of a mark for too long; looked for once a second.
    pub(crate) fn overdue(&mut self) -> Vec<PeerId> {
        if self.running_ms - self.looked_at < OVERDUE_EVERY_MS {
            return Vec::new();
        }
        self.looked_at = self.running_ms;
        let is_overdue = |flow: &Flow| {
            let oldest = flow.marks.front().map(|mark| mark.sent_at);
            oldest.is_some_and(|sent_at| {
                let since = sent_at.max(flow.confirmed_at);
                self.running_ms.saturating_sub(since) > MARK_OWED_MS_MAX
            })
        };
        self.second
            .iter()
            .filter(|(_, flow)| is_overdue(flow))
            .map(|(peer, _)| *peer)
            .collect()
    }

    fn behind_mut(&mut self, peer: PeerId) -> Option<&mut Behind> {
        self.second.get_mut(&peer)?.behind.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(1);
    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn flows() -> Flows {
        let mut flows = Flows::new(Random::new([3; 32]));
        flows.enter(PEER, Dialect::V2, Seq::ZERO, NOW);
        flows.advance(NOW);
        flows
    }

    fn unconfirmed(flows: &Flows) -> u64 {
        flows.second[&PEER].unconfirmed()
    }

    /// Sends frames of 64 KiB and gives the marks that come of it.
    fn send(flows: &mut Flows, count: usize) -> Vec<MarkId> {
        (0..count)
            .filter_map(|_| flows.sent(PEER, 64 * 1024, None))
            .collect()
    }

    #[test]
    fn echo_of_a_mark_confirms_all_that_was_sent_before_it() {
        let mut flows = flows();
        let marks = send(&mut flows, 11);
        assert_eq!(marks.len(), 2, "one each 256 KiB");
        assert_eq!(unconfirmed(&flows), 11 * 64 * 1024);
        assert!(flows.confirm(PEER, &marks[1]));
        assert_eq!(unconfirmed(&flows), 3 * 64 * 1024);
        for stale in [&marks[0], &marks[1], &MarkId("0".repeat(16))] {
            assert!(!flows.confirm(PEER, stale), "{stale}");
        }
        assert_eq!(unconfirmed(&flows), 3 * 64 * 1024);
    }

    #[test]
    fn mark_of_another_peer_confirms_nothing() {
        let mut flows = flows();
        let other = PeerId(2);
        flows.enter(other, Dialect::V2, Seq::ZERO, NOW);
        let marks = send(&mut flows, 4);
        assert!(!flows.confirm(other, &marks[0]));
        assert!(flows.confirm(PEER, &marks[0]));
    }

    #[test]
    fn window_is_due_when_enough_was_confirmed() {
        let mut flows = flows();
        let marks = send(&mut flows, 16);
        assert!(flows.is_full(PEER));
        assert_eq!(flows.window_due(PEER), None, "not behind");
        flows.fall_behind(PEER, Seq(7), false);
        assert_eq!(flows.window_due(PEER), None, "1 MiB on its way");
        assert!(flows.confirm(PEER, &marks[0]));
        assert_eq!(flows.window_due(PEER), None, "768 KiB on their way");
        assert!(flows.confirm(PEER, &marks[1]));
        assert_eq!(flows.window_due(PEER), Some(Seq(7)));
        flows.window_sent(PEER, Seq(9));
        assert_eq!(flows.window_due(PEER), Some(Seq(9)));
        let behind = flows.catch_up(PEER, Seq(9)).unwrap();
        assert_eq!((behind.after, behind.asked), (Seq(9), false));
        assert!(!flows.is_behind(PEER));
    }

    #[test]
    fn window_of_any_size_ends_with_a_mark() {
        let mut flows = flows();
        flows.fall_behind(PEER, Seq(1), true);
        assert_eq!(flows.sent(PEER, 10, None), None);
        assert_eq!(flows.end_window(PEER), None, "no window");
        flows.window_sent(PEER, Seq(2));
        let mark = flows.end_window(PEER).unwrap();
        assert_eq!(flows.end_window(PEER), None, "one is enough");
        assert!(flows.confirm(PEER, &mark));
        assert_eq!(unconfirmed(&flows), 0);
    }

    #[test]
    fn owed_mark_counts_only_while_the_room_runs_and_nothing_is_confirmed() {
        let mut flows = flows();
        let marks = send(&mut flows, 12);
        // A night between two inputs is one step.
        flows.advance(NOW.plus_ms(10 * 60 * 60 * 1_000));
        assert!(flows.overdue().is_empty());
        let mut at = NOW.plus_ms(10 * 60 * 60 * 1_000);
        let mut run = |flows: &mut Flows, seconds: u64| {
            for _ in 0..seconds * 2 {
                at = at.plus_ms(500);
                flows.advance(at);
            }
        };
        run(&mut flows, 28);
        assert!(flows.overdue().is_empty());
        assert!(flows.confirm(PEER, &marks[0]), "progress");
        run(&mut flows, 29);
        assert!(flows.overdue().is_empty());
        run(&mut flows, 2);
        assert_eq!(flows.overdue(), [PEER]);
        assert!(flows.confirm(PEER, &marks[2]));
        run(&mut flows, 100);
        assert!(flows.overdue().is_empty(), "nothing is owed");
    }

    #[test]
    fn first_version_has_a_budget_that_refills() {
        let mut flows = flows();
        let old = PeerId(2);
        flows.enter(old, Dialect::V1, Seq::ZERO, NOW);
        assert!(flows.spend(old, FIRST_VERSION_BYTES_BURST, NOW));
        assert!(!flows.spend(old, 1, NOW));
        let later = NOW.plus_ms(500);
        assert!(flows.spend(old, FIRST_VERSION_BYTES_PER_SECOND / 2, later));
        assert!(!flows.spend(old, 1, later));
        assert!(
            !flows.spend(old, 1, NOW),
            "a clock that stepped back gives nothing"
        );
        let much_later = NOW.plus_ms(u64::from(u32::MAX));
        assert!(flows.spend(old, FIRST_VERSION_BYTES_BURST, much_later));
        assert!(!flows.spend(old, 1, much_later));
        assert!(
            flows.spend(PEER, usize::MAX, NOW),
            "the second version has none"
        );
    }
}

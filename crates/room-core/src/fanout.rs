//! Who hears what, in which order, in which batches.
//!
//! Owns the one queue through which everything reaches an accepted peer, the coalescing window, and the count of
//! what left for whom. It must not know why something is said. One queue for all, because a peer must hear its own message before the ack of
//! it, and an event before the next.
//!
//! Life cycle: `share` and `tell` queue; `settle`, at the end of each input, decides whether the queue leaves.
//! A lone event leaves at once and opens a window of [`COALESCE_MS`]; what is shared within it is gathered and
//! leaves when the window ends, or when it is as much as a batch holds. Each text is encoded once, and written
//! into one batch for all who hear the same; only a peer with frames of its own gets a batch of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use protocol::dialect::Dialect;
use protocol::frame::{Frame, ServerFrame};
use protocol::ids::Seq;
use protocol::limits::{BATCH_FRAMES_MAX, COALESCE_MS};
use protocol::time::UnixMillis;

use crate::backlog::Backlogs;
use crate::batch::{BATCH_BYTES_MAX, Line, batches};
use crate::io::{Output, PeerId};

/// Most frames that wait for the window to end, those for single peers included.
const QUEUE_FRAMES_MAX: usize = 256;

#[derive(Default)]
pub(crate) struct Fanout {
    v1: BTreeSet<PeerId>,
    v2: BTreeSet<PeerId>,
    queue: Vec<Item>,
    /// Bytes in the queue, in the second version's spelling.
    bytes: usize,
    /// Frames in the queue that are not for a single peer.
    shared: usize,
    /// Peers that came while something was queued: what stands before this index is not for them.
    late: BTreeMap<PeerId, usize>,
    window_ends: Option<UnixMillis>,
    backlogs: Backlogs,
}

struct Item {
    to: To,
    v1: Option<Rc<str>>,
    v2: Option<Line>,
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
    /// From here on `peer` hears what is shared.
    pub(crate) fn enter(&mut self, peer: PeerId, dialect: Dialect) {
        match dialect {
            Dialect::V1 => self.v1.insert(peer),
            Dialect::V2 => {
                self.backlogs.enter(peer);
                self.v2.insert(peer)
            }
        };
        if !self.queue.is_empty() {
            self.late.insert(peer, self.queue.len());
        }
    }

    /// `peer` hears nothing more; what was queued for it is lost with its socket.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.v1.remove(&peer);
        self.v2.remove(&peer);
        self.late.remove(&peer);
        self.backlogs.leave(peer);
    }

    /// Notes how far `peer` has read.
    pub(crate) fn seen(&mut self, peer: PeerId, seq: Seq) {
        self.backlogs.seen(peer, seq);
    }

    /// Who is too far behind to be told more.
    pub(crate) fn too_far_behind(&mut self, now: UnixMillis) -> Vec<PeerId> {
        self.backlogs.too_far_behind(now)
    }

    /// Says `frame` to everybody, save `but` (see [`To::AllBut`]).
    pub(crate) fn share(&mut self, frame: &ServerFrame, but: Vec<PeerId>) {
        let spell = |heard: bool, dialect: Dialect| {
            if heard {
                dialect.encode(frame).map(Rc::from)
            } else {
                None
            }
        };
        // What nobody hears must not open a window that the next would wait for.
        let v1 = spell(!self.v1.is_empty(), Dialect::V1);
        let v2 = spell(self.v2.iter().any(|peer| !but.contains(peer)), Dialect::V2);
        if v1.is_some() || v2.is_some() {
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
            });
        }
    }

    /// Says `frame` to one peer: in order, or at once to one that hears nothing else.
    pub(crate) fn tell(
        &mut self,
        peer: PeerId,
        dialect: Dialect,
        frame: &ServerFrame,
        outputs: &mut VecDeque<Output>,
    ) {
        if let Some(text) = dialect.encode(frame) {
            let line = Line {
                text: text.into(),
                seq: place(frame),
            };
            self.tell_line(peer, dialect, line, outputs);
        }
    }

    /// As [`Self::tell`], for a frame that is spelled already.
    pub(crate) fn tell_line(
        &mut self,
        peer: PeerId,
        dialect: Dialect,
        line: Line,
        outputs: &mut VecDeque<Output>,
    ) {
        if !self.v1.contains(&peer) && !self.v2.contains(&peer) {
            outputs.push_back(send(vec![peer], line.text));
            return;
        }
        let (v1, v2) = match dialect {
            Dialect::V1 => (Some(line.text), None),
            Dialect::V2 => (None, Some(line)),
        };
        self.push(Item {
            to: To::Only(peer),
            v1,
            v2,
        });
    }

    fn push(&mut self, item: Item) {
        let text = item.v2.as_ref().map(|line| &line.text);
        self.bytes += text.or(item.v1.as_ref()).map_or(0, |text| text.len());
        self.queue.push(item);
    }

    /// Ends an input: lets the queue leave, or wait for the window's end.
    pub(crate) fn settle(&mut self, now: UnixMillis, outputs: &mut VecDeque<Output>) {
        let waits = self.window_is_open(now);
        if self.queue.is_empty() || (waits && self.shared > 0 && !self.is_full()) {
            return;
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
        } else {
            self.window_ends
        }
    }

    fn window_is_open(&mut self, now: UnixMillis) -> bool {
        // After a backward step of the clock the end would be far away.
        let open = self
            .window_ends
            .is_some_and(|ends| now < ends && ends <= now.plus_ms(COALESCE_MS));
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

    /// Lets everything leave now.
    pub(crate) fn flush(&mut self, now: UnixMillis, outputs: &mut VecDeque<Output>) {
        self.flush_first_version(outputs);
        self.flush_second_version(now, outputs);
        self.queue.clear();
        self.late.clear();
        (self.bytes, self.shared) = (0, 0);
    }

    /// Lets leave what is queued for `peer`, which then leaves itself: the last that a closing socket hears.
    pub(crate) fn part(&mut self, peer: PeerId, outputs: &mut VecDeque<Output>) {
        if self.v1.contains(&peer) {
            let heard = self.items_of(peer).filter_map(|item| item.v1.clone());
            outputs.extend(heard.map(|text| send(vec![peer], text)));
        } else if self.v2.contains(&peer) {
            let lines: Vec<&Line> = self
                .items_of(peer)
                .filter_map(|item| item.v2.as_ref())
                .collect();
            let packed = batches(&lines).into_iter();
            outputs.extend(packed.map(|line| send(vec![peer], line.text)));
        }
        self.leave(peer);
    }

    fn flush_first_version(&self, outputs: &mut VecDeque<Output>) {
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
            if !peers.is_empty() {
                outputs.push_back(send(peers, text.clone()));
            }
        }
    }

    fn flush_second_version(&mut self, now: UnixMillis, outputs: &mut VecDeque<Output>) {
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
        let mut leaving = Vec::new();
        let together: Vec<PeerId> = self.v2.difference(&apart).copied().collect();
        if !together.is_empty() {
            let shared = self
                .queue
                .iter()
                .filter(|item| !matches!(item.to, To::Only(_)));
            let lines: Vec<&Line> = shared.filter_map(|item| item.v2.as_ref()).collect();
            let packed = batches(&lines).into_iter();
            leaving.extend(packed.map(|line| (together.clone(), line)));
        }
        for peer in apart.intersection(&self.v2) {
            let lines: Vec<&Line> = self
                .items_of(*peer)
                .filter_map(|item| item.v2.as_ref())
                .collect();
            let packed = batches(&lines).into_iter();
            leaving.extend(packed.map(|line| (vec![*peer], line)));
        }
        for (peers, Line { text, seq }) in leaving {
            for peer in &peers {
                self.backlogs.sent(*peer, text.len(), seq, now);
            }
            outputs.push_back(send(peers, text));
        }
    }

    fn first_index(&self, peer: PeerId) -> usize {
        self.late.get(&peer).copied().unwrap_or_default()
    }

    /// What is queued for `peer`, in order.
    fn items_of(&self, peer: PeerId) -> impl Iterator<Item = &Item> {
        let echoes = self.v1.contains(&peer);
        let heard = self.queue.iter().skip(self.first_index(peer));
        heard.filter(move |item| {
            item.to.includes(peer) || (echoes && matches!(item.to, To::AllBut(_)))
        })
    }
}

/// The place that a frame moves a cursor to.
fn place(frame: &ServerFrame) -> Option<Seq> {
    match frame {
        ServerFrame::Event { seq, body: _ } | ServerFrame::Skip { from: _, to: seq } => Some(*seq),
        ServerFrame::Welcome(_)
        | ServerFrame::Head { .. }
        | ServerFrame::Ack { .. }
        | ServerFrame::Typing { .. }
        | ServerFrame::Presence { .. }
        | ServerFrame::Expiring { .. }
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
        let mut fanout = Fanout::default();
        for peer in 1..=3 {
            fanout.enter(PeerId(peer), Dialect::V2);
        }
        fanout.enter(PeerId(9), Dialect::V1);
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
        fanout.enter(PeerId(4), Dialect::V2);
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
        let (mut fanout, mut outputs) = (Fanout::default(), VecDeque::new());
        fanout.enter(PeerId(1), Dialect::V2);
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

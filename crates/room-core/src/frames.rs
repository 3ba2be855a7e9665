//! What sockets send: each frame is paid for before it is looked at, each entry is decided for itself, and all of them
//! are stored together.

use std::rc::Rc;

use protocol::change::Change;
use protocol::dialect::{Dialect, binary_refusal, frame_too_large};
use protocol::draft::Draft;
use protocol::frame::{ClientFrame, EventBody, Frame, Refusal, ServerFrame};
use protocol::ids::{MarkId, Seq};
use protocol::json::Outline;
use protocol::limits::{BYTES_PER_PERMIT, CLIENT_FRAME_BYTES_MAX, SYNC_PERMITS, VALUES_PER_PERMIT};
use protocol::principal::Principal;
use protocol::time::UnixMillis;
use protocol::wire::Key;

use crate::changes::{self, Changed};
use crate::failure::{Failure, storage_refusal};
use crate::io::{Output, PeerId};
use crate::ledger::{Effect, Transaction};
use crate::rates::{Cost, Counted, Rates, Verdict};
use crate::room::Room;
use crate::sends::{self, Sender};
use crate::storage::{Storage, StorageError};

/// One entry of a frame, as its dialect read it.
pub(crate) type Entry = Result<ClientFrame, Refusal>;

/// The longest frame that is looked at for the echo of a mark before it is paid for: an echo costs nothing, because
/// the room asked for it, and the echoes of a fast reader are many.
const ECHO_BYTES_MAX: usize = 192;
/// A longer frame that is not paid for is refused as a whole, with one answer that names no entry of it: to find their names
/// it would have to be decoded.
const UNREAD_BYTES_MIN: usize = 2 * BYTES_PER_PERMIT;
/// So many addresses of attachments are as much work as a short message: a host that is hard to read takes that long.
const ADDRESSES_PER_WORK: usize = 4;
/// What the entries of a frame may write in one commit. An edit of a few bytes writes the whole message.
const PART_BYTES_MAX: usize = 1024 * 1024;

impl Room {
    /// Takes a frame of any peer.
    pub(crate) fn handle_frame(
        &mut self,
        id: PeerId,
        frame: Frame,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) {
        self.hear(id, now);
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let (dialect, principal) = (peer.dialect, Rc::clone(&peer.principal));
        let client_scope = peer.client_scope.clone();
        if dialect == Dialect::V2 && self.handle_echo(id, &frame, now) {
            return;
        }
        let outline = match &frame {
            Frame::Text(text) if text.len() <= CLIENT_FRAME_BYTES_MAX => Some(Outline::of(text)),
            Frame::Text(_) | Frame::Binary(_) => None,
        };
        let entries = entries(dialect, outline);
        let values = outline.map_or(0, |outline| outline.values);
        self.work.entries += entries.max(values / VALUES_PER_PERMIT);
        let cost = Cost::of(frame.bytes(), entries, values);
        let Some((paid, rest)) = self.charge(id, cost, &principal, now) else {
            return;
        };
        if let (0, Some(refusal), true) = (paid, &rest, frame.bytes() > UNREAD_BYTES_MIN) {
            let refusal = ServerFrame::Error(refusal.clone());
            return self.answer(id, &refusal);
        }
        let mut entries = match (&frame, outline) {
            (Frame::Text(text), Some(outline)) => dialect.decode_outlined(text, outline),
            (Frame::Text(text), None) => vec![Err(frame_too_large(text.len()))],
            (Frame::Binary(_), _) => vec![Err(binary_refusal())],
        };
        refuse_rest(&mut entries, paid, rest.as_ref());
        self.work.entries += entries.iter().map(addresses).sum::<usize>() / ADDRESSES_PER_WORK;
        let sender = Sender {
            principal: &principal,
            client_scope: client_scope.as_deref(),
        };
        let mut rest = &entries[..];
        while !rest.is_empty() {
            let (count, effects) = match self.decide_part(id, rest, sender, now, storage) {
                Ok(decided) => decided,
                Err(error) => (rest.len(), failures(id, rest, error)),
            };
            self.perform(effects, now);
            rest = rest.get(count..).unwrap_or_default();
            if !rest.is_empty() {
                self.fanout.settle(now, &mut self.outputs);
            }
        }
    }

    /// How the peer speaks, if it is here.
    #[must_use]
    pub fn dialect_of(&self, id: PeerId) -> Option<Dialect> {
        self.peers.get(id).map(|peer| peer.dialect)
    }

    /// Returns whether the room would read a frame of `bytes` from this peer. If not, a shell can pass
    /// [`Input::Unread`](crate::Input::Unread) instead of copying the frame.
    #[must_use]
    pub fn wants_frame(&mut self, id: PeerId, bytes: usize, now: UnixMillis) -> bool {
        if bytes <= UNREAD_BYTES_MIN {
            return true;
        }
        let Some(peer) = self.peers.get(id) else {
            return false;
        };
        bytes <= CLIENT_FRAME_BYTES_MAX
            && self
                .rates
                .can_pay(id, Cost::of(bytes, 1, 1), &peer.principal, now)
    }

    fn hear(&mut self, id: PeerId, now: UnixMillis) {
        if self.peers.speaks(id, now) {
            self.remember(id);
        }
    }

    /// Takes a frame that its shell did not pass on.
    pub(crate) fn handle_unread(&mut self, id: PeerId, bytes: usize, now: UnixMillis) {
        self.hear(id, now);
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let principal = Rc::clone(&peer.principal);
        if let Some((_, rest)) = self.charge(id, Cost::of(bytes, 1, 1), &principal, now) {
            let refusal = rest.unwrap_or_else(|| frame_too_large(bytes));
            self.answer(id, &ServerFrame::Error(refusal));
        }
    }

    /// Follows a frame that is nothing but the echo of a mark that this peer owes. Whether it was one.
    fn handle_echo(&mut self, id: PeerId, frame: &Frame, now: UnixMillis) -> bool {
        let Frame::Text(text) = frame else {
            return false;
        };
        if text.len() > ECHO_BYTES_MAX || !text.contains("\"seen\"") {
            return false;
        }
        match &Dialect::V2.decode(text)[..] {
            [Ok(ClientFrame::Seen { mark, seq: _ })] if self.fanout.confirm(id, mark) => {
                self.enqueue_window(id, now);
                true
            }
            _ => false,
        }
    }

    /// Takes the permits of a frame. Gives how many of its entries are paid for, and the refusal of the rest. `None`:
    /// its sender went on for too long and is closed, and the frame is not looked at.
    fn charge(
        &mut self,
        id: PeerId,
        cost: Cost,
        principal: &Principal,
        now: UnixMillis,
    ) -> Option<(usize, Option<Refusal>)> {
        match self.rates.take_frame(id, cost, principal, now) {
            Verdict::Paid { entries, rest } => Some((entries, rest)),
            Verdict::TooMany(refusal) => {
                if let Some(peer) = self.peers.get(id) {
                    let (dialect, scope) = (peer.dialect, peer.client_scope.clone());
                    self.rates.send_away(principal, scope.as_deref(), now);
                    self.dismiss(id, dialect, refusal, now);
                }
                None
            }
        }
    }

    /// Decides the first entries and stores what they want: all of them, but for those behind [`PART_BYTES_MAX`]. Gives
    /// how many.
    fn decide_part(
        &mut self,
        id: PeerId,
        entries: &[Entry],
        sender: Sender<'_>,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<(usize, Vec<Effect>), StorageError> {
        let mut transaction = Transaction::new(&self.ledger, &*storage, &mut self.random, now);
        let mut count = 0;
        for entry in entries {
            decide(id, entry, sender, &mut transaction, &mut self.rates)?;
            count += 1;
            if transaction.written_bytes() >= PART_BYTES_MAX {
                break;
            }
        }
        let delivered = transaction.delivered_bytes();
        let decided = transaction.decided();
        let effects = self.commit(decided, storage)?;
        self.owe_own_fan_out(delivered, sender.principal, now);
        Ok((count, effects))
    }

    /// Charges a sender for what its own other connections are sent of what it wrote: `delivered` bytes each.
    pub(crate) fn owe_own_fan_out(
        &mut self,
        delivered: usize,
        principal: &Principal,
        now: UnixMillis,
    ) {
        let others = self.peers.connections_of(principal).saturating_sub(1);
        let bytes = delivered.saturating_mul(others);
        self.rates.owe_own_fan_out(bytes, principal, now);
    }

    /// Does what follows from an input that is stored.
    pub(crate) fn perform(&mut self, effects: Vec<Effect>, now: UnixMillis) {
        for effect in effects {
            match effect {
                Effect::Share(frame @ ServerFrame::Head { .. }) => {
                    let uninformed = self.fanout.void_windows();
                    self.fanout.share(&frame, Vec::new());
                    for peer in uninformed {
                        let here = self.here();
                        self.answer(peer, &here);
                    }
                }
                Effect::Share(frame) => {
                    self.fanout.share(&frame, Vec::new());
                    if let ServerFrame::Event {
                        body: EventBody::Message(message),
                        ..
                    } = frame
                        && self.typists.end(&message.sender_id)
                    {
                        self.share_typing_over(message.sender_id);
                    }
                }
                Effect::Tell(peer, frame) => self.answer(peer, &frame),
                Effect::Typing {
                    peer,
                    sub,
                    user_id,
                    is_typing,
                } => {
                    match peer {
                        Some(peer) if !self.typists.note(peer, &user_id, is_typing) => continue,
                        Some(_) => {}
                        // Clients of the second version know by themselves when it is over.
                        None if self.peers.are_any_of(Dialect::V1) => {
                            self.typists.note_by_http(&user_id, is_typing, now);
                        }
                        None => {}
                    }
                    let own = match sub {
                        Some(sub) => self.peers.of_user(&sub),
                        None => peer.into_iter().collect(),
                    };
                    self.fanout
                        .share(&ServerFrame::Typing { user_id, is_typing }, own);
                }
                Effect::Authenticate {
                    peer,
                    token,
                    gateway_key,
                } => {
                    self.outputs.push_back(Output::Authenticate {
                        peer,
                        token,
                        gateway_key,
                    });
                }
                Effect::Acknowledge {
                    peer,
                    client_message_id,
                    seq,
                    message,
                    with_message,
                } => {
                    // The event of a peer that is behind comes later than its ack. What does not read is told no more
                    // than that it is stored.
                    let wants = with_message || self.fanout.is_behind(peer);
                    let is_told = wants && self.fanout.has_room(peer);
                    let ack = ServerFrame::Ack {
                        client_message_id,
                        seq,
                        message: is_told.then_some(message),
                    };
                    self.answer(peer, &ack);
                }
                Effect::Confirm { peer, mark } => self.confirm(peer, &mark, now),
                Effect::Replay { peer, since } => self.replay(peer, since, now),
            }
        }
    }

    pub(crate) fn answer(&mut self, id: PeerId, frame: &ServerFrame) {
        if let Some(peer) = self.peers.get(id) {
            self.fanout.tell(id, peer.dialect, frame, &mut self.outputs);
        }
    }

    /// Answers a `sync`: the peer is behind at the place that it names, and is told where the log stands once it has
    /// reached the head.
    fn replay(&mut self, id: PeerId, since: Seq, now: UnixMillis) {
        if self.peers.get(id).is_some() {
            // What is queued for it comes before the answer.
            self.fanout.flush(now, &mut self.outputs);
            self.fanout.fall_behind(id, since, true);
            self.enqueue_window(id, now);
        }
    }

    /// Queues a window for the peer, which may be due one.
    pub(crate) fn enqueue_window(&mut self, id: PeerId, now: UnixMillis) {
        if let Some(peer) = self.peers.get(id) {
            self.reads.enqueue_window(id, &peer.principal.bucket, now);
        }
    }

    /// Follows the echo of a mark that stood among other entries. What was taken for it is given back, unless the mark
    /// is none that this peer owes.
    fn confirm(&mut self, id: PeerId, mark: &MarkId, now: UnixMillis) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let principal = Rc::clone(&peer.principal);
        if self.fanout.confirm(id, mark) {
            self.rates.refund(id, &principal, now);
            self.enqueue_window(id, now);
        }
    }
}

/// Refuses the entries of a frame that are not among the first `paid`.
pub(crate) fn refuse_rest(entries: &mut [Entry], paid: usize, refusal: Option<&Refusal>) {
    let Some(refusal) = refusal else { return };
    for entry in entries.iter_mut().skip(paid) {
        *entry = Err(refusal.clone().answering(reference(entry)));
    }
}

/// How many addresses have to be read for an entry.
fn addresses(entry: &Entry) -> usize {
    match entry {
        Ok(ClientFrame::Message(draft)) => draft.attachments.len(),
        Ok(_) | Err(_) => 0,
    }
}

/// How many entries a frame counts as. One that is refused whole is one.
fn entries(dialect: Dialect, outline: Option<Outline>) -> usize {
    match outline {
        Some(outline) if dialect.refusal_of(outline).is_none() => dialect.entries(outline),
        Some(_) | None => 1,
    }
}

/// Decides one entry, which is paid for. Permits stay taken if the store fails: trying was work as well.
///
/// # Errors
/// Only when the store fails. A refusal is an effect.
pub(crate) fn decide(
    id: PeerId,
    entry: &Entry,
    sender: Sender<'_>,
    transaction: &mut Transaction<'_>,
    rates: &mut Rates,
) -> Result<(), StorageError> {
    let decided = match entry {
        Ok(ClientFrame::Message(draft)) => decide_message(id, draft, sender, transaction, rates),
        Ok(ClientFrame::Change(change)) => decide_change(id, change, sender, transaction, rates),
        Ok(ClientFrame::Typing { user_id, is_typing }) => decide_typing(
            Some(id),
            user_id.as_deref(),
            *is_typing,
            sender,
            transaction,
            rates,
        ),
        Ok(ClientFrame::Sync { since }) => rates
            .take(
                Counted::Http,
                SYNC_PERMITS,
                sender.principal,
                transaction.now,
            )
            .map(|()| {
                transaction.then(Effect::Replay {
                    peer: id,
                    since: *since,
                })
            })
            .map_err(Failure::from),
        Ok(ClientFrame::Auth { token, gateway_key }) => {
            let (token, gateway_key) = (token.clone(), gateway_key.clone());
            transaction.then(Effect::Authenticate {
                peer: id,
                token,
                gateway_key,
            });
            Ok(())
        }
        Ok(ClientFrame::Ping) => {
            transaction.then(Effect::Tell(id, ServerFrame::Pong));
            Ok(())
        }
        // In a batch, or of a mark that this peer does not owe.
        Ok(ClientFrame::Seen { mark, seq: _ }) => {
            transaction.then(Effect::Confirm {
                peer: id,
                mark: mark.clone(),
            });
            Ok(())
        }
        Err(refusal) => Err(refusal.clone().into()),
    };
    match decided {
        Ok(()) => Ok(()),
        Err(Failure::Refused(refusal)) => {
            let reference = refusal.reference.clone().or_else(|| reference(entry));
            transaction.then(Effect::Tell(
                id,
                ServerFrame::Error(refusal.answering(reference)),
            ));
            Ok(())
        }
        Err(Failure::Storage(error)) => Err(error),
    }
}

fn decide_message(
    id: PeerId,
    draft: &Draft,
    sender: Sender<'_>,
    transaction: &mut Transaction<'_>,
    rates: &mut Rates,
) -> Result<(), Failure> {
    let scope = draft.client_scope.as_deref();
    sends::keep_order(draft.after.as_ref(), scope, sender, transaction)?;
    let mut purse = rates.purse(sender.principal, transaction.now);
    let stored = sends::store(draft, sender, transaction, &mut purse)?;
    if let Some(client_message_id) = draft.client_message_id.clone() {
        transaction.then(Effect::Acknowledge {
            peer: id,
            client_message_id,
            seq: stored.message.seq,
            message: Box::new(stored.message),
            // Others come as events, to the sender as well.
            with_message: stored.repeated,
        });
    }
    Ok(())
}

fn decide_change(
    id: PeerId,
    change: &Change,
    sender: Sender<'_>,
    transaction: &mut Transaction<'_>,
    rates: &mut Rates,
) -> Result<(), Failure> {
    let scope = change.client_scope.as_deref();
    sends::keep_order(change.after.as_ref(), scope, sender, transaction)?;
    let mut purse = rates.purse(sender.principal, transaction.now);
    let Changed { message, seq } = changes::change(change, sender, transaction, &mut purse)?;
    if let Some(client_message_id) = change.client_message_id.clone() {
        transaction.then(Effect::Acknowledge {
            peer: id,
            client_message_id,
            seq,
            message: Box::new(message),
            with_message: true,
        });
    }
    Ok(())
}

/// Decides a typing sign, of a peer or of an HTTP caller.
pub(crate) fn decide_typing(
    id: Option<PeerId>,
    user_id: Option<&str>,
    is_typing: bool,
    sender: Sender<'_>,
    transaction: &mut Transaction<'_>,
    rates: &mut Rates,
) -> Result<(), Failure> {
    rates.take(Counted::Typing, 1, sender.principal, transaction.now)?;
    let user_id = sends::speaker(user_id, Key::UserId, sender.principal, transaction)?;
    let sub = sender.principal.sub.clone();
    transaction.then(Effect::Typing {
        peer: id,
        sub,
        user_id,
        is_typing,
    });
    Ok(())
}

/// The answers to a frame that the store failed under: nothing of it was done, and every entry hears so.
pub(crate) fn failures(id: PeerId, entries: &[Entry], error: StorageError) -> Vec<Effect> {
    let answer = |entry: &Entry| {
        let refusal = match entry {
            Ok(_) => storage_refusal(error).answering(reference(entry)),
            Err(refusal) => refusal.clone(),
        };
        Effect::Tell(id, ServerFrame::Error(refusal))
    };
    entries.iter().map(answer).collect()
}

/// What an answer to this entry refers to.
fn reference(entry: &Entry) -> Option<String> {
    match entry {
        Ok(ClientFrame::Message(draft)) => draft.client_message_id.as_ref().map(|id| id.0.clone()),
        Ok(ClientFrame::Change(change)) => change.client_message_id.as_ref().map(|id| id.0.clone()),
        Ok(
            ClientFrame::Auth { .. }
            | ClientFrame::Typing { .. }
            | ClientFrame::Sync { .. }
            | ClientFrame::Seen { .. }
            | ClientFrame::Ping,
        )
        | Err(_) => None,
    }
}

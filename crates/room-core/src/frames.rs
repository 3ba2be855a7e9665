//! What sockets say: each entry of a frame is decided for itself, and all of them are stored together.

use std::rc::Rc;

use protocol::change::Change;
use protocol::codes::ErrorCode;
use protocol::draft::Draft;
use protocol::frame::{ClientFrame, Frame, Refusal, ServerFrame};
use protocol::ids::Seq;
use protocol::limits::OUTBOX_MESSAGES_MAX;
use protocol::time::UnixMillis;
use protocol::wire::Key;

use crate::changes::{self, Changed};
use crate::failure::{Failure, storage_refusal};
use crate::first_version::binary_refusal;
use crate::history;
use crate::io::{Output, PeerId};
use crate::ledger::{Effect, Transaction};
use crate::rates::{Counted, Rates};
use crate::room::Room;
use crate::sends::{self, Sender};
use crate::storage::{LogHead, Storage, StorageError};

/// One entry of a frame, as its dialect read it.
pub(crate) type Entry = Result<ClientFrame, Refusal>;

impl Room {
    /// Takes a frame of any peer.
    pub(crate) fn hear(
        &mut self,
        id: PeerId,
        frame: Frame,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) {
        self.peers.heard(id, now);
        let Some(peer) = self.peers.get(id) else {
            self.hear_waiting(id, frame, now);
            return;
        };
        let (dialect, principal) = (peer.dialect, Rc::clone(&peer.principal));
        let client_scope = peer.client_scope.clone();
        let entries = match frame {
            Frame::Text(text) => dialect.decode(&text),
            Frame::Binary(_) => vec![Err(binary_refusal())],
        };
        // No outbox holds more; without a bound, a frame of empty entries would be answered by megabytes.
        let entries = if entries.len() > OUTBOX_MESSAGES_MAX {
            let error = format!(
                "the batch has {} entries: at most {OUTBOX_MESSAGES_MAX} are taken",
                entries.len()
            );
            vec![Err(Refusal::new(ErrorCode::TooLarge, error))]
        } else {
            entries
        };
        let sender = Sender {
            principal: &principal,
            client_scope: client_scope.as_deref(),
        };
        let effects = match self.follow(id, &entries, sender, now, storage) {
            Ok(effects) => effects,
            Err(error) => failures(id, &entries, error),
        };
        self.perform(effects, &*storage);
    }

    fn follow(
        &mut self,
        id: PeerId,
        entries: &[Entry],
        sender: Sender<'_>,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<Vec<Effect>, StorageError> {
        let mut transaction = Transaction::new(&self.ledger, &*storage, &mut self.random, now);
        for entry in entries {
            decide(id, entry, sender, &mut transaction, &mut self.rates)?;
        }
        let decided = transaction.decided();
        self.commit(decided, storage)
    }

    /// Does what follows from an input that is stored.
    pub(crate) fn perform(&mut self, effects: Vec<Effect>, storage: &dyn Storage) {
        for effect in effects {
            match effect {
                Effect::Share(frame) => self.fanout.share(&frame, Vec::new()),
                Effect::Tell(peer, frame) => self.answer(peer, &frame),
                Effect::Typing {
                    peer,
                    sub,
                    user_id,
                    is_typing,
                } => {
                    if let Some(peer) = peer {
                        self.typists.note(peer, &user_id, is_typing);
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
                Effect::Replay { peer, since, head } => self.replay(peer, since, head, storage),
                Effect::Seen { peer, seq } => self.fanout.seen(peer, seq),
            }
        }
    }

    fn answer(&mut self, id: PeerId, frame: &ServerFrame) {
        if let Some(peer) = self.peers.get(id) {
            self.fanout.tell(id, peer.dialect, frame, &mut self.outputs);
        }
    }

    /// Answers a `sync`: what was missed, then where the log stands.
    fn replay(&mut self, id: PeerId, since: Seq, head: LogHead, storage: &dyn Storage) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let dialect = peer.dialect;
        match history::replay(storage, &head, self.ledger.oldest(), since) {
            Ok(lines) => {
                let recovered = if lines.is_some() { None } else { Some(false) };
                for line in lines.unwrap_or_default() {
                    self.fanout.tell_line(id, dialect, line, &mut self.outputs);
                }
                self.answer(
                    id,
                    &ServerFrame::Head {
                        epoch: head.epoch,
                        seq: head.seq,
                        recovered,
                    },
                );
            }
            Err(error) => self.answer(id, &ServerFrame::Error(storage_refusal(error))),
        }
    }
}

/// Decides one entry. Permits that it takes stay taken if the store fails then: trying was work as well.
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
        Ok(ClientFrame::Sync { since }) => {
            let taken = rates.take(Counted::Http, &sender.principal.bucket, transaction.now);
            let head = transaction.head().clone();
            taken
                .map(|()| {
                    transaction.then(Effect::Replay {
                        peer: id,
                        since: *since,
                        head,
                    })
                })
                .map_err(Failure::from)
        }
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
        Ok(ClientFrame::Seen { seq }) => {
            transaction.then(Effect::Seen {
                peer: id,
                seq: *seq,
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
    rates.take(Counted::Send, &sender.principal.bucket, transaction.now)?;
    let stored = sends::store(draft, sender, transaction)?;
    if let Some(client_message_id) = draft.client_message_id.clone() {
        let seq = stored.message.seq;
        // Only a repeat is told in the ack; the others come as events, to the sender as well.
        let message = stored.repeated.then(|| Box::new(stored.message));
        transaction.then(Effect::Tell(
            id,
            ServerFrame::Ack {
                client_message_id,
                seq,
                message,
            },
        ));
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
    rates.take(Counted::Send, &sender.principal.bucket, transaction.now)?;
    let Changed { message, seq } = changes::change(change, sender, transaction)?;
    if let Some(client_message_id) = change.client_message_id.clone() {
        let ack = ServerFrame::Ack {
            client_message_id,
            seq,
            message: Some(Box::new(message)),
        };
        transaction.then(Effect::Tell(id, ack));
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
    rates.take(Counted::Typing, &sender.principal.bucket, transaction.now)?;
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

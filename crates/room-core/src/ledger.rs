//! What the room has committed, and what an input wants committed.
//!
//! Owns the log's numbering, its life, its oldest row, the newest timestamp and who is known. A [`Transaction`] gathers what one
//! input decides and shows it to the entries that follow in the same input; nothing of it counts before the
//! store has taken all of it and [`Ledger::apply`] is called.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::frame::{EventBody, ServerFrame};
use protocol::ids::{ClientMessageId, Epoch, MarkId, Seq};
use protocol::limits::{PAGE_BYTES_MAX, TIED_MESSAGES_MAX};
use protocol::model::{Message, Participant};
use protocol::principal::Principal;
use protocol::time::UnixMillis;
use protocol::token::Role;

use crate::failure::Failure;
use crate::guests::{Greeting, Guests, is_known};
use crate::io::PeerId;
use crate::quota::Quota;
use crate::random::Random;
use crate::rates::Purse;
use crate::settings::Settings;
use crate::storage::{
    EntityKey, EntityKind, EntityRange, EventKind, LogHead, LogRow, Storage, StorageError, Write,
};
use crate::stored::{SendRecord, StoredMessage, from_json, to_json};

/// Participants held in memory. Beyond it the store is asked again.
const KNOWN_MAX: usize = 2_000;

/// What the room knows of its store.
pub(crate) struct Ledger {
    head: LogHead,
    oldest: Seq,
    newest: Newest,
    known: BTreeMap<String, Participant>,
    quota: Quota,
    /// The guests, once somebody asked for them.
    guests: RefCell<Option<Rc<Guests>>>,
}

/// The newest message's time, and how many messages and bytes share it.
#[derive(Clone, Copy)]
struct Newest {
    at: UnixMillis,
    count: usize,
    bytes: usize,
}

impl Newest {
    /// The time of the next message: never earlier than the one before, and never shared by more bytes than a page holds,
    /// because pages end where the time changes and must stay bounded; nor by many messages, because an edit may make each of
    /// them as long as a message may be.
    fn stamp(&mut self, now: UnixMillis) -> UnixMillis {
        let is_full = self.count >= TIED_MESSAGES_MAX || self.bytes >= PAGE_BYTES_MAX;
        if now > self.at || is_full {
            *self = Self {
                at: now.max(self.at.plus_ms(1)),
                count: 0,
                bytes: 0,
            };
        }
        self.count += 1;
        self.at
    }
}

/// Something to be said or done once the store has taken the input.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Everybody hears it.
    Share(ServerFrame),
    /// One peer hears it.
    Tell(PeerId, ServerFrame),
    /// Everybody but the typist hears it; it is remembered with the peer until it stops or goes.
    Typing {
        peer: Option<PeerId>,
        sub: Option<String>,
        user_id: String,
        is_typing: bool,
    },
    /// The shell verifies a token.
    Authenticate {
        peer: PeerId,
        token: String,
        gateway_key: Option<String>,
    },
    /// What a peer sent is stored.
    Acknowledge {
        peer: PeerId,
        client_message_id: ClientMessageId,
        seq: Seq,
        message: Box<Message>,
        /// Whether the peer is sent the message with the ack, because no event tells it.
        with_message: bool,
    },
    /// A peer has read everything before a mark.
    Confirm { peer: PeerId, mark: MarkId },
    /// A peer is sent what it missed.
    Replay { peer: PeerId, since: Seq },
}

/// To deliver an event is as much work as to deliver so many bytes more of one, however short it is.
const EVENT_DELIVERY_BYTES: usize = 4 * 1024;

/// What a tombstone tells that the message did not: `deletedAt` and `changed`. Each message takes the room for it from the
/// first, so that no deletion, which is never refused, needs more than there is.
const TOMBSTONE_BYTES: usize = 64;

/// All that one input decided.
pub(crate) struct Decided {
    pub(crate) writes: Vec<Write>,
    pub(crate) effects: Vec<Effect>,
    head: LogHead,
    oldest: Seq,
    newest: Newest,
    known: BTreeMap<String, Participant>,
    /// The guests as they are now, if the input changes them.
    guests: Option<Rc<Guests>>,
}

impl Ledger {
    pub(crate) fn open(settings: &Settings, storage: &dyn Storage) -> Result<Self, StorageError> {
        let head = storage.head()?;
        let range = EntityRange {
            kind: EntityKind::Message,
            from: None,
            before: None,
            descending: true,
            limit: 1,
            bytes_max: usize::MAX,
        };
        let at = match storage.range(&range)?.first() {
            Some((_, json)) => from_json::<Message>(json)?.created_at,
            None => UnixMillis(0),
        };
        let oldest = storage.log(Seq::ZERO, 1)?.first().map(|row| row.seq);
        Ok(Self {
            oldest: oldest.unwrap_or(head.seq.next()),
            head,
            // How many share its time is not known.
            newest: Newest {
                at,
                count: TIED_MESSAGES_MAX,
                bytes: 0,
            },
            known: BTreeMap::new(),
            quota: Quota::new(settings.bytes_max),
            guests: RefCell::new(None),
        })
    }

    /// The guests that are stored.
    pub(crate) fn guests(&self, storage: &dyn Storage) -> Result<Rc<Guests>, StorageError> {
        if let Some(guests) = &*self.guests.borrow() {
            return Ok(Rc::clone(guests));
        }
        let guests = Rc::new(Guests::read(storage)?);
        self.guests.replace(Some(Rc::clone(&guests)));
        Ok(guests)
    }

    /// What may be stored.
    pub(crate) fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Where the log stands.
    pub(crate) fn head(&self) -> &LogHead {
        &self.head
    }

    /// The oldest event that is kept: a replay can not begin before it.
    pub(crate) fn oldest(&self) -> Seq {
        self.oldest
    }

    /// The newest message's time; `None` while there never was one.
    pub(crate) fn newest_at(&self) -> Option<UnixMillis> {
        Some(self.newest.at).filter(|at| *at > UnixMillis(0))
    }

    /// Counts what the store has taken, and hands out what follows from it.
    pub(crate) fn apply(&mut self, decided: Decided) -> Vec<Effect> {
        let Decided {
            writes: _,
            effects,
            head,
            oldest,
            newest,
            known,
            guests,
        } = decided;
        (self.head, self.oldest, self.newest) = (head, oldest, newest);
        if self.known.len() + known.len() > KNOWN_MAX {
            self.known.clear();
        }
        self.known.extend(known);
        if guests.is_some() {
            self.guests = RefCell::new(guests);
        }
        effects
    }
}

/// What one input decides, entry by entry.
pub(crate) struct Transaction<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) now: UnixMillis,
    pub(crate) random: &'a mut Random,
    ledger: &'a Ledger,
    sends: BTreeMap<String, SendRecord>,
    messages: BTreeMap<Seq, (StoredMessage, usize)>,
    written_bytes: usize,
    decided: Decided,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(
        ledger: &'a Ledger,
        storage: &'a dyn Storage,
        random: &'a mut Random,
        now: UnixMillis,
    ) -> Self {
        let decided = Decided {
            writes: Vec::new(),
            effects: Vec::new(),
            head: ledger.head.clone(),
            oldest: ledger.oldest,
            newest: ledger.newest,
            known: BTreeMap::new(),
            guests: None,
        };
        Self {
            storage,
            now,
            random,
            ledger,
            sends: BTreeMap::new(),
            messages: BTreeMap::new(),
            written_bytes: 0,
            decided,
        }
    }

    pub(crate) fn decided(self) -> Decided {
        self.decided
    }

    /// Adds something that follows once the input is stored.
    pub(crate) fn then(&mut self, effect: Effect) {
        self.decided.effects.push(effect);
    }

    /// Bytes of the entities that are to be written so far.
    pub(crate) fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// What it is to deliver to one connection what was decided so far, in bytes of text.
    pub(crate) fn delivered_bytes(&self) -> usize {
        let events = self.head().seq.0.saturating_sub(self.ledger.head.seq.0);
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        self.written_bytes
            .saturating_add(events.saturating_mul(EVENT_DELIVERY_BYTES))
    }

    /// Where the log stands with what was decided so far.
    pub(crate) fn head(&self) -> &LogHead {
        &self.decided.head
    }

    /// The place that the next event gets.
    pub(crate) fn next_seq(&self) -> Seq {
        self.decided.head.seq.next()
    }

    /// The time that the next message gets.
    pub(crate) fn stamp(&mut self) -> UnixMillis {
        self.decided.newest.stamp(self.now)
    }

    /// Appends an event at [`Self::next_seq`]. The very first one begins the log's life, and live peers learn
    /// its epoch before the event, so that they can come back to it.
    pub(crate) fn append(
        &mut self,
        kind: EventKind,
        entity: String,
        data: String,
        body: EventBody,
    ) {
        if self.decided.head.epoch.is_none() {
            self.begin();
        }
        let seq = self.next_seq();
        self.decided.head.seq = seq;
        self.decided.writes.push(Write::Append(LogRow {
            seq,
            kind,
            entity,
            data,
        }));
        self.then(Effect::Share(ServerFrame::Event { seq, body }));
    }

    /// Begins a life of the log: its first, or another in place of the one before. Everybody who is here learns
    /// its epoch.
    pub(crate) fn begin(&mut self) {
        let epoch = Epoch(self.random.hex(16));
        self.decided.head.epoch = Some(epoch.clone());
        self.decided.writes.push(Write::Begin(epoch.clone()));
        let seq = self.decided.head.seq;
        self.then(Effect::Share(ServerFrame::Head {
            epoch: Some(epoch),
            seq,
            recovered: None,
        }));
    }

    /// Forgets the log's events up to `to`.
    pub(crate) fn trim(&mut self, to: Seq) {
        self.decided.oldest = self.decided.oldest.max(to.next());
        self.decided.writes.push(Write::TrimLog(to));
    }

    pub(crate) fn note(&mut self, name: &'static str, value: String) {
        self.decided.writes.push(Write::Note(name, value));
    }

    pub(crate) fn put(&mut self, kind: EntityKind, key: EntityKey, json: String) {
        self.written_bytes += json.len();
        self.decided.writes.push(Write::Put(kind, key, json));
    }

    pub(crate) fn remove(&mut self, kind: EntityKind, key: EntityKey) {
        self.decided.writes.push(Write::Remove(kind, key));
    }

    /// Who `user_id` is here, if anybody.
    pub(crate) fn participant(
        &mut self,
        user_id: &str,
    ) -> Result<Option<Participant>, StorageError> {
        if let Some(known) = self
            .decided
            .known
            .get(user_id)
            .or_else(|| self.ledger.known.get(user_id))
        {
            return Ok(Some(known.clone()));
        }
        let found = self.storage.get(
            EntityKind::Participant,
            &EntityKey::Text(user_id.to_owned()),
        )?;
        let found = found.as_deref().map(from_json::<Participant>).transpose()?;
        let Some(participant) = found.filter(is_known) else {
            return Ok(None);
        };
        self.decided
            .known
            .insert(user_id.to_owned(), participant.clone());
        Ok(Some(participant))
    }

    /// Adds a participant when somebody is seen for the first time, and again when a token proves for the first time who they
    /// are. The first sight's time stays, and so does a proven role: see [`Self::meet_anew`].
    pub(crate) fn meet(
        &mut self,
        user_id: &str,
        role: Role,
        verified: bool,
    ) -> Result<(), StorageError> {
        match self.participant(user_id)? {
            Some(known) if known.verified || !verified => Ok(()),
            known => self.put_participant(known, user_id, role, verified),
        }
    }

    /// The same for somebody who comes in, or shows another token: the newest says what they are. What is sent says nothing
    /// of that, because connections with an older token, and a server's own, may go on sending.
    ///
    /// Whoever comes where the space is full comes in all the same, and is listed once there is room.
    pub(crate) fn meet_anew(
        &mut self,
        user_id: &str,
        principal: &Principal,
    ) -> Result<(), StorageError> {
        let role = principal.role;
        match self.participant(user_id)? {
            Some(known) if known.verified && known.role == role => Ok(()),
            _ if !self.has_room(principal)? => Ok(()),
            known => self.put_participant(known, user_id, role, true),
        }
    }

    fn put_participant(
        &mut self,
        known: Option<Participant>,
        user_id: &str,
        role: Role,
        verified: bool,
    ) -> Result<(), StorageError> {
        let participant = Participant {
            user_id: user_id.to_owned(),
            role,
            joined_at: known.map_or(self.now, |known| known.joined_at),
            verified,
        };
        let body = EventBody::Participant(participant.clone());
        self.append(
            EventKind::Participant,
            user_id.to_owned(),
            String::new(),
            body,
        );
        self.put(
            EntityKind::Participant,
            EntityKey::Text(user_id.to_owned()),
            to_json(&participant)?,
        );
        self.decided.known.insert(user_id.to_owned(), participant);
        let mut guests = Rc::unwrap_or_clone(self.guests()?);
        if guests.forget(user_id) {
            self.remove(EntityKind::Guest, EntityKey::Text(user_id.to_owned()));
            self.decided.guests = Some(Rc::new(guests));
        }
        Ok(())
    }

    /// Takes note of a sender whom no token has proven.
    pub(crate) fn greet(&mut self, user_id: &str, role: Role) -> Result<(), StorageError> {
        let guests = self.guests()?;
        if self.participant(user_id)?.is_some() || guests.is_known(user_id, self.now) {
            return Ok(());
        }
        let mut guests = Rc::unwrap_or_clone(guests);
        let Greeting { guest, forgotten } = guests.greet(user_id, role, self.now);
        let key = |id: &str| EntityKey::Text(id.to_owned());
        self.put(EntityKind::Guest, key(user_id), to_json(&guest)?);
        for id in forgotten {
            self.remove(EntityKind::Guest, key(&id));
        }
        self.decided.guests = Some(Rc::new(guests));
        Ok(())
    }

    /// The guests with what was decided so far.
    fn guests(&self) -> Result<Rc<Guests>, StorageError> {
        match &self.decided.guests {
            Some(guests) => Ok(Rc::clone(guests)),
            None => self.ledger.guests(self.storage),
        }
    }

    /// What was decided about a `clientMessageId`, in this input or before.
    pub(crate) fn send_record(&self, key: &str) -> Result<Option<SendRecord>, StorageError> {
        if let Some(record) = self.sends.get(key) {
            return Ok(Some(record.clone()));
        }
        let found = self
            .storage
            .get(EntityKind::Send, &EntityKey::Text(key.to_owned()))?;
        found.as_deref().map(from_json).transpose()
    }

    pub(crate) fn put_send_record(
        &mut self,
        key: String,
        record: SendRecord,
    ) -> Result<(), StorageError> {
        self.put(
            EntityKind::Send,
            EntityKey::Text(key.clone()),
            to_json(&record)?,
        );
        self.sends.insert(key, record);
        Ok(())
    }

    /// Refuses what would be stored where the space has reached its quota.
    ///
    /// # Errors
    /// With [`protocol::codes::ErrorCode::QuotaExceeded`], and when the store fails.
    pub(crate) fn check_quota(&self, principal: &Principal) -> Result<(), Failure> {
        if self.has_room(principal)? {
            return Ok(());
        }
        let bytes = self.storage.bytes()? + self.written_bytes as u64;
        Err(self.ledger.quota.refuse(bytes))
    }

    /// Whether the principal may store something.
    pub(crate) fn has_room(&self, principal: &Principal) -> Result<bool, StorageError> {
        let written = self.written_bytes as u64;
        let quota = &self.ledger.quota;
        // What was deleted since may have made room.
        Ok(quota.has_room(self.storage.bytes()? + written, principal)
            || quota.has_room(self.storage.measured_bytes()? + written, principal))
    }

    /// The message at `seq`, of this input or before; `None` where it is kept no longer, or never was. `purse` pays for the
    /// reading.
    pub(crate) fn message(
        &self,
        seq: Seq,
        purse: &mut Purse<'_>,
    ) -> Result<Option<StoredMessage>, Failure> {
        purse.open()?;
        let (stored, bytes) = match self.messages.get(&seq) {
            Some((stored, bytes)) => (Some(stored.clone()), *bytes),
            None => {
                let found = self
                    .storage
                    .get(EntityKind::Message, &EntityKey::Seq(seq))?;
                let bytes = found.as_ref().map_or(0, String::len);
                (found.as_deref().map(from_json).transpose()?, bytes)
            }
        };
        purse.pay(bytes)?;
        Ok(stored)
    }

    /// Appends a message, whose `seq` is [`Self::next_seq`].
    pub(crate) fn append_message(&mut self, stored: StoredMessage) -> Result<(), StorageError> {
        let body = EventBody::Message(Box::new(stored.message.clone()));
        self.append(EventKind::Message, String::new(), String::new(), body);
        self.decided.newest.bytes += self.put_message(stored)?;
        Ok(())
    }

    /// Puts the message's present state in place of the one before, and appends the event that tells of it:
    /// `changed` is [`Self::next_seq`].
    pub(crate) fn update_message(&mut self, stored: StoredMessage) -> Result<(), StorageError> {
        let entity = stored.message.seq.to_string();
        let body = EventBody::Update(Box::new(stored.message.clone()));
        self.append(EventKind::Update, entity, String::new(), body);
        self.put_message(stored)?;
        Ok(())
    }

    /// Gives the message's bytes.
    fn put_message(&mut self, stored: StoredMessage) -> Result<usize, StorageError> {
        let seq = stored.message.seq;
        let mut json = to_json(&stored)?;
        if stored.message.deleted_at.is_none() {
            // Blanks behind JSON mean nothing.
            let blanks = TOMBSTONE_BYTES.saturating_sub(stored.message.text.len());
            json.extend(std::iter::repeat_n(' ', blanks));
        }
        let bytes = json.len();
        self.put(EntityKind::Message, EntityKey::Seq(seq), json);
        // Only what comes in the same input asks for it; its own body is the price.
        self.messages.insert(seq, (stored, bytes));
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_never_decrease_and_are_shared_by_few() {
        let mut newest = Newest {
            at: UnixMillis(100),
            count: 1,
            bytes: 0,
        };
        assert_eq!(newest.stamp(UnixMillis(50)), UnixMillis(100));
        assert_eq!(newest.stamp(UnixMillis(101)), UnixMillis(101));
        for _ in 1..TIED_MESSAGES_MAX {
            assert_eq!(newest.stamp(UnixMillis(0)), UnixMillis(101));
        }
        assert_eq!(newest.stamp(UnixMillis(101)), UnixMillis(102));
        newest.bytes += PAGE_BYTES_MAX;
        assert_eq!(newest.stamp(UnixMillis(101)), UnixMillis(103));
        assert_eq!(newest.stamp(UnixMillis(101)), UnixMillis(103));
    }
}

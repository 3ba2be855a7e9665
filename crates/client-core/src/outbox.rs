//! What the app handed over and the space has not confirmed yet, in order: messages, edits, deletions.
//!
//! Owns the queue, whose each entry is, which entries this connection has already carried, and how they are packed
//! into frames. Must not know sockets, timers or calls of the app beyond who waits. An entry leaves by an ack or by
//! the user's choice, never because a connection ended: the next one carries it again under the same id, and the
//! server stores it once. One that was refused for good stays as failed, and the others go on without it.
//!
//! Source of the method: matrix-rust-sdk's send queue (ordered, persisted transaction ids, a refusal wedges only
//! its own entry).
//!
//! A path may not take each frame: a gateway closes connections on long ones. Where connections die one after the other
//! with the same first entry unconfirmed, what they carried goes again one at a time, each in a frame of its own, and
//! the entry that they still die of goes by HTTP, under the same id. Those as long as it follow it there for as long as
//! the connection lives. Where HTTP brings no answer either, the two ways take turns.

use std::collections::VecDeque;

use litemap::LiteMap;
use protocol::ids::{ClientMessageId, Epoch};
use protocol::incoming::{Envelope, outbox_frame};
use protocol::json::Json;
use protocol::limits::{
    CLIENT_FRAME_BYTES_MAX, OUTBOX_MESSAGES_MAX, OUTBOX_ROW_MS_MAX, RETRY_PERMITS,
};
use protocol::time::{Instant, UnixMillis};
use protocol::wire::Key;

use crate::entry::{Entry, Wait, Waiter};
use crate::error::{ClientError, Code};
use crate::identity::{Identity, is_unsigned, owns, sender};
use crate::io::{Operation, OutboxRow, Owner};

/// The queue.
#[derive(Clone, Debug)]
pub(crate) struct Outbox<J> {
    entries: VecDeque<Entry<J>>,
    /// Whose entries may be sent; `None` until there was a token.
    identity: Option<Identity>,
    /// Who uses the client, as the app says.
    user: Option<String>,
    /// What is done with here and not gone from the store yet: the store may have been read before.
    leaving: Vec<ClientMessageId>,
    /// Whether what is stored is still to come: it goes before what is added meanwhile.
    loading: bool,
    /// Whether somebody else may be sending what is stored.
    released: bool,
    /// Whether there is a store that can make entries safe.
    durable: bool,
    /// How many entries may be on their way unconfirmed. Halved when something goes wrong at the server, one more for
    /// each ack (additive increase as TCP's congestion control has it).
    window: usize,
    /// How long the server takes to allow [`RETRY_PERMITS`] more, in milliseconds, where it said that entries come too
    /// fast. Until the queue is empty no more than that leaves in that time: sending and being refused costs permits.
    pace_ms: Option<u64>,
    /// Pauses that the server wanted since the last ack.
    pauses: u32,
    /// The entry that stood first unconfirmed when the last connection died, and how many in a row died so.
    deaths: Option<(ClientMessageId, u32)>,
    /// So many entries more go one at a time: one of them may be what connections died of.
    alone: usize,
    /// The bytes of an entry that connections died of and HTTP took. Forgotten with the connection: another path may
    /// take it, and it may have been something else.
    too_long: Option<usize>,
}

/// How many connections in a row die with the same first entry before entries go one at a time.
const DEATHS_UNTIL_ALONE: u32 = 2;
/// How many of them die before that entry goes by HTTP. The last of them carried it alone.
const DEATHS_UNTIL_HTTP: u32 = 3;
const _: () = assert!(DEATHS_UNTIL_ALONE < DEATHS_UNTIL_HTTP);
/// The fewest bytes that a path is taken to mind: where connections died of less, it was not for the length.
const LONG_BYTES_MIN: usize = 1024;

/// The least that is waited before something is sent again, whatever a server says, in milliseconds.
pub(crate) const RETRY_MS_MIN: u64 = 50;
/// So many pauses in a row are so short; a server that means well needs no more.
const PAUSES_ALIKE: u32 = 3;
/// How often it doubles: to 1.6 s.
const RETRY_DOUBLINGS_MAX: u32 = 5;

/// Most bytes of a batch, unless a single entry is larger. Far below what a frame may have: over a slow link each
/// batch is a step that is not lost with the link.
const BATCH_BYTES_MAX: usize = 32 * 1024;
/// Most bytes on their way unconfirmed: over a slow link an ack would else come too late to tell a dead one.
const IN_FLIGHT_BYTES_MAX: usize = 128 * 1024;
const _: () = assert!(BATCH_BYTES_MAX < CLIENT_FRAME_BYTES_MAX);

impl<J: Json> Outbox<J> {
    /// An outbox of which nothing is known. `user`: who uses the client, as the app says.
    pub(crate) fn new(user: Option<String>) -> Self {
        Self {
            entries: VecDeque::new(),
            identity: None,
            user,
            leaving: Vec::new(),
            loading: false,
            released: false,
            durable: true,
            window: OUTBOX_MESSAGES_MAX,
            pace_ms: None,
            pauses: 0,
            deaths: None,
            alone: 0,
            too_long: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether an entry that is added now has to wait for the store to be safe.
    pub(crate) fn is_durable(&self) -> bool {
        self.durable
    }

    /// Takes an entry; `body_bytes` is a bound of its length as JSON text. Where there is no room, a failed change whose failure
    /// was told by a rejected call makes some, and is given. What somebody wrote stays until it is retried or discarded.
    pub(crate) fn add(
        &mut self,
        row: OutboxRow<J>,
        body_bytes: usize,
        waiters: Vec<Waiter>,
    ) -> Result<Option<Entry<J>>, ClientError> {
        let mut left = None;
        let own = self.entries.iter().filter(|entry| entry.shown).count();
        if own >= OUTBOX_MESSAGES_MAX {
            let told = self
                .entries
                .iter()
                .position(|entry| entry.told && entry.has_failed() && entry.target.is_some());
            left = told.and_then(|index| self.entries.remove(index));
            if left.is_none() {
                let text = format!(
                    "{OUTBOX_MESSAGES_MAX} messages wait to be sent already: wait until some are through, or \
                     discard() failed ones"
                );
                return Err(ClientError::new(Code::OutboxFull, text));
            }
        }
        let entry = Entry::new(row, body_bytes);
        let waits_for = self.own_message(entry.target());
        self.entries.push_back(Entry {
            waits_for,
            waiters,
            shown: true,
            safe: !self.durable,
            ..entry
        });
        Ok(left)
    }

    /// The store is asked what it holds: nothing leaves until it answers, if there is one. Tells whether there is.
    pub(crate) fn load(&mut self) -> bool {
        self.loading = self.durable;
        self.loading
    }

    /// Takes what the store held, of one tab or of several: it goes before all that was added here, in the order of time. Rows of
    /// the same load and scope are of one tab, and keep their order whatever the clock did. Known entries stay as they are. Of
    /// several edits of a message the newest is enough; gives the ids of the others.
    pub(crate) fn restore(&mut self, rows: Vec<OutboxRow<J>>) -> Vec<ClientMessageId> {
        self.loading = false;
        let mut taken = Vec::new();
        let mut last_of = LiteMap::<String, ClientMessageId>::new();
        for row in rows {
            let id = row.client_message_id.clone();
            if self.place(&id).is_some() || self.leaving.contains(&id) {
                continue;
            }
            let last = last_of.get(&row.scope).and_then(|last| self.place(last));
            let from = last.map_or(0, |last| last + 1);
            let is_later = |it: &Entry<J>| !it.loaded || it.row.added_at > row.added_at;
            let later = self.entries.iter().skip(from).position(is_later);
            let place = later.map_or(self.entries.len(), |later| from + later);
            last_of.insert(row.scope.clone(), id.clone());
            self.entries.insert(place, Entry::restored(row));
            taken.push(id);
        }
        let superseded: Vec<ClientMessageId> = taken
            .into_iter()
            .filter(|id| self.is_superseded(id))
            .collect();
        self.entries
            .retain(|entry| !superseded.contains(&entry.row.client_message_id));
        self.relink_changes();
        superseded
    }

    /// Whether an edit is followed by another one of the same message.
    fn is_superseded(&self, id: &ClientMessageId) -> bool {
        let mut from = self
            .entries
            .iter()
            .skip_while(|it| it.row.client_message_id != *id);
        let Some(entry) = from.next().filter(|entry| entry.edited().is_some()) else {
            return false;
        };
        from.any(|it| {
            let is_same = it.edited() == entry.edited() && it.row.owner == entry.row.owner;
            is_same && it.row.failure.is_none()
        })
    }

    /// The entry took the place of others that the store may hold.
    pub(crate) fn stands_for_others(&mut self, id: &ClientMessageId) {
        if let Some(entry) = self.get_mut(id) {
            entry.supersedes = true;
        }
    }

    /// Restored changes may be of messages that are on their way still.
    fn relink_changes(&mut self) {
        let message = |entry: &Entry<J>| self.own_message(entry.target());
        let messages: Vec<Option<ClientMessageId>> = self.entries.iter().map(message).collect();
        for (entry, message) in self.entries.iter_mut().zip(messages) {
            entry.waits_for = message;
        }
    }

    /// The message in the queue that a change names.
    fn own_message(&self, target: Option<&str>) -> Option<ClientMessageId> {
        let id = ClientMessageId(target?.to_owned());
        let is_message = |entry: &&Entry<J>| entry.row.operation == Operation::Send;
        self.get(&id).filter(is_message).map(|_| id)
    }

    /// The message `id` is stored as `stored`: its changes name that from now on, and may leave. Gives their ids. Without
    /// `stored` nobody knows what it became; the server will say so.
    pub(crate) fn release_changes_of(
        &mut self,
        id: &ClientMessageId,
        stored: Option<&J>,
    ) -> Vec<ClientMessageId> {
        let mut released = Vec::new();
        for entry in &mut self.entries {
            if entry.waits_for.take_if(|message| message == id).is_none() {
                continue;
            }
            if let Some(stored) = stored {
                let named = [(Key::MessageId, stored.clone())];
                let body = J::extended(&entry.row.body, &named);
                entry.replace_body(body);
            }
            released.push(entry.row.client_message_id.clone());
        }
        released
    }

    /// Takes the changes out that wait for the message `id`.
    pub(crate) fn take_changes_of(&mut self, id: &ClientMessageId) -> Vec<Entry<J>> {
        self.take_where(|entry| entry.waits_for.as_ref() == Some(id))
    }

    /// Takes the edits out that a later change of the same message makes pointless: no connection has carried them, or they
    /// failed.
    pub(crate) fn take_superseded(&mut self, target: &str) -> Vec<Entry<J>> {
        self.take_edits_of(target, |entry| !entry.carried || entry.has_failed())
    }

    /// Takes the failed edits out of the message that the edit `id` is of, which failed as well: one of them is enough to retry.
    pub(crate) fn take_failed_before(&mut self, id: &ClientMessageId) -> Vec<Entry<J>> {
        let edited = self.get(id).and_then(Entry::edited).map(str::to_owned);
        edited.map_or_else(Vec::new, |target| {
            self.take_edits_of(&target, |entry| {
                entry.has_failed() && entry.row.client_message_id != *id
            })
        })
    }

    /// Takes the app's own edits of a message out for which `is_due` holds.
    fn take_edits_of(&mut self, target: &str, is_due: impl Fn(&Entry<J>) -> bool) -> Vec<Entry<J>> {
        self.take_where(|entry| entry.edited() == Some(target) && entry.shown && is_due(entry))
    }

    /// Whether a deletion of the message is on its way.
    pub(crate) fn is_deleted(&self, target: &str) -> bool {
        self.entries.iter().any(|entry| {
            entry.row.operation == Operation::Delete
                && entry.shown
                && entry.row.failure.is_none()
                && entry.target() == Some(target)
        })
    }

    /// Whether a change of the message waits here, or is on its way.
    pub(crate) fn is_changing(&self, target: &str) -> bool {
        self.entries.iter().any(|entry| {
            entry.target() == Some(target) && entry.shown && entry.row.failure.is_none()
        })
    }

    /// Others may send what is stored: nothing leaves from here until [`Self::reclaim`]. Where nothing is stored, nobody else can.
    pub(crate) fn release(&mut self) {
        self.released = self.durable;
    }

    /// Whether others may be sending what is stored: nobody may change it here.
    pub(crate) fn is_released(&self) -> bool {
        self.released
    }

    /// The store is ours alone again, and these are all its rows. Gives the entries that were in it and are not any
    /// more: somebody else saw to them.
    pub(crate) fn reclaim(&mut self, rows: &[OutboxRow<J>]) -> Vec<Entry<J>> {
        self.released = false;
        let is_there = |entry: &Entry<J>| {
            let id = &entry.row.client_message_id;
            rows.iter().any(|row| row.client_message_id == *id)
        };
        self.take_where(|entry| entry.on_disk && !is_there(entry))
    }

    /// Takes the row in the place of what is known of it: another tab had it meanwhile, and may have sent or changed it. Its
    /// failure stays as it was. Gives whether it is another one by this; what was written here and is not on disk yet is newer.
    pub(crate) fn renew(&mut self, row: &OutboxRow<J>) -> bool {
        let target = row.body.get(Key::MessageId).and_then(|id| id.string());
        let waits_for = self.own_message(target.as_deref());
        let Some(entry) = self.get_mut(&row.client_message_id) else {
            return false;
        };
        entry.carried = true;
        let text = |row: &OutboxRow<J>| row.body.get(Key::Text).and_then(|text| text.string());
        let is_same = entry.has_failed() == row.failure.is_some()
            && entry.row.added_at == row.added_at
            && text(&entry.row) == text(row)
            && entry.target() == target.as_deref();
        if entry.unwritten > 0 || is_same {
            return false;
        }
        entry.row = OutboxRow {
            failure: entry.row.failure.take(),
            ..row.clone()
        };
        entry.replace_body(row.body.clone());
        entry.waits_for = waits_for;
        true
    }

    /// The row was given to the store.
    pub(crate) fn writing(&mut self, id: &ClientMessageId) {
        if let Some(entry) = self.get_mut(id) {
            entry.unwritten += 1;
        }
    }

    /// The store is to forget the row.
    pub(crate) fn removing(&mut self, id: &ClientMessageId) {
        if self.durable {
            self.leaving.push(id.clone());
        }
    }

    /// The row is gone from the store.
    pub(crate) fn removed(&mut self, id: &ClientMessageId) {
        self.leaving.retain(|leaving| leaving != id);
    }

    /// The row is on disk, as it was when it was given to the store. Gives the waiters that waited for that.
    pub(crate) fn persisted(&mut self, id: &ClientMessageId) -> Vec<Waiter> {
        let Some(entry) = self.get_mut(id) else {
            return Vec::new();
        };
        entry.on_disk = true;
        entry.unwritten = entry.unwritten.saturating_sub(1);
        if entry.unwritten > 0 {
            return Vec::new();
        }
        entry.safe = true;
        entry.take_waiters(Wait::Safe)
    }

    /// There is no store: memory is as safe as it gets. Gives the waiters that waited for it.
    pub(crate) fn persist_failed(&mut self) -> Vec<Waiter> {
        (self.durable, self.loading, self.released) = (false, false, false);
        self.leaving.clear();
        let mut waiters = Vec::new();
        for entry in &mut self.entries {
            (entry.safe, entry.on_disk) = (true, false);
            entry.unwritten = 0;
            waiters.extend(entry.take_waiters(Wait::Safe));
        }
        waiters
    }

    /// Takes the identity of the token in use. Entries that were added here before there was one are its own from
    /// now on; gives their ids.
    pub(crate) fn identify(&mut self, identity: Identity) -> Vec<ClientMessageId> {
        let mut bound = Vec::new();
        let unknown = |entry: &&mut Entry<J>| !entry.restored && entry.row.owner == Owner::Unknown;
        for entry in self.entries.iter_mut().filter(unknown) {
            entry.row.owner = identity.owner();
            bound.push(entry.row.client_message_id.clone());
        }
        self.identity = Some(identity);
        bound
    }

    /// Somebody else may use the client by now: what is added is of who is known next. Entries stay as they are shown until then.
    /// Whether anybody was known.
    pub(crate) fn forget_identity(&mut self) -> bool {
        self.identity.take().is_some()
    }

    /// Whether one of the rows is of who uses the client, or of whom the app says while no token came.
    pub(crate) fn owns_any(&self, rows: &[OutboxRow<J>]) -> bool {
        rows.iter().any(|row| self.shows(row))
    }

    /// Whose token is in use, if that is known.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whose an entry is that is added now.
    pub(crate) fn owner(&self, body: &J) -> Owner {
        let unsaid = self
            .identity
            .as_ref()
            .map_or(Owner::Unknown, Identity::owner);
        if matches!(unsaid, Owner::User(_)) {
            return unsaid;
        }
        // A sender that is said is more than whom the app says.
        let said = sender(body);
        let is_theirs = |user: &&String| said.is_none_or(|said| said.as_ref() == Some(*user));
        let user = self.user.as_ref().filter(is_theirs);
        user.map_or(unsaid, |user| Owner::User(user.clone()))
    }

    /// Whose a change is that is added now: of who wrote what it changes, where that is on its way as well.
    pub(crate) fn owner_of(&self, body: &J) -> Owner {
        let target = body.get(Key::MessageId).and_then(|id| id.string());
        let changed = target.and_then(|id| self.get(&ClientMessageId(id)));
        changed.map_or_else(|| self.owner(body), |entry| entry.row.owner.clone())
    }

    /// Ids of the entries that the app should see and does not, or the other way round.
    pub(crate) fn shown_changes(&self) -> Vec<(ClientMessageId, bool)> {
        let changes = |entry: &Entry<J>| {
            let mine = self.shows(&entry.row);
            // Until somebody is known, what is shown stays so, whoever wrote it.
            let is_due = mine != entry.shown && (mine || self.identity.is_some());
            is_due.then(|| (entry.row.client_message_id.clone(), mine))
        };
        self.entries.iter().filter_map(changes).collect()
    }

    /// Entries of ours that may not send themselves in the log's life `epoch` at the time `now`, and why.
    pub(crate) fn stale(
        &self,
        epoch: Option<&Epoch>,
        now: UnixMillis,
    ) -> Vec<(ClientMessageId, Code)> {
        let reason = |entry: &Entry<J>| {
            let row = &entry.row;
            // A log that has not begun is another life as well.
            let other_life = row.epoch.is_some() && row.epoch.as_ref() != epoch;
            if other_life {
                Some(Code::EpochChanged)
            } else if entry.restored && is_unsigned(self.identity.as_ref(), row) {
                Some(Code::OwnerUnknown)
            } else if now.ms_since(row.added_at) > OUTBOX_ROW_MS_MAX {
                Some(Code::OutboxExpired)
            } else {
                None
            }
        };
        self.entries
            .iter()
            .filter(|entry| self.may_go(entry))
            .filter_map(|entry| Some((entry.row.client_message_id.clone(), reason(entry)?)))
            .collect()
    }

    /// The machine's clock turned out to be wrong: entries of this life were added at another time than they say.
    /// Gives the ids of those that are another by that.
    pub(crate) fn correct_clock(
        &mut self,
        before: UnixMillis,
        after: UnixMillis,
    ) -> Vec<ClientMessageId> {
        let mut corrected = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| !entry.loaded) {
            let at = &mut entry.row.added_at;
            *at = UnixMillis(at.0.saturating_add(after.0).saturating_sub(before.0));
            corrected.push(entry.row.client_message_id.clone());
        }
        corrected
    }

    /// A new connection has carried nothing yet, and may carry all.
    pub(crate) fn link_changed(&mut self) {
        self.window = OUTBOX_MESSAGES_MAX;
        self.too_long = None;
        self.carry_again();
    }

    /// The connection died, and nobody said why: maybe of what it carried.
    pub(crate) fn link_died(&mut self) {
        let Some(first) = self.entries_awaiting_acks().next() else {
            return;
        };
        let id = first.row.client_message_id.clone();
        let before = self.deaths.take().filter(|(known, _)| *known == id);
        let deaths = before.map_or(1, |(_, deaths)| deaths.saturating_add(1));
        self.deaths = Some((id, deaths));
        if deaths >= DEATHS_UNTIL_ALONE {
            self.alone = self.alone.max(self.entries_awaiting_acks().count());
        }
    }

    /// HTTP brought no answer of the space for the entry: sockets have their turn, until one more dies of it.
    pub(crate) fn http_failed(&mut self, id: &ClientMessageId) {
        if let Some((_, deaths)) = self.deaths.as_mut().filter(|(it, _)| it == id) {
            *deaths = (*deaths).min(DEATHS_UNTIL_HTTP - 1);
        }
        self.too_long = None;
    }

    /// Whether sockets do not take the entry, as far as is known.
    fn goes_by_http(&self, entry: &Entry<J>) -> bool {
        let is_it = |(id, deaths): &(ClientMessageId, u32)| {
            *deaths >= DEATHS_UNTIL_HTTP && *id == entry.row.client_message_id
        };
        self.deaths.as_ref().is_some_and(is_it)
            || self.too_long.is_some_and(|bytes| entry.bytes >= bytes)
    }

    /// Whether the entry, if it is still here, goes by HTTP though there may be a socket.
    pub(crate) fn is_for_http(&self, id: &ClientMessageId) -> bool {
        self.get(id).is_some_and(|entry| self.goes_by_http(entry))
    }

    /// Whether what may leave next goes by HTTP though there may be a socket.
    pub(crate) fn is_next_for_http(&self) -> bool {
        let is_any = self.deaths.is_some() || self.too_long.is_some();
        is_any
            && self
                .next_alone()
                .is_some_and(|entry| self.goes_by_http(entry))
    }

    /// Whether a socket carried something that is not confirmed. A request has a deadline of its own.
    pub(crate) fn awaits_acks(&self) -> bool {
        self.entries_awaiting_acks().next().is_some()
    }

    fn entries_awaiting_acks(&self) -> impl Iterator<Item = &Entry<J>> {
        self.entries_in_flight()
            .filter(|entry| !self.goes_by_http(entry))
    }

    /// Takes the frames to transmit: what this connection has not carried and may, packed to fit. `scope` is the
    /// connection's own.
    pub(crate) fn take_frames(&mut self, scope: &str) -> Vec<J> {
        if self.released || self.loading {
            return Vec::new();
        }
        let mut frames = Vec::new();
        let mut batch: Vec<J> = Vec::new();
        let mut batch_bytes = 0;
        let batch_bytes_max = self
            .too_long
            .map_or(BATCH_BYTES_MAX, |bytes| bytes.min(BATCH_BYTES_MAX));
        let due = self.due();
        for (index, before) in &due {
            let Some(entry) = self.entries.get(*index) else {
                continue;
            };
            if batch_bytes + entry.bytes > batch_bytes_max && !batch.is_empty() {
                frames.push(pack(&mut batch));
                batch_bytes = 0;
            }
            let row = &entry.row;
            let before = before.and_then(|before| self.entries.get(before));
            let envelope = Envelope {
                word: row.operation.word(),
                client_message_id: &row.client_message_id,
                client_scope: Some(row.scope.as_str()).filter(|own| *own != scope),
                after: before.map(|before| &before.row.client_message_id),
            };
            batch.push(outbox_frame(envelope, &row.body));
            batch_bytes += entry.bytes;
        }
        if !batch.is_empty() {
            frames.push(pack(&mut batch));
        }
        for (index, _) in due {
            if let Some(entry) = self.entries.get_mut(index) {
                (entry.sent, entry.carried) = (true, true);
            }
        }
        frames
    }

    /// The entry that may leave next where one goes at a time; `None` while one is on its way. `Self::carry` notes
    /// that it left.
    pub(crate) fn next_alone(&self) -> Option<&Entry<J>> {
        if self.released || self.loading || self.in_flight() {
            return None;
        }
        let (index, _) = self.due().into_iter().next()?;
        self.entries.get(index)
    }

    /// The present connection carries the entry.
    pub(crate) fn carry(&mut self, id: &ClientMessageId) {
        if let Some(entry) = self.get_mut(id) {
            (entry.sent, entry.carried) = (true, true);
        }
    }

    /// Whether the present connection has carried the entry, and it is not confirmed.
    pub(crate) fn is_on_its_way(&self, id: &ClientMessageId) -> bool {
        self.get(id).is_some_and(|entry| entry.sent)
    }

    /// Places of the entries that may leave now, each with the place of the one of its scope right before it: the
    /// server keeps their order. By place, because this is asked at every ack, and mostly nothing is due.
    fn due(&self) -> Vec<(usize, Option<usize>)> {
        let mut due = Vec::new();
        let mut newest: LiteMap<&str, usize> = LiteMap::new_vec();
        let mut in_flight_bytes = 0;
        let mut edited: LiteMap<&str, ()> = LiteMap::new_vec();
        let mut places = self.allowed();
        // What was sent stands before what was not: the first entries of the queue are on their way.
        for (index, entry) in self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| self.may_go(entry))
        {
            match entry.waits_for.as_ref().map(|id| self.place(id)) {
                None => {}
                // What stands behind it was wanted later.
                Some(Some(place)) if place < index && self.may_go_at(place) => break,
                // It goes when that is tried again, which puts a message behind it.
                Some(_) => continue,
            }
            if places == 0 {
                break;
            }
            places -= 1;
            if let Some(target) = entry.edited() {
                let is_second = edited.insert(target, ()).is_some();
                if is_second && !entry.sent {
                    // One edit of a message at a time: those that come until its ack collapse to the newest.
                    break;
                }
            }
            if entry.supersedes && !entry.safe && !entry.sent {
                break;
            }
            let is_first = in_flight_bytes == 0;
            let goes_by_http = self.goes_by_http(entry);
            if goes_by_http && !is_first {
                break;
            }
            in_flight_bytes += entry.bytes;
            let before = newest.insert(entry.row.scope.as_str(), index);
            if goes_by_http {
                // Nothing overtakes a request.
                due.extend((!self.in_flight()).then_some((index, before)));
                break;
            }
            if entry.sent {
                continue;
            }
            if in_flight_bytes > IN_FLIGHT_BYTES_MAX && !is_first {
                break;
            }
            due.push((index, before));
        }
        due
    }

    /// Takes an entry out: it was stored.
    pub(crate) fn take_stored(&mut self, id: &ClientMessageId) -> Option<Entry<J>> {
        // An event and an ack tell of the same entry.
        let stored = self.remove(id)?;
        self.window = (self.window + 1).min(OUTBOX_MESSAGES_MAX);
        self.pauses = 0;
        self.alone = self.alone.saturating_sub(1);
        if let Some((_, deaths)) = self.deaths.take_if(|(it, _)| it == id)
            && deaths >= DEATHS_UNTIL_HTTP
            && stored.bytes >= LONG_BYTES_MIN
        {
            self.too_long = Some(stored.bytes);
        }
        if !self.entries.iter().any(|entry| self.may_go(entry)) {
            (self.pace_ms, self.alone) = (None, 0);
        }
        Some(stored)
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, id: &ClientMessageId) -> Option<Entry<J>> {
        let index = self.place(id)?;
        self.entries.remove(index)
    }

    /// Puts an entry behind all others: it is tried again.
    pub(crate) fn put_back(&mut self, entry: Entry<J>) {
        self.entries.push_back(Entry {
            sent: false,
            // Its time is of this life from now on, and what is loaded later goes before it.
            loaded: false,
            ..entry
        });
    }

    /// The id of the message among the entries whose stored form carries this trace. Whether it was carried from here
    /// does not matter: another tab may have seen to it.
    pub(crate) fn traced(&self, trace: u64) -> Option<ClientMessageId> {
        let is_it =
            |entry: &&Entry<J>| entry.trace == trace && entry.row.operation == Operation::Send;
        let entry = self.entries.iter().find(is_it)?;
        Some(entry.row.client_message_id.clone())
    }

    /// How many entries may be on their way unconfirmed.
    fn allowed(&self) -> usize {
        if self.alone > 0 {
            return 1;
        }
        match self.pace_ms {
            Some(_) => self.window.min(RETRY_PERMITS as usize),
            None => self.window,
        }
    }

    /// Entries come too fast: the server allows [`RETRY_PERMITS`] in this time.
    pub(crate) fn set_pace(&mut self, pace_ms: u64) {
        self.pace_ms = Some(pace_ms);
    }

    /// How long entries that have not left have to wait after those that just did.
    pub(crate) fn pause_ms(&self) -> Option<u64> {
        let waits =
            |entry: &Entry<J>| !entry.sent && entry.waits_for.is_none() && self.may_go(entry);
        self.pace_ms.filter(|_| self.entries.iter().any(waits))
    }

    /// The server wants a pause. Returns the least that is waited, in milliseconds, whatever the server says: the longer, the
    /// more pauses passed in which nothing was stored.
    pub(crate) fn start_pause(&mut self) -> u64 {
        self.pauses = self.pauses.saturating_add(1);
        RETRY_MS_MIN
            << self
                .pauses
                .saturating_sub(PAUSES_ALIKE)
                .min(RETRY_DOUBLINGS_MAX)
    }

    /// The server wants a pause: from now on fewer are on their way at once.
    pub(crate) fn slow_down(&mut self) {
        self.window = (self.window / 2).max(1);
    }

    /// Sends one entry at a time, and one more for each ack.
    pub(crate) fn send_one_at_a_time(&mut self) {
        self.window = 1;
    }

    /// Returns the only unconfirmed entry that this connection carried, or `None` if there are several or none.
    pub(crate) fn only_in_flight(&self) -> Option<ClientMessageId> {
        let mut in_flight = self.entries_in_flight();
        let only = in_flight.next().filter(|_| in_flight.next().is_none())?;
        Some(only.row.client_message_id.clone())
    }

    /// Whether the present connection carried something that is not confirmed.
    pub(crate) fn in_flight(&self) -> bool {
        self.entries_in_flight().next().is_some()
    }

    fn entries_in_flight(&self) -> impl Iterator<Item = &Entry<J>> {
        self.entries
            .iter()
            .filter(|entry| entry.sent && entry.row.failure.is_none())
    }

    /// Everything that is not confirmed is carried again, in order.
    pub(crate) fn carry_again(&mut self) {
        for entry in &mut self.entries {
            entry.sent = false;
        }
    }

    /// When the first of the waiters for an ack has waited long enough.
    pub(crate) fn next_overdue(&self) -> Option<Instant> {
        let waiters = self.entries.iter().flat_map(|entry| &entry.waiters);
        let ends = waiters.filter_map(|waiter| match waiter.wait {
            Wait::Ack { until } => Some(until),
            Wait::Safe | Wait::Stored => None,
        });
        ends.min()
    }

    /// Takes the waiters off that wait for `end`; the entries stay.
    pub(crate) fn take_waiters(&mut self, end: Wait) -> Vec<(ClientMessageId, Waiter)> {
        let mut taken = Vec::new();
        for entry in &mut self.entries {
            let waiters = entry.take_waiters(end).into_iter();
            taken.extend(waiters.map(|waiter| (entry.row.client_message_id.clone(), waiter)));
        }
        taken
    }

    /// Entries whose waiters wait for `end`.
    pub(crate) fn waited_for(&self, end: Wait) -> Vec<ClientMessageId> {
        let waits = |entry: &&Entry<J>| entry.waiters.iter().any(|waiter| waiter.wait == end);
        let waited_for = self.entries.iter().filter(waits);
        waited_for
            .map(|entry| entry.row.client_message_id.clone())
            .collect()
    }

    /// Takes every entry out.
    pub(crate) fn take_all(&mut self) -> Vec<Entry<J>> {
        self.take_where(|_| true)
    }

    pub(crate) fn get(&self, id: &ClientMessageId) -> Option<&Entry<J>> {
        self.entries.get(self.place(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &ClientMessageId) -> Option<&mut Entry<J>> {
        let index = self.place(id)?;
        self.entries.get_mut(index)
    }

    fn take_where(&mut self, taken: impl Fn(&Entry<J>) -> bool) -> Vec<Entry<J>> {
        let (out, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(taken);
        self.entries = kept;
        out.into()
    }

    fn may_go(&self, entry: &Entry<J>) -> bool {
        entry.row.failure.is_none() && self.is_mine(entry)
    }

    fn may_go_at(&self, place: usize) -> bool {
        self.entries
            .get(place)
            .is_some_and(|entry| self.may_go(entry))
    }

    fn is_mine(&self, entry: &Entry<J>) -> bool {
        self.owns(&entry.row)
    }

    /// Whether a row may be sent with the token in use.
    fn owns(&self, row: &OutboxRow<J>) -> bool {
        match (&self.identity, &row.owner) {
            (None, _) => false,
            // A token that names nobody is of whom the app says.
            (Some(Identity(None)), Owner::User(owner)) => self.user.as_ref() == Some(owner),
            (Some(identity), _) => owns(identity, row),
        }
    }

    /// Whether a row is shown: to who is known, or else to whom the app says.
    fn shows(&self, row: &OutboxRow<J>) -> bool {
        match (&self.identity, &self.user) {
            (None, Some(user)) => owns(&Identity(Some(user.clone())), row),
            _ => self.owns(row),
        }
    }

    fn place(&self, id: &ClientMessageId) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.row.client_message_id == *id)
    }
}

fn pack<J: Json>(batch: &mut Vec<J>) -> J {
    let packed = match batch.as_slice() {
        [single] => single.clone(),
        several => J::array(several),
    };
    batch.clear();
    packed
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SCOPE: &str = "own";

    fn row(name: &str) -> OutboxRow<Value> {
        OutboxRow {
            client_message_id: ClientMessageId(name.to_owned()),
            operation: Operation::Send,
            body: json!({"text": name}),
            owner: Owner::Bearer,
            scope: SCOPE.to_owned(),
            epoch: None,
            added_at: UnixMillis(0),
            failure: None,
            adopted: false,
            fresh: false,
        }
    }

    fn empty() -> Outbox<Value> {
        let mut outbox = Outbox::new(None);
        outbox.identify(Identity(None));
        outbox
    }

    fn filled(names: &[&str]) -> Outbox<Value> {
        let mut outbox = empty();
        for name in names {
            outbox.add(row(name), 20, Vec::new()).unwrap();
        }
        outbox
    }

    fn id(name: &str) -> ClientMessageId {
        ClientMessageId(name.to_owned())
    }

    /// The texts that the next frames carry.
    fn carried(outbox: &mut Outbox<Value>) -> Vec<String> {
        let text = |entry: &Value| entry["text"].as_str().unwrap_or_default().to_owned();
        let entries = |frame: Value| match frame {
            Value::Array(entries) => entries,
            single @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)) => vec![single],
        };
        let frames = outbox.take_frames(SCOPE);
        frames
            .into_iter()
            .flat_map(entries)
            .map(|entry| text(&entry))
            .collect()
    }

    #[test]
    fn one_message_is_an_object_and_several_are_a_batch() {
        let mut outbox = filled(&["a"]);
        let frames = outbox.take_frames(SCOPE);
        assert_eq!(
            frames,
            [json!({"type": "message", "clientMessageId": "a", "text": "a"})]
        );
        assert!(outbox.take_frames(SCOPE).is_empty(), "carried once");
        outbox.add(row("b"), 20, Vec::new()).unwrap();
        outbox.add(row("c"), 20, Vec::new()).unwrap();
        assert_eq!(
            outbox.take_frames(SCOPE)[0].as_array().map(Vec::len),
            Some(2)
        );
        outbox.link_changed();
        assert_eq!(
            carried(&mut outbox),
            ["a", "b", "c"],
            "a new link carries all again"
        );
    }

    #[test]
    fn what_an_event_and_an_ack_tell_of_is_counted_once() {
        let names = ["a", "b", "c", "d"];
        let mut outbox = filled(&names);
        for _ in 0..DEATHS_UNTIL_ALONE {
            carried(&mut outbox);
            outbox.link_died();
            outbox.link_changed();
        }
        for name in names {
            assert_eq!(carried(&mut outbox), [name]);
            assert!(outbox.take_stored(&id(name)).is_some());
            assert!(outbox.take_stored(&id(name)).is_none());
        }
    }

    #[test]
    fn an_entry_of_another_scope_says_so() {
        let mut outbox = empty();
        let adopted = OutboxRow {
            scope: "other".into(),
            ..row("a")
        };
        outbox.restore(vec![adopted, row("b")]);
        let frames = outbox.take_frames(SCOPE);
        assert_eq!(frames[0][0]["clientScope"], "other");
        assert_eq!(frames[0][1].get("clientScope"), None);
    }

    #[test]
    fn batches_are_split_and_what_is_on_its_way_is_bounded() {
        let mut outbox = empty();
        for index in 0..30 {
            outbox
                .add(row(&index.to_string()), 10 * 1024, Vec::new())
                .unwrap();
        }
        outbox.add(row("large"), 200 * 1024, Vec::new()).unwrap();
        let sizes = |outbox: &mut Outbox<Value>| -> Vec<usize> {
            let size = |frame: &Value| frame.as_array().map_or(1, Vec::len);
            outbox.take_frames(SCOPE).iter().map(size).collect()
        };
        assert_eq!(sizes(&mut outbox), [3, 3, 3, 3]);
        assert_eq!(sizes(&mut outbox), [0; 0], "until some are confirmed");
        assert!(outbox.in_flight());
        for index in 0..30 {
            outbox.take_stored(&id(&index.to_string()));
            sizes(&mut outbox);
        }
        assert_eq!(carried(&mut outbox), [""; 0]);
        assert!(
            outbox.get(&id("large")).unwrap().sent,
            "the large one goes alone"
        );
    }

    #[test]
    fn the_outbox_is_bounded_and_says_so() {
        let mut outbox = empty();
        let edit = OutboxRow {
            operation: Operation::Edit,
            body: json!({"messageId": "m1-0", "text": "x"}),
            ..row("edit")
        };
        outbox.add(edit, 10, Vec::new()).unwrap();
        for index in 1..OUTBOX_MESSAGES_MAX {
            outbox.add(row(&index.to_string()), 10, Vec::new()).unwrap();
        }
        assert_eq!(
            outbox.add(row("more"), 10, Vec::new()).unwrap_err().code,
            Code::OutboxFull
        );
        let fail = |outbox: &mut Outbox<Value>, name: &str| {
            let told = outbox.get_mut(&id(name)).unwrap();
            told.row.failure = Some(ClientError::new(Code::Closed, "x"));
            told.told = true;
        };
        fail(&mut outbox, "7");
        let full = outbox.add(row("more"), 10, Vec::new()).unwrap_err();
        assert_eq!(full.code, Code::OutboxFull, "what somebody wrote stays");
        fail(&mut outbox, "edit");
        let left = outbox.add(row("more"), 10, Vec::new()).unwrap().unwrap();
        assert_eq!(left.row.client_message_id, id("edit"), "its sender knows");
        outbox.restore(vec![row("older")]);
        assert!(
            outbox.get(&id("older")).is_some(),
            "nothing that was stored is lost"
        );
    }

    #[test]
    fn an_entry_says_what_it_comes_after() {
        let mut outbox = filled(&["a", "b"]);
        let other = OutboxRow {
            scope: "other".into(),
            ..row("x")
        };
        outbox.add(other, 10, Vec::new()).unwrap();
        let frames = outbox.take_frames(SCOPE);
        let after: Vec<&Value> = (0..3).map(|index| &frames[0][index]["after"]).collect();
        assert_eq!(after, [&Value::Null, &json!("a"), &Value::Null]);
        outbox.add(row("c"), 10, Vec::new()).unwrap();
        assert_eq!(outbox.take_frames(SCOPE)[0]["after"], "b");
        for name in ["a", "b", "c"] {
            outbox.take_stored(&id(name));
        }
        outbox.add(row("d"), 10, Vec::new()).unwrap();
        assert_eq!(outbox.take_frames(SCOPE)[0].get("after"), None);
    }

    #[test]
    fn a_client_that_was_asked_to_pause_sends_less_at_once_and_more_with_each_ack() {
        let mut outbox = filled(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(carried(&mut outbox).len(), 6);
        for _ in 0..12 {
            outbox.slow_down();
        }
        outbox.carry_again();
        assert_eq!(carried(&mut outbox).len(), 1);
        outbox.take_stored(&id("a"));
        assert_eq!(carried(&mut outbox).len(), 2);
        outbox.link_changed();
        assert_eq!(
            carried(&mut outbox).len(),
            5,
            "another link has another limit"
        );
    }

    #[test]
    fn a_failed_entry_stays_and_the_others_go_on() {
        let mut outbox = filled(&["a", "b", "c"]);
        outbox.get_mut(&id("b")).unwrap().row.failure = Some(ClientError::new(Code::Closed, "x"));
        assert_eq!(carried(&mut outbox), ["a", "c"]);
        let entry = outbox.remove(&id("b")).unwrap();
        outbox.put_back(Entry {
            row: row("b"),
            ..entry
        });
        assert_eq!(carried(&mut outbox), ["b"]);
    }

    #[test]
    fn one_edit_of_a_message_is_on_its_way_at_a_time() {
        let mut outbox = empty();
        let edit = |name: &str, target: &str| OutboxRow {
            operation: Operation::Edit,
            body: json!({"text": name, "messageId": target}),
            ..row(name)
        };
        for (name, target) in [("a1", "a"), ("b1", "b"), ("a2", "a")] {
            outbox.add(edit(name, target), 10, Vec::new()).unwrap();
        }
        outbox.add(row("later"), 10, Vec::new()).unwrap();
        assert_eq!(carried(&mut outbox), ["a1", "b1"]);
        assert_eq!(carried(&mut outbox), [""; 0]);
        let superseded = outbox.take_superseded("a");
        assert_eq!(superseded.len(), 1, "the one that waits");
        outbox.add(edit("a3", "a"), 10, Vec::new()).unwrap();
        assert_eq!(carried(&mut outbox), ["later"]);
        outbox.take_stored(&id("a1"));
        assert_eq!(carried(&mut outbox), ["a3"]);
    }

    #[test]
    fn restored_entries_go_first_and_only_once() {
        let mut outbox = filled(&["new", "old1"]);
        outbox.load();
        assert_eq!(carried(&mut outbox), [""; 0], "nothing overtakes them");
        let mut broken = outbox.clone();
        broken.persist_failed();
        broken.load();
        assert_eq!(carried(&mut broken), ["new", "old1"], "no store, no wait");
        outbox.restore(vec![row("old0"), row("old1")]);
        assert_eq!(carried(&mut outbox), ["old0", "new", "old1"]);
    }

    #[test]
    fn rows_of_several_loads_keep_the_order_they_were_written_in() {
        let at = |name: &str, ms: u64| OutboxRow {
            added_at: UnixMillis(ms),
            ..row(name)
        };
        let by = |scope: &str, row: OutboxRow<Value>| OutboxRow {
            scope: scope.to_owned(),
            ..row
        };
        let edit = |name: &str, ms: u64| OutboxRow {
            operation: Operation::Edit,
            body: json!({"text": name, "messageId": "m"}),
            ..at(name, ms)
        };
        let mut outbox = filled(&["new"]);
        outbox.load();
        outbox.restore(vec![at("a1", 10), edit("e1", 20), at("a3", 30)]);
        let b = [edit("e0", 15), at("b1", 25), at("b2", 24)].map(|row| by("b", row));
        let c = [at("c1", 5), at("c2", 26)].map(|row| by("c", row));
        let superseded = outbox.restore([b.as_slice(), &c].concat());
        assert_eq!(superseded, [id("e0")]);
        let retried = outbox.remove(&id("c2")).unwrap();
        outbox.put_back(retried);
        outbox.restore(vec![edit("e2", 31)]);
        let order = outbox.entries.iter();
        let order: Vec<&str> = order.map(|it| it.row.client_message_id.as_str()).collect();
        assert_eq!(
            order,
            ["c1", "a1", "e1", "b1", "b2", "a3", "e2", "new", "c2"]
        );
    }

    #[test]
    fn nothing_is_sent_under_another_identity() {
        let of = |name: &str, owner: Owner| OutboxRow { owner, ..row(name) };
        let named = |name: &str, sender: &str| OutboxRow {
            owner: Owner::Unknown,
            body: json!({"senderId": sender, "text": name}),
            ..row(name)
        };
        let check = |sub: Option<&str>, shown: usize, expected: &[&str]| {
            let mut outbox = Outbox::new(None);
            outbox.restore(vec![
                of("ada's", Owner::User("ada".into())),
                of("bo's", Owner::User("bo".into())),
                of("anybody's", Owner::Bearer),
                of("nobody knows whose", Owner::Unknown),
                named("ada's by name", "ada"),
            ]);
            assert_eq!(carried(&mut outbox), [""; 0], "no token, no identity");
            outbox.identify(Identity(sub.map(str::to_owned)));
            assert_eq!(outbox.shown_changes().len(), shown, "{sub:?}");
            for (id, code) in outbox.stale(None, UnixMillis(0)) {
                assert_eq!(
                    (id.as_str(), code),
                    ("nobody knows whose", Code::OwnerUnknown)
                );
                outbox.get_mut(&id).unwrap().row.failure = Some(ClientError::new(code, "x"));
            }
            assert_eq!(carried(&mut outbox), expected, "{sub:?}");
        };
        check(Some("ada"), 3, &["ada's", "ada's by name"]);
        check(Some("bo"), 2, &["bo's"]);
        check(Some("cy"), 1, &[]);
        check(
            None,
            3,
            &["anybody's", "nobody knows whose", "ada's by name"],
        );
    }

    #[test]
    fn what_was_added_before_there_was_a_token_is_the_first_token_s() {
        let mut outbox = Outbox::new(None);
        let unknown = OutboxRow {
            owner: outbox.owner(&json!({})),
            ..row("a")
        };
        outbox.add(unknown, 10, Vec::new()).unwrap();
        assert_eq!(outbox.identify(Identity(Some("ada".into()))), [id("a")]);
        assert_eq!(outbox.owner(&json!({})), Owner::User("ada".into()));
        assert_eq!(carried(&mut outbox), ["a"]);
        outbox.link_changed();
        outbox.identify(Identity(Some("bo".into())));
        assert_eq!(carried(&mut outbox), [""; 0], "and stays so");
    }

    #[test]
    fn old_entries_and_those_of_another_life_of_the_log_do_not_send_themselves() {
        let mut outbox = filled(&["fresh"]);
        let epoch = |name: &str| Some(Epoch(name.to_owned()));
        outbox.restore(vec![OutboxRow {
            epoch: epoch("a"),
            ..row("a's")
        }]);
        let now = UnixMillis(OUTBOX_ROW_MS_MAX);
        assert_eq!(outbox.stale(epoch("a").as_ref(), now), []);
        for other in [None, epoch("b")] {
            assert_eq!(
                outbox.stale(other.as_ref(), now),
                [(id("a's"), Code::EpochChanged)]
            );
        }
        let late = outbox.stale(epoch("a").as_ref(), now.plus_ms(1));
        assert_eq!(
            late,
            [
                (id("a's"), Code::OutboxExpired),
                (id("fresh"), Code::OutboxExpired)
            ]
        );
    }

    #[test]
    fn a_change_that_waits_for_a_failed_message_takes_nobody_s_turn() {
        let mut outbox = filled(&["a"]);
        let edit = OutboxRow {
            operation: Operation::Edit,
            body: json!({"messageId": "a", "text": "edit"}),
            ..row("edit")
        };
        outbox.add(edit, 20, Vec::new()).unwrap();
        outbox.add(row("b"), 20, Vec::new()).unwrap();
        let failure = ClientError::new(Code::EpochChanged, "x");
        outbox.get_mut(&id("a")).unwrap().row.failure = Some(failure);
        outbox.send_one_at_a_time();
        assert_eq!(carried(&mut outbox), ["b"]);
    }

    #[test]
    fn a_released_outbox_sends_nothing_and_forgets_what_others_sent() {
        let mut outbox = filled(&["on disk", "on its way to disk", "sent by another tab"]);
        outbox.persisted(&id("on disk"));
        outbox.persisted(&id("sent by another tab"));
        let mut broken = outbox.clone();
        broken.release();
        broken.persist_failed();
        assert!(
            broken.reclaim(&[]).is_empty(),
            "without a disk nobody can have found them"
        );
        outbox.release();
        assert_eq!(carried(&mut outbox), [""; 0]);
        let gone = outbox.reclaim(&[row("on disk")]);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].row.client_message_id, id("sent by another tab"));
        assert_eq!(carried(&mut outbox), ["on disk", "on its way to disk"]);
    }

    #[test]
    fn a_message_knows_its_own_stored_form() {
        let outbox = filled(&["a", "b"]);
        assert_eq!(outbox.traced(id("a").trace()), Some(id("a")));
        assert_eq!(outbox.traced(7), None);
    }
}

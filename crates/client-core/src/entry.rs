//! One thing on its way: what it is, who waits for it, and how safe it is.
//!
//! Owns what is known of it by itself. Must not know the others, nor their order: see [`crate::outbox`].

use protocol::codes::ErrorCode;
use protocol::ids::ClientMessageId;
use protocol::json::Json;
use protocol::time::Instant;
use protocol::wire::Key;

use crate::error::{ClientError, Code};
use crate::io::{CallId, Operation, OutboxRow};

/// Room in a frame for brackets, commas and what is laid over a body.
const FRAME_OVERHEAD_BYTES: usize = 512;

/// Who waits for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) call: CallId,
    pub(crate) wait: Wait,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// That the entry outlives the page.
    Safe,
    /// The ack, as long as there is a connection that can bring it soon, and until then at most.
    Ack { until: Instant },
    /// The ack, however long it takes: the call was made with `{until: 'stored'}`.
    Stored,
}

impl Wait {
    /// Whether it ends with what `end` names. Acks whose time ends later are waited for on.
    fn ends_with(self, end: Self) -> bool {
        match (self, end) {
            (Self::Ack { until: own }, Self::Ack { until }) => own <= until,
            (Self::Ack { .. } | Self::Safe | Self::Stored, _) => self == end,
        }
    }
}

/// Something on its way.
#[derive(Clone, Debug)]
pub(crate) struct Entry<J> {
    pub(crate) row: OutboxRow<J>,
    pub(crate) waiters: Vec<Waiter>,
    /// The message that it changes, by the id that its row names; `None` for a message.
    pub(crate) target: Option<String>,
    /// The own message that it changes, where that is on its way as well: it leaves once that is stored.
    pub(crate) waits_for: Option<ClientMessageId>,
    /// Whether it came from the store.
    pub(crate) loaded: bool,
    /// Whether an earlier life of a page wrote it.
    pub(crate) restored: bool,
    /// Whether the present connection has carried it.
    pub(crate) sent: bool,
    /// Whether some connection may have carried it, in this life of the page or an earlier one.
    pub(crate) carried: bool,
    /// Whether it is as safe as it gets: on disk, or in memory where there is no disk.
    pub(crate) safe: bool,
    /// Whether its row is on disk, where another tab may find it.
    pub(crate) on_disk: bool,
    /// How many times its row was given to the store and not confirmed yet.
    pub(crate) unwritten: u32,
    /// Whether it took the place of others that the store may hold: it leaves once it is there itself. Else a page that ends in
    /// between would find the older ones, and send them after it.
    pub(crate) supersedes: bool,
    /// Whether the app was told of it: entries of somebody else are kept and not shown.
    pub(crate) shown: bool,
    /// Whether the app was told of its failure by a rejected call.
    pub(crate) told: bool,
    /// What the stored message's id will carry of it.
    pub(crate) trace: u64,
    /// Bound of its bytes in a frame.
    pub(crate) bytes: usize,
}

impl<J: Json> Entry<J> {
    pub(crate) fn new(row: OutboxRow<J>, body_bytes: usize) -> Self {
        Self {
            target: target_of(&row),
            trace: row.client_message_id.trace(),
            bytes: body_bytes + FRAME_OVERHEAD_BYTES,
            row,
            waiters: Vec::new(),
            waits_for: None,
            loaded: false,
            restored: false,
            sent: false,
            carried: false,
            safe: false,
            on_disk: false,
            unwritten: 0,
            supersedes: false,
            shown: false,
            told: false,
        }
    }

    /// An entry that the store held: what became of it before is not known.
    pub(crate) fn restored(row: OutboxRow<J>) -> Self {
        let bytes = bytes_of(&row.body);
        Self {
            loaded: true,
            restored: !row.fresh,
            carried: true,
            safe: true,
            on_disk: true,
            ..Self::new(row, bytes)
        }
    }

    /// The message that it changes.
    pub(crate) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The message that it gives another text.
    pub(crate) fn edited(&self) -> Option<&str> {
        self.target()
            .filter(|_| self.row.operation == Operation::Edit)
    }

    /// Whether its body may be another one: no connection has carried it, or the server has refused it.
    pub(crate) fn is_open(&self) -> bool {
        !self.carried || self.row.failure.as_ref().is_some_and(is_refusal)
    }

    /// Whether it does not send itself any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.row.failure.is_some()
    }

    /// Its body is another one from now on.
    pub(crate) fn replace_body(&mut self, body: J) {
        self.bytes = bytes_of(&body) + FRAME_OVERHEAD_BYTES;
        self.row.body = body;
        self.target = target_of(&self.row);
    }

    /// Takes the waiters off that wait for `end`.
    pub(crate) fn take_waiters(&mut self, end: Wait) -> Vec<Waiter> {
        let (taken, kept) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|waiter| waiter.wait.ends_with(end));
        self.waiters = kept;
        taken
    }
}

/// Whether the same entry may be taken a little later, or on the next connection.
pub(crate) fn passes_by_itself(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::RateLimited
            | ErrorCode::OutOfOrder
            | ErrorCode::StorageFull
            | ErrorCode::Internal
            | ErrorCode::TokenExpired
            | ErrorCode::TokenInvalid
            | ErrorCode::SpaceMismatch
            | ErrorCode::IdentityRequired
            | ErrorCode::NotAuthenticated
            | ErrorCode::SlowConsumer
    )
}

/// Whether the server has refused an entry with this error. What refuses a connection says nothing of what it carried.
fn is_refusal(error: &ClientError) -> bool {
    const OF_CONNECTIONS: [ErrorCode; 5] = [
        // Of either: who lacks a capability may not even come in, by its token.
        ErrorCode::CapRequired,
        ErrorCode::OriginRefused,
        ErrorCode::SpaceIdRequired,
        ErrorCode::GatewayKeyInvalid,
        ErrorCode::TokenMissing,
    ];
    let is_of_entry = |code| !passes_by_itself(code) && !OF_CONNECTIONS.contains(&code);
    matches!(error.code, Code::Server(code) if is_of_entry(code))
}

fn target_of<J: Json>(row: &OutboxRow<J>) -> Option<String> {
    match row.operation {
        Operation::Send => None,
        Operation::Edit | Operation::Delete => row.body.get(Key::MessageId)?.string(),
    }
}

/// A bound of the body's length as JSON text, in bytes.
pub(crate) fn bytes_of<J: Json>(body: &J) -> usize {
    body.to_text().map_or(0, |text| J::text_bytes_bound(&text))
}

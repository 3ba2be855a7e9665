//! A pause after reading from the store, in which everything else is served.

use protocol::limits::WINDOW_BYTES_MAX;
use protocol::time::UnixMillis;

/// The pause after [`WINDOW_BYTES_MAX`] were read, in milliseconds; it is shorter in proportion after less. A shorter pause
/// serves reads faster, a longer one everything else.
pub(crate) const READ_EVERY_MS: u64 = 50;
/// So long after the beginning of the read a pause is over in any case, in milliseconds: nobody who comes after a while waits
/// for a pause that nobody has seen begin. Longer than reading takes on a machine that has much else to do.
const PAUSE_MS_MAX: u64 = 5_000;

/// A pause between two reads.
pub(crate) struct Pause {
    /// The time of the input that read: the clock stands still while reading takes its time.
    read_at: UnixMillis,
    /// When the pause began: the first time that was seen after the read.
    since: Option<UnixMillis>,
    ms: u64,
}

impl Pause {
    /// Starts the pause after `read` bytes.
    pub(crate) fn after(read: usize, now: UnixMillis) -> Self {
        Self {
            read_at: now,
            since: None,
            ms: READ_EVERY_MS * read as u64 / WINDOW_BYTES_MAX as u64,
        }
    }

    pub(crate) fn is_over(&mut self, now: UnixMillis) -> bool {
        if now == self.read_at {
            // Perhaps within the input that read: this is the time before the read.
            return self.ms == 0;
        }
        let since = *self.since.get_or_insert(now);
        // A clock that stepped back says nothing.
        now < since || now.ms_since(since) >= self.ms || now.ms_since(self.read_at) >= PAUSE_MS_MAX
    }
}

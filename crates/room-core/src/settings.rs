//! What an owner may set about a room. The defaults are the limits that clients are told.

use protocol::limits;

use crate::rates::refusals_rate;

/// How fast something may happen: a bucket of `burst` permits that refills by `per_second`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Permits of a full bucket. 0 counts as 1: a bucket that holds nothing would refuse for ever.
    pub burst: u64,
    /// Permits that come back each second. 0 counts as 1, for the same reason.
    pub per_second: u64,
}

/// What an owner may set about a room.
///
/// # Examples
/// ```
/// use room_core::{Rate, Settings};
/// let strict = Settings { require_identity: true, ..Settings::default() };
/// assert_eq!(strict.send_rate, Rate { burst: 1_200, per_second: 20 });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether everybody must be named by their token, save callers who show the gateway key. Default: no.
    pub require_identity: bool,
    /// Frames of one connection, and of one user over all: each entry counts, whatever it says, and each started
    /// [`limits::BYTES_PER_PERMIT`]. Tokens that name nobody have [`limits::ANONYMOUS_RATE_FACTOR`] times as much in sum.
    /// Default: 1,200 at once, 20 a second.
    pub send_rate: Rate,
    /// Typing signs of the same. Default: 60 at once, 5 a second.
    pub typing_rate: Rate,
    /// HTTP requests of the same. Connecting counts [`limits::CONNECT_PERMITS`] times, a `sync`
    /// [`limits::SYNC_PERMITS`] times. Default: 600 at once, 20 a second.
    pub http_rate: Rate,
    /// Whether a connection ends with its token's time. Then it is told [`limits::RENEW_BEFORE_MS`] before, and
    /// stays if it sends a fresh token until then. Default: no, the time counts at connect alone.
    pub strict_expiry: bool,
    /// Newest events of the log that are kept when the log is trimmed, once a day; those of the last hour and those that
    /// connected peers still need are kept besides. Default: [`limits::LOG_EVENTS_KEPT`]; less than
    /// [`limits::LOG_EVENTS_KEPT_MIN`] counts as that.
    pub log_events_kept: u64,
    /// Bytes that the space may take in the store; half of them at most are filled by callers whom no token names. Beyond,
    /// sends, edits and metadata are refused; reading and deleting is not. Default: [`limits::SPACE_BYTES_MAX`].
    pub bytes_max: u64,
    /// How long messages are kept, in milliseconds; older ones are removed when the house is kept, once a day.
    /// Default: for ever.
    pub retention_ms: Option<u64>,
}

impl Settings {
    /// Returns what one connection may send, refused frames included, before the room closes it. A relay bounds by it what
    /// waits for the room.
    #[must_use]
    pub fn connection_rate(&self) -> Rate {
        let (send, refusals) = (self.send_rate, refusals_rate(self.send_rate));
        Rate {
            burst: send.burst.saturating_add(refusals.burst),
            per_second: send.per_second.saturating_add(refusals.per_second),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            require_identity: false,
            send_rate: Rate {
                burst: limits::SEND_BURST,
                per_second: limits::SEND_PER_SECOND,
            },
            typing_rate: Rate {
                burst: limits::TYPING_BURST,
                per_second: limits::TYPING_PER_SECOND,
            },
            http_rate: Rate {
                burst: limits::HTTP_BURST,
                per_second: limits::HTTP_PER_SECOND,
            },
            strict_expiry: false,
            log_events_kept: limits::LOG_EVENTS_KEPT,
            bytes_max: limits::SPACE_BYTES_MAX,
            retention_ms: None,
        }
    }
}

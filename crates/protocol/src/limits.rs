//! Every number that bounds something on the wire. Bytes are UTF-8 bytes of decoded values.
//!
//! They are sent to clients in `welcome` (see [`crate::frame::Limits`]), so that a client of another version
//! can tell its user before the server has to.

/// Longest message text, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Longest attachment URL, in bytes.
pub const URL_BYTES_MAX: usize = 2 * 1024;
/// Longest attachment file name, and longest content type, in bytes.
pub const FILENAME_BYTES_MAX: usize = 255;
/// Longest name or id of a person, an attachment or a client message, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest space id, in bytes; the shortest is 1.
pub const SPACE_ID_BYTES_MAX: usize = 200;
/// Longest name of a life of the log that clients keep and the server looks at, in bytes; ours have 32.
pub const EPOCH_BYTES_MAX: usize = 64;
/// Longest space token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 4 * 1024;
/// Most attachments of one message.
pub const ATTACHMENTS_MAX: usize = 20;
/// Largest frame, and largest HTTP body, that a client may send, in bytes. Checked before parsing.
pub const CLIENT_FRAME_BYTES_MAX: usize = 256 * 1024;
/// Most JSON values of one frame or HTTP body: more than the longest frame of messages with attachments has. Checked before
/// parsing, because a value that takes two bytes of text takes twenty times as much in memory.
pub const FRAME_VALUES_MAX: usize = 32_768;
/// Most messages of one history page of the server, whose cursor leads on; clients page by themselves above it.
pub const PAGE_MESSAGES_MAX: usize = 200;
/// Most messages with the same `createdAt`: a page is never cut between them, so that the next one may be asked for by time.
pub const TIED_MESSAGES_MAX: usize = 16;
/// Messages of a history page when the caller names no limit.
pub const PAGE_MESSAGES_DEFAULT: usize = 50;
/// Most messages one `getMessages()` collects over several pages, and most of one page of the first version, which has no cursor.
pub const HISTORY_MESSAGES_MAX: usize = 1_000;
/// Most messages waiting in a client's outbox.
pub const OUTBOX_MESSAGES_MAX: usize = 1_000;
/// Most connections of one user to one space.
pub const CONNECTIONS_PER_USER_MAX: usize = 20;
/// Most connections of one token that names nobody to one space.
pub const CONNECTIONS_PER_ANONYMOUS_TOKEN_MAX: usize = 200;
/// How many connections for each that may be open may wait for their other end to answer the room's close; beyond, nobody of
/// the same user or token comes in.
pub const LEAVING_PER_CONNECTION: usize = 5;
/// Most connections of all tokens that name nobody together to one space: the rest is for those whom a token names, and for
/// the gateway.
pub const CONNECTIONS_ANONYMOUS_MAX: usize = 4_000;
/// Most connections to one space.
pub const CONNECTIONS_PER_SPACE_MAX: usize = 5_000;
/// Most sockets of the first version that have not authenticated yet, per isolate of the Worker: the oldest makes place.
pub const UNPROVEN_SOCKETS_MAX: usize = 500;
/// Bytes of frames held for a socket of the first version until it authenticates.
pub const HELD_BYTES_MAX: usize = 8 * 1024;
/// Frames held for a socket of the first version until it authenticates.
pub const HELD_FRAMES_MAX: usize = 16;
/// How long a socket of the first version may take to authenticate, in milliseconds.
pub const AUTHENTICATE_MS_MAX: u64 = 5_000;
/// Most bytes of one window of the log: what a resume, a `sync` or a reader that is behind is sent before the next
/// part has to be confirmed. A single event that is larger is a window of its own.
pub const WINDOW_BYTES_MAX: usize = 512 * 1024;
/// Most bytes of one history page, unless a single message is larger, or those that share the last one's time.
pub const PAGE_BYTES_MAX: usize = 512 * 1024;
/// The same for callers of the first version, which has no cursor: a page of the longest plain texts fits.
pub const FIRST_VERSION_PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes of long HTTP answers on their way to their readers, per isolate of the Worker: beyond it those are cut off who do
/// not read, of whoever has most. Where all of them read, half as much again for pages of the first version, and twice as much
/// for all answers.
pub const ANSWERS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much of that is one caller's, a user in a space or a token that names nobody: further requests wait. Answers that are no
/// pages of the first version have 4 MiB more.
pub const ANSWERS_OWN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a reader of a long HTTP answer may read nothing, in milliseconds.
pub const ANSWER_IDLE_MS_MAX: u64 = 120_000;
/// The server sends a `mark` each time that it has sent a peer this many bytes; the client echoes it at once.
pub const MARK_EVERY_BYTES: usize = 256 * 1024;
/// A peer with this many bytes unconfirmed is behind: it is sent no more until it confirms, and then from the log.
pub const UNCONFIRMED_BYTES_MAX: usize = 1024 * 1024;
/// The server closes a peer that owes the echo of a mark for longer than this, in milliseconds of the time in which
/// the room was running.
pub const MARK_OWED_MS_MAX: u64 = 30_000;
/// Bytes that a peer of the first version, which confirms nothing, may be sent at once.
pub const FIRST_VERSION_BYTES_BURST: usize = 32 * 1024 * 1024;
/// Bytes a second that it may be sent beyond that. A peer that was sent more is closed.
pub const FIRST_VERSION_BYTES_PER_SECOND: usize = 1024 * 1024;
/// Most events that a client holds while it waits for one before them.
pub const HELD_EVENTS_MAX: usize = 10_000;
/// How long the server knows a `clientMessageId`, in milliseconds: 30 days, whatever else is trimmed.
pub const DEDUPLICATION_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Events of the log that are kept for clients that come back, where nothing else is set.
pub const LOG_EVENTS_KEPT: u64 = 10_000;
/// The fewest that may be set.
pub const LOG_EVENTS_KEPT_MIN: u64 = 1_000;
/// Senders whom no token has proven that a space lists: those who spoke last ...
pub const GUESTS_MAX: usize = 200;
/// ... in this time, in milliseconds: 7 days.
pub const GUEST_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Bytes that a space may store where nothing else is set: as many as Cloudflare gives a Durable Object.
pub const SPACE_BYTES_MAX: u64 = 10_000_000_000;
/// Events that are younger than this, in milliseconds, are not trimmed, nor those that a connected peer still needs ...
pub const LOG_SPARED_MS: u64 = 60 * 60 * 1_000;
/// ... but for at most this many.
pub const LOG_EVENTS_SPARED_MAX: u64 = 100_000;
/// A message that waits in an outbox for longer than this does not send itself any more, in milliseconds: 7 days.
pub const OUTBOX_ROW_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1_000;
/// How long somebody whose last connection ended counts as present, in milliseconds.
pub const PRESENCE_GRACE_MS: u64 = 5_000;
/// How long before a token's end it is renewed, in milliseconds.
pub const RENEW_BEFORE_MS: u64 = 60_000;
/// Most frames the server packs into one batch.
pub const BATCH_FRAMES_MAX: usize = 50;
/// How long the server gathers events after one was sent at once, in milliseconds.
pub const COALESCE_MS: u64 = 5;
/// How long it gathers news of changed messages after the last such news, in milliseconds, where nothing else is to be told: a
/// text that grows by edits is told ten times a second.
pub const UPDATES_MS: u64 = 100;
/// Most keys of a space's metadata.
pub const METADATA_KEYS_MAX: usize = 64;
/// Longest key of a space's metadata, in bytes.
pub const METADATA_KEY_BYTES_MAX: usize = 128;
/// Longest value of a space's metadata, in bytes.
pub const METADATA_VALUE_BYTES_MAX: usize = 4 * 1024;
/// Most entries of one batch that a client sends: no outbox holds more.
pub const BATCH_ENTRIES_MAX: usize = 1_000;
/// Permits that a connection, and a user over all connections, may use at once. A message costs one, and so does every
/// other frame or entry, whatever it says.
pub const SEND_BURST: u64 = 1_200;
/// Permits a second that come back.
pub const SEND_PER_SECOND: u64 = 20;
/// Who has no permit left is told to wait for this many, and then sends no more than that in the same time, as long as
/// there is more to send: so that pacing refuses nothing, and takes few frames.
pub const RETRY_PERMITS: u64 = 10;
/// Messages that a page of history gives for one permit.
pub const PAGE_MESSAGES_PER_PERMIT: usize = 50;
/// A frame costs at least one permit for each of these bytes.
pub const BYTES_PER_PERMIT: usize = 32 * 1024;
/// A frame or HTTP body costs at least one permit for each of these JSON values: to read so many is as much work as to store a
/// short message. A message with 20 attachments has about 130.
pub const VALUES_PER_PERMIT: usize = 64;
/// Permits of the HTTP limit that a connection costs when it is made.
pub const CONNECT_PERMITS: u64 = 2;
/// Permits of the HTTP limit that a `sync` costs: a few bytes ask for the whole log.
pub const SYNC_PERMITS: u64 = 5;
/// An HTTP answer, and the window that a connection begins with, costs another permit of that limit for each of these bytes
/// that were read for it.
pub const READ_BYTES_PER_PERMIT: usize = 128 * 1024;
/// What a sender writes goes to its own user's or token's other connections as well, and costs another permit for each of
/// these bytes.
pub const OWN_FAN_OUT_BYTES_PER_PERMIT: usize = 256 * 1024;
/// Size of the parts in which an HTTP body is read. The request itself pays for the first part; each further part takes a permit
/// before it is read.
pub const BODY_PART_BYTES: usize = 64 * 1024;
/// Bytes of HTTP bodies, without their first parts, that one caller may send at once. Bodies of refused requests have a limit of
/// the same size that all callers share.
pub const BODY_BYTES_BURST: usize = 16 * 1024 * 1024;
/// Bytes by which these limits refill each second.
pub const BODY_BYTES_PER_SECOND: usize = 1024 * 1024;
/// Tokens that name nobody are shared by many people: all connections of one together may use this many times what
/// one connection may.
pub const ANONYMOUS_RATE_FACTOR: u64 = 10;
/// How long a caller that went on beyond its limit is told to stay away, in milliseconds.
pub const STAY_AWAY_MS: u64 = 10_000;
/// Typing frames a sender may send at once.
pub const TYPING_BURST: u64 = 60;
/// Typing frames a second that the typing limit refills.
pub const TYPING_PER_SECOND: u64 = 5;
/// HTTP requests a caller may make at once.
pub const HTTP_BURST: u64 = 600;
/// HTTP requests a second that the HTTP limit refills.
pub const HTTP_PER_SECOND: u64 = 20;
/// A page pings so long after its last ping, whatever it hears or says meanwhile, in milliseconds. In a hidden page, whose timers
/// run once a minute, that becomes up to 85 s: less than [`PEER_SILENT_MS_MAX`], by [`HEARD_EVERY_MS`].
pub const PING_AFTER_MS: u64 = 25_000;
/// A client that has said nothing on a new connection pings after this time, in milliseconds.
pub const FIRST_PING_AFTER_MS: u64 = 1_000;
/// The longest that a client waits because a server says so, in milliseconds: one answer of a proxy does not keep a page away
/// for a day.
pub const RETRY_AFTER_MS_MAX: u64 = 60_000;
/// A ping unanswered for this long means a dead link, in milliseconds.
pub const PONG_WITHIN_MS: u64 = 10_000;
/// A ping sent because the page woke up must be answered within this, in milliseconds.
pub const WAKE_PONG_WITHIN_MS: u64 = 2_000;
/// The server closes a socket that was silent for longer than this, in milliseconds.
pub const PEER_SILENT_MS_MAX: u64 = 90_000;
/// What a room that slept knows of its peers' last frames may be older than they are by this, in milliseconds.
pub const HEARD_EVERY_MS: u64 = 5_000;
/// How long a connection attempt may take until the welcome, in milliseconds.
pub const CONNECT_MS_MAX: u64 = 15_000;
/// The same for an attempt to come back, in the first 30 s without a link; in the next 30 s it is twice as long.
pub const RECONNECT_MS_MAX: u64 = 4_000;
/// A typing client repeats itself this often, in milliseconds.
pub const TYPING_REPEAT_MS: u64 = 3_000;
/// A peer's typing is shown this long after its last sign, in milliseconds.
pub const TYPING_SHOWN_MS: u64 = 6_000;
/// The first three retries come each after up to this time, in milliseconds; from then on it doubles with each.
pub const BACKOFF_FIRST_MS: u64 = 1_200;
/// Longest span of the reconnect back-off in the first minute without a link, in milliseconds.
pub const BACKOFF_EARLY_MAX_MS: u64 = 4_000;
/// Longest span of the reconnect back-off later, in milliseconds.
pub const BACKOFF_MAX_MS: u64 = 20_000;
/// Largest integer that JavaScript numbers hold exactly.
pub const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

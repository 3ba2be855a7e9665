//! What an owner sets: the Worker's environment variables, read once: they do not change while it lives.
//!
//! Owns their names, their spelling and the errors that name them. It must not know what a setting does.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::rc::Rc;

use protocol::limits::LOG_EVENTS_KEPT_MIN;
use room_core::{Rate, Settings};
use wasm_bindgen::JsValue;

use crate::host::variable;
use crate::log::Log;
use crate::origins::{Hosts, Origins};

/// The variables that hold the gateway key, first one first.
const GATEWAY_KEY: [&str; 2] = ["GATEWAY_KEY", "KURATCHI_GATEWAY_KEY"];
const ALLOWED_ORIGINS: &str = "ALLOWED_ORIGINS";
const ALLOWED_HOSTS: &str = "ALLOWED_HOSTS";
/// Nothing that is counted is more.
const COUNT_MAX: u64 = 1_000_000_000;
/// Less than this holds no chat worth the name.
const SPACE_BYTES_MIN: u64 = 1_000_000;
/// A hundred years: whoever wants more wants messages for ever.
const RETENTION_DAYS_MAX: u64 = 36_500;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Failures only.
    Error,
    /// Refusals and waking up, too.
    Info,
    /// Every request and connection, too.
    Debug,
}

/// Who answers the pings of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PingAnswers {
    /// The runtime, without waking the object: a quiet room sleeps, and is not paid for. Such pings cannot be charged.
    Runtime,
    /// The room, as any other frame: where there is no sleep to win. An answer of the runtime that meets a frame of ours while
    /// the client goes ends workerd 1.20260426, with every space in it.
    Code,
}

impl PingAnswers {
    fn word(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Code => "code",
        }
    }
}

/// The gateway key: signs tokens, and opens every door. Not printable, so that it gets into no log.
#[derive(Clone)]
pub(crate) struct GatewayKey(String);

impl GatewayKey {
    /// Whether `shown` is the key, in time that does not depend on how much of it is right.
    pub(crate) fn is(&self, shown: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        bool::from(self.0.as_bytes().ct_eq(shown.as_bytes()))
    }

    /// The bytes that tokens are signed with.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for GatewayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayKey(…)")
    }
}

/// All settings of the Worker.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// Signs the tokens.
    pub(crate) gateway_key: GatewayKey,
    /// What the room is to do.
    pub(crate) room: Settings,
    /// How much is logged.
    pub(crate) level: Level,
    /// Who answers pings.
    pub(crate) ping_answers: PingAnswers,
}

/// A variable that is absent or has a value it may not have. `Display` names it and says what to do, and never what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadVariable {
    name: &'static str,
    expected: String,
}

impl fmt::Display for BadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the Worker's variable {} must be {}",
            self.name, self.expected
        )
    }
}

impl std::error::Error for BadVariable {}

/// What was read of the Worker's environment.
#[derive(Debug)]
pub(crate) struct Variables {
    /// Which pages may talk to us, also where another variable is wrong: an answer about that has to reach its page.
    pub(crate) origins: Origins,
    /// Under which names we answer.
    pub(crate) hosts: Hosts,
    /// What could not be read and is passed over, one sentence each: for the owner, not for pages.
    pub(crate) misconfigured: Vec<String>,
    /// An error where there is no gateway key: nobody can be let in.
    pub(crate) configuration: Result<Configuration, BadVariable>,
}

thread_local! {
    static READ: RefCell<Option<(JsValue, Rc<Variables>)>> = const { RefCell::new(None) };
}

impl Variables {
    /// Returns the variables of the Worker's `env`. Reads them once: they do not change while the isolate lives.
    pub(crate) fn of(env: &JsValue) -> Rc<Self> {
        READ.with_borrow_mut(|read| match read {
            Some((known, variables)) if known == env => Rc::clone(variables),
            Some(_) | None => {
                let lookup = |name: &str| variable(env, name);
                let variables = Rc::new(Self::read(lookup));
                variables.log_misconfigured();
                *read = Some((env.clone(), Rc::clone(&variables)));
                variables
            }
        })
    }

    fn read(lookup: impl Fn(&str) -> Option<String> + Copy) -> Self {
        let list = |name| lookup(name).unwrap_or_default();
        let origins = Origins::read(&list(ALLOWED_ORIGINS));
        let hosts = Hosts::read(&list(ALLOWED_HOSTS));
        let lists = [
            (ALLOWED_ORIGINS, origins.unreadable, Origins::EXPECTED),
            (ALLOWED_HOSTS, hosts.unreadable, Hosts::EXPECTED),
        ];
        let mut misconfigured = Vec::new();
        for (name, entries, expected) in lists {
            misconfigured.extend(entries.into_iter().map(|entry| {
                format!(
                    "`{entry}` of the Worker's variable {name} is passed over: expected {expected}"
                )
            }));
        }
        let configuration = Configuration::read(lookup, &mut misconfigured);
        Self {
            origins: origins.list,
            hosts: hosts.list,
            misconfigured,
            configuration,
        }
    }

    fn log_misconfigured(&self) {
        let log = Log::new(self.level(), None);
        for sentence in &self.misconfigured {
            log.error("misconfigured", &[("error", sentence.as_str().into())]);
        }
    }

    /// How much is logged.
    pub(crate) fn level(&self) -> Level {
        self.configuration
            .as_ref()
            .map_or(Level::Info, |configuration| configuration.level)
    }
}

impl Configuration {
    /// Reads every variable. `lookup` gives a variable's text. One that cannot be read shuts nobody out: its default counts, or
    /// its stricter meaning where it is a guard, and `misconfigured` gets a sentence.
    ///
    /// # Errors
    /// When there is no gateway key.
    pub(crate) fn read(
        lookup: impl Fn(&str) -> Option<String>,
        misconfigured: &mut Vec<String>,
    ) -> Result<Self, BadVariable> {
        let lookup = |name: &str| lookup(name).filter(|text| !text.is_empty());
        let mut told = Told(misconfigured);
        let room = read_room(lookup, &mut told);
        let level = told.or(read_level(lookup), Level::Info, "info");
        // A runtime at home that answers pings can be ended by a client that goes: `dev` says what counts there.
        let pings_default = read_ping_answers(lookup, "PING_ANSWERS_DEFAULT", PingAnswers::Runtime);
        let pings_default = told.or(pings_default, PingAnswers::Runtime, "runtime");
        let pings = read_ping_answers(lookup, "PING_ANSWERS", pings_default);
        let ping_answers = told.or(pings, pings_default, pings_default.word());
        let gateway_key = GATEWAY_KEY
            .into_iter()
            .find_map(lookup)
            .ok_or_else(|| BadVariable {
                name: GATEWAY_KEY[0],
                expected: "set to the key that signs the space tokens, for instance with \
                       `npx wrangler secret put GATEWAY_KEY`"
                    .to_owned(),
            })?;
        Ok(Self {
            gateway_key: GatewayKey(gateway_key),
            room,
            level,
            ping_answers,
        })
    }
}

/// What the owner is told.
struct Told<'a>(&'a mut Vec<String>);

impl Told<'_> {
    /// Returns what was read, or `instead`, which `words` names.
    fn or<T>(&mut self, read: Result<T, BadVariable>, instead: T, words: impl fmt::Display) -> T {
        read.unwrap_or_else(|error| {
            self.0.push(format!("{error}; until it is, {words} counts"));
            instead
        })
    }
}

fn read_room(lookup: impl Fn(&str) -> Option<String> + Copy, told: &mut Told<'_>) -> Settings {
    let default = Settings::default();
    let mut count = |name, range, default: u64| {
        let read = read_count(lookup, name, range, default);
        told.or(read, default, default)
    };
    let mut rate = |burst, per_second, default: Rate| Rate {
        burst: count(burst, 1..=COUNT_MAX, default.burst),
        per_second: count(per_second, 1..=COUNT_MAX, default.per_second),
    };
    let send_rate = rate("SEND_BURST", "SEND_PER_SECOND", default.send_rate);
    let typing_rate = rate("TYPING_BURST", "TYPING_PER_SECOND", default.typing_rate);
    let http_rate = rate("HTTP_BURST", "HTTP_PER_SECOND", default.http_rate);
    let sizes = SPACE_BYTES_MIN..=default.bytes_max;
    // A disk at home is smaller than Cloudflare's: `dev` says what counts there.
    let bytes_default = count("SPACE_BYTES_DEFAULT", sizes.clone(), default.bytes_max);
    let bytes_max = count("SPACE_BYTES_MAX", sizes, bytes_default);
    let kept = LOG_EVENTS_KEPT_MIN..=COUNT_MAX;
    let log_events_kept = count("LOG_EVENTS_KEPT", kept, default.log_events_kept);
    let identity = read_switch(lookup, "REQUIRE_IDENTITY");
    Settings {
        bytes_max,
        require_identity: told.or(identity, true, 1),
        send_rate,
        typing_rate,
        http_rate,
        strict_expiry: told.or(read_token_expiry(lookup), true, "strict"),
        log_events_kept,
        retention_ms: told.or(read_retention(lookup), None, 0),
    }
}

fn read_count(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    range: RangeInclusive<u64>,
    default: u64,
) -> Result<u64, BadVariable> {
    let Some(text) = lookup(name) else {
        return Ok(default);
    };
    match text.trim().parse() {
        Ok(count) if range.contains(&count) => Ok(count),
        Ok(_) | Err(_) => Err(BadVariable {
            name,
            expected: format!("a whole number from {} to {}", range.start(), range.end()),
        }),
    }
}

fn read_token_expiry(lookup: impl Fn(&str) -> Option<String>) -> Result<bool, BadVariable> {
    match lookup("TOKEN_EXPIRY").as_deref().map(str::trim) {
        None | Some("connect") => Ok(false),
        Some("strict") => Ok(true),
        Some(_) => Err(BadVariable {
            name: "TOKEN_EXPIRY",
            expected: "connect (a token's time counts when a socket connects) or strict (a socket \
                       is closed when its token's time is over)"
                .to_owned(),
        }),
    }
}

/// How long messages are kept; `None` is for ever, which is what 0 days mean.
fn read_retention(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<u64>, BadVariable> {
    const FOR_EVER: u64 = 0;
    let name = "RETENTION_DAYS";
    match read_count(lookup, name, FOR_EVER..=RETENTION_DAYS_MAX, FOR_EVER) {
        Ok(FOR_EVER) => Ok(None),
        Ok(days) => Ok(Some(days * DAY_MS)),
        Err(error) => Err(BadVariable {
            expected: format!("{}; 0 keeps messages for ever", error.expected),
            ..error
        }),
    }
}

fn read_switch(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<bool, BadVariable> {
    match lookup(name).as_deref().map(str::trim) {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(BadVariable {
            name,
            expected: "1 or 0".to_owned(),
        }),
    }
}

fn read_ping_answers(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: PingAnswers,
) -> Result<PingAnswers, BadVariable> {
    match lookup(name).as_deref().map(str::trim) {
        None => Ok(default),
        Some("runtime") => Ok(PingAnswers::Runtime),
        Some("code") => Ok(PingAnswers::Code),
        Some(_) => Err(BadVariable {
            name,
            expected: "runtime (pings are answered without waking the space) or code (they are \
                       answered and charged like any frame)"
                .to_owned(),
        }),
    }
}

fn read_level(lookup: impl Fn(&str) -> Option<String>) -> Result<Level, BadVariable> {
    match lookup("LOG").as_deref().map(str::trim) {
        Some("error") => Ok(Level::Error),
        None | Some("info") => Ok(Level::Info),
        Some("debug") => Ok(Level::Debug),
        Some(_) => Err(BadVariable {
            name: "LOG",
            expected: "error, info or debug".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Result<Configuration, BadVariable>, Vec<String>) {
        let mut misconfigured = Vec::new();
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        let configuration = Configuration::read(lookup, &mut misconfigured);
        (configuration, misconfigured)
    }

    fn good(variables: &[(&str, &str)]) -> Configuration {
        let (configuration, misconfigured) = read(variables);
        assert_eq!(misconfigured, Vec::<String>::new());
        configuration.unwrap()
    }

    #[test]
    fn only_the_key_is_needed_and_it_is_never_printed() {
        let read = good(&[("KURATCHI_GATEWAY_KEY", "s3cret")]);
        assert!(read.gateway_key.is("s3cret") && !read.gateway_key.is("s3cre"));
        assert_eq!(
            (read.room.clone(), read.level),
            (Settings::default(), Level::Info)
        );
        assert!(!format!("{read:?}").contains("s3cret"));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_its_default_counts() {
        for variables in [&[][..], &[("GATEWAY_KEY", "")]] {
            let error = read(variables).0.unwrap_err();
            assert!(error.to_string().contains("GATEWAY_KEY"));
        }
        for (name, text) in [
            ("PING_ANSWERS", "nobody"),
            ("SEND_BURST", "0"),
            ("SEND_PER_SECOND", "-1"),
            ("TYPING_BURST", "many"),
            ("TYPING_PER_SECOND", "1.5"),
            ("HTTP_BURST", "1e3"),
            ("HTTP_PER_SECOND", "99999999999999999999"),
            ("REQUIRE_IDENTITY", "yes"),
            ("LOG", "loud"),
            ("TOKEN_EXPIRY", "never"),
            ("LOG_EVENTS_KEPT", "999"),
            ("LOG_EVENTS_KEPT", "all"),
            ("SPACE_BYTES_MAX", "999999"),
            ("SPACE_BYTES_MAX", "10000000001"),
            ("RETENTION_DAYS", "-1"),
            ("RETENTION_DAYS", "0.5"),
            ("RETENTION_DAYS", "36501"),
        ] {
            let (configuration, misconfigured) = read(&[("GATEWAY_KEY", "k"), (name, text)]);
            assert_eq!(misconfigured.len(), 1, "{name}");
            assert!(misconfigured[0].contains(name), "{misconfigured:?}");
            let configuration = configuration.unwrap();
            // A guard is up rather than down.
            let default = Settings::default();
            let room = Settings {
                require_identity: default.require_identity || name == "REQUIRE_IDENTITY",
                strict_expiry: default.strict_expiry || name == "TOKEN_EXPIRY",
                ..default
            };
            assert_eq!(configuration.room, room);
            assert_eq!(configuration.level, Level::Info);
            assert_eq!(configuration.ping_answers, PingAnswers::Runtime);
        }
    }

    #[test]
    fn a_local_worker_says_what_a_space_may_store_by_default() {
        let local = ("SPACE_BYTES_DEFAULT", "1000000000");
        for (told, text) in [(0, "2000000"), (1, "all of it")] {
            let of_owner = ("SPACE_BYTES_MAX", text);
            let (configuration, misconfigured) = read(&[("GATEWAY_KEY", "k"), local, of_owner]);
            let expected = [2_000_000, 1_000_000_000][told];
            assert_eq!(configuration.unwrap().room.bytes_max, expected);
            assert_eq!(misconfigured.len(), told, "{misconfigured:?}");
        }
    }

    #[test]
    fn a_local_worker_answers_pings_itself_whatever_it_cannot_read() {
        let local = ("PING_ANSWERS_DEFAULT", "code");
        for (text, told, expected) in [
            ("", 0, PingAnswers::Code),
            ("runtime", 0, PingAnswers::Runtime),
            ("cod", 1, PingAnswers::Code),
        ] {
            let of_owner = ("PING_ANSWERS", text);
            let (configuration, misconfigured) = read(&[("GATEWAY_KEY", "k"), local, of_owner]);
            assert_eq!(configuration.unwrap().ping_answers, expected, "{text}");
            assert_eq!(misconfigured.len(), told, "{misconfigured:?}");
            assert!(misconfigured.iter().all(|it| it.ends_with("code counts")));
        }
    }

    #[test]
    fn an_error_says_what_would_do() {
        for (name, text, expected) in [
            (
                "TOKEN_EXPIRY",
                "1",
                "must be connect (a token's time counts when a socket connects) or strict (a \
                 socket is closed when its token's time is over); until it is, strict counts",
            ),
            (
                "LOG_EVENTS_KEPT",
                "0",
                "must be a whole number from 1000 to 1000000000; until it is, 10000 counts",
            ),
            (
                "RETENTION_DAYS",
                "forever",
                "must be a whole number from 0 to 36500; 0 keeps messages for ever; until it is, 0 counts",
            ),
        ] {
            let (_, misconfigured) = read(&[("GATEWAY_KEY", "k"), (name, text)]);
            assert!(misconfigured[0].ends_with(expected), "{misconfigured:?}");
        }
    }

    #[test]
    fn what_is_kept_and_for_how_long_reaches_the_room() {
        let room = |name: &str, text: &str| good(&[("GATEWAY_KEY", "k"), (name, text)]).room;
        assert!(room("TOKEN_EXPIRY", "strict").strict_expiry);
        assert!(!room("TOKEN_EXPIRY", "connect").strict_expiry);
        assert_eq!(room("LOG_EVENTS_KEPT", " 1000 ").log_events_kept, 1_000);
        assert_eq!(room("RETENTION_DAYS", "30").retention_ms, Some(30 * DAY_MS));
        assert_eq!(room("RETENTION_DAYS", "0").retention_ms, None);
    }

    #[test]
    fn rates_and_identity_reach_the_room() {
        let read = good(&[
            ("GATEWAY_KEY", "k"),
            ("SEND_BURST", "7"),
            ("REQUIRE_IDENTITY", "1"),
        ]);
        assert_eq!(
            read.room.send_rate,
            Rate {
                burst: 7,
                ..Settings::default().send_rate
            }
        );
        assert!(read.room.require_identity);
    }
}

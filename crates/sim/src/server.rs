//! The room with its store, and what the Worker does around it: tokens, queries, routes.

use protocol::codes::ErrorCode;
use protocol::dialect::Dialect;
use protocol::frame::Refusal;
use protocol::http::{Route, SPACE_TOKEN_HEADER};
use protocol::ids::{Epoch, Seq};
use protocol::principal::Principal;
use protocol::text::{decode_header, decode_token_subprotocol};
use protocol::time::UnixMillis;
use protocol::token::{self, ClaimsJson, Role, TokenError};
use room_core::io::{Call, Cursor, Input, PeerId, PeerRecord, Query, RequestId};
use room_core::memory::MemoryStorage;
use room_core::{Room, Settings};
use serde_json::json;

use crate::random::Random;

/// The space of every run.
pub const SPACE: &str = "simulated";
const GATEWAY_KEY: &[u8] = b"a key of the simulator";
/// Virtual time 0 on the wall clock.
const BEGINNING: u64 = 1_700_000_000_000;

/// The server of a run.
pub struct Server {
    /// The room, while it is in memory.
    pub room: Room,
    /// What survives everything.
    pub storage: MemoryStorage,
    /// What is kept with each open socket.
    pub records: Vec<(PeerId, PeerRecord)>,
    /// When the alarm rings.
    pub alarm: Option<u64>,
    /// How often the room lost its memory.
    pub rebuilt: u64,
    settings: Settings,
}

/// The wall clock at virtual time `now`.
#[must_use]
pub fn wall(now: u64) -> UnixMillis {
    UnixMillis(BEGINNING + now)
}

/// Virtual time of a wall-clock time.
#[must_use]
pub fn virtual_ms(wall: UnixMillis) -> u64 {
    wall.0.saturating_sub(BEGINNING)
}

impl Server {
    /// A server with an empty store.
    ///
    /// # Errors
    /// When the room can not be opened.
    pub fn new(settings: Settings, random: &mut Random) -> Result<Self, String> {
        let storage = MemoryStorage::default();
        let room = open(&settings, random, Vec::new(), 0, &storage)?;
        Ok(Self {
            settings,
            room,
            storage,
            records: Vec::new(),
            alarm: None,
            rebuilt: 0,
        })
    }

    /// The object loses its memory; its sockets stay open.
    ///
    /// # Errors
    /// When the room can not be opened.
    pub fn evict(&mut self, random: &mut Random, now: u64) -> Result<(), String> {
        self.rebuilt += 1;
        self.room = open(
            &self.settings,
            random,
            self.records.clone(),
            now,
            &self.storage,
        )?;
        Ok(())
    }

    /// A connection arrives: what the room hears of it, or `None` when its token is not good.
    #[must_use]
    pub fn connected(peer: PeerId, url: &str, protocols: &[String], now: u64) -> Option<Input> {
        let token = protocols
            .iter()
            .find_map(|entry| decode_token_subprotocol(entry))?;
        let query = url.split_once('?').map_or("", |(_, query)| query);
        Some(Input::Connected {
            peer,
            dialect: Dialect::V2,
            principal: principal(&token, now)?,
            cursor: cursor(query),
            client_scope: parameter(query, "clientScope"),
            instance: parameter(query, "instance"),
        })
    }

    /// A request arrives: what the room hears of it, or the status of its refusal.
    ///
    /// # Errors
    /// The HTTP status and body of a refusal.
    pub fn request(
        request: RequestId,
        asked: &client_core::io::Request<serde_json::Value>,
        now: u64,
    ) -> Result<Input, (u16, String)> {
        let refused = |code: ErrorCode| {
            let body = json!({ "error": code.as_str(), "code": code.as_str() });
            (code.http_status(), body.to_string())
        };
        let token = asked
            .headers
            .iter()
            .find(|(name, _)| *name == SPACE_TOKEN_HEADER)
            .ok_or_else(|| refused(ErrorCode::TokenMissing))?;
        let principal = principal(&decode_header(&token.1), now)
            .ok_or_else(|| refused(ErrorCode::TokenExpired))?;
        let rest = asked.url.split_once("://").map_or("", |(_, rest)| rest);
        let location = rest.split_once('/').map_or("", |(_, location)| location);
        let (path, query) = location.split_once('?').unwrap_or((location, ""));
        let path = format!("/{path}");
        let route = Route::find(asked.method, &path).map_err(refused)?;
        let id = Route::parameter(&path).unwrap_or_default().to_owned();
        let body = asked.body.clone().unwrap_or_default();
        let dialect = if parameter(query, "v").as_deref() == Some("2") {
            Dialect::V2
        } else {
            Dialect::V1
        };
        let call = match route {
            Route::PostMessage => Call::PostMessage { body, dialect },
            Route::ListMessages => Call::Read(Query::Messages {
                limit: parameter(query, "limit"),
                before: parameter(query, "before"),
                cursor: parameter(query, "cursor"),
                dialect,
            }),
            Route::EditMessage => Call::EditMessage { id, body, dialect },
            Route::DeleteMessage => Call::DeleteMessage { id, body, dialect },
            Route::ListEvents => Call::Read(Query::Events {
                cursor: cursor(query),
            }),
            Route::ListParticipants => Call::Read(Query::Participants {
                cursor: parameter(query, "cursor"),
                dialect,
            }),
            Route::PostTyping => Call::PostTyping { body },
            Route::GetMetadata => Call::Read(Query::Metadata),
            Route::PutMetadata => Call::PutMetadata { body },
            Route::RenewEpoch => Call::RenewEpoch,
            Route::DescribeSpace => Call::Read(Query::Space),
            Route::Health | Route::DescribeSettings => return Err(refused(ErrorCode::NotFound)),
        };
        Ok(Input::Request {
            request,
            principal,
            call,
        })
    }

    /// Answers the room's question about a token.
    ///
    /// # Errors
    /// When the token is not good for the space.
    pub fn authenticate(token: &str, now: u64) -> Result<Principal, Refusal> {
        let refuse = |error: TokenError| {
            let code = match error {
                TokenError::Missing => ErrorCode::TokenMissing,
                TokenError::Expired => ErrorCode::TokenExpired,
                TokenError::SpaceMismatch => ErrorCode::SpaceMismatch,
                TokenError::InvalidFormat | TokenError::InvalidSignature => ErrorCode::TokenInvalid,
            };
            Refusal::new(code, error.as_str())
        };
        token::verify(token, SPACE, GATEWAY_KEY, wall(now))
            .map(|claims| Principal::of_claims(claims, false))
            .map_err(refuse)
    }

    /// The owner, who shows the gateway key.
    #[must_use]
    pub fn owner() -> Principal {
        Principal {
            tenant: None,
            sub: None,
            name: None,
            role: Role::Agent,
            caps: Vec::new(),
            exp: wall(u64::from(u32::MAX)),
            bucket: "owner".to_owned(),
            gateway: true,
        }
    }

    /// A token for a person, good until virtual time `exp`; `None` stands for anybody.
    ///
    /// # Errors
    /// When it can not be minted.
    pub fn mint(user: Option<&str>, exp: u64, random: &mut Random) -> Result<String, String> {
        let claims = user.map(|user| ClaimsJson {
            sub: Some(user.to_owned()),
            name: None,
            role: None,
            caps: Vec::new(),
        });
        let salt = format!("{:016x}", random.between(0, u64::MAX - 1));
        token::mint(SPACE, &salt, claims.as_ref(), wall(exp), GATEWAY_KEY)
            .map_err(|error| format!("{error:?}"))
    }
}

fn open(
    settings: &Settings,
    random: &mut Random,
    peers: Vec<(PeerId, PeerRecord)>,
    now: u64,
    storage: &MemoryStorage,
) -> Result<Room, String> {
    Room::open(settings.clone(), random.seed(), peers, wall(now), storage)
        .map_err(|error| error.to_string())
}

fn principal(token: &str, now: u64) -> Option<Principal> {
    Server::authenticate(token, now).ok()
}

/// Where the client stands that asks.
fn cursor(query: &str) -> Option<Cursor> {
    let since = parameter(query, "since")?.parse().ok()?;
    Some(Cursor {
        epoch: parameter(query, "epoch").map(Epoch),
        since: Seq(since),
    })
}

/// A parameter of a query. The simulator's own values need no decoding.
fn parameter(query: &str, name: &str) -> Option<String> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
}

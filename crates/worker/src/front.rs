//! The Worker: every request enters here, and every answer leaves here.
//!
//! Owns the order route → credentials → object, and CORS on whatever comes back. It must not know what an
//! object does with an errand. `entry.js` calls [`receive`] first; if that gives no answer but a [`Visit`],
//! it reads the body, asks the object, and passes the object's answer through [`deliver`], or a failure on
//! the way through [`refuse`]. A socket that is not wanted is a [`TurnedAway`].

use std::rc::Rc;

use js_sys::Object;
use protocol::codes::ErrorCode;
use protocol::dialect::Dialect;
use protocol::frame::{Refusal, ServerFrame};
use protocol::http::{Route, SERVICE, SPACE_ID_HEADER, SPACE_TOKEN_HEADER};
use protocol::limits::{CLIENT_FRAME_BYTES_MAX, NAME_BYTES_MAX};
use protocol::principal::Principal;
use protocol::wire::SUBPROTOCOL;
use serde_json::json;
use wasm_bindgen::prelude::*;
use worker::Url;
use worker::web_sys::{Request, Response};

use crate::credentials::{self, CredentialHeaders, plain};
use crate::cursor;
use crate::errand::{CallName, Errand, Parameters, Task};
use crate::host::now;
use crate::log::Log;
use crate::reply::{self, Cors};
use crate::unproven;
use crate::upgrade::{self, UpgradeRefusal};
use crate::variables::{Configuration, Level, Variables};

/// `limit` and `before` are passed on this long at most: what is longer is no number either way.
const PARAMETER_CHARS_MAX: usize = 32;
/// When a body that was not paid for may come again, in milliseconds: as much as a whole one has come back by then.
const BODY_RETRY_MS: u64 = 1_000;
/// When a socket that found no place may come again, in milliseconds: those that have none are young for a second.
const UNPROVEN_RETRY_MS: u64 = 1_000;
/// Stands for the host of a request's own address while that is read: clients may name any, and one that is as long as a header
/// may be takes a fifth of a second to be read.
const ANY_HOST: &str = "worker.invalid";
/// An id is passed on this long at most: long enough to be told from the longest that is one.
const ID_CHARS_MAX: usize = NAME_BYTES_MAX + 1;

#[wasm_bindgen]
extern "C" {
    /// What `entry.js` has to ask of an object. A plain object, because it outlives a lost instance.
    #[wasm_bindgen(extends = Object)]
    pub type Visit;

    #[wasm_bindgen(method, setter)]
    fn set_space(this: &Visit, space: &str);

    #[wasm_bindgen(method, setter)]
    fn set_errand(this: &Visit, errand: &str);

    #[wasm_bindgen(method, setter)]
    fn set_upgrade(this: &Visit, upgrade: bool);

    /// Who pays for the body.
    #[wasm_bindgen(method, setter)]
    fn set_caller(this: &Visit, caller: &str);

    /// The Worker holds the socket until its client has proven who it is.
    #[wasm_bindgen(method, setter, js_name = isUnproven)]
    fn set_is_unproven(this: &Visit, is_unproven: bool);

    /// Where such a socket comes from; see [`unproven::source`].
    #[wasm_bindgen(method, setter)]
    fn set_source(this: &Visit, source: &str);

    /// As long as the answer may be, about, where that may be long.
    #[wasm_bindgen(method, setter, js_name = answerBytesMax)]
    fn set_answer_bytes_max(this: &Visit, bytes: Option<u32>);

    #[wasm_bindgen(method, setter, js_name = bodyBytesMax)]
    fn set_body_bytes_max(this: &Visit, bytes: Option<u32>);

    /// A socket that is accepted, told why it is not wanted, and closed: a browser shows its page no HTTP status of an upgrade.
    #[wasm_bindgen(extends = Object)]
    pub type TurnedAway;

    /// Where it comes from; see [`unproven::source`].
    #[wasm_bindgen(method, setter)]
    fn set_source(this: &TurnedAway, source: &str);

    /// The subprotocol that is agreed on, if any is.
    #[wasm_bindgen(method, setter)]
    fn set_protocol(this: &TurnedAway, protocol: Option<&str>);

    #[wasm_bindgen(method, setter)]
    fn set_frame(this: &TurnedAway, frame: &str);

    #[wasm_bindgen(method, setter)]
    fn set_code(this: &TurnedAway, code: u16);

    #[wasm_bindgen(method, setter)]
    fn set_reason(this: &TurnedAway, reason: &str);
}

/// Judges a request. Gives a `Response`, a [`Visit`] to make, or a socket that is [`TurnedAway`].
///
/// # Errors
/// When the runtime refuses to make an answer.
#[wasm_bindgen]
pub fn receive(request: &Request, env: &JsValue) -> Result<JsValue, JsValue> {
    Front::new(request, env)?.receive()
}

/// Makes an object's answer presentable.
///
/// # Errors
/// When the runtime refuses to make an answer.
#[wasm_bindgen]
pub fn deliver(request: &Request, env: &JsValue, answer: &Response) -> Result<Response, JsValue> {
    let front = Front::new(request, env)?;
    if answer.status() >= 400 {
        front.log.info(
            "refused",
            &[
                ("status", answer.status().into()),
                ("path", front.known_path().into()),
            ],
        );
    }
    front.finish(answer)
}

/// Answers a request that failed on its way, for one of the reasons that `entry.js` can meet: `tooLarge`,
/// `badFrame` (a body that is not UTF-8), `rateLimited` (a body that its sender cannot pay for), `internal`. Gives a `Response`,
/// or a socket that is [`TurnedAway`].
///
/// # Errors
/// When the runtime refuses to make an answer.
#[wasm_bindgen]
pub fn refuse(request: &Request, env: &JsValue, code: &str) -> Result<JsValue, JsValue> {
    let front = Front::new(request, env)?;
    let code = ErrorCode::parse(code).unwrap_or(ErrorCode::Internal);
    let refusal = if code == ErrorCode::TooLarge {
        too_large()
    } else if code == ErrorCode::BadFrame {
        Refusal::new(code, "the body is not text in UTF-8")
    } else {
        Refusal {
            retry_after_ms: (code == ErrorCode::RateLimited).then_some(BODY_RETRY_MS),
            ..plain(code)
        }
    };
    match front.offered_dialect() {
        Some(dialect) if front.is_upgrade() => Ok(front.turn_away(dialect, refusal.into())),
        Some(_) | None => front.refused(&refusal).map(JsValue::from),
    }
}

/// Refuses a socket by a status, where too many are there that nobody has proven: one more, even to say so, would be one too
/// many.
///
/// # Errors
/// When the runtime refuses to make an answer.
#[wasm_bindgen]
pub fn refuse_socket(request: &Request, env: &JsValue) -> Result<Response, JsValue> {
    let refusal = Refusal {
        error: "too many sockets wait to be let in: try again".to_owned(),
        retry_after_ms: Some(UNPROVEN_RETRY_MS),
        ..plain(ErrorCode::TooManyConnections)
    };
    Front::new(request, env)?.refused(&refusal)
}

/// Writes that something failed outside of Rust: `entry.js` met `error`.
#[wasm_bindgen]
pub fn log_failure(error: &str) {
    Log::new(Level::Error, None).error("failed", &[("error", error.into())]);
}

/// One request and what its answer depends on.
struct Front<'a> {
    request: &'a Request,
    /// The address that is asked for, at [`ANY_HOST`].
    url: Url,
    /// The host that is asked for, as it came: with its port, if any.
    host: String,
    method: String,
    origin: Option<String>,
    cors: Cors,
    variables: Rc<Variables>,
    log: Log,
}

impl<'a> Front<'a> {
    fn new(request: &'a Request, env: &JsValue) -> Result<Self, JsValue> {
        crate::panics::log_places_only();
        let address = request.url();
        let (scheme, host, rest) = parts(&address);
        let url = Url::parse(&format!("{scheme}://{ANY_HOST}{rest}"))
            .map_err(|error| JsValue::from_str(&error.to_string()))?;
        let origin = request.headers().get("Origin")?;
        let variables = Variables::of(env);
        let cors = Cors::new(&variables.origins, origin.as_deref(), url.path());
        let log = Log::new(variables.level(), None);
        Ok(Self {
            request,
            url,
            host: host.to_owned(),
            method: request.method(),
            origin,
            cors,
            variables,
            log,
        })
    }

    fn receive(&self) -> Result<JsValue, JsValue> {
        if let Some(refusal) = self.host_refusal() {
            return self.refused(&refusal).map(JsValue::from);
        }
        if self.method == "OPTIONS" {
            let private = self
                .header("Access-Control-Request-Private-Network")
                .as_deref()
                == Some("true");
            return reply::preflight(&self.cors, private).map(JsValue::from);
        }
        let is_health = self.is_health();
        if self.is_upgrade() && !is_health {
            return self.upgrade();
        }
        #[cfg(feature = "test-hooks")]
        if let (Some(hook), Ok(configuration)) = (
            crate::hooks::Hook::find(self.url.path()),
            &self.variables.configuration,
        ) {
            return self.test(hook, configuration);
        }
        let route = match Route::find(&self.method, self.url.path()) {
            Ok(route) => route,
            Err(code) => return self.no_such_route(code).map(JsValue::from),
        };
        let Some(call) = call_name(route) else {
            let own = if route == Route::DescribeSettings {
                self.settings()
            } else {
                self.health()
            };
            return own.map(JsValue::from);
        };
        match self.configuration() {
            Ok(configuration) => self.call(call, configuration),
            Err(refusal) => self.refused(&refusal).map(JsValue::from),
        }
    }

    fn health(&self) -> Result<Response, JsValue> {
        let protocols = [Dialect::V1.version(), Dialect::V2.version()];
        let body = json!({
            "status": "ok",
            "service": SERVICE,
            "version": env!("CARGO_PKG_VERSION"),
            "protocols": protocols,
            "timestamp": now().0,
        });
        self.finish(&reply::json(200, &body.to_string())?)
    }

    /// What the owner has to mend that shuts nobody out.
    fn settings(&self) -> Result<Response, JsValue> {
        let headers = self.credential_headers();
        let checked = self.configuration().and_then(|configuration| {
            let key = &configuration.gateway_key;
            if headers.space_token.is_some() {
                credentials::check_inspector(&headers, key, now()).map(drop)
            } else {
                // They are of the Worker, and of no space.
                credentials::check_gateway_key(headers.authorization.as_deref(), false, key)
                    .map(drop)
            }
        });
        if let Err(refusal) = checked {
            return self.refused(&refusal);
        }
        let body = json!({ "success": true, "misconfigured": self.variables.misconfigured });
        self.finish(&reply::json(200, &body.to_string())?)
    }

    fn no_such_route(&self, code: ErrorCode) -> Result<Response, JsValue> {
        let response = reply::refusal(&plain(code))?;
        let methods = Route::methods(self.url.path());
        if !methods.is_empty() {
            response.headers().set("Allow", &methods.join(", "))?;
        }
        self.finish(&response)
    }

    fn credential_headers(&self) -> CredentialHeaders {
        CredentialHeaders {
            authorization: self.header("Authorization"),
            space_id: self.header(SPACE_ID_HEADER),
            space_token: self.header(SPACE_TOKEN_HEADER),
        }
    }

    fn call(&self, call: CallName, configuration: &Configuration) -> Result<JsValue, JsValue> {
        let headers = self.credential_headers();
        let key = &configuration.gateway_key;
        let caller = if call.is_the_owners() {
            credentials::check_owner(&headers, key)
        } else if call == CallName::DescribeSpace {
            credentials::check_inspector(&headers, key, now())
        } else {
            credentials::check(&headers, key, configuration.room.require_identity, now())
        };
        let (space, principal) = match caller {
            Ok(caller) => caller,
            Err(refusal) => return self.refused(&refusal).map(JsValue::from),
        };
        let announced = self
            .header("Content-Length")
            .and_then(|length| length.parse::<usize>().ok());
        if call.has_body() && announced.is_some_and(|bytes| bytes > CLIENT_FRAME_BYTES_MAX) {
            return self.refused(&too_large()).map(JsValue::from);
        }
        let task = match self.call_task(call, principal) {
            Ok(task) => task,
            Err(refusal) => return self.refused(&refusal).map(JsValue::from),
        };
        self.log
            .debug("call", &[("path", self.known_path().into())]);
        let errand = Errand {
            space: space.as_str().to_owned(),
            task,
        };
        self.visit(&errand, call.has_body())
    }

    fn call_task(&self, call: CallName, principal: Principal) -> Result<Task, Refusal> {
        let second = self.query("v").as_deref() == Some("2");
        let dialect = if second { Dialect::V2 } else { Dialect::V1 }.version();
        let up_to = |chars, name| self.query(name).map(|text| cut(&text, chars));
        let parameter = |name| up_to(PARAMETER_CHARS_MAX, name);
        // To the other calls these are parameters like any they do not know.
        let cursor = if call == CallName::ListEvents {
            cursor::read(|name| self.query(name))?
        } else {
            None
        };
        Ok(Task::Call {
            principal,
            call,
            dialect,
            parameters: Parameters {
                id: Route::parameter(self.url.path()).map(path_parameter),
                limit: parameter("limit"),
                before: parameter("before"),
                // That of participants is an id.
                page_cursor: up_to(ID_CHARS_MAX, "cursor"),
                cursor,
            },
        })
    }

    /// A WebSocket upgrade: any path will do, because a client keeps the path of its `workerUrl`.
    fn upgrade(&self) -> Result<JsValue, JsValue> {
        let Some(dialect) = self.offered_dialect() else {
            let field = "Sec-WebSocket-Protocol";
            let error =
                format!("`{field}` must offer `{SUBPROTOCOL}`, or be absent for the first version");
            let refusal = Refusal {
                field: Some(field.to_owned()),
                ..Refusal::new(ErrorCode::InvalidField, error)
            };
            return self.refused(&refusal).map(JsValue::from);
        };
        match self.read_upgrade(dialect) {
            Ok(upgrade::Upgrade {
                space,
                principal: Some(principal),
                cursor,
                client_scope,
                instance,
            }) => {
                let errand = Errand {
                    space: space.as_str().to_owned(),
                    task: Task::Connect {
                        dialect: dialect.version(),
                        principal,
                        cursor,
                        client_scope,
                        instance,
                    },
                };
                self.visit(&errand, false)
            }
            Ok(upgrade) => {
                let visit: Visit = Object::new().unchecked_into();
                visit.set_space(upgrade.space.as_str());
                visit.set_is_unproven(true);
                visit.set_source(&self.source());
                Ok(visit.into())
            }
            Err(refused) => Ok(self.turn_away(dialect, refused)),
        }
    }

    fn read_upgrade(&self, dialect: Dialect) -> Result<upgrade::Upgrade, UpgradeRefusal> {
        let configuration = self.configuration()?;
        self.check_origin()?;
        let offer = self.header("Sec-WebSocket-Protocol");
        let key = &configuration.gateway_key;
        let query = |name: &str| self.query(name);
        let read = upgrade::read(dialect, offer.as_deref(), query, key, now())?;
        if let Some(principal) = &read.principal {
            credentials::check_identity(principal, configuration.room.require_identity)?;
        }
        Ok(read)
    }

    /// The settings, or what is wrong with them: told to whoever asks, because it is the owner who tries first.
    fn configuration(&self) -> Result<&Configuration, Refusal> {
        self.variables.configuration.as_ref().map_err(|error| {
            let refusal = Refusal::new(ErrorCode::Internal, error.to_string());
            self.log
                .error("misconfigured", &[("error", refusal.error.as_str().into())]);
            refusal
        })
    }

    /// Where a request comes from, if Cloudflare's edge says so, over TLS or not: it names the place that took the request. Elsewhere
    /// the header is the client's own word.
    fn source(&self) -> String {
        let edge = js_sys::Reflect::get(self.request, &"cf".into());
        let place = edge.and_then(|edge| js_sys::Reflect::get(&edge, &"colo".into()));
        let is_edge = place.is_ok_and(|place| place.is_string());
        let address = self.header("CF-Connecting-IP").filter(|_| is_edge);
        unproven::source(&address.unwrap_or_default())
    }

    /// A page that reaches us under a name of its own is of our origin to its browser: no other check stops it.
    fn host_refusal(&self) -> Option<Refusal> {
        // Both: a local runtime takes the one from a header that anybody may send.
        let hosts = [Some(self.host.clone()), self.header("Host")];
        let error =
            "the Worker does not answer under this name: its owner lists names in ALLOWED_HOSTS";
        let mut hosts = hosts.into_iter().flatten();
        let is_other = hosts.any(|host| !self.variables.hosts.allow(&host));
        is_other.then(|| Refusal::new(ErrorCode::OriginRefused, error))
    }

    /// Sockets know no CORS: a page of another origin is turned away. What is no page sends no origin.
    fn check_origin(&self) -> Result<(), UpgradeRefusal> {
        match &self.origin {
            Some(origin) if !self.variables.origins.allow(origin) => {
                let error = "this page's origin may not connect: the Worker's owner lists origins in ALLOWED_ORIGINS";
                Err(Refusal::new(ErrorCode::OriginRefused, error).into())
            }
            Some(_) | None => Ok(()),
        }
    }

    #[cfg(feature = "test-hooks")]
    fn test(
        &self,
        hook: crate::hooks::Hook,
        configuration: &Configuration,
    ) -> Result<JsValue, JsValue> {
        let authorization = self.header("Authorization");
        let allowed = credentials::check_gateway_key(
            authorization.as_deref(),
            false,
            &configuration.gateway_key,
        );
        if let Err(refusal) = allowed {
            return self.refused(&refusal).map(JsValue::from);
        }
        let space = self.query("spaceId").unwrap_or_default();
        self.visit(
            &Errand {
                space,
                task: Task::Test(hook),
            },
            hook.has_body(),
        )
    }

    fn visit(&self, errand: &Errand, has_body: bool) -> Result<JsValue, JsValue> {
        let Some(header) = errand.encode() else {
            return self.refused(&plain(ErrorCode::Internal)).map(JsValue::from);
        };
        let visit: Visit = Object::new().unchecked_into();
        visit.set_space(&errand.space);
        visit.set_errand(&header);
        visit.set_upgrade(matches!(errand.task, Task::Connect { .. }));
        if let Task::Call {
            principal,
            call,
            dialect,
            parameters,
        } = &errand.task
        {
            visit.set_caller(&format!("{}\n{}", errand.space, principal.bucket));
            let bytes = call.answer_bytes_max(*dialect, parameters.limit.as_deref());
            visit.set_answer_bytes_max(bytes.map(|bytes| bytes as u32));
        }
        visit.set_body_bytes_max(has_body.then_some(CLIENT_FRAME_BYTES_MAX as u32));
        Ok(visit.into())
    }

    fn turn_away(&self, dialect: Dialect, refused: UpgradeRefusal) -> JsValue {
        let (code, reason) = (refused.close.number(), refused.refusal.code.as_str());
        let fields = [("code", reason.into()), ("close", code.into())];
        self.log.info("turned away", &fields);
        let turned_away: TurnedAway = Object::new().unchecked_into();
        turned_away.set_source(&self.source());
        turned_away.set_protocol(reply::subprotocol(dialect));
        turned_away.set_code(code);
        turned_away.set_reason(reason);
        let frame = ServerFrame::Error(refused.refusal);
        turned_away.set_frame(&dialect.encode(&frame).unwrap_or_default());
        turned_away.into()
    }

    fn refused(&self, refusal: &Refusal) -> Result<Response, JsValue> {
        let fields = [
            ("code", refusal.code.as_str().into()),
            ("path", self.known_path().into()),
        ];
        self.log.info("refused", &fields);
        self.finish(&reply::refusal(refusal)?)
    }

    fn finish(&self, response: &Response) -> Result<Response, JsValue> {
        reply::with_cors(response, &self.cors, self.method == "HEAD")
    }

    fn offered_dialect(&self) -> Option<Dialect> {
        upgrade::dialect(self.header("Sec-WebSocket-Protocol").as_deref())
    }

    fn is_upgrade(&self) -> bool {
        self.method == "GET"
            && self
                .header("Upgrade")
                .is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
    }

    fn is_health(&self) -> bool {
        Route::find(&self.method, self.url.path()) == Ok(Route::Health)
    }

    /// The path for the log: as the table has it, or nothing, because a client may write anything into one.
    fn known_path(&self) -> Option<&'static str> {
        known_path(self.url.path())
    }

    fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }

    /// The first value of a query parameter, percent-decoded once.
    fn query(&self, name: &str) -> Option<String> {
        self.url
            .query_pairs()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// Scheme, host and the rest of an address.
fn parts(address: &str) -> (&str, &str, &str) {
    let (scheme, rest) = address.split_once("://").unwrap_or(("https", address));
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
    (scheme, host, rest)
}

fn call_name(route: Route) -> Option<CallName> {
    match route {
        Route::Health | Route::DescribeSettings => None,
        Route::PostMessage => Some(CallName::PostMessage),
        Route::ListMessages => Some(CallName::ListMessages),
        Route::EditMessage => Some(CallName::EditMessage),
        Route::DeleteMessage => Some(CallName::DeleteMessage),
        Route::ListEvents => Some(CallName::ListEvents),
        Route::ListParticipants => Some(CallName::ListParticipants),
        Route::PostTyping => Some(CallName::PostTyping),
        Route::GetMetadata => Some(CallName::GetMetadata),
        Route::PutMetadata => Some(CallName::PutMetadata),
        Route::RenewEpoch => Some(CallName::RenewEpoch),
        Route::DescribeSpace => Some(CallName::DescribeSpace),
    }
}

fn known_path(path: &str) -> Option<&'static str> {
    let path = path.trim_end_matches('/');
    let is = |known: &str| match known.strip_suffix(":id") {
        Some(start) => path.starts_with(start) && Route::parameter(path).is_some(),
        None => known == path,
    };
    let mut paths = Route::TABLE.iter().map(|(known, _, _)| *known);
    paths.find(|known| is(known))
}

/// A component of the path, decoded. What is not rightly encoded stays as it is: no id of ours looks like that.
fn path_parameter(encoded: &str) -> String {
    let decoded = js_sys::decode_uri_component(encoded).map(String::from);
    cut(decoded.as_deref().unwrap_or(encoded), ID_CHARS_MAX)
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

fn too_large() -> Refusal {
    let error =
        format!("the body is larger than {CLIENT_FRAME_BYTES_MAX} bytes: send less at once");
    Refusal::new(ErrorCode::TooLarge, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_without_its_host() {
        for (address, expected) in [
            ("http://a.b:1/c?d#e", ("http", "a.b:1", "/c?d#e")),
            ("https://a", ("https", "a", "")),
            ("http://a?b://c", ("http", "a", "?b://c")),
            ("http://u@a/b@c", ("http", "u@a", "/b@c")),
            ("/a", ("https", "", "/a")),
        ] {
            assert_eq!(parts(address), expected, "{address}");
        }
    }

    #[test]
    fn the_log_knows_paths_by_the_table_alone() {
        assert_eq!(known_path("/messages/"), Some("/messages"));
        assert_eq!(known_path("/messages/secret"), Some("/messages/:id"));
        assert_eq!(known_path("/messages/secret/more"), None);
        assert_eq!(known_path("/secret"), None);
    }
}

//! Answers: JSON bodies, CORS headers, and accepted sockets.
//!
//! Owns headers that every answer carries. It must not know who decided on the answer.

use js_sys::Reflect;
use js_sys::Uint8Array;
use protocol::dialect::Dialect;
use protocol::frame::Refusal;
use protocol::http::{Route, SPACE_ID_HEADER, SPACE_TOKEN_HEADER, retry_after_seconds};
use protocol::wire::SUBPROTOCOL;
use serde_json::{Map, Value};
use wasm_bindgen::prelude::*;
use worker::web_sys::{Headers, Response, ResponseInit};

use crate::host::Socket;
use crate::origins::Origins;

const REQUEST_HEADERS: &str = "Authorization, Content-Type, x-space-id, x-space-token";
const PREFLIGHT_SECONDS: &str = "86400";

/// What the asking page may see and do, decided from its origin and from the path that it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    /// `Access-Control-Allow-Origin`; absent when the page may see nothing.
    allow: Option<String>,
    /// Whether the answer would be another for another page.
    varies: bool,
    /// `Access-Control-Allow-Methods`
    methods: String,
}

impl Cors {
    /// The policy for a page of `origin` that asks for `path`.
    pub(crate) fn new(origins: &Origins, origin: Option<&str>, path: &str) -> Self {
        let methods = allowed_methods(path);
        match origins {
            Origins::Any => Self {
                allow: Some("*".to_owned()),
                varies: false,
                methods,
            },
            Origins::Listed(_) => Self {
                allow: origin
                    .filter(|origin| origins.allow(origin))
                    .map(str::to_owned),
                varies: true,
                methods,
            },
        }
    }

    /// Writes the headers over what may stand there.
    pub(crate) fn write(&self, headers: &Headers) -> Result<(), JsValue> {
        if let Some(allow) = &self.allow {
            headers.set("Access-Control-Allow-Origin", allow)?;
        }
        // One address serves all rooms and people: a service worker that keeps answers must not show one's to another.
        let told_by = format!("{SPACE_ID_HEADER}, {SPACE_TOKEN_HEADER}, Authorization");
        let vary = if self.varies {
            format!("Origin, {told_by}")
        } else {
            told_by
        };
        headers.set("Vary", &vary)?;
        headers.set("Access-Control-Allow-Methods", &self.methods)?;
        headers.set("Access-Control-Allow-Headers", REQUEST_HEADERS)?;
        headers.set("Access-Control-Expose-Headers", "Retry-After")
    }
}

/// The methods that the path's routes know. A path of no route gets those of all routes: a page that mistyped it is to
/// read our 404 instead of its browser's word about CORS.
fn allowed_methods(path: &str) -> String {
    let mut methods = Route::methods(path);
    if methods.is_empty() {
        methods = Route::TABLE.iter().map(|(_, method, _)| *method).collect();
    }
    methods.push("OPTIONS");
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

/// A JSON answer, without CORS.
pub(crate) fn json(status: u16, body: &str) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("Content-Type", "application/json")?;
    // On the way from an object to the Worker nothing else tells it: see answers.js.
    headers.set("Content-Length", &body.len().to_string())?;
    // Caches tell answers apart by URL, and who asks stands in headers.
    headers.set("Cache-Control", "no-store")?;
    // Bytes, not a text: the runtime's garbage collector sees what they hold on to.
    let body = Uint8Array::from(body.as_bytes());
    Response::new_with_opt_js_u8_array_and_init(Some(&body), &init(status, &headers))
}

/// A refusal as an answer, without CORS.
pub(crate) fn refusal(refusal: &Refusal) -> Result<Response, JsValue> {
    let response = json(refusal.code.http_status(), &refusal_body(refusal))?;
    if let Some(ms) = refusal.retry_after_ms {
        response
            .headers()
            .set("Retry-After", &retry_after_seconds(ms).to_string())?;
    }
    Ok(response)
}

/// The body of a refusal: `{error, code, field?}`.
pub(crate) fn refusal_body(refusal: &Refusal) -> String {
    let mut body = Map::new();
    body.insert("error".to_owned(), refusal.error.as_str().into());
    body.insert("code".to_owned(), refusal.code.as_str().into());
    if let Some(field) = &refusal.field {
        body.insert("field".to_owned(), field.as_str().into());
    }
    Value::Object(body).to_string()
}

/// The answer to a preflight.
pub(crate) fn preflight(cors: &Cors, private_network: bool) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    cors.write(&headers)?;
    headers.set("Access-Control-Max-Age", PREFLIGHT_SECONDS)?;
    if private_network {
        headers.set("Access-Control-Allow-Private-Network", "true")?;
    }
    Response::new_with_opt_str_and_init(None, &init(204, &headers))
}

/// The same answer with CORS headers, and without a body if only the headers are wanted.
pub(crate) fn with_cors(
    response: &Response,
    cors: &Cors,
    head_only: bool,
) -> Result<Response, JsValue> {
    // Headers of an answer that came from an object can not be changed: they are copied.
    let headers = Headers::new_with_headers(&response.headers())?;
    cors.write(&headers)?;
    let init = init(response.status(), &headers);
    if head_only {
        return Response::new_with_opt_str_and_init(None, &init);
    }
    Response::new_with_opt_readable_stream_and_init(response.body().as_ref(), &init)
}

/// The answer that accepts a socket: `client` is the client's end.
pub(crate) fn accepted(client: &Socket, dialect: Dialect) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    if let Some(protocol) = subprotocol(dialect) {
        headers.set("Sec-WebSocket-Protocol", protocol)?;
    }
    let init = init(101, &headers);
    Reflect::set(init.as_ref(), &"webSocket".into(), client.as_ref())?;
    Response::new_with_opt_str_and_init(None, &init)
}

/// The subprotocol that an answer to an upgrade agrees on. Never the token's entry: the answer may be logged on the way.
pub(crate) fn subprotocol(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::V1 => None,
        Dialect::V2 => Some(SUBPROTOCOL),
    }
}

fn init(status: u16, headers: &Headers) -> ResponseInit {
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(headers.as_ref());
    init
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::codes::ErrorCode;

    #[test]
    fn refusals_name_code_and_field() {
        let refusal = Refusal {
            field: Some("limit".into()),
            ..Refusal::new(ErrorCode::InvalidField, "no")
        };
        assert_eq!(
            refusal_body(&refusal),
            r#"{"code":"invalidField","error":"no","field":"limit"}"#
        );
    }

    #[test]
    fn a_page_of_another_origin_sees_nothing() {
        let origins = Origins::read("https://a.example").list;
        assert_eq!(
            Cors::new(&origins, Some("https://a.example"), "/messages")
                .allow
                .as_deref(),
            Some("https://a.example")
        );
        let other = Cors::new(&origins, Some("https://b.example"), "/messages");
        assert!(other.allow.is_none() && other.varies);
        let any = Cors::new(&Origins::Any, None, "/messages");
        assert_eq!(any.allow.as_deref(), Some("*"));
    }

    #[test]
    fn a_page_may_use_the_methods_of_the_path_it_asks_for() {
        for (path, methods) in [
            ("/messages", "GET, OPTIONS, POST"),
            ("/messages/m7-0", "DELETE, OPTIONS, PATCH"),
            ("/metadata/", "GET, OPTIONS, PUT"),
            ("/events", "GET, OPTIONS"),
            ("/admin/epoch", "OPTIONS, POST"),
            ("/nowhere", "DELETE, GET, OPTIONS, PATCH, POST, PUT"),
        ] {
            assert_eq!(allowed_methods(path), methods, "{path}");
        }
    }
}

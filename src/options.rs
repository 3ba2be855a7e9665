//! The constructor's options, read one by one: each error names the field and what was expected.
//!
//! Must not know what the options are for.

use client_core::endpoint::Endpoint;
use client_core::error::{ClientError, Code};
use client_core::io::{Config, GatewayKey};
use js_sys::{Function, Reflect};
use protocol::codes::ErrorCode;
use protocol::fields::FieldError;
use protocol::ids::SpaceId;
use protocol::json::Json;
use wasm_bindgen::prelude::*;

use crate::clock::Clock;
use crate::host::said;
use crate::json::JsJson;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(bytes: &mut [u8]) -> Result<(), JsValue>;
}

/// What a client is made of.
pub(crate) struct Options {
    /// The core's part.
    pub(crate) config: Config,
    /// The clock that the core lives by.
    pub(crate) clock: Clock,
    /// The class of sockets; `None` means the environment's own.
    pub(crate) web_socket: Option<Function>,
}

impl Options {
    /// Reads `{ spaceId, workerUrl, newestFirst?, webSocket?, clientScope?, userId?, legacyWorker?, pollsOnly? }`;
    /// `legacyWorker` is the gateway key.
    ///
    /// # Errors
    /// Names the field that is absent or wrong.
    pub(crate) fn read(options: &JsValue) -> Result<Self, ClientError> {
        let space_id = string(options, "spaceId", SpaceId::EXPECTED)?;
        let space_id = SpaceId::parse(&space_id)
            .ok_or_else(|| FieldError::new("spaceId", SpaceId::EXPECTED, Some("another one")))?;
        let endpoint = Endpoint::parse(&string(
            options,
            "workerUrl",
            "a string with an absolute URL",
        )?)?;
        let newest_first =
            optional(options, "newestFirst", "true or false", JsValue::as_bool)?.unwrap_or(false);
        let as_function = |value: &JsValue| value.dyn_ref::<Function>().cloned();
        let web_socket = optional(options, "webSocket", "a WebSocket class", as_function)?;
        let client_scope = optional(options, "clientScope", "a string", JsValue::as_string)?;
        let user = optional(options, "userId", "a string", JsValue::as_string)?;
        let legacy_worker = optional(options, "legacyWorker", "a string", JsValue::as_string)?;
        let polls_only =
            optional(options, "pollsOnly", "true or false", JsValue::as_bool)?.unwrap_or(false);
        let clock = Clock::default();
        let config = Config {
            space_id,
            endpoint,
            newest_first,
            seed: seed()?,
            client_scope,
            user,
            wall_clock_at_zero: clock.wall_at_zero(),
            legacy_worker: legacy_worker.map(GatewayKey),
            polls_only,
        };
        Ok(Self {
            config,
            clock,
            web_socket,
        })
    }
}

fn string(options: &JsValue, name: &str, expected: &str) -> Result<String, ClientError> {
    let found = optional(options, name, expected, JsValue::as_string)?;
    found.ok_or_else(|| FieldError::new(name, expected, None).into())
}

/// The option, if it is there: `undefined` and `null` are not.
fn optional<T>(
    options: &JsValue,
    name: &str,
    expected: &str,
    read: impl FnOnce(&JsValue) -> Option<T>,
) -> Result<Option<T>, ClientError> {
    let value = Reflect::get(options, &JsValue::from_str(name)).map_err(|thrown| ClientError {
        field: Some(name.to_owned()),
        ..ClientError::new(
            Code::InvalidArgument,
            format!("`{name}` could not be read: {}", said(&thrown)),
        )
    })?;
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    let got = JsJson(value.clone()).shape().as_str();
    read(&value)
        .map(Some)
        .ok_or_else(|| FieldError::new(name, expected, Some(got)).into())
}

fn seed() -> Result<[u8; 32], ClientError> {
    let mut seed = [0; 32];
    get_random_values(&mut seed).map_err(|_| ClientError {
        retryable: false,
        ..ClientError::new(
            Code::Server(ErrorCode::Internal),
            "this environment has no `crypto.getRandomValues`, which message ids need: use a newer one",
        )
    })?;
    Ok(seed)
}

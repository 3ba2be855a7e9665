//! The runtime's JavaScript API, as far as it is used here.
//!
//! Bound by hand where the `worker` crate binds nothing (`transactionSync`, values sent as they are) or turns
//! an exception into a panic. It must not know what any of it is used for.

use js_sys::{Array, Date, Function, Promise, Reflect, Uint8Array};
use protocol::time::UnixMillis;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `DurableObjectState`
    pub type ObjectState;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn storage(this: &ObjectState) -> ObjectStorage;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn id(this: &ObjectState) -> JsValue;

    #[wasm_bindgen(method, catch, js_name = acceptWebSocket)]
    pub(crate) fn accept_web_socket(
        this: &ObjectState,
        socket: &Socket,
        tags: &Array,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = getWebSockets)]
    pub(crate) fn web_sockets(this: &ObjectState) -> Result<Array, JsValue>;

    #[wasm_bindgen(method, catch, js_name = getTags)]
    pub(crate) fn tags(this: &ObjectState, socket: &Socket) -> Result<Array, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setWebSocketAutoResponse)]
    pub(crate) fn set_auto_response(this: &ObjectState, pair: &AutoResponse)
    -> Result<(), JsValue>;

    /// Ends what [`Self::set_auto_response`] began; an object keeps that over its life.
    #[wasm_bindgen(method, catch, js_name = setWebSocketAutoResponse)]
    pub(crate) fn end_auto_response(this: &ObjectState) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = getWebSocketAutoResponseTimestamp)]
    pub(crate) fn auto_response_timestamp(
        this: &ObjectState,
        socket: &Socket,
    ) -> Result<Option<Date>, JsValue>;

    /// `WebSocketRequestResponsePair`
    #[wasm_bindgen(js_name = WebSocketRequestResponsePair)]
    pub(crate) type AutoResponse;

    #[wasm_bindgen(constructor, catch, js_class = WebSocketRequestResponsePair)]
    pub(crate) fn new(request: &str, response: &str) -> Result<AutoResponse, JsValue>;

    /// `WebSocket`
    #[derive(Clone, Debug)]
    pub type Socket;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn accept(this: &Socket) -> Result<(), JsValue>;

    /// Takes a JavaScript value, so that a text for many sockets is converted once.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn send(this: &Socket, data: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn close(this: &Socket, code: u16, reason: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, getter, js_name = readyState)]
    pub(crate) fn ready_state(this: &Socket) -> u16;

    #[wasm_bindgen(method, catch, js_name = serializeAttachment)]
    pub(crate) fn serialize_attachment(this: &Socket, value: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = deserializeAttachment)]
    pub(crate) fn deserialize_attachment(this: &Socket) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = WebSocketPair)]
    type Pair;

    #[wasm_bindgen(constructor, catch, js_class = WebSocketPair)]
    fn new() -> Result<Pair, JsValue>;

    #[wasm_bindgen(method, structural, indexing_getter)]
    fn end(this: &Pair, index: u32) -> Socket;

    /// `DurableObjectStorage`
    #[derive(Clone)]
    pub(crate) type ObjectStorage;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn sql(this: &ObjectStorage) -> Sql;

    /// Runs the closure in a transaction, which is rolled back when the closure throws; an `Err` throws.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub(crate) fn transaction_sync(
        this: &ObjectStorage,
        closure: &mut dyn FnMut() -> Result<(), JsValue>,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    pub(crate) fn set_alarm(this: &ObjectStorage, at: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAlarm)]
    pub(crate) fn delete_alarm(this: &ObjectStorage) -> Result<Promise, JsValue>;

    /// `SqlStorage`
    pub(crate) type Sql;

    #[wasm_bindgen(method, catch, variadic)]
    pub(crate) fn exec(this: &Sql, query: &str, bindings: &Array) -> Result<Cursor, JsValue>;

    #[wasm_bindgen(method, catch, getter, js_name = databaseSize)]
    pub(crate) fn database_size(this: &Sql) -> Result<f64, JsValue>;

    /// `SqlStorageCursor`
    pub(crate) type Cursor;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn raw(this: &Cursor) -> Result<RawRows, JsValue>;

    #[cfg(feature = "test-hooks")]
    #[wasm_bindgen(method, getter, js_name = rowsWritten)]
    pub(crate) fn rows_written(this: &Cursor) -> f64;

    /// The iterator over rows as arrays of columns.
    pub(crate) type RawRows;

    #[wasm_bindgen(method, catch, js_name = toArray)]
    pub(crate) fn to_array(this: &RawRows) -> Result<Array, JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn fill_random(bytes: &Uint8Array) -> Result<Uint8Array, JsValue>;
}

impl Socket {
    /// Whether frames can still go both ways.
    pub(crate) fn is_open(&self) -> bool {
        const OPEN: u16 = 1;
        self.ready_state() == OPEN
    }
}

/// The two ends of a new socket: the client's, which goes into the answer, and ours.
pub(crate) fn socket_pair() -> Result<(Socket, Socket), JsValue> {
    let pair = Pair::new()?;
    Ok((pair.end(0), pair.end(1)))
}

/// The wall clock. It stands still while we compute.
pub(crate) fn now() -> UnixMillis {
    millis(Date::now())
}

/// A JavaScript time as ours; what is none is the beginning of time.
pub(crate) fn millis(ms: f64) -> UnixMillis {
    // A float cast saturates, and NaN becomes 0.
    UnixMillis(ms as u64)
}

/// Bytes that nobody can foresee.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], JsValue> {
    let mut bytes = [0; N];
    let array = Uint8Array::new_with_length(N as u32);
    fill_random(&array)?.copy_to(&mut bytes);
    Ok(bytes)
}

/// An environment variable as text, whatever kind of value its owner wrote.
pub(crate) fn variable(env: &JsValue, name: &str) -> Option<String> {
    let value = Reflect::get(env, &JsValue::from_str(name)).ok()?;
    value
        .as_string()
        .or_else(|| value.as_bool().map(|truth| truth.to_string()))
        .or_else(|| value.as_f64().map(|number| number.to_string()))
}

/// The text of an exception.
pub(crate) fn message(thrown: &JsValue) -> String {
    let text = Reflect::get(thrown, &JsValue::from_str("message"))
        .ok()
        .and_then(|text| text.as_string());
    text.or_else(|| thrown.as_string())
        .unwrap_or_else(|| "an exception without a message".to_owned())
}

/// The object's own id in hex. Not the space's name, which may be personal.
pub(crate) fn object_id(state: &ObjectState) -> String {
    let id = state.id();
    let text = Reflect::get(&id, &JsValue::from_str("toString"))
        .ok()
        .and_then(|to_string| to_string.dyn_into::<Function>().ok())
        .and_then(|to_string| to_string.call0(&id).ok())
        .and_then(|text| text.as_string());
    text.unwrap_or_default()
}

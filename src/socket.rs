//! One WebSocket attempt: its closures, and its end.
//!
//! Owns the socket and its listeners: they go together, listeners first, so that no event comes from a socket
//! that was let go. Must not know what frames say.
//!
//! The socket may be of somebody else's class (the `webSocket` option: Node's `ws`, a test's own). So each
//! access is taken by name, and one that throws is an error here instead of an exception through our frames.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, ArrayBuffer, Function, JsString, Reflect, Uint8Array};
use protocol::frame::Frame;
use protocol::limits;
use protocol::time::Instant;
use wasm_bindgen::prelude::*;
use web_sys::{CloseEvent, MessageEvent};

use crate::handshakes::{self, Turn};
use crate::live::Live;

/// The close code of a connection that ended without one.
pub(crate) const ABNORMAL: u16 = 1006;
pub(crate) const NORMAL: u16 = 1000;
/// Values of `readyState`.
const CONNECTING: f64 = 0.0;
const CLOSED: f64 = 3.0;
/// A longer reason makes `close` throw.
const REASON_BYTES_MAX: usize = 123;

#[wasm_bindgen]
extern "C" {
    type WebSocket;
    #[wasm_bindgen(method, setter, catch, js_name = binaryType)]
    fn set_binary_type(this: &WebSocket, kind: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, setter, catch, js_name = onopen)]
    fn set_on_open(this: &WebSocket, listener: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, setter, catch, js_name = onmessage)]
    fn set_on_message(this: &WebSocket, listener: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, setter, catch, js_name = onclose)]
    fn set_on_close(this: &WebSocket, listener: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, setter, catch, js_name = onerror)]
    fn set_on_error(this: &WebSocket, listener: &JsValue) -> Result<(), JsValue>;
    // web_sys takes `&str` here, which would copy the text out of Wasm again.
    #[wasm_bindgen(method, catch)]
    fn send(this: &WebSocket, data: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, getter, catch, js_name = readyState)]
    fn ready_state(this: &WebSocket) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn close(this: &WebSocket, code: u16, reason: &str) -> Result<(), JsValue>;

    /// A function that does nothing and is nobody's closure.
    #[wasm_bindgen(thread_local_v2, js_namespace = Function, js_name = prototype)]
    static NOTHING: JsValue;
}

/// What a socket tells.
pub(crate) enum SocketEvent {
    Opened,
    Frame(Frame<JsString>),
    Closed { code: u16 },
}

/// See the module's text.
pub(crate) struct Socket {
    socket: WebSocket,
    on_open: Closure<dyn Fn()>,
    on_message: Closure<dyn Fn(MessageEvent)>,
    on_close: Closure<dyn Fn(CloseEvent)>,
    /// Kept until it is open.
    turn: RefCell<Option<Turn>>,
    /// When its handshake has had its time.
    until: Instant,
    is_closed: Cell<bool>,
    _live: Live,
}

impl Socket {
    /// Makes a socket of `constructor`'s class. It tells `listener` its events until it is dropped. `turn` is ended with its
    /// handshake, which may take `until` then.
    ///
    /// # Errors
    /// Gives what the constructor threw: the page may not connect there, or the class is not what it should be.
    pub(crate) fn open(
        constructor: &Function,
        url: &str,
        protocols: Vec<String>,
        (turn, until): (Option<Turn>, Instant),
        listener: impl Fn(SocketEvent) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let protocols: Array = protocols.into_iter().map(JsValue::from).collect();
        let arguments = Array::of2(&JsValue::from_str(url), &protocols);
        let socket = Reflect::construct(constructor, &arguments)?.unchecked_into();
        let (opened, framed, closed) = (listener.clone(), listener.clone(), listener);
        let socket = Self {
            socket,
            on_open: Closure::new(move || opened(SocketEvent::Opened)),
            on_message: Closure::new(move |event: MessageEvent| {
                framed(SocketEvent::Frame(frame(&event.data())))
            }),
            on_close: Closure::new(move |event: CloseEvent| {
                // A class of somebody's own may leave the code out.
                let code = Some(event.code()).filter(|code| *code != 0);
                closed(SocketEvent::Closed {
                    code: code.unwrap_or(ABNORMAL),
                });
            }),
            turn: RefCell::new(turn),
            until,
            is_closed: Cell::new(false),
            _live: Live::new(),
        };
        socket.attach()?;
        // One that the page's Content-Security-Policy forbids is made closed by Chromium, and tells of no close.
        if socket.ready_state() == Some(CLOSED) {
            return Err(JsValue::from_str("the page may not connect there"));
        }
        Ok(socket)
    }

    fn ready_state(&self) -> Option<f64> {
        self.socket.ready_state().ok()?.as_f64()
    }

    fn attach(&self) -> Result<(), JsValue> {
        self.socket.set_binary_type("arraybuffer")?;
        self.socket.set_on_open(self.on_open.as_ref())?;
        self.socket.set_on_message(self.on_message.as_ref())?;
        self.socket.set_on_close(self.on_close.as_ref())?;
        // An error says nothing, and a close follows. But the `ws` package throws the error where nobody
        // listens, even after we let go of the socket: so this listener stays for ever and belongs to nobody.
        NOTHING.with(|nothing| self.socket.set_on_error(nothing))
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// Gives what the socket threw: it is not open.
    pub(crate) fn send(&self, frame: Frame<JsString>) -> Result<(), JsValue> {
        match frame {
            Frame::Text(text) => self.socket.send(&text),
            Frame::Binary(bytes) => self.socket.send(&Uint8Array::from(bytes.as_slice())),
        }
    }

    /// Its handshake is done.
    pub(crate) fn end_turn(&self) {
        if let Some(turn) = self.turn.take() {
            turn.end();
        }
    }

    /// Its handshake has had its time, if it is not through.
    pub(crate) fn give_up_turn(&self) {
        if let Some(turn) = self.turn.take() {
            turn.give_up();
        }
    }

    /// Closes the socket, or, where that does harm, leaves it to be closed later: see [`handshakes::leave`]. None of its events
    /// is told any more.
    pub(crate) fn leave(self: Rc<Self>, code: u16, reason: &str, now: Instant) {
        let is_connecting = self.ready_state() == Some(CONNECTING);
        let left_ms = u32::try_from(self.until.ms_since(now)).unwrap_or_default();
        if is_connecting && left_ms > 0 && handshakes::is_page() {
            return handshakes::leave(self, left_ms);
        }
        self.close(code, reason);
    }

    /// Calls `listener` when it opens or ends, and nobody else any more.
    pub(crate) fn listen_for_end(&self, listener: &JsValue) {
        self.detach();
        // One that refuses a listener is closed when its time is over.
        let _ = self.socket.set_on_open(listener);
        let _ = self.socket.set_on_close(listener);
    }

    /// Closes the socket. None of its events is told any more.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        if self.is_closed.replace(true) {
            return;
        }
        self.detach();
        let code = if matches!(code, NORMAL | 3000..=4999) {
            code
        } else {
            NORMAL
        };
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        // Where closing throws there is nothing left to close.
        let _ = self
            .socket
            .close(code, reason.get(..end).unwrap_or_default());
    }

    fn detach(&self) {
        // A socket that refuses to forget a listener calls a dropped closure, which throws at the caller: it
        // can not reach the core.
        let _ = self.socket.set_on_open(&JsValue::NULL);
        let _ = self.socket.set_on_message(&JsValue::NULL);
        let _ = self.socket.set_on_close(&JsValue::NULL);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close(NORMAL, "");
    }
}

fn frame(data: &JsValue) -> Frame<JsString> {
    if data.is_string() {
        return Frame::Text(data.unchecked_ref::<JsString>().clone());
    }
    let fits = |bytes: &Uint8Array| (bytes.length() as usize) <= limits::WINDOW_BYTES_MAX;
    let bytes = data
        .dyn_ref::<ArrayBuffer>()
        .map(|buffer| Uint8Array::new(buffer))
        .filter(fits);
    // What is no buffer, or larger than anything a server sends, is not copied into Wasm: an empty frame tells
    // the core that something came that it can not read.
    Frame::Binary(bytes.map(|bytes| bytes.to_vec()).unwrap_or_default())
}

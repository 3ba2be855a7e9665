//! The Durable Object of one space: drives the room.
//!
//! Owns when the room is built, the order input → outputs → deadline, and who is asked for each output. It
//! must not know what a frame means. Every method runs to its end without waiting for anything.

mod answers;
#[cfg(feature = "test-hooks")]
mod wishes;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use js_sys::{Array, ArrayBuffer, Function, Uint8Array};
use protocol::codes::{CloseCode, ErrorCode};
use protocol::dialect::Dialect;
use protocol::frame::{Frame, Refusal, ServerFrame};
use protocol::ids::SpaceId;
use protocol::limits::WINDOW_BYTES_MAX;
use protocol::time::UnixMillis;
use protocol::wire::{PING, PONG};
use room_core::{Input, Output, PeerId, RequestId, Response as RoomResponse, Room, StorageError};
use wasm_bindgen::prelude::*;
use worker::web_sys::Response;

use crate::clock::Clock;
use crate::credentials::{authenticate, plain};
use crate::errand::{Errand, Task};
use crate::host::{
    AutoResponse, ObjectState, ObjectStorage, Socket, message, object_id, random, socket_pair,
};
use crate::log::Log;
use crate::reply;
use crate::sockets::{Sockets, TurnedAway, answer_close, close_socket};
use crate::sqlite::Sqlite;
use crate::variables::{PingAnswers, Variables};

/// How long the frame of bytes is by which a relay asks how far the object is (`first-version.js`); it lets none of its client's
/// through.
const RELAY_MARK_BYTES: usize = 1;
/// Bytes sent that are as much work as an entry: a window of the log is as much as a turn of `entry.js` has.
const SENT_BYTES_PER_WORK: usize = WINDOW_BYTES_MAX / 100;

/// One space. `entry.js` builds it when the first event arrives, and again whenever Rust's memory was lost.
#[wasm_bindgen]
pub struct SpaceObject {
    state: ObjectState,
    storage: ObjectStorage,
    /// Where one is wrong, the Worker says which, and lets nobody through.
    variables: Rc<Variables>,
    log: Log,
    clock: Clock,
    /// The space's name, once somebody told it.
    space: RefCell<Option<SpaceId>>,
    live: RefCell<Option<Live>>,
    requests: Cell<u32>,
    /// The request whose input is being run.
    asking: Cell<Option<RequestId>>,
    /// Requests that the room answers later.
    postponed: RefCell<BTreeSet<RequestId>>,
    /// Takes their answers: `(id, Response)`.
    answered: Function,
    /// Turns a socket away: `(socket, frames, code, reason)`, gives whether it did.
    turn_away: Function,
    /// Bytes of the frames that were sent since `message` last told, each counted once however many got it.
    sent_bytes: Cell<usize>,
    #[cfg(feature = "test-hooks")]
    trap: crate::hooks::Trap,
}

/// What an object that is awake has in memory.
struct Live {
    room: Room,
    store: Sqlite,
    sockets: Sockets,
}

/// Something to tell the room.
#[allow(
    clippy::large_enum_variant,
    reason = "two or three exist at a time, none for long"
)]
enum Event {
    Input(Input),
    Timeout,
    TimeoutAmongEvents,
    Alarm,
}

/// Why the room could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asleep;

#[wasm_bindgen]
impl SpaceObject {
    /// Never fails: an object that could not be constructed could not tell anybody why. `answered(id, response)` is called
    /// for requests that [`SpaceObject::fetch`] gave an id of, `turn_away(socket, frames, code, reason)` for a new socket that
    /// is to be told `frames` and closed; it gives false where it may not accept one more of those.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: ObjectState, env: &JsValue, answered: Function, turn_away: Function) -> Self {
        crate::panics::log_places_only();
        let variables = Variables::of(env);
        let log = Log::new(variables.level(), Some(object_id(&state)));
        let storage = state.storage();
        #[cfg(feature = "test-hooks")]
        crate::hooks::count_construction(&storage.sql());
        let clock = Clock::new(storage.clone(), log.clone());
        Self {
            state,
            storage,
            variables,
            log,
            clock,
            space: RefCell::new(None),
            live: RefCell::new(None),
            requests: Cell::new(0),
            asking: Cell::new(None),
            postponed: RefCell::default(),
            answered,
            turn_away,
            sent_bytes: Cell::new(0),
            #[cfg(feature = "test-hooks")]
            trap: crate::hooks::Trap::default(),
        }
    }

    /// Runs an errand of the Worker's: `errand` as in the header, `body` the client's. Gives a `Response`, or the id under
    /// which it comes later.
    ///
    /// # Errors
    /// When the runtime refuses to make an answer.
    pub fn fetch(&self, errand: Option<String>, body: String) -> Result<JsValue, JsValue> {
        let errand = errand.as_deref().and_then(Errand::decode);
        let Some((errand, space)) =
            errand.and_then(|errand| errand.space_id().map(|space| (errand, space)))
        else {
            return reply::refusal(&plain(ErrorCode::NotFound)).map(JsValue::from);
        };
        *self.space.borrow_mut() = Some(space);
        match errand.task {
            Task::Connect {
                dialect,
                principal,
                cursor,
                client_scope,
                instance,
            } => {
                let Some(dialect) = Dialect::of_version(dialect) else {
                    return reply::refusal(&plain(ErrorCode::NotFound)).map(JsValue::from);
                };
                let connected = self.connect(dialect, |peer| Input::Connected {
                    peer,
                    dialect,
                    principal,
                    cursor,
                    client_scope,
                    instance,
                });
                connected.map(JsValue::from)
            }
            Task::Call {
                principal,
                call,
                dialect,
                parameters,
            } => {
                let dialect = Dialect::of_version(dialect).unwrap_or(Dialect::V1);
                let call = call.call(dialect, parameters, body);
                self.answer(|request| Input::Request {
                    request,
                    principal,
                    call,
                })
            }
            #[cfg(feature = "test-hooks")]
            Task::Test(hook) => self.test(hook, &body).map(JsValue::from),
        }
    }

    /// The answer to a request that an object before this one was to answer later.
    ///
    /// # Errors
    /// When the runtime refuses to make an answer.
    pub fn failure(&self) -> Result<Response, JsValue> {
        answers::failure()
    }

    /// A socket sent a frame: a string, or the bytes of a binary frame.
    pub fn message(&self, socket: &Socket, data: &JsValue) {
        let frame = match data.as_string() {
            Some(text) => Frame::Text(text),
            None => Frame::Binary(bytes(data)),
        };
        if matches!(&frame, Frame::Binary(bytes) if bytes.len() == RELAY_MARK_BYTES)
            && self.is_relayed(socket)
        {
            // A relay that is gone needs no answer.
            let _ = socket.send(data);
            return;
        }
        self.handle_frame(socket, |peer| Input::Frame { peer, frame });
    }

    /// How much was done since the last call, by which `entry.js` judges when it is somebody else's turn: one for each
    /// entry, and one for each `SENT_BYTES_PER_WORK` that were read from the store or sent. The echo of a mark is a small
    /// frame that brings half a megabyte.
    #[must_use]
    pub fn work(&self) -> u32 {
        let work = self
            .with_live(|live| live.room.take_work())
            .unwrap_or_default();
        let moved = self.sent_bytes.take().max(work.read_bytes);
        // What is sent of the log was read: the larger counts, not both.
        let work = work.entries.max(1) + moved / SENT_BYTES_PER_WORK;
        u32::try_from(work).unwrap_or(u32::MAX)
    }

    /// Whether a frame of so many bytes is to be passed on to [`SpaceObject::message`].
    #[must_use]
    pub fn wants(&self, socket: &Socket, bytes: f64) -> bool {
        let now = self.clock.now();
        // A float cast saturates.
        let bytes = bytes as usize;
        let Ok(Some(peer)) = self.peer(socket) else {
            return true;
        };
        self.with_live(|live| live.room.wants_frame(peer, bytes, now))
            .unwrap_or(true)
    }

    /// A socket sent a frame that is not passed on.
    pub fn unread(&self, socket: &Socket, bytes: f64) {
        let bytes = bytes as usize;
        self.handle_frame(socket, |peer| Input::Unread { peer, bytes });
    }

    /// A socket is closing. `code` is the client's.
    pub fn closed(&self, socket: &Socket, code: u16) {
        self.lost(socket);
        answer_close(socket, code);
    }

    /// A socket broke.
    pub fn failed(&self, socket: &Socket) {
        self.lost(socket);
        close_socket(socket, CloseCode::Internal.number(), "");
    }

    /// The alarm rang.
    ///
    /// # Errors
    /// When the room could not be asked: the runtime rings again.
    pub fn alarm(&self) -> Result<(), JsValue> {
        #[cfg(feature = "test-hooks")]
        crate::hooks::alarm_rang(&self.storage.sql());
        self.run(Event::Alarm)
            .map(drop)
            .map_err(|Asleep| JsValue::from_str("the space could not be opened"))
    }

    /// The timer that stands for [`SpaceObject::deadline`] rang. Too early or too late does no harm.
    pub fn timeout(&self) {
        // Nobody waits for this: what went wrong is logged, and told at the next event.
        let _logged = self.run(Event::Timeout);
    }

    /// The same, called while events are waiting to be delivered: less is done.
    pub fn timeout_among_events(&self) {
        let _logged = self.run(Event::TimeoutAmongEvents);
    }

    /// When [`SpaceObject::timeout`] is to be called, in milliseconds since 1970. `undefined`: never.
    #[must_use]
    pub fn deadline(&self) -> Option<f64> {
        let live = self.live.borrow();
        live.as_ref()
            .and_then(|live| live.room.poll_timeout())
            .map(|at| self.clock.to_runtime(at))
    }
}

impl SpaceObject {
    /// Whether our Worker stands between the socket and its client: see `first-version.js`.
    fn is_relayed(&self, socket: &Socket) -> bool {
        let Ok(Some(peer)) = self.peer(socket) else {
            return false;
        };
        let dialect = self.with_live(|live| live.room.dialect_of(peer));
        dialect.ok().flatten() == Some(Dialect::V1)
    }

    /// Accepts a socket, and has the room say hello in the same breath.
    fn connect(
        &self,
        dialect: Dialect,
        input: impl FnOnce(PeerId) -> Input,
    ) -> Result<Response, JsValue> {
        let (client, server) = socket_pair()?;
        if self.wake().is_err() {
            let refusal = plain(ErrorCode::Internal);
            let (code, reason) = (
                CloseCode::Internal.number(),
                refusal.code.as_str().to_owned(),
            );
            let frame = dialect.encode(&ServerFrame::Error(refusal));
            let turned_away = TurnedAway {
                socket: server,
                frames: frame.iter().map(|text| JsValue::from_str(text)).collect(),
                code,
                reason,
            };
            return self.turn_away(&client, dialect, &turned_away);
        }
        let asleep = |Asleep| JsValue::from_str("the space fell asleep");
        let peer = self
            .with_live(|live| live.sockets.arrive(server))
            .map_err(asleep)??;
        self.log
            .debug("connected", &[("version", dialect.version().into())]);
        let asked = self.run(Event::Input(input(peer))).map_err(asleep);
        let settled = self
            .with_live(|live| live.sockets.settle(&self.state, peer))
            .map_err(asleep)?;
        if let Err(thrown) = asked.and(settled) {
            self.run(Event::Input(Input::Disconnected { peer }))
                .map(drop)
                .map_err(asleep)?;
            return Err(thrown);
        }
        if let Some(turned_away) = self
            .with_live(|live| live.sockets.take_turned_away())
            .map_err(asleep)?
        {
            return self.turn_away(&client, dialect, &turned_away);
        }
        reply::accepted(&client, dialect)
    }

    /// Tells a socket why it is not wanted; by a status where too many of those are still there.
    fn turn_away(
        &self,
        client: &Socket,
        dialect: Dialect,
        turned_away: &TurnedAway,
    ) -> Result<Response, JsValue> {
        let TurnedAway {
            socket,
            frames,
            code,
            reason,
        } = turned_away;
        let frames: Array = frames.iter().collect();
        let done = self.turn_away.call4(
            &JsValue::UNDEFINED,
            socket,
            &frames,
            &JsValue::from(*code),
            &JsValue::from_str(reason),
        )?;
        if done.is_truthy() {
            return reply::accepted(client, dialect);
        }
        let code = CloseCode::from_number(*code);
        reply::refusal(&plain(code.map_or(ErrorCode::Internal, CloseCode::error)))
    }

    fn handle_frame(&self, socket: &Socket, input: impl FnOnce(PeerId) -> Input) {
        match self.peer(socket) {
            Ok(Some(peer)) => self.run_for(socket, input(peer)),
            // It came on the way to our close, or before we forgot the socket.
            Ok(None) => {}
            Err(Asleep) => close_socket(socket, CloseCode::Internal.number(), "internal"),
        }
    }

    fn lost(&self, socket: &Socket) {
        let ended = self
            .wake_for(Some(socket))
            .and_then(|()| self.with_live(|live| live.sockets.end(&self.state, socket)));
        if let Ok(Some(peer)) = ended {
            let _logged = self.run(Event::Input(Input::Disconnected { peer }));
            self.log.debug("disconnected", &[]);
        }
    }

    fn peer(&self, socket: &Socket) -> Result<Option<PeerId>, Asleep> {
        self.wake()?;
        self.with_live(|live| live.sockets.peer(&self.state, socket))
    }

    /// Runs an input whose sender can be told by closing its socket.
    fn run_for(&self, socket: &Socket, input: Input) {
        if self.run(Event::Input(input)).is_err() {
            close_socket(socket, CloseCode::Internal.number(), "internal");
        }
    }

    /// One event through the room, and everything that follows from it. Gives the answers to requests.
    fn run(&self, event: Event) -> Result<Vec<(RequestId, RoomResponse)>, Asleep> {
        let now = self.clock.now();
        self.wake()?;
        let mut answers = Vec::new();
        let mut events = VecDeque::from([event]);
        if self.with_live(|live| live.room.wants_heard(now))? {
            let heard = self.with_live(|live| live.heard(&self.state, &self.clock))?;
            events.push_front(Event::Input(Input::Heard(heard)));
        }
        while let Some(event) = events.pop_front() {
            let outputs = self.step(event, now)?;
            #[cfg(feature = "test-hooks")]
            if self.with_live(|live| live.store.take_committed())? && self.trap.strikes() {
                self.lose_memory();
                return Ok(Vec::new());
            }
            self.perform(outputs, now, &mut events, &mut answers);
        }
        Ok(answers)
    }

    fn step(&self, event: Event, now: UnixMillis) -> Result<Vec<Output>, Asleep> {
        self.with_live(|live| live.step(event, now, &self.state, &self.clock))
    }

    fn wake(&self) -> Result<(), Asleep> {
        self.wake_for(None)
    }

    /// Builds the room, unless it is there. What it then has to say is said at once. `waking` is the socket that was lost, if
    /// one was: whoever was behind it has to be somebody who can leave.
    fn wake_for(&self, waking: Option<&Socket>) -> Result<(), Asleep> {
        if self.live.borrow().is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let (live, outputs) = self.open(now, waking).map_err(|error| {
            self.log
                .error("the space could not be opened", &[("error", error.into())]);
            Asleep
        })?;
        self.log
            .info("woke", &[("sockets", live.sockets.count().into())]);
        *self.live.borrow_mut() = Some(live);
        let mut events = VecDeque::new();
        self.perform(outputs, now, &mut events, &mut Vec::new());
        while let Some(event) = events.pop_front() {
            let outputs = self.step(event, now)?;
            self.perform(outputs, now, &mut events, &mut Vec::new());
        }
        Ok(())
    }

    fn open(
        &self,
        now: UnixMillis,
        waking: Option<&Socket>,
    ) -> Result<(Live, Vec<Output>), String> {
        let configuration = self.variables.configuration.as_ref();
        let configuration = configuration.map_err(ToString::to_string)?;
        let text = |thrown: JsValue| message(&thrown);
        match configuration.ping_answers {
            PingAnswers::Runtime => {
                let pings = AutoResponse::new(PING, PONG).map_err(text)?;
                self.state.set_auto_response(&pings).map_err(text)?;
            }
            PingAnswers::Code => self.state.end_auto_response().map_err(text)?,
        }
        let (sockets, found) = Sockets::wake(&self.state, waking).map_err(text)?;
        let mut space = self.space.borrow_mut();
        if space.is_none() {
            *space = found
                .first()
                .and_then(|found| SpaceId::parse(&found.attachment.space));
        }
        let store = Sqlite::new(self.storage.clone(), self.log.clone());
        let peers = found
            .into_iter()
            .map(|found| (found.peer, found.attachment.record))
            .collect();
        let seed = random().map_err(text)?;
        let room = Room::open(configuration.room.clone(), seed, peers, now, &store);
        let room = room.map_err(|error: StorageError| error.to_string())?;
        let mut live = Live {
            room,
            store,
            sockets,
        };
        let outputs = live.drain();
        Ok((live, outputs))
    }

    /// Does what the room said, in its order. Inputs that follow from it are put before those that wait.
    fn perform(
        &self,
        outputs: Vec<Output>,
        now: UnixMillis,
        events: &mut VecDeque<Event>,
        answers: &mut Vec<(RequestId, RoomResponse)>,
    ) {
        let mut authenticated = Vec::new();
        let mut gone = Vec::new();
        for output in outputs {
            match output {
                Output::Send { peers, frame } => {
                    self.sent_bytes.set(self.sent_bytes.get() + frame.bytes());
                    gone.extend(
                        self.with_live(|live| live.sockets.send(&peers, &frame))
                            .unwrap_or_default(),
                    );
                }
                Output::Close { peer, code, reason } => {
                    self.log.info("closed", &[("code", code.into())]);
                    let _closed = self.with_live(|live| live.sockets.close(peer, code, &reason));
                }
                Output::Authenticate {
                    peer,
                    token,
                    gateway_key,
                } => {
                    let result = self.authenticate(&token, gateway_key.as_deref(), now);
                    if let Err(refusal) = &result {
                        self.log
                            .info("refused", &[("code", refusal.code.as_str().into())]);
                    }
                    authenticated.push(Event::Input(Input::Authenticated { peer, result }));
                }
                Output::Remember { peer, record } => {
                    if !self.remember(peer, record) {
                        self.log.error("a socket's record could not be kept", &[]);
                        gone.push(peer);
                    }
                }
                Output::Postpone { request } => self.postpone(request),
                Output::Respond { request, response } => {
                    if let Some(answer) = self.answer_if_postponed(request, response) {
                        answers.push((request, answer));
                    }
                }
                Output::QuotaReached { bytes, bytes_max } => self.log.error(
                    "quotaExceeded",
                    &[("bytes", bytes.into()), ("bytesMax", bytes_max.into())],
                ),
                Output::SetAlarm(at) => self.clock.set_alarm(at),
            }
        }
        gone.sort_unstable();
        gone.dedup();
        for peer in gone {
            let code = CloseCode::Internal.number();
            let _closed = self.with_live(|live| live.sockets.close(peer, code, ""));
            events.push_front(Event::Input(Input::Disconnected { peer }));
        }
        for event in authenticated.into_iter().rev() {
            events.push_front(event);
        }
    }

    fn authenticate(
        &self,
        token: &str,
        gateway_key: Option<&str>,
        now: UnixMillis,
    ) -> Result<protocol::principal::Principal, Refusal> {
        match (&self.variables.configuration, &*self.space.borrow()) {
            (Ok(configuration), Some(space)) => {
                authenticate(token, gateway_key, space, &configuration.gateway_key, now)
            }
            (_, _) => Err(plain(ErrorCode::Internal)),
        }
    }

    fn remember(&self, peer: PeerId, record: room_core::PeerRecord) -> bool {
        let space = self.space.borrow();
        let Some(space) = &*space else { return false };
        self.with_live(|live| live.sockets.remember(space, peer, record))
            .is_ok_and(|kept| kept.is_ok())
    }

    /// Borrows what is in memory for one synchronous step. Nothing called in there calls back.
    fn with_live<T>(&self, work: impl FnOnce(&mut Live) -> T) -> Result<T, Asleep> {
        self.live.borrow_mut().as_mut().map(work).ok_or(Asleep)
    }
}

impl Live {
    fn step(
        &mut self,
        event: Event,
        now: UnixMillis,
        state: &ObjectState,
        clock: &Clock,
    ) -> Vec<Output> {
        match event {
            Event::Input(input) => self.room.handle_input(input, now, &mut self.store),
            Event::Timeout => self.room.handle_timeout(now, &self.store),
            Event::TimeoutAmongEvents => {
                self.room.handle_timeout_among_inputs(now, &self.store);
            }
            Event::Alarm => {
                let heard = self.heard(state, clock);
                self.room.handle_alarm(now, heard, &mut self.store);
            }
        }
        #[cfg(feature = "test-hooks")]
        self.store.report_rows_written();
        self.drain()
    }

    /// When each peer's ping was last answered, in the space's time.
    fn heard(&self, state: &ObjectState, clock: &Clock) -> Vec<(PeerId, UnixMillis)> {
        let heard = self.sockets.heard(state).into_iter();
        heard
            .map(|(peer, at)| (peer, clock.of_runtime(at)))
            .collect()
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.room.poll_output()).collect()
    }
}

/// The bytes of a binary frame, which the runtime gives as a buffer.
fn bytes(data: &JsValue) -> Vec<u8> {
    data.dyn_ref::<ArrayBuffer>()
        .map(|buffer| Uint8Array::new(buffer).to_vec())
        .unwrap_or_default()
}

//! Drives the core: in goes what happened, out comes what is to do.
//!
//! One life of an input: [`Driver::enter`] borrows the core, feeds it, moves its outputs to a queue of our own
//! and lets go; [`Driver::drive`] carries the queue out, one output at a time, with nothing borrowed. JavaScript
//! that runs meanwhile (a listener, a socket class of somebody's own, a getter of a message) may call any export
//! again: inside [`Driver::drive`] its outputs join the queue behind those that are there already, and inside the
//! core itself, where only a getter or a `toJSON` can be, the call waits until the core is let go of.
//!
//! Must not know what frames, requests and events say.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use client_core::Client;
use client_core::io::{
    CallId, ConnectionState, Event, FetchId, Input, OutboxChange, OutboxRow, Output, SocketId,
    TokenId,
};
use js_sys::{Function, Promise, Reflect};
use protocol::time::Instant;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::calls::Calls;
use crate::clock::Clock;
use crate::convert;
use crate::handshakes::{self, Turn};
use crate::host::{Host, report, said};
use crate::http::{self, Fetch};
use crate::json::JsJson;
use crate::live::Live;
use crate::options::Options;
use crate::outbox_row;
use crate::socket::{self, Socket, SocketEvent};
use crate::timer::{Deadline, NextTask};
use crate::wake::{self, Sign, WakeListeners};

/// Outputs that are carried out in one go. The rest waits for a later task, so that the page stays responsive in a long
/// replay: an answer over HTTP brings thousands of events at once.
const OUTPUTS_PER_RUN: usize = 256;

/// A socket that the core wants.
#[derive(Clone)]
struct Opening {
    socket: SocketId,
    url: String,
    protocols: Vec<String>,
    within_ms: u64,
}

type Work = Box<dyn FnOnce(&mut Client<JsJson>, Instant)>;

/// A core with everything it needs of the browser.
pub(crate) struct Driver {
    me: Weak<Driver>,
    host: Host,
    /// The class of sockets; `None` means the environment's own.
    web_socket: Option<Function>,
    clock: Clock,
    core: RefCell<Client<JsJson>>,
    /// What the core said last about the connection, for whoever asks while it is borrowed.
    connected: Cell<bool>,
    /// What came while the core was borrowed.
    waiting: RefCell<VecDeque<Work>>,
    outputs: RefCell<VecDeque<Output<JsJson>>>,
    draining: Cell<bool>,
    /// The task that will carry out the rest of the queue.
    continuation: RefCell<Option<NextTask>>,
    /// Whether the app let go of the client: nothing goes in or out any more.
    closed: Cell<bool>,
    calls: Calls,
    deadline: RefCell<Option<Deadline>>,
    next_task: RefCell<Option<NextTask>>,
    /// How often the core asked for the next task.
    next_task_asked: Cell<u32>,
    wake: RefCell<Option<WakeListeners>>,
    sockets: RefCell<Vec<(SocketId, Rc<Socket>)>>,
    /// Sockets that are not made yet: others' handshakes go first.
    lined_up: RefCell<Vec<(SocketId, Turn)>>,
    /// Whether the app was told why no socket could be made; it is the same for each attempt.
    refusal_reported: Cell<bool>,
    fetches: RefCell<Vec<(FetchId, Fetch)>>,
}

impl Driver {
    pub(crate) fn new(options: Options, host: Host) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            host,
            web_socket: options.web_socket,
            clock: options.clock,
            core: RefCell::new(Client::new(options.config)),
            connected: Cell::new(false),
            waiting: RefCell::default(),
            outputs: RefCell::default(),
            draining: Cell::new(false),
            continuation: RefCell::default(),
            closed: Cell::new(false),
            calls: Calls::default(),
            deadline: RefCell::default(),
            next_task: RefCell::default(),
            next_task_asked: Cell::new(0),
            wake: RefCell::default(),
            sockets: RefCell::default(),
            lined_up: RefCell::default(),
            refusal_reported: Cell::new(false),
            fetches: RefCell::default(),
        })
    }

    /// Starts a call of the app.
    pub(crate) fn call(
        &self,
        begin: impl FnOnce(&mut Client<JsJson>, CallId, Instant) + 'static,
    ) -> Promise {
        let (call, promise) = self.calls.open();
        self.enter(move |core, now| begin(core, call, now));
        promise
    }

    /// Tells the core what happened.
    pub(crate) fn input(&self, input: Input<JsJson>) {
        self.enter(move |core, now| core.handle_input(input, now));
    }

    /// Lets `work` at the core, at once or as soon as it is free, and carries out what comes of it.
    pub(crate) fn enter(&self, work: impl FnOnce(&mut Client<JsJson>, Instant) + 'static) {
        self.enter_boxed(Box::new(work));
    }

    fn enter_boxed(&self, work: Work) {
        if self.closed.get() {
            return;
        }
        let Ok(mut core) = self.core.try_borrow_mut() else {
            self.waiting.borrow_mut().push_back(work);
            return;
        };
        let mut next = Some(work);
        while let Some(work) = next {
            work(&mut core, self.clock.now());
            while let Some(output) = core.poll_output() {
                self.outputs.borrow_mut().push_back(output);
            }
            next = self.waiting.borrow_mut().pop_front();
        }
        self.connected.set(core.is_connected());
        drop(core);
        self.drive();
    }

    /// Whether messages flow.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.get()
    }

    /// Whether one of these rows is of who uses the client; no, where nobody may ask.
    pub(crate) fn owns_any(&self, rows: &[OutboxRow<JsJson>]) -> bool {
        self.core.try_borrow().is_ok_and(|core| core.owns_any(rows))
    }

    /// Carries out the queue. Does nothing inside itself: the outer run finds the new outputs.
    fn drive(&self) {
        if self.draining.replace(true) {
            return;
        }
        for _ in 0..OUTPUTS_PER_RUN {
            let output = self.outputs.borrow_mut().pop_front();
            let Some(output) = output else { break };
            self.perform(output);
        }
        self.draining.set(false);
        if !self.outputs.borrow().is_empty() {
            self.continue_later();
        }
        self.set_deadline();
    }

    fn continue_later(&self) {
        if self.continuation.borrow().is_some() {
            return;
        }
        let me = self.me.clone();
        let next_task = NextTask::start(move || {
            let Some(driver) = me.upgrade() else { return };
            driver.continuation.take();
            driver.drive();
        });
        self.continuation.replace(Some(next_task));
    }

    fn perform(&self, output: Output<JsJson>) {
        match output {
            Output::OpenSocket {
                socket,
                url,
                protocols,
                within_ms,
            } => self.open_socket(Opening {
                socket,
                url,
                protocols,
                within_ms,
            }),
            Output::Transmit { socket, frame } => {
                let Some(found) = self.socket(socket) else {
                    return;
                };
                if found.send(frame).is_err() {
                    self.take_socket(socket);
                    self.input(Input::SocketClosed {
                        socket,
                        code: socket::ABNORMAL,
                    });
                }
            }
            Output::CloseSocket {
                socket,
                code,
                reason,
                at_once,
            } => {
                self.lined_up.borrow_mut().retain(|(id, _)| *id != socket);
                match self.take_socket(socket) {
                    Some(found) if at_once => {
                        found.give_up_turn();
                        found.close(code, reason);
                    }
                    Some(found) => found.leave(code, reason, self.clock.now()),
                    None => {}
                }
            }
            Output::RequestToken { token_id, fresh } => self.request_token(token_id, fresh),
            Output::Fetch { fetch, request } => {
                let running = Fetch::new();
                let signal = running.signal();
                self.fetches.borrow_mut().push((fetch, running));
                let (me, host) = (self.me.clone(), self.host.clone());
                spawn_local(async move {
                    let outcome = http::fetch(&host, request, signal).await;
                    let Some(driver) = me.upgrade() else { return };
                    drop(driver.take_fetch(fetch));
                    driver.input(Input::Fetched { fetch, outcome });
                });
            }
            // What is dropped is aborted; what its end says is not waited for any more.
            Output::EndFetch { fetch } => drop(self.take_fetch(fetch)),
            Output::Settle { call, result } => {
                let result = result
                    .map(convert::reply)
                    .map_err(|error| self.host.make_error(&error));
                self.calls.settle(call, result);
            }
            Output::Event(event) => {
                if let Event::StateChanged { state, .. } = &event {
                    self.listen_for_waking(*state);
                }
                self.host.tell(event);
            }
            Output::YieldTask => self.ask_next_task(),
            Output::LoadOutbox => {
                if let Err(thrown) = self.host.load_outbox() {
                    report(&thrown);
                    self.input(Input::OutboxLoaded(Vec::new()));
                    self.input(Input::PersistFailed);
                }
            }
            Output::ReclaimOutbox => {
                if let Err(thrown) = self.host.reclaim_outbox() {
                    report(&thrown);
                    self.input(Input::PersistFailed);
                }
            }
            Output::Identified(is_known) => {
                if let Err(thrown) = self.host.on_identified(is_known) {
                    report(&thrown);
                }
            }
            Output::Persist(change) => self.persist(change),
        }
    }

    /// Takes a request out of those that are under way. The page's own code may run when it is dropped.
    fn take_fetch(&self, fetch: FetchId) -> Option<Fetch> {
        let mut fetches = self.fetches.borrow_mut();
        let at = fetches.iter().position(|(running, _)| *running == fetch)?;
        Some(fetches.swap_remove(at).1)
    }

    fn persist(&self, change: OutboxChange<JsJson>) {
        let kept = match change {
            OutboxChange::Put(row) => self.host.put_row(&outbox_row::write(&row)),
            OutboxChange::Remove(id) => self.host.remove_row(id.as_str()),
            OutboxChange::Clear => self.host.clear_rows(),
        };
        if let Err(thrown) = kept {
            report(&thrown);
            self.input(Input::PersistFailed);
        }
    }

    fn open_socket(&self, opening: Opening) {
        if !handshakes::is_page() {
            return self.make_socket(opening, None);
        }
        let socket = opening.socket;
        let (me, waiting) = (self.me.clone(), opening.clone());
        let (turn, has_turn) = Turn::take(&opening.url, move || {
            if let Some(driver) = me.upgrade() {
                driver.begin_handshake(&waiting);
            }
        });
        if has_turn {
            return self.make_socket(opening, Some(turn));
        }
        self.lined_up.borrow_mut().push((socket, turn));
        self.input(Input::HandshakeWaits { socket });
    }

    /// It is this socket's turn, unless it was given up meanwhile; or its time begins anew.
    fn begin_handshake(&self, opening: &Opening) {
        let socket = opening.socket;
        let turn = {
            let mut lined_up = self.lined_up.borrow_mut();
            let index = lined_up.iter().position(|(id, _)| *id == socket);
            index.map(|index| lined_up.swap_remove(index).1)
        };
        self.input(Input::HandshakeBegins { socket });
        if let Some(turn) = turn {
            self.make_socket(opening.clone(), Some(turn));
        }
    }

    fn make_socket(&self, opening: Opening, turn: Option<Turn>) {
        let Opening {
            socket,
            url,
            protocols,
            within_ms,
        } = opening;
        let Some(constructor) = self.web_socket.clone().or_else(environment_web_socket) else {
            self.input(Input::SocketUnavailable { socket });
            return;
        };
        let until = self.clock.now().plus_ms(within_ms);
        let me = self.me.clone();
        let listener = move |event: SocketEvent| {
            let Some(driver) = me.upgrade() else { return };
            match event {
                SocketEvent::Opened => {
                    if let Some(opened) = driver.socket(socket) {
                        opened.end_turn();
                    }
                    driver.input(Input::SocketOpened { socket });
                }
                SocketEvent::Frame(frame) => driver.input(Input::Frame { socket, frame }),
                SocketEvent::Closed { code } => {
                    driver.take_socket(socket);
                    driver.input(Input::SocketClosed { socket, code });
                }
            }
        };
        match Socket::open(&constructor, &url, protocols, (turn, until), listener) {
            Ok(opened) => self.sockets.borrow_mut().push((socket, Rc::new(opened))),
            Err(thrown) => {
                // An app's own class may be mended; where the browser's own throws, a policy forbids it, and there are polls.
                if self.web_socket.is_some() && !self.refusal_reported.replace(true) {
                    report(&thrown);
                }
                self.input(Input::SocketClosed {
                    socket,
                    code: socket::ABNORMAL,
                });
            }
        }
    }

    fn socket(&self, socket: SocketId) -> Option<Rc<Socket>> {
        let sockets = self.sockets.borrow();
        sockets
            .iter()
            .find(|(id, _)| *id == socket)
            .map(|(_, found)| Rc::clone(found))
    }

    fn take_socket(&self, socket: SocketId) -> Option<Rc<Socket>> {
        let mut sockets = self.sockets.borrow_mut();
        let index = sockets.iter().position(|(id, _)| *id == socket)?;
        Some(sockets.swap_remove(index).1)
    }

    fn request_token(&self, token_id: TokenId, fresh: bool) {
        let given = match self.host.token(fresh) {
            Ok(given) => given,
            Err(thrown) => {
                self.input(Input::TokenFailed {
                    token_id,
                    message: said(&thrown),
                });
                return;
            }
        };
        if given.is_string() {
            // A function's comes by a promise.
            self.input(token_input(token_id, &given, true));
            return;
        }
        let me = self.me.clone();
        let live = Live::new();
        spawn_local(async move {
            let input = match JsFuture::from(Promise::resolve(&given)).await {
                Ok(token) => token_input(token_id, &token, false),
                Err(thrown) => Input::TokenFailed {
                    token_id,
                    message: said(&thrown),
                },
            };
            drop(live);
            if let Some(driver) = me.upgrade() {
                driver.input(input);
            }
        });
    }

    /// Listens as long as there is a link to look after, or one that failed to bring back.
    fn listen_for_waking(&self, state: ConnectionState) {
        let wanted = match state {
            ConnectionState::Connecting
            | ConnectionState::Connected
            | ConnectionState::Reconnecting
            | ConnectionState::Offline
            // What it failed for may be mended by then.
            | ConnectionState::Failed => true,
            ConnectionState::Idle => false,
        };
        if !wanted {
            self.wake.take();
        } else if self.wake.borrow().is_none() {
            let me = self.me.clone();
            let listeners = WakeListeners::start(move |sign| {
                if let Some(driver) = me.upgrade() {
                    driver.input(match sign {
                        Sign::Woken => Input::Woken,
                        Sign::PutAway => Input::PutAway,
                        Sign::Focused => Input::Focused,
                        Sign::Online(online) => Input::OnlineChanged(online),
                    });
                }
            });
            self.wake.replace(Some(listeners));
            // No event tells how things are before the first change. That there is a network is no news, and no reason to hurry
            // what has just begun.
            let online = wake::is_online();
            if let Some(online) =
                online.filter(|online| *online == (state == ConnectionState::Offline))
            {
                self.input(Input::OnlineChanged(online));
            }
        }
    }

    /// Asks for a later task. One that was asked for before comes in a later task, too, and serves for both.
    fn ask_next_task(&self) {
        self.next_task_asked
            .set(self.next_task_asked.get().saturating_add(1));
        if self.next_task.borrow().is_some() {
            return;
        }
        let me = self.me.clone();
        let next_task = NextTask::start(move || {
            let Some(driver) = me.upgrade() else { return };
            driver.next_task.take();
            for _ in 0..driver.next_task_asked.take() {
                driver.input(Input::TaskPassed);
            }
        });
        self.next_task.replace(Some(next_task));
    }

    fn set_deadline(&self) {
        // The core is free here unless one of its own getters called us; then it is asked when it is done.
        let Ok(core) = self.core.try_borrow() else {
            return;
        };
        let wanted = if self.closed.get() {
            None
        } else {
            core.poll_timeout()
        };
        drop(core);
        let serves = match (self.deadline.borrow().as_ref(), wanted) {
            (None, None) => true,
            (Some(running), Some(wanted)) => running.serves(wanted, &self.clock),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if serves {
            return;
        }
        let deadline = wanted.map(|wanted| {
            let me = self.me.clone();
            Deadline::start(wanted, &self.clock, move || {
                if let Some(driver) = me.upgrade() {
                    driver.deadline.take();
                    driver.enter(|core, now| {
                        // The timer may have been started for an earlier deadline that is gone.
                        if core.poll_timeout().is_some_and(|due| due <= now) {
                            core.handle_timeout(now);
                        }
                    });
                }
            })
        });
        self.deadline.replace(deadline);
    }

    /// Lets go of everything. Calls that the core has already answered are settled; others stay pending.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.connected.set(false);
        self.waiting.take();
        for output in self.outputs.take() {
            if let Output::Settle { .. } = output {
                self.perform(output);
            }
        }
        self.calls.forget();
        self.deadline.take();
        self.next_task.take();
        self.continuation.take();
        self.wake.take();
        self.fetches.take();
        self.lined_up.take();
        for (_, socket) in self.sockets.take() {
            socket.leave(socket::NORMAL, "", self.clock.now());
        }
    }
}

fn environment_web_socket() -> Option<Function> {
    let found = Reflect::get(&js_sys::global(), &JsValue::from_str("WebSocket")).ok()?;
    found.dyn_into().ok()
}

fn token_input(token_id: TokenId, token: &JsValue, fixed: bool) -> Input<JsJson> {
    match token.as_string() {
        Some(token) => Input::TokenReady {
            token_id,
            token,
            fixed,
        },
        None => Input::TokenFailed {
            token_id,
            message: "`spaceToken` gave something that is no string".to_owned(),
        },
    }
}

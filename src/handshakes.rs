//! The handshakes of a page's sockets: one at a time for each host, and those that nobody waits for any more.
//!
//! Browsers make one handshake at a time for each host (RFC 6455 §4.1), and a socket that waits for another's looks to its
//! client like one that is being opened: its time runs out before its turn. So clients of a page line up here, and the time of
//! each begins at its turn. And a socket that is closed while it is being opened keeps Safari from making others for a while:
//! one that nobody wants any more is closed once it is open, or once its time is over.
//!
//! Where a handshake has had its time and did not end, the network may swallow all: then nobody waits for anybody, until a socket
//! of that host opens. If it was that one alone, the browser makes the others one after the other all the same: as long as they
//! end, the time of those behind begins anew. At first [`WINDOW`] of them begin, because Chromium holds back sockets that are
//! opened beside many others, for up to 5 s (its `WebSocketThrottler`); and who comes meanwhile, as the one that hung does, stands
//! behind them.
//!
//! Owns the lines, and sockets that were left. Must not know clients.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::live::Live;
use crate::socket::Socket;

thread_local! {
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    static LEFT: RefCell<Vec<Left>> = const { RefCell::new(Vec::new()) };
    /// Hosts whose last handshake did not end in time.
    static HANGING: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static NEXT: Cell<u32> = const { Cell::new(0) };
}

/// How many begin at once behind the first handshake that hangs.
const WINDOW: usize = 12;

/// Those who want a handshake with a host; the first ones have the turn.
struct Line {
    host: String,
    waiting: VecDeque<Waiting>,
    /// How many may have the turn at a time.
    window: usize,
}

impl Line {
    /// Gives the turn to as many as may have it. Gives what is to be called of them.
    fn move_up(&mut self) -> Vec<Rc<dyn Fn()>> {
        let begun = self.waiting.iter().filter(|it| it.has_begun).count();
        let free = self.window.saturating_sub(begun);
        let next = self.waiting.iter_mut().filter_map(Waiting::start);
        next.take(free).collect()
    }
}

struct Waiting {
    number: u32,
    has_begun: bool,
    /// Whether it came while the host's last handshake had hung: it may be that one.
    is_suspect: bool,
    begin: Rc<dyn Fn()>,
}

impl Waiting {
    /// What is to be called if its time begins by this.
    fn start(&mut self) -> Option<Rc<dyn Fn()>> {
        let is_first_time = !std::mem::replace(&mut self.has_begun, true);
        is_first_time.then(|| Rc::clone(&self.begin))
    }
}

/// Later: whoever moves a line is in the middle of something.
fn call_later(begun: impl IntoIterator<Item = Rc<dyn Fn()>>) {
    for begin in begun {
        spawn_local(async move { begin() });
    }
}

/// A place in a line, and the turn once it is the first. Ends when it is dropped.
pub(crate) struct Turn {
    host: String,
    number: u32,
}

impl Turn {
    /// Lines up for a handshake with the host of `url`. Tells whether it has the turn; if not, `begin` is called once it has. It is
    /// called again where its time begins anew.
    pub(crate) fn take(url: &str, begin: impl Fn() + 'static) -> (Self, bool) {
        let host = host_of(url).to_owned();
        let number = NEXT.with(|next| next.replace(next.get().wrapping_add(1)));
        let hangs = HANGING.with_borrow(|hosts| hosts.contains(&host));
        let has_turn = LINES.with_borrow_mut(|lines| {
            let line = lines.iter_mut().find(|line| line.host == host);
            // Those who lined up before it hung come first.
            let has_turn = line.as_ref().is_none_or(|line| {
                hangs && line.waiting.iter().all(|it| it.is_suspect && it.has_begun)
            });
            let waiting = Waiting {
                number,
                has_begun: has_turn,
                is_suspect: hangs,
                begin: Rc::new(begin),
            };
            match line {
                Some(line) => line.waiting.push_back(waiting),
                None => lines.push(Line {
                    host: host.clone(),
                    waiting: VecDeque::from([waiting]),
                    window: 1,
                }),
            }
            has_turn
        });
        (Self { host, number }, has_turn)
    }
}

impl Turn {
    /// The handshake is through: the browser comes to the next, whose time begins anew.
    pub(crate) fn end(self) {
        HANGING.with_borrow_mut(|hosts| hosts.retain(|host| *host != self.host));
        let begun = self.in_line(|line| {
            line.window = 1;
            let others = line.waiting.iter().filter(|it| it.number != self.number);
            let begun = others.filter(|it| it.has_begun);
            begun.map(|it| Rc::clone(&it.begin)).collect()
        });
        call_later(begun);
    }

    /// The handshake has had its time: those who wait begin theirs. All of them where it is not the first that hangs.
    pub(crate) fn give_up(self) {
        let hung_before = HANGING.with_borrow_mut(|hosts| {
            let hung_before = hosts.contains(&self.host);
            if !hung_before {
                hosts.push(self.host.clone());
            }
            hung_before
        });
        let window = if hung_before { usize::MAX } else { WINDOW };
        // They begin when this one is dropped.
        self.in_line(|line| {
            line.window = window;
            Vec::new()
        });
    }

    /// Does something with the line. Gives what that gives.
    fn in_line(&self, act: impl FnOnce(&mut Line) -> Vec<Rc<dyn Fn()>>) -> Vec<Rc<dyn Fn()>> {
        LINES.with_borrow_mut(|lines| {
            let line = lines.iter_mut().find(|line| line.host == self.host);
            line.map_or_else(Vec::new, act)
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.in_line(|line| {
            line.waiting.retain(|waiting| waiting.number != self.number);
            line.move_up()
        });
        LINES.with_borrow_mut(|lines| lines.retain(|line| !line.waiting.is_empty()));
        call_later(next);
    }
}

fn host_of(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after.split(['/', '?']).next().unwrap_or_default()
}

/// Whether this is a page: what is said of browsers holds here.
pub(crate) fn is_page() -> bool {
    Reflect::has(&js_sys::global(), &JsValue::from_str("document")).unwrap_or(false)
}

/// A socket that is being opened and that nobody wants any more.
struct Left {
    socket: Rc<Socket>,
    _on_end: Closure<dyn Fn()>,
    _timeout: Timeout,
    _live: Live,
}

/// Closes the socket once it is open, or after `ms`.
pub(crate) fn leave(socket: Rc<Socket>, ms: u32) {
    let known = Rc::downgrade(&socket);
    let end = move || {
        let known = known.clone();
        // Later: the listener that is dropped with it is the one that runs.
        spawn_local(async move {
            let ended = LEFT.with_borrow_mut(|left| {
                let index = left
                    .iter()
                    .position(|left| Rc::as_ptr(&left.socket) == known.as_ptr())?;
                Some(left.swap_remove(index))
            });
            drop(ended);
        });
    };
    let on_end = Closure::new(end.clone());
    socket.listen_for_end(on_end.as_ref());
    let left = Left {
        socket: Rc::clone(&socket),
        _on_end: on_end,
        _timeout: Timeout::new(ms, {
            let socket = Rc::downgrade(&socket);
            move || {
                if let Some(socket) = socket.upgrade() {
                    socket.give_up_turn();
                }
                end();
            }
        }),
        _live: Live::new(),
    };
    LEFT.with_borrow_mut(|all| all.push(left));
}

//! The handshakes of a page's sockets: one at a time for each host, and those that nobody waits for any more.
//!
//! Browsers make one handshake at a time for each host (RFC 6455 §4.1), and a socket that waits for another's looks to its
//! client like one that is being opened: its time runs out before its turn. So clients of a page line up here, and the time of
//! each begins at its turn. And a socket that is closed while it is being opened keeps Safari from making others for a while:
//! one that nobody wants any more is closed once it is open, or once its time is over.
//!
//! Where a handshake has had its time and did not end, the network may swallow all: then nobody waits for anybody, until a socket
//! of that host opens.
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

/// Those who want a handshake with a host; the first one has the turn.
struct Line {
    host: String,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    number: u32,
    begin: Option<Box<dyn FnOnce()>>,
}

/// A place in a line, and the turn once it is the first. Ends when it is dropped.
pub(crate) struct Turn {
    host: String,
    number: u32,
}

impl Turn {
    /// Lines up for a handshake with the host of `url`. Tells whether it has the turn; if not, `begin` is called once it has.
    pub(crate) fn take(url: &str, begin: impl FnOnce() + 'static) -> (Self, bool) {
        let host = host_of(url).to_owned();
        let number = NEXT.with(|next| next.replace(next.get().wrapping_add(1)));
        let hangs = HANGING.with_borrow(|hosts| hosts.contains(&host));
        let is_first = LINES.with_borrow_mut(|lines| {
            let index = lines.iter().position(|line| line.host == host);
            let Some(line) = index.and_then(|index| lines.get_mut(index)) else {
                let begin = None;
                lines.push(Line {
                    host: host.clone(),
                    waiting: VecDeque::from([Waiting { number, begin }]),
                });
                return true;
            };
            let begin: Option<Box<dyn FnOnce()>> = (!hangs).then(|| Box::new(begin) as _);
            line.waiting.push_back(Waiting { number, begin });
            hangs
        });
        (Self { host, number }, is_first)
    }
}

impl Turn {
    /// The handshake is through.
    pub(crate) fn end(self) {
        HANGING.with_borrow_mut(|hosts| hosts.retain(|host| *host != self.host));
    }

    /// The handshake has had its time: all who wait begin theirs.
    pub(crate) fn give_up(self) {
        HANGING.with_borrow_mut(|hosts| {
            if !hosts.contains(&self.host) {
                hosts.push(self.host.clone());
            }
        });
        let begun = LINES.with_borrow_mut(|lines| {
            let line = lines.iter_mut().find(|line| line.host == self.host);
            let waiting = line.into_iter().flat_map(|line| line.waiting.iter_mut());
            let begun = waiting.filter_map(|waiting| waiting.begin.take());
            begun.collect::<Vec<_>>()
        });
        for begin in begun {
            spawn_local(async move { begin() });
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = LINES.with_borrow_mut(|lines| {
            let index = lines.iter().position(|line| line.host == self.host)?;
            let line = lines.get_mut(index)?;
            line.waiting.retain(|waiting| waiting.number != self.number);
            let Some(first) = line.waiting.front_mut() else {
                lines.swap_remove(index);
                return None;
            };
            first.begin.take()
        });
        // Later: whoever ends a turn is in the middle of something.
        if let Some(begin) = next {
            spawn_local(async move { begin() });
        }
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

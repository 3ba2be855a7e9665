//! What follows from the room's outputs, and how frames and requests reach it.

use std::rc::Rc;

use client_core::io::{self as client_io, FetchId, Fetched};
use protocol::codes::{CloseCode, ErrorCode};
use protocol::dialect::Dialect;
use protocol::frame::{Frame, Refusal, ServerFrame};
use protocol::http::{SERVICE, retry_after_seconds};
use protocol::limits::{CLIENT_FRAME_BYTES_MAX, PEER_SILENT_MS_MAX};
use protocol::time::UnixMillis;
use room_core::io::{self as room_io, PeerId, RequestId};
use room_core::storage::StorageError;
use serde_json::{Value, json};

use super::{Down, Happening, Tab, Up, World};
use crate::network::{Direction, Owner, is_hostile};
use crate::server::{Server, virtual_ms, wall};

/// What stands in a frame that tells a client to send less.
const RATE_LIMITED: &str = "\"code\":\"rateLimited\"";

impl World {
    pub(super) fn reach_room(&mut self, peer: PeerId, up: Up) -> Result<(), String> {
        if !self.network.wire(peer).is_some_and(|wire| wire.alive) {
            return Ok(());
        }
        let input = match up {
            Up::Upgrade { url, protocols } => {
                self.send_down(peer, Down::Opened);
                match Server::connected(peer, &url, &protocols, self.now) {
                    Some(input) => {
                        self.meter.begin_upgrade(peer);
                        input
                    }
                    None => {
                        self.refuse(peer);
                        return Ok(());
                    }
                }
            }
            Up::Frame(frame) if frame.bytes() > CLIENT_FRAME_BYTES_MAX => {
                let bytes = frame.bytes();
                room_io::Input::Unread { peer, bytes }
            }
            Up::Frame(frame) => {
                if let Frame::Text(text) = &frame {
                    self.meter.begin_frame(peer, text);
                }
                room_io::Input::Frame { peer, frame }
            }
            Up::Ping if self.options.pings_in_code => {
                let frame = Frame::Text(protocol::wire::PING.to_owned());
                room_io::Input::Frame { peer, frame }
            }
            // The runtime answers without the room.
            Up::Ping => {
                self.network.note_ping(peer, self.now);
                self.send_down(peer, Down::Frame(protocol::wire::PONG.into()));
                return Ok(());
            }
            Up::Closed => {
                self.network.kill(peer);
                self.server
                    .records
                    .retain(|(recorded, _)| *recorded != peer);
                room_io::Input::Disconnected { peer }
            }
        };
        let fed = self.feed_room(input);
        self.meter.end();
        fed
    }

    pub(super) fn reach_room_by_http(
        &mut self,
        tab: Tab,
        fetch: FetchId,
        request: &client_io::Request<Value>,
    ) -> Result<(), String> {
        if request.url.ends_with("/health") {
            // The Worker answers by itself.
            let body = json!({ "service": SERVICE }).to_string();
            let at = self.now + self.request_ms(tab.person, body.len());
            let answer = answered(200, body);
            self.at(at, Happening::Answer(tab, fetch, Ok(answer)));
            return Ok(());
        }
        if request.url.contains("/events") {
            self.report.polls += 1;
        }
        let name = RequestId(self.next_request);
        self.next_request += 1;
        match Server::request(name, request, self.now) {
            Ok(input) => {
                self.asked.insert(name, (tab, fetch));
                self.feed_room(input)
            }
            Err((status, body)) => {
                let answer = answered(status, body);
                self.at(self.now, Happening::Answer(tab, fetch, Ok(answer)));
                Ok(())
            }
        }
    }

    /// As the Worker refuses an upgrade: one `error` frame, then a close that says why.
    fn refuse(&mut self, peer: PeerId) {
        self.report.faults += 1;
        let error = Refusal::new(ErrorCode::TokenExpired, "Token expired");
        let frame = Dialect::V2.encode(&ServerFrame::Error(error));
        let text = frame.unwrap_or_default();
        self.send_down(peer, Down::Frame(text.into()));
        self.send_down(peer, Down::Closed(CloseCode::TokenExpired.number()));
    }

    fn send_down(&mut self, peer: PeerId, down: Down) {
        let bytes = match &down {
            Down::Frame(text) => text.len(),
            Down::Opened | Down::Closed(_) => 0,
        };
        if let Some(at) = self.network.pass(peer, Direction::Down, bytes, self.now) {
            self.at(at, Happening::ToClient(peer, down));
        }
    }

    fn feed_room(&mut self, input: room_io::Input) -> Result<(), String> {
        if self.faulty
            && self
                .server_random
                .chance(self.options.disk_failure_permille)
        {
            self.server.storage.fail_next_commit(StorageError::Full);
            self.report.faults += 1;
        }
        if self.server.room.wants_heard(wall(self.now)) {
            let heard = room_io::Input::Heard(self.pinged());
            self.server
                .room
                .handle_input(heard, wall(self.now), &mut self.server.storage);
        }
        self.server
            .room
            .handle_input(input, wall(self.now), &mut self.server.storage);
        if self.faulty && self.server_random.chance(self.options.swallow_permille) {
            // Committed, and nobody hears of it: the object was reset before a frame left.
            return self.evict();
        }
        self.carry_out_for_room();
        Ok(())
    }

    pub(super) fn ring(&mut self) {
        if self.server.alarm.is_none_or(|at| at > self.now) {
            return;
        }
        self.server.alarm = None;
        let heard = self.pinged();
        self.server
            .room
            .handle_alarm(wall(self.now), heard, &mut self.server.storage);
        self.carry_out_for_room();
    }

    /// When the runtime last answered a ping of each socket.
    fn pinged(&self) -> Vec<(PeerId, UnixMillis)> {
        let pinged = self.network.pinged().into_iter();
        pinged.map(|(peer, at)| (peer, wall(at))).collect()
    }

    /// Does what the room asks for, and gives it the verdicts on the tokens that it asks about.
    pub(super) fn carry_out_for_room(&mut self) {
        self.drain_room();
        while let Some((peer, token)) = self.tokens_to_verify.pop_front() {
            let result = Server::authenticate(&token, self.now);
            self.server.room.handle_input(
                room_io::Input::Authenticated { peer, result },
                wall(self.now),
                &mut self.server.storage,
            );
            self.drain_room();
        }
        if let Some(at) = self.server.room.poll_timeout() {
            self.at(virtual_ms(at).max(self.now), Happening::RoomTimer);
        }
    }

    fn drain_room(&mut self) {
        while let Some(output) = self.server.room.poll_output() {
            match output {
                room_io::Output::Send {
                    peers,
                    frame: Frame::Text(text),
                } => {
                    self.report.frames += 1;
                    let apps = peers.iter().filter(|peer| !is_hostile(**peer)).count() as u64;
                    self.report.rate_limited += apps * u64::from(text.contains(RATE_LIMITED));
                    for peer in peers {
                        self.meter.sent(peer, &text);
                        self.send_down(peer, Down::Frame(Rc::clone(&text)));
                    }
                }
                room_io::Output::Close { peer, code, .. } => {
                    self.count_close(peer, code);
                    self.server
                        .records
                        .retain(|(recorded, _)| *recorded != peer);
                    self.send_down(peer, Down::Closed(code));
                }
                room_io::Output::Remember { peer, record } => {
                    self.server
                        .records
                        .retain(|(recorded, _)| *recorded != peer);
                    self.server.records.push((peer, record));
                }
                // Whoever asked waits by itself, and no run writes gigabytes.
                room_io::Output::Postpone { .. } | room_io::Output::QuotaReached { .. } => {}
                room_io::Output::Respond { request, response } => self.respond(request, response),
                room_io::Output::SetAlarm(at) => {
                    self.server.alarm = at.map(virtual_ms);
                    if let Some(at) = self.server.alarm {
                        self.at(at.max(self.now), Happening::Alarm);
                    }
                }
                room_io::Output::Authenticate { peer, token, .. } => {
                    self.tokens_to_verify.push_back((peer, token));
                }
                // The room sends text only.
                room_io::Output::Send {
                    frame: Frame::Binary(_),
                    ..
                } => {}
            }
        }
    }

    fn count_close(&mut self, peer: PeerId, code: u16) {
        if is_hostile(peer) {
            self.report.hostile_closed += 1;
            return;
        }
        // What the room keeps with a socket it keeps from the moment it lets it in.
        if !self.server.records.iter().any(|(known, _)| *known == peer) {
            self.report.refused += 1;
            return;
        }
        match CloseCode::from_number(code) {
            Some(CloseCode::SlowConsumer) => self.report.closed_as_slow += 1,
            Some(CloseCode::RateLimited) => self.report.closed_for_rate += 1,
            // Its client has another one.
            Some(CloseCode::Replaced) => {}
            Some(CloseCode::Silent) => {
                self.report.closed_otherwise += 1;
                self.judge_silence(peer);
            }
            Some(_) | None => self.report.closed_otherwise += 1,
        }
    }

    /// A client that runs is never closed for its silence where the network carries what it says.
    fn judge_silence(&mut self, peer: PeerId) {
        let (now, carried) = (self.now, self.network.has_carried(peer, self.now));
        let owner = self.network.wire(peer).map(|wire| wire.owner);
        let Some(Owner::App(tab, _)) = owner.filter(|_| carried) else {
            return;
        };
        let person = self.person(tab.person);
        let away_until = person.frozen_until.max(person.offline_until);
        if person.tab == tab && away_until + PEER_SILENT_MS_MAX <= now {
            let told = format!("{}'s connection was closed for its silence", person.name);
            person.fault = Some(told);
        }
    }

    pub(super) fn respond(&mut self, request: RequestId, response: room_io::Response) {
        let Some((tab, fetch)) = self.asked.remove(&request) else {
            return;
        };
        let at = self.now + self.request_ms(tab.person, response.body.len());
        self.report.rate_limited += u64::from(response.status == 429);
        let permille = self.options.http_loss_permille;
        let lost = self.person(tab.person).random.chance(permille) && self.faulty;
        let outcome = if lost {
            self.report.faults += 1;
            Err("the connection was lost".to_owned())
        } else {
            let header = response.retry_after_ms.map(retry_after_seconds);
            Ok(Fetched {
                retry_after_ms: header.map(|seconds| seconds * 1_000),
                ..answered(response.status, response.body)
            })
        };
        self.at(at, Happening::Answer(tab, fetch, outcome));
    }
}

fn answered(status: u16, body: String) -> Fetched<Value> {
    Fetched {
        status,
        body,
        retry_after_ms: None,
    }
}

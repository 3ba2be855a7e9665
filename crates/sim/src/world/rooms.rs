//! What follows from the room's outputs, and how frames and requests reach it.

use client_core::io::{self as client_io, FetchId, Fetched};
use protocol::frame::Frame;
use room_core::io::{self as room_io, PeerId, RequestId};
use room_core::storage::StorageError;
use serde_json::Value;

use super::{Down, Happening, Up, World};
use crate::server::{Server, virtual_ms, wall};

impl World {
    pub(super) fn reach_room(&mut self, peer: PeerId, up: Up) -> Result<(), String> {
        if !self.network.wire(peer).is_some_and(|wire| wire.alive) {
            return Ok(());
        }
        let input = match up {
            Up::Upgrade { url, protocols } => Server::connected(peer, &url, &protocols, self.now)
                .ok_or("a token of the simulator was refused")?,
            Up::Frame(text) => room_io::Input::Frame {
                peer,
                frame: Frame::Text(text),
            },
            Up::Closed => {
                self.network.kill(peer);
                self.server
                    .records
                    .retain(|(recorded, _)| *recorded != peer);
                room_io::Input::Disconnected { peer }
            }
        };
        self.feed_room(input);
        Ok(())
    }

    pub(super) fn reach_room_by_http(
        &mut self,
        person: usize,
        fetch: FetchId,
        request: &client_io::Request<Value>,
    ) {
        let name = RequestId(self.next_request);
        self.next_request += 1;
        match Server::request(name, request, self.now) {
            Ok(input) => {
                self.asked.insert(name, (person, fetch));
                self.feed_room(input);
            }
            Err(status) => {
                let answer = Fetched {
                    status,
                    body: String::new(),
                };
                self.at(self.now, Happening::Answer(person, fetch, Ok(answer)));
            }
        }
    }

    pub(super) fn feed_room(&mut self, input: room_io::Input) {
        if self.faulty && self.random.chance(self.options.disk_failure_permille) {
            self.server.storage.fail_next_commit(StorageError::Full);
            self.report.faults += 1;
        }
        if self.server.room.wants_heard(wall(self.now)) {
            let heard = self
                .network
                .alive()
                .into_iter()
                .map(|peer| (peer, wall(self.now)))
                .collect();
            let heard = room_io::Input::Heard(heard);
            self.server
                .room
                .handle_input(heard, wall(self.now), &mut self.server.storage);
        }
        self.server
            .room
            .handle_input(input, wall(self.now), &mut self.server.storage);
        self.carry_out_for_room();
    }

    pub(super) fn carry_out_for_room(&mut self) {
        while let Some(output) = self.server.room.poll_output() {
            match output {
                room_io::Output::Send {
                    peers,
                    frame: Frame::Text(text),
                } => {
                    self.report.frames += 1;
                    for peer in peers {
                        let at = self.network.down(peer, self.now, &mut self.random);
                        self.at(at, Happening::ToClient(peer, Down::Frame(text.to_string())));
                    }
                }
                room_io::Output::Close { peer, code, .. } => {
                    self.server
                        .records
                        .retain(|(recorded, _)| *recorded != peer);
                    let at = self.network.down(peer, self.now, &mut self.random);
                    self.at(at, Happening::ToClient(peer, Down::Closed(code)));
                }
                room_io::Output::Remember { peer, record } => {
                    self.server
                        .records
                        .retain(|(recorded, _)| *recorded != peer);
                    self.server.records.push((peer, record));
                }
                room_io::Output::Respond { request, response } => self.respond(request, response),
                room_io::Output::SetAlarm(at) => {
                    self.server.alarm = at.map(virtual_ms);
                    if let Some(at) = self.server.alarm {
                        self.at(at.max(self.now), Happening::Alarm);
                    }
                }
                // The simulator speaks the second version in text only.
                room_io::Output::Send {
                    frame: Frame::Binary(_),
                    ..
                }
                | room_io::Output::Authenticate { .. } => {}
            }
        }
        if let Some(at) = self.server.room.poll_timeout() {
            self.at(virtual_ms(at).max(self.now), Happening::RoomTimer);
        }
    }

    pub(super) fn respond(&mut self, request: RequestId, response: room_io::Response) {
        let Some((person, fetch)) = self.asked.remove(&request) else {
            return;
        };
        let at = self.now + self.network.delay(&mut self.random);
        let lost = self.faulty && self.random.chance(self.options.http_loss_permille);
        let outcome = if lost {
            self.report.faults += 1;
            Err("the connection was lost".to_owned())
        } else {
            Ok(Fetched {
                status: response.status,
                body: response.body,
            })
        };
        self.at(at, Happening::Answer(person, fetch, outcome));
    }
}

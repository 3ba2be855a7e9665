//! What follows from the clients' outputs, and how frames reach them.

use client_core::io as client_io;
use protocol::frame::Frame;
use protocol::time::Instant;
use room_core::io::PeerId;
use serde_json::Value;

use super::{Down, Happening, Up, World};

impl World {
    pub(super) fn client(&mut self, person: usize, input: client_io::Input<Value>) {
        let now = Instant(self.now);
        self.person(person).client.handle_input(input, now);
        self.carry_out_for_client(person);
    }

    pub(super) fn carry_out_for_client(&mut self, index: usize) {
        while let Some(output) = self.person(index).client.poll_output() {
            self.carry_out(index, output);
        }
        if let Some(at) = self.person(index).client.poll_timeout() {
            self.at(at.0.max(self.now), Happening::ClientTimer(index));
        }
    }

    pub(super) fn carry_out(&mut self, index: usize, output: client_io::Output<Value>) {
        let now = self.now;
        match output {
            client_io::Output::OpenSocket {
                socket,
                url,
                protocols,
            } => {
                let peer = self.network.connect(index, socket, now);
                let at = self.network.up(peer, now, &mut self.random);
                self.at(at, Happening::ToRoom(peer, Up::Upgrade { url, protocols }));
            }
            client_io::Output::Transmit {
                socket,
                frame: Frame::Text(text),
            } => {
                let Some(peer) = self.network.peer_of(index, socket) else {
                    return;
                };
                let at = self.network.up(peer, now, &mut self.random);
                if text == protocol::wire::PING {
                    // The runtime answers without the room.
                    let back = at + self.network.delay(&mut self.random);
                    let back = back.max(self.network.down(peer, at, &mut self.random));
                    self.at(
                        back,
                        Happening::ToClient(peer, Down::Frame(protocol::wire::PONG.to_owned())),
                    );
                } else {
                    self.at(at, Happening::ToRoom(peer, Up::Frame(text)));
                }
            }
            client_io::Output::Transmit {
                frame: Frame::Binary(_),
                ..
            } => {}
            client_io::Output::CloseSocket { socket, .. } => {
                if let Some(peer) = self.network.peer_of(index, socket) {
                    let at = self.network.up(peer, now, &mut self.random);
                    self.at(at, Happening::ToRoom(peer, Up::Closed));
                }
            }
            client_io::Output::RequestToken { token_id, .. } => {
                let at = now + self.network.delay(&mut self.random);
                self.at(at, Happening::Token(index, token_id));
            }
            client_io::Output::Fetch { fetch, request } => {
                let at = now + self.network.delay(&mut self.random);
                self.at(at, Happening::Request(index, fetch, request));
            }
            client_io::Output::Settle { call, result } => {
                self.person(index).settled(call, result, now)
            }
            client_io::Output::Event(event) => self.person(index).told(&event, now),
            client_io::Output::YieldTask => {
                let at = now + self.random.between(0, 5);
                self.at(at, Happening::TaskPassed(index));
            }
            client_io::Output::LoadOutbox => self.at(now, Happening::Loaded(index)),
            client_io::Output::Persist(_) => {}
        }
    }

    pub(super) fn reach_client(&mut self, peer: PeerId, down: Down) {
        let Some(wire) = self.network.wire(peer).filter(|wire| wire.alive) else {
            return;
        };
        let (person, socket) = (wire.person, wire.socket);
        match down {
            Down::Frame(text) => {
                self.client(
                    person,
                    client_io::Input::Frame {
                        socket,
                        frame: Frame::Text(text),
                    },
                );
            }
            Down::Closed(code) => {
                self.network.kill(peer);
                self.client(person, client_io::Input::SocketClosed { socket, code });
            }
        }
    }
}

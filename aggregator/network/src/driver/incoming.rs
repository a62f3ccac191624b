//! Requests of peers: a hello goes to the user, a message of an admitted peer into the inbox, a piece is served.
//!
//! Every request gets an answer, if only a refusal, unless its frame was not readable.

use futures::FutureExt;
use libp2p::{
    PeerId,
    request_response::{Event, InboundRequestId, Message as Exchange, ResponseChannel},
};
use protocol::{Hello, Message, PieceRequest, WorkerId, limits::MESSAGE_BYTES_MAX};
use tokio::{sync::oneshot, time::Instant};

use super::Driver;
use crate::{
    blobs::Served,
    config::{BUSY_RETRY_MS, FILE_READS_MAX, HELLO_BYTES_MAX, HELLOS_PENDING_MAX, PENDING_RETRY_MS, PIECES_SERVED_MAX},
    event::{NetworkEvent, ReplyHandle},
    identity,
    wire::{Body, Channel, Refusal, Request, Response},
};

/// Where an answer goes.
pub(super) struct Reply {
    channel: Channel,
    id: InboundRequestId,
    sender: ResponseChannel<Response>,
}

/// What a slow answer was about.
pub(super) enum Answer {
    Hello(WorkerId),
    File,
}

impl Driver {
    pub(super) fn on_exchange(&mut self, channel: Channel, event: Event<Request, Response>) {
        match event {
            Event::Message { peer, message: Exchange::Request { request_id, request, channel: sender }, .. } => {
                self.on_request(peer, request, Reply { channel, id: request_id, sender });
            }
            Event::Message { message: Exchange::Response { request_id, response }, .. } => {
                self.on_response(channel, request_id, response);
            }
            Event::OutboundFailure { request_id, error, .. } => self.on_outbound_failure(channel, request_id, &error),
            Event::ResponseSent { request_id, .. } => {
                self.last_flushed = Some(Instant::now());
                self.paid(channel, request_id);
            }
            Event::InboundFailure { request_id, .. } => self.paid(channel, request_id),
        }
    }

    pub(super) fn respond(&mut self, reply: Reply, response: Response) {
        let Reply { channel, id, sender } = reply;
        let handed_over = self.swarm.behaviour_mut().channel(channel).send_response(sender, response).is_ok();
        if handed_over && self.owed.insert((channel, id)) && channel == Channel::Pieces {
            self.pieces_owed += 1;
        }
    }

    pub(super) fn on_answer(&mut self, reply: Reply, response: Response, answer: Answer) {
        match answer {
            Answer::Hello(worker) => drop(self.hellos_pending.remove(&worker)),
            Answer::File => self.file_reads -= 1,
        }
        self.respond(reply, response);
    }

    fn paid(&mut self, channel: Channel, id: InboundRequestId) {
        if self.owed.remove(&(channel, id)) && channel == Channel::Pieces {
            self.pieces_owed -= 1;
        }
    }

    fn on_request(&mut self, peer: PeerId, request: Request, reply: Reply) {
        let Some(worker) = identity::worker_id(&peer) else { return };
        self.prove(worker);
        if self.stopping {
            return self.respond(reply, Response::Refused(Refusal::Stopping));
        }
        match request {
            Request::Hello(body) => self.on_hello(worker, &body, reply),
            _ if !self.shared.is_admitted(&worker) => self.respond(reply, Response::Refused(Refusal::NotAdmitted)),
            Request::Message(body) => self.on_message(worker, &body, reply),
            Request::Piece(request) => self.on_piece(&request, reply),
        }
    }

    fn on_hello(&mut self, worker: WorkerId, body: &Body, reply: Reply) {
        let Ok(hello) = protocol::decode::<Hello>(&body.bytes, HELLO_BYTES_MAX) else {
            return self.respond(reply, Response::Refused(Refusal::Malformed));
        };
        if self.hellos_pending.len() >= HELLOS_PENDING_MAX || !self.hellos_pending.insert(worker) {
            return self.respond(reply, Response::RetryAfter(BUSY_RETRY_MS));
        }
        let (sender, receiver) = oneshot::channel();
        let event = NetworkEvent::Hello { from: worker, hello: Box::new(hello), reply: ReplyHandle(sender) };
        self.inbox.push(event);
        let answer = receiver.map(move |answer| {
            let response = match answer {
                Ok(answer) => Response::Hello(protocol::encode(&answer).into()),
                Err(_) => Response::Refused(Refusal::Stopping),
            };
            (reply, response, Answer::Hello(worker))
        });
        self.answers.push(answer.boxed());
    }

    fn on_message(&mut self, worker: WorkerId, body: &Body, reply: Reply) {
        if self.inbox.is_full() {
            return self.respond(reply, Response::RetryAfter(BUSY_RETRY_MS));
        }
        match protocol::decode::<Message>(&body.bytes, MESSAGE_BYTES_MAX) {
            Ok(message) => {
                let event = NetworkEvent::Message { from: worker, message: Box::new(message) };
                self.inbox.push_message(event, reply);
            }
            Err(error) => {
                tracing::warn!(%worker, %error, "malformed message");
                self.respond(reply, Response::Refused(Refusal::Malformed));
            }
        }
    }

    fn on_piece(&mut self, request: &PieceRequest, reply: Reply) {
        if self.pieces_owed + self.file_reads >= PIECES_SERVED_MAX {
            return self.respond(reply, Response::RetryAfter(BUSY_RETRY_MS));
        }
        match self.shared.blobs.serve(request) {
            Served::Piece(piece) => self.respond(reply, Response::Piece(piece)),
            Served::File(_) if self.file_reads >= FILE_READS_MAX => {
                self.respond(reply, Response::RetryAfter(BUSY_RETRY_MS));
            }
            Served::File(read) => {
                self.file_reads += 1;
                let answer = tokio::task::spawn_blocking(move || read.run()).map(move |piece| {
                    let response = piece.ok().and_then(Result::ok).flatten().map_or(Response::Missing, Response::Piece);
                    (reply, response, Answer::File)
                });
                self.answers.push(answer.boxed());
            }
            Served::Pending => self.respond(reply, Response::RetryAfter(PENDING_RETRY_MS)),
            Served::Missing => self.respond(reply, Response::Missing),
        }
    }
}

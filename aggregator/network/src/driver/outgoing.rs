//! Our requests: queued per peer, sent when connected, repeated after failures, answered by their deadline.
//!
//! libp2p has no cancel and no deadline per request. So a caller is answered at its own deadline, while the request's
//! place in its lane stays taken until libp2p gives it up: requests in flight never exceed their bound, and a message
//! never overtakes an earlier one that may still arrive.

use libp2p::{
    core::upgrade::NegotiationError,
    request_response::{OutboundFailure, OutboundRequestId},
};
use protocol::WorkerId;
use std::{io, time::Duration};
use tokio::time::Instant;

use super::{
    Driver,
    peer::{LaneKind, Outbound},
};
use crate::{
    config::BACKOFF_MAX,
    error::SendError,
    wire::{Channel, Refusal, Response},
};

/// A request that libp2p has; without its outbound part when the caller was answered already.
pub(super) struct Flight {
    worker: WorkerId,
    lane: LaneKind,
    outbound: Option<Outbound>,
}

impl Flight {
    pub(super) fn fail(self, error: SendError) {
        if let Some(outbound) = self.outbound {
            let _ = outbound.reply.send(Err(error));
        }
    }
}

impl Driver {
    pub(super) fn on_request_command(&mut self, worker: WorkerId, outbound: Outbound) {
        match self.peer(worker) {
            Ok(peer) => peer.lane(outbound.lane).push(worker, outbound),
            Err(reason) => drop(outbound.reply.send(Err(reason.into()))),
        }
        self.pump(worker, Instant::now());
    }

    /// Does what can be done for a peer now: sends what is ready, or dials.
    pub(super) fn pump(&mut self, worker: WorkerId, now: Instant) {
        if self.stopping {
            return;
        }
        let Some(peer) = self.peers.get_mut(&worker) else { return };
        if peer.connections > 0 {
            let id = peer.id;
            for lane in LaneKind::ALL {
                while let Some(outbound) = self.peers.get_mut(&worker).and_then(|peer| peer.take_ready(lane, now)) {
                    let exchange = self.swarm.behaviour_mut().channel(lane.channel());
                    let request_id = exchange.send_request(&id, outbound.request.clone());
                    let flight = Flight { worker, lane, outbound: Some(outbound) };
                    self.flights.insert((lane.channel(), request_id), flight);
                }
            }
        } else if peer.wants_dial(now) {
            self.dial(worker, now);
        }
        if let Some(peer) = self.peers.get_mut(&worker) {
            peer.fail_unreachable_pieces(now);
        }
        self.settle(worker);
    }

    /// Keeps the set of peers that need the clock, and forgets those that need nothing.
    pub(super) fn settle(&mut self, worker: WorkerId) {
        let Some(peer) = self.peers.get(&worker) else { return };
        match peer.needs_tick() {
            true => self.ticking.insert(worker),
            false => self.ticking.remove(&worker),
        };
        if peer.forgettable() {
            self.peers.remove(&worker);
        }
    }

    pub(super) fn on_response(&mut self, channel: Channel, id: OutboundRequestId, response: Response) {
        let Some(flight) = self.land(channel, id) else { return };
        let (worker, lane, now) = (flight.worker, flight.lane, Instant::now());
        self.prove(worker);
        if let Some(mut outbound) = flight.outbound {
            match response {
                Response::RetryAfter(ms) if lane != LaneKind::Piece => {
                    outbound.attempts -= 1; // the peer is alive and busy: only the deadline ends this
                    let pause = Duration::from_millis(ms.into()).min(BACKOFF_MAX);
                    self.retry(worker, outbound, now, pause, "it is busy".into());
                }
                Response::Refused(refusal) => drop(outbound.reply.send(Err(refused(worker, refusal)))),
                response => drop(outbound.reply.send(Ok(response))),
            }
        }
        self.pump(worker, now);
    }

    pub(super) fn on_outbound_failure(&mut self, channel: Channel, id: OutboundRequestId, failure: &OutboundFailure) {
        let Some(flight) = self.land(channel, id) else { return };
        let (worker, now) = (flight.worker, Instant::now());
        if is_foreign(failure) {
            flight.fail(SendError::WrongNetwork(worker));
            self.on_foreign(worker);
        } else if let Some(outbound) = flight.outbound {
            let attempts = outbound.attempts;
            let pause = self.peers.get(&worker).map_or(BACKOFF_MAX, |peer| peer.retry_pause(attempts));
            self.retry(worker, outbound, now, pause, describe(failure));
        }
        self.pump(worker, now);
    }

    /// Answers the callers whose requests a peer has and will not answer.
    pub(super) fn fail_flights(&mut self, worker: WorkerId, error: &SendError) {
        for flight in self.flights.values_mut().filter(|flight| flight.worker == worker) {
            if let Some(outbound) = flight.outbound.take() {
                let _ = outbound.reply.send(Err(error.clone()));
            }
        }
    }

    /// Answers the callers whose deadline passed while libp2p still has their request.
    pub(super) fn expire_flights(&mut self, now: Instant) {
        for flight in self.flights.values_mut() {
            if let Some(outbound) = flight.outbound.take_if(|outbound| outbound.deadline <= now) {
                outbound.time_out(flight.worker, now, "no answer yet");
            }
        }
    }

    fn land(&mut self, channel: Channel, id: OutboundRequestId) -> Option<Flight> {
        let flight = self.flights.remove(&(channel, id))?;
        if let Some(peer) = self.peers.get_mut(&flight.worker) {
            let lane = peer.lane(flight.lane);
            lane.in_flight = lane.in_flight.saturating_sub(1);
        }
        Some(flight)
    }

    fn retry(&mut self, worker: WorkerId, mut outbound: Outbound, now: Instant, pause: Duration, why: String) {
        outbound.last = why;
        let over = outbound.attempts >= outbound.attempts_max || outbound.deadline <= now;
        match self.peers.get_mut(&worker) {
            Some(peer) if !over => peer.lane(outbound.lane).retry(outbound, now, pause),
            _ => outbound.time_out(worker, now, ""),
        }
    }
}

fn refused(worker: WorkerId, refusal: Refusal) -> SendError {
    match refusal {
        Refusal::NotAdmitted => SendError::NotAdmitted(worker),
        Refusal::Malformed => SendError::Malformed(worker),
        Refusal::Stopping => SendError::PeerStopping(worker),
    }
}

/// True when the peer does not speak our protocol. With lazy negotiation that shows only while reading.
fn is_foreign(failure: &OutboundFailure) -> bool {
    match failure {
        OutboundFailure::UnsupportedProtocols => true,
        OutboundFailure::Io(error) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<NegotiationError>());
            matches!(inner, Some(NegotiationError::Failed))
        }
        _ => false,
    }
}

fn describe(failure: &OutboundFailure) -> String {
    match failure {
        OutboundFailure::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the peer closed the stream without an answer".into()
        }
        other => other.to_string(),
    }
}

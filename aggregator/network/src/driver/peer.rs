//! What the driver knows of one peer: addresses, connections, back-off, and the requests that wait for it.
//!
//! Pure but for the channels that answers go back on. A lane keeps the order of its requests: one that is to be
//! repeated goes back to the front. The message lane has one request in flight, so messages arrive in the order in
//! which they were sent.

use std::{collections::VecDeque, time::Duration};

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use protocol::WorkerId;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    config::{
        ADDRESSES_PER_PEER_MAX, BACKOFF_MAX, BACKOFF_MIN, CONNECTION_STABLE, PIECES_PER_PEER_MAX, QUEUED_PER_LANE_MAX,
        STRANGER_GRACE, WAITERS_PER_PEER_MAX,
    },
    error::{ConnectError, SendError},
    wire::{Channel, Request, Response},
};

#[cfg(test)]
mod tests;

/// The three kinds of request, which do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaneKind {
    Message,
    Hello,
    Piece,
}

impl LaneKind {
    pub(crate) const ALL: [Self; 3] = [Self::Hello, Self::Message, Self::Piece];

    pub(crate) fn channel(self) -> Channel {
        match self {
            Self::Message | Self::Hello => Channel::Control,
            Self::Piece => Channel::Pieces,
        }
    }
}

/// A request on its way, and who waits for the answer.
pub(crate) struct Outbound {
    pub(crate) request: Request,
    pub(crate) lane: LaneKind,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    pub(crate) attempts: u32,
    pub(crate) attempts_max: u32,
    pub(crate) not_before: Instant,
    pub(crate) last: String,
    pub(crate) reply: oneshot::Sender<Result<Response, SendError>>,
}

impl Outbound {
    /// Gives up and says why.
    pub(crate) fn time_out(self, worker: WorkerId, now: Instant, unreached: &str) {
        let last = if self.last.is_empty() { unreached.to_owned() } else { self.last };
        let after_ms = millis(now - self.started);
        let error = SendError::TimedOut { worker, after_ms, attempts: self.attempts, last };
        let _ = self.reply.send(Err(error));
    }
}

#[derive(Default)]
pub(crate) struct Lane {
    queue: VecDeque<Outbound>,
    pub(crate) in_flight: usize,
}

impl Lane {
    /// Appends a request, or answers it at once when the lane is full.
    pub(crate) fn push(&mut self, worker: WorkerId, outbound: Outbound) {
        let queued = self.queue.len();
        if queued >= QUEUED_PER_LANE_MAX {
            let _ = outbound.reply.send(Err(SendError::QueueFull { worker, queued }));
            return;
        }
        self.queue.push_back(outbound);
    }

    /// Takes back a request that failed, to be repeated before those behind it.
    pub(crate) fn retry(&mut self, mut outbound: Outbound, now: Instant, pause: Duration) {
        outbound.not_before = now + pause;
        self.queue.push_front(outbound);
    }

    /// The next request that may be sent now. Those whose callers have gone away are dropped.
    pub(crate) fn take_ready(&mut self, now: Instant, in_flight_max: usize) -> Option<Outbound> {
        self.queue.retain(|outbound| !outbound.reply.is_closed());
        let ready = self.in_flight < in_flight_max && self.queue.front().is_some_and(|next| next.not_before <= now);
        if !ready {
            return None;
        }
        self.in_flight += 1;
        let mut outbound = self.queue.pop_front()?;
        outbound.attempts += 1;
        Some(outbound)
    }

    fn take_if(&mut self, mut condition: impl FnMut(&Outbound) -> bool) -> Vec<Outbound> {
        let (taken, kept): (Vec<_>, Vec<_>) = self.queue.drain(..).partition(|outbound| condition(outbound));
        self.queue = kept.into();
        taken
    }
}

/// Pauses between attempts to reach a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    const NEW: Self = Self { failures: 0, not_before: None };

    fn ready(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= now)
    }

    fn fail(&mut self, now: Instant, salt: u8) {
        self.not_before = Some(now + pause(self.failures, salt));
        self.failures = self.failures.saturating_add(1);
    }
}

/// The pause after `failures` failures: doubling, bounded, and spread by ±25 % so that peers do not march in step.
pub(crate) fn pause(failures: u32, salt: u8) -> Duration {
    let doubled = BACKOFF_MIN.saturating_mul(1 << failures.min(16)).min(BACKOFF_MAX);
    doubled.mul_f64(0.75 + 0.5 * f64::from(salt) / 255.0)
}

/// A caller of `connect`.
pub(crate) struct Waiter {
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Result<(), ConnectError>>,
}

pub(crate) struct Peer {
    pub(crate) worker: WorkerId,
    pub(crate) id: PeerId,
    pub(crate) addresses: Vec<Multiaddr>,
    /// Redial whenever the connection is lost.
    pub(crate) keep: bool,
    pub(crate) connections: u32,
    /// Has shown that it speaks our protocol on this network, so its presence was reported.
    pub(crate) proven: bool,
    /// It came to us; we did not dial it.
    pub(crate) inbound: bool,
    /// Its protocols are those of another network.
    pub(crate) foreign: bool,
    /// When it is to be disconnected, unless it is admitted before.
    pub(crate) close_at: Option<Instant>,
    pub(crate) dialing: Option<ConnectionId>,
    pub(crate) last_failure: String,
    connected_at: Option<Instant>,
    backoff: Backoff,
    lanes: [Lane; 3],
    waiters: Vec<Waiter>,
}

impl Peer {
    pub(crate) fn new(worker: WorkerId, id: PeerId) -> Self {
        Self {
            worker,
            id,
            addresses: Vec::new(),
            keep: false,
            connections: 0,
            proven: false,
            inbound: false,
            foreign: false,
            close_at: None,
            dialing: None,
            last_failure: "not connected, and no address of it is known".into(),
            connected_at: None,
            backoff: Backoff::NEW,
            lanes: Default::default(),
            waiters: Vec::new(),
        }
    }

    pub(crate) fn lane(&mut self, kind: LaneKind) -> &mut Lane {
        match kind {
            LaneKind::Message => &mut self.lanes[0],
            LaneKind::Hello => &mut self.lanes[1],
            LaneKind::Piece => &mut self.lanes[2],
        }
    }

    /// The next request of a lane that may leave now.
    pub(crate) fn take_ready(&mut self, kind: LaneKind, now: Instant) -> Option<Outbound> {
        let in_flight_max = if kind == LaneKind::Piece { PIECES_PER_PEER_MAX } else { 1 };
        self.lane(kind).take_ready(now, in_flight_max)
    }

    /// Adds addresses in front of those known; the oldest fall off.
    pub(crate) fn learn(&mut self, addresses: Vec<Multiaddr>) {
        if addresses.iter().any(|address| !self.addresses.contains(address)) {
            self.backoff = Backoff::NEW;
        }
        for address in addresses.into_iter().rev() {
            self.addresses.retain(|known| known != &address);
            self.addresses.insert(0, address);
        }
        self.addresses.truncate(ADDRESSES_PER_PEER_MAX);
    }

    pub(crate) fn wait(&mut self, waiter: Waiter) {
        match self.waiters.len() < WAITERS_PER_PEER_MAX {
            true => self.waiters.push(waiter),
            false => drop(waiter.reply.send(Err(ConnectError::TooManyPeers(WAITERS_PER_PEER_MAX)))),
        }
    }

    /// True when a dial should start now.
    pub(crate) fn wants_dial(&self, now: Instant) -> bool {
        let wanted = self.keep || self.has_queued() || !self.waiters.is_empty();
        let possible = self.connections == 0 && self.dialing.is_none() && !self.addresses.is_empty();
        wanted && possible && self.backoff.ready(now)
    }

    /// True while something here depends on time.
    pub(crate) fn needs_tick(&self) -> bool {
        let reconnects = self.keep && self.connections == 0;
        reconnects || self.has_queued() || !self.waiters.is_empty() || self.close_at.is_some()
    }

    /// True when the entry holds nothing worth keeping.
    pub(crate) fn forgettable(&self) -> bool {
        let busy = self.connections > 0 || self.dialing.is_some() || self.lanes.iter().any(|lane| lane.in_flight > 0);
        !busy && !self.needs_tick() && !self.keep && self.addresses.is_empty()
    }

    pub(crate) fn dial_failed(&mut self, now: Instant, why: String) {
        self.dialing = None;
        self.last_failure = why;
        self.backoff.fail(now, self.salt());
    }

    pub(crate) fn connected(&mut self, inbound: bool, admitted: bool, now: Instant) {
        self.dialing = None;
        self.last_failure = "connected, but it has not answered yet".into();
        self.inbound = inbound;
        if inbound && !admitted && self.addresses.is_empty() {
            self.close_at.get_or_insert(now + STRANGER_GRACE);
        }
        self.connections += 1;
        self.connected_at.get_or_insert(now);
    }

    /// The last connection closed. One that lasted ends the back-off; one that did not makes it longer.
    pub(crate) fn disconnected(&mut self, now: Instant, why: String) {
        let lasted = self.connected_at.take().is_some_and(|since| now - since >= CONNECTION_STABLE);
        if lasted {
            self.backoff = Backoff::NEW;
        }
        self.backoff.fail(now, self.salt());
        self.connections = 0;
        self.proven = false;
        self.foreign = false;
        self.close_at = None;
        self.last_failure = why;
    }

    /// Tells those who wait for the connection.
    pub(crate) fn answer_waiters(&mut self, result: &Result<(), ConnectError>) {
        for waiter in self.waiters.drain(..) {
            let _ = waiter.reply.send(result.clone());
        }
    }

    /// Fails everything that waits: the peer will not be able to answer.
    pub(crate) fn fail_all(&mut self, error: &SendError) {
        for lane in &mut self.lanes {
            for outbound in lane.take_if(|_| true) {
                let _ = outbound.reply.send(Err(error.clone()));
            }
        }
    }

    /// A piece can come from someone else, so it does not wait for a peer that is away: its caller decides.
    pub(crate) fn fail_unreachable_pieces(&mut self, now: Instant) {
        if self.connections > 0 || self.dialing.is_some() {
            return;
        }
        let (worker, why) = (self.worker, self.last_failure.clone());
        for outbound in self.lane(LaneKind::Piece).take_if(|_| true) {
            outbound.time_out(worker, now, &why);
        }
    }

    /// Fails what is past its deadline or out of attempts.
    pub(crate) fn expire(&mut self, now: Instant) {
        let (worker, unreached) = (self.worker, self.last_failure.clone());
        for lane in &mut self.lanes {
            for outbound in
                lane.take_if(|outbound| outbound.deadline <= now || outbound.attempts >= outbound.attempts_max)
            {
                outbound.time_out(worker, now, &unreached);
            }
        }
        let (late, waiting) = self.waiters.drain(..).partition::<Vec<_>, _>(|waiter| waiter.deadline <= now);
        self.waiters = waiting;
        for waiter in late {
            let after_ms = millis(now - waiter.started);
            let error = ConnectError::TimedOut { worker, after_ms, last: unreached.clone() };
            let _ = waiter.reply.send(Err(error));
        }
    }

    /// The pause before a failed request is repeated.
    pub(crate) fn retry_pause(&self, attempts: u32) -> Duration {
        pause(attempts.saturating_sub(1), self.salt())
    }

    fn has_queued(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.queue.is_empty())
    }

    fn salt(&self) -> u8 {
        self.worker.0[31] ^ self.backoff.failures.to_le_bytes()[0].wrapping_mul(97)
    }
}

/// Whole milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

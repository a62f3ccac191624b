//! The one task that owns the swarm.
//!
//! It takes commands from [`crate::Network`] handles and events from libp2p, and never waits for either side: what
//! cannot be handed on stays in a bounded table or queue. Files: `peer` (what is known of a peer), `connections`
//! (dialling, identity, liveness), `outgoing` (our requests), `incoming` (theirs), `inbox` (events for the user).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use libp2p::{
    Multiaddr, Swarm,
    request_response::{InboundRequestId, OutboundRequestId},
    swarm::SwarmEvent,
};
use protocol::WorkerId;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    behaviour::{Behaviour, BehaviourEvent},
    config::{DRAIN_MAX, LINGER, TICK},
    error::{ConnectError, SendError},
    event::NetworkEvent,
    handle::Shared,
    identity,
    wire::{Channel, Refusal, Response},
};

mod connections;
mod inbox;
mod incoming;
mod outgoing;
pub(crate) mod peer;

use inbox::{Inbox, Item};
use incoming::{Answer, Reply};
use outgoing::Flight;
use peer::{Outbound, Peer, Waiter};

/// What a handle asks of the driver.
pub(crate) enum Command {
    Request { worker: WorkerId, outbound: Outbound },
    Connect { worker: WorkerId, addresses: Vec<Multiaddr>, keep: bool, waiter: Option<Waiter> },
}

pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    network_name: String,
    peers: BTreeMap<WorkerId, Peer>,
    /// Peers with something that depends on time.
    ticking: BTreeSet<WorkerId>,
    flights: BTreeMap<(Channel, OutboundRequestId), Flight>,
    inbox: Inbox<Reply>,
    /// Answers that take time: the user's to a hello, the disk's to a piece.
    answers: FuturesUnordered<BoxFuture<'static, (Reply, Response, Answer)>>,
    hellos_pending: BTreeSet<WorkerId>,
    file_reads: usize,
    /// Answers handed to libp2p and not flushed yet.
    owed: BTreeSet<(Channel, InboundRequestId)>,
    pieces_owed: usize,
    last_flushed: Option<Instant>,
    stopping: bool,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        network_name: String,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            swarm,
            shared,
            commands,
            network_name,
            peers: BTreeMap::new(),
            ticking: BTreeSet::new(),
            flights: BTreeMap::new(),
            inbox: Inbox::new(),
            answers: FuturesUnordered::new(),
            hellos_pending: BTreeSet::new(),
            file_reads: 0,
            owed: BTreeSet::new(),
            pieces_owed: 0,
            last_flushed: None,
            stopping: false,
        }
    }

    /// Runs until the token is cancelled, then gives back what it owes and closes every connection.
    pub(crate) async fn run(mut self, events: mpsc::Sender<NetworkEvent>, shutdown: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ticks = !self.ticking.is_empty() || !self.flights.is_empty();
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(command) = self.commands.recv() => self.on_command(command),
                Some((reply, response, answer)) = self.answers.next() => self.on_answer(reply, response, answer),
                permit = events.reserve(), if !self.inbox.is_empty() => {
                    let Some(Item { event, acknowledge }) = self.inbox.pop() else { continue };
                    // Not when the user has gone away.
                    let handed_over = permit.map(|permit| permit.send(event)).is_ok();
                    self.acknowledge(acknowledge, handed_over);
                }
                _ = tick.tick(), if ticks => self.on_tick(Instant::now()),
            }
        }
        self.stop().await;
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Request { worker, outbound } => self.on_request_command(worker, outbound),
            Command::Connect { worker, addresses, keep, waiter } => self.on_connect(worker, addresses, keep, waiter),
        }
    }

    pub(crate) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Control(event)) => self.on_exchange(Channel::Control, event),
            SwarmEvent::Behaviour(BehaviourEvent::Pieces(event)) => self.on_exchange(Channel::Pieces, event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.on_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(&event),
            other => self.on_connection_event(other),
        }
    }

    /// The entry of a peer, made when there is room for it.
    fn peer(&mut self, worker: WorkerId) -> Result<&mut Peer, NoPeer> {
        use std::collections::btree_map::Entry;
        let count = self.peers.len();
        match self.peers.entry(worker) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(_) if count >= crate::config::PEERS_MAX => Err(NoPeer::Full(count)),
            Entry::Vacant(entry) => {
                let id = identity::peer_id(&worker).ok_or(NoPeer::Bad(worker))?;
                Ok(entry.insert(Peer::new(worker, id)))
            }
        }
    }

    fn on_tick(&mut self, now: Instant) {
        self.expire_flights(now);
        for worker in self.ticking.clone() {
            if let Some(peer) = self.peers.get_mut(&worker) {
                peer.expire(now);
            }
            self.check_notice(worker, now);
            self.pump(worker, now);
        }
    }

    /// Gives every answer that is owed a short time to leave, then closes the connections.
    async fn stop(mut self) {
        self.stopping = true;
        self.fail_everything();
        self.poll_until(Instant::now() + DRAIN_MAX, |driver| driver.owed.is_empty()).await;
        if let Some(flushed) = self.last_flushed {
            self.poll_until(flushed + LINGER, |_| false).await;
        }
        let connected: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        self.poll_until(Instant::now() + DRAIN_MAX, |driver| driver.swarm.connected_peers().next().is_none()).await;
        self.shared.stopped.cancel();
    }

    async fn poll_until(&mut self, deadline: Instant, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            match timeout_at(deadline, self.swarm.select_next_some()).await {
                Ok(event) => self.on_swarm_event(event),
                Err(_) => return,
            }
        }
    }

    fn fail_everything(&mut self) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.on_command(command);
        }
        for flight in std::mem::take(&mut self.flights).into_values() {
            flight.fail(SendError::ShutDown);
        }
        for peer in self.peers.values_mut() {
            peer.keep = false;
            peer.fail_all(&SendError::ShutDown);
            peer.answer_waiters(&Err(ConnectError::ShutDown));
        }
        self.answers.clear();
        while let Some(Item { acknowledge, .. }) = self.inbox.pop() {
            self.acknowledge(acknowledge, false);
        }
    }

    /// Answers the message behind an event, when there is one.
    fn acknowledge(&mut self, reply: Option<Reply>, handed_over: bool) {
        let Some(reply) = reply else { return };
        self.respond(reply, if handed_over { Response::Acknowledged } else { Response::Refused(Refusal::Stopping) });
    }
}

/// Why a peer has no entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NoPeer {
    Full(usize),
    Bad(WorkerId),
}

impl From<NoPeer> for SendError {
    fn from(reason: NoPeer) -> Self {
        match reason {
            NoPeer::Full(count) => Self::TooManyPeers(count),
            NoPeer::Bad(worker) => Self::BadWorker(worker),
        }
    }
}

impl From<NoPeer> for ConnectError {
    fn from(reason: NoPeer) -> Self {
        match reason {
            NoPeer::Full(count) => Self::TooManyPeers(count),
            NoPeer::Bad(worker) => Self::BadWorker(worker),
        }
    }
}

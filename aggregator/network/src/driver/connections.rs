//! Connections: dialling with back-off, telling our network from others, closing what is dead or unwanted.

use std::net::SocketAddr;

use libp2p::{
    Multiaddr, Swarm, identify,
    multiaddr::Protocol,
    ping,
    swarm::{
        SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use protocol::WorkerId;
use tokio::time::{Instant, timeout};

use super::{Driver, Waiter};
use crate::{
    behaviour::{Behaviour, BehaviourEvent},
    config::{FOREIGN_GRACE, LISTEN_MAX},
    error::{ConnectError, SendError, StartError},
    event::NetworkEvent,
    identity,
};

impl Driver {
    /// Starts the listeners and waits until each has an address.
    pub(crate) async fn listen(&mut self, addresses: &[String]) -> Result<(), StartError> {
        let mut waiting = Vec::new();
        for address in addresses {
            waiting.push((listen_on(&mut self.swarm, address)?, address.clone()));
        }
        let all_up = async {
            while !waiting.is_empty() {
                let event = futures::StreamExt::select_next_some(&mut self.swarm).await;
                match &event {
                    SwarmEvent::NewListenAddr { listener_id, .. } => waiting.retain(|(id, _)| id != listener_id),
                    SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                        if let Some((_, address)) = waiting.iter().find(|(id, _)| id == listener_id) {
                            return Err(StartError::Listen { address: address.clone(), reason: format!("{reason:?}") });
                        }
                    }
                    _ => {}
                }
                self.on_swarm_event(event);
            }
            Ok(())
        };
        timeout(LISTEN_MAX, all_up).await.map_err(|_| StartError::ListenTimeout(LISTEN_MAX.as_millis()))?
    }

    pub(super) fn on_connect(
        &mut self,
        worker: WorkerId,
        addresses: Vec<Multiaddr>,
        keep: bool,
        waiter: Option<Waiter>,
    ) {
        let peer = match self.peer(worker) {
            Ok(peer) => peer,
            Err(reason) => {
                if let Some(waiter) = waiter {
                    let _ = waiter.reply.send(Err(reason.into()));
                }
                return;
            }
        };
        peer.learn(addresses);
        peer.keep |= keep;
        peer.close_at = None;
        match waiter {
            Some(waiter) if peer.proven => drop(waiter.reply.send(Ok(()))),
            Some(waiter) => peer.wait(waiter),
            None => {}
        }
        self.pump(worker, Instant::now());
    }

    pub(super) fn on_connection_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                let Some(worker) = self.known(peer_id) else { return };
                self.on_connected(worker, endpoint.is_listener(), now);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established, cause, .. } => {
                let Some(worker) = identity::worker_id(&peer_id) else { return };
                let why = cause.map_or_else(|| "connection closed".into(), |cause| format!("connection lost: {cause}"));
                self.on_closed(worker, num_established, why, now);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id: Some(peer_id), error } => {
                let Some(worker) = identity::worker_id(&peer_id) else { return };
                let peer = self.peers.get_mut(&worker).filter(|peer| peer.dialing == Some(connection_id));
                if let Some(peer) = peer {
                    peer.dial_failed(now, one_line(&error.to_string()));
                    self.pump(worker, now);
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.shared.add_listening(address.to_string());
                self.inbox.push(NetworkEvent::Listening(address.to_string()));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => self.shared.remove_listening(&address.to_string()),
            _ => {}
        }
    }

    pub(super) fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        let Some(worker) = identity::worker_id(&peer_id) else { return };
        if info.protocol_version == self.network_name {
            self.prove(worker);
        } else {
            tracing::debug!(%worker, version = %info.protocol_version, "peer of another network");
            self.on_foreign(worker);
        }
    }

    /// A ping that fails means a dead peer or a dead path; requests must not be sent into it.
    pub(super) fn on_ping(&mut self, event: &ping::Event) {
        if let Err(ping::Failure::Timeout | ping::Failure::Other { .. }) = &event.result {
            tracing::debug!(peer = %event.peer, "ping failed, closing the connection");
            self.swarm.close_connection(event.connection);
        }
    }

    /// The peer has shown that it belongs to this network.
    pub(super) fn prove(&mut self, worker: WorkerId) {
        let Some(peer) = self.peers.get_mut(&worker).filter(|peer| !peer.proven && peer.connections > 0) else {
            return;
        };
        peer.proven = true;
        peer.answer_waiters(&Ok(()));
        self.inbox.push_connection(worker, true);
    }

    /// The peer has shown that it does not. The side that dialled hangs up; the other waits a little, so that both
    /// learn why.
    pub(super) fn on_foreign(&mut self, worker: WorkerId) {
        self.fail_flights(worker, &SendError::WrongNetwork(worker));
        let Some(peer) = self.peers.get_mut(&worker) else { return };
        peer.fail_all(&SendError::WrongNetwork(worker));
        peer.answer_waiters(&Err(ConnectError::WrongNetwork(worker)));
        peer.last_failure = "it belongs to another network".into();
        peer.foreign = true;
        if peer.inbound {
            peer.close_at = Some(Instant::now() + FOREIGN_GRACE);
        } else {
            let _ = self.swarm.disconnect_peer_id(peer.id);
        }
        self.settle(worker);
    }

    /// Disconnects a peer whose time to be admitted is over.
    pub(super) fn check_notice(&mut self, worker: WorkerId, now: Instant) {
        let admitted = self.shared.is_admitted(&worker);
        let Some(peer) = self.peers.get_mut(&worker) else { return };
        if admitted && !peer.foreign {
            peer.close_at = None;
        } else if peer.close_at.is_some_and(|at| at <= now) {
            tracing::debug!(%worker, "not admitted in time, disconnecting");
            let _ = self.swarm.disconnect_peer_id(peer.id);
        }
    }

    pub(super) fn dial(&mut self, worker: WorkerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&worker) else { return };
        // A new port each time: a reused one may be stuck with the connection that was just lost.
        let options = DialOpts::peer_id(peer.id)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .allocate_new_port()
            .addresses(peer.addresses.clone())
            .build();
        peer.dialing = Some(options.connection_id());
        if let Err(error) = self.swarm.dial(options) {
            peer.dial_failed(now, one_line(&error.to_string()));
        }
    }

    /// The worker behind a new connection; anyone else, and anyone when we are stopping or full, is disconnected.
    fn known(&mut self, peer_id: libp2p::PeerId) -> Option<WorkerId> {
        let worker = identity::worker_id(&peer_id).filter(|_| !self.stopping);
        let known = worker.filter(|worker| self.peer(*worker).is_ok());
        if known.is_none() {
            let _ = self.swarm.disconnect_peer_id(peer_id);
        }
        known
    }

    fn on_connected(&mut self, worker: WorkerId, inbound: bool, now: Instant) {
        let admitted = self.shared.is_admitted(&worker);
        let Some(peer) = self.peers.get_mut(&worker) else { return };
        peer.connected(inbound, admitted, now);
        self.pump(worker, now);
    }

    fn on_closed(&mut self, worker: WorkerId, remaining: u32, why: String, now: Instant) {
        let Some(peer) = self.peers.get_mut(&worker) else { return };
        peer.connections = remaining;
        if remaining == 0 {
            let reported = peer.proven;
            peer.disconnected(now, why);
            if reported {
                self.inbox.push_connection(worker, false);
            }
        }
        self.pump(worker, now);
    }
}

/// Listens, after a look whether the port is free: libp2p shares its port among processes (SO_REUSEPORT), so two
/// aggregators on one port would silently split their workers.
fn listen_on(swarm: &mut Swarm<Behaviour>, address: &str) -> Result<libp2p::core::transport::ListenerId, StartError> {
    let bad = |reason: String| StartError::BadAddress { address: address.into(), reason };
    let parsed: Multiaddr = address.parse().map_err(|error| bad(format!("{error}")))?;
    let socket = socket_address(&parsed).ok_or_else(|| bad("not an /ip4 or /ip6 address with a /tcp port".into()))?;
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => StartError::PortInUse { port: socket.port(), address: address.into() },
        _ => StartError::Listen { address: address.into(), reason: error.to_string() },
    };
    drop(std::net::TcpListener::bind(socket).map_err(failed)?);
    swarm.listen_on(parsed).map_err(|error| match error {
        libp2p::TransportError::Other(error) => failed(error),
        other => bad(other.to_string()),
    })
}

fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match (parts.next()?, parts.next()) {
        (Protocol::Tcp(port), None | Some(Protocol::P2p(_))) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// libp2p's errors span lines; ours go into one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

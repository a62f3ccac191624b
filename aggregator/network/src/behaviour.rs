//! The libp2p swarm: TCP, Noise, Yamux, and the behaviours on top.
//!
//! Two request-response behaviours (control and pieces) carry ours, identify tells networks apart, ping finds dead
//! connections, and connection limits bound what strangers can hold. Nothing here dials by itself: the driver does,
//! with addresses that its user gave, so a peer cannot make us connect anywhere.

use std::time::Duration;

use libp2p::{
    PeerId, Swarm, Transport,
    connection_limits::{self, ConnectionLimits},
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dns, identify,
    identity::Keypair,
    noise, ping,
    request_response::{self, ProtocolSupport},
    swarm::{self, NetworkBehaviour},
    tcp, yamux,
};
use protocol::NetworkId;

use crate::{
    config::{CONNECTIONS_PER_PEER_MAX, HANDSHAKES_MAX, NetworkConfig, PING_INTERVAL, PING_TIMEOUT, STREAMS_MAX},
    error::StartError,
    identity,
    wire::{Channel, Codec},
};

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) control: request_response::Behaviour<Codec>,
    pub(crate) pieces: request_response::Behaviour<Codec>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
}

impl Behaviour {
    pub(crate) fn channel(&mut self, channel: Channel) -> &mut request_response::Behaviour<Codec> {
        match channel {
            Channel::Control => &mut self.control,
            Channel::Pieces => &mut self.pieces,
        }
    }
}

/// The protocol version that identify exchanges: peers that name another one are disconnected.
pub(crate) fn network_name(network_id: &NetworkId) -> String {
    format!("/cotrain/{network_id}/1")
}

/// Builds the swarm of a node; it neither listens nor dials yet.
pub(crate) fn swarm(config: &NetworkConfig) -> Result<Swarm<Behaviour>, StartError> {
    let keypair = identity::keypair(config.secret).map_err(StartError::Transport)?;
    let transport = transport(&keypair).map_err(StartError::Transport)?;
    let swarm_config = swarm::Config::with_tokio_executor()
        .with_substream_upgrade_protocol_override(Version::V1Lazy) // saves a round trip for every request
        .with_idle_connection_timeout(config.idle_max);
    let local = keypair.public().to_peer_id();
    Ok(Swarm::new(transport, behaviour(config, &keypair)?, local, swarm_config))
}

/// Connections of a node: TCP, encrypted and authenticated by Noise, multiplexed by Yamux.
pub(crate) fn transport(keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, String> {
    let noise = noise::Config::new(keypair).map_err(|error| error.to_string())?;
    // Without a readable resolver configuration only names stop working; numeric addresses must still do.
    let resolving = dns::tokio::Transport::system(tcp_transport()).unwrap_or_else(|error| {
        tracing::warn!(%error, "no resolver configuration; only numeric addresses can be dialled");
        dns::tokio::Transport::custom(tcp_transport(), dns::ResolverConfig::default(), dns::ResolverOpts::default())
    });
    Ok(resolving.upgrade(Version::V1Lazy).authenticate(noise).multiplex(yamux::Config::default()).boxed())
}

fn tcp_transport() -> tcp::tokio::Transport {
    tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
}

fn behaviour(config: &NetworkConfig, keypair: &Keypair) -> Result<Behaviour, StartError> {
    let identify = identify::Config::new(network_name(&config.network_id), keypair.public())
        .with_agent_version(concat!("cotrain/", env!("CARGO_PKG_VERSION")).into())
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    let ping = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(HANDSHAKES_MAX))
        .with_max_pending_outgoing(Some(HANDSHAKES_MAX))
        .with_max_established_incoming(Some(config.inbound_connections_max))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        control: request_response(config, Channel::Control, config.attempt_deadline)?,
        pieces: request_response(config, Channel::Pieces, config.piece_deadline)?,
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
    })
}

fn request_response(
    config: &NetworkConfig,
    channel: Channel,
    timeout: Duration,
) -> Result<request_response::Behaviour<Codec>, StartError> {
    let protocol = channel.protocol(&config.network_id).map_err(StartError::Transport)?;
    let options =
        request_response::Config::default().with_request_timeout(timeout).with_max_concurrent_streams(STREAMS_MAX);
    let protocols = [(protocol, ProtocolSupport::Full)];
    Ok(request_response::Behaviour::with_codec(Codec::new(channel), protocols, options))
}

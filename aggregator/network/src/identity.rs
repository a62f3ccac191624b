//! A worker is its ed25519 key, and so is a libp2p peer: the two ids are one key in two spellings.

use libp2p::{
    Multiaddr, PeerId,
    identity::{Keypair, PublicKey, ed25519},
    multiaddr::Protocol,
};
use protocol::WorkerId;

/// What an inlined ed25519 key begins with in a peer id: multihash "identity" of 36 bytes, then the key's protobuf.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The libp2p identity of a secret key.
pub(crate) fn keypair(mut secret: [u8; 32]) -> Result<Keypair, String> {
    Keypair::ed25519_from_bytes(&mut secret).map_err(|error| error.to_string())
}

/// The peer id of a worker; `None` when the id is no point of the curve.
pub(crate) fn peer_id(worker: &WorkerId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&worker.0).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The worker behind a peer id; `None` for keys of other kinds, which no worker has.
pub(crate) fn worker_id(peer: &PeerId) -> Option<WorkerId> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&PEER_ID_PREFIX)?;
    Some(WorkerId(key.try_into().ok()?))
}

/// Parses an address to dial and drops its `/p2p` part: whom we expect there is known from the worker id.
pub(crate) fn parse_address(address: &str) -> Result<Multiaddr, String> {
    let parsed: Multiaddr = address.parse().map_err(|error| format!("{error}"))?;
    let parsed: Multiaddr = parsed.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
    match tcp_port(&parsed) {
        Some(_) => Ok(parsed),
        None => Err("no TCP port in it".into()),
    }
}

/// The TCP port of an address.
pub(crate) fn tcp_port(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_and_its_peer_are_one_key() {
        for seed in 0..16u8 {
            let peer = keypair([seed; 32]).unwrap().public().to_peer_id();
            let worker = worker_id(&peer).unwrap();
            assert_eq!(worker, protocol::Keypair::from_secret(&[seed; 32]).worker());
            assert_eq!(peer_id(&worker), Some(peer));
        }
    }

    #[test]
    fn keys_of_other_kinds_are_nobody() {
        assert_eq!(worker_id(&PeerId::random()), None);
    }

    #[test]
    fn a_point_off_the_curve_is_nobody() {
        let off = (0..=255u8).map(|byte| WorkerId([byte; 32])).find(|worker| peer_id(worker).is_none());
        assert!(off.is_some());
    }

    #[test]
    fn addresses_lose_their_peer_and_need_a_port() {
        let peer = keypair([1; 32]).unwrap().public().to_peer_id();
        let parsed = parse_address(&format!("/ip4/127.0.0.1/tcp/4001/p2p/{peer}")).unwrap();
        assert_eq!(parsed.to_string(), "/ip4/127.0.0.1/tcp/4001");
        assert!(parse_address("/ip4/127.0.0.1").is_err());
        assert!(parse_address("127.0.0.1:4001").is_err());
    }
}

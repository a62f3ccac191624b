//! A peer that speaks libp2p but not as it should: frames written by hand.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, noise,
    request_response::{self, Event, Message, OutboundFailure, ProtocolSupport},
    swarm::SwarmEvent,
    tcp, yamux,
};
use network::NetworkEvent;

use crate::support::{MIB, NETWORK, Node, PATIENCE, blob, link, message, worker_of};

/// Writes what it is given and reads what comes.
#[derive(Clone, Default)]
struct Raw;

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }
}

type Hostile = Swarm<request_response::Behaviour<Raw>>;

fn hostile(seed: u8, channel: &str) -> Hostile {
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
    let protocol = StreamProtocol::try_from_owned(format!("/cotrain/{NETWORK}/{channel}/1")).unwrap();
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| {
            let timeout = request_response::Config::default().with_request_timeout(Duration::from_secs(5));
            request_response::Behaviour::<Raw>::new([(protocol, ProtocolSupport::Full)], timeout)
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
        .build()
}

/// Sends a frame to the node; returns the bytes of the answer.
async fn exchange(swarm: &mut Hostile, node: &Node, frame: Vec<u8>) -> Result<Vec<u8>, OutboundFailure> {
    let peer = libp2p::identity::ed25519::PublicKey::try_from_bytes(&node.worker().0).unwrap();
    let peer = libp2p::identity::PublicKey::from(peer).to_peer_id();
    swarm.add_peer_address(peer, node.addresses()[0].parse().unwrap());
    swarm.behaviour_mut().send_request(&peer, frame);
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(Event::Message { message: Message::Response { response, .. }, .. }) => {
                return Ok(response);
            }
            SwarmEvent::Behaviour(Event::OutboundFailure { error, .. }) => return Err(error),
            _ => {}
        }
    }
}

fn frame(kind: u8, declared: usize, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend((declared as u32).to_le_bytes());
    frame.extend_from_slice(body);
    frame
}

const NOT_ADMITTED: [u8; 6] = [5, 1, 0, 0, 0, 0];
const MALFORMED: [u8; 6] = [5, 1, 0, 0, 0, 1];

#[tokio::test]
async fn frames_that_are_none_are_refused_and_the_node_goes_on() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    link(&mut a, &mut b).await;
    let mut mallory = hostile(66, "control");
    let garbage = vec![0xff; 1000];

    // A stranger: anything but a hello is refused without a look at it, and a hello must be one.
    assert_eq!(exchange(&mut mallory, &a, frame(0, 1000, &garbage)).await.unwrap(), NOT_ADMITTED);
    assert_eq!(exchange(&mut mallory, &a, frame(1, 1000, &garbage)).await.unwrap(), MALFORMED);
    a.network.admit(worker_of(66));
    assert_eq!(exchange(&mut mallory, &a, frame(0, 1000, &garbage)).await.unwrap(), MALFORMED);
    let mut trailing = protocol::encode(&message(1));
    trailing.push(0);
    assert_eq!(exchange(&mut mallory, &a, frame(0, trailing.len(), &trailing)).await.unwrap(), MALFORMED);

    // Announcements above the limit, unknown kinds and empty streams: the stream ends without an answer.
    for bad in [
        frame(0, (1 << 20) + 1, &garbage),
        frame(1, 1 << 30, &garbage),
        frame(9, 1, &[0]),
        frame(2, 37, &[0; 37]),
        vec![],
    ] {
        let answer = exchange(&mut mallory, &a, bad).await;
        assert!(
            answer.as_ref().is_ok_and(Vec::is_empty) || matches!(answer, Err(OutboundFailure::Io(_))),
            "{answer:?}"
        );
    }

    // A well-formed one still passes on the same connection, and nobody else noticed.
    let good = protocol::encode(&message(4));
    assert_eq!(exchange(&mut mallory, &a, frame(0, good.len(), &good)).await.unwrap(), [0; 5]);
    assert_eq!(a.next_message().await, (worker_of(66), message(4)));
    b.network.send(a.worker(), &message(5)).await.unwrap();
    assert_eq!(a.next_message().await, (b.worker(), message(5)));
}

#[tokio::test]
async fn a_stranger_cannot_fetch() {
    let a = Node::start(1).await;
    let hash = a.store.insert(vec![1, 2, 3]).unwrap();
    let mut mallory = hostile(66, "pieces");
    let mut body = hash.0.to_vec();
    body.extend([0, 0, 0, 0, 1]);
    assert_eq!(exchange(&mut mallory, &a, frame(2, 37, &body)).await.unwrap(), NOT_ADMITTED);
}

#[tokio::test]
async fn an_answer_that_is_none_ends_in_an_error() {
    let mut a = Node::configured({
        let mut config = crate::support::config(1);
        config.send_deadline = Duration::from_secs(2);
        config
    })
    .await;
    let (mut mallory, address) = listening(66, "control").await;
    let answering = tokio::spawn(async move {
        loop {
            let event = mallory.select_next_some().await;
            if let SwarmEvent::Behaviour(Event::Message { message: Message::Request { channel, .. }, .. }) = event {
                let _ = mallory.behaviour_mut().send_response(channel, frame(1, (1 << 20) + 1, &[0; 100]));
            }
        }
    });
    a.network.add_addresses(worker_of(66), &[address]).await.unwrap();
    let answer = a.network.send(worker_of(66), &message(1)).await;
    match answer {
        Err(network::SendError::TimedOut { last, .. }) => assert!(last.contains("1048577"), "{last}"),
        other => panic!("{other:?}"),
    }
    answering.abort();
    while !matches!(a.next().await, NetworkEvent::Listening(_)) {}
}

/// Serves a blob, and claims that it is `extra` bytes longer than it is.
async fn serve_longer(mut mallory: Hostile, blob: Vec<u8>, extra: usize) {
    let list = protocol::PieceList::of(&blob).unwrap();
    let values: Vec<u8> = list.values().iter().flat_map(|value| value.0).collect();
    loop {
        let event = mallory.select_next_some().await;
        let SwarmEvent::Behaviour(Event::Message { message: Message::Request { request, channel, .. }, .. }) = event
        else {
            continue;
        };
        let index = u32::from_le_bytes(request[37..41].try_into().unwrap()) as usize;
        let with_list = request[41] == 1;
        let mut piece = blob[index * MIB..blob.len().min((index + 1) * MIB)].to_vec();
        if piece.len() < MIB {
            piece.resize(piece.len() + extra, 0);
        }
        let mut body = ((blob.len() + extra) as u64).to_le_bytes().to_vec();
        body.extend(if with_list { values.len() as u32 / 32 } else { 0 }.to_le_bytes());
        body.extend(if with_list { &values[..] } else { &[] });
        body.extend(piece);
        let _ = mallory.behaviour_mut().send_response(channel, frame(2, body.len(), &body));
    }
}

#[tokio::test]
async fn a_holder_that_lies_about_the_length_is_the_liar() {
    let honest = Node::start(1).await;
    // Several blobs, since the hash decides who is asked first.
    for size in [2 * MIB + 1000, 2 * MIB + 1001, 2 * MIB + 1002, 2 * MIB + 1003] {
        let whole = blob(size);
        let hash = honest.store.insert(whole.clone()).unwrap();
        let (mallory, address) = listening(66, "pieces").await;
        let lying = tokio::spawn(serve_longer(mallory, whole.clone(), 24));
        let node = Node::start(100).await;
        honest.network.admit(node.worker());
        node.network.add_addresses(honest.worker(), &honest.addresses()).await.unwrap();
        node.network.add_addresses(worker_of(66), &[address]).await.unwrap();

        let alone = node.network.fetch_blob(hash, u64::MAX, &[worker_of(66)], &node.store, PATIENCE).await;
        assert!(matches!(alone, Err(network::FetchError::Exhausted { .. })), "{alone:?}");
        let holders = [worker_of(66), honest.worker()];
        let fetched = node.network.fetch_blob(hash, u64::MAX, &holders, &node.store, PATIENCE).await.unwrap();
        assert_eq!(*fetched.bytes, whole);
        assert!(!fetched.liars.contains(&honest.worker()), "the honest one is blamed");
        lying.abort();
    }
}

/// A hostile peer that can be dialled.
async fn listening(seed: u8, channel: &str) -> (Hostile, String) {
    let mut swarm = hostile(seed, channel);
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return (swarm, address.to_string());
        }
    }
}

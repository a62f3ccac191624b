//! Restarts, ports, strangers.

use std::{net::TcpListener, time::Duration};

use network::{BlobStore, ConnectError, Network, NetworkEvent, SendError, StartError};
use protocol::NetworkId;
use tokio_util::sync::CancellationToken;

use crate::support::{Node, PATIENCE, config, hello, link, message, worker_of};

#[tokio::test]
async fn a_restarted_listener_is_found_again_and_gets_what_waited() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    link(&mut a, &mut b).await;
    let mut again = config(1);
    again.listen = a.addresses();
    again.admitted = vec![b.worker()];
    let to = a.worker();
    a.stop().await;
    b.until_disconnected(to).await;

    let waiting = tokio::spawn({
        let network = b.network.clone();
        async move { network.send(to, &message(7)).await }
    });
    let mut a = Node::configured(again).await;
    b.until_connected(to).await;
    a.until_connected(b.worker()).await;
    waiting.await.unwrap().unwrap();
    assert_eq!(a.next_message().await, (b.worker(), message(7)));

    b.network.admit(to);
    a.network.send(b.worker(), &message(8)).await.unwrap();
    assert_eq!(b.next_message().await, (to, message(8)));
}

#[tokio::test]
async fn a_restarted_dialler_is_known_by_its_key() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    link(&mut a, &mut b).await;
    b.stop().await;
    a.until_disconnected(worker_of(2)).await;
    let b = Node::start(2).await;
    b.network.connect(a.worker(), &a.addresses(), PATIENCE).await.unwrap();
    a.until_connected(worker_of(2)).await;
    b.network.send(a.worker(), &message(3)).await.unwrap(); // still admitted
    assert_eq!(a.next_message().await, (worker_of(2), message(3)));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    check_port_in_use(taken.local_addr().unwrap().port()).await;
    // libp2p would share its port with another of its kind.
    let a = Node::start(1).await;
    let port: u16 = a.addresses()[0].rsplit('/').next().unwrap().parse().unwrap();
    check_port_in_use(port).await;
}

async fn check_port_in_use(taken: u16) {
    let mut second = config(2);
    second.listen = vec![format!("/ip4/127.0.0.1/tcp/{taken}")];
    match Network::start(second, BlobStore::new(), CancellationToken::new()).await {
        Err(error @ StartError::PortInUse { port, .. }) => {
            assert_eq!(port, taken);
            assert!(error.to_string().contains(&taken.to_string()), "{error}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("listens on a port that is in use"),
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    for address in ["127.0.0.1:4001", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/4001", "/ip4/300.0.0.1/tcp/1", ""] {
        let mut bad = config(2);
        bad.listen = vec![address.into()];
        let result = Network::start(bad, BlobStore::new(), CancellationToken::new()).await;
        assert!(matches!(result, Err(StartError::BadAddress { .. })), "{address}");
        let a = Node::start(1).await;
        let refused = a.network.add_addresses(worker_of(2), &[address.into()]).await;
        assert!(matches!(refused, Err(ConnectError::BadAddress { .. })), "{address}");
    }
}

#[tokio::test]
async fn another_network_does_not_talk() {
    let mut a = Node::start(1).await;
    let mut other = config(2);
    other.network_id = NetworkId([8; 32]);
    let b = Node::configured(other).await;
    a.network.admit(b.worker());
    let refused = b.network.connect(a.worker(), &a.addresses(), PATIENCE).await;
    assert_eq!(refused, Err(ConnectError::WrongNetwork(a.worker())));
    assert_eq!(b.network.hello(a.worker(), &hello()).await, Err(SendError::WrongNetwork(a.worker())));
    assert_eq!(b.network.send(a.worker(), &message(1)).await, Err(SendError::WrongNetwork(a.worker())));

    // Nothing of it was reported: the first peer that `a` hears of is the next one.
    let c = Node::start(3).await;
    c.network.connect(a.worker(), &a.addresses(), PATIENCE).await.unwrap();
    loop {
        match a.next().await {
            NetworkEvent::Listening(_) => {}
            NetworkEvent::Connected(worker) => break assert_eq!(worker, c.worker()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_peer_with_another_key_at_the_address_is_not_the_peer() {
    let (a, b) = (Node::start(1).await, Node::start(2).await);
    let refused = b.network.connect(worker_of(9), &a.addresses(), Duration::from_secs(2)).await;
    match refused {
        Err(ConnectError::TimedOut { last, .. }) => assert!(last.contains("peer ID"), "{last}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn both_may_dial_at_once() {
    for _ in 0..8 {
        let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
        a.network.admit(b.worker());
        b.network.admit(a.worker());
        let (there, back) = futures::future::join(
            a.network.connect(b.worker(), &b.addresses(), PATIENCE),
            b.network.connect(a.worker(), &a.addresses(), PATIENCE),
        )
        .await;
        there.and(back).unwrap();
        a.network.send(b.worker(), &message(1)).await.unwrap();
        b.network.send(a.worker(), &message(2)).await.unwrap();
        assert_eq!(b.next_message().await.1, message(1));
        assert_eq!(a.next_message().await.1, message(2));
    }
}

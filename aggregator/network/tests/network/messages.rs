//! Hellos, admission, messages and their bounds.

use std::time::Duration;

use futures::future::join_all;
use network::{NetworkEvent, SendError};
use protocol::{Hash, Message, Reveal, Round};
use tokio::time::timeout;

use crate::support::{Node, PATIENCE, config, hello, link, message, number, reply, worker_of};

#[tokio::test]
async fn only_a_hello_is_heard_before_admission() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    b.network.connect(a.worker(), &a.addresses(), PATIENCE).await.unwrap();
    b.until_connected(a.worker()).await;
    a.until_connected(b.worker()).await;

    assert_eq!(b.network.send(a.worker(), &message(1)).await, Err(SendError::NotAdmitted(a.worker())));

    let asking = tokio::spawn({
        let (network, to) = (b.network.clone(), a.worker());
        async move { network.hello(to, &hello()).await }
    });
    match a.next().await {
        NetworkEvent::Hello { from, hello: heard, reply: handle } => {
            assert_eq!((from, *heard), (b.worker(), hello()));
            a.network.admit(from);
            handle.send(reply());
        }
        other => panic!("{other:?} where a hello was due"),
    }
    assert_eq!(asking.await.unwrap(), Ok(reply()));

    b.network.send(a.worker(), &message(2)).await.unwrap();
    assert_eq!(a.next_message().await, (b.worker(), message(2)));
}

#[tokio::test]
async fn a_hello_without_an_answer_is_refused() {
    let (mut a, b) = (Node::start(1).await, Node::start(2).await);
    b.network.add_addresses(a.worker(), &a.addresses()).await.unwrap();
    let asking = tokio::spawn({
        let (network, to) = (b.network.clone(), a.worker());
        async move { network.hello(to, &hello()).await }
    });
    loop {
        if let NetworkEvent::Hello { reply, .. } = a.next().await {
            drop(reply);
            break;
        }
    }
    assert_eq!(asking.await.unwrap(), Err(SendError::PeerStopping(a.worker())));
}

#[tokio::test]
async fn messages_go_both_ways_in_order() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    link(&mut a, &mut b).await;
    let there = join_all((0..64).map(|number| b.network.send(a.worker(), &message(number))));
    let back = join_all((0..64).map(|number| a.network.send(b.worker(), &message(1000 + number))));
    let (there, back) = futures::future::join(there, back).await;
    assert!(there.into_iter().chain(back).all(|result| result == Ok(())));
    for expected in 0..64 {
        assert_eq!(number(&a.next_message().await.1), expected);
        assert_eq!(number(&b.next_message().await.1), 1000 + expected);
    }
}

#[tokio::test]
async fn requests_for_a_peer_that_is_away_are_bounded_and_end() {
    let mut short = config(2);
    short.send_deadline = Duration::from_millis(500);
    let b = Node::configured(short).await;
    let away = worker_of(9);
    let results = join_all((0..200).map(|number| b.network.send(away, &message(number)))).await;
    let full = results.iter().filter(|result| matches!(result, Err(SendError::QueueFull { queued: 128, .. }))).count();
    let late = results.iter().filter(|result| matches!(result, Err(SendError::TimedOut { attempts: 0, .. }))).count();
    assert_eq!((full, late), (72, 128));
}

#[tokio::test]
async fn a_message_is_not_acknowledged_before_there_is_room_for_it() {
    let mut short = config(2);
    short.send_deadline = Duration::from_secs(2);
    let (mut a, mut b) = (Node::start(1).await, Node::configured(short).await);
    link(&mut a, &mut b).await;
    let mut accepted = 0;
    let refused = loop {
        match b.network.send(a.worker(), &message(accepted)).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SendError::TimedOut { .. }), "{refused}");
    assert_eq!(accepted, 256);
    for expected in 0..accepted {
        assert_eq!(number(&a.next_message().await.1), expected);
    }
    b.network.send(a.worker(), &message(accepted)).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_large_does_not_leave() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    link(&mut a, &mut b).await;
    let reveal = Reveal {
        round: Round(1),
        worker: a.worker(),
        salt: Hash([1; 32]),
        payload_hash: Hash([2; 32]),
        payload_bytes: 3,
        tokens: 4,
        inner_ms: 1,
    };
    let huge = Message::Revealed { round: Round(1), reveals: vec![reveal; 12_000] };
    let refused = b.network.send(a.worker(), &huge).await;
    assert!(matches!(refused, Err(SendError::TooLarge { bytes_max: 1_048_576, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_stopped_node_says_so_and_frees_its_port() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    link(&mut a, &mut b).await;
    let (network, to) = (b.network.clone(), a.worker());
    b.stop().await;
    assert_eq!(network.send(to, &message(1)).await, Err(SendError::ShutDown));
    timeout(PATIENCE, a.until_disconnected(worker_of(2))).await.unwrap();
}

#[tokio::test]
async fn the_last_acknowledgement_leaves_before_the_node_stops() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    link(&mut a, &mut b).await;
    let to = b.worker();
    let reader = tokio::spawn(async move {
        let (_, last) = b.next_message().await;
        b.stop().await;
        last
    });
    a.network.send(to, &message(5)).await.unwrap();
    assert_eq!(reader.await.unwrap(), message(5));
}

//! Blobs in pieces: several holders, deaths, lies, resumption.

use std::{sync::atomic::Ordering, time::Duration};

use network::FetchError;
use protocol::{Hash, PieceReply, PieceRequest, limits::PIECE_BYTES};

use crate::support::{MIB, Node, PATIENCE, Relay, TempFile, blob, config, worker_of};

const SIZE: usize = 5 * MIB + MIB / 2;

/// A fetching node that the holders have admitted and that knows where they are.
async fn fetcher(holders: &[&Node]) -> Node {
    let node = Node::start(100).await;
    for holder in holders {
        holder.network.admit(node.worker());
        node.network.add_addresses(holder.worker(), &holder.addresses()).await.unwrap();
    }
    node
}

#[tokio::test]
async fn blobs_of_every_size_arrive() {
    let a = Node::start(1).await;
    let b = fetcher(&[&a]).await;
    for bytes in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, SIZE] {
        let whole = blob(bytes);
        let hash = a.store.insert(whole.clone()).unwrap();
        assert_eq!(hash, Hash::of(&whole));
        let fetched = b.network.fetch_blob(hash, bytes as u64, &[a.worker()], &b.store, PATIENCE).await.unwrap();
        assert_eq!(*fetched.bytes, whole, "{bytes} bytes");
        assert!(fetched.liars.is_empty());
        assert!(b.store.contains(&hash));
    }
}

#[tokio::test]
async fn a_holder_dies_mid_transfer_and_another_finishes() {
    let (a, b) = (Node::start(1).await, Node::start(2).await);
    let whole = blob(SIZE);
    let file = TempFile::new("dies", &whole);
    let hash = a.store.insert(whole.clone()).unwrap();
    assert_eq!(b.store.insert_file(&file.0).unwrap(), hash);
    let mut c = Node::start(100).await;
    for holder in [&a, &b] {
        holder.network.admit(c.worker());
    }
    let relay = Relay::start(&a.addresses()[0], MIB as u64 * 5 / 4, false);
    c.network.add_addresses(a.worker(), std::slice::from_ref(&relay.address)).await.unwrap();
    c.network.add_addresses(b.worker(), &b.addresses()).await.unwrap();
    let holders = [a.worker(), b.worker()];
    let fetched = c.network.fetch_blob(hash, SIZE as u64, &holders, &c.store, PATIENCE).await.unwrap();
    assert_eq!(*fetched.bytes, whole);
    assert!(fetched.liars.is_empty());
    c.until_disconnected(a.worker()).await;
    assert_eq!(relay.cuts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_transfer_goes_on_where_the_connection_broke() {
    let a = Node::start(1).await;
    let whole = blob(SIZE);
    let hash = a.store.insert(whole.clone()).unwrap();
    let b = Node::start(100).await;
    a.network.admit(b.worker());
    let relay = Relay::start(&a.addresses()[0], MIB as u64 * 5 / 2, true);
    b.network.add_addresses(a.worker(), std::slice::from_ref(&relay.address)).await.unwrap();
    let fetched = b.network.fetch_blob(hash, SIZE as u64, &[a.worker()], &b.store, PATIENCE).await.unwrap();
    assert_eq!(*fetched.bytes, whole);
    assert_eq!(relay.cuts.load(Ordering::SeqCst), 1);
    let again = relay.forwarded.load(Ordering::SeqCst);
    assert!(again < 7 * MIB as u64 + MIB as u64 / 4, "{again} bytes: nothing was kept");
}

#[tokio::test]
async fn a_later_call_goes_on_where_an_earlier_one_stopped() {
    let a = Node::start(1).await;
    let whole = blob(SIZE);
    let hash = a.store.insert(whole.clone()).unwrap();
    let b = Node::start(100).await;
    a.network.admit(b.worker());
    let relay = Relay::start(&a.addresses()[0], MIB as u64 * 5 / 2, false);
    b.network.add_addresses(a.worker(), std::slice::from_ref(&relay.address)).await.unwrap();
    let stopped = b.network.fetch_blob(hash, SIZE as u64, &[a.worker()], &b.store, Duration::from_secs(2)).await;
    match stopped {
        Err(FetchError::TimedOut { pieces, pieces_total, .. }) => {
            assert_eq!(pieces_total, 6);
            assert!((2..6).contains(&pieces), "{pieces}");
        }
        other => panic!("{other:?}"),
    }
    let relay = Relay::start(&a.addresses()[0], u64::MAX, false);
    b.network.add_addresses(a.worker(), std::slice::from_ref(&relay.address)).await.unwrap();
    let fetched = b.network.fetch_blob(hash, SIZE as u64, &[a.worker()], &b.store, PATIENCE).await.unwrap();
    assert_eq!(*fetched.bytes, whole);
    let second = relay.forwarded.load(Ordering::SeqCst);
    assert!(second < 4 * MIB as u64 + MIB as u64 / 4, "{second} bytes: nothing was kept");
}

#[tokio::test]
async fn a_lying_holder_is_named_and_its_pieces_come_from_another() {
    let (a, b) = (Node::start(1).await, Node::start(2).await);
    let whole = blob(SIZE);
    let file = TempFile::new("lies", &whole);
    let hash = a.store.insert_file(&file.0).unwrap();
    b.store.insert(whole.clone()).unwrap();
    let mut corrupted = whole.clone();
    for piece in 1..5 {
        corrupted[piece * PIECE_BYTES + 17] ^= 1;
    }
    std::fs::write(&file.0, corrupted).unwrap();
    let c = fetcher(&[&a, &b]).await;
    let holders = [a.worker(), b.worker()];
    let fetched = c.network.fetch_blob(hash, SIZE as u64, &holders, &c.store, PATIENCE).await.unwrap();
    assert_eq!(*fetched.bytes, whole);
    assert_eq!(fetched.liars, [a.worker()]);
}

#[tokio::test]
async fn a_blob_that_nobody_has_whole_is_refused() {
    let a = Node::start(1).await;
    let whole = blob(SIZE);
    let file = TempFile::new("broken", &whole);
    let hash = a.store.insert_file(&file.0).unwrap();
    let mut corrupted = whole.clone();
    corrupted[3 * PIECE_BYTES] ^= 1;
    std::fs::write(&file.0, corrupted).unwrap();
    let c = fetcher(&[&a]).await;
    let refused = c.network.fetch_blob(hash, SIZE as u64, &[a.worker()], &c.store, PATIENCE).await;
    assert!(matches!(refused, Err(FetchError::Exhausted { holders: 1, .. })), "{refused:?}");
    assert!(!c.store.contains(&hash));
}

#[tokio::test]
async fn a_blob_above_the_callers_limit_is_not_fetched() {
    let a = Node::start(1).await;
    let hash = a.store.insert(blob(SIZE)).unwrap();
    let b = fetcher(&[&a]).await;
    let refused = b.network.fetch_blob(hash, SIZE as u64 - 1, &[a.worker()], &b.store, PATIENCE).await;
    match refused {
        Err(FetchError::Exhausted { last, .. }) => assert!(last.contains(&SIZE.to_string()), "{last}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_blob_that_is_nowhere_ends_soon() {
    let a = Node::start(1).await;
    let b = fetcher(&[&a]).await;
    let hash = Hash([5; 32]);
    let refused = b.network.fetch_blob(hash, 10, &[a.worker()], &b.store, PATIENCE).await;
    assert!(matches!(refused, Err(FetchError::Exhausted { .. })), "{refused:?}");
    let refused = b.network.fetch_blob(hash, 10, &[b.worker()], &b.store, PATIENCE).await;
    assert_eq!(refused.unwrap_err(), FetchError::NoHolders(hash));
}

#[tokio::test]
async fn a_holder_that_is_still_fetching_is_waited_for() {
    let a = Node::start(1).await;
    let whole = blob(SIZE);
    let hash = Hash::of(&whole);
    // `a` fetches it itself, from someone who cannot be reached.
    let fetching = tokio::spawn({
        let (network, store) = (a.network.clone(), a.store.clone());
        async move { network.fetch_blob(hash, SIZE as u64, &[worker_of(9)], &store, PATIENCE).await }
    });
    let b = fetcher(&[&a]).await;
    let request = PieceRequest { hash, index: 0, with_list: false };
    loop {
        match b.network.piece(a.worker(), request, PATIENCE).await.unwrap() {
            PieceReply::RetryAfter { .. } => break,
            PieceReply::Missing => tokio::task::yield_now().await, // the task above has not begun
            PieceReply::Piece { .. } => panic!("a piece from nowhere"),
        }
    }
    let holders = [a.worker()];
    let waiting = b.network.fetch_blob(hash, SIZE as u64, &holders, &b.store, PATIENCE);
    let arrival = async { a.store.insert(whole.clone()).unwrap() };
    let (fetched, _) = futures::future::join(waiting, arrival).await;
    assert_eq!(*fetched.unwrap().bytes, whole);
    fetching.abort();
}

#[tokio::test]
async fn pieces_are_for_the_admitted() {
    let a = Node::start(1).await;
    let hash = a.store.insert(blob(10)).unwrap();
    let b = Node::start(2).await;
    b.network.add_addresses(a.worker(), &a.addresses()).await.unwrap();
    let refused = b.network.fetch_blob(hash, 10, &[a.worker()], &b.store, Duration::from_secs(1)).await;
    match refused {
        Err(FetchError::TimedOut { last, .. }) => assert!(last.contains("has not admitted us"), "{last}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everyone_fetches_from_everyone_at_once() {
    let mut nodes = Vec::new();
    for seed in 1..=4 {
        let mut open = config(seed);
        open.admitted = (1..=4).map(worker_of).collect();
        nodes.push(Node::configured(open).await);
    }
    let mut hashes = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        for other in &nodes {
            node.network.add_addresses(other.worker(), &other.addresses()).await.unwrap();
        }
        hashes.push((node.worker(), node.store.insert(blob(3 * MIB + index)).unwrap()));
    }
    let fetches = nodes.iter().flat_map(|node| {
        hashes.iter().map(move |(holder, hash)| async move {
            let holders = [*holder];
            node.network.fetch_blob(*hash, 4 * MIB as u64, &holders, &node.store, PATIENCE).await.map(|_| ())
        })
    });
    let results = futures::future::join_all(fetches).await;
    assert_eq!(results.len(), 16);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

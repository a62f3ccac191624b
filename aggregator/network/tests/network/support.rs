//! Nodes, waits on events, and a relay that cuts connections.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use network::{BlobStore, Network, NetworkConfig, NetworkEvent};
use protocol::{Hash, Hello, HelloReply, Keypair, Message, NetworkId, Round, WorkerId, message::HelloRefusal};
use tokio::{sync::mpsc::Receiver, time::timeout};
use tokio_util::sync::CancellationToken;

/// Far above what anything here takes, so that only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const NETWORK: NetworkId = NetworkId([7; 32]);
pub(crate) const MIB: usize = 1 << 20;

pub(crate) struct Node {
    pub(crate) network: Network,
    pub(crate) events: Receiver<NetworkEvent>,
    pub(crate) store: BlobStore,
    pub(crate) shutdown: CancellationToken,
}

impl Node {
    pub(crate) async fn start(seed: u8) -> Self {
        Self::configured(config(seed)).await
    }

    pub(crate) async fn configured(config: NetworkConfig) -> Self {
        let (store, shutdown) = (BlobStore::new(), CancellationToken::new());
        let (network, events) = Network::start(config, store.clone(), shutdown.clone()).await.unwrap();
        Self { network, events, store, shutdown }
    }

    pub(crate) fn worker(&self) -> WorkerId {
        self.network.worker()
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.network.listen_addresses()
    }

    pub(crate) async fn next(&mut self) -> NetworkEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a running driver")
    }

    pub(crate) async fn until_connected(&mut self, worker: WorkerId) {
        while !matches!(self.next().await, NetworkEvent::Connected(who) if who == worker) {}
    }

    pub(crate) async fn until_disconnected(&mut self, worker: WorkerId) {
        while !matches!(self.next().await, NetworkEvent::Disconnected(who) if who == worker) {}
    }

    pub(crate) async fn next_message(&mut self) -> (WorkerId, Message) {
        loop {
            if let NetworkEvent::Message { from, message } = self.next().await {
                return (from, *message);
            }
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.network.stopped()).await.expect("a driver that stops");
    }
}

pub(crate) fn config(seed: u8) -> NetworkConfig {
    NetworkConfig::new([seed; 32], NETWORK)
}

pub(crate) fn worker_of(seed: u8) -> WorkerId {
    Keypair::from_secret(&[seed; 32]).worker()
}

/// `b` connects to `a`, and both admit each other.
pub(crate) async fn link(a: &mut Node, b: &mut Node) {
    a.network.admit(b.worker());
    b.network.admit(a.worker());
    b.network.connect(a.worker(), &a.addresses(), PATIENCE).await.unwrap();
    a.until_connected(b.worker()).await;
    b.until_connected(a.worker()).await;
}

pub(crate) fn message(number: u64) -> Message {
    Message::Applied { round: Round(number), state_hash: Hash([9; 32]) }
}

pub(crate) fn number(message: &Message) -> u64 {
    message.round().0
}

pub(crate) fn hello() -> Hello {
    Hello {
        protocol_version: protocol::PROTOCOL_VERSION,
        network: NETWORK,
        token: [3; 16],
        device: "cpu".into(),
        addresses: Vec::new(),
    }
}

pub(crate) fn reply() -> HelloReply {
    HelloReply::Refused(HelloRefusal::Full)
}

/// Bytes that differ from piece to piece.
pub(crate) fn blob(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index ^ (index >> 8) ^ (index >> 20).wrapping_mul(37)) as u8).collect()
}

/// A file that is gone with the value.
pub(crate) struct TempFile(pub(crate) PathBuf);

impl TempFile {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("cotrain-network-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A relay in front of a node that cuts the first connection after some bytes have come from the node.
pub(crate) struct Relay {
    pub(crate) address: String,
    /// Bytes that came from the node over all connections.
    pub(crate) forwarded: Arc<AtomicU64>,
    /// Connections that were cut.
    pub(crate) cuts: Arc<AtomicU64>,
}

impl Relay {
    /// Cuts once after `cut_after` bytes; later connections are refused, or forwarded whole when `comes_back`.
    pub(crate) fn start(target: &str, cut_after: u64, comes_back: bool) -> Self {
        let port: u16 = target.rsplit('/').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
        let (forwarded, cuts) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counted, cut) = (forwarded.clone(), cuts.clone());
        thread::spawn(move || {
            let mut limit = cut_after;
            for inbound in listener.incoming() {
                let (Ok(inbound), Ok(outbound)) = (inbound, TcpStream::connect(("127.0.0.1", port))) else { return };
                relay(inbound, outbound, limit, &counted, &cut);
                if !comes_back {
                    return;
                }
                limit = u64::MAX;
            }
        });
        Self { address, forwarded, cuts }
    }
}

/// Forwards both ways until either side closes or `limit` bytes have come from the node.
fn relay(inbound: TcpStream, outbound: TcpStream, limit: u64, forwarded: &AtomicU64, cuts: &AtomicU64) {
    let (mut upstream_in, mut upstream_out) = (inbound.try_clone().unwrap(), outbound.try_clone().unwrap());
    let upstream = thread::spawn(move || {
        let _ = std::io::copy(&mut upstream_in, &mut upstream_out);
        let _ = upstream_out.shutdown(Shutdown::Both);
    });
    let (mut from, mut to, mut left, mut buffer) = (&outbound, &inbound, limit, vec![0; 16 << 10]);
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        forwarded.fetch_add(bytes as u64, Ordering::SeqCst);
        left = left.saturating_sub(bytes as u64);
        if left == 0 {
            cuts.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if to.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    let _ = inbound.shutdown(Shutdown::Both);
    let _ = outbound.shutdown(Shutdown::Both);
    let _ = upstream.join();
}

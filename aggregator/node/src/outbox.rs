//! Outgoing messages: one bounded queue for each peer, so that a slow one holds up nobody else and order is kept.
//!
//! What does not fit is dropped with a line in the log: both cores of the protocol repeat what stays unanswered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use network::Network;
use protocol::{Message, WorkerId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Messages that may wait for one peer; a round has about ten.
const QUEUE_MAX: usize = 64;
/// Peers with a queue; above it the queues are made anew.
const PEERS_MAX: usize = 1024;

type Queue = (mpsc::Sender<Arc<Message>>, JoinHandle<()>);

/// The queues.
pub struct Outbox {
    network: Network,
    queues: BTreeMap<WorkerId, Queue>,
}

impl Outbox {
    /// An outbox over a transport.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self { network, queues: BTreeMap::new() }
    }

    /// Queues a message for a peer and returns at once.
    pub fn send(&mut self, to: WorkerId, message: Message) {
        if self.queues.len() > PEERS_MAX {
            self.queues.clear();
        }
        let kind = message.kind();
        let (queue, _) = self.queues.entry(to).or_insert_with(|| deliver(self.network.clone(), to));
        if queue.try_send(Arc::new(message)).is_err() {
            tracing::warn!(%to, kind, "too many messages wait for the peer, this one is left to the next repetition");
        }
    }

    /// Delivers what is queued, for as long as `deadline` at most: the last words before a process ends.
    pub async fn flush(&mut self, deadline: Duration) {
        let tasks: Vec<JoinHandle<()>> = std::mem::take(&mut self.queues).into_values().map(|(_, task)| task).collect();
        let delivered = async {
            for task in tasks {
                // A task that failed has nothing more to deliver.
                let _ = task.await;
            }
        };
        // What is not delivered by then the peer finds out by itself.
        let _ = tokio::time::timeout(deadline, delivered).await;
    }
}

/// One task that sends a peer's messages one after the other.
fn deliver(network: Network, to: WorkerId) -> Queue {
    let (queue, mut waiting) = mpsc::channel::<Arc<Message>>(QUEUE_MAX);
    let task = tokio::spawn(async move {
        while let Some(message) = waiting.recv().await {
            if let Err(error) = network.send(to, &message).await {
                tracing::debug!(%to, kind = message.kind(), %error, "a message was not delivered");
            }
        }
    });
    (queue, task)
}

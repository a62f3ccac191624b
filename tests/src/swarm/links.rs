//! Links between the workers and the aggregator.

use node::performer::{leader, member};
use protocol::{Message, WorkerId};

use super::body::Body;
use super::world::{Event, World};

impl<B: Body> World<B> {
    pub(super) fn connect(&mut self, index: usize) {
        let up = self.workers[index].life.is_some() && self.leader.life.is_some();
        if !up || self.workers[index].link.is_some() {
            return;
        }
        self.links += 1;
        self.workers[index].link = Some(self.links);
        let me = self.worker_id(index);
        self.leader_input(leader::Input::Connected(me));
        self.worker_input(index, member::Input::Connected);
    }

    pub(super) fn cut(&mut self, index: usize) {
        if self.workers[index].link.take().is_some() {
            let me = self.worker_id(index);
            self.leader_input(leader::Input::Disconnected(me));
        }
    }

    pub(super) fn send_to_worker(&mut self, to: WorkerId, message: Message) {
        let Some(worker) = self.workers.iter().position(|worker| worker.keypair.worker() == to) else { return };
        let Some(link) = self.workers[worker].link else { return };
        for _ in 0..self.copies() {
            let message = through_bytes(&message);
            self.later(1, self.faults.delay_ms.max(2), Event::ToWorker { worker, link, message });
        }
    }

    pub(super) fn send_to_leader(&mut self, worker: usize, message: Message) {
        let Some(link) = self.workers[worker].link else { return };
        self.figures.refusals += u64::from(matches!(message, Message::Refused(_)));
        for _ in 0..self.copies() {
            let message = through_bytes(&message);
            self.later(1, self.faults.delay_ms.max(2), Event::ToLeader { worker, link, message });
        }
    }

    /// How often a message arrives.
    fn copies(&mut self) -> usize {
        if !self.is_faulty() {
            1
        } else if self.random.happens(self.faults.loss) {
            self.figures.messages_lost += 1;
            0
        } else {
            1 + usize::from(self.random.happens(self.faults.duplicates))
        }
    }
}

/// What arrives is what the wire carries.
fn through_bytes(message: &Message) -> Message {
    protocol::decode(&protocol::encode(message), protocol::limits::MESSAGE_BYTES_MAX).expect("our own message")
}

//! Messages may get lost, and processes forget: whoever owes an answer is told everything again.

use super::{Coordinator, Phase};
use crate::{Message, Millis, WorkerId};

impl Coordinator {
    /// Repeats what has not been answered for a while.
    pub(super) fn resend(&mut self, now: Millis) {
        if now.since(self.sent_at) < self.config.parameters.resend_ms {
            return;
        }
        self.sent_at = now;
        for worker in self.connected_members() {
            if self.owes_an_answer(&worker) {
                self.resync(worker);
            }
        }
        if self.phase == Phase::Revealing {
            self.refetch();
        }
    }

    /// Sends a worker all that it may have missed, in the order in which it would have come: it may have been restarted
    /// and remember no more than its records.
    pub(super) fn resync(&mut self, worker: WorkerId) {
        if !self.is_member(&worker) || self.phase == Phase::Waiting {
            return;
        }
        self.catch_up(worker);
        if matches!(self.phase, Phase::Finishing | Phase::Done) {
            return self.send_finished(worker);
        }
        self.send_start(worker);
        match self.phase {
            Phase::Closing if self.votes(&worker) => self.send_close_to(worker),
            Phase::Revealing | Phase::Scoring => self.send_certified(worker),
            Phase::Voting => {
                self.send_certified(worker);
                if self.votes(&worker) {
                    self.send_proposal_to(worker);
                }
            }
            _ => {}
        }
    }

    pub(super) fn send_finished(&mut self, worker: WorkerId) {
        if let Some(head) = self.head.clone() {
            self.send(worker, Message::Finished { head });
        }
    }

    fn owes_an_answer(&self, worker: &WorkerId) -> bool {
        let open = &self.open;
        let votes = self.votes(worker);
        let committed = open.commits.contains_key(worker);
        let revealed = open.reveals.contains_key(worker) || open.mismatched.contains(worker);
        match self.phase {
            Phase::Waiting | Phase::Scoring | Phase::Done => false,
            Phase::Training => !committed,
            Phase::Closing => votes && !open.countersigns.contains_key(worker) && !open.refusals.contains(worker),
            Phase::Revealing => committed && !revealed,
            Phase::Voting => votes && !open.votes.contains_key(worker) && !open.refusals.contains(worker),
            Phase::Finishing => !self.applied.contains(worker),
        }
    }

    /// The last committed manifest, for a member that has not told that it applied it.
    fn catch_up(&mut self, worker: WorkerId) {
        if let (Some(last), false) = (self.last.clone(), self.applied.contains(&worker)) {
            self.send(worker, Message::Committed(last));
        }
    }

    fn send_certified(&mut self, worker: WorkerId) {
        if let Some(certified) = self.open.certified.clone() {
            self.send(worker, Message::Closed(certified));
        }
    }

    fn send_close_to(&mut self, worker: WorkerId) {
        if let Some(set) = self.open.closed.clone() {
            self.send(worker, Message::Close(set));
        }
    }
}

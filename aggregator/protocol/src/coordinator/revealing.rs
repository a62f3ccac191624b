//! Commitments are opened, and the payloads fetched from their owners.

use super::{Action, Coordinator, Event, Phase};
use crate::{Hash, Millis, Reason, Reveal, Round, WorkerId};

impl Coordinator {
    pub(super) fn on_reveal(&mut self, from: WorkerId, reveal: Reveal) {
        if self.phase != Phase::Revealing || reveal.round != self.round || reveal.worker != from {
            return;
        }
        let Some(commit) = self.open.closed.as_ref().and_then(|set| set.body.of(&from)) else { return };
        if self.open.reveals.contains_key(&from) || self.open.mismatched.contains(&from) {
            return; // the first word counts
        }
        if !reveal.opens(&commit.body) {
            self.open.mismatched.insert(from);
            return self.note(Event::RevealRefused {
                round: self.round,
                worker: from,
                reason: Reason::CommitmentMismatch,
            });
        }
        self.open.reveals.insert(from, reveal);
        self.fetch(&from);
    }

    pub(super) fn on_stored(&mut self, round: Round, worker: WorkerId, hash: Hash) {
        if self.asked_for(round, &worker, &hash) {
            self.open.undelivered.remove(&worker);
            self.open.stored.insert(worker);
        }
    }

    pub(super) fn on_fetch_failed(&mut self, round: Round, worker: WorkerId, hash: Hash) {
        if self.asked_for(round, &worker, &hash) && !self.open.stored.contains(&worker) {
            self.open.undelivered.insert(worker);
            self.note(Event::RevealRefused { round, worker, reason: Reason::Undelivered });
        }
    }

    pub(super) fn advance_revealing(&mut self, now: Millis) {
        let expired = now.since(self.phase_since) >= self.config.parameters.reveal_deadline_ms;
        if expired || self.all_delivered(now) {
            self.begin_scoring(now);
        }
    }

    /// Asks the driver once more for payloads that could not be had.
    pub(super) fn refetch(&mut self) {
        for worker in std::mem::take(&mut self.open.undelivered) {
            self.fetch(&worker);
        }
    }

    fn fetch(&mut self, worker: &WorkerId) {
        let Some(Reveal { payload_hash, payload_bytes, .. }) = self.open.reveals.get(worker) else { return };
        let (hash, bytes) = (*payload_hash, *payload_bytes);
        self.actions.push(Action::FetchPayload { round: self.round, worker: *worker, hash, bytes });
    }

    fn asked_for(&self, round: Round, worker: &WorkerId, hash: &Hash) -> bool {
        let reveal = self.open.reveals.get(worker);
        self.phase == Phase::Revealing
            && round == self.round
            && reveal.is_some_and(|reveal| reveal.payload_hash == *hash)
    }

    /// Nothing more will come before the deadline: what is revealed is stored, and whoever has not delivered is gone.
    fn all_delivered(&self, now: Millis) -> bool {
        self.open.commits.keys().all(|worker| {
            if self.open.stored.contains(worker) || self.open.mismatched.contains(worker) {
                return true;
            }
            let fetching = self.open.reveals.contains_key(worker) && !self.open.undelivered.contains(worker);
            !fetching && !self.is_live(now, worker)
        })
    }
}

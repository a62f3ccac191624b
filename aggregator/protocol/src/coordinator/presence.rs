//! Who is there, as far as waiting is concerned.

use crate::{Millis, Parameters, WorkerId};
use std::collections::{BTreeMap, BTreeSet};

/// Peers that are remembered at a time; more than a network lets in.
const PEERS_MAX: usize = 1024;

/// Connections as the driver reported them.
#[derive(Debug, Clone, Default)]
pub(super) struct Presence {
    since: Millis,
    connected: BTreeSet<WorkerId>,
    lost: BTreeMap<WorkerId, Millis>,
}

impl Presence {
    pub(super) const fn new(since: Millis) -> Self {
        Self { since, connected: BTreeSet::new(), lost: BTreeMap::new() }
    }

    pub(super) fn connected(&mut self, worker: WorkerId) {
        self.lost.remove(&worker);
        if self.connected.len() < PEERS_MAX {
            self.connected.insert(worker);
        }
    }

    pub(super) fn disconnected(&mut self, now: Millis, worker: WorkerId) {
        if self.connected.remove(&worker) {
            if self.lost.len() >= PEERS_MAX {
                self.lost.pop_first();
            }
            self.lost.insert(worker, now);
        }
    }

    pub(super) fn is_connected(&self, worker: &WorkerId) -> bool {
        self.connected.contains(worker)
    }

    pub(super) fn connected_workers(&self) -> impl Iterator<Item = WorkerId> {
        self.connected.iter().copied()
    }

    /// Whether a member is waited for: its connection stands, or was lost a moment ago, or it has had no time to come
    /// yet.
    pub(super) fn is_live(&self, now: Millis, parameters: &Parameters, worker: &WorkerId) -> bool {
        if self.connected.contains(worker) {
            return true;
        }
        match self.lost.get(worker) {
            Some(since) => now.since(*since) <= parameters.reconnect_grace_ms,
            None => now.since(self.since) <= parameters.join_deadline_ms,
        }
    }
}

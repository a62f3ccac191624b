//! Workers' signed calls that wait to be sponsored: the newest of each kind and sender, none of them durable, since
//! each expires within a minute and its worker signs another.

use crate::{Offer, OfferKind};
use contract::Address;
use std::collections::BTreeMap;

/// The senders of whom something is kept.
const SENDERS_MAX: usize = 4_096;
/// How often one sender's calls are looked at.
const SENDER_EVERY_MS: u64 = 2_000;

/// What waits, by sender.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    senders: BTreeMap<Address, Sender>,
}

#[derive(Debug, Default)]
struct Sender {
    registration: Option<Offer>,
    claim: Option<Offer>,
    heartbeat: Option<Offer>,
    tried_ms: Option<u64>,
    beat_ms: Option<u64>,
}

impl Sender {
    fn slot(&mut self, kind: &OfferKind) -> &mut Option<Offer> {
        match kind {
            OfferKind::Registration(_) => &mut self.registration,
            OfferKind::Heartbeat => &mut self.heartbeat,
            OfferKind::ClaimReward { .. } | OfferKind::Claim { .. } => &mut self.claim,
        }
    }

    /// Drops what has expired.
    fn clean(&mut self, now_s: u64) {
        for slot in [&mut self.registration, &mut self.claim, &mut self.heartbeat] {
            slot.take_if(|offer| offer.expires_s <= now_s);
        }
    }

    fn is_idle(&self, now_ms: u64, pause_ms: u64) -> bool {
        let waits = self.registration.is_some() || self.claim.is_some() || self.heartbeat.is_some();
        let recent = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| now_ms < at_ms.saturating_add(pause_ms));
        !waits && !recent(self.tried_ms) && !recent(self.beat_ms)
    }
}

impl Offers {
    /// Keeps an offer in place of an older one of its kind and sender; `false` where too many senders have some
    /// already.
    pub(crate) fn put(&mut self, offer: Offer, now_ms: u64, now_s: u64, heartbeat_every_ms: u64) -> bool {
        if self.senders.len() >= SENDERS_MAX && !self.senders.contains_key(&offer.sender) {
            self.senders.values_mut().for_each(|sender| sender.clean(now_s));
            self.senders.retain(|_, sender| !sender.is_idle(now_ms, heartbeat_every_ms.max(SENDER_EVERY_MS)));
        }
        if self.senders.len() >= SENDERS_MAX && !self.senders.contains_key(&offer.sender) {
            return false;
        }
        let slot = self.senders.entry(offer.sender).or_default().slot(&offer.kind);
        // An older one that comes late does not replace a newer.
        if slot.as_ref().is_none_or(|kept| kept.expires_s <= offer.expires_s) {
            *slot = Some(offer);
        }
        true
    }

    /// An offer to sponsor now: registrations, then claims, then heartbeats that are due.
    pub(crate) fn take(&mut self, now_ms: u64, now_s: u64, heartbeat_every_ms: u64) -> Option<Offer> {
        self.senders.values_mut().for_each(|sender| sender.clean(now_s));
        let due =
            |at_ms: Option<u64>, every_ms| at_ms.is_none_or(|at_ms: u64| at_ms.saturating_add(every_ms) <= now_ms);
        let picks: [fn(&mut Sender) -> &mut Option<Offer>; 3] =
            [|of| &mut of.registration, |of| &mut of.claim, |of| &mut of.heartbeat];
        for (rank, pick) in picks.into_iter().enumerate() {
            for sender in self.senders.values_mut().filter(|sender| due(sender.tried_ms, SENDER_EVERY_MS)) {
                if rank == 2 && !due(sender.beat_ms, heartbeat_every_ms) {
                    sender.heartbeat = None;
                    continue;
                }
                if let Some(offer) = pick(sender).take() {
                    sender.tried_ms = Some(now_ms);
                    return Some(offer);
                }
            }
        }
        None
    }

    /// A sender's heartbeat is on the ledger.
    pub(crate) fn note_beat(&mut self, sender: Address, now_ms: u64) {
        if let Some(sender) = self.senders.get_mut(&sender) {
            sender.beat_ms = Some(now_ms);
        }
    }

    /// When something may be due.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let waits = |of: &&Sender| of.registration.is_some() || of.claim.is_some() || of.heartbeat.is_some();
        let due = |of: &Sender| of.tried_ms.map_or(0, |at_ms| at_ms.saturating_add(SENDER_EVERY_MS));
        self.senders.values().filter(waits).map(due).min()
    }
}

#[cfg(test)]
mod tests;

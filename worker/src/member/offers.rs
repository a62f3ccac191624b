//! What a worker signs for the ledger: its registration and a heartbeat, for the aggregator to pay for and submit.
//!
//! They are signed anew every [`OFFER_EVERY`], since each is valid for less than a minute; so nothing of them must be
//! kept, and an outage of the ledger leaves nothing behind.

use std::time::Duration;

use contract::Address;
use ledger_client::{Account, OfferConditions, Registration, nonce, now_s, sign_heartbeat, sign_registration};
use protocol::WorkerId;
use protocol::message::{LedgerConditions, Offer};

/// How often they are signed.
pub(super) const OFFER_EVERY: Duration = Duration::from_secs(20);

/// The worker's account and what it says of itself.
pub(super) struct Offers {
    account: Account,
    worker: WorkerId,
    threads: u64,
}

impl Offers {
    /// Of a worker that computes with so many threads; nobody has measured more of it when it registers.
    pub(super) fn new(account: Account, worker: WorkerId, threads: usize) -> Self {
        Self { account, worker, threads: threads as u64 }
    }

    /// A registration and a heartbeat that are valid now.
    pub(super) fn sign(&self, conditions: LedgerConditions) -> anyhow::Result<Vec<Offer>> {
        let LedgerConditions { chain_id, module, sponsor } = conditions;
        let conditions = OfferConditions { chain_id, module: Address(module), sponsor: Address(sponsor) };
        let now_s = now_s();
        let id = self.worker.to_string();
        let registration =
            Registration { node_id: id.clone(), public_key: id, compute_capacity: self.threads, bandwidth: 0 };
        let registration = sign_registration(&conditions, &self.account, now_s, nonce(), registration)?;
        let heartbeat = sign_heartbeat(&conditions, &self.account, now_s, nonce())?;
        Ok(vec![Offer(registration), Offer(heartbeat)])
    }
}

//! What a worker signs for the ledger: its registration and a heartbeat, for the aggregator to pay for and submit.
//!
//! They are signed anew every [`OFFER_EVERY`], since each is valid for less than a minute; so nothing of them must be kept,
//! and an outage of the ledger leaves nothing behind.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chain::{Account, OfferTerms, Registration, sign_heartbeat, sign_registration};
use contract::Address;
use protocol::WorkerId;
use protocol::message::{LedgerTerms, Offer};

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
    pub(super) fn sign(&self, terms: LedgerTerms) -> anyhow::Result<Vec<Offer>> {
        let LedgerTerms { chain_id, module, sponsor } = terms;
        let terms = OfferTerms { chain_id, module: Address(module), sponsor: Address(sponsor) };
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let id = self.worker.to_string();
        let registration =
            Registration { node_id: id.clone(), public_key: id, compute_capacity: self.threads, bandwidth: 0 };
        let registration = sign_registration(&terms, &self.account, now_s, nonce()?, registration)?;
        let heartbeat = sign_heartbeat(&terms, &self.account, now_s, nonce()?)?;
        Ok(vec![Offer(registration), Offer(heartbeat)])
    }
}

fn nonce() -> anyhow::Result<u64> {
    getrandom::u64().map_err(|error| anyhow::anyhow!("no random bytes for a nonce: {error}"))
}

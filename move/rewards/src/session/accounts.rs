//! Which account is paid for which worker.

use super::{Address, WorkerId};
use sha3::{Digest, Sha3_256};
use std::collections::BTreeMap;

/// The scheme byte of an Ed25519 key in Aptos's authentication keys.
const ED25519: u8 = 0x00;

/// The account of each worker; several workers may share one.
///
/// A worker that was linked to none is paid to [`own_address`], so that no wallet is needed to start and no reward goes
/// to an account that nobody can open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    linked: BTreeMap<WorkerId, Address>,
}

impl Accounts {
    /// Links a worker to an account, for the whole session. The first link stays: false when there is another already.
    pub fn link(&mut self, worker: WorkerId, address: Address) -> bool {
        *self.linked.entry(worker).or_insert(address) == address
    }

    /// The account that is paid for a worker.
    pub fn address(&self, worker: &WorkerId) -> Address {
        self.linked.get(worker).copied().unwrap_or_else(|| own_address(worker))
    }
}

impl FromIterator<(WorkerId, Address)> for Accounts {
    fn from_iter<I: IntoIterator<Item = (WorkerId, Address)>>(links: I) -> Accounts {
        let mut accounts = Accounts::default();
        for (worker, address) in links {
            accounts.link(worker, address);
        }
        accounts
    }
}

/// The account that a worker's own key opens on Aptos: SHA3-256 of the public key and the scheme's byte 0x00.
pub fn own_address(worker: &WorkerId) -> Address {
    Sha3_256::new().chain_update(worker).chain_update([ED25519]).finalize().into()
}

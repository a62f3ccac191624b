//! The Merkle tree of cumulative rewards, as `move/CONTRACT.md` defines it: SHA3-256, leaves and nodes hashed apart,
//! each pair sorted, so that a proof is a list of siblings without sides.

use sha3::{Digest, Sha3_256};
use std::collections::BTreeMap;

/// The most hashes of a proof: enough for 2³² leaves.
pub const PROOF_MAX: usize = 32;

const LEAF: u8 = 0x00;
const NODE: u8 = 0x01;

/// A hash of the tree.
pub type Hash = [u8; 32];

/// The tree of a session's cumulative amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    session_number: u64,
    amounts: BTreeMap<[u8; 32], u64>,
    root: Hash,
    /// From the leaves, in the order of addresses, up to the level below the root.
    levels: Vec<Vec<Hash>>,
}

/// The leaf of an account's cumulative amount in a session.
pub fn leaf(session_number: u64, address: &[u8; 32], cumulative: u64) -> Hash {
    let hasher = Sha3_256::new().chain_update([LEAF]).chain_update(session_number.to_le_bytes());
    hasher.chain_update(address).chain_update(cumulative.to_le_bytes()).finalize().into()
}

/// The node above two others, given in either order.
pub fn node(one: &Hash, other: &Hash) -> Hash {
    let (lesser, greater) = if one < other { (one, other) } else { (other, one) };
    Sha3_256::new().chain_update([NODE]).chain_update(lesser).chain_update(greater).finalize().into()
}

/// Whether a leaf and its proof lead to a root. A proof above [`PROOF_MAX`] never does.
pub fn verify(root: &Hash, leaf: Hash, proof: &[Hash]) -> bool {
    proof.len() <= PROOF_MAX && proof.iter().fold(leaf, |below, sibling| node(&below, sibling)) == *root
}

impl Tree {
    /// The tree of cumulative amounts by account; there is none without accounts.
    pub fn new(session_number: u64, amounts: BTreeMap<[u8; 32], u64>) -> Option<Tree> {
        let mut level: Vec<Hash> =
            amounts.iter().map(|(address, amount)| leaf(session_number, address, *amount)).collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let above = level.chunks(2).map(|pair| match pair {
                [one, other] => node(one, other),
                rest => rest[0],
            });
            let above = above.collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        let root = level.pop()?;
        Some(Tree { session_number, amounts, root, levels })
    }

    pub fn root(&self) -> Hash {
        self.root
    }

    /// The session whose amounts these are.
    pub fn session_number(&self) -> u64 {
        self.session_number
    }

    /// The cumulative amounts, by account.
    pub fn amounts(&self) -> &BTreeMap<[u8; 32], u64> {
        &self.amounts
    }

    /// The sum of the amounts; `None` beyond u64, which no session's pool is.
    pub fn total(&self) -> Option<u64> {
        self.amounts.values().try_fold(0_u64, |sum, amount| sum.checked_add(*amount))
    }

    /// An account's cumulative amount and its proof.
    pub fn proof(&self, address: &[u8; 32]) -> Option<(u64, Vec<Hash>)> {
        let amount = *self.amounts.get(address)?;
        let mut place = self.amounts.range(..*address).count();
        let mut proof = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            // An odd last node has no sibling and goes up unchanged.
            proof.extend(level.get(place ^ 1));
            place /= 2;
        }
        Some((amount, proof))
    }
}

#[cfg(test)]
mod tests;

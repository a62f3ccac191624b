//! What a session pays and the Merkle tree by which it is claimed: `payout.json`.

use crate::merkle::{Hash, Tree};
use crate::session::Address;
use crate::{Rules, Share, Split, hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A session's payout. The tree holds the accounts whose reward is positive; without one there is no root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    /// The session's number on the ledger; text in JSON, where a number of 64 bits is not safe.
    #[serde(with = "decimal")]
    pub session_number: u64,
    /// What the session had to pay.
    pub pool: u64,
    /// How it was split.
    pub rules: Rules,
    /// What each account may claim, in the order of addresses.
    pub amounts: Vec<Amount>,
    /// The tree's root.
    #[serde(with = "hex::optional")]
    pub root: Option<Hash>,
    /// The sum of the amounts.
    pub total: u64,
    /// What goes back to the sponsor.
    pub returned: u64,
}

/// What one account may claim, and the proof that it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    #[serde(with = "hex::address")]
    pub address: Address,
    pub amount: u64,
    /// The siblings from its leaf to the root.
    #[serde(with = "hex::list")]
    pub proof: Vec<Hash>,
}

impl Payout {
    /// The payout of a split.
    pub fn new(session_number: u64, pool: u64, rules: Rules, split: &Split) -> Payout {
        let paid = split.shares.iter().map(|share| (share.address, Share::reward(share)));
        let tree = Tree::new(session_number, paid.filter(|(_, reward)| *reward > 0).collect::<BTreeMap<_, _>>());
        let amounts = tree.iter().flat_map(|tree| {
            let proved = |(address, amount): (&Address, &u64)| Amount {
                address: *address,
                amount: *amount,
                proof: tree.proof(address).map(|(_, proof)| proof).unwrap_or_default(),
            };
            tree.amounts().iter().map(proved).collect::<Vec<_>>()
        });
        Payout {
            session_number,
            pool,
            rules,
            amounts: amounts.collect(),
            root: tree.as_ref().map(Tree::root),
            total: split.total(),
            returned: split.returned,
        }
    }
}

/// For `serde(with)`: a number as decimal text.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("a number of 64 bits as decimal digits belongs here"))
    }
}

//! Who earned most.

use crate::session::Address;
use crate::{Share, Split, hex};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// An account's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// From 1, without ties.
    pub rank: u64,
    #[serde(with = "hex::address")]
    pub address: Address,
    /// What it is paid.
    pub reward: u64,
    /// 0 to 10,000.
    pub score: u64,
}

/// The accounts by reward, then by score, highest first, then by address.
pub fn ranking(split: &Split) -> Vec<Ranked> {
    let mut shares: Vec<&Share> = split.shares.iter().collect();
    shares.sort_by_key(|share| (Reverse(share.reward()), Reverse(share.score), share.address));
    let ranked = (1..).zip(shares);
    ranked
        .map(|(rank, share)| Ranked { rank, address: share.address, reward: share.reward(), score: share.score })
        .collect()
}

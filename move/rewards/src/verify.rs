//! Whether what was recorded of a session follows from its rounds: every settlement, amount, proof and root, each
//! difference named with what was recorded and what should have been.
//!
//! Nothing recorded is trusted: no input panics or overflows. Bounding the size of what is parsed is the reader's part.

use crate::Rules;
use crate::merkle::{self, Hash};
use crate::payout::{Amount, Payout};
use crate::session::{
    self, Accountant, Accounts, Conditions, Entry, Outcome, Round, SessionError, Settlement, WorkerId,
};
use std::collections::{BTreeMap, btree_map};

mod difference;

pub use difference::{Difference, Field};

/// What was recorded of a session.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The session's number on the ledger.
    pub session_number: u64,
    /// The lines of `settlements.jsonl`.
    pub settlements: &'a [Settlement],
    /// `payout.json`, once the session is over.
    pub payout: Option<&'a Payout>,
}

/// Everything in which a record differs from what the rounds make; nothing when the record is right.
///
/// While there is no payout, the settlement of the rounds that remain may be missing: it is due when the session ends.
///
/// # Errors
/// When the rounds cannot be the log of a session.
pub fn verify(
    conditions: &Conditions,
    accounts: &Accounts,
    rounds: &[Round],
    record: Record<'_>,
) -> Result<Vec<Difference>, SessionError> {
    let mut recomputed = session::settle(conditions, accounts, rounds)?;
    let over = Outcome::of_settlements(conditions, recomputed.clone())?;
    if record.payout.is_none() && record.settlements.len() as u64 == settled(conditions, rounds)? {
        recomputed.truncate(record.settlements.len());
    }
    let mut differences = settlements(&recomputed, record.settlements);
    if let Some(recorded) = record.payout {
        let expected = Payout::new(record.session_number, conditions.pool, conditions.rules, &over.split);
        differences.extend(payout(&expected, recorded));
    }
    Ok(differences)
}

/// How many settlements were due before the session's end.
fn settled(conditions: &Conditions, rounds: &[Round]) -> Result<u64, SessionError> {
    let mut accountant = Accountant::new(*conditions, Accounts::default());
    for round in rounds {
        accountant.push(round)?;
    }
    Ok(accountant.settled())
}

/// In what recorded settlements differ from recomputed ones.
pub fn settlements(recomputed: &[Settlement], recorded: &[Settlement]) -> Vec<Difference> {
    let mut found = Vec::new();
    let by_number = unique(
        recorded,
        |one| one.settlement,
        |settlement| {
            found.push(Difference::SettlementRepeated { settlement });
        },
    );
    for expected in recomputed {
        match by_number.get(&expected.settlement) {
            Some(recorded) => settlement(expected, recorded, &mut found),
            None => found.push(Difference::SettlementMissing { settlement: expected.settlement }),
        }
    }
    let known = |number: &u64| recomputed.iter().any(|expected| expected.settlement == *number);
    let unexpected = by_number.keys().filter(|number| !known(number));
    found.extend(unexpected.map(|number| Difference::SettlementUnexpected { settlement: *number }));
    found
}

fn settlement(expected: &Settlement, recorded: &Settlement, found: &mut Vec<Difference>) {
    let settlement = expected.settlement;
    if (expected.first_round, expected.last_round) != (recorded.first_round, recorded.last_round) {
        found.push(Difference::Rounds {
            settlement,
            recorded: (recorded.first_round, recorded.last_round),
            recomputed: (expected.first_round, expected.last_round),
        });
    }
    let by_worker = unique(
        &recorded.entries,
        |one| one.worker,
        |worker| {
            found.push(Difference::EntryRepeated { settlement, worker });
        },
    );
    let own: BTreeMap<WorkerId, &Entry> = expected.entries.iter().map(|one| (one.worker, one)).collect();
    for (worker, expected) in &own {
        match by_worker.get(worker) {
            Some(recorded) => entry(settlement, expected, recorded, found),
            None => found.push(Difference::EntryMissing { settlement, worker: *worker }),
        }
    }
    let unexpected = by_worker.keys().filter(|worker| !own.contains_key(*worker));
    found.extend(unexpected.map(|worker| Difference::EntryUnexpected { settlement, worker: *worker }));
}

fn entry(settlement: u64, expected: &Entry, recorded: &Entry, found: &mut Vec<Difference>) {
    let worker = expected.worker;
    if recorded.address != expected.address {
        let (recorded, recomputed) = (recorded.address, expected.address);
        found.push(Difference::EntryAddress { settlement, worker, recorded, recomputed });
    }
    for field in Field::ALL {
        let (recorded, recomputed) = (field.of(recorded), field.of(expected));
        if recorded != recomputed {
            found.push(Difference::Entry { settlement, worker, field, recorded, recomputed });
        }
    }
}

/// In what a recorded payout differs from the expected one, or from itself.
pub fn payout(expected: &Payout, recorded: &Payout) -> Vec<Difference> {
    let mut found = header(expected, recorded);
    let by_address = unique(
        &recorded.amounts,
        |one| one.address,
        |address| {
            found.push(Difference::AmountRepeated { address });
        },
    );
    let own: BTreeMap<_, &Amount> = expected.amounts.iter().map(|one| (one.address, one)).collect();
    for (address, expected_amount) in &own {
        match by_address.get(address) {
            Some(recorded) => amount(expected, expected_amount, recorded, &mut found),
            None => found.push(Difference::AmountMissing { address: *address }),
        }
    }
    let unexpected = by_address.keys().filter(|address| !own.contains_key(*address));
    found.extend(unexpected.map(|address| Difference::AmountUnexpected { address: *address }));
    found
}

/// Everything but the amounts.
fn header(expected: &Payout, recorded: &Payout) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut number = |differ: fn(u64, u64) -> Difference, of: fn(&Payout) -> u64| {
        if of(recorded) != of(expected) {
            found.push(differ(of(recorded), of(expected)));
        }
    };
    number(|recorded, recomputed| Difference::Session { recorded, recomputed }, |payout| payout.session_number);
    number(|recorded, recomputed| Difference::Pool { recorded, recomputed }, |payout| payout.pool);
    number(|recorded, recomputed| Difference::Total { recorded, recomputed }, |payout| payout.total);
    number(|recorded, recomputed| Difference::Returned { recorded, recomputed }, |payout| payout.returned);
    found.extend(rules(expected.rules, recorded.rules));
    found.extend(root(expected.root, recorded.root));
    let amounts: u128 = recorded.amounts.iter().map(|one| u128::from(one.amount)).sum();
    if amounts != u128::from(recorded.total) {
        found.push(Difference::AmountsNotTheTotal { amounts, total: recorded.total });
    }
    let (total, returned, pool) = (recorded.total, recorded.returned, recorded.pool);
    if u128::from(total) + u128::from(returned) != u128::from(pool) {
        found.push(Difference::NotThePool { total, returned, pool });
    }
    found
}

fn rules(recomputed: Rules, recorded: Rules) -> Option<Difference> {
    (recorded != recomputed).then_some(Difference::Rules { recorded, recomputed })
}

fn root(recomputed: Option<Hash>, recorded: Option<Hash>) -> Option<Difference> {
    (recorded != recomputed).then_some(Difference::Root { recorded, recomputed })
}

/// The proof is held to the leaf and the root that should be there, so that a wrong amount or root is not named twice.
fn amount(payout: &Payout, expected: &Amount, recorded: &Amount, found: &mut Vec<Difference>) {
    let address = expected.address;
    if recorded.amount != expected.amount {
        found.push(Difference::Amount { address, recorded: recorded.amount, recomputed: expected.amount });
    }
    let leaf = merkle::leaf(payout.session_number, &address, expected.amount);
    if !payout.root.is_some_and(|root| merkle::verify(&root, leaf, &recorded.proof)) {
        found.push(Difference::Proof { address });
    }
}

/// The first of each key; every further one is told.
fn unique<T, K: Ord + Copy>(all: &[T], key: fn(&T) -> K, mut repeated: impl FnMut(K)) -> BTreeMap<K, &T> {
    let mut first = BTreeMap::new();
    for one in all {
        match first.entry(key(one)) {
            btree_map::Entry::Vacant(place) => {
                place.insert(one);
            }
            btree_map::Entry::Occupied(_) => repeated(key(one)),
        }
    }
    first
}

#[cfg(test)]
mod tests;

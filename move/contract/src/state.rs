//! The contract's resource and its calls.
//!
//! A call reads its arguments, runs its checks in the order of `move/CONTRACT.md`, and only then writes: no call needs
//! to be undone.

use crate::event::event;
use crate::limits::{BASE_PERCENTAGE, BONUS_PERCENTAGE, CLAIM_DELAY_S, QUALITY_THRESHOLD, RATIO_MAX};
use crate::{Abort, Address, ArgumentError, Event, Value, abi};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

mod admin;
mod contributions;
mod nodes;
mod rewards;
mod roots;
mod sessions;
mod views;

use nodes::Node;
use sessions::Session;

/// A call that was refused; the state is as before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The module has no entry function, or no view, of this name.
    #[error("the contract has no such function: {0}")]
    NoFunction(String),
    /// The arguments are not those of the function.
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    /// The contract refused.
    #[error(transparent)]
    Abort(#[from] Abort),
}

/// All that the contract keeps, and the balances of the asset that it pays in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    admin: Address,
    pending_admin: Option<Address>,
    reporters: BTreeSet<Address>,
    paused: bool,
    base_percentage: u64,
    bonus_percentage: u64,
    quality_threshold: u64,
    claim_delay_s: u64,
    nodes: BTreeMap<Address, Node>,
    sessions: BTreeMap<u64, Session>,
    /// Accounts that hold something; none holds 0.
    balances: BTreeMap<Address, u64>,
    /// What the contract holds for its sessions.
    vault: u64,
    /// All that was minted, at most u64::MAX, so that no sum of balances overflows.
    supply: u64,
}

/// Who calls, and when.
#[derive(Clone, Copy)]
struct Caller {
    sender: Address,
    now_s: u64,
}

type Outcome = Result<Vec<Event>, Abort>;

impl State {
    /// The contract as `init_module(deployer)` makes it.
    pub fn new(deployer: Address) -> State {
        State {
            admin: deployer,
            pending_admin: None,
            reporters: BTreeSet::new(),
            paused: false,
            base_percentage: BASE_PERCENTAGE,
            bonus_percentage: BONUS_PERCENTAGE,
            quality_threshold: QUALITY_THRESHOLD,
            claim_delay_s: CLAIM_DELAY_S,
            nodes: BTreeMap::new(),
            sessions: BTreeMap::new(),
            balances: BTreeMap::new(),
            vault: 0,
            supply: 0,
        }
    }

    /// Runs an entry function with arguments in BCS (without the signer), as `sender`, at a time in whole seconds. What
    /// was refused changed nothing.
    pub fn execute(
        &mut self,
        function: &str,
        args: &[Vec<u8>],
        sender: Address,
        now_s: u64,
    ) -> Result<Vec<Event>, CallError> {
        let unknown = || CallError::NoFunction(function.into());
        let args = abi::function(function).filter(|f| f.is_entry).ok_or_else(unknown)?.arguments(args)?;
        let outcome = self.call(function, &args, Caller { sender, now_s }).ok_or_else(unknown)?;
        Ok(outcome?)
    }

    /// Evaluates a view with arguments in BCS, at a time in whole seconds.
    pub fn view(&self, function: &str, args: &[Vec<u8>], now_s: u64) -> Result<Vec<Value>, CallError> {
        let unknown = || CallError::NoFunction(function.into());
        let args = abi::function(function).filter(|f| f.is_view).ok_or_else(unknown)?.arguments(args)?;
        Ok(self.look(function, &args, now_s).ok_or_else(unknown)??)
    }

    /// Makes more of the asset, as its issuer does outside the contract. All of it together stays within u64.
    pub fn mint(&mut self, to: Address, amount: u64) -> Result<(), Abort> {
        self.supply = self.supply.checked_add(amount).ok_or(Abort::Overflow)?;
        self.credit(to, amount);
        Ok(())
    }

    /// What an account holds of the asset.
    pub fn balance(&self, of: Address) -> u64 {
        self.balances.get(&of).copied().unwrap_or(0)
    }

    /// Dispatches a call whose arguments have the types of the ABI; `None` when no arm takes them.
    fn call(&mut self, function: &str, args: &[Value], caller: Caller) -> Option<Outcome> {
        use Value::{Address as A, Bool as B, Bytes as H, List as L, String as S, U64 as N};
        Some(match (function, args) {
            ("set_paused", [B(paused)]) => self.set_paused(caller, *paused),
            ("propose_admin", [A(new_admin)]) => self.propose_admin(caller, *new_admin),
            ("accept_admin", []) => self.accept_admin(caller),
            ("set_reporter", [A(reporter), B(allowed)]) => self.set_reporter(caller, *reporter, *allowed),
            ("configure_rewards", [N(base), N(bonus), N(threshold)]) => {
                self.configure_rewards(caller, *base, *bonus, *threshold)
            }
            ("set_claim_delay", [N(delay_s)]) => self.set_claim_delay(caller, *delay_s),
            ("register_p2p_node", [S(id), S(key), N(capacity), N(bandwidth)]) => {
                self.register_p2p_node(caller, id, key, *capacity, *bandwidth)
            }
            ("update_node_heartbeat", []) => self.update_node_heartbeat(caller),
            ("deactivate_node", []) => self.deactivate_node(caller),
            ("set_reputation", [A(node), N(reputation)]) => self.set_reputation(caller, *node, *reputation),
            ("create_session", [N(id), H(job), N(pool)]) => self.create_session(caller, *id, job, *pool),
            ("submit_detailed_contribution", [N(id), A(participant), N(time), N(quality), N(data), N(uptime)]) => {
                let entry = contributions::Entry {
                    participant: *participant,
                    compute_time: *time,
                    gradient_quality: *quality,
                    data_transmitted: *data,
                    uptime_ratio: *uptime,
                };
                self.submit_detailed_contribution(caller, *id, entry)
            }
            ("submit_contributions", [N(id), N(number), L(who), L(time), L(quality), L(data), L(uptime)]) => {
                self.submit_contributions(caller, *id, *number, who, [time, quality, data, uptime])
            }
            ("record_term", [N(id), N(term), A(aggregator), H(hash)]) => {
                self.record_term(caller, *id, *term, *aggregator, hash)
            }
            ("record_anchor", [N(id), N(round), H(checkpoint), H(root), H(head), N(loss), N(tokens), N(time)]) => {
                self.record_anchor(caller, *id, *round, [checkpoint, root, head], [*loss, *tokens, *time])
            }
            ("distribute_rewards", [N(id)]) => self.distribute_rewards(caller, *id),
            ("claim_reward", [N(id)]) => self.claim_reward(caller, *id),
            ("invalidate_earning", [N(id), A(who), H(evidence)]) => {
                self.invalidate_earning(caller, *id, *who, evidence)
            }
            ("publish_root", [N(id), H(root), N(total)]) => self.publish_root(caller, *id, root, *total),
            ("invalidate_root", [N(id), H(evidence)]) => self.invalidate_root(caller, *id, evidence),
            ("claim", [N(id), N(cumulative), L(proof)]) => self.claim(caller, *id, *cumulative, proof),
            ("close_session", [N(id)]) => self.close_session(caller, *id),
            _ => return None,
        })
    }

    fn require_admin(&self, caller: Caller) -> Result<(), Abort> {
        require(caller.sender == self.admin, Abort::NotAdmin)
    }

    fn require_reporter(&self, caller: Caller) -> Result<(), Abort> {
        require(self.is_reporter(caller.sender), Abort::NotReporter)
    }

    fn require_running(&self) -> Result<(), Abort> {
        require(!self.paused, Abort::Paused)
    }

    fn is_reporter(&self, account: Address) -> bool {
        account == self.admin || self.reporters.contains(&account)
    }

    fn session(&self, id: u64) -> Result<&Session, Abort> {
        self.sessions.get(&id).ok_or(Abort::NoSession)
    }

    fn session_mut(&mut self, id: u64) -> Result<&mut Session, Abort> {
        self.sessions.get_mut(&id).ok_or(Abort::NoSession)
    }

    /// The checks that most of a reporter's calls begin with: reporter, running, session, open.
    fn require_reportable(&self, caller: Caller, id: u64) -> Result<&Session, Abort> {
        self.require_reporter(caller)?;
        self.require_running()?;
        let session = self.session(id)?;
        require(!session.closed, Abort::SessionClosed)?;
        Ok(session)
    }

    /// Adds to a balance. All balances together are at most the supply, so none overflows.
    fn credit(&mut self, to: Address, amount: u64) {
        if amount > 0 {
            *self.balances.entry(to).or_default() += amount;
        }
    }

    /// Moves from an account to the vault; the caller checked that the account holds it.
    fn deposit(&mut self, from: Address, amount: u64) {
        let left = self.balance(from) - amount;
        if left == 0 {
            self.balances.remove(&from);
        } else {
            self.balances.insert(from, left);
        }
        self.vault += amount;
    }

    /// Moves from the vault, which holds what every session still owes.
    fn pay(&mut self, to: Address, amount: u64) {
        self.vault -= amount;
        self.credit(to, amount);
    }
}

fn require(holds: bool, otherwise: Abort) -> Result<(), Abort> {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn require_ratio(ratio: u64) -> Result<(), Abort> {
    require(ratio <= RATIO_MAX, Abort::InvalidRatio)
}

/// A hash from an argument.
fn hash(bytes: &[u8]) -> Result<[u8; 32], Abort> {
    bytes.try_into().map_err(|_| Abort::InvalidHash)
}

#[cfg(test)]
mod tests;

//! Random calls for tests: mostly valid, sometimes hostile, the same for the same seed everywhere.
//!
//! The generator looks at the contract by its views only, so that it can drive the Move module as well as [`State`]; a
//! trace is the differential test of the two. Times never go back.

use crate::{Address, State, Value, limits};
use rewards::merkle::Tree;
use std::collections::BTreeMap;

mod arguments;
mod random;

use random::Random;

/// The account that deploys the contract in a trace, and so its first admin: the one that has the module's address
/// where the Move package is tested.
pub const DEPLOYER: Address = account(1);
/// The accounts that become reporters and admins.
pub const STAFF: [Address; 3] = [DEPLOYER, account(0xc1), account(0xc2)];
/// What each of the staff is given of the asset before the first call.
pub const GRANT: u64 = 1_000_000_000_000;
/// Accounts that train.
const WORKERS: u8 = 24;
/// The time of the first call.
const START_S: u64 = 1_800_000_000;

/// A call as a transaction makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The entry function's name.
    pub function: &'static str,
    /// The arguments in BCS, without the signer.
    pub args: Vec<Vec<u8>>,
    /// The signer.
    pub sender: Address,
    /// The time in whole seconds.
    pub now_s: u64,
}

/// Makes one call after another.
#[derive(Debug, Clone)]
pub struct Generator {
    random: Random,
    now_s: u64,
    /// Sessions are numbered from 1; this is the next.
    next_session: u64,
    /// The trees whose roots were published, by session, whatever became of the calls.
    trees: BTreeMap<u64, Vec<Tree>>,
}

/// What the generator reads of a session.
struct Seen {
    pool: u64,
    settlement: u64,
    term: u64,
    round: u64,
    root: Vec<u8>,
    root_total: u64,
}

/// The calls of a trace from a seed, each made to fit the state that those before it left.
pub fn calls(seed: u64, count: usize) -> impl Iterator<Item = Call> {
    let mut state = genesis();
    let mut generator = Generator::new(seed);
    std::iter::repeat_with(move || {
        let call = generator.next(&state);
        // A refusal is part of the trace.
        let _ = state.execute(call.function, &call.args, call.sender, call.now_s);
        call
    })
    .take(count)
}

/// The state before a trace's first call: deployed by [`DEPLOYER`], with [`GRANT`] for each of [`STAFF`].
pub fn genesis() -> State {
    let mut state = State::new(DEPLOYER);
    for account in STAFF {
        // Three grants are far below u64.
        let _ = state.mint(account, GRANT);
    }
    state
}

impl Generator {
    /// A generator whose calls follow from the seed and the states that it is shown.
    pub fn new(seed: u64) -> Generator {
        Generator { random: Random::new(seed), now_s: START_S, next_session: 1, trees: BTreeMap::new() }
    }

    /// The next call, on a contract in this state.
    pub fn next(&mut self, state: &State) -> Call {
        self.now_s += match self.random.below(100) {
            0 => limits::CLAIM_DELAY_S,
            1..20 => self.random.below(60),
            _ => self.random.below(3),
        };
        let (function, sender, args) = self.choose(state);
        let mut args: Vec<Vec<u8>> = args.iter().map(Value::bcs).collect();
        if self.random.one_in(200) {
            self.spoil(&mut args);
        }
        Call { function, args, sender, now_s: self.now_s }
    }

    /// Makes bytes that are no arguments of the function.
    fn spoil(&mut self, args: &mut Vec<Vec<u8>>) {
        match args.last_mut() {
            Some(last) if self.random.one_in(2) => last.push(0),
            Some(last) if self.random.one_in(2) => last.truncate(last.len() / 2),
            _ => args.push(vec![1]),
        }
    }

    fn admin(&mut self, state: &State) -> Address {
        if self.random.one_in(15) { self.anyone() } else { admin(state) }
    }

    /// Mostly one that may report.
    fn reporter(&mut self, state: &State) -> Address {
        match self.random.below(20) {
            0 => self.anyone(),
            1..8 => self.random.pick(&STAFF),
            _ => admin(state),
        }
    }

    fn worker(&mut self) -> Address {
        account(1 + self.random.below(WORKERS.into()) as u8)
    }

    fn anyone(&mut self) -> Address {
        if self.random.one_in(2) { self.worker() } else { self.random.pick(&STAFF) }
    }

    /// The number of a session: mostly one of the last few, sometimes any, seldom one that never was.
    fn session(&mut self) -> u64 {
        let made = self.next_session - 1;
        match self.random.below(40) {
            0 => self.random.next(),
            1..4 => self.random.below(made + 2),
            _ => made.saturating_sub(self.random.below(6)).max(1),
        }
    }

    /// The tree that follows the session's claimable root: everyone has what it had or more.
    fn grow_tree(&mut self, id: u64, seen: &Seen) -> Option<Tree> {
        let current = self.tree(id, &seen.root).map(|tree| tree.amounts().clone());
        let mut amounts = current.unwrap_or_default();
        let share = (seen.pool / 40).max(1);
        for _ in 0..1 + self.random.below(9) {
            *amounts.entry(self.worker().0).or_default() += self.random.below(share);
        }
        let tree = Tree::new(id, amounts)?;
        self.trees.entry(id).or_default().push(tree.clone());
        Some(tree)
    }

    fn tree(&self, id: u64, root: &[u8]) -> Option<&Tree> {
        self.trees.get(&id)?.iter().find(|tree| tree.root() == root)
    }
}

impl Seen {
    /// What the views say of a session; nothing of one that is not.
    fn of(state: &State, id: u64, now_s: u64) -> Seen {
        let look = |function| state.view(function, &[Value::U64(id).bcs()], now_s).unwrap_or_default();
        let (session, anchor, root) = (look("get_session"), look("get_anchor"), look("get_root"));
        let bytes = if let Some(Value::Bytes(bytes)) = root.first() { bytes.clone() } else { Vec::new() };
        Seen {
            pool: number(&session, 1),
            settlement: number(&session, 4),
            term: number(&session, 5),
            round: number(&anchor, 0),
            root: bytes,
            root_total: number(&root, 1),
        }
    }
}

fn number(values: &[Value], place: usize) -> u64 {
    if let Some(Value::U64(number)) = values.get(place) { *number } else { 0 }
}

fn admin(state: &State) -> Address {
    match state.view("get_config", &[], 0).as_deref() {
        Ok([Value::Address(admin), ..]) => *admin,
        _ => DEPLOYER,
    }
}

fn is_paused(state: &State) -> bool {
    matches!(state.view("get_config", &[], 0).as_deref(), Ok([_, Value::Bool(true), ..]))
}

fn has_earning(state: &State, id: u64, participant: Address) -> bool {
    let args = [Value::U64(id).bcs(), Value::Address(participant).bcs()];
    let earning = state.view("get_earning", &args, 0).unwrap_or_default();
    number(&earning, 0) > 0 && earning.last() == Some(&Value::Bool(false))
}

fn has_pending_root(state: &State, id: u64, now_s: u64) -> bool {
    let roots = state.view("get_root", &[Value::U64(id).bcs()], now_s).unwrap_or_default();
    number(&roots, 4) > 0
}

const fn account(last: u8) -> Address {
    let mut bytes = [0; 32];
    bytes[31] = last;
    Address(bytes)
}

#[cfg(test)]
mod tests;

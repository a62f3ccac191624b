use super::{CallError, State};
use crate::limits::{BATCH_MAX, CLAIM_DELAY_S, CLAIM_DELAY_S_MAX, PARTICIPANTS_MAX, PROOF_MAX};
use crate::trace::{Generator, genesis};
use crate::{Abort, Address, Event, Value};
use rewards::merkle::Tree;

const ADMIN: Address = who(200);
const OTHER: Address = who(201);

const fn who(last: u8) -> Address {
    let mut bytes = [0; 32];
    bytes[31] = last;
    Address(bytes)
}

/// A contract whose admin holds 10,000, at a time.
struct Chain {
    state: State,
    now_s: u64,
}

/// Arguments of anything that becomes a value.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { &[$(Value::from($arg)),*][..] };
}

impl Chain {
    fn new() -> Chain {
        let mut state = State::new(ADMIN);
        state.mint(ADMIN, 10_000).unwrap();
        Chain { state, now_s: 1000 }
    }

    /// With session 1 of a pool of 1000 and the nodes 1 to 3.
    fn with_session() -> Chain {
        let mut chain = Chain::new();
        for node in 1..=3 {
            chain.ok(who(node), "register_p2p_node", args!["id", "key", 1_u64, 2_u64]);
        }
        chain.ok(ADMIN, "create_session", args![1_u64, [7; 32], 1000_u64]);
        chain
    }

    fn call(&mut self, sender: Address, function: &str, args: &[Value]) -> Result<Vec<Event>, CallError> {
        let args: Vec<_> = args.iter().map(Value::bcs).collect();
        self.state.execute(function, &args, sender, self.now_s)
    }

    fn ok(&mut self, sender: Address, function: &str, args: &[Value]) -> Vec<Event> {
        self.call(sender, function, args).unwrap_or_else(|error| panic!("{function}: {error}"))
    }

    fn aborts(&mut self, abort: Abort, sender: Address, function: &str, args: &[Value]) {
        let before = self.state.clone();
        assert_eq!(self.call(sender, function, args), Err(CallError::Abort(abort)), "{function}");
        assert_eq!(self.state, before, "{function} aborted and changed something");
    }

    fn view(&self, function: &str, args: &[Value]) -> Vec<Value> {
        let args: Vec<_> = args.iter().map(Value::bcs).collect();
        self.state.view(function, &args, self.now_s).unwrap()
    }

    fn contribute(&mut self, node: u8, factors: [u64; 4]) {
        let [time, quality, data, uptime] = factors;
        self.ok(ADMIN, "submit_detailed_contribution", args![1_u64, who(node), time, quality, data, uptime]);
    }
}

fn tree(amounts: &[(u8, u64)]) -> Tree {
    Tree::new(1, amounts.iter().map(|(node, amount)| (who(*node).0, *amount)).collect()).unwrap()
}

fn claim_args(tree: &Tree, node: u8) -> Vec<Value> {
    let (amount, proof) = tree.proof(&who(node).0).unwrap();
    vec![1.into_value(), amount.into(), Value::List(proof.into_iter().map(Value::from).collect())]
}

trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for u64 {
    fn into_value(self) -> Value {
        self.into()
    }
}

fn batch(number: u64, nodes: &[u8], lengths: [usize; 4]) -> Vec<Value> {
    let column = |length: usize| Value::List(vec![50.into_value(); length]);
    let nodes = Value::List(nodes.iter().map(|node| who(*node).into()).collect());
    [1.into_value(), number.into(), nodes].into_iter().chain(lengths.map(column)).collect()
}

#[test]
fn the_admin_hands_over_pauses_and_configures() {
    let mut chain = Chain::new();
    let admins: [(&str, &[Value]); 5] = [
        ("set_paused", args![true]),
        ("propose_admin", args![OTHER]),
        ("set_reporter", args![OTHER, true]),
        ("configure_rewards", args![70_u64, 30_u64, 80_u64]),
        ("set_claim_delay", args![1_u64]),
    ];
    for (function, args) in admins {
        chain.aborts(Abort::NotAdmin, OTHER, function, args);
    }
    for bad in [[80, 21, 90], [80, 20, 101], [u64::MAX, 101, 90]] {
        chain.aborts(Abort::InvalidPercentages, ADMIN, "configure_rewards", &bad.map(Value::from));
    }
    chain.aborts(Abort::InvalidDelay, ADMIN, "set_claim_delay", args![CLAIM_DELAY_S_MAX + 1]);
    for (function, args) in admins {
        assert_eq!(chain.ok(ADMIN, function, args).len(), 1);
    }
    assert_eq!(chain.view("get_config", &[]), args![ADMIN, true, 70_u64, 30_u64, 80_u64, 1_u64]);
    chain.aborts(Abort::NotPendingAdmin, ADMIN, "accept_admin", &[]);
    chain.ok(OTHER, "accept_admin", &[]);
    chain.aborts(Abort::NotPendingAdmin, OTHER, "accept_admin", &[]);
    assert_eq!(chain.view("get_config", &[])[0], OTHER.into());
    assert_eq!(chain.view("is_reporter", args![ADMIN]), args![false]);
}

#[test]
fn a_node_registers_beats_leaves_and_returns() {
    let mut chain = Chain::new();
    let long = "x".repeat(129);
    for (id, key) in [("", "key"), ("id", ""), (&long, "key"), ("id", &long)] {
        chain.aborts(Abort::InvalidString, who(1), "register_p2p_node", args![id, key, 1_u64, 2_u64]);
    }
    for function in ["update_node_heartbeat", "deactivate_node"] {
        chain.aborts(Abort::NotRegistered, who(1), function, &[]);
    }
    chain.ok(who(1), "register_p2p_node", args!["id", "key", 1_u64, 2_u64]);
    chain.aborts(Abort::AlreadyRegistered, who(1), "register_p2p_node", args!["id", "key", 1_u64, 2_u64]);
    chain.aborts(Abort::NotReporter, OTHER, "set_reputation", args![who(1), 60_u64]);
    chain.aborts(Abort::NotRegistered, ADMIN, "set_reputation", args![who(2), 60_u64]);
    chain.aborts(Abort::InvalidRatio, ADMIN, "set_reputation", args![who(1), 101_u64]);
    chain.ok(ADMIN, "set_reputation", args![who(1), 60_u64]);
    chain.now_s = 1010;
    chain.ok(who(1), "update_node_heartbeat", &[]);
    chain.ok(who(1), "deactivate_node", &[]);
    let node = args!["id", "key", 1_u64, 2_u64, 1000_u64, 1010_u64, false, 60_u64];
    assert_eq!(chain.view("get_p2p_node", args![who(1)]), node);
    for function in ["update_node_heartbeat", "deactivate_node"] {
        chain.aborts(Abort::NodeInactive, who(1), function, &[]);
    }
    chain.ok(who(1), "register_p2p_node", args!["new", "key", 3_u64, 4_u64]);
    let node = args!["new", "key", 3_u64, 4_u64, 1010_u64, 1010_u64, true, 60_u64];
    assert_eq!(chain.view("get_p2p_node", args![who(1)]), node);
}

#[test]
fn a_session_takes_contributions_terms_and_anchors() {
    let mut chain = Chain::with_session();
    chain.aborts(Abort::SessionExists, ADMIN, "create_session", args![1_u64, [7; 32], 0_u64]);
    chain.aborts(Abort::InvalidHash, ADMIN, "create_session", args![2_u64, &[7_u8; 31][..], 0_u64]);
    chain.aborts(Abort::InsufficientBalance, ADMIN, "create_session", args![2_u64, [7; 32], 9001_u64]);
    assert_eq!((chain.state.balance(ADMIN), chain.state.vault), (9000, 1000));

    let detailed = "submit_detailed_contribution";
    chain.aborts(Abort::NoSession, ADMIN, detailed, args![9_u64, who(1), 1_u64, 1_u64, 1_u64, 1_u64]);
    chain.aborts(Abort::NotRegistered, ADMIN, detailed, args![1_u64, who(9), 1_u64, 101_u64, 1_u64, 1_u64]);
    chain.aborts(Abort::InvalidRatio, ADMIN, detailed, args![1_u64, who(1), 1_u64, 101_u64, 1_u64, 1_u64]);
    chain.aborts(Abort::InvalidRatio, ADMIN, detailed, args![1_u64, who(1), 1_u64, 1_u64, 1_u64, 101_u64]);
    chain.contribute(1, [u64::MAX, 90, 0, 100]);
    chain.aborts(Abort::Overflow, ADMIN, detailed, args![1_u64, who(1), 1_u64, 1_u64, 1_u64, 1_u64]);

    let many = "submit_contributions";
    chain.aborts(Abort::TooMany, ADMIN, many, &batch(1, &[], [0; 4]));
    chain.aborts(Abort::TooMany, ADMIN, many, &batch(1, &[2; BATCH_MAX + 1], [BATCH_MAX + 1; 4]));
    for short in 0..4 {
        let mut lengths = [2; 4];
        lengths[short] = 1;
        chain.aborts(Abort::LengthsDiffer, ADMIN, many, &batch(1, &[2, 3], lengths));
    }
    chain.aborts(Abort::SettlementOutOfOrder, ADMIN, many, &batch(2, &[2, 3], [2; 4]));
    chain.aborts(Abort::Overflow, ADMIN, many, &batch(1, &[2, 1], [2; 4]));
    assert_eq!(chain.ok(ADMIN, many, &batch(1, &[2, 3, 2], [3; 4])).len(), 4);
    chain.aborts(Abort::SettlementOutOfOrder, ADMIN, many, &batch(1, &[2, 3], [2; 4]));
    let totals = chain.view("get_contribution", args![1_u64, who(2)]);
    assert_eq!(totals, args![100_u64, 100_u64, 100_u64, 100_u64, 2_u64]);

    chain.aborts(Abort::InvalidHash, ADMIN, "record_term", args![1_u64, 0_u64, who(1), &[0_u8; 33][..]]);
    chain.aborts(Abort::StaleTerm, ADMIN, "record_term", args![1_u64, 0_u64, who(1), [0; 32]]);
    chain.ok(ADMIN, "record_term", args![1_u64, 3_u64, who(1), [0; 32]]);
    chain.aborts(Abort::StaleTerm, ADMIN, "record_term", args![1_u64, 3_u64, who(1), [0; 32]]);
    let anchor = |round: u64| [args![1_u64, round, [1; 32], [2; 32], [3; 32]], args![4_u64, 5_u64, 6_u64]].concat();
    chain.aborts(Abort::StaleAnchor, ADMIN, "record_anchor", &anchor(0));
    chain.ok(ADMIN, "record_anchor", &anchor(8));
    chain.aborts(Abort::StaleAnchor, ADMIN, "record_anchor", &anchor(8));
    assert_eq!(chain.view("get_anchor", args![1_u64])[..], anchor(8)[1..]);
    let session = args![ADMIN, 1000_u64, false, 1000_u64, 1_u64, 3_u64, who(1), 3_u64, 0_u64];
    assert_eq!(chain.view("get_session", args![1_u64]), session);
}

#[test]
fn a_distribution_pays_after_the_delay_unless_invalidated() {
    let mut chain = Chain::with_session();
    chain.contribute(1, [100, 100, 100, 100]);
    chain.contribute(2, [50, 60, 50, 60]);
    chain.contribute(3, [50, 0, 50, 60]);
    let events = chain.ok(ADMIN, "distribute_rewards", args![1_u64]);
    let amounts: Vec<_> = events.iter().filter_map(|event| event.field("amount")).collect();
    assert_eq!(amounts, [&Value::U64(714), &Value::U64(286), &Value::U64(0)]);
    assert_eq!(events[3].json(), serde_json::json!({ "session_id": "1", "total": "1000", "returned": "0" }));
    for function in ["distribute_rewards", "close_session"] {
        chain.aborts(Abort::SessionClosed, ADMIN, function, args![1_u64]);
    }
    chain.aborts(Abort::NoSession, who(1), "claim_reward", args![2_u64]);
    chain.aborts(Abort::NothingToClaim, who(3), "claim_reward", args![1_u64]);
    chain.aborts(Abort::NotClaimableYet, who(1), "claim_reward", args![1_u64]);
    let evidence = &[1_u8; 256][..];
    chain.aborts(Abort::NotAdmin, who(1), "invalidate_earning", args![1_u64, who(2), evidence]);
    chain.aborts(Abort::InvalidEvidence, ADMIN, "invalidate_earning", args![1_u64, who(2), &[0_u8; 257][..]]);
    chain.aborts(Abort::InvalidEvidence, ADMIN, "invalidate_earning", args![1_u64, who(2), &[0_u8; 0][..]]);
    chain.aborts(Abort::TooLate, ADMIN, "invalidate_earning", args![1_u64, who(3), evidence]);
    chain.ok(ADMIN, "invalidate_earning", args![1_u64, who(2), evidence]);
    assert_eq!(chain.state.balance(ADMIN), 9286);
    chain.now_s += CLAIM_DELAY_S;
    chain.aborts(Abort::TooLate, ADMIN, "invalidate_earning", args![1_u64, who(1), evidence]);
    chain.ok(ADMIN, "set_paused", args![true]);
    chain.aborts(Abort::Paused, who(1), "claim_reward", args![1_u64]);
    chain.ok(ADMIN, "set_paused", args![false]);
    chain.ok(who(1), "claim_reward", args![1_u64]);
    for node in [1, 2] {
        chain.aborts(Abort::NothingToClaim, who(node), "claim_reward", args![1_u64]);
    }
    assert_eq!((chain.state.balance(who(1)), chain.state.vault), (714, 0));
}

#[test]
fn more_participants_than_the_bound_are_not_distributed_to() {
    let mut chain = Chain::with_session();
    for i in 0..=PARTICIPANTS_MAX {
        let mut account = [9; 32];
        account[..2].copy_from_slice(&(i as u16).to_be_bytes());
        chain.ok(Address(account), "register_p2p_node", args!["id", "key", 1_u64, 2_u64]);
        let args = args![1_u64, Address(account), 1_u64, 1_u64, 1_u64, 1_u64];
        chain.ok(ADMIN, "submit_detailed_contribution", args);
    }
    chain.aborts(Abort::TooMany, ADMIN, "distribute_rewards", args![1_u64]);
}

#[test]
fn roots_are_claimed_cumulatively_and_closing_returns_the_rest() {
    let mut chain = Chain::with_session();
    let first = tree(&[(1, 100), (2, 200)]);
    chain.aborts(Abort::InvalidHash, ADMIN, "publish_root", args![1_u64, &[1_u8; 31][..], 300_u64]);
    chain.aborts(Abort::PoolExceeded, ADMIN, "publish_root", args![1_u64, first.root(), 1001_u64]);
    chain.aborts(Abort::NoRoot, who(1), "claim", &claim_args(&first, 1));
    chain.ok(ADMIN, "publish_root", args![1_u64, [9; 32], 300_u64]);
    chain.aborts(Abort::RootPending, ADMIN, "publish_root", args![1_u64, first.root(), 300_u64]);
    chain.aborts(Abort::RootPending, ADMIN, "close_session", args![1_u64]);
    chain.aborts(Abort::InvalidEvidence, ADMIN, "invalidate_root", args![1_u64, &[0_u8; 0][..]]);
    chain.ok(ADMIN, "invalidate_root", args![1_u64, &[5_u8][..]]);
    chain.aborts(Abort::TooLate, ADMIN, "invalidate_root", args![1_u64, &[5_u8][..]]);
    chain.aborts(Abort::SessionClosed, ADMIN, "distribute_rewards", args![1_u64]);
    chain.ok(ADMIN, "publish_root", args![1_u64, first.root(), 250_u64]);
    chain.now_s += CLAIM_DELAY_S - 1;
    chain.aborts(Abort::NoRoot, who(1), "claim", &claim_args(&first, 1));
    chain.now_s += 1;
    chain.aborts(Abort::TooLate, ADMIN, "invalidate_root", args![1_u64, &[5_u8][..]]);
    let long = Value::List(vec![[0; 32].into(); PROOF_MAX + 1]);
    chain.aborts(Abort::TooMany, who(1), "claim", &[1.into_value(), 100.into_value(), long]);
    let short = Value::List(vec![Value::Bytes(vec![0; 31])]);
    chain.aborts(Abort::InvalidHash, who(1), "claim", &[1.into_value(), 100.into_value(), short]);
    chain.aborts(Abort::InvalidProof, who(2), "claim", &claim_args(&first, 1));
    chain.ok(who(2), "claim", &claim_args(&first, 2));
    chain.aborts(Abort::NothingToClaim, who(2), "claim", &claim_args(&first, 2));
    chain.aborts(Abort::PoolExceeded, who(1), "claim", &claim_args(&first, 1));
    let second = tree(&[(1, 150), (2, 350)]);
    chain.aborts(Abort::PoolExceeded, ADMIN, "publish_root", args![1_u64, second.root(), 249_u64]);
    chain.ok(ADMIN, "publish_root", args![1_u64, second.root(), 500_u64]);
    chain.now_s += CLAIM_DELAY_S;
    chain.ok(ADMIN, "close_session", args![1_u64]);
    assert_eq!(chain.state.balance(ADMIN), 9500);
    chain.ok(who(1), "claim", &claim_args(&second, 1));
    chain.ok(who(2), "claim", &claim_args(&second, 2));
    assert_eq!((chain.state.balance(who(1)), chain.state.balance(who(2))), (150, 350));
    assert_eq!(chain.view("get_claimed", args![1_u64, who(2)]), args![350_u64]);
    assert_eq!(chain.view("vault_balance", &[]), args![0_u64]);
}

#[test]
fn what_is_no_call_is_refused_and_minting_is_bounded() {
    let mut chain = Chain::new();
    for function in ["nothing", "get_config"] {
        let refused = chain.call(ADMIN, function, &[]);
        assert_eq!(refused, Err(CallError::NoFunction(function.into())));
    }
    assert!(matches!(chain.state.view("set_paused", &[], 0), Err(CallError::NoFunction(_))));
    assert!(matches!(chain.call(ADMIN, "set_paused", &[]), Err(CallError::Arguments(_))));
    assert_eq!(chain.state.mint(OTHER, u64::MAX - 9_999), Err(Abort::Overflow));
    assert_eq!(chain.state.mint(OTHER, u64::MAX - 10_000), Ok(()));
    let score = chain.view("calculate_contribution_score", args![100_u64, 50_u64, 0_u64, 10_u64]);
    assert_eq!(score, args![5150_u64]);
}

/// What the vault must hold: what every session may still have to pay or to return.
fn owed(state: &State) -> u64 {
    let of = |session: &super::Session| {
        let unclaimed = session.earnings.values().filter(|earning| !earning.claimed).map(|earning| earning.amount);
        let roots = session.roots.claimable.map_or(0, |root| root.total);
        match (session.closed, session.roots.published) {
            (false, _) => session.pool - session.claimed_total,
            (true, true) => roots - session.claimed_total,
            (true, false) => unclaimed.sum(),
        }
    };
    state.sessions.values().map(of).sum()
}

#[test]
fn random_traces_keep_the_invariants() {
    for seed in 0..6 {
        let mut state = genesis();
        let mut generator = Generator::new(seed);
        for step in 0..1500 {
            let call = generator.next(&state);
            let before = state.clone();
            let outcome = state.execute(call.function, &call.args, call.sender, call.now_s);
            let at = format!("seed {seed}, step {step}: {call:?}");
            assert!(outcome.is_ok() || state == before, "a refusal changed something: {at}");
            assert_eq!(state.balances.values().sum::<u64>() + state.vault, state.supply, "{at}");
            assert_eq!(state.vault, owed(&state), "{at}");
            for session in state.sessions.values() {
                assert!(session.claimed_total <= session.pool, "{at}");
                assert!(session.roots.claimable.is_none_or(|root| root.total <= session.pool), "{at}");
            }
        }
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state, "a snapshot is the state");
    }
}

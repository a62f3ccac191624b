//! The core against a ledger of nothing but the contract, with outages, lost answers, crashes and late registrations.

use super::super::durable::Untaken;
use super::super::record::Report;
use super::*;
use crate::home::Target;
use crate::transaction::{self, Limits, TransactionHash};
use crate::{Account, Anchor, Entry, LastAnchor, Root, Session, SessionConditions, Term};
use contract::{CallError, State, Value};
use proptest::prelude::*;
use std::collections::HashMap;

const SESSION: u64 = 7;
const POOL: u64 = 1_000_000;
const ADMIN: Address = Address([9; 32]);
const START_S: u64 = 1_800_000_000;
const PACE: Pace = Pace {
    retry_first_ms: 100,
    retry_max_ms: 5_000,
    blocked_ms: 10_000,
    recheck_ms: 3_000,
    look_ms: 100,
    heartbeat_every_s: 600,
};

fn target() -> Target {
    Target { chain_id: 4, module: ADMIN }
}

fn account() -> Account {
    Account::from_secret(&[1; 32])
}

fn participant(number: u8) -> Address {
    Address([100 + number; 32])
}

/// Random numbers of a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A ledger: the contract, what waits and what landed.
struct World {
    state: State,
    /// What was sent and has not arrived.
    wire: Vec<Signed>,
    pool: Vec<Signed>,
    landed: HashMap<TransactionHash, Receipt>,
    now_ms: u64,
    nonce: u64,
}

impl World {
    fn new() -> World {
        let mut state = State::new(ADMIN);
        state.mint(account().address(), POOL).unwrap();
        let args = [Value::from(account().address()).bcs(), Value::from(true).bcs()];
        state.execute("set_reporter", &args, ADMIN, START_S).unwrap();
        World { state, wire: Vec::new(), pool: Vec::new(), landed: HashMap::new(), now_ms: 0, nonce: 0 }
    }

    fn now_s(&self) -> u64 {
        START_S + self.now_ms / 1_000
    }

    fn register(&mut self, node: Address) {
        let args = [Value::from("id").bcs(), Value::from("key").bcs(), 1_u64.to_le_bytes().into(), vec![0; 8]];
        let _ = self.state.execute("register_p2p_node", &args, node, self.now_s());
    }

    /// Runs what waits, unless it has expired.
    fn commit(&mut self) {
        for signed in std::mem::take(&mut self.pool) {
            if self.landed.contains_key(&signed.hash()) || self.now_s() >= signed.expires_s() {
                continue;
            }
            let args: Vec<_> = signed.call().arguments.iter().map(Value::bcs).collect();
            let done = self.state.execute(signed.function(), &args, signed.sender(), self.now_s());
            let done = done.map(drop).map_err(|error| match error {
                CallError::Abort(abort) => abort,
                other => panic!("{other}"),
            });
            let receipt = receipt(&signed, done);
            self.landed.insert(signed.hash(), receipt);
        }
    }

    fn prepare(&mut self, call: &Call) -> Result<Signed, ClientError> {
        let args: Vec<_> = call.arguments().iter().map(Value::bcs).collect();
        let tried = self.state.clone().execute(call.function(), &args, account().address(), self.now_s());
        match tried {
            Err(CallError::Abort(abort)) => {
                return Err(ClientError::Aborts { function: call.function().into(), abort });
            }
            other => drop(other.unwrap()),
        }
        self.nonce += 1;
        let limits = Limits { max_gas: 1_000, gas_unit_price: 100, expires_s: self.now_s() + 50, nonce: self.nonce };
        let raw = transaction::raw(target(), account().address(), call, limits);
        Ok(transaction::sign(raw, &account(), target()).unwrap())
    }

    fn find(&self, signed: &Signed) -> Found {
        match self.landed.get(&signed.hash()) {
            Some(receipt) => Found::Landed(Box::new(receipt.clone())),
            None if self.pool.iter().any(|of| of.hash() == signed.hash()) => Found::Waiting,
            None => Found::Absent { chain_s: self.now_s() },
        }
    }

    fn view(&self, function: &str, args: &[Value]) -> Option<Vec<Value>> {
        let args: Vec<_> = args.iter().map(Value::bcs).collect();
        self.state.view(function, &args, self.now_s()).ok()
    }

    fn numbers(&self, function: &str, args: &[Value]) -> Vec<u64> {
        let values = self.view(function, args).unwrap();
        values.iter().filter_map(|value| if let Value::U64(n) = value { Some(*n) } else { None }).collect()
    }

    fn session(&self) -> Option<Session> {
        let values = self.view("get_session", &[SESSION.into()])?;
        Some(Session::of(&values).unwrap_or_else(|| panic!("{values:?}")))
    }

    fn look(&self) -> Seen {
        use Value::{Bytes as H, U64 as N};
        let Some(session) = self.session() else { return Seen::default() };
        let anchor = match self.view("get_anchor", &[SESSION.into()]).unwrap().as_slice() {
            [N(round), H(checkpoint), H(root), H(head), N(loss), N(tokens), N(duration)] => LastAnchor {
                round: *round,
                checkpoint_hash: checkpoint.clone(),
                manifest_root: root.clone(),
                audit_head: head.clone(),
                loss_micronats: *loss,
                tokens: *tokens,
                duration_ms: *duration,
            },
            other => panic!("{other:?}"),
        };
        let root = match self.view("get_root", &[SESSION.into()]).unwrap().as_slice() {
            [H(root), N(total), H(pending), N(pending_total), N(at)] => Root {
                root: root.as_slice().try_into().ok(),
                total: *total,
                pending_root: pending.as_slice().try_into().ok(),
                pending_total: *pending_total,
                claimable_at: *at,
            },
            other => panic!("{other:?}"),
        };
        Seen { session: Some(session), anchor: Some(anchor), root: Some(root) }
    }
}

/// A reporter's life: its log, and the core that the log makes.
struct Life {
    log: Vec<Record>,
    queue: Queue,
}

impl Life {
    fn new() -> Life {
        Life { log: Vec::new(), queue: queue(&[]) }
    }

    fn keep(&mut self, record: Record) {
        self.log.push(record.clone());
        self.queue.apply(record).unwrap();
    }

    fn report(&mut self, report: Report) {
        if let Some(record) = self.queue.durable().take(report).unwrap() {
            self.keep(record);
        }
    }

    /// All that is not durable is lost.
    fn crash(&mut self) {
        let before = self.queue.durable().clone();
        self.queue = queue(&self.log);
        assert_eq!(*self.queue.durable(), before);
    }

    /// One step; how the ledger treats it is decided by `fault`.
    fn step(&mut self, world: &mut World, fault: Fault) {
        let lost = || ClientError::Unreachable { url: String::new(), reason: "lost".into() };
        let before = fault == Fault::BeforeIt;
        let answer = match self.queue.next(world.now_ms) {
            Step::Wait(until_ms) => {
                world.now_ms = until_ms.unwrap_or(world.now_ms + 1_000).max(world.now_ms + 1);
                return;
            }
            Step::Record(record) => return self.keep(record),
            Step::Check(of) if before => Answer::Checked(of, Err(lost())),
            Step::Check(of) if fault == Fault::Invented => Answer::Checked(of, Ok(true)),
            Step::Check(of) => Answer::Checked(of, Ok(world.view("get_p2p_node", &[of.into()]).is_some())),
            Step::Prepare(_) if before => Answer::Prepared(Err(lost())),
            Step::Prepare(call) => Answer::Prepared(world.prepare(&call)),
            Step::Send(_) if before => Answer::Sent(Err(lost())),
            Step::Send(signed) if fault == Fault::Late => {
                world.wire.push(signed);
                Answer::Sent(Err(lost()))
            }
            Step::Send(signed) => {
                world.pool.push(signed);
                Answer::Sent(if fault == Fault::AfterIt { Err(lost()) } else { Ok(()) })
            }
            Step::LookUp(_) if before => Answer::Found(Err(lost())),
            // A node that never saw the transaction and whose clock is ahead.
            Step::LookUp(signed) if fault == Fault::OtherNode => {
                Answer::Found(Ok(Found::Absent { chain_s: signed.expires_s() + 1 }))
            }
            // A node that makes things up.
            Step::LookUp(signed) if fault == Fault::Invented => {
                Answer::Found(Ok(Found::Landed(Box::new(receipt(&signed, Ok(()))))))
            }
            Step::LookUp(signed) if fault == Fault::InventedFailure => {
                Answer::Found(Ok(Found::Landed(Box::new(receipt(&signed, Err(Abort::Paused))))))
            }
            Step::LookUp(signed) => Answer::Found(Ok(world.find(&signed))),
            Step::Look if before => Answer::Seen(Err(lost())),
            Step::Look => Answer::Seen(Ok(world.look())),
        };
        if let Some(record) = self.queue.answer(world.now_ms, answer) {
            self.keep(record);
        }
    }

    fn is_drained(&self) -> bool {
        let status = self.queue.status();
        status.waiting == 0 && status.held == 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    BeforeIt,
    AfterIt,
    Late,
    OtherNode,
    Invented,
    InventedFailure,
}

fn receipt(signed: &Signed, done: Result<(), Abort>) -> Receipt {
    Receipt {
        hash: signed.hash(),
        version: 1,
        gas_used: 1,
        gas_unit_price: 100,
        success: done.is_ok(),
        abort: done.err(),
        vm_status: String::new(),
        events: Vec::new(),
        timestamp_s: 1,
    }
}

fn queue(log: &[Record]) -> Queue {
    let mut durable = Durable::new(target(), account().address());
    log.iter().for_each(|record| durable.apply(record.clone()).unwrap());
    Queue::new(durable, PACE)
}

fn conditions() -> SessionConditions {
    SessionConditions { session_number: SESSION, job_fingerprint: [7; 32], pool: POOL }
}

fn contribution(of: u8, compute_time: u64) -> Entry {
    Entry {
        worker: [0; 32],
        address: participant(of).0,
        compute_time,
        gradient_quality: 90,
        data_transmitted: 2 * compute_time,
        uptime_ratio: 100,
    }
}

fn anchor(round: u64) -> Anchor {
    let hash = [round as u8; 32];
    let (loss_micronats, interval_tokens, duration_ms) = (1, 2, 3);
    Anchor {
        round,
        checkpoint_hash: hash,
        manifest_root: hash,
        audit_head: hash,
        loss_micronats,
        interval_tokens,
        duration_ms,
    }
}

/// A run of some settlements, with whatever the dice say, then a calm in which everything must come to its end.
fn run(seed: u64, settlements: u64, participants: u8, never: u8, honest: bool) {
    let mut dice = Dice(seed | 1);
    let (mut world, mut life) = (World::new(), Life::new());
    let mut expected: BTreeMap<Address, (u64, u64)> = BTreeMap::new();
    life.report(Report::Open(conditions()));
    for settlement in 1..=settlements {
        let entries: Vec<_> = (0..participants)
            .filter(|_| dice.roll(4) > 0)
            .map(|of| contribution(of, 1 + u64::from(of) + settlement))
            .collect();
        for of in &entries {
            let (time, count) = expected.entry(Address(of.address)).or_default();
            (*time, *count) = (*time + of.compute_time, *count + 1);
        }
        life.report(Report::Settle { settlement, entries });
        if dice.roll(2) == 0 {
            life.report(Report::Anchor(anchor(settlement)));
        }
        if dice.roll(3) == 0 {
            let certificate_hash = [1; 32];
            life.report(Report::Term(Term { term: settlement, aggregator: account().address(), certificate_hash }));
        }
        for _ in 0..dice.roll(40) {
            storm(&mut dice, &mut world, &mut life, participants - never, honest);
        }
    }
    let amounts: BTreeMap<_, _> = expected.keys().map(|of| (*of, POOL / 100)).collect();
    let all_register = dice.roll(2) == 0 || never == 0;
    if all_register {
        (0..participants).for_each(|of| world.register(participant(of)));
    }
    life.report(Report::Finish { amounts: amounts.clone() });
    world.pool.append(&mut world.wire);
    drain(&mut life, &mut world);
    check(&life, &world, &expected);
    // With nodes that do not lie, nothing is ever paid for in vain.
    let failed = world.landed.values().filter(|receipt| !receipt.success).count();
    assert!(!honest || failed == 0, "{failed} failed");
}

/// A calm in which everything must come to its end.
fn drain(life: &mut Life, world: &mut World) {
    for _ in 0..5_000 {
        if life.is_drained() {
            return;
        }
        life.step(world, Fault::None);
        world.commit();
    }
    panic!("it does not end: {:?}", life.queue.status());
}

fn storm(dice: &mut Dice, world: &mut World, life: &mut Life, register_max: u8, honest: bool) {
    match dice.roll(24) {
        0 => life.crash(),
        1 => world.now_ms += 60_000,
        2..=3 => world.now_ms += dice.roll(5_000),
        4..=6 => world.commit(),
        7 if register_max > 0 => world.register(participant(dice.roll(register_max.into()) as u8)),
        8 => life.step(world, Fault::BeforeIt),
        9 => life.step(world, Fault::AfterIt),
        10 if !honest => life.step(world, Fault::OtherNode),
        11 if !honest => life.step(world, Fault::Invented),
        12..=13 => life.step(world, Fault::Late),
        15 if !honest => life.step(world, Fault::InventedFailure),
        14 => world.pool.append(&mut world.wire),
        _ => life.step(world, Fault::None),
    }
}

/// What the ledger holds is what was reported, each once.
fn check(life: &Life, world: &World, expected: &BTreeMap<Address, (u64, u64)>) {
    let durable = life.queue.durable();
    let mut held_back = 0;
    for (of, (time, count)) in expected {
        let found = world.numbers("get_contribution", &[SESSION.into(), (*of).into()]);
        if world.view("get_p2p_node", &[(*of).into()]).is_some() {
            assert_eq!((found[0], found[4]), (*time, *count), "{of}");
        } else {
            assert_eq!(found, [0; 5]);
            held_back += 1;
        }
    }
    let session = world.session().unwrap();
    let batches = durable.landed.iter().filter(|of| of.key.starts_with("settlement-")).count() as u64;
    assert_eq!(session.settlement, batches);
    let keys: BTreeSet<_> = durable.landed.iter().map(|of| &of.key).collect();
    assert_eq!(keys.len(), durable.landed.len(), "each once");
    let successes = world.landed.values().filter(|receipt| receipt.success).count();
    assert_eq!(successes, durable.landed.len(), "nothing landed that was not reported, or twice");
    assert_eq!(session.closed, held_back == 0, "paid by the contract where it holds everything");
    let root = world.look().root.unwrap();
    assert_eq!(root.pending_root.is_some(), held_back > 0);
    assert!(durable.paid);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn everything_lands_exactly_once(
        seed: u64,
        settlements in 1_u64..8,
        participants in 1_u8..6,
        never in 0_u8..3,
        honest: bool,
    ) {
        run(seed, settlements, participants, never.min(participants), honest);
    }
}

#[test]
fn reports_are_taken_once_and_within_bounds() {
    let mut life = Life::new();
    let settle = |settlement, entries| Report::Settle { settlement, entries };
    let take = |life: &Life, report| life.queue.durable().take(report);
    assert_eq!(take(&life, settle(1, vec![])), Err(Untaken::NoSession));
    life.report(Report::Open(conditions()));
    assert_eq!(take(&life, Report::Open(conditions())), Ok(None));
    let other = SessionConditions { session_number: 8, ..conditions() };
    assert_eq!(take(&life, Report::Open(other)), Err(Untaken::OtherSession(SESSION)));
    life.report(settle(1, vec![contribution(1, u64::MAX / 2)]));
    assert_eq!(take(&life, settle(1, vec![contribution(1, 5)])), Ok(None));
    let overflow = Err(Untaken::Overflow(participant(1)));
    assert_eq!(take(&life, settle(2, vec![contribution(1, u64::MAX / 2), contribution(1, 5)])), overflow);
    let poor = Entry { gradient_quality: 101, ..contribution(1, 5) };
    assert_eq!(take(&life, settle(2, vec![poor])), Err(Untaken::Ratio(101)));
    let amounts = |amount| Report::Finish { amounts: BTreeMap::from([(participant(1), amount)]) };
    assert_eq!(take(&life, amounts(POOL + 1)), Err(Untaken::Pool { total: u128::from(POOL) + 1, pool: POOL }));
    assert_eq!(take(&life, Report::Finish { amounts: BTreeMap::new() }), Err(Untaken::NoAmounts));
    life.report(Report::Anchor(anchor(3)));
    assert_eq!(take(&life, Report::Anchor(anchor(3))), Ok(None));
    life.report(amounts(POOL));
    assert_eq!(take(&life, amounts(1)), Ok(None));
    assert_eq!(take(&life, settle(2, vec![])), Err(Untaken::Finished));
    assert_eq!(take(&life, settle(1, vec![])), Ok(None));
}

#[test]
fn a_batch_has_at_most_what_the_contract_takes() {
    let (mut world, mut life) = (World::new(), Life::new());
    (0..5).for_each(|of| world.register(participant(of)));
    life.report(Report::Open(conditions()));
    let entries = (0..700_u64).map(|n| contribution((n % 5) as u8, n)).collect();
    life.report(Report::Settle { settlement: 1, entries });
    drain(&mut life, &mut world);
    assert_eq!(world.session().unwrap().settlement, 3, "256, 256 and 188");
    let times: u64 =
        (0..5).map(|of| world.numbers("get_contribution", &[SESSION.into(), participant(of).into()])[0]).sum();
    assert_eq!(times, 700 * 699 / 2);
}

#[test]
fn more_participants_than_the_contract_pays_are_paid_by_a_root() {
    let (mut world, mut life) = (World::new(), Life::new());
    let many: Vec<Address> = (0..257_u64).map(|n| Address([n.to_le_bytes(); 4].concat().try_into().unwrap())).collect();
    many.iter().for_each(|of| world.register(*of));
    life.report(Report::Open(conditions()));
    let entries = many.iter().map(|of| Entry { worker: [0; 32], address: of.0, ..contribution(0, 1) }).collect();
    life.report(Report::Settle { settlement: 1, entries });
    life.report(Report::Finish { amounts: many.iter().map(|of| (*of, 10)).collect() });
    drain(&mut life, &mut world);
    assert_eq!(world.look().root.unwrap().pending_total, 2_570);
    assert!(!world.session().unwrap().closed);
}

#[test]
fn another_runs_session_is_not_taken_for_ours() {
    let (mut world, mut life) = (World::new(), Life::new());
    world.state.mint(ADMIN, POOL).unwrap();
    let args: Vec<_> = Call::CreateSession(conditions()).arguments().iter().map(Value::bcs).collect();
    world.state.execute("create_session", &args, ADMIN, START_S).unwrap();
    life.report(Report::Open(conditions()));
    for _ in 0..20 {
        life.step(&mut world, Fault::None);
        world.commit();
    }
    let status = life.queue.status();
    assert!(status.blocked && status.waiting == 1 && status.landed == 0, "{status:?}");
    assert!(status.last_error.unwrap().contains("choose another number"));
}

#[test]
fn another_runs_settlement_is_not_taken_for_ours() {
    let (mut world, mut life) = (World::new(), Life::new());
    world.register(participant(0));
    life.report(Report::Open(conditions()));
    drain(&mut life, &mut world);
    // A second aggregator with the same key reports first.
    let entries = vec![contribution(0, 99)];
    let theirs = Call::SubmitContributions { session_number: SESSION, settlement: 1, entries };
    let signed = world.prepare(&theirs).unwrap();
    world.pool.push(signed);
    world.commit();
    life.report(Report::Settle { settlement: 1, entries: vec![contribution(0, 5)] });
    for _ in 0..50 {
        life.step(&mut world, Fault::None);
        world.commit();
    }
    let status = life.queue.status();
    assert!(status.blocked && status.waiting == 1 && status.landed == 1, "{status:?}");
    assert!(status.last_error.unwrap().contains("reported by another run"));
}

#[test]
fn many_who_never_register_do_not_stop_the_reports() {
    let (mut world, mut life) = (World::new(), Life::new());
    world.register(participant(0));
    life.report(Report::Open(conditions()));
    let many = (0..200_u64).map(|n| Address([n.to_le_bytes(); 4].concat().try_into().unwrap()));
    let mut entries: Vec<_> = many.map(|of| Entry { worker: [0; 32], address: of.0, ..contribution(0, 1) }).collect();
    entries.push(contribution(0, 1));
    for settlement in 1..=5 {
        life.report(Report::Settle { settlement, entries: entries.clone() });
    }
    for _ in 0..700 {
        life.step(&mut world, Fault::None);
        world.commit();
        // So slow that each is to be asked for again before all have been.
        world.now_ms += 500;
    }
    let status = life.queue.status();
    assert_eq!((status.waiting, status.landed, status.held), (0, 6, 1_000));
}

#[test]
fn a_transaction_that_got_lost_is_sent_again_as_it_is() {
    let (mut world, mut life) = (World::new(), Life::new());
    life.report(Report::Open(conditions()));
    while life.queue.phase != Phase::Send {
        life.step(&mut world, Fault::None);
    }
    let hash = life.queue.durable().signed.as_ref().unwrap().hash();
    life.step(&mut world, Fault::BeforeIt);
    life.crash();
    drain(&mut life, &mut world);
    assert_eq!(life.queue.durable().landed[0].hash, Some(hash));
    assert!(world.now_ms < 10_000, "it does not wait for the expiry");
}

#[test]
fn another_is_signed_only_once_the_first_can_never_land() {
    let (mut world, mut life) = (World::new(), Life::new());
    life.report(Report::Open(conditions()));
    while life.queue.phase != Phase::Send {
        life.step(&mut world, Fault::None);
    }
    let first = life.queue.durable().signed.clone().unwrap();
    while life.queue.durable().signed.as_ref() == Some(&first) {
        // Whatever is sent never arrives.
        life.step(&mut world, Fault::Late);
    }
    assert!(world.now_s() > first.expires_s());
    drain(&mut life, &mut world);
    world.pool.append(&mut world.wire);
    world.commit();
    assert_ne!(life.queue.durable().landed[0].hash, Some(first.hash()));
    assert_eq!(world.landed.len(), 1);
}

#[test]
fn who_registers_at_the_last_moment_is_not_overlooked() {
    let (mut world, mut life) = (World::new(), Life::new());
    life.report(Report::Open(conditions()));
    life.report(Report::Settle { settlement: 1, entries: vec![contribution(1, 5)] });
    while life.queue.status().waiting > 0 {
        life.step(&mut world, Fault::None);
        world.commit();
    }
    // Just after it was asked for.
    assert_eq!(life.queue.status().held, 1);
    world.register(participant(1));
    life.report(Report::Finish { amounts: BTreeMap::from([(participant(1), POOL)]) });
    drain(&mut life, &mut world);
    assert!(world.session().unwrap().closed, "the contract pays");
}

#[test]
fn a_settlement_that_lost_the_race_is_not_taken_for_ours() {
    let (mut world, mut life) = (World::new(), Life::new());
    world.register(participant(0));
    life.report(Report::Open(conditions()));
    drain(&mut life, &mut world);
    life.report(Report::Settle { settlement: 1, entries: vec![contribution(0, 5)] });
    while life.queue.phase != Phase::Send {
        life.step(&mut world, Fault::None);
    }
    // A second aggregator with the same key is faster by a moment.
    let entries = vec![contribution(0, 99)];
    let theirs = Call::SubmitContributions { session_number: SESSION, settlement: 1, entries };
    let signed = world.prepare(&theirs).unwrap();
    world.pool.push(signed);
    for _ in 0..100 {
        life.step(&mut world, Fault::None);
        world.commit();
    }
    let status = life.queue.status();
    assert!(status.blocked && status.waiting == 1 && status.landed == 1, "{status:?}");
    assert_eq!(world.landed.values().filter(|receipt| !receipt.success).count(), 1, "one was paid for in vain");
}

#[test]
fn a_failure_that_was_invented_does_not_stop_the_queue() {
    let (mut world, mut life) = (World::new(), Life::new());
    world.register(participant(0));
    life.report(Report::Open(conditions()));
    life.report(Report::Settle { settlement: 1, entries: vec![contribution(0, 5)] });
    for _ in 0..2 {
        while life.queue.phase != Phase::LookUp {
            life.step(&mut world, Fault::None);
        }
        life.step(&mut world, Fault::InventedFailure);
        world.commit();
        life.step(&mut world, Fault::None);
    }
    drain(&mut life, &mut world);
    let landed = &life.queue.durable().landed;
    assert!(landed.len() == 2 && landed.iter().all(|of| of.version.is_some()), "{landed:?}");
}

#[test]
fn a_report_whose_transaction_the_ledger_forgot_counts_once() {
    let (mut world, mut life) = (World::new(), Life::new());
    world.register(participant(0));
    life.report(Report::Open(conditions()));
    drain(&mut life, &mut world);
    life.report(Report::Settle { settlement: 1, entries: vec![contribution(0, 5)] });
    while life.queue.phase != Phase::LookUp {
        life.step(&mut world, Fault::None);
    }
    // It landed, but a node that does not have it says that its time is over, and no node keeps it any longer.
    let hash = life.queue.durable().signed.as_ref().unwrap().hash();
    world.commit();
    assert!(world.landed.remove(&hash).unwrap().success);
    life.step(&mut world, Fault::OtherNode);
    drain(&mut life, &mut world);
    let landed = life.queue.durable().landed.last().unwrap();
    assert_eq!((landed.key.as_str(), landed.hash, landed.version), ("settlement-1", Some(hash), None));
    assert_eq!(world.session().unwrap().settlement, 1);
}

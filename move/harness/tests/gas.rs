//! The gas table of `move/README.md`, counted anew: every call of the table runs here, and its price on Aptos is worked
//! out from what it did. What the table says must be what is counted.

use std::collections::BTreeMap;
use std::error::Error;
use std::{fs, io};

use contract::limits::{BATCH_MAX, PARTICIPANTS_MAX};
use move_harness::gas::{Cost, EXECUTION_MAX, IO_MAX, OCTAS_PER_APT, PRICE, UNITS_MAX, cost, transaction_bytes};
use move_harness::{ADMIN, Vm, abi, args, build, package_dir};
use rewards::merkle::Tree;

type Outcome = Result<(), Box<dyn Error>>;

const WORKERS: [usize; 4] = [10, 100, 1_000, 10_000];
/// By AIP-141, since March 2026.
const TIMES: u64 = 10;
const DAY: u64 = 86_400;
const POOL: u64 = 999_983;
/// The lengths of a libp2p identity's name and of a key in hexadecimal digits, as workers register them.
const NAME: &str = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";
const KEY: &str = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
/// What the prototype's first claim cost on a real AptosVM: two slots, that of the claim and the asset's for the
/// account.
const FIRST_CLAIM_ON_APTOS: u64 = 974;

fn worker(number: usize) -> [u8; 32] {
    // Addresses come in no order, as those of keys do.
    let scattered = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut address = [0xa5; 32];
    address[..8].copy_from_slice(&scattered);
    address
}

/// The machine and the lengths of the package's modules.
struct Chain {
    vm: Vm,
    modules: Vec<usize>,
    now_s: u64,
}

impl Chain {
    fn new() -> Result<Chain, Box<dyn Error>> {
        let mut vm = Vm::new()?;
        vm.mint(ADMIN, u64::MAX / 4)?;
        let out = tempfile::tempdir()?;
        let mut modules = Vec::new();
        for code in build(out.path())? {
            // On Aptos, loading the framework's own modules costs nothing.
            let name = abi(&code)?["name"].as_str().unwrap_or_default().to_owned();
            if package_dir().join(format!("sources/{name}.move")).exists() {
                modules.push(code.len());
            }
        }
        assert_eq!(modules.len(), 5);
        Ok(Chain { vm, modules, now_s: 1_700_000_000 })
    }

    /// Runs a call; what it would cost.
    fn call(&mut self, function: &str, args: &[Vec<u8>], sender: [u8; 32]) -> Result<Cost, Box<dyn Error>> {
        let events = self.vm.execute(&format!("training_rewards::{function}"), args, sender, self.now_s)?;
        // No event is longer in BCS with its type than its JSON with its name.
        let event_bytes: usize = events.iter().map(|event| event.name.len() + event.data.to_string().len()).sum();
        let bytes = transaction_bytes(function, args);
        let cost = cost(self.vm.usage(), bytes, event_bytes as u64, &self.modules);
        assert!(cost.execution_units() <= EXECUTION_MAX && cost.io_units() <= IO_MAX, "{function}: {cost:?}");
        assert!(cost.units() * TIMES <= UNITS_MAX, "{function}: {cost:?}");
        Ok(cost)
    }

    fn register(&mut self, who: [u8; 32]) -> Result<Cost, Box<dyn Error>> {
        self.call("register_p2p_node", &[args::string(NAME), args::string(KEY), args::u64(1), args::u64(1)], who)
    }

    fn create(&mut self, session: u64) -> Result<Cost, Box<dyn Error>> {
        self.call("create_session", &[args::u64(session), args::bytes(&[7; 32]), args::u64(POOL)], ADMIN)
    }
}

/// The arguments of a settlement's batch.
fn batch(session: u64, settlement: u64, workers: &[usize]) -> Vec<Vec<u8>> {
    let who: Vec<_> = workers.iter().map(|number| args::address(worker(*number))).collect();
    // All differ, so that whatever sorts has something to sort.
    let column = |value: fn(u64) -> u64| {
        args::vector(&workers.iter().map(|number| args::u64(value(*number as u64))).collect::<Vec<_>>())
    };
    let columns = [
        column(|number| 1_000 + number * 7_919 % 4_001),
        column(|number| 80 + number % 20),
        column(|number| 4_000_000 + number * 31 % 997),
        column(|number| 90 + number % 11),
    ];
    let head = [args::u64(session), args::u64(settlement), args::vector(&who)];
    [head.as_slice(), &columns].concat()
}

/// The sums of one settlement.
struct Settlement {
    transactions: usize,
    bytes: u64,
    units: u64,
}

fn settle(chain: &mut Chain, session: u64, workers: usize, first: u64) -> Result<Settlement, Box<dyn Error>> {
    let all: Vec<_> = (0..workers).collect();
    let mut sum = Settlement { transactions: 0, bytes: 0, units: 0 };
    for (number, part) in (first..).zip(all.chunks(BATCH_MAX)) {
        let args = batch(session, number, part);
        sum.transactions += 1;
        sum.bytes += transaction_bytes("submit_contributions", &args);
        sum.units += chain.call("submit_contributions", &args, ADMIN)?.units();
    }
    Ok(sum)
}

/// What a number of workers costs whose contributions are on the chain.
struct Batches {
    first: Settlement,
    later: Settlement,
    /// The distribution and one worker's payout, where the chain splits the pool.
    paid: Option<(u64, u64)>,
}

fn batches(chain: &mut Chain, session: u64, workers: usize) -> Result<Batches, Box<dyn Error>> {
    chain.create(session)?;
    let first = settle(chain, session, workers, 1)?;
    let later = settle(chain, session, workers, 1 + first.transactions as u64)?;
    let mut paid = None;
    if workers <= PARTICIPANTS_MAX {
        let distribution = chain.call("distribute_rewards", &[args::u64(session)], ADMIN)?.units();
        chain.now_s += DAY;
        chain.vm.mint(worker(0), 1)?;
        paid = Some((distribution, chain.call("claim_reward", &[args::u64(session)], worker(0))?.units()));
    }
    Ok(Batches { first, later, paid })
}

/// What a root and a worker's claim cost: the first, then one after the other was overwritten.
fn roots(chain: &mut Chain, session: u64, workers: usize) -> Result<[(u64, u64); 3], Box<dyn Error>> {
    chain.create(session)?;
    chain.vm.mint(worker(0), 1)?;
    let mut costs = [(0, 0); 3];
    for (cumulative, costs) in (1..).zip(&mut costs) {
        let amounts: BTreeMap<_, _> = (0..workers).map(|number| (worker(number), cumulative)).collect();
        let tree = Tree::new(session, amounts).ok_or("no workers")?;
        let root = [args::u64(session), args::bytes(&tree.root()), args::u64(workers as u64 * cumulative)];
        costs.0 = chain.call("publish_root", &root, ADMIN)?.units();
        chain.now_s += DAY;
        let (amount, proof) = tree.proof(&worker(0)).ok_or("no such worker")?;
        let proof: Vec<_> = proof.iter().map(|hash| args::bytes(hash)).collect();
        let claim = [args::u64(session), args::u64(amount), args::vector(&proof)];
        costs.1 = chain.call("claim", &claim, worker(0))?.units();
    }
    Ok(costs)
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share of a worker, to four places where it is below one, else to one.
fn share(units: u64, workers: usize) -> String {
    let places = if units < workers as u64 { 4 } else { 1 };
    format!("{:.places$}", units as f64 / workers as f64)
}

/// Units at today's schedule and the lowest price.
fn apt(units: u64) -> String {
    let octas = units * TIMES * PRICE;
    format!("{}.{:05}", octas / OCTAS_PER_APT, octas % OCTAS_PER_APT / 1_000)
}

fn row(name: &str, cells: impl IntoIterator<Item = String>) -> String {
    format!("| {name} | {} |\n", cells.into_iter().collect::<Vec<_>>().join(" | "))
}

fn title(name: &str) -> String {
    format!("| **{name}** | | | | |\n")
}

/// The rows of sessions whose contributions are on the chain, and those in APT.
fn batch_rows(all: &[Batches]) -> (String, String) {
    let cells = |cell: fn(&Batches, usize) -> String| all.iter().zip(WORKERS).map(move |(one, n)| cell(one, n));
    let dash = |cell: Option<u64>| cell.map_or_else(|| "–".to_owned(), grouped);
    let rows = [
        title("every contribution on the chain"),
        row("transactions of a settlement", cells(|one, _| grouped(one.first.transactions as u64))),
        row("their bytes", cells(|one, _| grouped(one.first.bytes))),
        row("first settlement, in all", cells(|one, _| grouped(one.first.units))),
        row("first settlement, a worker", cells(|one, n| share(one.first.units, n))),
        row("a later settlement, in all", cells(|one, _| grouped(one.later.units))),
        row("a later settlement, a worker", cells(|one, n| share(one.later.units, n))),
        row("`distribute_rewards`, in all", all.iter().map(|one| dash(one.paid.map(|paid| paid.0)))),
        row("`claim_reward`, a worker", all.iter().map(|one| dash(one.paid.map(|paid| paid.1)))),
    ];
    let in_apt = [
        row("first settlement, in all", cells(|one, _| apt(one.first.units))),
        row("a later settlement, in all", cells(|one, _| apt(one.later.units))),
    ];
    (rows.concat(), in_apt.concat())
}

/// The rows of sessions of which a root is on the chain, and those in APT. The third root and claim are like all after
/// it.
fn root_rows(all: &[[(u64, u64); 3]]) -> (String, String) {
    let cells = |cell: fn(&[(u64, u64); 3], usize) -> String| all.iter().zip(WORKERS).map(move |(one, n)| cell(one, n));
    let rows = [
        title("one root a settlement on the chain"),
        row("first root", cells(|one, _| grouped(one[0].0))),
        row("a later root, in all", cells(|one, _| grouped(one[2].0))),
        row("a later root, a worker", cells(|one, n| share(one[2].0, n))),
        row("`claim`, a worker's first of the session", cells(|one, _| grouped(one[0].1))),
        row("`claim`, a later one", cells(|one, _| grouped(one[2].1))),
    ];
    let in_apt = [
        row("a later root, in all", cells(|one, _| apt(one[2].0))),
        row("`claim`, a worker's first of the session", cells(|one, _| apt(one[0].1))),
        row("`claim`, a later one", cells(|one, _| apt(one[2].1))),
    ];
    (rows.concat(), in_apt.concat())
}

fn counted() -> Result<String, Box<dyn Error>> {
    let mut chain = Chain::new()?;
    let mut registration = 0;
    for number in 0..WORKERS[3] {
        registration = registration.max(chain.register(worker(number))?.units());
    }
    // The vault's own slot comes with the first session.
    chain.create(1)?;
    let creation = chain.create(2)?.units();
    let mut by_batch = Vec::new();
    let mut by_root = Vec::new();
    for (session, workers) in (1..).zip(WORKERS) {
        by_batch.push(batches(&mut chain, 10 + session, workers)?);
        by_root.push(roots(&mut chain, 20 + session, workers)?);
    }
    let (batches, batches_apt) = batch_rows(&by_batch);
    let (roots, roots_apt) = root_rows(&by_root);
    let head = "| workers | 10 | 100 | 1,000 | 10,000 |\n|---|---:|---:|---:|---:|\n";
    let same = |units: u64| WORKERS.map(|_| grouped(units));
    let once = [
        row("register, a worker, once", same(registration)),
        row("the asset's store, a worker, once", same(FIRST_CLAIM_ON_APTOS - claimed_slot())),
        row("`create_session`", same(creation)),
    ];
    Ok([head.into(), once.concat(), batches, roots, title("APT, today"), batches_apt, roots_apt].concat())
}

/// What the slot of an account's first claim costs: its key, its value, itself.
fn claimed_slot() -> u64 {
    (40_000 + 40 * (32 + 40 + 8)) / PRICE
}

fn readme() -> io::Result<String> {
    fs::read_to_string(package_dir().join("README.md"))
}

#[test]
fn the_readmes_gas_table_is_what_is_counted() -> Outcome {
    let (counted, readme) = (counted()?, readme()?);
    assert!(readme.contains(&counted), "move/README.md does not have this table:\n{counted}");
    Ok(())
}

/// The readme says how near the largest calls come to the bounds of a transaction.
#[test]
fn the_largest_calls_fit_into_a_transaction() -> Outcome {
    let mut chain = Chain::new()?;
    let all: Vec<_> = (0..BATCH_MAX).collect();
    for number in &all {
        chain.register(worker(*number))?;
    }
    chain.create(1)?;
    let args = batch(1, 1, &all);
    let settled = chain.call("submit_contributions", &args, ADMIN)?;
    let paid = chain.call("distribute_rewards", &[args::u64(1)], ADMIN)?;
    let said = format!(
        "A batch of {BATCH_MAX} new workers is a transaction of {} bytes and {} units, of them {} of execution and {} \
         of reads and writes; a distribution among {PARTICIPANTS_MAX} has {} and {}.",
        grouped(transaction_bytes("submit_contributions", &args)),
        grouped(settled.units()),
        settled.execution_units(),
        settled.io_units(),
        paid.execution_units(),
        paid.io_units(),
    );
    // A page is wrapped as it likes.
    let readme = readme()?.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains(&said), "move/README.md does not say: {said}");
    Ok(())
}

/// The calls that were measured on a real AptosVM with a prototype of the same layout; ours check more.
#[test]
fn the_count_agrees_with_what_was_measured_on_aptos() -> Outcome {
    let mut chain = Chain::new()?;
    for number in 0..64 {
        chain.register(worker(number))?;
    }
    chain.create(1)?;
    let heartbeat = chain.call("update_node_heartbeat", &[], worker(0))?.units();
    let sixteen: Vec<_> = (0..16).collect();
    let all: Vec<_> = (0..64).collect();
    chain.call("submit_contributions", &batch(1, 1, &sixteen), ADMIN)?;
    let new = chain.call("submit_contributions", &batch(1, 2, &all), ADMIN)?.units();
    let known = chain.call("submit_contributions", &batch(1, 3, &all), ADMIN)?.units();
    let readme = readme()?;
    for row in [
        format!("| heartbeat | 6 | {heartbeat} |"),
        format!("| a batch of 64, all known | 87 | {known}"),
        format!("| a batch of 64, 48 of them new | 20,641 | {} |", grouped(new)),
    ] {
        assert!(readme.contains(&row), "move/README.md does not have this row: {row}");
    }
    let within = |counted: u64, measured: u64, percent: u64| (counted.abs_diff(measured)) * 100 <= measured * percent;
    assert!(within(heartbeat, 6, 20), "a heartbeat: {heartbeat}");
    assert!(within(new, 20_641, 10), "64 of which 48 are new: {new}");
    // Every entry looks up its node as well, which the prototype's did not.
    assert!(within(known - 64, 87, 20), "64 known: {known}");
    Ok(())
}

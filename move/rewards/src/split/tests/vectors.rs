//! The vectors that the Move package is tested on too. `REWARDS_WRITE_VECTORS=1` writes them anew.

use super::{naive, one};
use crate::hex::prefixed;
use crate::merkle::{self, Tree};
use crate::{Participant, Rules, split};
use serde_json::{Value, json};
use std::path::PathBuf;

struct Case {
    name: String,
    pool: u64,
    rules: [u64; 3],
    participants: Vec<Participant>,
}

fn case(name: &str, pool: u64, rules: [u64; 3], participants: Vec<Participant>) -> Case {
    Case { name: name.into(), pool, rules, participants }
}

/// A generator that anyone can write again: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[rustfmt::skip]
fn edge_cases() -> Vec<Case> {
    const USUAL: [u64; 3] = [80, 20, 90];
    let best = [100, 100, 100, 100];
    let same = |n: u8| (1..=n).map(|last| one(last, [5, 50, 5, 50])).collect::<Vec<_>>();
    let several = |last, factors, count| Participant { count, ..one(last, factors) };
    vec![
        case("nobody", 1000, USUAL, vec![]),
        case("one alone", 1000, USUAL, vec![one(1, best)]),
        case("one alone, one unit", 1, USUAL, vec![one(1, best)]),
        case("no pool", 0, USUAL, vec![one(1, best), one(2, best)]),
        case("no quality returns the pool", 1000, USUAL, vec![one(1, [9, 0, 9, 100]), one(2, [3, 0, 9, 100])]),
        case("no quality earns nothing beside one that has", 1000, USUAL,
            vec![one(1, [9, 0, 9, 100]), one(2, [3, 1, 9, 0])]),
        case("quality alone", 1000, USUAL, vec![one(1, [0, 1, 0, 0])]),
        case("80 to 20", 1_000_000, USUAL, vec![one(1, best), one(2, [50, 60, 50, 60])]),
        case("quality at the threshold is not above", 1000, USUAL,
            vec![one(1, [100, 90, 100, 100]), one(2, [10, 91, 10, 10])]),
        case("the exact mean is above though its floor is not", 1000, USUAL,
            vec![one(1, [100, 90, 100, 100]), several(2, [1, 181, 1, 0], 2)]),
        case("the exact mean at the threshold", 1000, USUAL,
            vec![one(1, [100, 80, 100, 100]), several(2, [1, 180, 1, 0], 2)]),
        case("a mean below one floors to no quality", 1000, [80, 20, 0],
            vec![one(1, [5, 5, 5, 5]), several(2, [9, 1, 9, 200], 2)]),
        case("threshold 0 takes every positive score", 1000, [80, 20, 0],
            vec![one(1, [5, 5, 5, 5]), one(2, [5, 1, 5, 5])]),
        case("threshold 100 takes none", 1000, [80, 20, 100], vec![one(1, best), one(2, [5, 100, 5, 5])]),
        case("equal scores, units to the lower addresses", 11, [100, 0, 90], same(3)),
        case("equal scores, every split has remainders", 101, USUAL, same(7)),
        case("9 positive: one top", 999, USUAL, same(9)),
        case("10 positive: one top", 1000, USUAL, same(10)),
        case("19 positive: one top", 1003, USUAL, same(19)),
        case("20 positive: two tops", 1003, USUAL, same(20)),
        case("20 with one of no quality: one top", 1003, USUAL,
            { let mut all = same(20); all[4].quality_sum = 0; all }),
        case("base only", 1001, [100, 0, 90], vec![one(1, best), one(2, [1, 2, 3, 4])]),
        case("bonus only, odd", 1001, [0, 100, 90], vec![one(1, best), one(2, [50, 95, 50, 50])]),
        case("1 percent of bonus of a small pool", 99, [99, 1, 90], vec![one(1, best), one(2, best)]),
        case("largest pool", u64::MAX, USUAL, vec![one(1, best), one(2, [50, 60, 50, 60]), one(3, [1, 1, 1, 1])]),
        case("largest pool to equals", u64::MAX, USUAL, same(21)),
        case("largest totals", 1_000_000, USUAL,
            vec![one(1, [u64::MAX, 70, u64::MAX, 70]), one(2, [u64::MAX - 1, 70, u64::MAX / 2, 70])]),
        case("largest sums", 1_000_000, USUAL, vec![
            several(1, [7, u64::MAX / 100 * 100, 7, u64::MAX / 100 * 100], u64::MAX / 100),
            several(2, [7, u64::MAX / 100 * 91, 7, 0], u64::MAX / 100),
        ]),
        case("no time", 1000, USUAL, vec![one(1, [0, 50, 10, 50]), one(2, [0, 40, 20, 50])]),
        case("no data", 1000, USUAL, vec![one(1, [10, 50, 0, 50]), one(2, [20, 40, 0, 50])]),
        case("participants out of order", 12_345, USUAL,
            vec![one(9, [5, 50, 5, 50]), one(3, [6, 60, 6, 60]), one(5, [5, 50, 5, 50])]),
        case("high bytes of addresses decide", 13, USUAL, {
            let mut all = same(3);
            all[0].address[0] = 0xff;
            all[1].address[0] = 0x80;
            all
        }),
    ]
}

fn random_cases() -> Vec<Case> {
    let mut random = Random(1);
    let sizes = [2, 3, 5, 12, 30, 64, 101, 256];
    sizes.into_iter().map(|n| random_case(&mut random, n)).collect()
}

fn random_case(random: &mut Random, n: u64) -> Case {
    let pool = random.next() >> random.below(60);
    let base = random.below(101);
    let rules = [base, 100 - base, random.below(101)];
    let participants = (0..n).map(|i| {
        let count = 1 + random.below(1000);
        let sum = |random: &mut Random| random.below(100 * count + 1);
        let quality_sum = if random.below(8) == 0 { 0 } else { sum(random) };
        let mut address = [0; 32];
        address[..8].copy_from_slice(&random.next().to_be_bytes());
        address[31] = i as u8;
        Participant {
            address,
            compute_time: random.next() >> 20,
            data_transmitted: random.next() >> 8,
            quality_sum,
            uptime_sum: sum(random),
            count,
        }
    });
    let participants = participants.collect();
    Case { name: format!("random, {n} participants"), pool, rules, participants }
}

impl Case {
    fn json(&self) -> Value {
        let [base, bonus, threshold] = self.rules;
        let result = split(self.pool, Rules::new(base, bonus, threshold).unwrap(), &self.participants).unwrap();
        let (paid, returned) = naive(self.pool, base, threshold, &self.participants);
        assert_eq!(paid, super::rewards(&result), "{}", self.name);
        assert_eq!(returned, result.returned, "{}", self.name);
        let participants = self.participants.iter().map(|p| {
            json!({
                "address": prefixed(&p.address),
                "compute_time": p.compute_time.to_string(),
                "data_transmitted": p.data_transmitted.to_string(),
                "quality_sum": p.quality_sum.to_string(),
                "uptime_sum": p.uptime_sum.to_string(),
                "count": p.count.to_string(),
            })
        });
        let shares = result.shares.iter().map(|s| {
            json!({
                "address": prefixed(&s.address),
                "score": s.score.to_string(),
                "base": s.base.to_string(),
                "bonus": (s.top + s.quality_bonus).to_string(),
                "amount": s.reward().to_string(),
            })
        });
        json!({
            "name": self.name,
            "pool": self.pool.to_string(),
            "base_percentage": base.to_string(),
            "bonus_percentage": bonus.to_string(),
            "quality_threshold": threshold.to_string(),
            "participants": participants.collect::<Vec<_>>(),
            "shares": shares.collect::<Vec<_>>(),
            "returned": result.returned.to_string(),
        })
    }
}

/// One tree: each account's amount and proof.
fn tree_json(n: u8) -> Value {
    let session_number = 1000 + u64::from(n);
    let amounts = (1..=n).map(|last| (super::address(last), u64::from(last) * 1_000_003)).collect();
    let tree = Tree::new(session_number, amounts).unwrap();
    let claims = tree.amounts().keys().map(|address| {
        let (amount, proof) = tree.proof(address).unwrap();
        json!({
            "address": prefixed(address),
            "cumulative": amount.to_string(),
            "leaf": prefixed(&merkle::leaf(session_number, address, amount)),
            "proof": proof.iter().map(prefixed).collect::<Vec<_>>(),
        })
    });
    let claims: Vec<_> = claims.collect();
    json!({ "session_id": session_number.to_string(), "root": prefixed(&tree.root()), "claims": claims })
}

fn check(file: &str, vectors: Vec<Value>) {
    // One vector a line keeps differences readable.
    let lines: Vec<String> = vectors.iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    // As cargo names it to the running test: a shared target folder may hold the binary of another checkout.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let path = PathBuf::from(own).join("../../move/vectors").join(file);
    if std::env::var_os("REWARDS_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    // As values: in which order a library writes the keys of an object depends on what else the build holds.
    let stored: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(stored.len(), vectors.len(), "{file}");
    for (line, (stored, computed)) in stored.iter().zip(&vectors).enumerate() {
        assert_eq!(stored, computed, "{file}, line {}", line + 2);
    }
}

#[test]
fn rewards_are_those_of_the_vectors() {
    let cases: Vec<Value> = edge_cases().iter().chain(&random_cases()).map(Case::json).collect();
    assert_eq!(cases.len(), 40);
    check("rewards.json", cases);
}

#[test]
fn trees_are_those_of_the_vectors() {
    check("merkle.json", [1, 2, 3, 5, 8, 13].map(tree_json).into());
}

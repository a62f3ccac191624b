//! What workers earn, from the rounds to the ledger and into their accounts, by the program's own words.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use std::path::Path;

use serde_json::Value;
use tests::up::PATIENCE;
use tests::{LedgerServer, Place, Up, cotrain, micro, process, program, run, text};

/// A prime, so that no split of it is even.
const POOL: u64 = 1_000_003;

/// The lines of JSON that the program prints.
fn printed(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Value {
    let output = cotrain(arguments);
    assert_eq!(output.code, Some(0), "{}", output.said());
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{}: {error}", output.stdout))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sum(workers: &Value, key: &str) -> u64 {
    workers.as_array().unwrap().iter().map(|worker| worker[key].as_u64().unwrap()).sum()
}

/// The calls that landed, in their order.
fn landed(run: &Path) -> Vec<String> {
    lines(&run.join("ledger/receipts.jsonl")).iter().map(|line| line["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_swarm_with_a_pool_pays_it_to_the_last_unit_and_anybody_can_verify_it() {
    let place = Place::new();
    let job = micro(place.path(), |job| (job.train.outer_steps, job.rewards.settle_every) = (5, 2));
    let run = place.join("run");
    let pool = POOL.to_string();
    let ended = Up::start(&run, &job, &text(), &["--pool", &pool, "--claim-delay-s", "0"]).finish().finished();

    let report = ended.named("report").last().unwrap()["rewards"].clone();
    let workers = &report["workers"];
    assert_eq!(workers.as_array().unwrap().len(), 3, "{report}");
    assert_eq!((sum(workers, "reward"), report["total"].as_u64()), (POOL, Some(POOL)), "{report}");
    for worker in workers.as_array().unwrap() {
        assert_eq!(worker["base"].as_u64().unwrap() + worker["bonus"].as_u64().unwrap(), worker["reward"]);
        assert!(worker["score"].as_u64().unwrap() > 0 && worker["tx"].as_str().unwrap().starts_with("0x"), "{worker}");
    }
    assert_eq!(report["base_pool"].as_u64().unwrap() + report["bonus_pool"].as_u64().unwrap(), POOL);
    let expected = ["session", "settlement-1", "settlement-2", "settlement-3", "payout"];
    let keys = landed(&run);
    assert!(expected.iter().all(|key| keys.iter().filter(|landed| landed == key).count() == 1), "{keys:?}");

    assert_eq!(printed(&[&"rewards", &"--run-dir", &run, &"--json"]), report);
    let verified = printed(&[&"rewards", &"verify", &"--run-dir", &run, &"--json"]);
    assert_eq!((&verified["ok"], &verified["total"], &verified["rounds"]), (&true.into(), &POOL.into(), &5.into()));
    explained(&run, workers);
    claimed(&run, workers);
    altered(&place, &run);
}

/// Every worker's reward is explained to the last unit.
fn explained(run: &Path, workers: &Value) {
    for worker in workers.as_array().unwrap() {
        let short = &worker["worker"].as_str().unwrap()[..8];
        let explanation = printed(&[&"rewards", &"--run-dir", &run, &"--explain", &short, &"--json"]);
        assert_eq!((&explanation["reward"], &explanation["score"]), (&worker["reward"], &worker["score"]));
        let output = cotrain(&[&"rewards", &"--run-dir", &run, &"--explain", &short]);
        assert!(output.stdout.contains(worker["address"].as_str().unwrap()), "{}", output.stdout);
    }
    let projected = printed(&[&"rewards", &"--run-dir", &run, &"--project", &"--json"]);
    let ends = projected.as_array().unwrap().iter().map(|of| (of["low"].clone(), of["high"].clone()));
    assert!(ends.clone().all(|(low, high)| low == high), "a session that is over leaves nothing open: {projected}");
}

/// Each worker has its reward paid to its own account, once, with the swarm's ledger started again by the claim.
fn claimed(run: &Path, workers: &Value) {
    for ordinal in 0..3 {
        let directory = run.join(format!("workers/{ordinal:02}"));
        let shown = printed(&[&"wallet", &"show", &"--directory", &directory, &"--output", &"json"]);
        let paid = printed(&[&"claim", &"--run-dir", &run, &"--directory", &directory, &"--output", &"json"]);
        let row = workers.as_array().unwrap().iter().find(|worker| worker["worker"] == shown["worker"]).unwrap();
        assert_eq!((&paid["address"], &paid["amount"]), (&row["address"], &row["reward"]));
        let again = cotrain(&[&"claim", &"--run-dir", &run, &"--directory", &directory]);
        assert_eq!(again.code, Some(2), "{}", again.said());
        assert!(again.stderr.contains("was paid"), "{}", again.said());
    }
}

/// What was altered is found and named.
fn altered(place: &Place, run: &Path) {
    let copy = place.join("altered");
    run::copy(run, &copy);
    let path = copy.join("ledger/payout.json");
    let mut payout: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    payout["amounts"][0]["amount"] = (payout["amounts"][0]["amount"].as_u64().unwrap() + 1).into();
    std::fs::write(&path, payout.to_string()).unwrap();
    let output = cotrain(&[&"rewards", &"verify", &"--run-dir", &copy]);
    assert_eq!(output.code, Some(1), "{}", output.said());
    assert!(output.stdout.contains("NOT verified"), "{}", output.said());

    let rounds = copy.join("rounds.jsonl");
    let text = std::fs::read_to_string(&rounds).unwrap().replacen("\"score\":", "\"score\":1", 1);
    std::fs::write(&rounds, text).unwrap();
    let output = cotrain(&[&"rewards", &"verify", &"--run-dir", &copy]);
    assert_eq!(output.code, Some(1), "{}", output.said());
}

#[test]
fn the_split_comes_from_the_variables_that_users_know() {
    let variables = [("BASE_REWARD_PERCENTAGE", "70"), ("BONUS_REWARD_PERCENTAGE", "30"), ("QUALITY_THRESHOLD", "95")];
    let explain = |variables: &[(&str, &str)]| {
        program::command().args(["config", "explain"]).envs(variables.iter().copied()).output().unwrap()
    };
    let output = explain(&variables);
    let rows = String::from_utf8_lossy(&output.stdout);
    for (key, (name, value)) in ["base_percentage", "bonus_percentage", "quality_threshold"].iter().zip(variables) {
        let row = rows.lines().find(|row| row.starts_with(&format!("rewards.{key} "))).unwrap();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words[1..], [value, "variable", name], "{row}");
    }
    let refused = explain(&variables[..1]);
    assert_eq!(refused.status.code(), Some(2), "base and bonus make 100");
}

#[test]
fn f28_a_ledger_that_dies_delays_no_round_and_everything_lands_once_afterwards() {
    let place = Place::new();
    let job = micro(place.path(), |job| {
        // Rounds so long that the ledger dies among them.
        (job.train.outer_steps, job.train.inner_steps, job.train.warmup_steps) = (6, 200, 20);
        (job.rewards.settle_every, job.rewards.pool) = (1, POOL);
    });
    let ledger = LedgerServer::start(&place.join("ledger"), "127.0.0.1:0");
    let (url, module, listen) = (ledger.url().to_owned(), ledger.module().to_owned(), ledger.listen());
    let key_file = ledger.key_file();
    ledger.mint(&module, POOL);
    let run = place.join("run");
    let key_file = key_file.to_str().unwrap();
    let named = ["--ledger", &url, "--ledger-module", &module, "--ledger-key-file", key_file];
    let mut up = Up::start(&run, &job, &text(), &named);
    up.wait_for("the first round", |event| event["event"] == "round");
    let settled = || run.join("ledger/receipts.jsonl").exists() && landed(&run).contains(&"settlement-1".to_owned());
    assert!(process::until(PATIENCE, settled), "the first settlement does not land: {}", up.story());
    ledger.kill();

    let ended = up.finish().finished();
    let during = landed(&run);
    assert!(!during.contains(&"settlement-3".to_owned()), "the ledger outlived the run: {during:?}");
    assert_eq!(run::rounds(&run).len(), 6, "every round committed");
    let warned = ended.named("warning").any(|warning| warning["message"].as_str().unwrap().contains("ledger flush"));
    assert!(warned, "nobody was told that reports wait");

    let ledger = LedgerServer::start(&place.join("ledger"), &listen);
    let flushed =
        printed(&[&"ledger", &"flush", &"--run-dir", &run, &"--ledger-key-file", &key_file, &"--output", &"json"]);
    assert_eq!(flushed["waiting"], 0);
    let keys = landed(&run);
    for key in ["session", "payout"].map(str::to_owned).into_iter().chain((1..=6).map(|n| format!("settlement-{n}"))) {
        assert_eq!(keys.iter().filter(|landed| **landed == key).count(), 1, "{key} in {keys:?}");
    }
    let vault = ledger.view("vault_balance", &[]);
    assert_eq!(vault[0], POOL.to_string(), "all of the pool is kept for those who earned it");
    assert_eq!(printed(&[&"rewards", &"verify", &"--run-dir", &run, &"--json"])["ok"], true);
}

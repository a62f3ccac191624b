//! How many transactions a second are committed, each on disk before it is reported. Prints its figures.

use crate::support::{Served, builder, committed, funded, heartbeat, open, register, signed};
use ledger_embedded::Found;
use std::time::{Duration, Instant};

const ACCOUNTS: usize = 16;
const EACH: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_share_a_flush() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let mut transactions = Vec::new();
    for account in 0..ACCOUNTS {
        let worker = funded(&ledger).await;
        for number in 0..EACH {
            let payload = if number == 0 { register(&ledger, &format!("n{account}")) } else { heartbeat(&ledger) };
            transactions.push(signed(builder(&ledger, &worker, payload, number), &worker).to_bcs().unwrap());
        }
    }
    let blocks = ledger.read(|chain| chain.height());
    let start = Instant::now();
    let hashes: Vec<_> = transactions.iter().map(|bytes| ledger.submit(bytes).unwrap().transaction.hash).collect();
    for hash in &hashes {
        assert!(matches!(ledger.wait(hash, Duration::from_secs(20)).await, Some(Found::Committed(_))));
    }
    let rate = hashes.len() as f64 / start.elapsed().as_secs_f64();
    let blocks = ledger.read(|chain| chain.height()) - blocks;
    println!("pipelined: {rate:.0} transactions/s, {} in {blocks} blocks", hashes.len());
    assert!(blocks < hashes.len() as u64);

    let before = ledger.read(|chain| chain.digest());
    drop(ledger);
    let start = Instant::now();
    let (ledger, _) = open(folder.path());
    println!("opened again: {:.0} transactions/s", hashes.len() as f64 / start.elapsed().as_secs_f64());
    assert_eq!(ledger.read(|chain| chain.digest()), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_waits_for_each() {
    let served = Served::start();
    let worker = served.funded().await;
    let start = Instant::now();
    const COUNT: u64 = 100;
    for number in 0..COUNT {
        let payload = if number == 0 { register(&served.ledger, "n") } else { heartbeat(&served.ledger) };
        let transaction = signed(builder(&served.ledger, &worker, payload, number), &worker);
        let accepted = served.ledger.submit(&transaction.to_bcs().unwrap()).unwrap();
        assert!(committed(&served.ledger, &accepted.transaction.hash).await.outcome.success);
    }
    println!("one by one: {:.0} transactions/s", COUNT as f64 / start.elapsed().as_secs_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_over_http() {
    let served = std::sync::Arc::new(Served::start());
    let mut tasks = tokio::task::JoinSet::new();
    const PER_CLIENT: u64 = 25;
    let mut clients = Vec::new();
    for _ in 0..ACCOUNTS {
        clients.push(served.funded().await);
    }
    let start = Instant::now();
    for worker in clients {
        let served = served.clone();
        tasks.spawn(async move {
            for number in 0..PER_CLIENT {
                let payload = if number == 0 { register(&served.ledger, "n") } else { heartbeat(&served.ledger) };
                let transaction = signed(builder(&served.ledger, &worker, payload, number), &worker);
                let fullnode = served.aptos.fullnode();
                let pending = fullnode.submit_transaction(&transaction).await.unwrap();
                let (_, done) = served.get(&format!("/v1/transactions/wait_by_hash/{}", pending.data.hash)).await;
                assert_eq!(done["success"], true, "{done}");
            }
        });
    }
    tasks.join_all().await;
    let count = ACCOUNTS as u64 * PER_CLIENT;
    println!("over HTTP, {ACCOUNTS} clients: {:.0} transactions/s", count as f64 / start.elapsed().as_secs_f64());
}

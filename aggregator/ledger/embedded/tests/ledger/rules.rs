//! Every rule, broken once by a transaction that is right otherwise.

use crate::support::{Served, builder, committed, funded, heartbeat, open, register, signed};
use aptos_sdk::account::Ed25519Account;
use aptos_sdk::transaction::builder::sign_transaction;
use aptos_sdk::transaction::{SignedTransaction, TransactionBuilder};
use aptos_sdk::types::ChainId;
use ledger_embedded::{ACCOUNT_WAITING_MAX, Ledger, Refused};
use std::sync::atomic::Ordering;
use std::time::Duration;

type Spoil = fn(TransactionBuilder, u64) -> TransactionBuilder;

async fn check(spoil: Spoil, name: &str, number: u64) {
    let served = Served::start();
    let worker = served.funded().await;
    let now_s = served.ledger.now_us() / 1_000_000;
    let transaction = signed(spoil(builder(&served.ledger, &worker, register(&served.ledger, "n"), 0), now_s), &worker);
    let (status, body) = served.submit(&transaction).await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(body["error_code"], "vm_error");
    assert_eq!(body["vm_error_code"], number, "{body}");
    assert!(body["message"].as_str().unwrap().contains(name), "{body}");
    assert_eq!(served.aptos.get_sequence_number(worker.address()).await.unwrap(), 0);
}

#[tokio::test]
async fn each_broken_rule_has_its_status() {
    check(|b, _| b.chain_id(ChainId::new(5)), "BAD_CHAIN_ID", 23).await;
    check(|b, now| b.expiration_timestamp_secs(now), "TRANSACTION_EXPIRED", 6).await;
    check(|b, _| b.max_gas_amount(2_000_001), "MAX_GAS_UNITS_EXCEEDS_MAX_GAS_UNITS_BOUND", 13).await;
    check(|b, _| b.max_gas_amount(59), "MAX_GAS_UNITS_BELOW_MIN_TRANSACTION_GAS_UNITS", 14).await;
    check(|b, _| b.gas_unit_price(99), "GAS_UNIT_PRICE_BELOW_MIN_BOUND", 15).await;
    check(|b, _| b.gas_unit_price(10_000_000_001), "GAS_UNIT_PRICE_ABOVE_MAX_BOUND", 16).await;
    check(|b, _| b.gas_unit_price(1_000_000), "INSUFFICIENT_BALANCE_FOR_TRANSACTION_FEE", 5).await;
    check(|b, _| b.sequence_number(u64::MAX), "SEQUENCE_NUMBER_TOO_BIG", 24).await;
}

#[tokio::test]
async fn refuses_a_wrong_signature() {
    let served = Served::start();
    let (worker, other) = (served.funded().await, Ed25519Account::generate());
    let raw = builder(&served.ledger, &worker, register(&served.ledger, "n"), 0).build().unwrap();
    let (status, body) = served.submit(&sign_transaction(&raw, &other).unwrap()).await;
    assert_eq!((status, &body["vm_error_code"]), (400, &1.into()), "{body}");
    // A signature of another transaction by the right key.
    let mut stolen = sign_transaction(&raw, &worker).unwrap();
    stolen.raw_txn.max_gas_amount += 1;
    let (status, body) = served.submit(&stolen).await;
    assert_eq!((status, &body["vm_error_code"]), (400, &1.into()), "{body}");
}

async fn run(ledger: &Ledger, transaction: &SignedTransaction) -> bool {
    let accepted = ledger.submit(&transaction.to_bcs().unwrap()).unwrap();
    committed(ledger, &accepted.transaction.hash).await.outcome.success
}

#[tokio::test]
async fn a_committed_transaction_cannot_land_again() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let worker = funded(&ledger).await;
    let first = signed(builder(&ledger, &worker, register(&ledger, "n"), 0), &worker);
    assert!(run(&ledger, &first).await);
    let replayed = ledger.submit(&first.to_bcs().unwrap()).unwrap_err();
    assert_eq!(replayed, Refused::SequenceTooOld { found: 0, current: 1 });
    assert_eq!(replayed.status(), Some(("SEQUENCE_NUMBER_TOO_OLD", 3)));
}

#[tokio::test]
async fn later_numbers_wait_for_those_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let worker = funded(&ledger).await;
    let mut hashes = Vec::new();
    for number in [3, 2, 1] {
        let transaction = signed(builder(&ledger, &worker, heartbeat(&ledger), number), &worker);
        hashes.push(ledger.submit(&transaction.to_bcs().unwrap()).unwrap().transaction.hash);
    }
    assert!(matches!(
        ledger.wait(&hashes[2], Duration::from_millis(50)).await,
        Some(ledger_embedded::Found::Waiting(transaction)) if transaction.hash == hashes[2]
    ));
    // A repeated submission is the same one; another with its number is not taken.
    let same = signed(builder(&ledger, &worker, heartbeat(&ledger), 1), &worker);
    assert!(ledger.submit(&same.to_bcs().unwrap()).is_ok());
    let other = signed(builder(&ledger, &worker, register(&ledger, "n"), 1), &worker);
    assert_eq!(ledger.submit(&other.to_bcs().unwrap()).unwrap_err(), Refused::Update);

    assert!(run(&ledger, &signed(builder(&ledger, &worker, register(&ledger, "n"), 0), &worker)).await);
    let mut versions = Vec::new();
    for hash in hashes.iter().rev() {
        let committed = committed(&ledger, hash).await;
        assert!(committed.outcome.success);
        versions.push(committed.version);
    }
    assert!(versions.is_sorted());
}

#[tokio::test]
async fn parks_a_bounded_number_of_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, time) = open(folder.path());
    let worker = funded(&ledger).await;
    let submit = |number| {
        let transaction = signed(builder(&ledger, &worker, heartbeat(&ledger), number), &worker);
        ledger.submit(&transaction.to_bcs().unwrap()).map(|_| ())
    };
    for number in 1..=ACCOUNT_WAITING_MAX as u64 {
        submit(number).unwrap();
    }
    assert_eq!(submit(1_000).unwrap_err(), Refused::AccountFull);
    // Once they have expired there is room.
    time.fetch_add(40_000_000, Ordering::SeqCst);
    submit(1_000).unwrap();
}

#[tokio::test]
async fn nonces_are_remembered_until_they_expire() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, time) = open(folder.path());
    let worker = funded(&ledger).await;
    let orderless = |expires_in: u64| {
        let payload = heartbeat(&ledger).into_orderless(5).unwrap();
        let expires_s = ledger.now_us() / 1_000_000 + expires_in;
        signed(builder(&ledger, &worker, payload, u64::MAX).expiration_timestamp_secs(expires_s), &worker)
    };
    let submit = |transaction: &SignedTransaction| ledger.submit(&transaction.to_bcs().unwrap());
    assert!(matches!(submit(&orderless(61)).unwrap_err(), Refused::ExpiresTooLate { .. }));
    let first = orderless(60);
    assert!(!run(&ledger, &first).await, "no node of this account is registered");
    assert_eq!(submit(&first).unwrap_err(), Refused::NonceUsed(5));
    time.fetch_add(59_000_000, Ordering::SeqCst);
    assert_eq!(submit(&orderless(60)).unwrap_err(), Refused::NonceUsed(5));
    time.fetch_add(2_000_000, Ordering::SeqCst);
    assert!(matches!(submit(&first).unwrap_err(), Refused::Expired { .. }));
    assert!(submit(&orderless(60)).is_ok());
}

#[tokio::test]
async fn a_limit_below_the_cost_is_paid_without_effect() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let worker = funded(&ledger).await;
    let transaction = signed(builder(&ledger, &worker, register(&ledger, "n"), 0).max_gas_amount(100), &worker);
    let accepted = ledger.submit(&transaction.to_bcs().unwrap()).unwrap();
    let committed = committed(&ledger, &accepted.transaction.hash).await;
    assert_eq!(committed.outcome.vm_status, "Out of gas");
    assert_eq!(committed.outcome.gas_used, 100);
}

#[tokio::test]
async fn the_clock_may_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, time) = open(folder.path());
    let worker = funded(&ledger).await;
    let before = ledger.read(|chain| chain.timestamp_us());
    let transaction = signed(builder(&ledger, &worker, register(&ledger, "n"), 0), &worker);
    time.fetch_sub(5_000_000, Ordering::SeqCst);
    assert!(run(&ledger, &transaction).await);
    assert!(ledger.read(|chain| chain.timestamp_us()) > before);
}

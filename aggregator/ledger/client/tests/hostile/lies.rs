//! F28, one call at a time: a ledger that is down, loses, repeats, reorders or lies. The client says what is wrong in
//! an error of its own kind, and whatever it was told, a call lands once.

use crate::proxy::{Do, Gate, Of};
use crate::world::{EXPIRED_S, FUNDS, POOL, Person, SESSION, World, contribution, registration, session};
use contract::Abort;
use ledger_client::{Call, Client, ClientError, Found, Lie};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const NOBODY: &str = "0x00000000000000000000000000000000000000000000000000000000000000ff";

/// A world with an open session, its reporter and a worker.
async fn open() -> (World, Person, Person) {
    let mut world = World::start().await;
    let (reporter, worker) = (world.reporter().await, world.worker().await);
    world.does(&reporter, Call::CreateSession(session())).await;
    (world, reporter, worker)
}

fn settle(worker: &Person, settlement: u64) -> Call {
    Call::SubmitContributions { session_number: SESSION, settlement, entries: vec![contribution(worker, settlement)] }
}

/// So many settlements landed, each once and in order, whatever was said of them.
async fn has_settled(world: &World, worker: &Person, settlements: u64) {
    world.proxy.be_honest();
    let totals = world.client().contribution(SESSION, worker.address()).await.unwrap();
    assert_eq!((totals.count, totals.compute_time), (settlements, settlements * (settlements + 1) / 2));
    assert_eq!(world.client().session(SESSION).await.unwrap().unwrap().settlement, settlements);
    assert_eq!(world.vault(), POOL);
    world.check_books().await;
}

#[tokio::test]
async fn f28_a_ledger_that_fails_or_hangs_up_is_unreachable() {
    let (world, reporter, worker) = open().await;
    let of = [Of::Path("gas_price"), Of::Path("/balance/"), Of::Path("simulate"), Of::View("get_session")];
    for of in of {
        for act in [Do::Refuse(500), Do::Refuse(503), Do::Refuse(429), Do::Drop] {
            world.proxy.be_honest();
            world.proxy.always(of, act);
            let client = world.client();
            let failed = match of {
                Of::View(_) => client.session(SESSION).await.map(drop),
                _ => client.prepare(&reporter, &settle(&worker, 1)).await.map(drop),
            };
            assert!(matches!(failed, Err(ClientError::Unreachable { .. })), "{failed:?}");
        }
    }
    assert!(world.proxy.seen(Of::Submit).is_empty() || !world.successes().contains_key("submit_contributions"));
    has_settled(&world, &worker, 0).await;
}

#[tokio::test]
async fn f28_an_answer_that_is_lost_loses_no_call_and_doubles_none() {
    let (world, reporter, worker) = open().await;
    world.proxy.next(Of::Call("submit_contributions"), 1, Do::LoseAnswer);
    world.does(&reporter, settle(&worker, 1)).await;
    world.proxy.next(Of::Lookup, 2, Do::LoseAnswer);
    world.does(&reporter, settle(&worker, 2)).await;
    world.proxy.next(Of::Call("submit_contributions"), 1, Do::Twice);
    world.does(&reporter, settle(&worker, 3)).await;
    has_settled(&world, &worker, 3).await;
}

/// Makes a call that the proxy keeps from the ledger, until the call's time is over.
async fn times_out(world: &World, reporter: &Person, call: Call) -> ClientError {
    let (client, reporter) = (world.client(), ledger_client::Account::clone(reporter));
    let looked = world.proxy.seen(Of::Lookup).len();
    let call = tokio::spawn(async move { client.submit(&reporter, &call).await });
    world.proxy.until(Of::Lookup, looked + 1).await;
    world.pass_s(EXPIRED_S);
    call.await.unwrap().unwrap_err()
}

#[tokio::test]
async fn f28_a_call_that_never_arrived_expires_and_never_lands() {
    let (world, reporter, worker) = open().await;
    let late = Gate::new();
    for act in [Do::Drop, Do::Refuse(503), Do::Swallow, Do::Postpone(late.clone())] {
        world.proxy.be_honest();
        world.proxy.next(Of::Call("submit_contributions"), 1, act);
        let error = times_out(&world, &reporter, settle(&worker, 1)).await;
        assert!(matches!(error, ClientError::Expired(_)), "{error}");
    }
    // What comes after its time is refused, so that the next one is not doubled.
    late.open();
    world.does(&reporter, settle(&worker, 1)).await;
    has_settled(&world, &worker, 1).await;
}

#[tokio::test]
async fn f28_another_transactions_hash_is_not_believed() {
    let (world, reporter, worker) = open().await;
    for hash in [json!(NOBODY), json!(null), json!("0x1"), json!([1]), json!("x".repeat(5_000))] {
        for of in [Of::Call("submit_contributions"), Of::Lookup] {
            let settlement = world.successes().get("submit_contributions").map_or(1, |count| *count as u64 + 1);
            let hash = hash.clone();
            world.proxy.next(of, 1, Do::lie(move |answer| answer["hash"] = hash.clone()));
            let error = world.client().submit(&reporter, &settle(&worker, settlement)).await.unwrap_err();
            assert!(matches!(error, ClientError::Lie(Lie::Hash { .. })), "{error}");
            assert!(error.to_string().len() < 1_000, "{error}");
            landed(&world, "submit_contributions", settlement as usize).await;
            // It landed all the same; the same again is refused, not counted twice.
            let again = world.client().submit(&reporter, &settle(&worker, settlement)).await.unwrap_err();
            assert!(matches!(again, ClientError::Aborts { abort: Abort::SettlementOutOfOrder, .. }), "{again}");
        }
    }
    has_settled(&world, &worker, 10).await;
}

/// Waits until a function was called with success so often; the ledger commits in its own time.
async fn landed(world: &World, function: &str, times: usize) {
    let waits = world.proxy.seen(Of::Submit).last().unwrap().transaction().unwrap();
    world.committed(&waits.hash().unwrap().to_bytes()).await;
    assert_eq!(world.successes()[function], times);
}

/// The kinds of error that a lie about a transaction leads to.
#[derive(Debug, PartialEq)]
enum Told {
    Field,
    Event,
}

/// What a lie about a transaction changes in what the ledger says of it.
type Change = fn(&mut Json);

fn told(error: &ClientError) -> Option<Told> {
    match error {
        ClientError::Lie(Lie::Field { .. }) => Some(Told::Field),
        ClientError::Lie(Lie::Event { .. }) => Some(Told::Event),
        _ => None,
    }
}

#[tokio::test]
async fn f28_lies_about_what_a_transaction_did_are_told_apart() {
    let (world, reporter, worker) = open().await;
    let lies: [(Told, Change); 19] = [
        (Told::Field, |it| it["success"] = json!(false)),
        (Told::Field, |it| it["vm_status"] = json!("Out of gas")),
        (Told::Field, |it| it["sender"] = json!(NOBODY)),
        (Told::Field, |it| it["type"] = json!("genesis_transaction")),
        (Told::Field, |it| it["max_gas_amount"] = json!("1")),
        (Told::Field, |it| it["gas_unit_price"] = json!("99")),
        (Told::Field, |it| it["gas_used"] = json!(u64::MAX.to_string())),
        (Told::Field, |it| it["expiration_timestamp_secs"] = json!("1")),
        (Told::Field, |it| it["replay_protection_nonce"] = json!("1")),
        (Told::Field, |it| it["payload"]["function"] = json!("0x1::training_rewards::submit_contributions")),
        (Told::Field, |it| it["payload"]["arguments"][1] = json!("9")),
        (Told::Field, |it| it["payload"]["arguments"][2] = json!([NOBODY])),
        (Told::Field, |it| it["payload"]["arguments"][6] = json!("0x64")),
        (Told::Field, |it| it["payload"] = json!(null)),
        (Told::Event, |it| it["events"] = json!([])),
        (Told::Event, |it| it["events"].as_array_mut().unwrap().rotate_left(1)),
        (Told::Event, |it| it["events"][0]["data"]["compute_time"] = json!("1000000")),
        (Told::Event, |it| it["events"][0]["data"]["participant"] = json!(NOBODY)),
        (Told::Event, |it| it["events"][1]["data"]["settlement"] = json!("9")),
    ];
    let count = lies.len();
    for (settlement, (expected, change)) in (1..).zip(lies) {
        let only_landed = move |it: &mut Json| {
            if it["type"] != "pending_transaction" {
                change(it)
            }
        };
        world.proxy.always(Of::Lookup, Do::lie(only_landed));
        let error = world.client().submit(&reporter, &settle(&worker, settlement)).await.unwrap_err();
        assert_eq!(told(&error), Some(expected), "settlement {settlement}: {error}");
        world.proxy.be_honest();
    }
    has_settled(&world, &worker, count as u64).await;
}

#[tokio::test]
async fn f28_a_receipt_that_cannot_be_read_is_asked_for_again() {
    let (world, reporter, worker) = open().await;
    let changes: [Change; 3] =
        [|it| it["version"] = json!("-1"), |it| it["events"] = json!("none"), |it| it["timestamp"] = json!(null)];
    for (settlement, change) in (1..).zip(changes) {
        world.proxy.next(Of::Lookup, 2, Do::lie(change));
        world.proxy.next(Of::Lookup, 1, Do::Garbage(b"{".to_vec()));
        world.does(&reporter, settle(&worker, settlement)).await;
        assert!(world.proxy.has_followed_all());
    }
    has_settled(&world, &worker, 3).await;
}

#[tokio::test]
async fn f28_a_failure_that_is_called_a_success_is_found_out() {
    let (world, reporter, worker) = open().await;
    let client = world.client();
    let first = client.prepare(&reporter, &settle(&worker, 1)).await.unwrap();
    let second = client.prepare(&reporter, &settle(&worker, 1)).await.unwrap();
    assert!(client.send_and_wait(&first).await.unwrap().success);
    let praise = |it: &mut Json| {
        it["success"] = json!(true);
        it["vm_status"] = json!("Executed successfully");
    };
    world.proxy.next(Of::Lookup, 1, Do::lie(praise));
    let error = client.send_and_wait(&second).await.unwrap_err();
    assert!(matches!(error, ClientError::Lie(Lie::Event { .. })), "{error}");
    let honest = client.send_and_wait(&second).await.unwrap();
    assert_eq!((honest.success, honest.abort), (false, Some(Abort::SettlementOutOfOrder)));
    has_settled(&world, &worker, 1).await;
}

#[tokio::test]
async fn f28_another_chain_is_not_believed_and_none_is_a_lie() {
    let (world, _, worker) = open().await;
    let with = |name: &'static str, value: Option<&'static str>| {
        Do::Lie(Arc::new(move |answer| {
            answer.headers.remove(name);
            if let Some(value) = value {
                answer.headers.insert(name, value.parse().unwrap());
            }
        }))
    };
    let (chain, time) = ("x-aptos-chain-id", "x-aptos-ledger-timestampusec");
    for (name, value) in [(chain, Some("1")), (chain, Some("04")), (chain, Some("")), (chain, Some("x"))] {
        world.proxy.next(Of::Any, 1, with(name, value));
        let error = world.client().session(SESSION).await.unwrap_err();
        assert!(matches!(error, ClientError::OtherChain { expected: 4, .. }), "{error}");
    }
    for (name, value) in [(chain, None), (time, None), (time, Some("-1")), (time, Some("soon"))] {
        world.proxy.next(Of::Any, 1, with(name, value));
        let error = world.client().session(SESSION).await.unwrap_err();
        assert!(matches!(error, ClientError::Lie(Lie::NoHeader(_))), "{error}");
    }
    for value in ["0", "1700000000000000", "18446744073709551615"] {
        world.proxy.next(Of::Any, 1, with(time, Some(value)));
        let error = world.client().session(SESSION).await.unwrap_err();
        assert!(matches!(error, ClientError::OtherTime { .. }), "{error}");
    }
    has_settled(&world, &worker, 0).await;
}

#[tokio::test]
async fn f28_answers_that_are_none_cannot_be_read() {
    let (world, reporter, worker) = open().await;
    let bodies: [&[u8]; 7] = [b"", b"<html>", b"{\"hash\":", b"\xff\xfe", b"null", b"[[[]]]", b"{}"];
    let deep = b"[".repeat(100_000);
    for body in bodies.into_iter().chain([deep.as_slice()]) {
        for of in [Of::View("get_session"), Of::Path("gas_price"), Of::Path("/balance/"), Of::Path("simulate")] {
            world.proxy.next(of, 1, Do::Garbage(body.to_vec()));
            let error = match of {
                Of::View(_) => world.client().session(SESSION).await.map(drop),
                _ => world.client().prepare(&reporter, &settle(&worker, 1)).await.map(drop),
            };
            assert!(
                matches!(error, Err(ClientError::Unreadable(_))),
                "{:?}: {error:?}",
                String::from_utf8_lossy(body).get(..9)
            );
        }
    }
    has_settled(&world, &worker, 0).await;
}

#[tokio::test]
async fn f28_an_endless_answer_is_cut_off() {
    let (world, _, worker) = open().await;
    for of in [Of::View("get_session"), Of::View("get_contribution")] {
        world.proxy.next(of, 1, Do::Flood(1 << 40));
    }
    let error = world.client().session(SESSION).await.unwrap_err();
    assert!(matches!(&error, ClientError::Unreadable(what) if what.contains("bytes")), "{error}");
    let error = world.client().contribution(SESSION, worker.address()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreadable(_)), "{error}");
    has_settled(&world, &worker, 0).await;
}

#[tokio::test]
async fn f28_views_of_another_shape_cannot_be_read() {
    let (world, _, worker) = open().await;
    let changes: [Change; 6] = [
        |it| it[1] = json!(7),
        |it| it[1] = json!("18446744073709551616"),
        |it| it[2] = json!("false"),
        |it| it[0] = json!("nobody"),
        |it| drop(it.as_array_mut().unwrap().pop()),
        |it| it.as_array_mut().unwrap().push(json!("1")),
    ];
    for change in changes {
        world.proxy.next(Of::View("get_session"), 1, Do::lie(change));
        let error = world.client().session(SESSION).await.unwrap_err();
        assert!(matches!(error, ClientError::Unreadable(_)), "{error}");
    }
    has_settled(&world, &worker, 0).await;
}

#[tokio::test]
async fn f28_a_balance_that_is_invented_spends_nothing() {
    let (world, reporter, worker) = open().await;
    world.proxy.always(Of::Path("/balance/"), Do::lie(|balance| *balance = json!("0")));
    let error = world.client().submit(&reporter, &settle(&worker, 1)).await.unwrap_err();
    assert!(matches!(error, ClientError::BalanceLow { balance: 0, .. }), "{error}");
    world.proxy.be_honest();
    // A price out of proportion is refused before anything is signed.
    world.proxy.always(Of::Path("gas_price"), Do::lie(|price| price["gas_estimate"] = json!(1_001)));
    let error = world.client().submit(&reporter, &settle(&worker, 1)).await.unwrap_err();
    assert!(matches!(error, ClientError::PriceAboveCeiling { price: 1_001, .. }), "{error}");
    world.proxy.be_honest();
    world.proxy.always(Of::Path("simulate"), Do::lie(|outcome| outcome[0]["gas_used"] = json!("2000001")));
    let error = world.client().submit(&reporter, &settle(&worker, 1)).await.unwrap_err();
    assert!(matches!(error, ClientError::GasAboveCeiling { needed: 2_000_001, .. }), "{error}");
    has_settled(&world, &worker, 0).await;
}

#[tokio::test]
async fn f28_more_coins_than_there_are_do_not_help() {
    let mut world = World::start().await;
    let poor = world.poor();
    world.proxy.always(Of::Path("/balance/"), Do::lie(|balance| *balance = json!(FUNDS.to_string())));
    let call = Call::RegisterNode(registration("n"));
    // The simulation, and were it a lie too, the ledger itself, find that the account has nothing.
    let error = world.client().submit(&poor, &call).await.unwrap_err();
    assert!(matches!(error, ClientError::Fails { .. }), "{error}");
    let fine = |outcome: &mut Json| {
        outcome[0]["success"] = json!(true);
        outcome[0]["vm_status"] = json!("Executed successfully");
        outcome[0]["gas_used"] = json!("5000");
    };
    world.proxy.always(Of::Path("simulate"), Do::lie(fine));
    let error = world.client().submit(&poor, &call).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused(_)), "{error}");
    world.proxy.be_honest();
    assert_eq!(world.client().node(poor.address()).await.unwrap(), None);
    world.check_books().await;
}

#[tokio::test]
async fn f28_old_answers_change_nothing() {
    let (world, reporter, worker) = open().await;
    let client = world.client();
    let signed = client.prepare(&reporter, &settle(&worker, 1)).await.unwrap();
    assert!(matches!(client.look_up(&signed).await.unwrap(), Found::Absent { .. }));
    // The ledger goes on saying that it has no such transaction.
    world.proxy.next(Of::Lookup, 3, Do::Repeat);
    let receipt = client.send_and_wait(&signed).await.unwrap();
    assert!(receipt.success);
    // What became of the first is not what becomes of the second.
    let second = client.prepare(&reporter, &settle(&worker, 2)).await.unwrap();
    let (first, old) = (signed.hash().to_string(), world.proxy.last_answer(Of::Lookup).unwrap());
    assert!(String::from_utf8_lossy(&old).contains(&first));
    world.proxy.next(Of::Lookup, 1, Do::Garbage(old));
    let error = client.send_and_wait(&second).await.unwrap_err();
    assert!(matches!(error, ClientError::Lie(Lie::Hash { .. })), "{error}");
    assert!(client.send_and_wait(&second).await.unwrap().success);
    has_settled(&world, &worker, 2).await;
}

#[tokio::test]
async fn f28_settlements_that_overtake_each_other_keep_their_order() {
    let (world, reporter, worker) = open().await;
    let client = world.client();
    // Both were prepared before either ran; nothing but the contract knows their order.
    let first = client.prepare(&reporter, &settle(&worker, 1)).await.unwrap();
    let gate = Gate::new();
    world.proxy.next(Of::Call("submit_contributions"), 1, Do::Hold(gate.clone()));
    let held = tokio::spawn(sent(client.clone(), first));
    world.proxy.until(Of::Call("submit_contributions"), 1).await;
    let overtakes = client.submit(&reporter, &settle(&worker, 2)).await.unwrap_err();
    assert!(matches!(overtakes, ClientError::Aborts { abort: Abort::SettlementOutOfOrder, .. }), "{overtakes}");
    let unasked = world.force(&reporter, &settle(&worker, 2)).await;
    assert!(unasked.outcome.vm_status.contains("ESETTLEMENT_OUT_OF_ORDER"), "{:?}", unasked.outcome);
    gate.open();
    assert!(held.await.unwrap());
    world.does(&reporter, settle(&worker, 2)).await;
    has_settled(&world, &worker, 2).await;
}

async fn sent(client: Client, signed: ledger_client::Signed) -> bool {
    client.send_and_wait(&signed).await.unwrap().success
}

//! Whoever answers for the chain lies: about transactions, about what the contract holds, about its name and its time.

use super::{Run, SETTLEMENTS, lands_in_spite_of, says};
use crate::proxy::{Do, Of};
use crate::world::{PATIENCE, SESSION, session};
use serde_json::{Value as Json, json};
use std::sync::Arc;

#[tokio::test]
async fn f28_lies_about_hashes_double_nothing() {
    for of in [Of::Submit, Of::Lookup] {
        for hash in [json!("0x1"), json!(format!("0x{}", "ab".repeat(32))), Json::Null] {
            lands_in_spite_of(|proxy| proxy.next(of, 3, Do::lie(move |it| it["hash"] = hash.clone()))).await;
        }
    }
}

/// Says of a transaction that landed that it failed, in every part in which a failure shows.
fn slander(status: &'static str) -> Do {
    Do::lie(move |it| {
        if it["success"] == true {
            it["success"] = json!(false);
            it["vm_status"] = json!(status);
            it["events"] = json!([]);
        }
    })
}

#[tokio::test]
async fn f28_a_success_that_is_called_a_failure_is_not_repeated() {
    for times in [1, 4] {
        for status in ["Out of gas", "EXECUTION_LIMIT_REACHED"] {
            lands_in_spite_of(|proxy| proxy.next(Of::Lookup, times, slander(status))).await;
        }
    }
}

#[tokio::test]
async fn f28_lies_about_what_a_transaction_did_double_nothing() {
    let changes: [fn(&mut Json); 6] = [
        |it| it["success"] = json!(false),
        |it| it["events"] = json!([]),
        |it| it["version"] = json!("-"),
        |it| it["payload"]["arguments"] = json!([]),
        |it| it["type"] = json!("pending_transaction"),
        |it| it["sender"] = json!("0x1"),
    ];
    for change in changes {
        lands_in_spite_of(|proxy| proxy.next(Of::Lookup, 4, Do::lie(change))).await;
    }
}

#[tokio::test]
async fn f28_lies_about_the_session_double_nothing() {
    let changes: [fn(&mut Json); 7] = [
        |it| it[4] = json!("0"),
        |it| it[4] = json!("1"),
        |it| it[4] = json!("99"),
        |it| it[2] = json!(true),
        |it| it[1] = json!("1"),
        |it| it[0] = json!("0x5"),
        |it| *it = json!(["7"]),
    ];
    for change in changes {
        lands_in_spite_of(|proxy| {
            // The view is looked at where a transaction seems to be lost.
            proxy.next(Of::View("get_session"), 3, Do::lie(change));
            proxy.next(Of::Lookup, 2, slander("Out of gas"));
        })
        .await;
    }
}

#[tokio::test]
async fn f28_a_worker_that_is_said_not_to_be_registered_is_waited_for() {
    let abort = |address: String| {
        let body = json!({
            "message": format!(
                "Failed to execute function: Move abort in {address}::training_rewards: ENOT_REGISTERED(0x60005): no"
            ),
            "error_code": "invalid_input", "vm_error_code": 4016,
        });
        Do::Lie(Arc::new(move |answer| {
            answer.status = 400;
            answer.body = body.to_string().into_bytes();
        }))
    };
    let run = Run::new().await;
    let running = run.start();
    let denial = abort(run.world.ledger().module().to_string());
    run.world.proxy.always(Of::View("get_p2p_node"), denial);
    running.reporter.open_session(session()).unwrap();
    run.settle(&running.reporter, 1..=SETTLEMENTS);
    says(&running.reporter, |status| status.held == 15).await;
    assert_eq!(running.reporter.receipts().len(), 1);
    run.world.proxy.be_honest();
    assert!(running.reporter.drained(PATIENCE).await);
    run.world.check_books().await;
    for (place, worker) in (1..).zip(&run.workers) {
        let totals = run.world.client().contribution(SESSION, worker.address()).await.unwrap();
        assert_eq!((totals.count, totals.compute_time), (SETTLEMENTS, 150 + SETTLEMENTS * place));
    }
    run.finish(&running.reporter);
    assert!(running.reporter.drained(PATIENCE).await);
    run.is_paid_out().await;
}

fn header(name: &'static str, value: &'static str) -> Do {
    Do::Lie(Arc::new(move |answer| {
        answer.headers.insert(name, value.parse().unwrap());
    }))
}

#[tokio::test]
async fn f28_lies_about_the_chain_and_its_time_double_nothing() {
    for times in [1, 6] {
        lands_in_spite_of(|proxy| proxy.next(Of::Any, times, header("x-aptos-chain-id", "1"))).await;
    }
    // A time long past makes what is signed expire at once; one far ahead makes what was sent seem expired.
    for time in ["1000000", "1", "9000000000000000"] {
        for of in [Of::Lookup, Of::Path("/balance/")] {
            let lie = header("x-aptos-ledger-timestampusec", time);
            lands_in_spite_of(|proxy| proxy.next(of, 3, lie)).await;
        }
    }
}

#[tokio::test]
async fn f28_a_simulation_that_lies_costs_time_and_doubles_nothing() {
    let passes = |it: &mut Json, gas: &str| {
        it[0]["success"] = json!(true);
        it[0]["vm_status"] = json!("Executed successfully");
        it[0]["gas_used"] = json!(gas);
    };
    // Were it signed for a time far ahead, it would be refused until then.
    lands_in_spite_of(|proxy| {
        proxy.next(Of::Path("/balance/"), 4, header("x-aptos-ledger-timestampusec", "9000000000000000"));
        proxy.next(Of::Path("simulate"), 3, Do::lie(move |it| passes(it, "5000")));
    })
    .await;
    // With too little gas it fails, and is paid for.
    lands_in_spite_of(|proxy| proxy.next(Of::Path("simulate"), 3, Do::lie(move |it| passes(it, "100")))).await;
    let fails = |it: &mut Json| {
        it[0]["success"] = json!(false);
        it[0]["vm_status"] = json!("Out of gas");
    };
    lands_in_spite_of(|proxy| proxy.next(Of::Path("simulate"), 3, Do::lie(fails))).await;
}

#[tokio::test]
async fn f28_old_answers_double_nothing() {
    for of in [Of::Lookup, Of::View("get_session"), Of::Path("/balance/"), Of::Path("simulate")] {
        lands_in_spite_of(|proxy| proxy.next(of, 5, Do::Repeat)).await;
    }
}

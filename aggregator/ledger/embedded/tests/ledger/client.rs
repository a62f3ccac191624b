//! What the chain's client library does, against the ledger.

use crate::support::{FUNDS, Served, builder, heartbeat, register, signed};
use aptos_sdk::account::Ed25519Account;
use aptos_sdk::transaction::{InputEntryFunctionData, SponsoredTransactionBuilder};
use aptos_sdk::types::ChainId;
use serde_json::json;

#[tokio::test]
async fn funds_registers_waits_and_views() {
    let served = Served::start();
    let worker = served.funded().await;
    let done = served.aptos.sign_submit_and_wait(&worker, register(&served.ledger, "node-1"), None).await.unwrap();
    assert_eq!(done.data["success"], true);
    assert_eq!(done.data["vm_status"], "Executed successfully");
    assert_eq!(done.data["events"][0]["type"], served.function("NodeRegistered"));
    assert_eq!(done.data["events"][0]["data"]["node_id"], "node-1");
    assert_eq!(done.data["payload"]["arguments"], json!(["node-1", "key", "10", "20"]));

    let address = worker.address().to_string();
    let view = served.function("get_p2p_node");
    let node = served.aptos.view(&view, vec![], vec![json!(address)]).await.unwrap();
    assert_eq!(node[0], "node-1");
    assert_eq!(node[2], "10");
    assert_eq!(node[6], true);
    let args = vec![aptos_bcs::to_bytes(&worker.address()).unwrap()];
    let by_bcs = served.aptos.fullnode().view_bcs_args(&view, vec![], args).await.unwrap();
    assert_eq!(by_bcs.data, node);

    let gas: u64 = done.data["gas_used"].as_str().unwrap().parse().unwrap();
    let price: u64 = done.data["gas_unit_price"].as_str().unwrap().parse().unwrap();
    assert_eq!(served.aptos.get_balance(worker.address()).await.unwrap(), FUNDS - gas * price);
    assert_eq!(served.aptos.get_sequence_number(worker.address()).await.unwrap(), 1);
}

#[tokio::test]
async fn an_abort_is_committed_with_its_sentence() {
    let served = Served::start();
    let worker = served.funded().await;
    let error = served.aptos.sign_submit_and_wait(&worker, heartbeat(&served.ledger), None).await.unwrap_err();
    let expected = format!(
        "Move abort in {}::training_rewards: ENOT_REGISTERED(0x60005): no node of this address is registered",
        served.ledger.module()
    );
    assert!(error.to_string().contains(&expected), "{error}");
    // The fee was paid and the number used all the same.
    assert_eq!(served.aptos.get_sequence_number(worker.address()).await.unwrap(), 1);
    assert!(served.aptos.get_balance(worker.address()).await.unwrap() < FUNDS);
}

#[tokio::test]
async fn simulates_without_effect() {
    let served = Served::start();
    let worker = served.funded().await;
    let good = served.aptos.simulate(&worker, register(&served.ledger, "node-1")).await.unwrap();
    assert!(good.success(), "{}", good.vm_status());
    assert!(good.gas_used() > 0);
    let bad = served.aptos.simulate(&worker, heartbeat(&served.ledger)).await.unwrap();
    assert!(bad.vm_status().contains("ENOT_REGISTERED(0x60005)"), "{}", bad.vm_status());
    let estimate = served.aptos.estimate_gas(&worker, register(&served.ledger, "node-1")).await.unwrap();
    assert!(estimate >= good.gas_used());
    assert_eq!(served.aptos.get_sequence_number(worker.address()).await.unwrap(), 0);
    let signed = signed(builder(&served.ledger, &worker, heartbeat(&served.ledger), 0), &worker);
    let path = "/v1/transactions/simulate";
    let (status, body) = served.post(path, crate::support::TRANSACTION, &signed.to_bcs().unwrap()).await;
    assert_eq!((status, &body["error_code"]), (400, &json!("invalid_input")), "{body}");
}

#[tokio::test]
async fn a_sponsor_pays_for_an_account_that_has_nothing() {
    let served = Served::start();
    let (worker, sponsor) = (Ed25519Account::generate(), served.funded().await);
    let number = served.aptos.get_sequence_number(worker.address()).await.unwrap();
    let transaction = SponsoredTransactionBuilder::new()
        .sender(worker.address())
        .sequence_number(number)
        .fee_payer(sponsor.address())
        .payload(register(&served.ledger, "sponsored"))
        .max_gas_amount(10_000)
        .gas_unit_price(100)
        .expiration_from_now(30)
        .chain_id(ChainId::new(4))
        .build_and_sign(&worker, &[], &sponsor)
        .unwrap();
    let done = served.aptos.submit_and_wait(&transaction, None).await.unwrap();
    assert_eq!(done.data["signature"]["type"], "fee_payer_signature");
    assert_eq!(served.aptos.get_balance(worker.address()).await.unwrap(), 0);
    assert!(served.aptos.get_balance(sponsor.address()).await.unwrap() < FUNDS);
    assert_eq!(served.aptos.get_sequence_number(worker.address()).await.unwrap(), 1);
    assert_eq!(served.aptos.get_sequence_number(sponsor.address()).await.unwrap(), 0);
}

#[tokio::test]
async fn orderless_transactions_land_once() {
    let served = Served::start();
    let worker = served.funded().await;
    let payload = register(&served.ledger, "orderless");
    let done = served.aptos.sign_submit_and_wait_orderless(&worker, payload, Some(7), None).await.unwrap();
    assert_eq!(done.data["replay_protection_nonce"], "7");
    assert_eq!(served.aptos.get_sequence_number(worker.address()).await.unwrap(), 0);
    let again = served.aptos.sign_and_submit_orderless(&worker, heartbeat(&served.ledger), Some(7)).await.unwrap_err();
    assert!(again.to_string().contains("NONCE_ALREADY_USED"), "{again}");
    served.aptos.sign_submit_and_wait_orderless(&worker, heartbeat(&served.ledger), Some(8), None).await.unwrap();
}

#[tokio::test]
async fn a_batch_of_the_library_lands_whole() {
    let served = Served::start();
    let worker = served.funded().await;
    served.aptos.sign_submit_and_wait(&worker, register(&served.ledger, "batch"), None).await.unwrap();
    // Each may cost 2 coins at the library's limit, so the sender must hold as much.
    let worker_address = worker.address();
    served.aptos.fund_account(worker_address, 10 * FUNDS).await.unwrap();
    let payloads = (0..20).map(|_| heartbeat(&served.ledger)).collect();
    let results = served.aptos.submit_batch_and_wait(&worker, payloads, None).await.unwrap();
    assert_eq!(results.len(), 20);
    results.into_iter().for_each(|result| assert!(result.result.is_ok()));
    assert_eq!(served.aptos.get_sequence_number(worker_address).await.unwrap(), 21);
}

#[tokio::test]
async fn the_admin_runs_a_session_and_a_worker_is_paid() {
    let served = Served::start();
    let (admin, worker) = (served.ledger.admin(), served.funded().await);
    served.aptos.fund_account(admin.address(), 50_000).await.unwrap();
    served.aptos.sign_submit_and_wait(&worker, register(&served.ledger, "paid"), None).await.unwrap();
    let call = |name: &str| InputEntryFunctionData::new(&served.function(name));
    let session = call("create_session").arg(1_u64).arg(vec![7_u8; 32]).arg(1_000_u64).build().unwrap();
    let contribution = call("submit_detailed_contribution")
        .arg(1_u64)
        .arg(worker.address())
        .arg(100_u64)
        .arg(95_u64)
        .arg(1_000_u64)
        .arg(100_u64)
        .build()
        .unwrap();
    let pay = call("distribute_rewards").arg(1_u64).build().unwrap();
    let delay = call("set_claim_delay").arg(0_u64).build().unwrap();
    for payload in [delay, session, contribution, pay] {
        served.aptos.sign_submit_and_wait(admin, payload, None).await.unwrap();
    }
    let (_, before) =
        served.get(&format!("/v1/accounts/{}/balance/{}", worker.address(), served.ledger.module())).await;
    let claim = call("claim_reward").arg(1_u64).build().unwrap();
    served.aptos.sign_submit_and_wait(&worker, claim, None).await.unwrap();
    let (_, after) = served.get(&format!("/v1/accounts/{}/balance/{}", worker.address(), served.ledger.module())).await;
    assert_eq!(after.as_u64().unwrap() - before.as_u64().unwrap(), 1_000);
}

#[tokio::test]
async fn the_gas_coin_can_be_transferred() {
    let served = Served::start();
    let (from, to) = (served.funded().await, Ed25519Account::generate());
    served.aptos.transfer_apt(&from, to.address(), 5_000).await.unwrap();
    assert_eq!(served.aptos.get_balance(to.address()).await.unwrap(), 5_000);
    let error = served.aptos.transfer_apt(&from, to.address(), 2 * FUNDS).await.unwrap_err();
    assert!(error.to_string().contains("EINSUFFICIENT_BALANCE"), "{error}");
}

/// The gas estimates of `move/README.md` rest on these.
#[tokio::test]
async fn transactions_are_as_long_as_the_gas_table_says() {
    const ENTRIES: usize = 256;
    let served = Served::start();
    let (reporter, sponsor) = (Ed25519Account::generate(), Ed25519Account::generate());
    let (who, column) = (vec![reporter.address(); ENTRIES], vec![u64::MAX; ENTRIES]);
    let call = InputEntryFunctionData::new(&served.function("submit_contributions")).arg(1_u64).arg(1_u64).arg(who);
    let payload = call.arg(column.clone()).arg(column.clone()).arg(column.clone()).arg(column).build().unwrap();
    let alone = signed(builder(&served.ledger, &reporter, payload.clone(), 0), &reporter).to_bcs().unwrap();
    let sponsored = SponsoredTransactionBuilder::new().sender(reporter.address()).sequence_number(0).payload(payload);
    let sponsored = sponsored.fee_payer(sponsor.address()).expiration_from_now(30).chain_id(ChainId::new(4));
    let sponsored = sponsored.build_and_sign(&reporter, &[], &sponsor).unwrap().to_bcs().unwrap();

    let folder = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let readme = std::fs::read_to_string(folder.join("../../../move/README.md")).unwrap();
    // A page is wrapped as it likes.
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = format!("a transaction of {},{:03} bytes", alone.len() / 1_000, alone.len() % 1_000);
    let longer = format!("then {} bytes longer", sponsored.len() - alone.len());
    assert!(readme.contains(&length) && readme.contains(&longer), "{length}; {longer}");
}

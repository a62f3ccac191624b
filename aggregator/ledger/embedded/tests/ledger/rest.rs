//! The forms of the REST interface that any other client reads.

use crate::support::{Served, builder, heartbeat, register, signed};
use aptos_sdk::account::Ed25519Account;
use ledger_embedded::Options;
use serde_json::json;

#[tokio::test]
async fn answers_like_a_node() {
    let served = Served::start();
    let (status, head, info) = served.http("GET /v1 HTTP/1.1\r\nHost: localhost", b"").await;
    assert_eq!(status, 200);
    assert_eq!(info["chain_id"], 4);
    assert_eq!(info["ledger_version"], "0");
    for header in ["chain-id: 4", "ledger-version: 0", "ledger-oldest-version: 0", "epoch: 1", "block-height: 0"] {
        assert!(head.contains(&format!("x-aptos-{header}")), "{head}");
    }
    assert!(head.contains("x-aptos-ledger-timestampusec: "), "{head}");
    assert_eq!(served.get("/v1/-/healthy").await, (200, json!({ "message": "aptos-node:ok" })));
    assert_eq!(served.get("/v1/estimate_gas_price").await.1["gas_estimate"], 100);
}

#[tokio::test]
async fn shows_accounts_modules_and_resources() {
    let served = Served::start();
    let worker = served.funded().await;
    let address = worker.address().to_string();
    let (_, account) = served.get(&format!("/v1/accounts/{address}")).await;
    assert_eq!(account, json!({ "sequence_number": "0", "authentication_key": address }));

    let module = format!("/v1/accounts/{}/module/training_rewards", served.ledger.module());
    let (_, module) = served.get(&module).await;
    let functions = module["abi"]["exposed_functions"].as_array().unwrap();
    let register = functions.iter().find(|function| function["name"] == "register_p2p_node").unwrap();
    assert_eq!(register["is_entry"], true);
    assert_eq!(register["params"][0], "&signer");
    assert_eq!(served.get(&format!("/v1/accounts/{}/modules", served.ledger.module())).await.1, json!([module]));
    let (status, none) = served.get(&format!("/v1/accounts/{address}/module/nothing")).await;
    assert_eq!((status, &none["error_code"]), (404, &json!("module_not_found")));

    let coin = "0x1::coin::CoinStore%3C0x1::aptos_coin::AptosCoin%3E";
    let (_, coin) = served.get(&format!("/v1/accounts/{address}/resource/{coin}")).await;
    assert_eq!(coin["data"]["coin"]["value"], "1000000000");
    let (status, none) = served.get(&format!("/v1/accounts/{address}/resource/0x1::a::B")).await;
    assert_eq!((status, &none["error_code"]), (404, &json!("resource_not_found")));
    assert_eq!(none["vm_error_code"], json!(null));
    for asset in ["0x1::aptos_coin::AptosCoin", "0xa"] {
        assert_eq!(served.get(&format!("/v1/accounts/{address}/balance/{asset}")).await, (200, json!(1_000_000_000)));
    }
}

#[tokio::test]
async fn finds_transactions_and_blocks() {
    let served = Served::start();
    let worker = served.funded().await;
    let transaction = signed(builder(&served.ledger, &worker, register(&served.ledger, "n"), 0), &worker);
    let (status, pending) = served.submit(&transaction).await;
    assert_eq!(status, 202, "{pending}");
    assert_eq!(pending["type"], "pending_transaction");
    assert_eq!(pending["sequence_number"], "0");
    let hash = pending["hash"].as_str().unwrap();
    assert_eq!(hash, transaction.hash().unwrap().to_string());
    let (_, done) = served.get(&format!("/v1/transactions/wait_by_hash/{hash}")).await;
    assert_eq!(done["success"], true, "{done}");
    assert_eq!(served.get(&format!("/v1/transactions/by_hash/{hash}")).await.1, done);
    let version = done["version"].as_str().unwrap();
    assert_eq!(served.get(&format!("/v1/transactions/by_version/{version}")).await.1, done);
    let of_account = format!("/v1/accounts/{}/transactions", worker.address());
    assert_eq!(served.get(&of_account).await.1, json!([done]));
    assert_eq!(served.get(&format!("{of_account}?start=1")).await.1, json!([]));
    assert_eq!(served.get(&format!("/v1/transactions?start={version}&limit=1")).await.1, json!([done]));
    let (_, block) = served.get(&format!("/v1/blocks/by_version/{version}?with_transactions=true")).await;
    assert_eq!(block["transactions"][0], done);
    let height = block["block_height"].as_str().unwrap();
    assert_eq!(served.get(&format!("/v1/blocks/by_height/{height}")).await.1["last_version"], *version);
    assert_eq!(served.get("/v1/transactions/by_version/0").await.1["type"], "genesis_transaction");
    assert_eq!(served.get("/v1/transactions/by_version/99").await.0, 404);
    let unknown = "/v1/transactions/by_hash/0x0000000000000000000000000000000000000000000000000000000000000001";
    let (status, none) = served.get(unknown).await;
    assert_eq!((status, &none["error_code"]), (404, &json!("transaction_not_found")));
}

#[tokio::test]
async fn a_batch_names_what_it_refused() {
    let served = Served::start();
    let worker = served.funded().await;
    let good = signed(builder(&served.ledger, &worker, register(&served.ledger, "n"), 0), &worker);
    let bad = signed(builder(&served.ledger, &worker, heartbeat(&served.ledger), 1).gas_unit_price(1), &worker);
    let path = "/v1/transactions/batch";
    let body = aptos_bcs::to_bytes(&vec![&good, &bad]).unwrap();
    let (status, answer) = served.post(path, crate::support::TRANSACTION, &body).await;
    assert_eq!(status, 206, "{answer}");
    assert_eq!(answer["transaction_failures"][0]["transaction_index"], 1);
    assert_eq!(answer["transaction_failures"][0]["error"]["vm_error_code"], 15);
    let body = aptos_bcs::to_bytes(&vec![&good]).unwrap();
    let hash = good.hash().unwrap();
    served.get(&format!("/v1/transactions/wait_by_hash/{hash}")).await;
    assert_eq!(served.post(path, crate::support::TRANSACTION, &body).await.0, 206);
}

#[tokio::test]
async fn views_say_why_they_fail() {
    let served = Served::start();
    let view = |name: &str, arguments: serde_json::Value| {
        json!({ "function": served.function(name), "type_arguments": [], "arguments": arguments }).to_string()
    };
    let kind = "application/json; charset=utf-8";
    let score = view("calculate_contribution_score", json!(["1", "2", "3", "4"]));
    assert_eq!(served.post("/v1/view", kind, score.as_bytes()).await.0, 200);
    let aborted = view("get_p2p_node", json!(["0x1"]));
    let (status, answer) = served.post("/v1/view", kind, aborted.as_bytes()).await;
    assert_eq!((status, &answer["vm_error_code"]), (400, &json!(4016)), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("ENOT_REGISTERED(0x60005)"), "{answer}");
    for wrong in
        [view("get_p2p_node", json!([])), view("get_p2p_node", json!([1])), view("none", json!([])), "[".into()]
    {
        let (status, answer) = served.post("/v1/view", kind, wrong.as_bytes()).await;
        assert_eq!((status, &answer["error_code"]), (400, &json!("invalid_input")), "{wrong} {answer}");
    }
}

#[tokio::test]
async fn the_faucet_can_be_switched_off() {
    let served = Served::with(Options { faucet: false, ..Options::default() });
    let to = Ed25519Account::generate().address();
    let (status, answer) = served.post(&format!("/mint?address={to}&amount=1"), "", b"").await;
    assert_eq!((status, &answer["error_code"]), (403, &json!("api_disabled")));
    assert_eq!(served.aptos.get_balance(to).await.unwrap(), 0);
}

#[tokio::test]
async fn the_faucet_takes_json_and_names_of_assets() {
    let served = Served::start();
    let to = Ed25519Account::generate().address();
    let body = json!({ "address": to.to_string(), "amount": 5 }).to_string();
    let (status, answer) = served.post("/fund", "application/json", body.as_bytes()).await;
    assert_eq!((status, answer["txn_hashes"].as_array().unwrap().len()), (200, 1), "{answer}");
    assert_eq!(served.post(&format!("/mint?address={to}&amount=2&asset=gas"), "", b"").await.0, 200);
    assert_eq!(served.post(&format!("/mint?address={to}&amount=3&asset=reward"), "", b"").await.0, 200);
    assert_eq!(served.get(&format!("/v1/accounts/{to}/balance/0xa")).await.1, 7);
    assert_eq!(served.get(&format!("/v1/accounts/{to}/balance/{}", served.ledger.module())).await.1, 8);
}

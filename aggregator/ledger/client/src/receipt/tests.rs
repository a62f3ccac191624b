use super::*;
use crate::transport::Transport;
use crate::{Account, Asset, Call, Ceilings, Client, Entry, Home, Registration, SessionConditions};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const MODULE_AT: Address = Address([9; 32]);

#[test]
fn every_entry_function_has_its_event() {
    let named: Vec<_> = ENDS.iter().map(|(function, ..)| *function).collect();
    let entries: Vec<_> = contract::abi().iter().filter(|of| of.is_entry).map(|of| of.name).collect();
    assert_eq!(named, entries);
}

#[test]
fn reads_the_contracts_aborts_alone() {
    let read = |status: &str| abort(status, &MODULE_AT);
    for expected in Abort::ALL {
        assert_eq!(read(&format!("Move abort in {MODULE_AT}::training_rewards: {expected}")), Some(expected));
        let bare = format!("Move abort in {MODULE_AT}::training_rewards: {:#x}", expected.code());
        assert_eq!(read(&bare), Some(expected));
    }
    for status in [
        "Executed successfully".to_owned(),
        "Out of gas".to_owned(),
        format!("Move abort in {MODULE_AT}::other: EPAUSED(0x30003): x"),
        "Move abort in 0x1::training_rewards: EPAUSED(0x30003): x".to_owned(),
        format!("Move abort in {MODULE_AT}::training_rewards: EPAUSED(0x3ffff): x"),
    ] {
        assert_eq!(read(&status), None, "{status}");
    }
}

/// A batch that landed on the embedded ledger, and the node's rendering of it.
async fn landed() -> (Signed, Home, Json) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger_embedded::Ledger::open(folder.path(), ledger_embedded::Options::default()).unwrap();
    let (address, server) =
        ledger_embedded::serve(ledger.clone(), "127.0.0.1:0".parse().unwrap(), CancellationToken::new()).unwrap();
    tokio::spawn(server);
    let home = Home { url: format!("http://{address}"), chain_id: 4, module: ledger.module() };
    let client = Client::new(home.clone(), Ceilings::default()).unwrap();
    let admin = Account::from_secret(&ledger.admin().private_key().to_bytes());
    client.mint(admin.address(), 100, Asset::Reward).await.unwrap();
    let node = Registration { node_id: "n".into(), public_key: "k".into(), compute_capacity: 1, bandwidth: 2 };
    let conditions = SessionConditions { session_number: 1, job_fingerprint: [1; 32], pool: 100 };
    for call in [Call::RegisterNode(node), Call::CreateSession(conditions)] {
        client.submit(&admin, &call).await.unwrap();
    }
    let entry = |compute_time| Entry {
        worker: [0; 32],
        address: admin.address().0,
        compute_time,
        gradient_quality: 2,
        data_transmitted: 3,
        uptime_ratio: 4,
    };
    let call = Call::SubmitContributions { session_number: 1, settlement: 1, entries: vec![entry(5), entry(6)] };
    let signed = client.prepare(&admin, &call).await.unwrap();
    client.send_and_wait(&signed).await.unwrap();
    let path = format!("/transactions/by_hash/{}", signed.hash());
    let answer = Transport::new(home.clone()).unwrap().get(&path).await.unwrap().unwrap();
    (signed, home, answer.body)
}

#[tokio::test]
async fn a_receipt_that_differs_anywhere_is_a_lie() {
    let (signed, home, honest) = landed().await;
    let target = home.target();
    assert!(read(&signed, target, &honest).unwrap().unwrap().success);
    let other = json!(format!("0x{}", "ab".repeat(32)));
    let changes = [
        ("/hash", other.clone()),
        ("/hash", Json::Null),
        ("/sender", other.clone()),
        ("/type", json!("genesis_transaction")),
        ("/max_gas_amount", json!("1")),
        ("/gas_unit_price", json!("1")),
        ("/gas_used", json!("1999999")),
        ("/expiration_timestamp_secs", json!("1")),
        ("/replay_protection_nonce", json!("1")),
        ("/replay_protection_nonce", Json::Null),
        ("/success", json!(false)),
        ("/vm_status", json!("Out of gas")),
        ("/payload/function", json!(format!("{}::training_rewards::close_session", target.module))),
        ("/payload/function", json!("0x1::training_rewards::submit_contributions")),
        ("/payload/arguments/1", json!("2")),
        ("/payload/arguments/2/0", other.clone()),
        ("/payload/arguments/3/1", json!("60")),
        ("/payload/arguments", json!([])),
        ("/events", json!([])),
        ("/events/0/data/compute_time", json!("50")),
        ("/events/1/data/participant", other),
        ("/events/1/type", json!("0x1::training_rewards::ContributionSubmitted")),
        ("/events/2/data/entries", json!("1")),
        ("/events/2/data/settlement", json!("2")),
        ("/events/2/type", json!(format!("{}::training_rewards::Paused", target.module))),
    ];
    for (place, value) in changes {
        let mut told = honest.clone();
        let found = told.pointer_mut(place).unwrap_or_else(|| panic!("{place} in {honest}"));
        assert_ne!(*found, value, "{place}");
        *found = value;
        let refused = read(&signed, target, &told);
        assert!(matches!(refused, Err(ClientError::Lie(_))), "{place}: {refused:?}");
    }
    let mut waiting = honest.clone();
    waiting["type"] = json!("pending_transaction");
    assert_eq!(read(&signed, target, &waiting), Ok(None));
    for missing in ["version", "timestamp", "gas_used", "success", "vm_status", "events"] {
        let mut told = honest.clone();
        told.as_object_mut().unwrap().remove(missing);
        assert!(read(&signed, target, &told).is_err(), "{missing}");
    }
    for told in [Json::Null, json!([]), json!({}), json!("x")] {
        assert!(read(&signed, target, &told).is_err());
    }
}

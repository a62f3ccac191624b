//! What is reported in the tests of both kinds, and what the ledger then holds, whatever a client would be told.

use aptos_sdk::transaction::EntryFunction;
use contract::{Address, Value};
use ledger_client::{Anchor, Registration, SessionConditions};
use ledger_embedded::Ledger;

pub(crate) const SESSION: u64 = 7;

pub(crate) fn registration(id: &str) -> Registration {
    Registration { node_id: id.into(), public_key: "key".into(), compute_capacity: 1, bandwidth: 2 }
}

pub(crate) fn session(pool: u64) -> SessionConditions {
    SessionConditions { session_number: SESSION, job_fingerprint: [7; 32], pool }
}

pub(crate) fn anchor(round: u64) -> Anchor {
    Anchor {
        round,
        checkpoint_hash: [1; 32],
        manifest_root: [2; 32],
        audit_head: [3; 32],
        loss_micronats: 4,
        interval_tokens: 5,
        duration_ms: 6,
    }
}

/// What an account holds of the reward asset, which is named by the module's address.
pub(crate) fn holds(ledger: &Ledger, account: Address) -> u64 {
    let asset = ledger.module().to_string();
    ledger.read(|chain| chain.balance(&account, &asset)).unwrap()
}

/// What the vault holds for all sessions.
pub(crate) fn vault(ledger: &Ledger) -> u64 {
    let name = format!("{}::training_rewards::vault_balance", ledger.module());
    let call = EntryFunction::from_function_id(&name, Vec::new(), Vec::new()).unwrap();
    match ledger.read(|chain| chain.view(&call, ledger.now_us())).unwrap()[..] {
        [Value::U64(held)] => held,
        ref other => panic!("{other:?}"),
    }
}

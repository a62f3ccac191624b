//! Transactions, blocks and the contract's interface in the node's JSON.

use crate::chain::{Chain, Committed, Emitted, Kind, Outcome};
use crate::transaction::{Hash, Replay, Transaction};
use aptos_sdk::transaction::{AccountAuthenticator, EntryFunction, TransactionAuthenticator};
use contract::{Address, EXECUTED, GAS_COIN, MODULE, Type, Value};
use serde_json::{Value as Json, json};

/// Bytes as `0x` and digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", ::hex::encode(bytes))
}

/// The sender of the faucet's gifts: the account that mints on a local Aptos network.
const FAUCET: &str = "0x000000000000000000000000000000000000000000000000000000000a550c18";

/// A committed transaction.
pub(super) fn committed(chain: &Chain, committed: &Committed) -> Json {
    let mut body = match &committed.kind {
        Kind::Genesis => json!({ "type": "genesis_transaction", "payload": { "type": "write_set_payload" } }),
        Kind::Mint(mint) => json!({
            "type": "user_transaction", "sender": FAUCET, "sequence_number": mint.number.to_string(),
            "max_gas_amount": "0", "gas_unit_price": "0", "expiration_timestamp_secs": u64::MAX.to_string(),
            "payload": {
                "type": "entry_function_payload", "function": "0x1::aptos_coin::mint", "type_arguments": [],
                "arguments": [mint.to.to_string(), mint.gas.to_string()],
            },
        }),
        Kind::User(transaction) => user(chain, transaction),
    };
    add_outcome(&mut body, committed.version, &committed.hash, committed.timestamp_us, &committed.outcome);
    body
}

/// What a transaction would do.
pub(super) fn simulated(chain: &Chain, transaction: &Transaction, outcome: &Outcome) -> Json {
    let mut body = user(chain, transaction);
    add_outcome(&mut body, chain.version(), &transaction.hash, chain.timestamp_us(), outcome);
    body
}

/// A transaction that waits.
pub(super) fn waiting(chain: &Chain, transaction: &Transaction) -> Json {
    let mut body = user(chain, transaction);
    body["type"] = "pending_transaction".into();
    body["hash"] = hex(&transaction.hash).into();
    body
}

fn add_outcome(body: &mut Json, version: u64, hash: &Hash, timestamp_us: u64, outcome: &Outcome) {
    // The ledger has no tree of its state; these stand where a node's proofs are.
    let none = hex(&[0; 32]);
    body["version"] = version.to_string().into();
    body["hash"] = hex(hash).into();
    body["state_change_hash"] = none.clone().into();
    body["event_root_hash"] = none.clone().into();
    body["state_checkpoint_hash"] = Json::Null;
    body["accumulator_root_hash"] = none.into();
    body["gas_used"] = outcome.gas_used.to_string().into();
    body["success"] = outcome.success.into();
    body["vm_status"] = outcome.vm_status.as_str().into();
    body["changes"] = json!([]);
    body["events"] = outcome.events.iter().map(event).collect();
    body["timestamp"] = timestamp_us.to_string().into();
}

fn event(event: &Emitted) -> Json {
    json!({
        "guid": { "creation_number": "0", "account_address": "0x0" },
        "sequence_number": "0", "type": event.kind, "data": event.data,
    })
}

fn user(chain: &Chain, transaction: &Transaction) -> Json {
    let raw = &transaction.signed.raw_txn;
    let nonce = match transaction.replay {
        Replay::Nonce(nonce) => Json::from(nonce.to_string()),
        Replay::Sequence(_) => Json::Null,
    };
    json!({
        "type": "user_transaction",
        "sender": transaction.sender.to_string(),
        "sequence_number": raw.sequence_number.to_string(),
        "max_gas_amount": raw.max_gas_amount.to_string(),
        "gas_unit_price": raw.gas_unit_price.to_string(),
        "expiration_timestamp_secs": raw.expiration_timestamp_secs.to_string(),
        "replay_protection_nonce": nonce,
        "payload": transaction.call().map_or(Json::Null, |call| payload(chain, call)),
        "signature": signature(&transaction.signed.authenticator),
    })
}

fn payload(chain: &Chain, call: &EntryFunction) -> Json {
    let address = Address(call.module.address.to_bytes());
    let ours = address == chain.module() && call.module.name.as_str() == MODULE;
    let params: &[Type] = match function(&call.function).filter(|_| ours) {
        Some(function) => function.params,
        None if call.module.name.as_str() != MODULE && call.function == "transfer" => &[Type::Address, Type::U64],
        None => &[],
    };
    let params: Vec<_> = params.iter().filter(|param| **param != Type::Signer).collect();
    let argument = |(place, bytes): (usize, &Vec<u8>)| {
        let value = params.get(place).and_then(|ty| Value::from_bcs(ty, bytes).ok());
        value.map_or_else(|| Json::from(hex(bytes)), |value| value.json())
    };
    json!({
        "type": "entry_function_payload",
        "function": format!("{}::{}::{}", short(&address), call.module.name, call.function),
        "type_arguments": call.type_args.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "arguments": call.args.iter().enumerate().map(argument).collect::<Vec<_>>(),
    })
}

/// The framework's addresses in their short form, as nodes write them.
fn short(address: &Address) -> String {
    aptos_sdk::types::AccountAddress::new(address.0).to_string()
}

fn signature(authenticator: &TransactionAuthenticator) -> Json {
    match authenticator {
        TransactionAuthenticator::Ed25519 { public_key, signature } => {
            json!({ "type": "ed25519_signature", "public_key": hex(&public_key.0), "signature": hex(&signature.0) })
        }
        TransactionAuthenticator::FeePayer { sender, fee_payer_address, fee_payer_signer, .. } => json!({
            "type": "fee_payer_signature", "sender": account_signature(sender), "secondary_signer_addresses": [],
            "secondary_signers": [], "fee_payer_address": hex(fee_payer_address.as_bytes()),
            "fee_payer_signer": account_signature(fee_payer_signer),
        }),
        TransactionAuthenticator::SingleSender { sender } => {
            json!({ "type": "single_sender", "sender": account_signature(sender) })
        }
        TransactionAuthenticator::MultiEd25519 { public_key, signature } => json!({
            "type": "multi_ed25519_signature", "public_key": hex(public_key), "signature": hex(signature),
        }),
        TransactionAuthenticator::MultiAgent { .. } => Json::Null,
    }
}

fn account_signature(authenticator: &AccountAuthenticator) -> Json {
    match authenticator {
        AccountAuthenticator::Ed25519 { public_key, signature } => {
            json!({ "type": "ed25519_signature", "public_key": hex(&public_key.0), "signature": hex(&signature.0) })
        }
        AccountAuthenticator::MultiEd25519 { public_key, signature } => json!({
            "type": "multi_ed25519_signature", "public_key": hex(public_key), "signature": hex(signature),
        }),
        _ => json!({ "type": "no_account_signature" }),
    }
}

/// A function of the contract.
pub(super) fn function(name: &str) -> Option<&'static contract::Function> {
    contract::abi().iter().find(|function| function.name == name)
}

/// The contract's module. There is no bytecode here, since the contract is part of the program.
pub(super) fn module(chain: &Chain) -> Json {
    let names = |types: &[Type]| types.iter().map(Type::name).collect::<Vec<_>>();
    let functions: Vec<_> = contract::abi()
        .iter()
        .map(|function| {
            json!({
                "name": function.name, "visibility": "public", "is_entry": function.is_entry,
                "is_view": function.is_view, "generic_type_params": [], "params": names(function.params),
                "return": names(function.returns),
            })
        })
        .collect();
    json!({
        "bytecode": "0x",
        "abi": {
            "address": chain.module().to_string(), "name": MODULE, "friends": [], "exposed_functions": functions,
            "structs": [],
        },
    })
}

/// The type of the resource in which an account's gas coin is shown.
pub(super) fn coin_store_kind() -> String {
    format!("0x1::coin::CoinStore<{GAS_COIN}>")
}

/// The resources of an account that has been used: itself and its gas coin.
pub(super) fn resources(chain: &Chain, address: &Address) -> Vec<Json> {
    let account = chain.account(address);
    if account == crate::chain::Account::default() {
        return Vec::new();
    }
    vec![
        json!({ "type": "0x1::account::Account", "data": {
            "authentication_key": address.to_string(), "sequence_number": account.sequence.to_string(),
        }}),
        json!({ "type": coin_store_kind(), "data": { "coin": { "value": account.gas.to_string() }, "frozen": false } }),
    ]
}

/// A block, and the transactions that can still be asked for.
pub(super) fn block(chain: &Chain, block: &crate::chain::BlockInfo, with_transactions: bool, max: usize) -> Json {
    let count = usize::try_from(block.last - block.first + 1).unwrap_or(max).min(max);
    let transactions = match with_transactions {
        true => chain.transactions(Some(block.first), count).iter().map(|c| committed(chain, c)).collect(),
        false => Json::Null,
    };
    json!({
        "block_height": block.height.to_string(), "block_hash": hex(&block.digest),
        "block_timestamp": block.timestamp_us.to_string(), "first_version": block.first.to_string(),
        "last_version": block.last.to_string(), "transactions": transactions,
    })
}

/// What `GET /v1` answers.
pub(super) fn ledger_info(chain: &Chain) -> Json {
    json!({
        "chain_id": chain.chain_id(), "epoch": "1", "ledger_version": chain.version().to_string(),
        "oldest_ledger_version": chain.oldest_version().to_string(),
        "ledger_timestamp": chain.timestamp_us().to_string(), "node_role": "full_node",
        "oldest_block_height": chain.oldest_block().to_string(), "block_height": chain.height().to_string(),
        "git_hash": "",
    })
}

/// Whether a status is that of an abort.
pub(super) fn is_abort(status: &str) -> bool {
    status != EXECUTED && status.starts_with("Move abort")
}

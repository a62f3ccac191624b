//! Transactions that come in: one, several, or to be tried without effect.

use super::answer::{Answer, refusal};
use super::{body, render};
use crate::ledger::Accepted;
use crate::transaction::{TRANSACTION_BYTES_MAX, Transaction};
use crate::{Ledger, Refused};
use aptos_sdk::transaction::SignedTransaction;
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// How many transactions one batch has at most.
const BATCH_MAX: usize = 100;
/// How many bytes one batch has at most.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// `POST /v1/transactions`
pub(super) async fn one(ledger: &Ledger, request: Request<Incoming>) -> Answer {
    let bytes = match transaction_bytes(request, TRANSACTION_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    match ledger.submit(&bytes) {
        Ok(Accepted { transaction }) => Answer::json(202, &ledger.read(|chain| render::waiting(chain, &transaction))),
        Err(refused) => Answer::refused(&refused),
    }
}

/// `POST /v1/transactions/batch`: 202 if all were taken, else 206 with those that were not.
pub(super) async fn batch(ledger: &Ledger, request: Request<Incoming>) -> Answer {
    let bytes = match transaction_bytes(request, BATCH_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    let transactions: Vec<SignedTransaction> = match aptos_bcs::from_bytes(&bytes) {
        Ok(transactions) => transactions,
        Err(error) => return Answer::refused(&Refused::Encoding(error.to_string())),
    };
    if transactions.len() > BATCH_MAX {
        return Answer::error(413, "invalid_input", &format!("a batch has at most {BATCH_MAX} transactions"), None);
    }
    let submit = |transaction: &SignedTransaction| {
        let bytes = transaction.to_bcs().map_err(|error| Refused::Encoding(error.to_string()))?;
        ledger.submit(&bytes)
    };
    let failures: Vec<_> = transactions
        .iter()
        .enumerate()
        .filter_map(|(index, transaction)| {
            let refused = submit(transaction).err()?;
            Some(json!({ "error": refusal(&refused), "transaction_index": index }))
        })
        .collect();
    let status = if failures.is_empty() { 202 } else { 206 };
    Answer::json(status, &json!({ "transaction_failures": failures }))
}

/// `POST /v1/transactions/simulate`
pub(super) async fn simulate(ledger: &Ledger, request: Request<Incoming>, query: &HashMap<String, String>) -> Answer {
    let bytes = match transaction_bytes(request, TRANSACTION_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    let bytes = match with_estimates(ledger, &bytes, query) {
        Ok(bytes) => bytes,
        Err(refused) => return Answer::refused(&refused),
    };
    match ledger.simulate(&bytes) {
        Ok((transaction, outcome)) => {
            let body = ledger.read(|chain| render::simulated(chain, &transaction, &outcome));
            Answer::json(200, &Json::from(vec![body]))
        }
        Err(refused) => Answer::refused(&refused),
    }
}

/// The transaction with the price and the limit that the query asks the ledger to choose: the limit is what the payer
/// can pay, up to the highest.
fn with_estimates(ledger: &Ledger, bytes: &Bytes, query: &HashMap<String, String>) -> Result<Vec<u8>, Refused> {
    let asks = |name: &str| query.get(name).is_some_and(|value| value == "true");
    let price = asks("estimate_gas_unit_price") || asks("estimate_prioritized_gas_unit_price");
    let limit = asks("estimate_max_gas_amount");
    if !price && !limit {
        return Ok(bytes.to_vec());
    }
    let transaction = Transaction::decode(bytes)?;
    if transaction.verify().is_ok() {
        return Err(Refused::SignedSimulation);
    }
    let mut signed = transaction.signed;
    if price {
        signed.raw_txn.gas_unit_price = crate::gas::PRICE_MIN;
    }
    if limit {
        let balance = ledger.read(|chain| chain.account(&transaction.payer).gas);
        let affordable = balance.checked_div(signed.raw_txn.gas_unit_price).unwrap_or(0);
        signed.raw_txn.max_gas_amount = affordable.min(crate::gas::MAX_GAS_MAX);
    }
    signed.to_bcs().map_err(|error| Refused::Encoding(error.to_string()))
}

async fn transaction_bytes(request: Request<Incoming>, bytes_max: usize) -> Result<Bytes, Answer> {
    match body::media_type(&request).as_str() {
        "application/x.aptos.signed_transaction+bcs" => body::read(request, bytes_max).await,
        other => {
            let message = format!("content type {other:?} instead of application/x.aptos.signed_transaction+bcs");
            Err(Answer::error(415, "web_framework_error", &message, None))
        }
    }
}

//! Answers in the node's form, with its headers.

use crate::{Ledger, Refused};
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};

/// The number by which the chain says that a call aborted.
pub(super) const ABORTED: u64 = 4016;

/// An answer before the ledger's headers are added.
pub(super) struct Answer {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

impl Answer {
    /// An answer with JSON.
    pub(super) fn json(status: u16, body: &Json) -> Self {
        Answer { status, kind: "application/json", body: body.to_string().into_bytes() }
    }

    /// An answer with bytes in BCS.
    pub(super) fn bcs(body: Vec<u8>) -> Self {
        Answer { status: 200, kind: "application/x-bcs", body }
    }

    /// A failure in the node's form.
    pub(super) fn error(status: u16, code: &str, message: &str, vm: Option<u64>) -> Self {
        Answer::json(status, &error(code, message, vm))
    }

    /// A refused transaction.
    pub(super) fn refused(refused: &Refused) -> Self {
        Answer::json(status_of(refused), &refusal(refused))
    }

    /// Something that is not there.
    pub(super) fn not_found(code: &str, message: &str) -> Self {
        Answer::error(404, code, message, None)
    }

    /// A request that cannot be read.
    pub(super) fn invalid(message: &str) -> Self {
        Answer::error(400, "invalid_input", message, None)
    }

    /// The response, with where the ledger is now.
    pub(super) fn response(self, ledger: &Ledger) -> Response<Full<Bytes>> {
        let numbers = ledger.read(|chain| {
            // A node's blocks never pause, so clients reckon by this time; here blocks come only with transactions.
            let now_us = chain.time_us(ledger.now_us());
            [
                ("x-aptos-chain-id", u64::from(chain.chain_id())),
                ("x-aptos-ledger-version", chain.version()),
                ("x-aptos-ledger-oldest-version", chain.oldest_version()),
                ("x-aptos-oldest-ledger-version", chain.oldest_version()),
                ("x-aptos-ledger-timestampusec", now_us),
                ("x-aptos-ledger-timestamp", now_us),
                ("x-aptos-epoch", 1),
                ("x-aptos-block-height", chain.height()),
                ("x-aptos-oldest-block-height", chain.oldest_block()),
            ]
        });
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status.try_into().unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        for (name, number) in numbers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
        }
        response
    }
}

/// The node's form of an error.
fn error(code: &str, message: &str, vm: Option<u64>) -> Json {
    json!({ "message": message, "error_code": code, "vm_error_code": vm })
}

/// The node's form of a refusal.
pub(super) fn refusal(refused: &Refused) -> Json {
    if let Some((name, number)) = refused.status() {
        let message = format!("Invalid transaction: Type: Validation Code: {name}: {refused}");
        return error("vm_error", &message, Some(number));
    }
    let code = match refused {
        Refused::Update => "invalid_transaction_update",
        Refused::AccountFull | Refused::Full => "mempool_is_full",
        Refused::NoFaucet => "api_disabled",
        Refused::Stopped(_) => "internal_error",
        _ => "invalid_input",
    };
    error(code, &refused.to_string(), None)
}

fn status_of(refused: &Refused) -> u16 {
    match refused {
        Refused::TooLarge(_) => 413,
        Refused::NoFaucet => 403,
        Refused::AccountFull | Refused::Full => 507,
        Refused::Stopped(_) => 503,
        _ => 400,
    }
}

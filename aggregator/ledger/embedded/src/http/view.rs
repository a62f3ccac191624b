//! `POST /v1/view`: a view by arguments in JSON or in BCS, answered in either.

use super::answer::{ABORTED, Answer};
use super::{body, render};
use crate::Ledger;
use aptos_sdk::transaction::EntryFunction;
use contract::{Address, MODULE, Type, Value};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::ACCEPT;
use serde::Deserialize;
use serde_json::Value as Json;

/// How many bytes a request has at most.
const VIEW_BYTES_MAX: usize = 64 * 1024;

/// A request in JSON.
#[derive(Deserialize)]
struct ViewRequest {
    function: String,
    #[serde(default)]
    type_arguments: Vec<String>,
    #[serde(default)]
    arguments: Vec<Json>,
}

/// The answer of a view.
pub(super) async fn view(ledger: &Ledger, request: Request<Incoming>) -> Answer {
    answer(ledger, request).await.unwrap_or_else(|answer| answer)
}

async fn answer(ledger: &Ledger, request: Request<Incoming>) -> Result<Answer, Answer> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let in_bcs = accept.split(',').any(|kind| kind.trim() == "application/x-bcs");
    let kind = body::media_type(&request);
    let call = match kind.as_str() {
        "application/json" => from_json(&body::read(request, VIEW_BYTES_MAX).await?)?,
        "application/x.aptos.view_function+bcs" => {
            let bytes = body::read(request, VIEW_BYTES_MAX).await?;
            let failed = |error| Answer::invalid(&format!("failed to deserialize input into ViewRequest: {error}"));
            aptos_bcs::from_bytes::<EntryFunction>(&bytes).map_err(failed)?
        }
        other => {
            let message =
                format!("content type {other:?} is neither application/json nor application/x.aptos.view_function+bcs");
            return Err(Answer::error(415, "web_framework_error", &message, None));
        }
    };
    let viewed = ledger.read(|chain| chain.view(&call, ledger.now_us()));
    let values = viewed.map_err(|status| {
        let number = render::is_abort(&status).then_some(ABORTED);
        Answer::error(400, "invalid_input", &format!("Failed to execute function: {status}"), number)
    })?;
    if !in_bcs {
        return Ok(Answer::json(200, &values.iter().map(Value::json).collect()));
    }
    // As nodes do: a list of each value's bytes.
    let bytes: Vec<_> = values.iter().map(Value::bcs).collect();
    aptos_bcs::to_bytes(&bytes).map(Answer::bcs).map_err(|error| Answer::invalid(&error.to_string()))
}

/// The call of a request in JSON. Types come from the contract's interface; the framework's views take one address.
fn from_json(bytes: &[u8]) -> Result<EntryFunction, Answer> {
    let invalid = |message: String| Answer::invalid(&message);
    let request: ViewRequest = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
    let mut call = EntryFunction::from_function_id(&request.function, Vec::new(), Vec::new())
        .map_err(|error| invalid(format!("{:?} is not a function: {error}", request.function)))?;
    // The gas coin's type is the only one that a view here takes, and it changes nothing.
    if request.type_arguments.len() > 1 {
        return Err(invalid("too many type arguments".into()));
    }
    let params: &[Type] = match render::function(&call.function).filter(|_| call.module.name.as_str() == MODULE) {
        Some(function) => function.params,
        None if Address(call.module.address.to_bytes()) == crate::gas::FRAMEWORK => &[Type::Address],
        None => return Err(invalid(format!("function not found: {}", request.function))),
    };
    if params.len() != request.arguments.len() {
        let (expected, found) = (params.len(), request.arguments.len());
        return Err(invalid(format!("expected {expected} arguments, found {found}")));
    }
    for (place, (ty, json)) in params.iter().zip(&request.arguments).enumerate() {
        let value = Value::from_json(ty, json).map_err(|error| invalid(format!("argument {place}: {error}")))?;
        call.args.push(value.bcs());
    }
    Ok(call)
}

//! Which answer a request gets.

use super::answer::Answer;
use super::{body, render, submit, view};
use crate::chain::{Chain, Found};
use crate::transaction::Hash;
use crate::{Ledger, Refused, gas};
use contract::{Address, MODULE};
use hyper::body::Incoming;
use hyper::{Method, Request};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The longest page, as on the chain.
const PAGE_MAX: usize = 100;
/// The page where none is asked for, as on the chain.
const PAGE: usize = 25;
/// How long `wait_by_hash` waits, as on the chain.
const WAIT: Duration = Duration::from_secs(1);
/// How long the faucet waits for its gift to be committed.
const MINT_WAIT: Duration = Duration::from_secs(5);
/// What the interface uses.
const METHODS: [Method; 2] = [Method::GET, Method::POST];

type Query = HashMap<String, String>;

/// The answer to a request.
pub(super) async fn route(ledger: &Ledger, peer: SocketAddr, request: Request<Incoming>) -> Answer {
    if !METHODS.contains(request.method()) {
        return Answer::error(405, "web_framework_error", "the method is not allowed", None);
    }
    let Some(path) = decode_path(request.uri().path()) else { return Answer::invalid("the path is not UTF-8") };
    let query = request.uri().query().unwrap_or("").as_bytes();
    let query: Query = form_urlencoded::parse(query).into_owned().collect();
    let parts: Vec<_> = path.iter().map(String::as_str).collect();
    let parts = parts.strip_prefix(&["v1"]).unwrap_or(&parts);
    if request.method() == Method::GET {
        return get(ledger, parts, &query).await.unwrap_or_else(|answer| answer);
    }
    match parts {
        ["transactions"] => submit::one(ledger, request).await,
        ["transactions", "batch"] => submit::batch(ledger, request).await,
        ["transactions", "simulate"] => submit::simulate(ledger, request, &query).await,
        ["view"] => view::view(ledger, request).await,
        ["mint"] => match body::read(request, 1024).await {
            Ok(_) => match mint(ledger, peer, &query).await {
                Ok(hashes) => Answer::json(200, &hashes),
                Err(answer) => answer,
            },
            Err(answer) => answer,
        },
        ["fund"] => match body::read(request, 1024).await.and_then(|body| fund(&body)) {
            Ok(query) => match mint(ledger, peer, &query).await {
                Ok(hashes) => Answer::json(200, &json!({ "txn_hashes": hashes })),
                Err(answer) => answer,
            },
            Err(answer) => answer,
        },
        _ => no_route(),
    }
}

/// The query of `POST /mint` that says what the body of `POST /fund` does, which other libraries send.
fn fund(body: &[u8]) -> Result<Query, Answer> {
    let body: Json = serde_json::from_slice(body).map_err(|error| Answer::invalid(&error.to_string()))?;
    let text = |name: &str| match &body[name] {
        Json::Null => None,
        Json::String(text) => Some((name.to_owned(), text.clone())),
        other => Some((name.to_owned(), other.to_string())),
    };
    Ok(["address", "amount", "asset"].into_iter().filter_map(text).collect())
}

async fn get(ledger: &Ledger, parts: &[&str], query: &Query) -> Result<Answer, Answer> {
    let read = |look: &dyn Fn(&Chain) -> Json| Answer::json(200, &ledger.read(|chain| look(chain)));
    Ok(match parts {
        [] | [""] => read(&render::ledger_info),
        ["-", "healthy"] => match ledger.stopped() {
            None => Answer::json(200, &json!({ "message": "aptos-node:ok" })),
            Some(reason) => Answer::error(503, "health_check_failed", &reason, None),
        },
        ["estimate_gas_price"] => Answer::json(
            200,
            &json!({
                "deprioritized_gas_estimate": gas::PRICE_MIN, "gas_estimate": gas::PRICE_MIN,
                "prioritized_gas_estimate": gas::PRICE_MIN,
            }),
        ),
        ["accounts", address, rest @ ..] => account(ledger, address_of(address)?, rest, query)?,
        ["transactions"] => {
            let (start, limit) = (number(query, "start")?, limit(query)?);
            read(&|chain| {
                let page = chain.transactions(start, limit);
                page.iter().map(|committed| render::committed(chain, committed)).collect()
            })
        }
        ["transactions", "by_hash", hash] => by_hash(ledger, &hash_of(hash)?),
        ["transactions", "wait_by_hash", hash] => {
            let hash = hash_of(hash)?;
            let found = ledger.wait(&hash, WAIT).await;
            found_transaction(ledger, &hash, found)
        }
        ["transactions", "by_version", version] => by_version(ledger, parse(version, "a version")?),
        ["blocks", "by_height", height] => block(ledger, Some(parse(height, "a height")?), query),
        ["blocks", "by_version", version] => {
            let version = parse(version, "a version")?;
            block(ledger, ledger.read(|chain| chain.by_version(version)).map(|committed| committed.block), query)
        }
        ["mint" | "fund" | "view"] => {
            return Err(Answer::error(405, "web_framework_error", "the method is not allowed", None));
        }
        _ => return Err(no_route()),
    })
}

fn account(ledger: &Ledger, address: Address, rest: &[&str], query: &Query) -> Result<Answer, Answer> {
    let read = |look: &dyn Fn(&Chain) -> Json| Answer::json(200, &ledger.read(|chain| look(chain)));
    let is_module = address == ledger.module();
    Ok(match rest {
        // As on today's chain, an account that was never used is one at its beginning.
        [] => read(&|chain| {
            let sequence = chain.account(&address).sequence;
            json!({ "sequence_number": sequence.to_string(), "authentication_key": address.to_string() })
        }),
        ["modules"] => read(&|chain| if is_module { json!([render::module(chain)]) } else { json!([]) }),
        ["module", MODULE] if is_module => read(&render::module),
        ["module", name] => {
            return Err(Answer::not_found(
                "module_not_found",
                &format!("Module not found by Address({address}), Module name({name})"),
            ));
        }
        ["resources"] => read(&|chain| Json::from(render::resources(chain, &address))),
        ["resource", kind] => {
            let found =
                ledger.read(|chain| render::resources(chain, &address).into_iter().find(|r| r["type"] == **kind));
            let message = || format!("Resource not found by Address({address}), Struct tag({kind})");
            Answer::json(200, &found.ok_or_else(|| Answer::not_found("resource_not_found", &message()))?)
        }
        ["balance", asset] => match ledger.read(|chain| chain.balance(&address, asset)) {
            Some(balance) => Answer::json(200, &json!(balance)),
            None => return Err(Answer::not_found("resource_not_found", "no such asset on this ledger")),
        },
        ["transactions"] => {
            let (start, limit) = (number(query, "start")?, limit(query)?);
            read(&|chain| {
                let page = chain.transactions_of(&address, start, limit);
                page.iter().map(|committed| render::committed(chain, committed)).collect()
            })
        }
        _ => return Err(no_route()),
    })
}

fn by_hash(ledger: &Ledger, hash: &Hash) -> Answer {
    let found = ledger.read(|chain| chain.by_hash(hash, ledger.now_us()));
    found_transaction(ledger, hash, found)
}

fn found_transaction(ledger: &Ledger, hash: &Hash, found: Option<Found>) -> Answer {
    match found {
        Some(Found::Committed(committed)) => {
            Answer::json(200, &ledger.read(|chain| render::committed(chain, &committed)))
        }
        Some(Found::Waiting(transaction)) => {
            Answer::json(200, &ledger.read(|chain| render::waiting(chain, &transaction)))
        }
        None => {
            let message = format!("Transaction not found by Transaction hash({})", render::hex(hash));
            Answer::not_found("transaction_not_found", &message)
        }
    }
}

fn by_version(ledger: &Ledger, version: u64) -> Answer {
    ledger.read(|chain| match chain.by_version(version) {
        Some(committed) => Answer::json(200, &render::committed(chain, &committed)),
        None if version < chain.oldest_version() => {
            Answer::error(410, "version_pruned", &format!("Ledger version({version}) has been pruned"), None)
        }
        None => {
            let message = format!("Transaction not found by Ledger version({version})");
            Answer::not_found("transaction_not_found", &message)
        }
    })
}

fn block(ledger: &Ledger, height: Option<u64>, query: &Query) -> Answer {
    let with_transactions = query.get("with_transactions").is_some_and(|value| value == "true");
    ledger.read(|chain| match height.and_then(|height| chain.block(height)) {
        Some(block) => Answer::json(200, &render::block(chain, &block, with_transactions, PAGE_MAX)),
        None => Answer::not_found("block_not_found", "Block not found"),
    })
}

/// Gives an account coins, both kinds unless `asset` names one; the gift's hash, once it is there.
async fn mint(ledger: &Ledger, peer: SocketAddr, query: &Query) -> Result<Json, Answer> {
    if !ledger.options().faucet || !peer.ip().is_loopback() {
        return Err(Answer::refused(&Refused::NoFaucet));
    }
    let missing = || Answer::invalid("the faucet takes address and amount");
    let to = address_of(query.get("address").or_else(|| query.get("auth_key")).ok_or_else(missing)?)?;
    let amount = number(query, "amount")?.ok_or_else(missing)?;
    if amount > crate::ledger::MINT_MAX {
        return Err(Answer::invalid("the amount is above what the faucet gives at once"));
    }
    let (gas, reward) = match query.get("asset").map(String::as_str) {
        None => (amount, amount),
        Some("gas") => (amount, 0),
        Some("reward") => (0, amount),
        Some(_) => return Err(Answer::invalid("asset is gas, reward or left out for both")),
    };
    let hash = ledger.mint(to, gas, reward).map_err(|refused| Answer::refused(&refused))?;
    match ledger.wait(&hash, MINT_WAIT).await {
        Some(Found::Committed(_)) => Ok(json!([&render::hex(&hash)[2..]])),
        _ => Err(Answer::error(503, "internal_error", "the gift was not committed in time", None)),
    }
}

fn no_route() -> Answer {
    Answer::error(404, "web_framework_error", "not found", None)
}

/// The parts of a path, percent-decoded one by one.
fn decode_path(path: &str) -> Option<Vec<String>> {
    let trimmed = path.trim_matches('/');
    if trimmed.is_empty() {
        return Some(Vec::new());
    }
    trimmed.split('/').map(decode_part).collect()
}

fn decode_part(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push((high << 4 | low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn address_of(text: &str) -> Result<Address, Answer> {
    text.parse().map_err(|error| Answer::invalid(&format!("parse error for an address: {error}")))
}

fn hash_of(text: &str) -> Result<Hash, Answer> {
    let mut hash = Hash::default();
    let read = hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut hash);
    read.map(|()| hash).map_err(|_| Answer::invalid("a hash has 64 hexadecimal digits"))
}

fn parse(text: &str, what: &str) -> Result<u64, Answer> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| Answer::invalid(&format!("{what} is a number of 64 bits")))
}

fn number(query: &Query, name: &str) -> Result<Option<u64>, Answer> {
    query.get(name).map(|text| parse(text, name)).transpose()
}

fn limit(query: &Query) -> Result<usize, Answer> {
    match number(query, "limit")? {
        None => Ok(PAGE),
        Some(0) => Err(Answer::invalid("limit must not be 0")),
        Some(limit) => Ok(usize::try_from(limit).unwrap_or(PAGE_MAX).min(PAGE_MAX)),
    }
}

//! Requests to a node, each answer distrusted: its length and the time for it are bounded, redirects are not followed,
//! and it must say that it is of the expected chain.

use crate::error::{ClientError, Lie, Refusal, excerpt};
use crate::home::Home;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use serde_json::Value as Json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest answer with a transaction: a batch of the largest size with all that it changed.
const TRANSACTION_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The longest other answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How far the ledger's time may be from this machine's.
const SKEW_S_MAX: u64 = 300;

pub(crate) const SIGNED_TRANSACTION: &str = "application/x.aptos.signed_transaction+bcs";
pub(crate) const JSON: &str = "application/json";

/// The way to one node.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    client: reqwest::Client,
    home: Home,
}

/// An answer of the right chain.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Json,
    /// The time of the ledger state that the answer is of.
    pub(crate) chain_s: u64,
}

/// An answer with a status that is no success.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) refusal: Refusal,
    pub(crate) chain_s: u64,
}

impl Transport {
    pub(crate) fn new(home: Home) -> Result<Transport, ClientError> {
        let bad = |reason: String| ClientError::Url { url: home.url.clone(), reason };
        let url = reqwest::Url::parse(home.base()).map_err(|error| bad(error.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(bad("neither http nor https".into()));
        }
        // Another part of the program may have chosen a provider already; either does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true);
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| bad(error.to_string()))?;
        Ok(Transport { client, home })
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// `GET`s a path below `/v1`.
    pub(crate) async fn get(&self, path: &str) -> Result<Result<Answer, Failure>, ClientError> {
        let url = format!("{}/v1{path}", self.home.base());
        self.request(self.client.get(url)).await
    }

    /// `POST`s to a path below `/v1`.
    pub(crate) async fn post(
        &self,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<Result<Answer, Failure>, ClientError> {
        let url = format!("{}/v1{path}", self.home.base());
        self.request(self.client.post(url).header(CONTENT_TYPE, kind).body(body)).await
    }

    /// `POST`s to a path beside `/v1`, where the faucet is.
    pub(crate) async fn post_base(&self, path: &str) -> Result<Result<Answer, Failure>, ClientError> {
        self.request(self.client.post(format!("{}{path}", self.home.base()))).await
    }

    pub(crate) fn unreachable(&self, reason: impl ToString) -> ClientError {
        ClientError::Unreachable { url: self.home.url.clone(), reason: excerpt(&reason.to_string()) }
    }

    async fn request(&self, request: reqwest::RequestBuilder) -> Result<Result<Answer, Failure>, ClientError> {
        let failed = |error: reqwest::Error| self.unreachable(causes(&error));
        let mut response = request.header(ACCEPT, JSON).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        // A proxy in between knows nothing of chains; whatever it says, it may pass.
        if status == 429 || status >= 500 {
            return Err(self.unreachable(format!("status {status}")));
        }
        self.check_chain(response.headers())?;
        let chain_s = self.chain_s(response.headers())?;
        let bytes_max = bytes_max(response.url().path());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > bytes_max {
                return Err(ClientError::Unreadable(format!("more than {bytes_max} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let body: Json = serde_json::from_slice(&body).map_err(|error| ClientError::Unreadable(error.to_string()))?;
        Ok(if (200..300).contains(&status) {
            Ok(Answer { body, chain_s })
        } else {
            Err(Failure { refusal: refusal(status, &body), chain_s })
        })
    }

    /// The time of the answer. One that is far from ours would have us sign what expires too late, or sign anew too
    /// early.
    fn chain_s(&self, headers: &HeaderMap) -> Result<u64, ClientError> {
        let (chain_s, local_s) = (number(headers, "x-aptos-ledger-timestampusec")? / 1_000_000, now_s());
        if chain_s.abs_diff(local_s) <= SKEW_S_MAX {
            return Ok(chain_s);
        }
        Err(ClientError::OtherTime { url: self.home.url.clone(), chain_s, local_s })
    }

    fn check_chain(&self, headers: &HeaderMap) -> Result<(), ClientError> {
        const CHAIN: &str = "x-aptos-chain-id";
        let found = headers.get(CHAIN).ok_or(Lie::NoHeader(CHAIN))?;
        let expected = self.home.chain_id;
        if found.as_bytes() == expected.to_string().as_bytes() {
            return Ok(());
        }
        let found = excerpt(&String::from_utf8_lossy(found.as_bytes()));
        Err(ClientError::OtherChain { url: self.home.url.clone(), expected, found })
    }
}

/// This machine's time in whole seconds, by which a worker signs and an offer is judged.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn bytes_max(path: &str) -> usize {
    if path.contains("/transactions/") { TRANSACTION_BYTES_MAX } else { ANSWER_BYTES_MAX }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<u64, Lie> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok()).ok_or(Lie::NoHeader(name))
}

fn refusal(status: u16, body: &Json) -> Refusal {
    let text = |name: &str| excerpt(body[name].as_str().unwrap_or(""));
    Refusal { status, code: text("error_code"), message: text("message"), vm: body["vm_error_code"].as_u64() }
}

/// An error with all that led to it: the outermost alone does not say why.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;

//! A served ledger with its client, and transactions of any shape.

use aptos_sdk::account::Ed25519Account;
use aptos_sdk::transaction::builder::sign_transaction;
use aptos_sdk::transaction::{InputEntryFunctionData, SignedTransaction, TransactionBuilder, TransactionPayload};
use aptos_sdk::types::ChainId;
use aptos_sdk::{Aptos, AptosConfig};
use ledger_embedded::{Clock, Ledger, Options};
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(crate) const FUNDS: u64 = 1_000_000_000;

/// A ledger in a folder of its own, served on a free port.
pub(crate) struct Served {
    pub(crate) ledger: Ledger,
    pub(crate) address: SocketAddr,
    pub(crate) aptos: Aptos,
    _folder: TempDir,
    _server: AbortOnDropHandle<()>,
}

impl Served {
    pub(crate) fn start() -> Served {
        Served::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), options).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let (address, server) = ledger_embedded::serve(ledger.clone(), listen, CancellationToken::new()).unwrap();
        let url = format!("http://{address}");
        let config = AptosConfig::custom(&format!("{url}/v1")).unwrap().with_faucet_url(&url).unwrap();
        let aptos = Aptos::new(config.without_retry()).unwrap();
        let server = AbortOnDropHandle::new(tokio::spawn(server));
        Served { ledger, address, aptos, _folder: folder, _server: server }
    }

    /// An account with coins.
    pub(crate) async fn funded(&self) -> Ed25519Account {
        let account = Ed25519Account::generate();
        self.aptos.fund_account(account.address(), FUNDS).await.unwrap();
        account
    }

    pub(crate) fn function(&self, name: &str) -> String {
        function(&self.ledger, name)
    }

    /// A request as bytes; the status, the head and the body.
    pub(crate) async fn http(&self, head: &str, body: &[u8]) -> (u16, String, Json) {
        http(self.address, head, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Json) {
        let (status, _, body) = self.http(&format!("GET {path} HTTP/1.1\r\nHost: localhost"), b"").await;
        (status, body)
    }

    pub(crate) async fn post(&self, path: &str, kind: &str, body: &[u8]) -> (u16, Json) {
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}");
        let (status, _, body) = self.http(&head, body).await;
        (status, body)
    }

    pub(crate) async fn submit(&self, transaction: &SignedTransaction) -> (u16, Json) {
        self.post("/v1/transactions", TRANSACTION, &transaction.to_bcs().unwrap()).await
    }
}

pub(crate) const TRANSACTION: &str = "application/x.aptos.signed_transaction+bcs";

pub(crate) async fn http(address: SocketAddr, head: &str, body: &[u8]) -> (u16, String, Json) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may answer and close before it has read a body that it refuses.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or(Json::Null))
}

pub(crate) fn function(ledger: &Ledger, name: &str) -> String {
    format!("{}::training_rewards::{name}", ledger.module())
}

/// A call of `register_p2p_node`.
pub(crate) fn register(ledger: &Ledger, id: &str) -> TransactionPayload {
    let call = InputEntryFunctionData::new(&function(ledger, "register_p2p_node"));
    call.arg(id).arg("key").arg(10_u64).arg(20_u64).build().unwrap()
}

/// A call of `update_node_heartbeat`.
pub(crate) fn heartbeat(ledger: &Ledger) -> TransactionPayload {
    InputEntryFunctionData::new(&function(ledger, "update_node_heartbeat")).build().unwrap()
}

/// A transaction that passes every rule, for a test to spoil.
pub(crate) fn builder(
    ledger: &Ledger,
    from: &Ed25519Account,
    payload: TransactionPayload,
    number: u64,
) -> TransactionBuilder {
    TransactionBuilder::new()
        .sender(from.address())
        .sequence_number(number)
        .payload(payload)
        .max_gas_amount(10_000)
        .gas_unit_price(100)
        .expiration_timestamp_secs(ledger.now_us() / 1_000_000 + 30)
        .chain_id(ChainId::new(4))
}

pub(crate) fn signed(builder: TransactionBuilder, by: &Ed25519Account) -> SignedTransaction {
    sign_transaction(&builder.build().unwrap(), by).unwrap()
}

/// A ledger without a server whose time stands still until the test moves it.
pub(crate) fn open(folder: &Path) -> (Ledger, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(1_700_000_000_000_000));
    let read = time.clone();
    let clock: Clock = Arc::new(move || read.load(Ordering::SeqCst));
    (Ledger::open(folder, Options { clock, ..Options::default() }).unwrap(), time)
}

/// Gives coins to a new account of a ledger without a server.
pub(crate) async fn funded(ledger: &Ledger) -> Ed25519Account {
    let account = Ed25519Account::generate();
    let to = contract::Address(account.address().to_bytes());
    let hash = ledger.mint(to, FUNDS, 0).unwrap();
    committed(ledger, &hash).await;
    account
}

/// Waits for a transaction to be committed.
pub(crate) async fn committed(ledger: &Ledger, hash: &ledger_embedded::Hash) -> Arc<ledger_embedded::Committed> {
    match ledger.wait(hash, std::time::Duration::from_secs(20)).await {
        Some(ledger_embedded::Found::Committed(committed)) => committed,
        other => panic!("not committed: {other:?}"),
    }
}

//! Requests that no honest client sends: each gets an answer of 4xx, and the ledger goes on.

use crate::support::{Served, TRANSACTION, builder, heartbeat, http, signed};
use ledger_embedded::{Ledger, Options, ServeError, Transaction};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

async fn check(served: &Served, head: &str, body: &[u8], expected: u16) {
    let (status, _, answer) = served.http(head, body).await;
    assert_eq!(status, expected, "{head} {answer}");
    assert!(answer["error_code"].is_string() && answer["message"].is_string(), "{head} {answer}");
}

#[tokio::test]
async fn refuses_what_it_cannot_read() {
    let served = Served::start();
    let transactions = "POST /v1/transactions HTTP/1.1\r\nHost: localhost";
    let typed = format!("{transactions}\r\nContent-Type: {TRANSACTION}");
    check(&served, transactions, b"x", 415).await;
    check(&served, &format!("{transactions}\r\nContent-Type: application/json"), b"{}", 415).await;
    check(&served, &typed, b"", 400).await;
    check(&served, &typed, &[0xff; 300], 400).await;
    check(&served, &typed, &vec![0; 100_000], 413).await;
    for path in ["transactions/simulate", "transactions/batch"] {
        let head = format!("POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {TRANSACTION}");
        check(&served, &head, &[0xff; 50], 400).await;
        check(&served, &head, &vec![0; 3_000_000], 413).await;
    }
    let view = "POST /v1/view HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    check(&served, view, &b"[".repeat(60_000), 400).await;
    check(&served, view, &b"[".repeat(70_000), 413).await;
    let bcs = "POST /v1/view HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x.aptos.view_function+bcs";
    check(&served, bcs, &[6; 60_000], 400).await;
    for path in
        ["accounts/zz", "accounts/0x1/transactions?limit=0", "transactions?start=-1", "transactions/by_hash/0x1"]
    {
        check(&served, &format!("GET /v1/{path} HTTP/1.1\r\nHost: localhost"), b"", 400).await;
    }
    check(&served, "GET /v1/%ff HTTP/1.1\r\nHost: localhost", b"", 400).await;
    check(&served, "GET /v1/none HTTP/1.1\r\nHost: localhost", b"", 404).await;
    check(&served, "DELETE /v1 HTTP/1.1\r\nHost: localhost", b"", 405).await;
    check(&served, "POST /mint HTTP/1.1\r\nHost: localhost", b"", 400).await;
    check(&served, "POST /mint?address=0x1&amount=18446744073709551615 HTTP/1.1\r\nHost: localhost", b"", 400).await;
    assert_eq!(served.get("/v1").await.0, 200);
}

#[tokio::test]
async fn answers_loopback_names_only() {
    let served = Served::start();
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:80", "[::1]"] {
        assert_eq!(served.http(&format!("GET /v1 HTTP/1.1\r\nHost: {host}"), b"").await.0, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""] {
        check(&served, &format!("GET /v1 HTTP/1.1\r\nHost: {host}"), b"", 403).await;
    }
    let from = |origin| format!("POST /mint?address=0x1&amount=1 HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}");
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        check(&served, &from(origin), b"", 403).await;
    }
    assert_eq!(served.http(&from("http://localhost:3000"), b"").await.0, 200);
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Options::default()).unwrap();
    let listen = "0.0.0.0:0".parse().unwrap();
    let refused = ledger_embedded::serve(ledger, listen, CancellationToken::new()).err().unwrap();
    assert!(matches!(refused, ServeError::NotLoopback(_)));
}

#[tokio::test]
async fn a_shut_down_server_finishes() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Options::default()).unwrap();
    let shutdown = CancellationToken::new();
    let (address, server) = ledger_embedded::serve(ledger, "127.0.0.1:0".parse().unwrap(), shutdown.clone()).unwrap();
    let server = tokio::spawn(server);
    assert_eq!(http(address, "GET /v1 HTTP/1.1\r\nHost: localhost", b"").await.0, 200);
    // A connection that sends nothing does not hold it up for long.
    let _idle = tokio::net::TcpStream::connect(address).await.unwrap();
    shutdown.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(20), server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_transaction_changed_anywhere_is_refused() {
    let served = Served::start();
    let worker = served.funded().await;
    let bytes = signed(builder(&served.ledger, &worker, heartbeat(&served.ledger), 0), &worker).to_bcs().unwrap();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert!(served.ledger.submit(&changed).is_err(), "byte {place}");
        assert!(served.ledger.submit(&bytes[..place]).is_err(), "cut at {place}");
    }
    assert!(served.ledger.submit(&bytes).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), depth in 0_usize..60_000) {
        prop_assert!(Transaction::decode(&bytes).is_err());
        // A type argument of vectors in vectors, as deep as a transaction is long.
        let mut nested = vec![0; 32 + 8];
        nested.push(2);
        nested.extend([0; 32]);
        nested.extend([1, b'm', 1, b'f', 1]);
        nested.extend(std::iter::repeat_n(6, depth));
        prop_assert!(Transaction::decode(&nested).is_err());
    }
}

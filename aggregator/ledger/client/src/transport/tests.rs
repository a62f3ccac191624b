use super::*;
use contract::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What an answer of chain 4 begins with, whose time is off by so much.
fn headers(skew_s: i64) -> String {
    let at_us = now_s().saturating_add_signed(skew_s) * 1_000_000;
    format!("x-aptos-chain-id: 4\r\nx-aptos-ledger-timestampusec: {at_us}\r\n")
}

/// What a request gets from a server that answers so, once.
async fn ask(path: &str, status: &str, headers: &str, body: Vec<u8>) -> Result<Result<Answer, Failure>, ClientError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&body).await;
    });
    let home = Home { url, chain_id: 4, module: Address([9; 32]) };
    Transport::new(home).unwrap().get(path).await
}

#[tokio::test]
async fn an_answer_of_the_right_chain_is_read() {
    let answer = ask("/x", "200 OK", &headers(0), b"[1]".to_vec()).await.unwrap().unwrap();
    assert_eq!(answer.body, serde_json::json!([1]));
    assert!(answer.chain_s.abs_diff(now_s()) <= 60);
    let body = br#"{"message":"m\u0007","error_code":"c","vm_error_code":3}"#.to_vec();
    let failure = ask("/x", "404 Not Found", &headers(0), body).await.unwrap().unwrap_err();
    let (code, message) = ("c".to_owned(), "m\u{fffd}".to_owned());
    assert_eq!(failure.refusal, Refusal { status: 404, code, message, vm: Some(3) });
}

#[tokio::test]
async fn an_answer_that_is_wrong_in_any_way_is_told_apart() {
    let ok = async |headers: &str, body: &[u8]| ask("/x", "200 OK", headers, body.to_vec()).await;
    let refused = ok("", b"{}").await.unwrap_err();
    assert_eq!(refused, ClientError::Lie(Lie::NoHeader("x-aptos-chain-id")));
    let refused = ok("x-aptos-chain-id: 4\r\n", b"{}").await.unwrap_err();
    assert_eq!(refused, ClientError::Lie(Lie::NoHeader("x-aptos-ledger-timestampusec")));
    for chain in ["5", "04", "44", "", "four"] {
        let headers = format!("x-aptos-chain-id: {chain}\r\nx-aptos-ledger-timestampusec: 1\r\n");
        let refused = ask("/x", "200 OK", &headers, b"{}".to_vec()).await.unwrap_err();
        assert!(matches!(refused, ClientError::OtherChain { expected: 4, .. }), "{chain}: {refused}");
    }
    for skew_s in [-2_000, 2_000] {
        let refused = ok(&headers(skew_s), b"{}").await.unwrap_err();
        assert!(matches!(refused, ClientError::OtherTime { .. }), "{refused}");
        assert!(ok(&headers(skew_s / 10), b"{}").await.is_ok());
    }
    for body in [&b""[..], b"{", b"\xff", &b"[".repeat(5_000)] {
        assert!(matches!(ok(&headers(0), body).await.unwrap_err(), ClientError::Unreadable(_)));
    }
    for status in ["500 x", "503 x", "507 x", "429 x"] {
        let refused = ask("/x", status, "", b"{}".to_vec()).await.unwrap_err();
        assert!(matches!(refused, ClientError::Unreachable { .. }), "{refused}");
    }
}

#[tokio::test]
async fn answers_are_bounded_and_redirects_not_followed() {
    let long = |bytes: usize| [b"\"".as_slice(), &vec![b'a'; bytes - 2], b"\""].concat();
    let honest = headers(0);
    assert!(ask("/x", "200 OK", &honest, long(ANSWER_BYTES_MAX)).await.is_ok());
    let refused = ask("/x", "200 OK", &honest, long(ANSWER_BYTES_MAX + 1)).await.unwrap_err();
    assert!(matches!(refused, ClientError::Unreadable(_)), "{refused}");
    let path = "/transactions/by_hash/0x1";
    assert!(ask(path, "200 OK", &honest, long(TRANSACTION_BYTES_MAX)).await.is_ok());
    assert!(ask(path, "200 OK", &honest, long(TRANSACTION_BYTES_MAX + 1)).await.is_err());
    let headers = format!("{honest}Location: http://127.0.0.1:1/\r\n");
    let failure = ask("/x", "302 Found", &headers, b"{}".to_vec()).await.unwrap().unwrap_err();
    assert_eq!(failure.refusal.status, 302);
}

#[test]
fn loopback_is_asked_without_a_proxy() {
    let is = |url: &str| is_loopback(&reqwest::Url::parse(url).unwrap());
    assert!(is("http://127.0.0.1:8080") && is("http://[::1]:1") && is("http://localhost"));
    assert!(!is("https://fullnode.testnet.aptoslabs.com") && !is("http://10.0.0.1") && !is("http://localhost.evil"));
}

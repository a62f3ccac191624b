//! A running `cotrain ledger serve`, spoken to as any program would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::program;

/// A ledger of its own process.
#[derive(Debug)]
pub struct LedgerServer {
    child: Child,
    /// What its first line said.
    pub place: Value,
    directory: PathBuf,
}

impl LedgerServer {
    /// Starts one that keeps its state in `directory`, on a port of its choice or, after a first start, on that one
    /// again.
    ///
    /// # Panics
    /// When it does not say where it is.
    #[must_use]
    pub fn start(directory: &Path, listen: &str) -> Self {
        let mut child = program::command()
            .args(["ledger", "serve", "--json", "--listen", listen, "--directory"])
            .arg(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("standard output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the ledger says where it is");
        let place = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        Self { child, place, directory: directory.to_path_buf() }
    }

    /// Its REST interface.
    ///
    /// # Panics
    /// When its first line had none.
    #[must_use]
    pub fn url(&self) -> &str {
        self.place["url"].as_str().expect("a ledger has an address")
    }

    /// Its address and port.
    #[must_use]
    pub fn listen(&self) -> String {
        self.url().trim_start_matches("http://").trim_end_matches("/v1").to_owned()
    }

    /// The contract's address.
    ///
    /// # Panics
    /// When its first line had none.
    #[must_use]
    pub fn module(&self) -> &str {
        self.place["module"].as_str().expect("a ledger has a contract")
    }

    /// The file with its admin's key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.directory.join("deployer.key")
    }

    /// Gives units of the reward asset to an account.
    ///
    /// # Panics
    /// When the faucet refuses.
    pub fn mint(&self, address: &str, amount: u64) {
        let answer = self.post(&format!("/mint?address={address}&amount={amount}&asset=reward"), "");
        assert!(answer.is_array(), "{answer}");
    }

    /// Calls a view; its results.
    ///
    /// # Panics
    /// When the ledger refuses.
    #[must_use]
    pub fn view(&self, name: &str, arguments: &[&str]) -> Value {
        let function = format!("{}::training_rewards::{name}", self.module());
        let body = serde_json::json!({ "function": function, "type_arguments": [], "arguments": arguments });
        self.post("/v1/view", &body.to_string())
    }

    fn post(&self, path: &str, body: &str) -> Value {
        let host = self.listen();
        let mut stream = TcpStream::connect(&host).expect("the ledger listens");
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        )
        .expect("a request can be sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the ledger answers");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{body:?}: {error}"))
    }

    /// Kills it at once, as a power cut does.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // That it may have ended by itself is no matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for LedgerServer {
    fn drop(&mut self) {
        self.end();
    }
}

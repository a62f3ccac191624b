//! The hash-chained log of what the aggregator decided, with a signed head.
//!
//! A line is `{"sequence":…,"previous":…,"kind":…,"body":…,"hash":…}`, where the hash is BLAKE3("cotrain/audit/1" ‖ the
//! text of the line up to and without `,"hash":`), and `previous` is the hash of the line before, zero in the first.
//! So a line is checked as the text that it is, whatever JSON library reads it. Invariants: the head names a line of
//! the file, and is signed after that line is on the disk; so a log that is shorter than its head, or differs below
//! it, was tampered with.

use std::path::{Path, PathBuf};

use disk::{FileError, JsonLines};
use protocol::{Hash, Keypair, Signable, Signed};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const DOMAIN: &str = "cotrain/audit/1";
const HASH_KEY: &str = ",\"hash\":";
const HEAD_BYTES_MAX: u64 = 4096;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ChainedLine {
    /// Its number, from 1.
    pub sequence: u64,
    /// The hash of the line before.
    pub previous: Hash,
    /// What kind of decision.
    pub kind: String,
    pub body: Value,
    /// The hash of this line.
    pub hash: Hash,
}

/// The newest line, signed by the aggregator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainedHead {
    pub sequence: u64,
    pub hash: Hash,
}

impl Signable for ChainedHead {
    const DOMAIN: &'static str = "cotrain/audit-head/1";
}

/// Why a log is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ChainedLogError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line does not follow from the one before.
    #[error("{} line {sequence} does not follow from the line before: {what}", path.display())]
    Chain { path: PathBuf, sequence: u64, what: &'static str },
    /// The log ends before its signed head, or differs there.
    #[error("{} has no line {sequence} with the signed hash {hash}", path.display())]
    Head {
        path: PathBuf,
        /// The head's line.
        sequence: u64,
        /// The head's hash.
        hash: Hash,
    },
    /// The head's signature does not hold.
    #[error("the head of {} is not signed by its signer: {source}", path.display())]
    Signature { path: PathBuf, source: protocol::SignatureError },
}

#[derive(Debug)]
pub struct ChainedLog {
    lines: JsonLines,
    head_path: PathBuf,
    head: ChainedHead,
    keypair: Keypair,
}

impl ChainedLog {
    /// Opens or creates the log, drops a torn last line, and checks the chain against the signed head.
    ///
    /// # Errors
    /// [`ChainedLogError`] when the log was altered.
    pub fn open(path: &Path, head_path: &Path, keypair: Keypair) -> Result<Self, ChainedLogError> {
        let (lines, entries) = JsonLines::open_with(path, Entry::parse)?;
        let head = check_chain(path, &entries)?;
        check_head(path, head_path, &entries)?;
        Ok(Self { lines, head_path: head_path.to_path_buf(), head, keypair })
    }

    /// The hash of the newest line; zero before the first.
    #[must_use]
    pub fn head_hash(&self) -> Hash {
        self.head.hash
    }

    /// Appends a decision and signs the new head.
    ///
    /// # Errors
    /// When the body is no JSON or the disk refuses.
    pub fn append<T: Serialize>(&mut self, kind: &str, body: &T) -> Result<Hash, ChainedLogError> {
        let encode = |e: serde_json::Error| FileError::Encode { path: self.head_path.clone(), message: e.to_string() };
        let kind = serde_json::to_string(kind).map_err(encode)?;
        let body = serde_json::to_string(body).map_err(encode)?;
        let (sequence, previous) = (self.head.sequence + 1, self.head.hash);
        let text = format!("{{\"sequence\":{sequence},\"previous\":\"{previous}\",\"kind\":{kind},\"body\":{body}");
        let hash = text_hash(&text);
        self.lines.append_text(format!("{text}{HASH_KEY}\"{hash}\"}}"))?;
        self.head = ChainedHead { sequence, hash };
        disk::write_json(&self.head_path, &Signed::new(self.head.clone(), &self.keypair))?;
        Ok(hash)
    }

    /// The newest line.
    #[must_use]
    pub fn head(&self) -> &ChainedHead {
        &self.head
    }
}

/// Checks a log and its signed head; returns the head and who signed it.
///
/// # Errors
/// [`ChainedLogError`] for the first thing that does not hold.
pub fn verify(path: &Path, head_path: &Path) -> Result<Signed<ChainedHead>, ChainedLogError> {
    let entries = disk::read_lines_with(path, Entry::parse)?;
    check_chain(path, &entries)?;
    check_head(path, head_path, &entries)?;
    Ok(disk::read_json(head_path, HEAD_BYTES_MAX)?)
}

/// A parsed line and the hash that its text has.
struct Entry {
    line: ChainedLine,
    found: Hash,
}

impl Entry {
    fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        let line: ChainedLine = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let (hashed, _) = text.rsplit_once(HASH_KEY).ok_or("the hash is not the last key")?;
        Ok(Self { line, found: text_hash(hashed) })
    }
}

fn check_chain(path: &Path, entries: &[Entry]) -> Result<ChainedHead, ChainedLogError> {
    let mut head = ChainedHead { sequence: 0, hash: Hash::ZERO };
    for Entry { line, found } in entries {
        let sequence = head.sequence + 1;
        let refuse = |what| ChainedLogError::Chain { path: path.to_path_buf(), sequence, what };
        if line.sequence != sequence {
            return Err(refuse("its number"));
        }
        if line.previous != head.hash {
            return Err(refuse("the hash of the line before"));
        }
        if line.hash != *found {
            return Err(refuse("its own hash"));
        }
        head = ChainedHead { sequence, hash: line.hash };
    }
    Ok(head)
}

/// A head may lag behind the file by what a crash left unsigned, never the other way round.
fn check_head(path: &Path, head_path: &Path, entries: &[Entry]) -> Result<(), ChainedLogError> {
    if !head_path.exists() && entries.len() <= 1 {
        return Ok(());
    }
    let signed: Signed<ChainedHead> = disk::read_json(head_path, HEAD_BYTES_MAX)?;
    signed.verify().map_err(|source| ChainedLogError::Signature { path: path.to_path_buf(), source })?;
    let ChainedHead { sequence, hash } = signed.body;
    let found = sequence.checked_sub(1).and_then(|index| entries.get(usize::try_from(index).ok()?));
    if found.is_some_and(|entry| entry.line.hash == hash) {
        return Ok(());
    }
    Err(ChainedLogError::Head { path: path.to_path_buf(), sequence, hash })
}

fn text_hash(text: &str) -> Hash {
    Hash::of_parts(DOMAIN, &[text.as_bytes()])
}

#[cfg(test)]
mod tests;

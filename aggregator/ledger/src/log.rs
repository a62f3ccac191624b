//! The log on disk: records that are appended, flushed, and never changed.
//!
//! A record is its length (u32, little-endian), the first four bytes of the BLAKE3 of those four, the BLAKE3 of the body (32
//! bytes), and the body. The first body names the ledger; every other is a block. A process that is killed while it writes
//! leaves a record that is incomplete at the end of the file; it was never reported as committed and is cut off. Damage
//! anywhere else is an error: nothing is dropped silently.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The longest body: a block of the longest transactions.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const HEAD_BYTES: usize = 4 + 4 + 32;

/// Why a log cannot be used.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file system's reason.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another process has the ledger open.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// A record that is not the last one is damaged.
    #[error("{path} is damaged at byte {at}: {what}; restore it from a copy")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        at: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A body could not be encoded.
    #[error("a record cannot be encoded: {0}")]
    Encode(String),
}

/// Who the log is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The format: 1.
    pub format: u32,
    /// The chain's number.
    pub chain_id: u8,
    /// The contract's address.
    pub module: [u8; 32],
    /// When the ledger began, in microseconds.
    pub genesis_us: u64,
}

/// An open log, at whose end the next record goes.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    path: PathBuf,
    end: u64,
}

/// What opening found besides the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    /// How many records there are.
    pub records: u64,
    /// How many bytes of an unfinished record were cut off.
    pub cut: u64,
}

impl Log {
    /// Opens or makes a log and hands each body to `read`, which says what is wrong with it.
    pub(crate) fn open(
        path: &Path,
        mut read: impl FnMut(u64, &[u8]) -> Result<(), String>,
    ) -> Result<(Log, Opened), LogError> {
        let io = |source| LogError::Io { path: path.into(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LogError::InUse(path.into())),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut log = Log { file, path: path.into(), end: 0 };
        let length = log.file.metadata().map_err(io)?.len();
        let mut input = BufReader::new(&log.file);
        let (mut end, mut records) = (0, 0);
        let damaged = |at, what| LogError::Damaged { path: path.into(), at, what };
        loop {
            match next(&mut input, length - end).map_err(io)? {
                Next::Body(body) => {
                    read(records, &body).map_err(|what| damaged(end, what))?;
                    end += (HEAD_BYTES + body.len()) as u64;
                    records += 1;
                }
                Next::Torn | Next::End => break,
                Next::Damaged(what) => return Err(damaged(end, what.into())),
            }
        }
        let cut = length - end;
        if cut > 0 {
            log.file.set_len(end).and_then(|()| log.file.sync_all()).map_err(io)?;
        }
        log.end = end;
        Ok((log, Opened { records, cut }))
    }

    /// Appends a record and returns once it is on the disk.
    pub(crate) fn append<T: Serialize>(&mut self, value: &T) -> Result<(), LogError> {
        let body = postcard::to_stdvec(value).map_err(|error| LogError::Encode(error.to_string()))?;
        let length = u32::try_from(body.len()).ok().filter(|length| *length as usize <= BODY_BYTES_MAX);
        let length = length.ok_or_else(|| LogError::Encode(format!("{} bytes", body.len())))?.to_le_bytes();
        let mut record = Vec::with_capacity(HEAD_BYTES + body.len());
        record.extend(length);
        record.extend(&blake3::hash(&length).as_bytes()[..4]);
        record.extend(blake3::hash(&body).as_bytes());
        record.extend(&body);
        let io = |source| LogError::Io { path: self.path.clone(), source };
        self.file.seek(SeekFrom::Start(self.end)).map_err(io)?;
        self.file.write_all(&record).map_err(io)?;
        self.file.sync_data().map_err(io)?;
        self.end += record.len() as u64;
        Ok(())
    }
}

impl Drop for Log {
    /// Closing the file would not do: a child process that is just being started may hold it for a moment longer.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// Reads a body of the log.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes are left after the record", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

enum Next {
    Body(Vec<u8>),
    End,
    Torn,
    Damaged(&'static str),
}

fn next(input: &mut impl BufRead, left: u64) -> io::Result<Next> {
    if left == 0 {
        return Ok(Next::End);
    }
    if left < HEAD_BYTES as u64 {
        return Ok(Next::Torn);
    }
    let mut head = [0; HEAD_BYTES];
    input.read_exact(&mut head)?;
    let (length, rest) = head.split_at(4);
    let (check, hash) = rest.split_at(4);
    let count = length.iter().rev().fold(0, |count, byte| count << 8 | usize::from(*byte));
    if blake3::hash(length).as_bytes()[..4] != *check || count > BODY_BYTES_MAX {
        // A file system may have lengthened the file before it wrote all of it: zeros from within the length up to the end.
        let zeros = hash.iter().all(|byte| *byte == 0) && all_zeros(input, left - HEAD_BYTES as u64)?;
        return Ok(if zeros { Next::Torn } else { Next::Damaged("the length of a record does not match its check") });
    }
    let end = (HEAD_BYTES + count) as u64;
    if left < end {
        return Ok(Next::Torn);
    }
    let mut body = vec![0; count];
    input.read_exact(&mut body)?;
    Ok(match blake3::hash(&body).as_bytes() == hash {
        true => Next::Body(body),
        false if left == end => Next::Torn,
        false => Next::Damaged("a record does not match its hash"),
    })
}

fn all_zeros(input: &mut impl BufRead, count: u64) -> io::Result<bool> {
    for byte in input.take(count).bytes() {
        if byte? != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

//! The log on disk: records that are appended, flushed, and never changed.
//!
//! A record is its length (u32, little-endian), the first four bytes of the BLAKE3 of those four, the BLAKE3 of the body (32
//! bytes), and the body in postcard. A process that is killed while it writes leaves a record that is incomplete at the end
//! of the file; it was never acknowledged and is cut off. Damage anywhere else is an error: nothing is dropped silently.
//! The ledger's blocks and the queue of reports to it are kept so.

use serde::{Serialize, de::DeserializeOwned};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

const HEAD_BYTES: usize = 4 + 4 + 32;

/// How long a log and its records may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The longest body, in bytes; below 4 GiB, which is what a record's length holds.
    pub body_bytes_max: u32,
    /// The longest log, in bytes.
    pub log_bytes_max: u64,
}

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
    /// Another process has the log open.
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
    /// A body could not be encoded, or is too long.
    #[error("a record cannot be encoded: {0}")]
    Encode(String),
    /// The log is as long as it may be.
    #[error("{0} is full")]
    Full(PathBuf),
}

/// An open log, at whose end the next record goes.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    bounds: Bounds,
    end: u64,
}

/// What opening found besides the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// How many records there are.
    pub records: u64,
    /// How many bytes of an unfinished record were cut off.
    pub cut: u64,
}

impl Log {
    /// Opens or makes a log and hands each body with its number, from 0, to `read`, which says what is wrong with it.
    ///
    /// # Errors
    /// When the file cannot be used, is in use, too long, or damaged before its end.
    pub fn open(
        path: &Path,
        bounds: Bounds,
        mut read: impl FnMut(u64, &[u8]) -> Result<(), String>,
    ) -> Result<(Log, Opened), LogError> {
        let io = |source| LogError::Io { path: path.into(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LogError::InUse(path.into())),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut log = Log { file, path: path.into(), bounds, end: 0 };
        let length = log.file.metadata().map_err(io)?.len();
        if length > bounds.log_bytes_max {
            return Err(LogError::Full(path.into()));
        }
        let mut input = BufReader::new(&log.file);
        let (mut end, mut records) = (0, 0);
        let damaged = |at, what| LogError::Damaged { path: path.into(), at, what };
        loop {
            match next(&mut input, length - end, bounds.body_bytes_max as usize).map_err(io)? {
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

    /// Where the last record ends, in bytes.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends a record and returns once it is on the disk.
    ///
    /// # Errors
    /// When the record or the log would be too long, or the disk refuses; the log is then as it was.
    pub fn append<T: Serialize>(&mut self, value: &T) -> Result<(), LogError> {
        let record = self.encode(value)?;
        if self.end + record.len() as u64 > self.bounds.log_bytes_max {
            return Err(LogError::Full(self.path.clone()));
        }
        if let Err(source) = self.write(&record) {
            // What was written of it goes, so that a shorter record does not end in its middle.
            let _ = self.file.set_len(self.end);
            return Err(LogError::Io { path: self.path.clone(), source });
        }
        self.end += record.len() as u64;
        Ok(())
    }

    fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, LogError> {
        let body = postcard::to_stdvec(value).map_err(|error| LogError::Encode(error.to_string()))?;
        let length = u32::try_from(body.len()).ok().filter(|length| *length <= self.bounds.body_bytes_max);
        let length = length.ok_or_else(|| LogError::Encode(format!("{} bytes", body.len())))?.to_le_bytes();
        let mut record = Vec::with_capacity(HEAD_BYTES + body.len());
        record.extend(length);
        record.extend(&blake3::hash(&length).as_bytes()[..4]);
        record.extend(blake3::hash(&body).as_bytes());
        record.extend(&body);
        Ok(record)
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(record)?;
        self.file.sync_data()
    }
}

impl Drop for Log {
    /// Closing the file would not do: a child process that is just being started may hold it for a moment longer.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// Reads a body of a log.
///
/// # Errors
/// What is wrong with it, in words.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
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

fn next(input: &mut impl BufRead, left: u64, body_bytes_max: usize) -> io::Result<Next> {
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
    if blake3::hash(length).as_bytes()[..4] != *check || count > body_bytes_max {
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

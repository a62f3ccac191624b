//! The queue on disk: a log that is appended and flushed, and the receipts as lines of JSON for people and programs.
//!
//! A record is its length (u32, little-endian), the first four bytes of the BLAKE3 of those four, the BLAKE3 of the body (32
//! bytes), and the body in postcard. A process that is killed while it writes leaves an incomplete record at the end, which
//! was never acknowledged and is cut off. Damage anywhere else is an error: nothing is dropped silently. The receipts follow
//! from the log and are completed when it is opened.

use super::Landed;
use super::record::Record;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The log's name in the reporter's folder.
pub(crate) const LOG_FILE: &str = "queue.log";
/// The receipts' name in the reporter's folder.
pub(crate) const RECEIPTS_FILE: &str = "receipts.jsonl";
/// The longest log.
const LOG_BYTES_MAX: u64 = 1 << 30;
/// The longest body: a settlement of the most entries that may wait.
const BODY_BYTES_MAX: usize = 128 * 1024 * 1024;
const HEAD_BYTES: usize = 4 + 4 + 32;

/// Why the queue's files cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file system's reason.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another process reports from this folder.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// A record that is not the last one is damaged, or cannot follow those before it.
    #[error("{path} cannot be used from byte {at} on: {what}; restore it from a copy, or report from another folder")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        at: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The log is as long as it may be.
    #[error("{0} is full: begin a session in another folder")]
    Full(PathBuf),
}

/// The open files.
#[derive(Debug)]
pub(crate) struct Store {
    log: File,
    log_path: PathBuf,
    end: u64,
    receipts: File,
    receipts_path: PathBuf,
}

impl Store {
    /// Opens or makes the log of a folder and hands each record to `read`, which says what is wrong with it.
    pub(crate) fn open(folder: &Path, mut read: impl FnMut(Record) -> Result<(), String>) -> Result<Store, StoreError> {
        std::fs::create_dir_all(folder).map_err(|source| StoreError::Io { path: folder.into(), source })?;
        let log_path = folder.join(LOG_FILE);
        let io = |source| StoreError::Io { path: log_path.clone(), source };
        let log = open(&log_path).map_err(io)?;
        match log.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(log_path)),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        if log.metadata().map_err(io)?.len() > LOG_BYTES_MAX {
            return Err(StoreError::Full(log_path));
        }
        let bytes = std::fs::read(&log_path).map_err(io)?;
        let end = replay(&bytes, &log_path, &mut read)?;
        if end < bytes.len() as u64 {
            tracing::warn!(cut = bytes.len() as u64 - end, "cut off an unfinished record of the queue's log");
            log.set_len(end).and_then(|()| log.sync_all()).map_err(io)?;
        }
        let receipts_path = folder.join(RECEIPTS_FILE);
        let receipts = open(&receipts_path).map_err(|source| StoreError::Io { path: receipts_path.clone(), source })?;
        sync_folder(folder).map_err(io)?;
        Ok(Store { log, log_path, end, receipts, receipts_path })
    }

    /// Appends a record and returns once it is on the disk.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        let io = |source| StoreError::Io { path: self.log_path.clone(), source };
        let bytes = encode(record).map_err(|what| io(io::Error::other(what)))?;
        if self.end + bytes.len() as u64 > LOG_BYTES_MAX {
            return Err(StoreError::Full(self.log_path.clone()));
        }
        let written = write_at(&mut self.log, self.end, &bytes);
        if let Err(source) = written {
            // What was written of it goes, so that a shorter record does not end in its middle.
            let _ = self.log.set_len(self.end);
            return Err(io(source));
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Completes the receipts with what landed but was not written before the process ended.
    pub(crate) fn complete_receipts(&mut self, landed: &[Landed]) -> Result<(), StoreError> {
        let io = |source| StoreError::Io { path: self.receipts_path.clone(), source };
        let expected: String = landed.iter().map(line).collect();
        let found = std::fs::read(&self.receipts_path).map_err(io)?;
        if found == expected.as_bytes() {
            return Ok(());
        }
        let same = if expected.as_bytes().starts_with(&found) { found.len() } else { 0 };
        self.receipts.set_len(same as u64).map_err(io)?;
        write_at(&mut self.receipts, same as u64, &expected.as_bytes()[same..]).map_err(io)
    }

    /// Appends a receipt.
    pub(crate) fn append_receipt(&mut self, landed: &Landed) -> Result<(), StoreError> {
        let io = |source| StoreError::Io { path: self.receipts_path.clone(), source };
        let end = self.receipts.metadata().map_err(io)?.len();
        write_at(&mut self.receipts, end, line(landed).as_bytes()).map_err(io)
    }
}

impl Drop for Store {
    /// Closing the file would not do: a child process that is just being started may hold it for a moment longer.
    fn drop(&mut self) {
        let _ = self.log.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// Makes the files' names last: a name is safe once its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    let _ = folder;
    Ok(())
}

fn line(landed: &Landed) -> String {
    let mut line = serde_json::to_string(landed).expect("strings and numbers are JSON");
    line.push('\n');
    line
}

fn encode(record: &Record) -> Result<Vec<u8>, String> {
    let body = postcard::to_stdvec(record).map_err(|error| error.to_string())?;
    if body.len() > BODY_BYTES_MAX {
        return Err(format!("a record of {} bytes", body.len()));
    }
    let length = (body.len() as u32).to_le_bytes();
    let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
    bytes.extend(length);
    bytes.extend(&blake3::hash(&length).as_bytes()[..4]);
    bytes.extend(blake3::hash(&body).as_bytes());
    bytes.extend(body);
    Ok(bytes)
}

/// Reads every record; where the last whole one ends.
fn replay(bytes: &[u8], path: &Path, read: &mut impl FnMut(Record) -> Result<(), String>) -> Result<u64, StoreError> {
    let mut end = 0;
    loop {
        let damaged = |what: String| StoreError::Damaged { path: path.into(), at: end as u64, what };
        match next(&bytes[end..]) {
            Next::Body(body) => {
                read(decode(body).map_err(damaged)?).map_err(damaged)?;
                end += HEAD_BYTES + body.len();
            }
            Next::Torn => return Ok(end as u64),
            Next::Damaged(what) => return Err(damaged(what.into())),
        }
    }
}

fn decode(body: &[u8]) -> Result<Record, String> {
    match postcard::take_from_bytes(body) {
        Ok((record, [])) => Ok(record),
        Ok((_, rest)) => Err(format!("{} bytes are left after the record", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

enum Next<'a> {
    Body(&'a [u8]),
    /// The end, or a record that was not written whole.
    Torn,
    Damaged(&'static str),
}

fn next(bytes: &[u8]) -> Next<'_> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else { return Next::Torn };
    let (length, check, hash) = (&head[..4], &head[4..8], &head[8..]);
    let count = length.iter().rev().fold(0, |count, byte| count << 8 | usize::from(*byte));
    if blake3::hash(length).as_bytes()[..4] != *check || count > BODY_BYTES_MAX {
        // A file system may have lengthened the file before it wrote all of it: zeros from within the length to the end.
        let zeros = hash.iter().chain(rest).all(|byte| *byte == 0);
        return if zeros { Next::Torn } else { Next::Damaged("the length of a record does not match its check") };
    }
    let Some((body, after)) = rest.split_at_checked(count) else { return Next::Torn };
    match blake3::hash(body).as_bytes() == hash {
        true => Next::Body(body),
        false if after.is_empty() => Next::Torn,
        false => Next::Damaged("a record does not match its hash"),
    }
}

#[cfg(test)]
mod tests;

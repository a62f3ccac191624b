//! The queue on disk: a log of its records, and the receipts as lines of JSON for people and programs. The receipts follow
//! from the log and are completed when it is opened.

use super::Landed;
use super::record::Record;
use durable_log::{Bounds, Log, LogError};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The log's name in the reporter's folder.
pub(crate) const LOG_FILE: &str = "queue.log";
/// The receipts' name in the reporter's folder.
pub(crate) const RECEIPTS_FILE: &str = "receipts.jsonl";
/// A settlement of the most entries that may wait fits a record.
const BOUNDS: Bounds = Bounds { body_bytes_max: 128 * 1024 * 1024, log_bytes_max: 1 << 30 };

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

impl From<LogError> for StoreError {
    fn from(error: LogError) -> StoreError {
        match error {
            LogError::Io { path, source } => StoreError::Io { path, source },
            LogError::InUse(path) => StoreError::InUse(path),
            LogError::Damaged { path, at, what } => StoreError::Damaged { path, at, what },
            LogError::Encode(what) => StoreError::Io { path: LOG_FILE.into(), source: io::Error::other(what) },
            LogError::Full(path) => StoreError::Full(path),
        }
    }
}

/// The open files.
#[derive(Debug)]
pub(crate) struct Store {
    log: Log,
    receipts: File,
    receipts_path: PathBuf,
}

impl Store {
    /// Opens or makes the log of a folder and hands each record to `read`, which says what is wrong with it.
    pub(crate) fn open(folder: &Path, mut read: impl FnMut(Record) -> Result<(), String>) -> Result<Store, StoreError> {
        let folder_io = |source| StoreError::Io { path: folder.into(), source };
        std::fs::create_dir_all(folder).map_err(folder_io)?;
        let (log, opened) = Log::open(&folder.join(LOG_FILE), BOUNDS, |_, body| read(durable_log::decode(body)?))?;
        if opened.cut > 0 {
            tracing::warn!(cut = opened.cut, "cut off an unfinished record of the queue's log");
        }
        let receipts_path = folder.join(RECEIPTS_FILE);
        let receipts = open(&receipts_path).map_err(|source| StoreError::Io { path: receipts_path.clone(), source })?;
        sync_folder(folder).map_err(folder_io)?;
        Ok(Store { log, receipts, receipts_path })
    }

    /// Appends a record and returns once it is on the disk.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        Ok(self.log.append(record)?)
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

#[cfg(test)]
mod tests;

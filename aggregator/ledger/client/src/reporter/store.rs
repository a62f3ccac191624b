//! The queue on disk: a log of its records, and the receipts as lines of JSON for people and programs. The receipts
//! follow from the log and are completed when it is opened.

use super::Landed;
use super::record::Record;
use disk::{Bounds, FileError, JsonLines, RecordLog, read_bounded, write_atomic};
use std::path::{Path, PathBuf};

/// The log's name in the reporter's folder.
pub(crate) const LOG_FILE: &str = "queue.records";
/// The receipts' name in the reporter's folder.
pub(crate) const RECEIPTS_FILE: &str = "receipts.jsonl";
/// A settlement of the most entries that may wait fits a record.
const BOUNDS: Bounds = Bounds { body_bytes_max: 128 * 1024 * 1024, log_bytes_max: 1 << 30 };

/// The open files.
#[derive(Debug)]
pub(crate) struct Store {
    log: RecordLog,
    receipts: JsonLines,
    receipts_path: PathBuf,
}

impl Store {
    /// Opens or makes the log of a folder and hands each record to `read`, which says what is wrong with it.
    pub(crate) fn open(folder: &Path, mut read: impl FnMut(Record) -> Result<(), String>) -> Result<Store, FileError> {
        disk::create_directory(folder)?;
        let read = |_, body: &[u8]| read(disk::decode(body)?);
        let (log, opened) = RecordLog::open(&folder.join(LOG_FILE), BOUNDS, read)?;
        if opened.cut > 0 {
            tracing::warn!(cut = opened.cut, "cut off an unfinished record of the queue's log");
        }
        let receipts_path = folder.join(RECEIPTS_FILE);
        let receipts = open_receipts(&receipts_path)?;
        Ok(Store { log, receipts, receipts_path })
    }

    /// Appends a record and returns once it is on the disk.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), FileError> {
        self.log.append(record)
    }

    /// Completes the receipts with what landed but was not written before the process ended.
    pub(crate) fn complete_receipts(&mut self, landed: &[Landed]) -> Result<(), FileError> {
        let expected: String = landed.iter().map(line).collect();
        if read_bounded(&self.receipts_path, disk::LOG_BYTES_MAX)? != expected.as_bytes() {
            write_atomic(&self.receipts_path, expected.as_bytes())?;
            self.receipts = open_receipts(&self.receipts_path)?;
        }
        Ok(())
    }

    pub(crate) fn append_receipt(&mut self, landed: &Landed) -> Result<(), FileError> {
        self.receipts.append(landed)
    }
}

/// What stands there is compared with the log once that was read, whatever it is.
fn open_receipts(path: &Path) -> Result<JsonLines, FileError> {
    Ok(JsonLines::open_with(path, |_| Ok(()))?.0)
}

fn line(landed: &Landed) -> String {
    let mut line = serde_json::to_string(landed).expect("strings and numbers are JSON");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests;

//! The log of binary records: they are appended, flushed, and never changed; a log is replaced as a whole or not at
//! all.
//!
//! A record is its length (u32, little-endian), the first four bytes of the BLAKE3 of those four, the BLAKE3 of the
//! body (32 bytes), and the body in postcard. A process that is killed while it writes leaves a record that is
//! incomplete at the end of the file; it was never acknowledged and is cut off. Damage anywhere else is an error:
//! nothing is dropped silently. What a node promised, the ledger's blocks and the queue of reports to it are kept so,
//! in files named `*.records`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::{FileError, sync_parent, temporary_name};

const HEAD_BYTES: usize = 4 + 4 + 32;

/// How long a log and its records may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The longest body, in bytes; below 4 GiB, which is what a record's length holds.
    pub body_bytes_max: u32,
    /// The longest log, in bytes.
    pub log_bytes_max: u64,
}

/// An open log, at whose end the next record goes.
#[derive(Debug)]
pub struct RecordLog {
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

impl RecordLog {
    /// Opens or makes a log and hands each body with its number, from 0, to `read`, which says what is wrong with it.
    ///
    /// # Errors
    /// When the file cannot be used, is in use, too long, or damaged before its end.
    pub fn open(
        path: &Path,
        bounds: Bounds,
        mut read: impl FnMut(u64, &[u8]) -> Result<(), String>,
    ) -> Result<(Self, Opened), FileError> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = options.map_err(FileError::io("open", path))?;
        lock(&file, path)?;
        let mut log = Self { file, path: path.into(), bounds, end: 0 };
        let length = log.file.metadata().map_err(FileError::io("measure", path))?.len();
        if length == 0 {
            sync_parent(path)?;
        }
        if length > bounds.log_bytes_max {
            return Err(FileError::Full(path.into()));
        }
        let mut input = BufReader::new(&log.file);
        let (mut end, mut records) = (0, 0);
        let damaged = |at, message| FileError::DamagedRecord { path: path.into(), at, message };
        loop {
            let next = next(&mut input, length - end, bounds.body_bytes_max as usize);
            match next.map_err(FileError::io("read", path))? {
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
            log.file.set_len(end).and_then(|()| log.file.sync_all()).map_err(FileError::io("truncate", path))?;
        }
        log.end = end;
        Ok((log, Opened { records, cut }))
    }

    /// As [`RecordLog::open`], for records of one type, which are returned in the order in which they were written.
    ///
    /// # Errors
    /// As there, and when a record is none of `T`.
    pub fn open_all<T: DeserializeOwned>(path: &Path, bounds: Bounds) -> Result<(Self, Vec<T>), FileError> {
        let mut records = Vec::new();
        let (log, _) = Self::open(path, bounds, |_, body| {
            records.push(decode(body)?);
            Ok(())
        })?;
        Ok((log, records))
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
    pub fn append<T: Serialize>(&mut self, value: &T) -> Result<(), FileError> {
        let record = self.encode(value)?;
        if self.end + record.len() as u64 > self.bounds.log_bytes_max {
            return Err(FileError::Full(self.path.clone()));
        }
        if let Err(source) = write_at(&mut self.file, self.end, &record) {
            // What was written of it goes, so that a shorter record does not end in its middle.
            let _ = self.file.set_len(self.end);
            return Err(FileError::io("append to", &self.path)(source));
        }
        self.end += record.len() as u64;
        Ok(())
    }

    /// Replaces the whole log by these records in one step: the old ones or the new ones are there, never a mix.
    ///
    /// # Errors
    /// When a record or the log would be too long, or the disk refuses; the old log is then in force, or, where the
    /// folder alone could not be synced, the new one.
    pub fn replace<T: Serialize>(&mut self, values: &[T]) -> Result<(), FileError> {
        let records = values.iter().map(|value| self.encode(value)).collect::<Result<Vec<_>, _>>()?.concat();
        let end = records.len() as u64;
        if end > self.bounds.log_bytes_max {
            return Err(FileError::Full(self.path.clone()));
        }
        let temporary = temporary_name(&self.path);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&temporary);
        let mut file = options.map_err(FileError::io("create", &temporary))?;
        // The lock is the file's: the new one is taken before it has the log's name.
        lock(&file, &temporary)?;
        let renamed = write_at(&mut file, 0, &records).and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(source) = renamed {
            // Best effort: what matters is that the log is untouched; the leftover is swept when the directory is
            // opened.
            let _ = fs::remove_file(&temporary);
            return Err(FileError::io("replace", &self.path)(source));
        }
        // The new file has the log's name from here on, whatever becomes of the sync: what is appended belongs into it.
        // Closing the old one would not give its lock back while a child process holds it; nobody asks for it by name.
        (self.file, self.end) = (file, end);
        sync_parent(&self.path)
    }

    fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, FileError> {
        let refuse = |message: String| FileError::Encode { path: self.path.clone(), message };
        let body = postcard::to_stdvec(value).map_err(|error| refuse(error.to_string()))?;
        let length = u32::try_from(body.len()).ok().filter(|length| *length <= self.bounds.body_bytes_max);
        let too_long = || refuse(format!("{} bytes, at most {} are allowed", body.len(), self.bounds.body_bytes_max));
        let length = length.ok_or_else(too_long)?.to_le_bytes();
        let mut record = Vec::with_capacity(HEAD_BYTES + body.len());
        record.extend(length);
        record.extend(&blake3::hash(&length).as_bytes()[..4]);
        record.extend(blake3::hash(&body).as_bytes());
        record.extend(&body);
        Ok(record)
    }
}

impl Drop for RecordLog {
    /// Closing the file would not do: a child process that is just being started may hold it for a moment longer.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn lock(file: &File, path: &Path) -> Result<(), FileError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(FileError::InUse(path.into())),
        Err(TryLockError::Error(source)) => Err(FileError::io("lock", path)(source)),
    }
}

fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)?;
    file.sync_data()
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
        // A file system may have lengthened the file before it wrote all of it: zeros from within the length up to the
        // end.
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

#[cfg(test)]
mod tests;

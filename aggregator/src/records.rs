//! The durable records of the open round: what a node promised before it told anyone.
//!
//! A file of frames, each a little-endian `u32` length, the first eight bytes of the BLAKE3 of the body, and the
//! body in postcard. Invariants: a record that [`RecordLog::append`] returned from is there after a power cut; a
//! torn last frame is dropped; damage before the last frame is an error, since a forgotten vote could be cast twice.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::files::{self, FileError};

/// The largest single record, in bytes: a manifest of 64 entries with signatures is some tens of KiB.
pub const RECORD_BYTES_MAX: usize = 4 << 20;
/// The largest record file, in bytes; a round writes a handful of records before the file is replaced.
pub const RECORDS_BYTES_MAX: u64 = 256 << 20;

const FRAME_BYTES: usize = 12;

/// An append-only log of records of one type.
#[derive(Debug)]
pub struct RecordLog<T> {
    path: PathBuf,
    file: File,
    record: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> RecordLog<T> {
    /// Opens or creates the log and returns its records in the order they were written.
    ///
    /// # Errors
    /// When the file cannot be used, or a frame that is not the last is damaged.
    pub fn open(path: &Path) -> Result<(Self, Vec<T>), FileError> {
        let fresh = !path.exists();
        let bytes = if fresh { Vec::new() } else { files::read_bounded(path, RECORDS_BYTES_MAX)? };
        let (records, kept) = frames(path, &bytes)?;
        let options = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let mut file = options.map_err(FileError::io("open", path))?;
        if kept < bytes.len() {
            file.set_len(kept as u64).map_err(FileError::io("truncate", path))?;
            file.sync_all().map_err(FileError::io("sync", path))?;
        }
        file.seek(SeekFrom::End(0)).map_err(FileError::io("seek in", path))?;
        if fresh {
            files::sync_parent(path)?;
        }
        Ok((Self { path: path.to_path_buf(), file, record: PhantomData }, records))
    }

    /// Appends one record and waits until it is on the disk.
    ///
    /// # Errors
    /// When the record is too large or the disk refuses.
    pub fn append(&mut self, record: &T) -> Result<(), FileError> {
        let frame = encode_frame(&self.path, record)?;
        files::append_synced(&mut self.file, &self.path, &frame)
    }

    /// Replaces the whole log by these records in one step: the old ones or the new ones are there, never a mix.
    ///
    /// # Errors
    /// When a record is too large or the disk refuses; the old log is then in force.
    pub fn replace(&mut self, records: &[T]) -> Result<(), FileError> {
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend_from_slice(&encode_frame(&self.path, record)?);
        }
        files::write_atomic(&self.path, &bytes)?;
        let reopened = OpenOptions::new().write(true).open(&self.path);
        self.file = reopened.map_err(FileError::io("open", &self.path))?;
        self.file.seek(SeekFrom::End(0)).map_err(FileError::io("seek in", &self.path))?;
        Ok(())
    }
}

fn encode_frame<T: Serialize>(path: &Path, record: &T) -> Result<Vec<u8>, FileError> {
    let refuse = |message: String| FileError::Encode { path: path.to_path_buf(), message };
    let body = postcard::to_stdvec(record).map_err(|e| refuse(e.to_string()))?;
    if body.len() > RECORD_BYTES_MAX {
        return Err(refuse(format!("{} bytes, at most {RECORD_BYTES_MAX} are allowed", body.len())));
    }
    let mut frame = Vec::with_capacity(FRAME_BYTES + body.len());
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&blake3::hash(&body).as_bytes()[..8]);
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The records and the length up to the end of the last good frame.
fn frames<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<(Vec<T>, usize), FileError> {
    let mut records = Vec::new();
    let mut kept = 0;
    while let Some((body, end)) = frame_at(bytes, kept) {
        let sum = &bytes[kept + 4..kept + FRAME_BYTES];
        let good = blake3::hash(body).as_bytes()[..8] == *sum;
        match good.then(|| postcard::from_bytes(body)) {
            Some(Ok(record)) => records.push(record),
            // A power cut can leave the length of the last frame without its bytes; only there is it no damage.
            None if end == bytes.len() => break,
            None => return Err(damaged(path, records.len(), "its checksum does not match".to_owned())),
            Some(Err(error)) => return Err(damaged(path, records.len(), error.to_string())),
        }
        kept = end;
    }
    Ok((records, kept))
}

/// The body of the frame that starts at `start` and its end, when all of it is there.
fn frame_at(bytes: &[u8], start: usize) -> Option<(&[u8], usize)> {
    let head = bytes.get(start..start + FRAME_BYTES)?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let end = (start + FRAME_BYTES).checked_add(length)?;
    Some((bytes.get(start + FRAME_BYTES..end)?, end))
}

fn damaged(path: &Path, before: usize, message: String) -> FileError {
    FileError::Damaged { path: path.to_path_buf(), line: before + 1, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    type Log = RecordLog<(u64, String)>;

    fn written(directory: &Path) -> (PathBuf, Vec<(u64, String)>) {
        let path = directory.join("round.records");
        let records = vec![(1, "closed".to_owned()), (2, "proposed".to_owned()), (3, String::new())];
        let (mut log, none) = Log::open(&path).unwrap();
        assert!(none.is_empty());
        for record in &records {
            log.append(record).unwrap();
        }
        (path, records)
    }

    #[test]
    fn a_log_cut_at_any_byte_keeps_its_whole_records_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let (path, records) = written(directory.path());
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (mut log, kept) = Log::open(&path).unwrap();
            assert_eq!(kept, records[..kept.len()], "cut at {cut}");
            assert!(kept.len() < records.len());
            log.append(&(9, "next".to_owned())).unwrap();
            drop(log);
            let (_, again) = Log::open(&path).unwrap();
            assert_eq!(again.len(), kept.len() + 1, "cut at {cut}");
        }
    }

    #[test]
    fn damage_before_the_last_record_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let (path, _) = written(directory.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[FRAME_BYTES] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Log::open(&path), Err(FileError::Damaged { line: 1, .. })));
    }

    #[test]
    fn a_last_record_without_its_bytes_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let (path, records) = written(directory.path());
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(Log::open(&path).unwrap().1, records[..2]);
    }

    #[test]
    fn replacing_forgets_the_old_round() {
        let directory = tempfile::tempdir().unwrap();
        let (path, _) = written(directory.path());
        let (mut log, _) = Log::open(&path).unwrap();
        log.replace(&[(7, "head".to_owned())]).unwrap();
        log.append(&(8, "vote".to_owned())).unwrap();
        drop(log);
        assert_eq!(Log::open(&path).unwrap().1, [(7, "head".to_owned()), (8, "vote".to_owned())]);
    }
}

//! Logs of lines, one JSON value each, for people and programs: they lose at most the line that was being written.
//!
//! Invariant: every line that [`JsonLines::append`] returned from is there after a power cut.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{FileError, read_bounded, sync_parent};

/// The longest log that is read back, in bytes: a million rounds of a full roster stay below it.
pub const LOG_BYTES_MAX: u64 = 4 << 30;

/// An append-only file with one JSON value a line.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: File,
}

impl JsonLines {
    /// Opens or creates the file, drops a torn last line, and returns what the complete ones hold.
    ///
    /// # Errors
    /// When the file cannot be used, or a line that is not the last does not parse.
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<T>), FileError> {
        Self::open_with(path, |line| serde_json::from_slice(line).map_err(|error| error.to_string()))
    }

    /// As [`JsonLines::open`], for lines whose very text matters: `parse` gets each without its newline.
    ///
    /// # Errors
    /// When the file cannot be used, or `parse` refuses a line that is not the last.
    pub fn open_with<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, String>) -> Result<(Self, Vec<T>), FileError> {
        let fresh = !path.exists();
        let bytes = if fresh { Vec::new() } else { read_bounded(path, LOG_BYTES_MAX)? };
        let (values, kept) = complete_lines(path, &bytes, parse)?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(FileError::io("open", path))?;
        if kept < bytes.len() {
            file.set_len(kept as u64).map_err(FileError::io("truncate", path))?;
            file.sync_all().map_err(FileError::io("sync", path))?;
        }
        file.seek(SeekFrom::End(0)).map_err(FileError::io("seek in", path))?;
        if fresh {
            sync_parent(path)?;
        }
        Ok((Self { path: path.to_path_buf(), file }, values))
    }

    /// Appends one line and waits until it is on the disk.
    ///
    /// # Errors
    /// When the value cannot be JSON or the disk refuses; a part of the line may then be there and is dropped by
    /// the next [`JsonLines::open`].
    pub fn append<T: Serialize>(&mut self, value: &T) -> Result<(), FileError> {
        let encode = |e: serde_json::Error| FileError::Encode { path: self.path.clone(), message: e.to_string() };
        self.append_text(serde_json::to_string(value).map_err(encode)?)
    }

    /// Appends one line that is JSON already and waits until it is on the disk.
    ///
    /// # Errors
    /// As [`JsonLines::append`].
    pub fn append_text(&mut self, mut line: String) -> Result<(), FileError> {
        line.push('\n');
        append_synced(&mut self.file, &self.path, line.as_bytes())
    }
}

/// Appends bytes and waits until they are on the disk; when that fails, takes back the part that was written, so that
/// a later attempt does not follow half a line.
///
/// # Errors
/// When the disk refuses.
fn append_synced(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let end = file.stream_position().map_err(FileError::io("seek in", path))?;
    let appended = file.write_all(bytes).and_then(|()| file.sync_data());
    appended.map_err(|source| {
        let _ = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
        FileError::io("append to", path)(source)
    })
}

/// Reads the lines without opening the file for writing; a torn last line is left out.
///
/// # Errors
/// When the file is missing or a line that is not the last does not parse.
pub fn read_json_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FileError> {
    read_lines_with(path, |line| serde_json::from_slice(line).map_err(|error| error.to_string()))
}

/// As [`read_json_lines`], for a file that may not have been begun yet: none then.
///
/// # Errors
/// As [`read_json_lines`], but for a missing file.
pub fn read_json_lines_if_any<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FileError> {
    if path.exists() { read_json_lines(path) } else { Ok(Vec::new()) }
}

/// As [`read_json_lines`], for lines whose very text matters.
///
/// # Errors
/// As [`read_json_lines`].
pub fn read_lines_with<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, String>) -> Result<Vec<T>, FileError> {
    let bytes = read_bounded(path, LOG_BYTES_MAX)?;
    Ok(complete_lines(path, &bytes, parse)?.0)
}

/// The values of the complete lines and the length of the file up to the end of the last of them.
fn complete_lines<T>(
    path: &Path,
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<(Vec<T>, usize), FileError> {
    let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let mut values = Vec::new();
    let mut kept = 0;
    for (index, line) in bytes[..end].split_inclusive(|b| *b == b'\n').enumerate() {
        match parse(&line[..line.len() - 1]) {
            Ok(value) => values.push(value),
            // A block that the file system never wrote can end in a newline too: the last line gets no benefit.
            Err(_) if kept + line.len() == end => break,
            Err(message) => {
                return Err(FileError::Damaged { path: path.to_path_buf(), line: index + 1, message });
            }
        }
        kept += line.len();
    }
    Ok((values, kept))
}

#[cfg(test)]
mod tests;

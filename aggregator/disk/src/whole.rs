//! Whole files: they appear complete or not at all.
//!
//! Invariant: a path passed to [`write_atomic`] holds either its old bytes or all of the new ones.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::FileError;

/// The mark in the names of files that are not complete yet; leftovers of a crash are recognised by it.
pub const TEMPORARY_MARK: &str = ".tmp-";

/// Writes a file so that `path` never names an incomplete one: temporary name, fsync, rename, fsync of the directory.
///
/// # Errors
/// When the directory cannot be written, or the disk is full; `path` is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomic`], for what is too large to be put together in memory first: `write` gets the file.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), FileError> {
    let temporary = temporary_name(path);
    let written = write_synced_with(&temporary, write);
    if written.is_err() {
        // Best effort: what matters is that `path` is untouched; the leftover is swept when the run is opened.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    fs::rename(&temporary, path).map_err(FileError::io("rename a file to", path))?;
    sync_parent(path)
}

/// Writes a file and waits until its bytes are on the disk; for files inside a directory that is renamed afterwards.
///
/// # Errors
/// When the file cannot be created or written.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_synced_with(path, |file| file.write_all(bytes))
}

fn write_synced_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), FileError> {
    let mut file = File::create(path).map_err(FileError::io("create", path))?;
    write(&mut file).map_err(FileError::io("write", path))?;
    file.sync_all().map_err(FileError::io("sync", path))
}

/// Serialises a value as indented JSON with a final newline and writes it atomically.
///
/// # Errors
/// As [`write_atomic`]; and when the value cannot be JSON.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    write_atomic(path, &json_bytes(path, value)?)
}

/// The indented JSON that [`write_json`] writes.
///
/// # Errors
/// When the value cannot be JSON; `path` is named in the error.
pub fn json_bytes<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, FileError> {
    let encode = |e: serde_json::Error| FileError::Encode { path: path.to_path_buf(), message: e.to_string() };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(encode)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a whole file that may hold at most `bytes_max` bytes.
///
/// # Errors
/// When it is missing, unreadable or longer.
pub fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(FileError::io("open", path))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too long from one that just fits, whatever its metadata says.
    let read = file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(FileError::io("read", path))?;
    let length = bytes.len() as u64;
    if length > bytes_max {
        return Err(FileError::TooLong { path: path.to_path_buf(), bytes: length, bytes_max });
    }
    Ok(bytes)
}

/// Reads a JSON file of at most `bytes_max` bytes.
///
/// # Errors
/// When it is missing, too long, or not what `T` expects.
pub fn read_json<T: DeserializeOwned>(path: &Path, bytes_max: u64) -> Result<T, FileError> {
    let bytes = read_bounded(path, bytes_max)?;
    serde_json::from_slice(&bytes).map_err(|e| FileError::Damaged {
        path: path.to_path_buf(),
        line: e.line(),
        message: e.to_string(),
    })
}

/// Makes a directory with its parents; one that exists is fine.
///
/// # Errors
/// When it cannot be made.
pub fn create_directory(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::io("create the directory", path))
}

/// Waits until a directory's entries (creations, renames) are on the disk.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_directory(path: &Path) -> Result<(), FileError> {
    // Windows cannot open a directory as a file, and its renames need no such sync.
    if cfg!(windows) {
        return Ok(());
    }
    let directory = File::open(path).map_err(FileError::io("open", path))?;
    directory.sync_all().map_err(FileError::io("sync", path))
}

/// Removes what a crash left under temporary names in one directory; a missing directory has none.
///
/// # Errors
/// When the directory can be listed but a leftover cannot be removed.
pub fn sweep_temporaries(directory: &Path) -> Result<(), FileError> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().contains(TEMPORARY_MARK) {
            continue;
        }
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(FileError::io("remove", &path))?;
    }
    Ok(())
}

/// The name under which `path` is prepared: hidden, in the same directory, told apart by process.
#[must_use]
pub fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}{TEMPORARY_MARK}{}", std::process::id()))
}

/// Syncs the directory that holds `path`.
///
/// # Errors
/// As [`sync_directory`].
pub fn sync_parent(path: &Path) -> Result<(), FileError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

#[cfg(test)]
mod tests;

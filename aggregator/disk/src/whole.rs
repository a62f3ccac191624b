//! Files that survive a crash: whole files that appear complete or not at all, and line logs that lose at most
//! the line that was being written.
//!
//! Invariants: a path passed to [`write_atomic`] holds either its old bytes or all of the new ones; every line that
//! [`JsonLines::append`] returned from is there after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The length of a secret file, in bytes.
const SECRET_BYTES: u64 = 32;
/// The longest log that is read back, in bytes: a million rounds of a full roster stay below it.
pub const LOG_BYTES_MAX: u64 = 4 << 30;

/// The mark in the names of files that are not complete yet; leftovers of a crash are recognised by it.
pub const TEMPORARY_MARK: &str = ".tmp-";

/// What can go wrong with a file of a run.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file that holds more than any file of its kind may.
    #[error("{} holds {bytes} bytes, at most {bytes_max} are allowed", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The most that is read.
        bytes_max: u64,
    },
    /// A complete line or record that does not parse: not a torn write, but damage.
    #[error("{} is damaged at line {line}: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line or record, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// A value that its format cannot hold.
    #[error("cannot encode a record for {}: {message}", path.display())]
    Encode {
        /// The file it was meant for.
        path: PathBuf,
        /// What the encoder said.
        message: String,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(String),
}

impl FileError {
    /// Wraps a system error with the action and path it belongs to.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

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

/// Bytes that nobody can guess.
///
/// # Errors
/// When the operating system gives none.
pub fn random_bytes() -> Result<[u8; 32], FileError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| FileError::Random(error.to_string()))?;
    Ok(bytes)
}

/// A secret of 32 bytes that outlives the process, made on first use and readable by its owner only.
///
/// # Errors
/// When the file cannot be written, or holds anything but 32 bytes.
pub fn secret(path: &Path, generate: impl FnOnce() -> [u8; 32]) -> Result<[u8; 32], FileError> {
    if !path.exists() {
        let secret = generate();
        write_secret(path, &secret)?;
        return Ok(secret);
    }
    read_secret(path)
}

/// Writes a secret, readable by its owner only from its first byte on.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_secret(path: &Path, secret: &[u8; 32]) -> Result<(), FileError> {
    write_atomic_with(path, |file| {
        restrict(file)?;
        file.write_all(secret)
    })
}

/// Reads a secret.
///
/// # Errors
/// When the file cannot be read, or holds anything but 32 bytes.
pub fn read_secret(path: &Path) -> Result<[u8; 32], FileError> {
    let bytes = read_bounded(path, SECRET_BYTES)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| FileError::Damaged {
        path: path.to_path_buf(),
        line: 1,
        message: format!("a secret has {SECRET_BYTES} bytes, this one {length}"),
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
pub(crate) fn append_synced(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
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

#[cfg(unix)]
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;

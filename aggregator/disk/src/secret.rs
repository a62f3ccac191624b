//! Secrets: files that their owner alone can read, from their first byte on.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::{FileError, read_bounded, write_atomic_with};

/// The length of a key or token, in bytes.
const SECRET_BYTES: u64 = 32;

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
/// As [`crate::write_atomic`].
pub fn write_secret(path: &Path, secret: &[u8]) -> Result<(), FileError> {
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

#[cfg(unix)]
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_: &File) -> io::Result<()> {
    Ok(())
}

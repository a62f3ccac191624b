//! The deployer's key: made once, in a file that only its owner reads. It is the contract's first admin.

use aptos_sdk::account::Ed25519Account;
use aptos_sdk::crypto::Ed25519PrivateKey;
use disk::{FileError, read_bounded, write_secret};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The longest key file, in bytes: 64 hexadecimal digits with a prefix and white space around.
pub const KEY_BYTES_MAX: u64 = 256;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file does not hold a key.
    #[error("{0} does not hold an Ed25519 private key as 64 hexadecimal digits")]
    Invalid(PathBuf),
}

/// Reads the key, or makes one where there is none.
pub(crate) fn load_or_make(path: &Path) -> Result<Ed25519Account, KeyError> {
    let key = if path.exists() { read(path)? } else { make(path)? };
    Ok(Ed25519Account::from_private_key(key))
}

fn read(path: &Path) -> Result<Ed25519PrivateKey, KeyError> {
    let bytes = read_bounded(path, KEY_BYTES_MAX)?;
    let key = std::str::from_utf8(&bytes).ok().and_then(|text| Ed25519PrivateKey::from_hex(text.trim()).ok());
    key.ok_or_else(|| KeyError::Invalid(path.into()))
}

fn make(path: &Path) -> Result<Ed25519PrivateKey, KeyError> {
    let key = Ed25519PrivateKey::generate();
    write_secret(path, format!("{}\n", key.to_hex()).as_bytes())?;
    Ok(key)
}

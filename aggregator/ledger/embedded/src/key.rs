//! The deployer's key: made once, in a file that only its owner reads. It is the contract's first admin.

use aptos_sdk::account::Ed25519Account;
use aptos_sdk::crypto::Ed25519PrivateKey;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file system's reason.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file does not hold a key.
    #[error("{0} does not hold an Ed25519 private key as 64 hexadecimal digits")]
    Invalid(PathBuf),
}

/// Reads the key, or makes one where there is none.
pub(crate) fn load_or_make(path: &Path) -> Result<Ed25519Account, KeyError> {
    let io = |source| KeyError::Io { path: path.into(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let key = Ed25519PrivateKey::from_hex(text.trim()).map_err(|_| KeyError::Invalid(path.into()))?;
            Ok(Ed25519Account::from_private_key(key))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(io),
        Err(error) => Err(io(error)),
    }
}

/// The file appears complete or not at all.
fn make(path: &Path) -> io::Result<Ed25519Account> {
    let key = Ed25519PrivateKey::generate();
    let temporary = path.with_extension("new");
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    writeln!(file, "{}", key.to_hex())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_folder(path)?;
    Ok(Ed25519Account::from_private_key(key))
}

/// Makes a file's name last: a name is safe once its folder is.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

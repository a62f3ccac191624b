//! What can go wrong with a file: one error for everything that this crate does.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong with a file.
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
    /// A record that is not the last one is damaged.
    #[error("{} is damaged from byte {at} on: {message}; restore it from a copy", path.display())]
    DamagedRecord {
        /// The record log.
        path: PathBuf,
        /// Where the record begins.
        at: u64,
        /// What is wrong with it.
        message: String,
    },
    /// Another process has the record log open.
    #[error("{} is in use by another process", _0.display())]
    InUse(PathBuf),
    /// The record log is as long as it may be.
    #[error("{} is full: go on in another directory", _0.display())]
    Full(PathBuf),
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

//! The disk: everything by which this project's programs keep something that must outlive them.
//!
//! Whole files that appear complete or not at all ([`write_atomic`]), secrets that their owner alone can read
//! ([`write_secret`]), logs of JSON lines ([`JsonLines`]), logs of binary records ([`RecordLog`]), and the lock of a
//! directory ([`DirectoryLock`]). Invariants: what a function returned from is there after a power cut; what a crash
//! left half-written is dropped when it is opened; damage anywhere else is an error that names the place.

#![warn(missing_docs)]

mod error;
mod lines;
mod lock;
mod records;
mod secret;
mod whole;

pub use error::FileError;
pub use lines::{JsonLines, LOG_BYTES_MAX, read_json_lines, read_json_lines_if_any, read_lines_with};
pub use lock::{DirectoryLock, LockError};
pub use records::{Bounds, Opened, RecordLog, decode};
pub use secret::{random_bytes, read_secret, secret, write_secret};
pub use whole::{
    TEMPORARY_MARK, create_directory, json_bytes, read_bounded, read_json, sweep_temporaries, sync_directory,
    sync_parent, temporary_name, write_atomic, write_atomic_with, write_json, write_synced,
};

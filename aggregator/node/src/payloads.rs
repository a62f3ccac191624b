//! The payloads of a round as they lie on the disk, loaded for whoever measures or aggregates them.

use std::collections::BTreeMap;
use std::sync::Arc;

use disk::FileError;
use kernels::{Codec, HEADER_BYTES};
use protocol::{Hash, Round};
use record::RunDirectory;

/// Payload files by their hash.
pub type Payloads = BTreeMap<Hash, Arc<Vec<u8>>>;

/// The longest payload that any codec makes of `elements` parameters, in bytes.
#[must_use]
pub fn bytes_max(elements: usize) -> u64 {
    let longest = Codec::ALL.iter().map(|codec| codec.body_bytes(elements)).max().unwrap_or(0);
    (HEADER_BYTES + longest) as u64
}

/// Loads payloads and checks each against its hash.
///
/// # Errors
/// When one is missing, too long or damaged.
pub fn load(run: &RunDirectory, round: Round, hashes: &[Hash], elements: usize) -> Result<Payloads, FileError> {
    let limit = bytes_max(elements);
    let load = |hash: &Hash| Ok((*hash, Arc::new(run.load_payload(round, hash, limit)?)));
    hashes.iter().map(load).collect()
}

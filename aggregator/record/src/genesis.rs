//! The fixed facts of a session: what `genesis.json` holds, written last, so that its presence says that a run can be
//! resumed.
//!
//! Invariant: everything that the file names (job, data shards, checkpoint 000000) is on the disk before it.

use std::path::Path;

use disk::FileError;
use protocol::{Hash, NetworkId, SessionId, WorkerId};
use serde::{Deserialize, Serialize};

/// The largest genesis file, in bytes.
const GENESIS_BYTES_MAX: u64 = 1 << 20;

/// What never changes in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// Version of this file.
    pub version: u32,
    /// The session: the hash of the other facts and of a nonce.
    pub session: SessionId,
    /// What all nodes agree on: the fingerprint of the job.
    pub network: NetworkId,
    /// The aggregator's public key.
    pub aggregator: WorkerId,
    /// Distinguishes two runs of the same job by the same aggregator.
    pub nonce: Hash,
    /// BLAKE3 of the initial state.
    pub state_hash: Hash,
    /// Parameters of the flat vector.
    pub elements: u64,
    pub layout_hash: Hash,
    /// The data shards in order.
    pub data_shards: Vec<ShardDescription>,
}

impl Genesis {
    /// The genesis of a new session.
    #[must_use]
    pub fn new(
        network: NetworkId,
        aggregator: WorkerId,
        nonce: Hash,
        start: &Start,
        data_shards: Vec<ShardDescription>,
    ) -> Self {
        let Start { state_hash, elements, layout_hash } = *start;
        let facts = (network, aggregator, nonce, state_hash, elements, layout_hash, &data_shards);
        let session = SessionId(Hash::of_value("cotrain/session/1", &facts).0);
        Self { version: 1, session, network, aggregator, nonce, state_hash, elements, layout_hash, data_shards }
    }

    /// Writes `genesis.json`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        disk::write_json(path, self)
    }

    /// Reads `genesis.json`.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        disk::read_json(path, GENESIS_BYTES_MAX)
    }
}

/// A data shard as it is announced to workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardDescription {
    /// BLAKE3 of the file.
    pub hash: Hash,
    /// Bytes of the file.
    pub bytes: u64,
    pub tokens: u64,
}

/// The state before the first round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    pub state_hash: Hash,
    /// Parameters of the flat vector.
    pub elements: u64,
    pub layout_hash: Hash,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn genesis(nonce: u8) -> Genesis {
        let start = Start { state_hash: Hash([1; 32]), elements: 9, layout_hash: Hash([2; 32]) };
        Genesis::new(NetworkId([4; 32]), WorkerId([3; 32]), Hash([nonce; 32]), &start, Vec::new())
    }

    #[test]
    fn two_runs_of_one_job_are_two_sessions_on_one_network() {
        let (first, second) = (genesis(1), genesis(2));
        assert_ne!(first.session, second.session);
        assert_eq!(first.network, second.network);
    }

    #[test]
    fn the_file_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("genesis.json");
        genesis(1).write(&path).unwrap();
        assert_eq!(Genesis::read(&path).unwrap(), genesis(1));
        std::fs::write(&path, "{\"version\":1").unwrap();
        assert!(matches!(Genesis::read(&path), Err(FileError::Damaged { .. })));
    }
}

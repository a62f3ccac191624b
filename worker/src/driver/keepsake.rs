//! What a worker keeps on its disk, so that an interrupted run ends in the state of an uninterrupted one.
//!
//! ```text
//! DIRECTORY/
//!   identity.secret   the worker's key
//!   member.records    what the worker promised in the open round
//!   training.bin      the newest payload, the sum that it was taken from, and AdamW's state after its inner steps
//!   verdict.bin       what became of that payload
//!   state.bin         the newest head and its state
//!   micro_batch.bin   the micro-batch that the device was found to take
//! ```
//!
//! Invariants: every file is replaced in one step; `training.bin` is there before its payload is announced, and
//! `verdict.bin` before the state that follows from it; the residual is the sum, less the payload where that was
//! accepted, so neither is ever counted twice. Every file ends with the BLAKE3 of the rest.

use std::path::{Path, PathBuf};

use aggregator::files::{self, FileError};
use aggregator::records::RecordLog;
use aggregator::state::{append_floats, floats};
use models::OptimizerState;
use protocol::member::{MemberRecord, Payload};
use protocol::{Hash, Head, Round};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The largest of the files: three vectors and a payload of the largest model that fits a machine's memory.
const FILE_BYTES_MAX: u64 = 1 << 40;
const HASH_BYTES: usize = 32;
const LENGTH_BYTES: usize = 8;

/// The worker's directory.
#[derive(Clone, Debug)]
pub(super) struct Keepsake {
    directory: PathBuf,
}

/// A finished training that has its verdict still to come, or had it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Training {
    pub(super) facts: TrainingFacts,
    /// β·e + Δ. [elements]
    pub(super) sum: Vec<f32>,
    /// AdamW after the inner steps; empty with `exchange = "gradient"`.
    pub(super) optimizer: OptimizerState,
    /// The payload file.
    pub(super) payload: Vec<u8>,
}

/// The small facts of a training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TrainingFacts {
    pub(super) round: Round,
    pub(super) base: Hash,
    pub(super) codec: String,
    pub(super) payload: Payload,
    /// Windows trained on, as a hash: the same work need not be done twice.
    pub(super) work: Hash,
    /// AdamW's steps.
    pub(super) step: u64,
}

/// What became of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settled {
    pub(super) payload: Hash,
    pub(super) accepted: bool,
}

impl Keepsake {
    /// Opens or makes the directory and sweeps what a crash left half-written.
    pub(super) fn open(directory: &Path) -> Result<Self, FileError> {
        files::create_directory(directory)?;
        files::sweep_temporaries(directory)?;
        Ok(Self { directory: directory.to_path_buf() })
    }

    /// The worker's secret key, made on first use.
    pub(super) fn secret(&self, fresh: impl FnOnce() -> [u8; 32]) -> Result<[u8; 32], FileError> {
        files::secret(&self.path("identity.secret"), fresh)
    }

    /// The promises of the open round.
    pub(super) fn records(&self) -> Result<(RecordLog<MemberRecord>, Vec<MemberRecord>), FileError> {
        RecordLog::open(&self.path("member.records"))
    }

    pub(super) fn save_training(&self, training: &Training) -> Result<(), FileError> {
        let facts = postcard_bytes(&training.facts);
        let optimizer = &training.optimizer;
        let vectors = [&training.sum, &optimizer.m, &optimizer.v].map(|vector| float_bytes(vector));
        let [sum, m, v] = &vectors;
        self.write("training.bin", &[&facts, sum, m, v, &training.payload])
    }

    pub(super) fn load_training(&self) -> Result<Option<Training>, FileError> {
        let Some([facts, sum, m, v, payload]) = self.read("training.bin")? else { return Ok(None) };
        let facts: TrainingFacts = self.parse("training.bin", &facts)?;
        let optimizer = OptimizerState { step: facts.step, m: floats(&m), v: floats(&v) };
        Ok(Some(Training { facts, sum: floats(&sum), optimizer, payload }))
    }

    pub(super) fn save_verdict(&self, settled: &Settled) -> Result<(), FileError> {
        self.write("verdict.bin", &[&postcard_bytes(settled)])
    }

    pub(super) fn load_verdict(&self) -> Result<Option<Settled>, FileError> {
        let Some([settled]) = self.read("verdict.bin")? else { return Ok(None) };
        self.parse("verdict.bin", &settled).map(Some)
    }

    /// Keeps a head with the bytes of its state.
    pub(super) fn save_state(&self, head: &Head, state: &[u8]) -> Result<(), FileError> {
        self.write("state.bin", &[&postcard_bytes(head), state])
    }

    pub(super) fn load_state(&self) -> Result<Option<(Head, Vec<u8>)>, FileError> {
        let Some([head, state]) = self.read("state.bin")? else { return Ok(None) };
        Ok(Some((self.parse("state.bin", &head)?, state)))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The micro-batch in sequences, probed on first use: sums depend on it, so it stays what it was.
    pub(super) fn micro_batch(&self, probe: impl FnOnce() -> anyhow::Result<usize>) -> anyhow::Result<usize> {
        if let Some([kept]) = self.read("micro_batch.bin")? {
            return Ok(self.parse("micro_batch.bin", &kept)?);
        }
        let found = probe()?;
        self.write("micro_batch.bin", &[&postcard_bytes(&found)])?;
        Ok(found)
    }

    /// Each part with its length before it, then the hash of all.
    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), FileError> {
        let mut bytes =
            Vec::with_capacity(parts.iter().map(|part| LENGTH_BYTES + part.len()).sum::<usize>() + HASH_BYTES);
        for part in parts {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        let hash = Hash::of(&bytes);
        bytes.extend(hash.0);
        files::write_atomic(&self.path(name), &bytes)
    }

    fn read<const N: usize>(&self, name: &str) -> Result<Option<[Vec<u8>; N]>, FileError> {
        let path = self.path(name);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read_bounded(&path, FILE_BYTES_MAX)?;
        let body = bytes.split_last_chunk::<HASH_BYTES>().filter(|(body, hash)| Hash::of(body).0 == **hash);
        let parts = body.and_then(|(body, _)| split(body));
        parts.map(Some).ok_or_else(|| self.damaged(name, "its checksum does not match"))
    }

    fn parse<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T, FileError> {
        postcard::from_bytes(bytes).map_err(|error| self.damaged(name, &error.to_string()))
    }

    fn damaged(&self, name: &str, what: &str) -> FileError {
        FileError::Damaged { path: self.path(name), line: 1, message: what.to_owned() }
    }
}

fn split<const N: usize>(mut body: &[u8]) -> Option<[Vec<u8>; N]> {
    let mut parts = Vec::with_capacity(N);
    for _ in 0..N {
        let (length, rest) = body.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        parts.push(rest.get(..length)?.to_vec());
        body = &rest[length..];
    }
    if body.is_empty() { parts.try_into().ok() } else { None }
}

fn postcard_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    protocol::encode(value)
}

fn float_bytes(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_floats(&mut bytes, values);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::Timings;

    fn training() -> Training {
        let payload = Payload { hash: Hash([3; 32]), bytes: 5, tokens: 7, timings: Timings::default() };
        let facts = TrainingFacts {
            round: Round(4),
            base: Hash([1; 32]),
            codec: "topk64-q2".to_owned(),
            payload,
            work: Hash([2; 32]),
            step: 9,
        };
        let optimizer = OptimizerState { step: 9, m: vec![0.5, -0.0], v: vec![1e-40, 2.0] };
        Training { facts, sum: vec![1.0, f32::MIN_POSITIVE], optimizer, payload: b"bytes".to_vec() }
    }

    #[test]
    fn what_is_kept_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let keepsake = Keepsake::open(directory.path()).unwrap();
        assert_eq!(keepsake.load_training().unwrap(), None);
        keepsake.save_training(&training()).unwrap();
        assert_eq!(keepsake.load_training().unwrap(), Some(training()));
        let settled = Settled { payload: Hash([3; 32]), accepted: true };
        keepsake.save_verdict(&settled).unwrap();
        assert_eq!(keepsake.load_verdict().unwrap(), Some(settled));
    }

    #[test]
    fn a_damaged_file_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let keepsake = Keepsake::open(directory.path()).unwrap();
        keepsake.save_training(&training()).unwrap();
        let path = directory.path().join("training.bin");
        let whole = std::fs::read(&path).unwrap();
        for at in [0, 40, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let error = keepsake.load_training().unwrap_err().to_string();
            assert!(error.contains("training.bin"), "{error}");
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(keepsake.load_training().is_err());
    }
}

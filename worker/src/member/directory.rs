//! What a worker keeps on its disk, so that an interrupted run ends in the state of an uninterrupted one.
//!
//! ```text
//! DIRECTORY/
//!   identity.secret   the worker's key
//!   member.records    what the worker promised in the open round
//!   snapshot.bin      a head, its state, and the residual and AdamW's state that the next training starts from
//!   payload.bin       the newest payload, which is announced
//!   micro_batch.bin   the micro-batch that the device was found to take
//! ```
//!
//! Invariants: every file is replaced in one step and ends with the BLAKE3 of the rest. A snapshot is what all rounds
//! up to its head left, in one file, so a residual never meets another round's state. A payload is there before it is
//! announced, and the snapshot that it was trained from before it; what the payload left out is not kept but trained
//! again after a restart, which costs a crash the inner steps and spares every round the writing of three vectors
//! before its commit.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{FileError, RecordLog};
use models::OptimizerState;
use node::learner::{Snapshot, TrainingFacts, Write};
use node::state::{append_floats, floats};
use protocol::member::MemberRecord;
use protocol::{Hash, Head};
use record::OPEN_ROUND_BOUNDS;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The largest of the files: six vectors of the largest model that fits a machine's memory.
const KEPT_BYTES_MAX: u64 = 1 << 40;
const HASH_BYTES: usize = 32;
const LENGTH_BYTES: usize = 8;
/// Floats that are written at a time.
const FLOATS_AT_ONCE: usize = 1 << 16;

/// The worker's directory.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    directory: PathBuf,
}

/// The small facts of a snapshot.
#[derive(Serialize, Deserialize)]
struct SnapshotFacts {
    head: Head,
    step: u64,
    judged: Option<Hash>,
}

impl Directory {
    /// Opens or makes the directory and sweeps what a crash left half-written.
    pub(super) fn open(directory: &Path) -> Result<Self, FileError> {
        disk::create_directory(directory)?;
        disk::sweep_temporaries(directory)?;
        Ok(Self { directory: directory.to_path_buf() })
    }

    /// The worker's secret key, made on first use.
    pub(super) fn secret(&self, fresh: impl FnOnce() -> [u8; 32]) -> Result<[u8; 32], FileError> {
        disk::secret(&self.path("identity.secret"), fresh)
    }

    /// The promises of the open round.
    pub(super) fn records(&self) -> Result<(RecordLog, Vec<MemberRecord>), FileError> {
        RecordLog::open_all(&self.path("member.records"), OPEN_ROUND_BOUNDS)
    }

    /// Writes one file, in place of the one of its kind before it.
    pub(super) fn write(&self, write: &Write) -> Result<(), FileError> {
        match write {
            Write::Snapshot(snapshot) => self.save_snapshot(snapshot),
            Write::Payload { facts, file } => self.save_payload(facts, file),
        }
    }

    fn save_payload(&self, facts: &TrainingFacts, payload: &[u8]) -> Result<(), FileError> {
        self.save("payload.bin", &[Part::Bytes(&protocol::encode(facts)), Part::Bytes(payload)])
    }

    pub(super) fn load_payload(&self) -> Result<Option<(TrainingFacts, Vec<u8>)>, FileError> {
        let Some([facts, payload]) = self.read("payload.bin")? else { return Ok(None) };
        Ok(Some((self.parse("payload.bin", &facts)?, payload)))
    }

    fn save_snapshot(&self, snapshot: &Snapshot) -> Result<(), FileError> {
        let Snapshot { head, state, residual, optimizer, judged } = snapshot;
        let facts = SnapshotFacts { head: head.clone(), step: optimizer.step, judged: *judged };
        let parts = [
            Part::Bytes(&protocol::encode(&facts)),
            Part::Bytes(state),
            Part::Floats(residual),
            Part::Floats(&optimizer.m),
            Part::Floats(&optimizer.v),
        ];
        self.save("snapshot.bin", &parts)
    }

    pub(super) fn load_snapshot(&self) -> Result<Option<Snapshot>, FileError> {
        let Some([facts, state, residual, m, v]) = self.read("snapshot.bin")? else { return Ok(None) };
        let SnapshotFacts { head, step, judged } = self.parse("snapshot.bin", &facts)?;
        let optimizer = OptimizerState { step, m: floats(&m), v: floats(&v) };
        Ok(Some(Snapshot { head, state: Arc::new(state), residual: floats(&residual), optimizer, judged }))
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
        self.save("micro_batch.bin", &[Part::Bytes(&protocol::encode(&found))])?;
        Ok(found)
    }

    /// Each part with its length before it, then the hash of all.
    fn save(&self, name: &str, parts: &[Part<'_>]) -> Result<(), FileError> {
        disk::write_atomic_with(&self.path(name), |file| {
            let mut file = Hashed { file, hasher: blake3::Hasher::new() };
            for part in parts {
                part.write(&mut file)?;
            }
            let hash = file.hasher.finalize();
            file.file.write_all(hash.as_bytes())
        })
    }

    fn read<const N: usize>(&self, name: &str) -> Result<Option<[Vec<u8>; N]>, FileError> {
        let path = self.path(name);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = disk::read_bounded(&path, KEPT_BYTES_MAX)?;
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

/// A part of a file.
enum Part<'a> {
    Bytes(&'a [u8]),
    Floats(&'a [f32]),
}

impl Part<'_> {
    fn write(&self, file: &mut Hashed<'_>) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => {
                file.write(&(bytes.len() as u64).to_le_bytes())?;
                file.write(bytes)
            }
            Self::Floats(values) => {
                file.write(&(size_of_val(*values) as u64).to_le_bytes())?;
                let mut bytes = Vec::new();
                for values in values.chunks(FLOATS_AT_ONCE) {
                    bytes.clear();
                    append_floats(&mut bytes, values);
                    file.write(&bytes)?;
                }
                Ok(())
            }
        }
    }
}

/// A file with the hash of what was written.
struct Hashed<'a> {
    file: &'a mut File,
    hasher: blake3::Hasher,
}

impl Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use protocol::member::Payload;
    use protocol::message::Timings;
    use protocol::{Roster, Round, SessionId};

    pub(in crate::member) fn facts() -> TrainingFacts {
        let payload = Payload { hash: Hash([3; 32]), bytes: 5, tokens: 7, timings: Timings::default() };
        let (base, work) = (Hash([1; 32]), Hash([2; 32]));
        TrainingFacts { round: Round(4), base, codec: "topk64-q2".to_owned(), payload, work }
    }

    pub(in crate::member) fn snapshot() -> Snapshot {
        let manifest_hash = Hash([5; 32]);
        let head = Head {
            session: SessionId([6; 32]),
            round: Round(3),
            outer_steps: 3,
            elements: 2,
            cursor: 24,
            manifest_hash,
            parent_hash: Hash::ZERO,
            state_hash: Hash([1; 32]),
            roster: Roster::default(),
        };
        let optimizer = OptimizerState { step: 9, m: vec![0.5, -0.0], v: vec![1e-40, 2.0] };
        let residual = vec![1.0, f32::MIN_POSITIVE];
        Snapshot { head, state: Arc::new(vec![7; 8]), residual, optimizer, judged: Some(Hash([4; 32])) }
    }

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        assert_eq!(directory.load_snapshot().unwrap(), None);
        directory.write(&Write::Snapshot(snapshot())).unwrap();
        assert_eq!(directory.load_snapshot().unwrap(), Some(snapshot()));
        assert_eq!(directory.load_payload().unwrap(), None);
        directory.write(&Write::Payload { facts: facts(), file: Arc::new(b"bytes".to_vec()) }).unwrap();
        assert_eq!(directory.load_payload().unwrap(), Some((facts(), b"bytes".to_vec())));
    }

    #[test]
    fn a_damaged_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        directory.write(&Write::Snapshot(snapshot())).unwrap();
        let path = folder.path().join("snapshot.bin");
        let whole = std::fs::read(&path).unwrap();
        for at in [0, 40, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let error = directory.load_snapshot().unwrap_err().to_string();
            assert!(error.contains("snapshot.bin"), "{error}");
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(directory.load_snapshot().is_err());
    }
}

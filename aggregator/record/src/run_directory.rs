//! Where a run keeps its files (`RUN.md`), and the few rules by which they are written.
//!
//! Invariants: every file of the published set appears complete or not at all; a payload is on the disk before the
//! manifest that accepts it, the manifest before the line in `rounds.jsonl`; names come from numbers and hashes only,
//! never from a peer's text, so no path leaves the directory.

use std::fs;
use std::path::{Path, PathBuf};

use disk::{Bounds, DirectoryLock, FileError, LockError};
use protocol::{Hash, Round};

/// Digits of a round in a directory name: `000012` sorts after `000002`.
const ROUND_DIGITS: usize = 6;
/// The most entries of one directory that are looked at.
const ENTRIES_MAX: usize = 1 << 22;

/// How long the records of an open round may be: a manifest of 64 entries with signatures is some tens of KiB, and a
/// round writes a handful of records before the file is replaced.
pub const OPEN_ROUND_BOUNDS: Bounds = Bounds { body_bytes_max: 4 << 20, log_bytes_max: 256 << 20 };

/// The paths of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    root: PathBuf,
}

impl RunDirectory {
    /// Makes the directories of a new run; they may exist.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn create(root: &Path) -> Result<Self, FileError> {
        let run = Self { root: root.to_path_buf() };
        for directory in [run.root.clone(), run.rounds(), run.checkpoints(), run.data(), run.state(), run.logs()] {
            disk::create_directory(&directory)?;
        }
        run.sweep()?;
        Ok(run)
    }

    /// The paths of a run that is only looked at.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// Opens an existing run and sweeps what a crash left half-written.
    ///
    /// # Errors
    /// When there is no run: the error names the file that is missing.
    pub fn open(root: &Path) -> Result<Self, FileError> {
        let run = Self { root: root.to_path_buf() };
        fs::metadata(run.job()).map_err(FileError::io("find the job of a run in", &run.job()))?;
        Self::create(root)
    }

    /// Takes the directory for one role (`aggregator`, `up`) until the lock is dropped.
    ///
    /// # Errors
    /// [`LockError::Held`] with the process that has it.
    pub fn lock(&self, role: &str) -> Result<DirectoryLock, LockError> {
        DirectoryLock::acquire(&self.root, role)
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The resolved job.
    #[must_use]
    pub fn job(&self) -> PathBuf {
        self.root.join("job.toml")
    }

    /// The session's fixed facts: id, data shards, genesis head.
    #[must_use]
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// One line per committed round.
    #[must_use]
    pub fn rounds_log(&self) -> PathBuf {
        self.root.join("rounds.jsonl")
    }

    /// The hash-chained log.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.root.join("audit.jsonl")
    }

    /// The signed head of the hash-chained log.
    #[must_use]
    pub fn audit_head(&self) -> PathBuf {
        self.root.join("audit.head.json")
    }

    /// One directory per committed round.
    #[must_use]
    pub fn rounds(&self) -> PathBuf {
        self.root.join("rounds")
    }

    /// The files of one round.
    #[must_use]
    pub fn round(&self, round: Round) -> PathBuf {
        self.rounds().join(round_name(round))
    }

    /// The signed manifest of a committed round.
    #[must_use]
    pub fn manifest(&self, round: Round) -> PathBuf {
        self.round(round).join("manifest.json")
    }

    /// A payload of a round.
    #[must_use]
    pub fn payload(&self, round: Round, hash: &Hash) -> PathBuf {
        self.round(round).join(format!("{hash}.ctg"))
    }

    /// All checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Token shards by hash.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// One token shard.
    #[must_use]
    pub fn shard(&self, hash: &Hash) -> PathBuf {
        self.data().join(format!("{hash}.tokens"))
    }

    /// What a node must remember of the open round.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The durable records of the open round.
    #[must_use]
    pub fn open_round(&self) -> PathBuf {
        self.state().join("round.records")
    }

    /// The process's logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// What concerns the ledger.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// Where the ledger that the run reports to is found.
    #[must_use]
    pub fn ledger_place(&self) -> PathBuf {
        self.ledger().join("place.json")
    }

    /// The embedded ledger of a swarm on one machine.
    #[must_use]
    pub fn ledger_node(&self) -> PathBuf {
        self.ledger().join("node")
    }

    /// The accounts that workers are paid to.
    #[must_use]
    pub fn accounts(&self) -> PathBuf {
        self.ledger().join("accounts.jsonl")
    }

    /// What the session owes, settlement by settlement.
    #[must_use]
    pub fn settlements(&self) -> PathBuf {
        self.ledger().join("settlements.jsonl")
    }

    /// What a finished session pays, with the proofs by which it is claimed.
    #[must_use]
    pub fn payout(&self) -> PathBuf {
        self.ledger().join("payout.json")
    }

    /// The run directory of a worker that `up` started.
    #[must_use]
    pub fn worker(&self, ordinal: usize) -> PathBuf {
        self.root.join("workers").join(format!("{ordinal:02}"))
    }

    /// Stores a payload under its hash; one that is there already is left alone.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn store_payload(&self, round: Round, bytes: &[u8]) -> Result<Hash, FileError> {
        let hash = Hash::of(bytes);
        let path = self.payload(round, &hash);
        if !path.exists() {
            disk::create_directory(&self.round(round))?;
            disk::write_atomic(&path, bytes)?;
        }
        Ok(hash)
    }

    /// Reads a payload back and checks that it still has its hash.
    ///
    /// # Errors
    /// When it is missing, longer than `bytes_max`, or its bytes changed.
    pub fn load_payload(&self, round: Round, hash: &Hash, bytes_max: u64) -> Result<Vec<u8>, FileError> {
        let path = self.payload(round, hash);
        let bytes = disk::read_bounded(&path, bytes_max)?;
        let found = Hash::of(&bytes);
        if found != *hash {
            return Err(FileError::Damaged { path, line: 1, message: format!("its bytes hash to {found}") });
        }
        Ok(bytes)
    }

    /// The rounds that have a manifest, in order.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn committed_rounds(&self) -> Result<Vec<Round>, FileError> {
        let rounds = numbered_directories(&self.rounds())?;
        Ok(rounds.into_iter().map(Round).filter(|round| self.manifest(*round).exists()).collect())
    }

    /// A secret of 32 bytes that outlives the process (identity, admission token), made on first use and readable by
    /// its owner only.
    ///
    /// # Errors
    /// When the file cannot be written, or holds anything but 32 bytes.
    pub fn secret(&self, name: &str, generate: impl FnOnce() -> [u8; 32]) -> Result<[u8; 32], FileError> {
        disk::secret(&self.state().join(format!("{name}.secret")), generate)
    }

    /// A secret of random bytes; see [`Self::secret`].
    ///
    /// # Errors
    /// As there, and when the operating system gives no random bytes.
    pub fn random_secret(&self, name: &str) -> Result<[u8; 32], FileError> {
        let fresh = disk::random_bytes()?;
        self.secret(name, || fresh)
    }

    fn sweep(&self) -> Result<(), FileError> {
        for directory in [self.root.clone(), self.checkpoints(), self.data(), self.state()] {
            disk::sweep_temporaries(&directory)?;
        }
        // Only the newest rounds can hold leftovers; a long run has too many directories to look into each.
        let rounds = numbered_directories(&self.rounds())?;
        for round in rounds.iter().rev().take(2) {
            disk::sweep_temporaries(&self.round(Round(*round)))?;
        }
        Ok(())
    }
}

/// The directory name of a round.
#[must_use]
pub fn round_name(round: Round) -> String {
    format!("{:0width$}", round.0, width = ROUND_DIGITS)
}

/// The round of a directory name, when it is one.
#[must_use]
pub fn parse_round_name(name: &str) -> Option<Round> {
    let round = Round(name.parse().ok()?);
    (round_name(round) == name).then_some(round)
}

/// The numbers of the directories that carry a round's name, in order; a missing parent has none.
///
/// # Errors
/// When the parent cannot be listed.
pub fn numbered_directories(parent: &Path) -> Result<Vec<u64>, FileError> {
    if !parent.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(parent).map_err(FileError::io("list", parent))?;
    let mut numbers: Vec<u64> = entries
        .take(ENTRIES_MAX)
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| parse_round_name(&entry.file_name().to_string_lossy()).map(|round| round.0))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_job_is_no_run() {
        let directory = tempfile::tempdir().unwrap();
        let error = RunDirectory::open(directory.path()).unwrap_err();
        assert!(error.to_string().contains("job.toml"), "{error}");
    }

    #[test]
    fn opening_sweeps_torn_files_and_keeps_complete_ones() {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::create(directory.path()).unwrap();
        disk::write_atomic(&run.job(), b"").unwrap();
        let hash = run.store_payload(Round(3), b"payload").unwrap();
        let torn = run.round(Round(3)).join(".x.ctg.tmp-7");
        fs::write(&torn, b"pay").unwrap();
        fs::create_dir(run.checkpoints().join(".000003.tmp-7")).unwrap();
        let run = RunDirectory::open(directory.path()).unwrap();
        assert!(!torn.exists());
        assert_eq!(fs::read_dir(run.checkpoints()).unwrap().count(), 0);
        assert_eq!(run.load_payload(Round(3), &hash, 100).unwrap(), b"payload");
    }

    #[test]
    fn a_payload_whose_bytes_changed_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::create(directory.path()).unwrap();
        let hash = run.store_payload(Round(1), b"payload").unwrap();
        fs::write(run.payload(Round(1), &hash), b"paylaod").unwrap();
        let error = run.load_payload(Round(1), &hash, 100).unwrap_err().to_string();
        assert!(error.contains(&hash.to_string()), "{error}");
    }

    #[test]
    fn only_rounds_with_a_manifest_count_as_committed() {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::create(directory.path()).unwrap();
        for round in [1, 2, 10] {
            run.store_payload(Round(round), b"payload").unwrap();
        }
        for round in [10, 1] {
            disk::write_atomic(&run.manifest(Round(round)), b"{}").unwrap();
        }
        fs::create_dir(run.rounds().join("3")).unwrap();
        assert_eq!(run.committed_rounds().unwrap(), [Round(1), Round(10)]);
    }

    #[test]
    fn names_of_rounds_read_back_and_nothing_else_does() {
        for round in [0, 12, 999_999, 1_000_000] {
            assert_eq!(parse_round_name(&round_name(Round(round))), Some(Round(round)));
        }
        for name in ["12", "00001x", "", "-00001", "+00012", "0000012"] {
            assert_eq!(parse_round_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_secret_is_made_once_and_kept_private() {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::create(directory.path()).unwrap();
        assert_eq!(run.secret("identity", || [7; 32]).unwrap(), [7; 32]);
        assert_eq!(run.secret("identity", || [8; 32]).unwrap(), [7; 32]);
        fs::write(run.state().join("identity.secret"), [1; 5]).unwrap();
        assert!(run.secret("identity", || [8; 32]).is_err());
    }
}

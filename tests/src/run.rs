//! A test's directory and the run in it, read as an outsider would.

use std::path::{Path, PathBuf};

use disk::read_json_lines;
use record::{ContributionRecord, RoundRecord};
use tempfile::TempDir;

/// A directory for one test; it stays when the test fails, and its path is printed.
#[derive(Debug)]
pub struct Place {
    directory: Option<TempDir>,
    path: PathBuf,
}

impl Place {
    /// A fresh directory.
    ///
    /// # Panics
    /// When the disk refuses.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().to_path_buf();
        Self { directory: Some(directory), path }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(directory) = self.directory.take()
        {
            eprintln!("the test's files are in {}", directory.keep().display());
        }
    }
}

/// The lines of a run's `rounds.jsonl`.
///
/// # Panics
/// When the file is missing or damaged.
#[must_use]
pub fn rounds(run: &Path) -> Vec<RoundRecord> {
    read_json_lines(&run.join("rounds.jsonl")).unwrap_or_else(|error| panic!("{error}"))
}

/// Each committed round with the hash of its state.
///
/// # Panics
/// As [`rounds`].
#[must_use]
pub fn state_hashes(run: &Path) -> Vec<(u64, String)> {
    rounds(run).into_iter().map(|round| (round.round.0, round.state_hash.to_string())).collect()
}

/// Where a revealed payload of a round lies.
///
/// # Panics
/// When nothing was revealed.
#[must_use]
pub fn payload(run: &Path, round: &RoundRecord, contribution: &ContributionRecord) -> PathBuf {
    let hash = contribution.payload_hash.expect("a payload was revealed");
    run.join(format!("rounds/{:06}/{hash}.ctg", round.round.0))
}

/// The newest checkpoint of a run.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn newest_checkpoint(run: &Path) -> PathBuf {
    let checkpoints = run.join("checkpoints");
    let name = std::fs::read_to_string(checkpoints.join("latest")).expect("the run has a checkpoint");
    checkpoints.join(name.trim())
}

/// Copies a run with all that is in it.
///
/// # Panics
/// When the disk refuses.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the directory can be made");
    for entry in std::fs::read_dir(from).expect("the directory can be read") {
        let entry = entry.expect("the directory can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("an entry has a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a file can be copied");
        }
    }
}

/// The ends of a run's logs, for a look into what went wrong.
#[must_use]
pub fn log_tails(run: &Path) -> String {
    const LINES: usize = 8;
    let Ok(entries) = std::fs::read_dir(run.join("logs")) else { return String::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let tail = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("--- {}\n{}\n", path.display(), lines[lines.len().saturating_sub(LINES)..].join("\n"))
    };
    paths.iter().map(tail).collect()
}

/// Asserts that no process of a run panicked, by its logs.
///
/// # Panics
/// When one did.
pub fn assert_no_panic(run: &Path) {
    let Ok(entries) = std::fs::read_dir(run.join("logs")) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let log = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(!log.contains("panicked"), "{}:\n{log}", path.display());
    }
}

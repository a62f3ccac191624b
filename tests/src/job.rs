//! The jobs of the tests: files in `jobs/`, with what a test changes about them.

use std::path::{Path, PathBuf};

use node::job::Job;

/// The micro job as `change` leaves it, written into `directory`.
///
/// # Panics
/// When the job is none or the disk refuses.
pub fn micro(directory: &Path, change: impl FnOnce(&mut Job)) -> PathBuf {
    changed(directory, "micro", change)
}

/// The synchronous job as `change` leaves it, written into `directory`.
///
/// # Panics
/// As [`micro`].
pub fn parity(directory: &Path, change: impl FnOnce(&mut Job)) -> PathBuf {
    changed(directory, "parity", change)
}

/// Text to train on: sources of this repository, so that no test depends on what else the machine has.
#[must_use]
pub fn text() -> PathBuf {
    repository().join("kernels/src")
}

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    // Asked for when it runs: checkouts that share a target directory share this library.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    Path::new(&here).parent().expect("this crate lies in the repository").to_path_buf()
}

fn changed(directory: &Path, name: &str, change: impl FnOnce(&mut Job)) -> PathBuf {
    let file = repository().join(format!("tests/jobs/{name}.toml"));
    let mut job = Job::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    change(&mut job);
    job.validate().unwrap_or_else(|error| panic!("the changed job {name}: {error}"));
    let path = directory.join(format!("{name}.toml"));
    std::fs::write(&path, job.to_toml().expect("a valid job is TOML")).expect("the job can be written");
    path
}

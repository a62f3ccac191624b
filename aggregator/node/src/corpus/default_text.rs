//! The text for who names none: the Rust sources of crates that every build of this program compiles, and that
//! therefore lie in the cargo registry of the machine that built it, in the versions of `Cargo.lock`.
//!
//! Invariant: the same lock file gives the same files in the same order on every machine. Files are ordered by the
//! hash of their names, so that the held-out end is drawn from all crates alike.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::CorpusError;

const LOCK: &str = include_str!("../../../../Cargo.lock");

/// Crates of every platform and feature set, prose and code of many hands, none of it generated tables.
const CRATES: [&str; 32] = [
    "anyhow",
    "blake3",
    "burn-autodiff",
    "burn-core",
    "burn-flex",
    "burn-tensor",
    "bytes",
    "clap_builder",
    "crossbeam-epoch",
    "crossbeam-utils",
    "futures-util",
    "half",
    "hashbrown",
    "indexmap",
    "libp2p-core",
    "libp2p-request-response",
    "libp2p-swarm",
    "mio",
    "multiaddr",
    "postcard",
    "rayon",
    "safetensors",
    "serde",
    "serde_core",
    "serde_json",
    "tokenizers",
    "tokio",
    "tokio-util",
    "toml",
    "tracing-core",
    "tracing-subscriber",
    "yamux",
];

/// Directories inside directories that are entered, far more than a crate has.
const DEPTH_MAX: usize = 32;
/// Files that are listed, far more than these crates have.
const FILES_MAX: usize = 1 << 16;

/// The files of the default text, and the crates that the registry of this machine lacks.
pub(super) fn files() -> Result<(Vec<PathBuf>, Vec<String>), CorpusError> {
    let home = cargo_home().ok_or(CorpusError::NoCargoHome)?;
    let registries = subdirectories(&home.join("registry").join("src"));
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in CRATES {
        match crate_directory(&registries, name) {
            Some((label, directory)) => list(&directory, &label, 0, &mut found),
            None => missing.push(name.to_owned()),
        }
    }
    if found.is_empty() {
        return Err(CorpusError::NoDefaultText { registry: home.join("registry").join("src") });
    }
    found.sort_by_cached_key(|(label, _)| *blake3::hash(label.as_bytes()).as_bytes());
    Ok((found.into_iter().map(|(_, path)| path).collect(), missing))
}

fn cargo_home() -> Option<PathBuf> {
    let named = env::var_os("CARGO_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

/// `name-version` and the directory that holds it, in the first registry that has it.
fn crate_directory(registries: &[PathBuf], name: &str) -> Option<(String, PathBuf)> {
    let label = format!("{name}-{}", locked_version(LOCK, name)?);
    let directory = registries.iter().map(|registry| registry.join(&label)).find(|path| path.is_dir())?;
    Some((label, directory))
}

/// The version of a crate in a lock file; the last one listed, which is the newest, when there are several.
fn locked_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let line = format!("name = \"{name}\"");
    let mut lines = lock.lines();
    let mut version = None;
    while lines.by_ref().any(|found| found == line) {
        version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"');
    }
    version
}

fn subdirectories(parent: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|p| p.is_dir()).collect();
    paths.sort();
    paths
}

/// Adds every Rust file below `directory` with its name relative to the registry, which is the same on every machine.
fn list(directory: &Path, label: &str, depth: usize, found: &mut Vec<(String, PathBuf)>) {
    if depth >= DEPTH_MAX {
        return;
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if found.len() >= FILES_MAX {
            return;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let label = format!("{label}/{name}");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&entry.path(), &label, depth + 1, found),
            Ok(kind) if kind.is_file() && name.ends_with(".rs") => found.push((label, entry.path())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_the_list_is_in_the_lock_file() {
        for name in CRATES {
            assert!(locked_version(LOCK, name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_newest_of_several_versions_is_taken() {
        let lock = "name = \"a\"\nversion = \"1.0.0\"\n\nname = \"ab\"\nversion = \"3.0.0\"\n\nname = \"a\"\n\
                    version = \"2.1.0\"\n";
        assert_eq!(locked_version(lock, "a"), Some("2.1.0"));
        assert_eq!(locked_version(lock, "b"), None);
    }

    #[test]
    fn files_come_in_one_order_wherever_the_registry_lies() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let orders = [first.path(), second.path()].map(|root| {
            for name in ["b.rs", "a.rs", "deep/c.rs", "notes.md"] {
                let path = root.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, name).unwrap();
            }
            let mut found = Vec::new();
            list(root, "crate-1.0.0", 0, &mut found);
            found.sort_by_cached_key(|(label, _)| *blake3::hash(label.as_bytes()).as_bytes());
            found.into_iter().map(|(label, _)| label).collect::<Vec<_>>()
        });
        assert_eq!(orders[0].len(), 3);
        assert_eq!(orders[0], orders[1]);
    }
}

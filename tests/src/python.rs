//! Python with the packages that `.ci/test` installs.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::job::repository;

/// Runs `tests/python/SCRIPT` and returns the JSON line that it ends with.
///
/// # Panics
/// Without the packages; when the script fails, with what it said.
pub fn python(script: &str, arguments: &[&dyn AsRef<OsStr>]) -> Value {
    let output = ended(script, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed:\n{stderr}\nif a package is missing: {HINT}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{script} printed {line:?}: {error}"))
}

/// Runs `tests/python/SCRIPT`, which must end with 1, and returns what it said on standard error.
///
/// # Panics
/// When it ends otherwise.
pub fn python_refuses(script: &str, arguments: &[&dyn AsRef<OsStr>]) -> String {
    let output = ended(script, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{script} refused nothing: {stderr}");
    stderr
}

fn ended(script: &str, arguments: &[&dyn AsRef<OsStr>]) -> Output {
    let interpreter = interpreter();
    Command::new(&interpreter)
        .arg(repository().join("tests/python").join(script))
        .args(arguments.iter().map(AsRef::as_ref))
        // Nothing is to be looked up on the hub.
        .env("HF_HUB_OFFLINE", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; {HINT}", interpreter.display()))
}

const HINT: &str = "these tests need Python with the packages that .ci/test installs: run that once, or name an \
                    interpreter with COTRAIN_PYTHON";

fn interpreter() -> PathBuf {
    if let Some(named) = std::env::var_os("COTRAIN_PYTHON") {
        return PathBuf::from(named);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home_cache).unwrap_or_default();
    let path = cache.join("cotrain/python/bin/python");
    assert!(path.exists(), "{} does not exist; {HINT}", path.display());
    path
}

fn home_cache() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".cache"))
}

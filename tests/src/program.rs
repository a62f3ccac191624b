//! The program under test: where it lies, and running it to its end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::job::repository;

/// Beginnings of the names of variables that would change what the program does.
const OWN_VARIABLES: [&str; 6] = [
    "COTRAIN_",
    "LIBP2P_",
    "MAX_FAILURES_PER_NODE",
    "BASE_REWARD_PERCENTAGE",
    "BONUS_REWARD_PERCENTAGE",
    "QUALITY_THRESHOLD",
];

/// The end of a process and what it said.
#[derive(Debug)]
pub struct Output {
    /// The exit code; none when a signal killed it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Both streams, for a look into what went wrong.
    #[must_use]
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The program's file, beside the tests in the target directory. Cargo does not build it for a single test, and one
/// older than its sources would make the test say nothing, so it is then brought up to date here.
///
/// # Panics
/// When it cannot be built.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let test = std::env::current_exe().expect("a test knows its own file");
        // TARGET/release/deps/NAME-HASH
        let profile = test.ancestors().nth(2).expect("tests lie in the target directory");
        let program = profile.join(format!("cotrain{}", std::env::consts::EXE_SUFFIX));
        if changed(&program).is_none_or(|built| built < sources_changed()) {
            build(profile.parent().expect("the profile lies in the target directory"));
        }
        program
    })
}

/// The program as a command that no variable of this environment reaches.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(path());
    for (name, _) in std::env::vars_os() {
        if OWN_VARIABLES.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the program to its end; it must not panic.
///
/// # Panics
/// When it cannot be started, or panics.
pub fn cotrain(arguments: &[&dyn AsRef<OsStr>]) -> Output {
    let output = command().args(arguments.iter().map(AsRef::as_ref)).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output = Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
    assert!(!output.said().contains("panicked"), "{}", output.said());
    output
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|file| file.modified()).ok()
}

/// When the newest source of the program was written.
fn sources_changed() -> SystemTime {
    let mut waiting: Vec<PathBuf> = ["worker", "aggregator", "kernels", "models", "move", "Cargo.lock"]
        .iter()
        .map(|name| repository().join(name))
        .collect();
    let mut newest = SystemTime::UNIX_EPOCH;
    while let Some(path) = waiting.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => waiting.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => newest = newest.max(changed(&path).unwrap_or(newest)),
        }
    }
    newest
}

fn build(target: &Path) {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--workspace", "--bin", "cotrain", "--target-dir"])
        .arg(target)
        .current_dir(repository())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the program cannot be built");
}

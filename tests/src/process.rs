//! Processes by their ids: signals, and whether they are gone.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(10);

/// Sends `signal`, such as `KILL`, to all of `pids` in one go; those that are gone are no error.
///
/// # Panics
/// When there is no shell.
pub fn signal(signal: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    // The shell's own `kill`: a bare system has no program of that name.
    let line = format!("kill -{signal} {} 2>/dev/null", pids.join(" "));
    Command::new("sh").args(["-c", &line]).status().expect("there is a shell");
}

/// Whether a process runs: it exists and is no zombie.
#[must_use]
pub fn runs(pid: u32) -> bool {
    if Path::new("/proc/self").exists() {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
        // The state follows the name in parentheses, which may hold anything.
        return !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']));
    }
    let line = format!("kill -0 {pid} 2>/dev/null");
    Command::new("sh").args(["-c", &line]).status().is_ok_and(|status| status.success())
}

/// Waits until `condition` holds; whether it did before the deadline.
pub fn until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

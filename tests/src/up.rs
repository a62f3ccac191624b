//! A running `cotrain up`: its events, its processes, its end.
//!
//! Invariants: one swarm at a time within a test program, since the deadlines of several on a few cores would be those
//! of the machine; events queue up to [`EVENTS_QUEUED_MAX`] and then hold the program back; dropping an [`Up`] kills
//! every process that it has named.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{runs, signal, until};
use crate::{program, run};

/// Events that may wait for the test.
pub const EVENTS_QUEUED_MAX: usize = 4096;
/// How long a swarm of a micro job may take for anything, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// How long a killed process may be seen.
const GONE: Duration = Duration::from_secs(5);

static TURN: Mutex<()> = Mutex::new(());

/// A running swarm.
pub struct Up {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
    run: PathBuf,
    stderr: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// A swarm that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none when a signal killed it.
    pub code: Option<i32>,
    /// All its events.
    pub events: Vec<Value>,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The events of a name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |event| event["event"] == name)
    }

    /// Asserts that the run was finished.
    ///
    /// # Panics
    /// When it was not.
    #[must_use]
    pub fn finished(self) -> Self {
        let last = self.events.last();
        assert_eq!(self.code, Some(0), "up failed; its last event is {last:?}\n{}", self.stderr);
        self
    }
}

impl Up {
    /// Starts a new run in the directory `run` with the job file `job`.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start(run: &Path, job: &Path, data: &Path, more: &[&str]) -> Self {
        let paths = [
            OsStr::new("--run-dir"),
            run.as_os_str(),
            OsStr::new("--job"),
            job.as_os_str(),
            OsStr::new("--data"),
            data.as_os_str(),
        ];
        Self::spawn(run, &paths, more)
    }

    /// Continues the run in the directory `run`.
    ///
    /// # Panics
    /// As [`Up::start`].
    #[must_use]
    pub fn resume(run: &Path, more: &[&str]) -> Self {
        Self::spawn(run, &[OsStr::new("--resume"), run.as_os_str()], more)
    }

    fn spawn(run: &Path, paths: &[&OsStr], more: &[&str]) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let stderr = run.with_extension("stderr");
        let mut child = program::command()
            .args(["up", "--output", "json", "--device", "cpu", "--sample-tokens", "0"])
            .args(paths)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).expect("the file for standard error can be made"))
            .spawn()
            .expect("the program starts");
        let output = child.stdout.take().expect("standard output is a pipe");
        let (send, events) = sync_channel(EVENTS_QUEUED_MAX);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if send.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events, seen: Vec::new(), run: run.to_path_buf(), stderr, _turn: turn }
    }

    /// The next event that `wanted` is true of; those before it are passed over.
    ///
    /// # Panics
    /// When the program ends first or [`PATIENCE`] does.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next(deadline) {
                Ok(event) if wanted(&event) => return event,
                Ok(_) => {}
                Err(error) => panic!("no {what}: {error}; {}", self.story()),
            }
        }
    }

    /// Takes events for a while; whether the program still runs.
    pub fn watch_for(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            match self.next(deadline) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// The process ids of aggregator and workers by name and number: the newest of each.
    #[must_use]
    pub fn processes(&self) -> BTreeMap<(String, u64), u32> {
        processes(&self.seen)
    }

    /// The process id of a worker.
    ///
    /// # Panics
    /// When it has not been started.
    #[must_use]
    pub fn worker(&self, ordinal: u64) -> u32 {
        self.processes()[&("worker".to_owned(), ordinal)]
    }

    /// Ends the run as Ctrl-C does, and returns how long every process took to be gone.
    ///
    /// # Panics
    /// When they take longer than [`PATIENCE`].
    pub fn interrupt(mut self) -> (Duration, Ended) {
        let started = Instant::now();
        signal("INT", &[self.child.id()]);
        let ended = self.drain();
        let pids: Vec<u32> = processes(&ended.events).into_values().collect();
        assert!(until(PATIENCE, || pids.iter().all(|pid| !runs(*pid))), "processes outlive up: {pids:?}");
        (started.elapsed(), ended)
    }

    /// Kills every process of the swarm at once, as a power cut does.
    ///
    /// # Panics
    /// When one of them survives.
    pub fn kill_everything(mut self) {
        // What was started a moment ago may not have been read yet.
        while let Ok(event) = self.events.try_recv() {
            self.seen.push(event);
        }
        self.kill_all();
        let alive = || self.processes().into_values().filter(|pid| runs(*pid)).collect::<Vec<_>>();
        assert!(until(GONE, || alive().is_empty()), "killed processes live on: {:?}", alive());
        self.seen.clear();
    }

    /// Waits for the end of the run.
    ///
    /// # Panics
    /// When it does not come before [`PATIENCE`] does, or a process panicked.
    #[must_use]
    pub fn finish(mut self) -> Ended {
        self.drain()
    }

    fn drain(&mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Err(RecvTimeoutError::Disconnected) = self.next(deadline) {
                return self.ended();
            }
        }
        panic!("up does not end; {}", self.story());
    }

    fn ended(&mut self) -> Ended {
        let status = self.child.wait().expect("a child can be waited for");
        let stderr = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        assert!(!stderr.contains("panicked"), "{stderr}");
        run::assert_no_panic(&self.run);
        Ended { code: status.code(), events: std::mem::take(&mut self.seen), stderr }
    }

    fn next(&mut self, deadline: Instant) -> Result<Value, RecvTimeoutError> {
        let event = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        self.seen.push(event.clone());
        Ok(event)
    }

    fn kill_all(&mut self) {
        let mut pids = vec![self.child.id()];
        pids.extend(self.processes().into_values());
        signal("KILL", &pids);
        // Reaps it; that it may have ended by itself is no matter.
        let _ = self.child.wait();
    }

    /// The last events and logs, for the message of a failing test.
    #[must_use]
    pub fn story(&self) -> String {
        const EVENTS: usize = 12;
        let last: Vec<String> = self.seen.iter().rev().take(EVENTS).rev().map(ToString::to_string).collect();
        let stderr = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        format!("the last events are\n{}\nstderr: {stderr}\n{}", last.join("\n"), run::log_tails(&self.run))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Empty after an orderly end: ids of processes that are gone may be those of others by now.
        while let Ok(event) = self.events.try_recv() {
            self.seen.push(event);
        }
        if !self.seen.is_empty() || self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill_all();
        }
    }
}

fn processes(events: &[Value]) -> BTreeMap<(String, u64), u32> {
    let processes = events.iter().filter(|event| event["event"] == "process");
    let named = processes.filter_map(|event| {
        let role = event["role"].as_str()?.to_owned();
        Some(((role, event["ordinal"].as_u64()?), u32::try_from(event["pid"].as_u64()?).ok()?))
    });
    named.collect()
}

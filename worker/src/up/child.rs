//! One process of the swarm: started, listened to, ended.
//!
//! Invariants: a child's standard input is a pipe whose end asks it to stop, whoever closes it, so that no child
//! outlives this process however this process dies; its standard output is read line by line with a bound on each;
//! its log goes to a file. Children stand in a process group of their own: Ctrl-C reaches `up` alone, which ends
//! them in order.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use record::events::Event;
use tokio::io::BufReader;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc::Sender;

use super::lines::{Line, next_line};
use super::supervisor::Role;

/// Beginnings of the names of variables that this program reads.
const OWN_VARIABLES: [&str; 2] = ["COTRAIN_", "LIBP2P_"];

/// What a child does to its owner.
#[derive(Debug)]
pub enum Report {
    /// It said something.
    Event { role: Role, event: Box<Event> },
    /// It is gone, and all that it said has been reported.
    Ended {
        role: Role,
        /// How; none when the system does not tell.
        status: Option<ExitStatus>,
    },
}

/// How to start a process.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Variables added to those of this process.
    pub environment: Vec<(&'static str, OsString)>,
    /// The file that its log is added to.
    pub log: PathBuf,
}

/// A running child: dropping it, or [`Handle::ask_to_stop`], closes its standard input.
#[derive(Debug)]
pub struct Handle {
    /// The process id.
    pub pid: u32,
    input: Option<tokio::process::ChildStdin>,
    kill: tokio_util::sync::CancellationToken,
}

impl Handle {
    /// Closes the child's standard input, upon which it ends by itself.
    pub fn ask_to_stop(&mut self) {
        self.input = None;
    }

    /// Kills the child.
    pub fn kill(&self) {
        self.kill.cancel();
    }
}

/// Starts a process; its events and its end come as reports.
///
/// # Errors
/// When the program cannot be started or its log not be opened.
pub fn start(recipe: &Recipe, role: Role, reports: Sender<Report>) -> io::Result<Handle> {
    let mut child = command(recipe)?.spawn()?;
    // None only for a child that was waited for already.
    let pid = child.id().unwrap_or_default();
    let input = child.stdin.take();
    let output = child.stdout.take();
    let kill = tokio_util::sync::CancellationToken::new();
    let killed = kill.clone();
    tokio::spawn(async move {
        let listen = listen(output, role, &reports);
        let status = tokio::join!(wait(&mut child, &killed), listen).0;
        // The receiver is gone only when `up` itself ends.
        let _ = reports.send(Report::Ended { role, status }).await;
    });
    Ok(Handle { pid, input, kill })
}

fn command(recipe: &Recipe) -> io::Result<Command> {
    let log = open_log(&recipe.log)?;
    let mut command = Command::new(&recipe.program);
    // What this process was told by variables it passes on as arguments; they would only contradict those.
    for (name, _) in std::env::vars_os() {
        if OWN_VARIABLES.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            command.env_remove(name);
        }
    }
    command.args(&recipe.arguments).envs(recipe.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    Ok(command)
}

fn open_log(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).open(path)
}

async fn wait(child: &mut Child, killed: &tokio_util::sync::CancellationToken) -> Option<ExitStatus> {
    tokio::select! {
        status = child.wait() => return status.ok(),
        () = killed.cancelled() => {}
    }
    if let Err(error) = child.start_kill() {
        tracing::warn!(%error, "a process could not be killed");
    }
    child.wait().await.ok()
}

/// Forwards the child's events; lines that are none go to our log.
async fn listen(output: Option<ChildStdout>, role: Role, reports: &Sender<Report>) {
    let Some(output) = output else { return };
    let mut reader = BufReader::new(output);
    loop {
        let event = match next_line(&mut reader).await {
            Ok(Line::End) | Err(_) => return,
            Ok(Line::TooLong) => None,
            Ok(Line::Whole(line)) => serde_json::from_slice::<Event>(&line).ok(),
        };
        let Some(event) = event else {
            tracing::warn!(%role, "a line of the process's output is no event");
            continue;
        };
        if reports.send(Report::Event { role, event: Box::new(event) }).await.is_err() {
            return;
        }
    }
}

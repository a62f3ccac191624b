//! The running swarm: starts its processes in order, follows what they report, answers their deaths.
//!
//! Invariants: workers are started only once the aggregator listens; the one place where a process is started or
//! given up is [`Swarm::ended`], which follows the [`Supervisor`]'s decision; reports queue up to
//! [`REPORTS_QUEUED_MAX`] and then hold their process back.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use record::events::{Event, Listening, RunStart};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::child::{self, Handle, Report};
use super::progress::Progress;
use super::settings::Settings;
use super::supervisor::{Decision, Ending, Role, Supervisor};
use crate::exit::{Interrupted, WrongUse};

/// Reports of children that may wait for `up`.
pub const REPORTS_QUEUED_MAX: usize = 256;
/// How long workers have to end by themselves after the aggregator is done, in milliseconds.
pub const WORKERS_END_MS_MAX: u64 = 10_000;
/// How long processes have between being asked to stop and being killed, in milliseconds.
pub const KILL_AFTER_MS: u64 = 3_500;
/// How long killed processes are waited for, in milliseconds.
const REAP_MS_MAX: u64 = 500;

/// The processes of a run.
pub struct Swarm<'a, W> {
    settings: &'a Settings,
    progress: Progress<W>,
    supervisor: Supervisor,
    reports: Receiver<Report>,
    report_to: Sender<Report>,
    processes: BTreeMap<Role, Process>,
    restarts: BTreeMap<Role, Instant>,
    listening: Option<Listening>,
    run: Option<RunStart>,
    done_at: Option<Instant>,
}

/// A live process and what it has said of itself.
struct Process {
    handle: Handle,
    was_up: bool,
    finished: bool,
    message: Option<String>,
    wrong_use: bool,
}

impl<'a, W: Write> Swarm<'a, W> {
    /// A swarm of which nothing runs yet.
    pub fn new(settings: &'a Settings, progress: Progress<W>) -> Self {
        let (report_to, reports) = channel(REPORTS_QUEUED_MAX);
        Self {
            supervisor: Supervisor::new(settings.workers, settings.failures_max),
            settings,
            progress,
            reports,
            report_to,
            processes: BTreeMap::new(),
            restarts: BTreeMap::new(),
            listening: None,
            run: None,
            done_at: None,
        }
    }

    /// Runs until the aggregator is done and the workers have ended or had their time.
    ///
    /// # Errors
    /// [`Interrupted`] after `stop`; the reason when the run cannot go on; a broken standard output.
    pub async fn run(&mut self, stop: &CancellationToken) -> anyhow::Result<RunStart> {
        self.start(Role::Aggregator)?;
        while !self.is_over() {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Interrupted.into()),
                report = self.reports.recv() => match report {
                    Some(report) => self.take(report)?,
                    None => break,
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => self.start_due()?,
            }
        }
        self.run.take().context("the aggregator ended without saying what it did")
    }

    /// Ends every process: asks, waits [`KILL_AFTER_MS`], kills.
    pub async fn end(&mut self) {
        self.progress.end();
        self.restarts.clear();
        for process in self.processes.values_mut() {
            process.handle.ask_to_stop();
        }
        let asked = Instant::now();
        self.wait_until(asked + Duration::from_millis(KILL_AFTER_MS)).await;
        for process in self.processes.values() {
            process.handle.kill();
        }
        self.wait_until(Instant::now() + Duration::from_millis(REAP_MS_MAX)).await;
    }

    /// Waits until no process is left, at most until `deadline`.
    async fn wait_until(&mut self, deadline: Instant) {
        while !self.processes.is_empty() {
            match timeout_at(deadline, self.reports.recv()).await {
                Ok(Some(Report::Ended { role, .. })) => drop(self.processes.remove(&role)),
                Ok(Some(Report::Event { .. })) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn is_over(&self) -> bool {
        self.done_at.is_some_and(|done| {
            let late = Instant::now() >= done + Duration::from_millis(WORKERS_END_MS_MAX);
            self.processes.is_empty() || late
        })
    }

    /// When to look again without a report.
    fn next_wake(&self) -> Option<Instant> {
        let end = self.done_at.map(|done| done + Duration::from_millis(WORKERS_END_MS_MAX));
        self.restarts.values().copied().chain(end).min()
    }

    fn start_due(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let due: Vec<Role> = self.restarts.iter().filter(|(_, at)| **at <= now).map(|(role, _)| *role).collect();
        due.into_iter().try_for_each(|role| self.start(role))
    }

    fn start(&mut self, role: Role) -> anyhow::Result<()> {
        self.restarts.remove(&role);
        let recipe = self.settings.recipe(role, self.listening.as_ref());
        let handle = child::start(&recipe, role, self.report_to.clone())
            .with_context(|| format!("cannot start {role} ({})", recipe.program.display()))?;
        let started = Event::Process(record::events::Process {
            role: role.kind().to_owned(),
            ordinal: role.ordinal(),
            pid: handle.pid,
        });
        let process = Process { handle, was_up: false, finished: false, message: None, wrong_use: false };
        self.processes.insert(role, process);
        Ok(self.progress.event(role, &started)?)
    }

    fn take(&mut self, report: Report) -> anyhow::Result<()> {
        match report {
            Report::Event { role, event } => self.follow(role, &event),
            Report::Ended { role, status } => self.ended(role, status.and_then(|status| status.code())),
        }
    }

    fn follow(&mut self, role: Role, event: &Event) -> anyhow::Result<()> {
        if let Some(process) = self.processes.get_mut(&role) {
            process.note(role, event);
        }
        self.progress.event(role, event)?;
        match event {
            Event::Listening(listening) if role == Role::Aggregator => self.welcome(listening.clone()),
            Event::Run(run) if role == Role::Aggregator => {
                self.run = Some(run.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The aggregator listens: on its first start the workers follow, later they find it where it was.
    fn welcome(&mut self, listening: Listening) -> anyhow::Result<()> {
        let first = self.listening.replace(listening).is_none();
        if !first {
            return Ok(());
        }
        (0..self.settings.workers).try_for_each(|ordinal| self.start(Role::Worker(ordinal)))
    }

    fn ended(&mut self, role: Role, code: Option<i32>) -> anyhow::Result<()> {
        let Some(process) = self.processes.remove(&role) else { return Ok(()) };
        if self.done_at.is_some() {
            // The run is complete; how its workers end changes nothing.
            return Ok(());
        }
        let Process { was_up, finished, message, wrong_use, .. } = process;
        let code = if wrong_use { Some(i32::from(crate::exit::WRONG_USE)) } else { code };
        match self.supervisor.ended(role, &Ending { code, finished, was_up, message }) {
            Decision::Done if role == Role::Aggregator => self.done_at = Some(Instant::now()),
            Decision::Done => {}
            Decision::Restart { after_ms, reason } => {
                self.progress.warn(role, format!("{reason}; starting it again"))?;
                self.restarts.insert(role, Instant::now() + Duration::from_millis(after_ms));
            }
            Decision::Lost { reason } => self.progress.warn(role, format!("{reason}; going on without it"))?,
            Decision::GiveUp { reason, wrong_use: true } => return Err(WrongUse(reason).into()),
            Decision::GiveUp { reason, wrong_use: false } => anyhow::bail!(reason),
        }
        Ok(())
    }
}

impl Process {
    fn note(&mut self, role: Role, event: &Event) {
        match (role, event) {
            (Role::Aggregator, Event::Listening(_)) | (Role::Worker(_), Event::Joined(_)) => self.was_up = true,
            (_, Event::Finished(_)) => self.finished = true,
            (_, Event::Failed(failed)) => {
                self.message = Some(failed.message.clone());
                self.wrong_use = failed.wrong_use;
            }
            _ => {}
        }
    }
}

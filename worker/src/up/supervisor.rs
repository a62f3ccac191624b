//! What to do when a process of the swarm ends: a pure decision with its reason.
//!
//! Invariants: every answer follows from the arguments and the counts of earlier failures alone; a process is started
//! again at most `failures_max` times; wrong use is never retried, since the same words would fail the same way.

use std::collections::BTreeMap;
use std::fmt;

use crate::exit::WRONG_USE;

/// A process of the swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Aggregator,
    /// A worker by its ordinal, from 0.
    Worker(usize),
}

impl Role {
    /// What kind of process it is, in the words of the events.
    pub fn kind(self) -> &'static str {
        match self {
            Role::Aggregator => "aggregator",
            Role::Worker(_) => "worker",
        }
    }

    /// Its number among those of its kind, from 0.
    pub fn ordinal(self) -> usize {
        match self {
            Role::Aggregator => 0,
            Role::Worker(ordinal) => ordinal,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Aggregator => formatter.write_str("aggregator"),
            Role::Worker(ordinal) => write!(formatter, "worker-{ordinal}"),
        }
    }
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its exit code; none when a signal killed it.
    pub code: Option<i32>,
    /// Whether it had reported that the run is finished.
    pub finished: bool,
    /// Whether it had got as far as its work: the aggregator listened, the worker was admitted.
    pub was_up: bool,
    /// The error that it reported, if any.
    pub message: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It did what it was started for.
    Done,
    /// Start it again after a while.
    Restart {
        /// How long to wait, in milliseconds.
        after_ms: u64,
        /// What happened, in words.
        reason: String,
    },
    /// Go on without this worker.
    Lost {
        /// What happened, in words.
        reason: String,
    },
    GiveUp {
        /// What happened, in words.
        reason: String,
        /// Whether the program was used wrongly.
        wrong_use: bool,
    },
}

/// Wait before the first restart of a process, in milliseconds; each further one waits as much longer.
pub const RESTART_AFTER_MS: u64 = 250;

/// Counts failures and decides.
#[derive(Debug)]
pub struct Supervisor {
    workers: usize,
    failures_max: u32,
    failures: BTreeMap<Role, u32>,
    lost: usize,
}

impl Supervisor {
    /// For a swarm of `workers`, each process of which may fail `failures_max` times.
    pub fn new(workers: usize, failures_max: u32) -> Self {
        Self { workers, failures_max, failures: BTreeMap::new(), lost: 0 }
    }

    /// Decides what follows from the end of one process.
    pub fn ended(&mut self, role: Role, ending: &Ending) -> Decision {
        if ending.code == Some(0) && ending.finished {
            return Decision::Done;
        }
        let reason = describe(role, ending);
        if ending.code == Some(i32::from(WRONG_USE)) {
            return Decision::GiveUp { reason, wrong_use: true };
        }
        if role == Role::Aggregator && !ending.was_up {
            // It failed over its text, its job or its port; another attempt would too.
            return Decision::GiveUp { reason, wrong_use: false };
        }
        let failures = self.failures.entry(role).or_default();
        *failures += 1;
        if *failures <= self.failures_max {
            return Decision::Restart { after_ms: RESTART_AFTER_MS * u64::from(*failures), reason };
        }
        let reason = format!("{reason}, as {} times before", self.failures_max);
        match role {
            Role::Worker(_) => self.lose(reason),
            Role::Aggregator => Decision::GiveUp { reason, wrong_use: false },
        }
    }

    /// Goes on as long as those left are a quorum of those that started.
    fn lose(&mut self, reason: String) -> Decision {
        self.lost += 1;
        let left = self.workers.saturating_sub(self.lost);
        let quorum = (2 * self.workers).div_ceil(3);
        if left >= quorum {
            return Decision::Lost { reason };
        }
        let reason = format!("{reason}; {left} of {} workers are left and {quorum} are needed", self.workers);
        Decision::GiveUp { reason, wrong_use: false }
    }
}

fn describe(role: Role, ending: &Ending) -> String {
    if let Some(message) = &ending.message {
        return format!("{role}: {message}");
    }
    match ending.code {
        Some(0) => format!("{role} ended before the run was finished"),
        Some(code) => format!("{role} ended with code {code}"),
        None => format!("{role} was killed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn killed() -> Ending {
        Ending { code: None, finished: false, was_up: true, message: None }
    }

    fn exit(code: i32, was_up: bool) -> Ending {
        Ending { code: Some(code), finished: false, was_up, message: Some("the text is too short".into()) }
    }

    #[test]
    fn a_killed_worker_starts_again_as_often_as_allowed_and_then_is_lost() {
        let mut supervisor = Supervisor::new(3, 2);
        for attempt in 1..=2 {
            let decision = supervisor.ended(Role::Worker(1), &killed());
            let expected =
                Decision::Restart { after_ms: RESTART_AFTER_MS * attempt, reason: "worker-1 was killed".into() };
            assert_eq!(decision, expected);
        }
        assert!(matches!(supervisor.ended(Role::Worker(1), &killed()), Decision::Lost { .. }));
    }

    #[test]
    fn the_run_ends_when_fewer_than_a_quorum_are_left() {
        let mut supervisor = Supervisor::new(3, 0);
        assert!(matches!(supervisor.ended(Role::Worker(1), &killed()), Decision::Lost { .. }));
        let Decision::GiveUp { reason, wrong_use } = supervisor.ended(Role::Worker(2), &killed()) else { panic!() };
        assert!(reason.contains("1 of 3") && reason.contains("2 are needed"), "{reason}");
        assert!(!wrong_use);
    }

    #[test]
    fn failures_are_counted_for_each_process_alone() {
        let mut supervisor = Supervisor::new(2, 1);
        for role in [Role::Worker(1), Role::Worker(2), Role::Aggregator] {
            assert!(matches!(supervisor.ended(role, &killed()), Decision::Restart { .. }), "{role}");
        }
        assert!(matches!(supervisor.ended(Role::Aggregator, &killed()), Decision::GiveUp { .. }));
    }

    #[test]
    fn wrong_use_and_an_aggregator_that_never_listened_are_not_retried() {
        let mut supervisor = Supervisor::new(3, 3);
        let expected = |wrong_use| Decision::GiveUp { reason: "aggregator: the text is too short".into(), wrong_use };
        assert_eq!(supervisor.ended(Role::Aggregator, &exit(1, false)), expected(false));
        assert_eq!(supervisor.ended(Role::Aggregator, &exit(2, false)), expected(true));
        assert!(matches!(supervisor.ended(Role::Worker(1), &exit(2, true)), Decision::GiveUp { wrong_use: true, .. }));
        assert!(matches!(supervisor.ended(Role::Aggregator, &exit(1, true)), Decision::Restart { .. }));
    }

    #[test]
    fn only_a_reported_finish_with_code_0_is_done() {
        let mut supervisor = Supervisor::new(1, 1);
        let mut ending = Ending { code: Some(0), finished: true, was_up: true, message: None };
        assert_eq!(supervisor.ended(Role::Worker(1), &ending), Decision::Done);
        ending.finished = false;
        assert!(matches!(supervisor.ended(Role::Worker(1), &ending), Decision::Restart { .. }));
    }
}

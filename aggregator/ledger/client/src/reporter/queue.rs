//! The queue's core, without I/O: records, answers and the time go in; what to do next comes out.
//!
//! One report is on its way at a time, in order. A transaction is recorded before it is first sent; after a crash it is
//! looked up, and another is signed only once the first can never land: it is absent from a ledger whose time is past
//! its expiry. Before that, and whenever the contract says that a report is there already, the ledger's views decide.

mod outcome;

use super::advice::{advice, is_guard};
use super::durable::{Durable, Item, Job};
use super::record::{Begin, Payout, Record};
use super::verdict::Seen;
use super::{Pace, Status};
use crate::transaction::Signed;
use crate::{Call, ClientError, Found, Receipt};
use contract::{Abort, Address};
use outcome::Inquiry;
use std::collections::{BTreeMap, BTreeSet};

/// How many participants that were not registered are asked for again between two reports.
const RECHECKS_MAX: u32 = 8;

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Nothing, until a time or until something comes.
    Wait(Option<u64>),
    /// Make this durable.
    Record(Record),
    /// Ask whether a participant is registered.
    Check(Address),
    /// Simulate and sign a call.
    Prepare(Call),
    /// Send a transaction, which is durable.
    Send(Signed),
    /// Ask for a transaction.
    LookUp(Signed),
    /// Look at what the ledger holds of the report on its way.
    Look,
}

/// What came of a step.
#[derive(Debug)]
pub(crate) enum Answer {
    Checked(Address, Result<bool, ClientError>),
    Prepared(Result<Signed, ClientError>),
    Sent(Result<(), ClientError>),
    Found(Result<Found, ClientError>),
    Seen(Result<Seen, ClientError>),
}

/// Where the report on its way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Look,
    Prepare,
    Send,
    LookUp,
    /// It is said to have landed; its effect must show.
    Confirm,
    /// The ledger shows an effect that fits; which transaction made it is asked of each that was given up, the last
    /// first.
    Attempts,
}

pub(crate) struct Queue {
    durable: Durable,
    pace: Pace,
    phase: Phase,
    registered: BTreeSet<Address>,
    /// When participants were last found not to be registered.
    checked_ms: BTreeMap<Address, u64>,
    /// Whether the end of the session came to the front, from when on every participant is asked for once more.
    finishing: bool,
    rechecks_left: u32,
    /// The receipt that is to be confirmed.
    receipt: Option<Receipt>,
    /// What is known of the transactions that were given up.
    inquiry: Inquiry,
    sent_ms: Option<u64>,
    retry_ms: u64,
    failures: u32,
    blocked: bool,
    last_error: Option<String>,
}

impl Queue {
    /// A queue after a start: whatever was on its way is looked for before anything else.
    pub(crate) fn new(durable: Durable, pace: Pace) -> Queue {
        let phase = if durable.signed.is_some() { Phase::LookUp } else { Phase::Look };
        Queue {
            durable,
            pace,
            phase,
            registered: BTreeSet::new(),
            checked_ms: BTreeMap::new(),
            finishing: false,
            rechecks_left: RECHECKS_MAX,
            receipt: None,
            inquiry: Inquiry::default(),
            sent_ms: None,
            retry_ms: 0,
            failures: 0,
            blocked: false,
            last_error: None,
        }
    }

    pub(crate) fn durable(&self) -> &Durable {
        &self.durable
    }

    /// Moves on by a record that is on the disk.
    pub(crate) fn apply(&mut self, record: Record) -> Result<(), String> {
        let phase = match &record {
            Record::Begin(Begin::Pay(Payout::Root)) => Phase::Look,
            Record::Begin(_) => Phase::Prepare,
            Record::Signed { .. } => Phase::Send,
            Record::Failed | Record::Dead => Phase::Look,
            _ => self.phase,
        };
        let lands = matches!(record, Record::Landed(_));
        if matches!(record, Record::Signed { .. }) {
            self.sent_ms = None;
        }
        self.durable.apply(record)?;
        self.phase = phase;
        if lands {
            (self.failures, self.retry_ms, self.blocked, self.last_error) = (0, 0, false, None);
            self.rechecks_left = RECHECKS_MAX;
        }
        Ok(())
    }

    /// What to do now.
    pub(crate) fn next(&mut self, now_ms: u64) -> Step {
        if now_ms < self.retry_ms {
            return Step::Wait(Some(self.retry_ms));
        }
        if self.durable.job.is_some() {
            return self.advance();
        }
        if !self.finishing && matches!(self.durable.items.front(), Some(Item::Finish)) {
            self.finishing = true;
            self.checked_ms.clear();
        }
        if let Some(participant) = self.unchecked() {
            return Step::Check(participant);
        }
        let stale = self.stale(now_ms);
        if let Some(participant) = stale.filter(|_| self.rechecks_left > 0) {
            self.rechecks_left -= 1;
            return Step::Check(participant);
        }
        match (self.begin(), stale) {
            (Some(begin), _) => Step::Record(Record::Begin(begin)),
            (None, Some(participant)) => Step::Check(participant),
            (None, None) => Step::Wait(self.next_check_ms()),
        }
    }

    fn advance(&self) -> Step {
        let lost = Step::Wait(None);
        match self.phase {
            Phase::Look | Phase::Confirm => Step::Look,
            Phase::Prepare => self.durable.call().map_or(lost, Step::Prepare),
            Phase::Send => self.durable.signed.clone().map_or(lost, Step::Send),
            Phase::LookUp => self.durable.signed.clone().map_or(lost, Step::LookUp),
            Phase::Attempts => self.attempt().map_or(lost, |attempt| Step::LookUp(attempt.signed.clone())),
        }
    }

    /// Up to which settlement entries may go now.
    fn horizon(&self) -> u64 {
        match self.durable.items.front() {
            Some(Item::Settle(settlement)) => *settlement,
            _ => self.durable.visited(),
        }
    }

    fn unregistered(&self) -> impl Iterator<Item = Address> {
        self.durable.participants_up_to(self.horizon()).filter(|participant| !self.registered.contains(participant))
    }

    /// A participant of whom it must be known whether it is registered.
    fn unchecked(&self) -> Option<Address> {
        self.unregistered().find(|participant| !self.checked_ms.contains_key(participant))
    }

    /// A participant that was not registered and may be now.
    fn stale(&self, now_ms: u64) -> Option<Address> {
        self.unregistered().find(|participant| self.due_ms(participant).is_some_and(|due_ms| due_ms <= now_ms))
    }

    /// When a participant that was not registered is asked for again; the end of the session does not wait for it.
    fn due_ms(&self, participant: &Address) -> Option<u64> {
        let checked_ms = *self.checked_ms.get(participant)?;
        Some(if self.finishing { u64::MAX } else { checked_ms.saturating_add(self.pace.recheck_ms) })
    }

    fn next_check_ms(&self) -> Option<u64> {
        self.unregistered().filter_map(|of| self.due_ms(&of)).min()
    }

    fn begin(&self) -> Option<Begin> {
        let held = self.durable.ready(self.durable.visited(), &self.registered);
        if !held.is_empty() {
            return Some(Begin::Held(held));
        }
        match self.durable.items.front()? {
            Item::Open | Item::Anchor(_) | Item::Term(_) => Some(Begin::Front),
            Item::Settle(settlement) => Some(Begin::Settle(self.durable.ready(*settlement, &self.registered))),
            Item::Finish => Some(Begin::Pay(self.durable.payout())),
        }
    }

    /// Takes what came of a step; the record that follows, to be made durable and applied.
    pub(crate) fn answer(&mut self, now_ms: u64, answer: Answer) -> Option<Record> {
        match answer {
            Answer::Checked(participant, checked) => self.checked(now_ms, participant, checked),
            Answer::Prepared(Ok(signed)) => return Some(Record::Signed { bytes: signed.bytes().to_vec() }),
            Answer::Prepared(Err(error)) => return self.unprepared(now_ms, &error),
            Answer::Sent(sent) => {
                self.sent_ms = Some(now_ms);
                self.phase = Phase::LookUp;
                if let Err(error) = sent {
                    self.fail(now_ms, &error);
                }
            }
            Answer::Found(Ok(found)) if self.phase == Phase::Attempts => return self.found_attempt(now_ms, &found),
            Answer::Found(Ok(found)) => return self.found(now_ms, found),
            Answer::Seen(Ok(seen)) if self.phase == Phase::Confirm => return self.confirm(now_ms, &seen),
            Answer::Seen(Ok(seen)) => return self.seen(now_ms, &seen),
            Answer::Found(Err(error)) | Answer::Seen(Err(error)) => self.fail(now_ms, &error),
        }
        None
    }

    fn checked(&mut self, now_ms: u64, participant: Address, checked: Result<bool, ClientError>) {
        match checked {
            Ok(true) => self.note_registered(participant),
            Ok(false) => {
                self.checked_ms.insert(participant, now_ms);
            }
            Err(error) => self.fail(now_ms, &error),
        }
    }

    /// A participant is known to be registered.
    pub(crate) fn note_registered(&mut self, participant: Address) {
        self.checked_ms.remove(&participant);
        self.registered.insert(participant);
    }

    fn unprepared(&mut self, now_ms: u64, error: &ClientError) -> Option<Record> {
        let abort = if let ClientError::Aborts { abort, .. } = error { Some(*abort) } else { None };
        self.fail(now_ms, error);
        if abort == Some(Abort::NotRegistered)
            && let Some(job @ Job::Batch { .. }) = &self.durable.job
        {
            for participant in job.participants() {
                self.registered.remove(&participant);
            }
            return Some(Record::Undo);
        }
        if abort.is_some_and(is_guard) {
            self.phase = Phase::Look;
        }
        None
    }

    /// Waits after an error, longer where somebody must act.
    pub(crate) fn fail(&mut self, now_ms: u64, error: &ClientError) {
        let (advice, blocked) = advice(error, &self.durable);
        self.trouble(now_ms, advice.map_or_else(|| error.to_string(), |advice| format!("{error}; {advice}")), blocked);
    }

    pub(crate) fn trouble(&mut self, now_ms: u64, what: String, blocked: bool) {
        let doubled = self.pace.retry_first_ms.saturating_mul(1 << self.failures.min(20));
        let pause = if blocked { self.pace.blocked_ms } else { doubled.min(self.pace.retry_max_ms) };
        self.failures = self.failures.saturating_add(1);
        (self.retry_ms, self.blocked, self.last_error) = (now_ms.saturating_add(pause), blocked, Some(what));
    }

    /// How the queue stands; the driver adds what it alone knows.
    pub(crate) fn status(&self) -> Status {
        Status {
            waiting: self.durable.items.len() + usize::from(self.durable.job.is_some()),
            held: self.durable.held(),
            landed: self.durable.landed.len() as u64,
            paid: self.durable.paid,
            last_error: self.last_error.clone(),
            blocked: self.blocked,
            ..Status::default()
        }
    }
}

#[cfg(test)]
mod tests;

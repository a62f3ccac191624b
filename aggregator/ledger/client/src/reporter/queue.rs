//! The queue's core, without I/O: records, answers and the time go in; what to do next comes out.
//!
//! One report is on its way at a time, in order. A transaction is recorded before it is first sent; after a crash it is
//! looked up, and another is signed only once the first can never land: it is absent from a ledger whose time is past
//! its expiry. Before that, and whenever the contract says that a report is there already, the ledger's views decide.

use super::advice::{advice, is_guard};
use super::durable::{Attempt, Durable, Item, Job};
use super::record::{Begin, Payout, Record};
use super::verdict::{Seen, Verdict, verdict};
use super::{Landed, Pace, Status};
use crate::transaction::Signed;
use crate::{Call, ClientError, Found, Receipt};
use contract::{Abort, Address};
use std::collections::{BTreeMap, BTreeSet};

/// How long a transaction that the ledger does not show is waited for before it is sent again.
const RESEND_MS: u64 = 2_000;
/// How many participants that were not registered are asked for again between two reports.
const RECHECKS_MAX: u32 = 8;
/// How many transactions of a report may be paid for in vain before somebody should look.
const FAILED_MAX: u32 = 3;

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

/// Whose the effect is that the ledger shows.
#[derive(Debug, Default)]
struct Inquiry {
    seen: Seen,
    asked: usize,
    /// One that expired and is still not shown: the ledger may not keep it any more.
    gone: bool,
    /// One of which the node says something else than before.
    unclear: bool,
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

    fn found(&mut self, now_ms: u64, found: Found) -> Option<Record> {
        match found {
            Found::Landed(receipt) if receipt.success => {
                self.receipt = Some(*receipt);
                self.phase = Phase::Confirm;
            }
            Found::Landed(receipt) => {
                let what = format!("transaction {} failed: {}", receipt.hash, receipt.vm_status);
                self.trouble(now_ms, what, self.failures >= FAILED_MAX);
                return Some(Record::Failed);
            }
            Found::Absent { chain_s } if self.expired(chain_s) => return Some(Record::Dead),
            Found::Absent { .. } if self.sent_ms.is_none_or(|sent_ms| now_ms >= sent_ms + RESEND_MS) => {
                self.phase = Phase::Send;
            }
            Found::Absent { .. } | Found::Waiting => self.retry_ms = now_ms + self.pace.look_ms,
        }
        None
    }

    /// Whether the transaction on its way can no longer land, at a time of the chain.
    fn expired(&self, chain_s: u64) -> bool {
        self.durable.signed.as_ref().is_some_and(|signed| chain_s > signed.expires_s())
    }

    /// A receipt alone is a node's word; the report counts as landed once its effect shows too.
    fn confirm(&mut self, now_ms: u64, seen: &Seen) -> Option<Record> {
        if let Some(receipt) = self.receipt.take()
            && verdict(&self.durable, seen, true) == Verdict::Landed
        {
            return self.landed_by(&receipt).map(Record::Landed);
        }
        self.phase = Phase::LookUp;
        self.trouble(
            now_ms,
            "a transaction is said to have landed, but the ledger shows no effect of it".into(),
            false,
        );
        None
    }

    fn seen(&mut self, now_ms: u64, seen: &Seen) -> Option<Record> {
        let doubtful = !self.durable.attempts.is_empty();
        match verdict(&self.durable, seen, doubtful) {
            Verdict::Landed if doubtful => {
                self.inquiry = Inquiry { seen: seen.clone(), ..Inquiry::default() };
                self.phase = Phase::Attempts;
                None
            }
            verdict => self.judged(now_ms, verdict),
        }
    }

    fn judged(&mut self, now_ms: u64, verdict: Verdict) -> Option<Record> {
        self.phase = Phase::Look;
        match verdict {
            Verdict::NotYet => self.phase = Phase::Prepare,
            Verdict::Landed => return self.landed_unseen().map(Record::Landed),
            Verdict::Superseded(what) => {
                self.last_error = Some(what);
                return Some(Record::Superseded);
            }
            Verdict::Behind(what) => self.trouble(now_ms, what, false),
            Verdict::Conflict(what) => self.trouble(now_ms, what, true),
        }
        None
    }

    /// The transaction that is asked for next, of those that were given up.
    fn attempt(&self) -> Option<&Attempt> {
        self.durable.attempts.iter().rev().nth(self.inquiry.asked)
    }

    fn found_attempt(&mut self, now_ms: u64, found: &Found) -> Option<Record> {
        let failed = self.attempt().is_some_and(|attempt| attempt.failed);
        match found {
            Found::Landed(receipt) if receipt.success => return self.landed_by(receipt).map(Record::Landed),
            Found::Landed(_) => {}
            Found::Absent { .. } if !failed => self.inquiry.gone = true,
            Found::Absent { .. } | Found::Waiting => self.inquiry.unclear = true,
        }
        self.inquiry.asked += 1;
        if self.attempt().is_some() {
            return None;
        }
        let Inquiry { seen, gone, unclear, .. } = std::mem::take(&mut self.inquiry);
        if unclear {
            self.phase = Phase::Look;
            self.trouble(now_ms, "the ledger says this and that of a transaction".into(), false);
            return None;
        }
        // None of ours succeeded, unless one is gone that did.
        let verdict = if gone { Verdict::Landed } else { verdict(&self.durable, &seen, false) };
        self.judged(now_ms, verdict)
    }

    fn landed_by(&self, receipt: &Receipt) -> Option<Landed> {
        let (job, call) = (self.durable.job.as_ref()?, self.durable.call()?);
        Some(Landed {
            call: call.function().into(),
            key: job.key(),
            hash: Some(receipt.hash),
            version: Some(receipt.version),
            gas_used: Some(receipt.gas_used),
            gas_unit_price: Some(receipt.gas_unit_price),
            timestamp_s: Some(receipt.timestamp_s),
        })
    }

    /// The ledger shows a report's effect, but not the transaction.
    fn landed_unseen(&self) -> Option<Landed> {
        let (job, call) = (self.durable.job.as_ref()?, self.durable.call()?);
        let gone = self.durable.attempts.iter().rev().find(|attempt| !attempt.failed);
        let hash = gone.map(|attempt| attempt.signed.hash());
        let (version, gas_used, gas_unit_price, timestamp_s) = (None, None, None, None);
        Some(Landed {
            call: call.function().into(),
            key: job.key(),
            hash,
            version,
            gas_used,
            gas_unit_price,
            timestamp_s,
        })
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

//! What became of the report on its way: what the ledger says of its transaction, and what it shows of its effect.
//!
//! Invariant: neither is believed alone. A transaction that is said to have landed must show an effect; an effect that
//! shows without one is asked about, attempt by attempt, before the report counts as landed.

use super::{Phase, Queue};
use crate::reporter::Landed;
use crate::reporter::durable::Attempt;
use crate::reporter::record::Record;
use crate::reporter::verdict::{Seen, Verdict, verdict};
use crate::{Found, Receipt};

/// How long a transaction that the ledger does not show is waited for before it is sent again.
const RESEND_MS: u64 = 2_000;
/// How many transactions of a report may be paid for in vain before somebody should look.
const FAILED_MAX: u32 = 3;

/// Whose the effect is that the ledger shows.
#[derive(Debug, Default)]
pub(super) struct Inquiry {
    seen: Seen,
    asked: usize,
    /// One that expired and is still not shown: the ledger may not keep it any more.
    gone: bool,
    /// One of which the node says something else than before.
    unclear: bool,
}

impl Queue {
    pub(super) fn found(&mut self, now_ms: u64, found: Found) -> Option<Record> {
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
    pub(super) fn confirm(&mut self, now_ms: u64, seen: &Seen) -> Option<Record> {
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

    pub(super) fn seen(&mut self, now_ms: u64, seen: &Seen) -> Option<Record> {
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
    pub(super) fn attempt(&self) -> Option<&Attempt> {
        self.durable.attempts.iter().rev().nth(self.inquiry.asked)
    }

    pub(super) fn found_attempt(&mut self, now_ms: u64, found: &Found) -> Option<Record> {
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
}

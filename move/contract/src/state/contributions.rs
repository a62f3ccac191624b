//! Contributions: what each participant's work adds up to in a session.

use super::sessions::Session;
use super::{Caller, Outcome, State, event, require, require_ratio};
use crate::limits::BATCH_MAX;
use crate::{Abort, Address, Event, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One participant's totals and sums in a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) compute_time: u64,
    pub(super) quality_sum: u64,
    pub(super) data_transmitted: u64,
    pub(super) uptime_sum: u64,
    pub(super) count: u64,
}

/// What one settlement adds to a participant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) participant: Address,
    pub(super) compute_time: u64,
    pub(super) gradient_quality: u64,
    pub(super) data_transmitted: u64,
    pub(super) uptime_ratio: u64,
}

impl State {
    pub(super) fn submit_detailed_contribution(&mut self, caller: Caller, id: u64, entry: Entry) -> Outcome {
        let session = self.require_reportable(caller, id)?;
        let updated = self.updated(session, &[entry])?;
        self.session_mut(id)?.contributions.extend(updated);
        Ok(vec![entry.event(id)])
    }

    /// `columns`: compute times, qualities, data, uptimes.
    pub(super) fn submit_contributions(
        &mut self,
        caller: Caller,
        id: u64,
        settlement: u64,
        participants: &[Value],
        columns: [&Vec<Value>; 4],
    ) -> Outcome {
        let session = self.require_reportable(caller, id)?;
        require((1..=BATCH_MAX).contains(&participants.len()), Abort::TooMany)?;
        require(columns.iter().all(|column| column.len() == participants.len()), Abort::LengthsDiffer)?;
        // The last number has no successor; no session gets there.
        require(session.settlement.checked_add(1) == Some(settlement), Abort::SettlementOutOfOrder)?;
        let entries: Vec<Entry> = rows(participants, columns).collect();
        let updated = self.updated(session, &entries)?;
        let session = self.session_mut(id)?;
        session.contributions.extend(updated);
        session.settlement = settlement;
        let count = entries.len() as u64;
        let settled = [("session_id", id.into()), ("settlement", settlement.into()), ("entries", count.into())];
        let each = entries.iter().map(|entry| entry.event(id));
        Ok(each.chain([event("SettlementSubmitted", settled)]).collect())
    }

    /// The totals after a batch of everyone in it, or the abort of the first entry that has one.
    fn updated(&self, session: &Session, entries: &[Entry]) -> Result<BTreeMap<Address, Totals>, Abort> {
        let mut updated = BTreeMap::new();
        for entry in entries {
            require(self.nodes.contains_key(&entry.participant), Abort::NotRegistered)?;
            require_ratio(entry.gradient_quality)?;
            require_ratio(entry.uptime_ratio)?;
            let before = || session.contributions.get(&entry.participant).copied().unwrap_or_default();
            let totals = updated.entry(entry.participant).or_insert_with(before);
            *totals = totals.plus(entry).ok_or(Abort::Overflow)?;
        }
        Ok(updated)
    }
}

impl Totals {
    fn plus(self, entry: &Entry) -> Option<Totals> {
        Some(Totals {
            compute_time: self.compute_time.checked_add(entry.compute_time)?,
            quality_sum: self.quality_sum.checked_add(entry.gradient_quality)?,
            data_transmitted: self.data_transmitted.checked_add(entry.data_transmitted)?,
            uptime_sum: self.uptime_sum.checked_add(entry.uptime_ratio)?,
            count: self.count.checked_add(1)?,
        })
    }
}

impl Entry {
    fn event(&self, session_id: u64) -> Event {
        let fields = [
            ("session_id", session_id.into()),
            ("participant", self.participant.into()),
            ("compute_time", self.compute_time.into()),
            ("gradient_quality", self.gradient_quality.into()),
            ("data_transmitted", self.data_transmitted.into()),
            ("uptime_ratio", self.uptime_ratio.into()),
        ];
        event("ContributionSubmitted", fields)
    }
}

/// The rows of columns that the ABI typed and that are equally long.
fn rows<'a>(participants: &'a [Value], columns: [&'a Vec<Value>; 4]) -> impl Iterator<Item = Entry> + 'a {
    let [times, qualities, data, uptimes] = columns.map(|column| column.iter().map(number));
    let factors = times.zip(qualities).zip(data.zip(uptimes));
    participants.iter().map(address).zip(factors).map(|(participant, factors)| {
        let ((compute_time, gradient_quality), (data_transmitted, uptime_ratio)) = factors;
        Entry { participant, compute_time, gradient_quality, data_transmitted, uptime_ratio }
    })
}

fn number(value: &Value) -> u64 {
    if let Value::U64(number) = value { *number } else { 0 }
}

fn address(value: &Value) -> Address {
    if let Value::Address(address) = value { *address } else { Address::ZERO }
}

//! What the queue's log says: a state that follows from its records alone.

use super::Landed;
use super::record::{Begin, FORMAT, Payout, Record, Report};
use crate::home::Target;
use crate::transaction::Signed;
use crate::{Anchor, Call, Entry, SessionConditions, Term};
use contract::Address;
use contract::limits::{BATCH_MAX, PARTICIPANTS_MAX};
use rewards::merkle::Tree;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod take;

pub use take::Untaken;

/// How many transactions of one report are remembered.
const ATTEMPTS_MAX: usize = 16;

/// A report in the queue. A settlement's entries are kept apart, since some may be held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Open,
    Settle(u64),
    Anchor(Anchor),
    Term(Term),
    Finish,
}

/// An entry that is in no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    settlement: u64,
    entry: Entry,
}

/// A transaction of which another had to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) signed: Signed,
    /// Whether it is said to have landed without success; otherwise it expired.
    pub(crate) failed: bool,
}

/// The report on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    Open,
    Batch { settlement: u64, entries: Vec<(u64, Waiting)> },
    Anchor(Anchor),
    Term(Term),
    Pay(Payout),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Durable {
    pub(crate) target: Target,
    pub(crate) account: Address,
    pub(crate) session: Option<SessionConditions>,
    pub(crate) items: VecDeque<Item>,
    pub(crate) job: Option<Job>,
    /// The transaction of the job that may have been sent and may still land.
    pub(crate) signed: Option<Signed>,
    /// Transactions of the job that are said to have failed or to be gone. A node may have been wrong about each.
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) landed: Vec<Landed>,
    pub(crate) paid: bool,
    /// Entries in no batch, by participant and then in the order in which they were settled.
    waiting: BTreeMap<Address, BTreeMap<u64, Waiting>>,
    waiting_count: usize,
    next_entry: u64,
    /// The last settlement whose entries may go.
    visited: u64,
    batches: u64,
    amounts: Option<BTreeMap<Address, u64>>,
    /// Everyone who contributed, with the sums that the contract must be able to hold.
    sums: BTreeMap<Address, (u64, u64)>,
    last_settlement: u64,
    last_round: u64,
    last_term: u64,
}

impl Durable {
    pub(crate) fn new(target: Target, account: Address) -> Durable {
        Durable {
            target,
            account,
            session: None,
            items: VecDeque::new(),
            job: None,
            signed: None,
            attempts: Vec::new(),
            landed: Vec::new(),
            paid: false,
            waiting: BTreeMap::new(),
            waiting_count: 0,
            next_entry: 0,
            visited: 0,
            batches: 0,
            amounts: None,
            sums: BTreeMap::new(),
            last_settlement: 0,
            last_round: 0,
            last_term: 0,
        }
    }

    /// The record that a log begins with.
    pub(crate) fn header(&self) -> Record {
        let Target { chain_id, module } = self.target;
        Record::Header { format: FORMAT, chain_id, module, account: self.account }
    }

    /// Moves on by a record; an error is a record that cannot follow those before it.
    pub(crate) fn apply(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Header { .. } if record == self.header() => {}
            Record::Header { .. } => return Err("the queue is of another ledger or account".into()),
            Record::Report(report) => self.report(report),
            Record::Begin(begin) => self.begin(begin)?,
            Record::Undo => self.undo()?,
            Record::Signed { bytes } => {
                let signed = Signed::read(&bytes, self.target).map_err(|error| error.to_string())?;
                self.signed = Some(signed);
            }
            Record::Failed => self.give_up(true),
            Record::Dead => self.give_up(false),
            Record::Landed(landed) => self.land(landed)?,
            Record::Superseded => self.end().map(drop)?,
        }
        Ok(())
    }

    fn report(&mut self, report: Report) {
        let item = match report {
            Report::Open(conditions) => {
                self.session = Some(conditions);
                Item::Open
            }
            Report::Settle { settlement, entries } => {
                entries.into_iter().for_each(|entry| self.wait_entry(settlement, entry));
                self.last_settlement = settlement;
                Item::Settle(settlement)
            }
            Report::Anchor(anchor) => {
                self.last_round = anchor.round;
                Item::Anchor(anchor)
            }
            Report::Term(term) => {
                self.last_term = term.term;
                Item::Term(term)
            }
            Report::Finish { amounts } => {
                self.amounts = Some(amounts);
                Item::Finish
            }
        };
        self.items.push_back(item);
    }

    fn wait_entry(&mut self, settlement: u64, entry: Entry) {
        let participant = Address(entry.address);
        let (time, data) = self.sums.entry(participant).or_default();
        *time = time.saturating_add(entry.compute_time);
        *data = data.saturating_add(entry.data_transmitted);
        let of = self.waiting.entry(participant).or_default();
        of.insert(self.next_entry, Waiting { settlement, entry });
        self.next_entry += 1;
        self.waiting_count += 1;
    }

    fn begin(&mut self, begin: Begin) -> Result<(), String> {
        if self.job.is_some() {
            return Err("a report begins while another is on its way".into());
        }
        match begin {
            Begin::Front => self.job = Some(self.front()?),
            Begin::Settle(ids) => {
                let Some(Item::Settle(settlement)) = self.items.pop_front() else {
                    return Err("no settlement is at the front".into());
                };
                self.visited = settlement;
                if !ids.is_empty() {
                    self.job = Some(self.batch(&ids)?);
                }
            }
            Begin::Held(ids) => self.job = Some(self.batch(&ids)?),
            Begin::Pay(payout) => {
                self.items.pop_front();
                self.job = Some(Job::Pay(payout));
            }
        }
        Ok(())
    }

    fn front(&mut self) -> Result<Job, String> {
        match self.items.pop_front() {
            Some(Item::Open) => Ok(Job::Open),
            Some(Item::Anchor(anchor)) => Ok(Job::Anchor(anchor)),
            Some(Item::Term(term)) => Ok(Job::Term(term)),
            other => Err(format!("{other:?} does not begin so")),
        }
    }

    fn batch(&mut self, ids: &[u64]) -> Result<Job, String> {
        // One look at each participant finds all of a batch.
        let wanted: BTreeSet<u64> = ids.iter().copied().collect();
        let mut entries = Vec::with_capacity(ids.len());
        for of in self.waiting.values_mut() {
            let found: Vec<u64> = of.keys().filter(|id| wanted.contains(id)).copied().collect();
            entries.extend(found.into_iter().filter_map(|id| Some((id, of.remove(&id)?))));
        }
        if entries.is_empty() || entries.len() != ids.len() {
            return Err("a batch of entries that do not wait".into());
        }
        entries.sort_unstable_by_key(|(id, _)| *id);
        self.waiting.retain(|_, of| !of.is_empty());
        self.waiting_count -= entries.len();
        self.batches += 1;
        Ok(Job::Batch { settlement: self.batches, entries })
    }

    fn undo(&mut self) -> Result<(), String> {
        let Job::Batch { entries, .. } = self.end()? else { return Err("only a batch is undone".into()) };
        self.batches -= 1;
        self.waiting_count += entries.len();
        for (id, entry) in entries {
            self.waiting.entry(Address(entry.entry.address)).or_default().insert(id, entry);
        }
        Ok(())
    }

    fn land(&mut self, landed: Landed) -> Result<(), String> {
        if let Job::Pay(payout) = self.end()? {
            self.paid = true;
            // What the ledger never took is in the root.
            if payout == Payout::Root {
                self.waiting.clear();
                self.waiting_count = 0;
            }
        }
        self.landed.push(landed);
        Ok(())
    }

    fn give_up(&mut self, failed: bool) {
        if self.attempts.len() >= ATTEMPTS_MAX {
            self.attempts.remove(0);
        }
        self.attempts.extend(self.signed.take().map(|signed| Attempt { signed, failed }));
    }

    fn end(&mut self) -> Result<Job, String> {
        self.signed = None;
        self.attempts.clear();
        self.job.take().ok_or_else(|| "nothing is on its way".into())
    }

    /// Participants whose entries may go once they are registered, up to a settlement.
    pub(crate) fn participants_up_to(&self, settlement: u64) -> impl Iterator<Item = Address> {
        let may_go = move |of: &BTreeMap<u64, Waiting>| of.values().next().is_some_and(|e| e.settlement <= settlement);
        self.waiting.iter().filter(move |(_, of)| may_go(of)).map(|(participant, _)| *participant)
    }

    /// The oldest entries of registered participants up to a settlement, at most a batch.
    pub(crate) fn ready(&self, settlement: u64, registered: &BTreeSet<Address>) -> Vec<u64> {
        let of_registered = self.waiting.iter().filter(|(participant, _)| registered.contains(participant));
        let mut ids: Vec<u64> = of_registered
            .flat_map(|(_, of)| of.iter().take_while(|(_, entry)| entry.settlement <= settlement).map(|(id, _)| *id))
            .collect();
        ids.sort_unstable();
        ids.truncate(BATCH_MAX);
        ids
    }

    pub(crate) fn visited(&self) -> u64 {
        self.visited
    }

    /// Entries that could have gone but for their participants.
    pub(crate) fn held(&self) -> usize {
        let of = |of: &BTreeMap<u64, Waiting>| of.values().take_while(|entry| entry.settlement <= self.visited).count();
        self.waiting.values().map(of).sum()
    }

    /// How the session is to be paid: by the contract if it holds all that was earned by everyone who is to be paid.
    pub(crate) fn payout(&self) -> Payout {
        let paid = |amounts: &BTreeMap<Address, u64>| {
            amounts.iter().all(|(account, amount)| *amount == 0 || self.sums.contains_key(account))
        };
        let complete = self.waiting.is_empty() && self.amounts.as_ref().is_some_and(paid);
        if complete && self.sums.len() <= PARTICIPANTS_MAX { Payout::Distribute } else { Payout::Root }
    }

    /// The call of the report on its way.
    pub(crate) fn call(&self) -> Option<Call> {
        let session = self.session.as_ref()?;
        let session_number = session.session_number;
        Some(match self.job.as_ref()? {
            Job::Open => Call::CreateSession(session.clone()),
            Job::Batch { settlement, entries } => {
                let entries = entries.iter().map(|(_, entry)| entry.entry).collect();
                Call::SubmitContributions { session_number, settlement: *settlement, entries }
            }
            Job::Anchor(anchor) => Call::RecordAnchor { session_number, anchor: anchor.clone() },
            Job::Term(term) => Call::RecordTerm { session_number, term: term.clone() },
            Job::Pay(Payout::Distribute) => Call::DistributeRewards { session_number },
            Job::Pay(Payout::Root) => {
                let (root, total) = self.root()?;
                Call::PublishRoot { session_number, root, total }
            }
        })
    }

    /// The root over the amounts, and their total.
    pub(crate) fn root(&self) -> Option<([u8; 32], u64)> {
        let amounts = self.amounts.as_ref()?.iter().map(|(account, amount)| (account.0, *amount)).collect();
        let tree = Tree::new(self.session.as_ref()?.session_number, amounts)?;
        Some((tree.root(), tree.total()?))
    }
}

impl Job {
    /// What a receipt names the report by.
    pub(crate) fn key(&self) -> String {
        match self {
            Job::Open => "session".into(),
            Job::Batch { settlement, .. } => format!("settlement-{settlement}"),
            Job::Anchor(anchor) => format!("anchor-{}", anchor.round),
            Job::Term(term) => format!("term-{}", term.term),
            Job::Pay(_) => "payout".into(),
        }
    }

    /// Whose contributions the report has.
    pub(crate) fn participants(&self) -> BTreeSet<Address> {
        match self {
            Job::Batch { entries, .. } => entries.iter().map(|(_, entry)| Address(entry.entry.address)).collect(),
            _ => BTreeSet::new(),
        }
    }
}

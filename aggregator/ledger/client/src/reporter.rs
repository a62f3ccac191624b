//! The durable queue through which a run reports to the ledger.
//!
//! A report is on the disk when its method returns; the ledger may be away for as long as it likes. `queue` is the
//! core, which knows neither disk, network nor clock; `durable` is the part of it that the log alone determines;
//! `driver` does what the core says.

use crate::transport::now_s;
use crate::{
    Account, Anchor, Ceilings, Client, ClientError, Entry, Home, Offer, OfferConditions, OfferError, SessionConditions,
    Term,
};
use contract::Address;
use disk::FileError;
use driver::Driver;
use durable::Durable;
use offers::Offers;
use queue::Queue;
use record::{Record, Report};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::Store;
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

mod advice;
mod driver;
mod durable;
mod offers;
mod queue;
mod record;
mod status;
mod store;
mod verdict;

pub use durable::Untaken;
pub use status::{Landed, Pace, Status};

/// How many calls of workers are sponsored between two reports, so that neither stops the other.
const OFFERS_BETWEEN: u32 = 64;

/// A run's way to report; clones share it.
#[derive(Clone)]
pub struct Reporter(Arc<Inner>);

struct Inner {
    conditions: OfferConditions,
    ceilings: Ceilings,
    pace: Pace,
    start: Instant,
    shared: Mutex<Shared>,
    changed: Notify,
    status: watch::Sender<Status>,
    stopped: CancellationToken,
}

struct Shared {
    queue: Queue,
    store: Store,
    offers: Offers,
    /// Until when no call of a worker is tried, since the ledger is away.
    offers_retry_ms: u64,
    /// How many calls of workers may still go before the next report.
    offers_left: u32,
    sponsored: u64,
    gas_balance: Option<u64>,
}

/// Why a reporter does not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Home(#[from] ClientError),
    #[error(transparent)]
    Store(#[from] FileError),
}

/// Why a report is not taken.
#[derive(Debug, Error)]
pub enum ReportError {
    /// It does not fit what was reported before.
    #[error(transparent)]
    Untaken(#[from] Untaken),
    /// It could not be made durable.
    #[error(transparent)]
    Store(#[from] FileError),
}

impl Shared {
    /// Makes a record durable, then follows it.
    fn keep(&mut self, record: Record) -> Result<(), FileError> {
        self.store.append(&record)?;
        let landed = if let Record::Landed(landed) = &record { Some(landed.clone()) } else { None };
        self.queue.apply(record).expect("the core makes records that follow");
        if let Some(landed) = landed
            && let Err(error) = self.store.append_receipt(&landed)
        {
            // The log has it; the line is written by the next start.
            tracing::warn!(%error, "a receipt could not be written");
        }
        Ok(())
    }
}

impl Inner {
    /// A panic in another thread left the state whole: it is only ever changed by calls that cannot panic midway.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        driver::elapsed_ms(self.start)
    }

    /// Shows how the queue stands to those who watch.
    fn show(&self, shared: &Shared) {
        let (sponsored, gas_balance) = (shared.sponsored, shared.gas_balance);
        let status = Status { sponsored, gas_balance, ..shared.queue.status() };
        self.status.send_if_modified(|shown| {
            let differs = *shown != status;
            *shown = status;
            differs
        });
    }

    fn take(&self, report: Report) -> Result<(), ReportError> {
        let mut shared = self.lock();
        if let Some(record) = shared.queue.durable().take(report)? {
            shared.keep(record)?;
            self.show(&shared);
            self.changed.notify_one();
        }
        Ok(())
    }
}

impl Reporter {
    /// Opens the queue of a folder and reports from it until `shutdown`. It must be called in a tokio runtime. The
    /// ledger need not be there yet.
    pub fn start(
        home: Home,
        account: Account,
        ceilings: Ceilings,
        folder: &Path,
        shutdown: CancellationToken,
    ) -> Result<Reporter, StartError> {
        Reporter::start_paced(home, account, ceilings, folder, shutdown, Pace::default())
    }

    /// As [`Reporter::start`], at another pace.
    pub fn start_paced(
        home: Home,
        account: Account,
        ceilings: Ceilings,
        folder: &Path,
        shutdown: CancellationToken,
        pace: Pace,
    ) -> Result<Reporter, StartError> {
        let conditions = OfferConditions { chain_id: home.chain_id, module: home.module, sponsor: account.address() };
        let mut durable = Durable::new(home.target(), account.address());
        let client = Client::new(home, ceilings)?;
        let mut records = 0_u64;
        let mut store = Store::open(folder, |record| {
            records += 1;
            let begins = matches!(record, Record::Header { .. }) == (records == 1);
            if begins { durable.apply(record) } else { Err("the header is the first record and no other".into()) }
        })?;
        if records == 0 {
            store.append(&durable.header())?;
        }
        store.complete_receipts(&durable.landed)?;
        let queue = Queue::new(durable, pace);
        let status = watch::Sender::new(queue.status());
        let (offers, offers_left) = (Offers::default(), OFFERS_BETWEEN);
        let shared = Shared { queue, store, offers, offers_retry_ms: 0, offers_left, sponsored: 0, gas_balance: None };
        let (shared, changed, start) = (Mutex::new(shared), Notify::new(), Instant::now());
        let stopped = CancellationToken::new();
        let inner =
            Arc::new(Inner { conditions, ceilings, pace, start, shared, changed, status, stopped: stopped.clone() });
        let driver = Driver { inner: inner.clone(), client, account };
        tokio::spawn(async move {
            // Dropped after the driver, whatever ends it.
            let _stopped = stopped.drop_guard();
            driver.run(shutdown).await;
        });
        Ok(Reporter(inner))
    }

    /// What a worker must know to have its calls sponsored here.
    pub fn conditions(&self) -> OfferConditions {
        self.0.conditions
    }

    /// Reports the session's creation, first of all.
    pub fn open_session(&self, conditions: SessionConditions) -> Result<(), ReportError> {
        self.0.take(Report::Open(conditions))
    }

    /// Reports what participants contributed. Settlements are numbered upwards from 1; one that was taken before is not
    /// taken again, whatever it says now.
    pub fn settle(&self, settlement: u64, entries: Vec<Entry>) -> Result<(), ReportError> {
        self.0.take(Report::Settle { settlement, entries })
    }

    /// Reports a checkpoint, once for each round upwards.
    pub fn anchor(&self, anchor: Anchor) -> Result<(), ReportError> {
        self.0.take(Report::Anchor(anchor))
    }

    /// Reports who aggregates, once for each term upwards.
    pub fn term(&self, term: Term) -> Result<(), ReportError> {
        self.0.take(Report::Term(term))
    }

    /// Ends the session and has it paid, after all that was reported before: by the contract where it holds every
    /// contribution and may pay so many, otherwise by a root over these amounts, so that nothing earned is lost.
    pub fn finish(&self, amounts: BTreeMap<Address, u64>) -> Result<(), ReportError> {
        self.0.take(Report::Finish { amounts })
    }

    /// Checks a worker's signed call; who signed it, the caller compares with who brought it.
    pub fn check(&self, bytes: &[u8]) -> Result<Offer, OfferError> {
        Offer::decode(bytes, &self.0.conditions, &self.0.ceilings, now_s())
    }

    /// Takes a call that was checked, to sponsor it. It is not durable: it expires within a minute.
    pub fn sponsor(&self, offer: Offer) -> Result<(), OfferError> {
        let inner = &self.0;
        let every_ms = inner.pace.heartbeat_every_s.saturating_mul(1_000);
        if !inner.lock().offers.put(offer, inner.now_ms(), now_s(), every_ms) {
            return Err(OfferError::TooMany);
        }
        inner.changed.notify_one();
        Ok(())
    }

    /// Checks and takes a worker's signed call; who signed it.
    pub fn offer(&self, bytes: &[u8]) -> Result<Address, OfferError> {
        let offer = self.check(bytes)?;
        let sender = offer.sender;
        self.sponsor(offer)?;
        Ok(sender)
    }

    /// How the queue stands, and whenever that changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.status.subscribe()
    }

    /// Every report that landed, in order, in all runs of this folder.
    pub fn receipts(&self) -> Vec<Landed> {
        self.0.lock().queue.durable().landed.clone()
    }

    /// Waits until the reporter has stopped after a shutdown. Then, once every clone is gone, the folder can be opened
    /// again.
    pub async fn stopped(&self) {
        self.0.stopped.cancelled().await;
    }

    /// Waits until nothing waits or is held back any more, at most so long; whether it came to that.
    pub async fn drained(&self, within: Duration) -> bool {
        let mut status = self.status();
        let empty = status.wait_for(|status| status.waiting == 0 && status.held == 0);
        matches!(tokio::time::timeout(within, empty).await, Ok(Ok(_)))
    }
}

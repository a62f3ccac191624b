//! What a session tells its ledger: who takes part, what is owed, what the run has reached, and at its end the payout.
//!
//! Invariants: nothing here waits for the ledger; a report is in the durable queue, and the settlement that it carries
//! in the run directory, when a call returns; what was reported before a restart is handed in again and lands once.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::Address;
use ledger_client::{
    Account, Anchor, Ceilings, Home, Offer, OfferKind, ReportError, Reporter, SessionConditions, Status, Term,
};
use protocol::message::{self, LedgerConditions};
use protocol::{Hash, SessionId, WorkerId};
use record::RoundRecord;
use record::events::{Event, Events, Warning};
use record::pay::LedgerPlace;
use rewards::payout::Payout;
use tokio_util::sync::CancellationToken;

use super::opening::Place;
use crate::settlement::{Books, Settled};

// What the wire carries of a worker's transactions is what the client takes.
const _: () = assert!(protocol::limits::OFFER_BYTES_MAX == ledger_client::OFFER_BYTES_MAX);

/// How long the end of a run waits for its reports to land.
const LAND_DEADLINE: Duration = Duration::from_secs(30);

/// The ledger of a session and who pays there.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// Where it is.
    pub home: Home,
    /// The account that signs and pays; the aggregator's identity when absent.
    pub account: Option<Account>,
    /// What may be spent.
    pub ceilings: Ceilings,
}

/// The books of the session and the queue to its ledger; either may be absent.
pub(super) struct Reporting {
    books: Option<Books>,
    reporter: Option<Reporter>,
    events: Events,
}

impl Reporting {
    /// Opens books and queue.
    pub(super) fn open(
        place: &Place,
        rounds: &[RoundRecord],
        config: Option<&LedgerConfig>,
        events: Events,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        if config.is_none() && place.job.rewards.pool == 0 {
            return Ok(Self { books: None, reporter: None, events });
        }
        let books = Books::open(&place.run, &place.genesis, &place.job, rounds)?;
        let reporter = config.map(|config| start(place, &books, config, shutdown)).transpose()?;
        if reporter.is_none() {
            let message = "there is a pool and no ledger: rewards are computed and not paid; name one with --ledger";
            events.emit(Event::Warning(Warning { message: message.to_owned() }));
        }
        Ok(Self { books: Some(books), reporter, events })
    }

    /// Hands in what was settled before a restart, which may not have reached the queue.
    pub(super) fn resume(&self, audit_head: Hash) -> anyhow::Result<()> {
        self.books.iter().flat_map(Books::settled).try_for_each(|settled| self.report(settled, audit_head))
    }

    /// What a worker needs to sign transactions.
    pub(super) fn conditions(&self) -> Option<LedgerConditions> {
        let conditions = self.reporter.as_ref()?.conditions();
        Some(LedgerConditions {
            chain_id: conditions.chain_id,
            module: conditions.module.0,
            sponsor: conditions.sponsor.0,
        })
    }

    /// Takes what a worker signed; anything else than its own registration and heartbeats is dropped.
    pub(super) fn offered(&mut self, from: WorkerId, offers: Vec<message::Offer>) -> anyhow::Result<()> {
        for message::Offer(bytes) in offers {
            if let Err(why) = self.take(from, &bytes)? {
                tracing::info!(%from, why, "a transaction for the ledger was refused");
            }
        }
        Ok(())
    }

    fn take(&mut self, from: WorkerId, bytes: &[u8]) -> anyhow::Result<Result<(), String>> {
        let (Some(reporter), Some(books)) = (&self.reporter, &mut self.books) else {
            return Ok(Err("the session reports to no ledger".to_owned()));
        };
        let offer = match reporter.check(bytes) {
            Ok(offer) => offer,
            Err(refused) => return Ok(Err(refused.to_string())),
        };
        if !is_of(&offer, from) {
            return Ok(Err("it is no registration of this worker and no heartbeat".to_owned()));
        }
        if !books.link(from, offer.sender.0)? {
            return Ok(Err(format!("{} is not the account that this worker began the session with", offer.sender)));
        }
        Ok(reporter.sponsor(offer).map_err(|refused| refused.to_string()))
    }

    /// Counts a committed round, and reports when a settlement is due.
    pub(super) fn committed(&mut self, line: &RoundRecord, audit_head: Hash) -> anyhow::Result<()> {
        let Some(books) = &mut self.books else { return Ok(()) };
        match books.committed(line)? {
            Some(settled) => self.report(&settled, audit_head),
            None => Ok(()),
        }
    }

    /// Settles what remains, pays out, and waits a while for all of it to land.
    pub(super) async fn finish(&mut self, audit_head: Hash) -> anyhow::Result<()> {
        let Some(books) = &mut self.books else { return Ok(()) };
        let (rest, payout) = books.finish()?;
        let amounts = amounts(books, &payout);
        if let Some(settled) = rest {
            self.report(&settled, audit_head)?;
        }
        let Some(reporter) = &self.reporter else { return Ok(()) };
        self.taken(reporter.finish(amounts))?;
        if !reporter.drained(LAND_DEADLINE).await {
            let message = waiting(&reporter.status().borrow());
            self.events.emit(Event::Warning(Warning { message }));
        }
        Ok(())
    }

    fn report(&self, settled: &Settled, audit_head: Hash) -> anyhow::Result<()> {
        let Some(reporter) = &self.reporter else { return Ok(()) };
        self.taken(reporter.settle(settled.settlement.settlement, settled.settlement.entries.clone()))?;
        let interval = &settled.interval;
        self.taken(reporter.anchor(Anchor {
            round: interval.round.0,
            checkpoint_hash: interval.state_hash.0,
            manifest_root: interval.manifest_root().0,
            audit_head: audit_head.0,
            loss_micronats: interval.loss_micronats,
            interval_tokens: interval.tokens,
            duration_ms: interval.duration_ms,
        }))
    }

    /// A report that the queue does not take is said and no reason to stop training: the run directory has it all. A
    /// disk that refuses is one.
    fn taken(&self, result: Result<(), ReportError>) -> anyhow::Result<()> {
        match result {
            Err(ReportError::Untaken(why)) => {
                let message = format!("the ledger is not told: {why}");
                self.events.emit(Event::Warning(Warning { message }));
                Ok(())
            }
            result => Ok(result?),
        }
    }
}

/// Starts the queue and says what the session is.
fn start(
    place: &Place,
    books: &Books,
    config: &LedgerConfig,
    shutdown: &CancellationToken,
) -> anyhow::Result<Reporter> {
    let account = config.account.clone().unwrap_or_else(|| Account::from_secret(&place.secret));
    let sponsor = account.address();
    let (session_number, folder) = (books.session_number(), place.run.ledger());
    let Home { url, chain_id, module } = config.home.clone();
    disk::write_json(&place.run.ledger_place(), &LedgerPlace { url, module, chain_id, sponsor, session_number })?;
    let reporter = Reporter::start(config.home.clone(), account, config.ceilings, &folder, shutdown.child_token())?;
    let job_fingerprint = place.job.fingerprint()?;
    reporter.open_session(SessionConditions { session_number, job_fingerprint, pool: place.job.rewards.pool })?;
    reporter.term(first_term(&place.genesis.session, sponsor))?;
    Ok(reporter)
}

/// The first term needs no certificate: the session's id binds the aggregator that began it.
fn first_term(session: &SessionId, aggregator: Address) -> Term {
    Term { term: protocol::Term::FIRST.0, aggregator, certificate_hash: *session.as_bytes() }
}

/// What is paid to whom; where nobody is paid anything, those who took part.
fn amounts(books: &Books, payout: &Payout) -> BTreeMap<Address, u64> {
    let paid: BTreeMap<Address, u64> = payout.amounts.iter().map(|of| (Address(of.address), of.amount)).collect();
    if !paid.is_empty() {
        return paid;
    }
    let entries = books.settled().iter().flat_map(|settled| &settled.settlement.entries);
    entries.map(|entry| (Address(entry.address), 0)).collect()
}

/// Whether a worker may offer this: its own registration, or a heartbeat.
fn is_of(offer: &Offer, worker: WorkerId) -> bool {
    let id = worker.to_string();
    match &offer.kind {
        OfferKind::Registration(registration) => registration.node_id == id && registration.public_key == id,
        OfferKind::Heartbeat => true,
        OfferKind::ClaimReward { .. } | OfferKind::Claim { .. } => false,
    }
}

/// What to say when the end of a run comes before its reports landed.
fn waiting(status: &Status) -> String {
    let why = status.last_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    let Status { waiting, .. } = status;
    format!(
        "{waiting} reports wait for the ledger{why}; they are kept: send them with `cotrain ledger flush --run-dir RUN`"
    )
}

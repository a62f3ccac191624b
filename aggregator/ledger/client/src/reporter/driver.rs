//! The driver: does what the core says, one step after another, and gives it the answers and the time.

use super::durable::Job;
use super::queue::{Answer, Step};
use super::record::{Payout, Record};
use super::verdict::Seen;
use super::{Inner, Shared};
use crate::transport::now_s;
use crate::{Account, Client, ClientError, Offer, OfferKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How long a worker's call is waited for; reports wait meanwhile.
const SPONSOR_WAIT: Duration = Duration::from_secs(10);

pub(crate) struct Driver {
    pub(crate) inner: Arc<Inner>,
    pub(crate) client: Client,
    pub(crate) account: Account,
}

/// What the driver does next.
enum Next {
    Step(Step),
    Sponsor(Box<Offer>),
}

impl Driver {
    /// Reports until `shutdown`. What is on its way then is looked for by the next start.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.drive()).await;
    }

    async fn drive(&self) {
        self.look_at_balance().await;
        loop {
            // Whatever comes after the look at the queue is seen by the wait.
            let changed = self.inner.changed.notified();
            match self.next() {
                Next::Sponsor(offer) => self.sponsor(*offer).await,
                Next::Step(Step::Wait(until_ms)) => self.wait(until_ms, changed).await,
                Next::Step(Step::Record(record)) => self.record(record),
                Next::Step(step) => {
                    let answer = self.perform(step).await;
                    self.answer(answer).await;
                }
            }
        }
    }

    /// Workers' calls go first where no report is on its way, since entries may wait for a registration.
    fn next(&self) -> Next {
        let (now_ms, now_s) = (self.inner.now_ms(), now_s());
        let mut shared = self.inner.lock();
        let Shared { queue, offers, offers_retry_ms, offers_left, .. } = &mut *shared;
        let every_ms = self.inner.pace.heartbeat_every_s.saturating_mul(1_000);
        let mut take = || if now_ms >= *offers_retry_ms { offers.take(now_ms, now_s, every_ms) } else { None };
        if queue.durable().job.is_none()
            && *offers_left > 0
            && let Some(offer) = take()
        {
            *offers_left -= 1;
            return Next::Sponsor(Box::new(offer));
        }
        let step = match queue.next(now_ms) {
            Step::Wait(until_ms) => match take() {
                Some(offer) => return Next::Sponsor(Box::new(offer)),
                None => {
                    let offers_ms = offers.due_ms().map(|due_ms| due_ms.max(*offers_retry_ms));
                    Step::Wait(until_ms.into_iter().chain(offers_ms).min())
                }
            },
            step => step,
        };
        if matches!(step, Step::Record(Record::Begin(_))) {
            *offers_left = super::OFFERS_BETWEEN;
        }
        self.inner.show(&shared);
        Next::Step(step)
    }

    async fn wait(&self, until_ms: Option<u64>, changed: impl Future<Output = ()>) {
        // A time beyond all clocks is none.
        let until = until_ms.and_then(|until_ms| self.inner.start.checked_add(Duration::from_millis(until_ms)));
        match until {
            None => changed.await,
            Some(until) => {
                let _ = tokio::time::timeout_at(until, changed).await;
            }
        }
    }

    /// Asks the ledger what a step asks.
    async fn perform(&self, step: Step) -> Answer {
        let client = &self.client;
        match step {
            Step::Check(participant) => {
                let node = client.node(participant).await;
                Answer::Checked(participant, node.map(|node| node.is_some()))
            }
            Step::Prepare(call) => Answer::Prepared(client.prepare(&self.account, &call).await),
            Step::Send(signed) => Answer::Sent(client.send(&signed).await),
            Step::LookUp(signed) => Answer::Found(client.look_up(&signed).await),
            // The last two never come here; to look is harmless.
            Step::Look | Step::Wait(_) | Step::Record(_) => Answer::Seen(self.look().await),
        }
    }

    /// What the ledger holds that the report on its way is judged by.
    async fn look(&self) -> Result<Seen, ClientError> {
        let (session_number, job) = {
            let shared = self.inner.lock();
            let durable = shared.queue.durable();
            (durable.session.as_ref().map_or(0, |conditions| conditions.session_number), durable.job.clone())
        };
        let mut seen = Seen { session: self.client.session(session_number).await?, ..Seen::default() };
        if seen.session.is_some() {
            match job {
                Some(Job::Anchor(_)) => seen.anchor = Some(self.client.last_anchor(session_number).await?),
                Some(Job::Pay(Payout::Root)) => seen.root = Some(self.client.root(session_number).await?),
                _ => {}
            }
        }
        Ok(seen)
    }

    async fn answer(&self, answer: Answer) {
        let record = self.inner.lock().queue.answer(self.inner.now_ms(), answer);
        let lands = matches!(record, Some(Record::Landed(_)));
        if let Some(record) = record {
            self.record(record);
        }
        if lands {
            self.look_at_balance().await;
        }
        self.inner.show(&self.inner.lock());
    }

    /// Makes a record durable and follows it. Where the disk refuses, the step is done again later.
    fn record(&self, record: Record) {
        let mut shared = self.inner.lock();
        if let Err(error) = shared.keep(record) {
            warn!(%error, "a step of a report could not be recorded");
            shared.queue.trouble(self.inner.now_ms(), error.to_string(), false);
        }
        self.inner.show(&shared);
    }

    async fn look_at_balance(&self) {
        match self.client.balance(self.account.address()).await {
            Ok(balance) => self.inner.lock().gas_balance = Some(balance),
            Err(error) => debug!(%error, "the balance is not known"),
        }
        self.inner.show(&self.inner.lock());
    }

    async fn sponsor(&self, offer: Offer) {
        let (sender, kind) = (offer.sender, offer.kind.clone());
        let outcome = tokio::time::timeout(SPONSOR_WAIT, self.try_sponsor(offer.clone())).await;
        let mut shared = self.inner.lock();
        match outcome {
            Ok(Ok(paid)) => {
                shared.sponsored += u64::from(paid);
                match kind {
                    OfferKind::Registration(_) => shared.queue.note_registered(sender),
                    OfferKind::Heartbeat if paid => shared.offers.note_beat(sender, self.inner.now_ms()),
                    _ => {}
                }
                info!(%sender, ?kind, paid, "sponsored");
            }
            Ok(Err(error @ ClientError::Unreachable { .. })) => {
                // The worker's call is still good; nobody's is tried for a while.
                let every_ms = self.inner.pace.heartbeat_every_s.saturating_mul(1_000);
                shared.offers.put(offer, self.inner.now_ms(), now_s(), every_ms);
                shared.offers_retry_ms = self.inner.now_ms() + self.inner.pace.retry_max_ms.min(1_000);
                debug!(%error, %sender, "a call waits to be sponsored");
            }
            Ok(Err(error)) => info!(%error, %sender, ?kind, "a call is not sponsored"),
            Err(_) => warn!(%sender, ?kind, "a sponsored call did not land in time"),
        }
        self.inner.show(&shared);
    }

    /// Whether a transaction was paid for; what is on the ledger already is not done again.
    async fn try_sponsor(&self, offer: Offer) -> Result<bool, ClientError> {
        let node = self.client.node(offer.sender).await?;
        let needed = match &offer.kind {
            OfferKind::Registration(_) => node.is_none_or(|node| !node.active),
            OfferKind::Heartbeat => node.is_some_and(|node| {
                let next_s = node.last_heartbeat.saturating_add(self.inner.pace.heartbeat_every_s);
                node.active && next_s <= now_s()
            }),
            OfferKind::ClaimReward { .. } | OfferKind::Claim { .. } => true,
        };
        if !needed {
            return Ok(false);
        }
        let receipt = self.client.sponsor(&self.account, &offer).await?;
        match receipt.abort {
            Some(abort) => Err(ClientError::Aborts { function: offer.function().into(), abort }),
            None if receipt.success => Ok(true),
            None => Err(ClientError::Fails { function: offer.function().into(), status: receipt.vm_status }),
        }
    }
}

/// The clock that the core's times are of.
pub(crate) fn elapsed_ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

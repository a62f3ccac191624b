//! Fetching a blob by its hash from those who may hold it.
//!
//! First the piece list with the first piece, then the last piece, both from one holder: the list must merge to the
//! hash, and only the last piece proves the length that came with it. Then the other pieces, several at once, from all
//! holders. Every piece is verified before it is stored. A holder that lies is not asked again and is named to the
//! caller; one that fails is asked again after a pause; one that is busy, when it said. What was verified stays in the
//! store when a transfer ends early, and the next one goes on from there.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use protocol::{Hash, PieceList, PieceRequest, WorkerId};
use tokio::time::{Instant, sleep_until};

use crate::{
    blobs::{BlobStore, Partial},
    config::{BACKOFF_MAX, PIECES_PER_PEER_MAX},
    driver::peer::{millis, pause},
    error::{FetchError, SendError},
    handle::Network,
    wire::{PieceFrame, Response},
};

/// Pieces asked of all holders at once.
const PIECES_IN_FLIGHT_MAX: usize = 16;
/// First deadline of a piece from a holder; it doubles with each failure up to
/// [`crate::NetworkConfig::piece_deadline`], so that a holder that hangs is left soon and one that is slow gets its
/// time.
const PIECE_DEADLINE_FIRST: Duration = Duration::from_secs(10);
/// How often a holder may say that it has not got the blob, before it is believed.
const MISSING_MAX: u32 = 4;

/// A blob that was fetched, and is served from here on.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The bytes, whose BLAKE3 is the hash that was asked for.
    pub bytes: Arc<Vec<u8>>,
    /// Holders that sent something else than the blob.
    pub liars: Vec<WorkerId>,
}

impl Network {
    /// Fetches a blob of at most `bytes_max` bytes from any of `holders` and serves it from then on. The blob is held
    /// in memory. Returns at once what the store has already.
    ///
    /// # Errors
    /// See [`FetchError`]; verified pieces are kept for the next call.
    pub async fn fetch_blob(
        &self,
        hash: Hash,
        bytes_max: u64,
        holders: &[WorkerId],
        store: &BlobStore,
        deadline: Duration,
    ) -> Result<Fetched, FetchError> {
        if let Ok(Some(bytes)) = store.read(&hash) {
            return Ok(Fetched { bytes, liars: Vec::new() });
        }
        let mut transfer = Transfer::new(self, hash, bytes_max, holders, store, deadline)?;
        if transfer.partial.is_none() {
            transfer.find_list().await?;
        }
        transfer.fetch_pieces().await?;
        transfer.finish()
    }
}

/// Why a holder gave no piece this time.
enum Setback {
    Lied(String),
    Missing,
    Busy(Duration),
    Failed(String),
    /// It will never answer.
    Unusable(String),
}

struct Holder {
    worker: WorkerId,
    in_flight: usize,
    failures: u32,
    missing: u32,
    not_before: Instant,
    lied: bool,
    out: bool,
}

struct Transfer<'a> {
    network: &'a Network,
    store: &'a BlobStore,
    hash: Hash,
    bytes_max: u64,
    holders: Vec<Holder>,
    started: Instant,
    deadline: Instant,
    last: String,
    partial: Option<Partial>,
}

type Flight<'a> = BoxFuture<'a, (usize, u32, Result<PieceFrame, Setback>)>;

impl<'a> Transfer<'a> {
    fn new(
        network: &'a Network,
        hash: Hash,
        bytes_max: u64,
        holders: &[WorkerId],
        store: &'a BlobStore,
        deadline: Duration,
    ) -> Result<Self, FetchError> {
        let started = Instant::now();
        let mut holders: Vec<_> = holders.iter().filter(|holder| **holder != network.worker()).copied().collect();
        if holders.is_empty() {
            return Err(FetchError::NoHolders(hash));
        }
        // Everyone fetches the same blobs at the same time: let them begin at different holders.
        let first = (usize::from(network.worker().0[0]) + usize::from(hash.0[0])) % holders.len();
        holders.rotate_left(first);
        let partial = store.begin(&hash).filter(|partial| partial.list.blob_bytes() <= bytes_max);
        let holders = holders.into_iter().map(|worker| Holder::new(worker, started)).collect();
        let deadline = started + deadline;
        let last = "nobody was asked".into();
        Ok(Self { network, store, hash, bytes_max, holders, started, deadline, last, partial })
    }

    /// Gets the list, and the first and the last piece, from one holder after the other.
    async fn find_list(&mut self) -> Result<(), FetchError> {
        loop {
            let Some(index) = self.pick(1) else {
                self.wait_for_holder().await?;
                continue;
            };
            match self.list_from(index).await {
                Ok(partial) => {
                    self.partial = Some(partial);
                    return Ok(());
                }
                Err(setback) => self.set_back(index, setback)?,
            }
        }
    }

    async fn list_from(&self, holder: usize) -> Result<Partial, Setback> {
        let lied = |error: protocol::pieces::PieceError| Setback::Lied(error.to_string());
        let first = self.ask(holder, 0, true).await?;
        if first.len > self.bytes_max {
            return Err(Setback::Lied(format!(
                "it announces {} bytes, at most {} are taken",
                first.len, self.bytes_max
            )));
        }
        let list = PieceList::verified(self.hash, first.len, first.values()).map_err(lied)?;
        list.verify_piece(0, &first.bytes).map_err(lied)?;
        let last_index = u32::try_from(list.pieces() - 1).map_err(|error| Setback::Lied(error.to_string()))?;
        let last = if last_index == 0 { first.clone() } else { self.ask(holder, last_index, false).await? };
        list.verify_piece(last_index, &last.bytes).map_err(lied)?;
        let mut partial = Partial::new(list);
        partial.store(0, &first.bytes).map_err(lied)?;
        partial.store(last_index, &last.bytes).map_err(lied)?;
        Ok(partial)
    }

    async fn fetch_pieces(&mut self) -> Result<(), FetchError> {
        let mut todo = self.partial.as_ref().map(Partial::missing).unwrap_or_default();
        let mut flights = FuturesUnordered::new();
        while !self.is_complete() {
            self.launch(&mut todo, &mut flights);
            if flights.is_empty() {
                self.wait_for_holder().await?;
                continue;
            }
            let back_at = self.next_holder_at().filter(|_| !todo.is_empty()).unwrap_or(self.deadline);
            tokio::select! {
                Some((holder, index, result)) = flights.next() => {
                    self.holders[holder].in_flight -= 1;
                    if let Err(setback) = result.and_then(|frame| self.store_piece(index, &frame)) {
                        todo.push_front(index);
                        self.set_back(holder, setback)?;
                    }
                }
                () = sleep_until(back_at.min(self.deadline)) => self.check_deadline()?,
            }
        }
        Ok(())
    }

    fn launch(&mut self, todo: &mut VecDeque<u32>, flights: &mut FuturesUnordered<Flight<'a>>) {
        while flights.len() < PIECES_IN_FLIGHT_MAX && !todo.is_empty() {
            let Some(holder) = self.pick(PIECES_PER_PEER_MAX) else { return };
            let Some(index) = todo.pop_front() else { return };
            self.holders[holder].in_flight += 1;
            let (network, hash, worker) = (self.network, self.hash, self.holders[holder].worker);
            let deadline = self.piece_deadline(holder);
            let request = PieceRequest { hash, index, with_list: false };
            flights.push(Box::pin(async move { (holder, index, ask(network, worker, request, deadline).await) }));
        }
    }

    fn store_piece(&mut self, index: u32, frame: &PieceFrame) -> Result<(), Setback> {
        let Some(partial) = &mut self.partial else { return Ok(()) };
        partial.store(index, &frame.bytes).map_err(|error| Setback::Lied(error.to_string()))
    }

    fn finish(mut self) -> Result<Fetched, FetchError> {
        let Some(partial) = self.partial.take() else { return Err(FetchError::NoHolders(self.hash)) };
        let (list, bytes) = partial.into_parts();
        let bytes = Arc::new(bytes);
        self.store.insert_verified(list, bytes.clone());
        let liars = self.holders.iter().filter(|holder| holder.lied).map(|holder| holder.worker).collect();
        Ok(Fetched { bytes, liars })
    }

    /// The least busy holder that may be asked now.
    fn pick(&self, in_flight_max: usize) -> Option<usize> {
        let now = Instant::now();
        let usable = |holder: &Holder| !holder.out && holder.not_before <= now && holder.in_flight < in_flight_max;
        let usable = self.holders.iter().enumerate().filter(|(_, holder)| usable(holder));
        usable.min_by_key(|(_, holder)| (holder.in_flight, holder.failures)).map(|(index, _)| index)
    }

    /// When the next holder that is pausing may be asked again.
    fn next_holder_at(&self) -> Option<Instant> {
        let now = Instant::now();
        let pausing = self.holders.iter().filter(|holder| !holder.out && holder.not_before > now);
        pausing.map(|holder| holder.not_before).min()
    }

    async fn wait_for_holder(&self) -> Result<(), FetchError> {
        if self.holders.iter().all(|holder| holder.out) {
            let (hash, holders, last) = (self.hash, self.holders.len(), self.last.clone());
            return Err(FetchError::Exhausted { hash, holders, last });
        }
        if let Some(at) = self.next_holder_at() {
            sleep_until(at.min(self.deadline)).await;
        }
        self.check_deadline()
    }

    fn check_deadline(&self) -> Result<(), FetchError> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(FetchError::TimedOut {
            hash: self.hash,
            pieces: self.partial.as_ref().map_or(0, Partial::stored_count),
            pieces_total: self.partial.as_ref().map_or(0, |partial| partial.list.pieces()),
            after_ms: millis(self.started.elapsed()),
            last: self.last.clone(),
        })
    }

    fn set_back(&mut self, index: usize, setback: Setback) -> Result<(), FetchError> {
        if self.network.is_stopped() {
            return Err(FetchError::ShutDown);
        }
        let holder = &mut self.holders[index];
        let now = Instant::now();
        let why = match setback {
            Setback::Lied(why) => {
                (holder.lied, holder.out) = (true, true);
                tracing::warn!(worker = %holder.worker, hash = %self.hash, why, "holder sent something else");
                why
            }
            Setback::Unusable(why) => {
                holder.out = true;
                why
            }
            Setback::Missing => {
                holder.missing += 1;
                holder.out = holder.missing >= MISSING_MAX;
                holder.not_before = now + pause(holder.missing, holder.worker.0[31]);
                "it has not got it".into()
            }
            Setback::Busy(wait) => {
                holder.not_before = now + wait.min(BACKOFF_MAX);
                "it is busy".into()
            }
            Setback::Failed(why) => {
                holder.failures += 1;
                holder.not_before = now + pause(holder.failures, holder.worker.0[31]);
                why
            }
        };
        self.last = format!("worker {}: {why}", self.holders[index].worker);
        self.check_deadline()
    }

    async fn ask(&self, holder: usize, index: u32, with_list: bool) -> Result<PieceFrame, Setback> {
        let request = PieceRequest { hash: self.hash, index, with_list };
        ask(self.network, self.holders[holder].worker, request, self.piece_deadline(holder)).await
    }

    fn piece_deadline(&self, holder: usize) -> Duration {
        let patience = PIECE_DEADLINE_FIRST.saturating_mul(1 << self.holders[holder].failures.min(16));
        let left = self.deadline.saturating_duration_since(Instant::now());
        left.min(patience).min(self.network.config().piece_deadline)
    }

    fn is_complete(&self) -> bool {
        self.partial.as_ref().is_some_and(Partial::is_complete)
    }
}

impl Drop for Transfer<'_> {
    /// Runs on every way out, also when the caller drops the future.
    fn drop(&mut self) {
        self.store.settle(&self.hash, self.partial.take());
    }
}

impl Holder {
    fn new(worker: WorkerId, now: Instant) -> Self {
        Self { worker, in_flight: 0, failures: 0, missing: 0, not_before: now, lied: false, out: false }
    }
}

async fn ask(
    network: &Network,
    worker: WorkerId,
    request: PieceRequest,
    deadline: Duration,
) -> Result<PieceFrame, Setback> {
    match network.piece_frame(worker, request, deadline).await {
        Ok(Response::Piece(frame)) => Ok(frame),
        Ok(Response::RetryAfter(ms)) => Err(Setback::Busy(Duration::from_millis(ms.into()))),
        Ok(_) => Err(Setback::Missing),
        Err(error @ (SendError::BadWorker(_) | SendError::WrongNetwork(_))) => {
            Err(Setback::Unusable(error.to_string()))
        }
        Err(error) => Err(Setback::Failed(error.to_string())),
    }
}

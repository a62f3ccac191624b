//! The thread that writes the worker's files while the next round trains.
//!
//! Invariants: files are written in the order in which they were handed in, so a payload on the disk has the snapshot that
//! it was trained from beside it; at most one snapshot waits; after a failure nothing more is written, and whoever asks
//! next is told.

use anyhow::Context as _;
use disk::FileError;
use node::compute::ComputeThread;
use tokio::sync::oneshot;

use super::directory::{Directory, Snapshot, TrainingFacts};

type Answer = oneshot::Receiver<Result<(), String>>;

/// What the thread owns.
struct Desk {
    keepsake: Directory,
    failed: Option<String>,
}

impl Desk {
    fn write(&mut self, write: impl FnOnce(&Directory) -> Result<(), FileError>) -> Result<(), String> {
        if self.failed.is_none() {
            self.failed = write(&self.keepsake).err().map(|error| error.to_string());
        }
        self.failed.clone().map_or(Ok(()), Err)
    }
}

/// Hands files to the thread, for the compute thread.
pub(super) struct Writer {
    thread: ComputeThread<Desk>,
    waiting: Option<Answer>,
}

/// Waits for what was handed in, for the loop.
pub(super) struct Written(ComputeThread<Desk>);

impl Writer {
    pub(super) fn spawn(keepsake: Directory) -> std::io::Result<Self> {
        Ok(Self { thread: ComputeThread::spawn("keeper", Desk { keepsake, failed: None })?, waiting: None })
    }

    pub(super) fn kept(&self) -> Written {
        Written(self.thread.clone())
    }

    /// Has a snapshot written, without waiting for it; the one before is waited for.
    pub(super) fn snapshot(&mut self, snapshot: Snapshot) -> anyhow::Result<()> {
        self.settle()?;
        self.waiting = Some(self.thread.submit(move |desk| desk.write(|keepsake| keepsake.save_snapshot(&snapshot)))?);
        Ok(())
    }

    /// Writes a payload, after all snapshots, and waits until it is on the disk.
    pub(super) fn payload(&mut self, facts: TrainingFacts, payload: &[u8]) -> anyhow::Result<()> {
        self.settle()?;
        let payload = payload.to_vec();
        self.waiting =
            Some(self.thread.submit(move |desk| desk.write(|keepsake| keepsake.save_payload(&facts, &payload)))?);
        self.settle()
    }

    /// Waits until what was handed in is on the disk.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        let Some(answer) = self.waiting.take() else { return Ok(()) };
        answer
            .blocking_recv()
            .context("the thread that writes the worker's files has ended")?
            .map_err(anyhow::Error::msg)
    }
}

impl Written {
    /// Returns when everything that was handed in is on the disk.
    pub(super) async fn wait(&self) -> anyhow::Result<()> {
        self.0.run(|desk| desk.write(|_| Ok(()))).await?.map_err(anyhow::Error::msg)
    }
}

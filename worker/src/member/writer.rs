//! The thread that writes the worker's files while the next round trains.
//!
//! Invariants: files are written in the order in which they were handed in, so a payload on the disk has the snapshot that
//! it was trained from beside it; a snapshot that still waits gives way to a newer one, so at most one is held for each
//! payload that waits; after a failure nothing more is written, and whoever asks is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disk::FileError;
use node::compute::{ComputeThread, Fault};
use node::learner::Write;

use super::directory::Directory;

/// What is handed in and not yet begun.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<VecDeque<Write>>>);

/// What the thread owns.
struct Files {
    directory: Directory,
    waiting: Waiting,
    failed: Option<Arc<FileError>>,
}

/// Hands what is to be written to the thread.
#[derive(Clone)]
pub(super) struct Writer {
    thread: ComputeThread<Files>,
    waiting: Waiting,
}

impl Writer {
    pub(super) fn spawn(directory: Directory) -> std::io::Result<Self> {
        let waiting = Waiting::default();
        let files = Files { directory, waiting: waiting.clone(), failed: None };
        Ok(Self { thread: ComputeThread::spawn("writer", files)?, waiting })
    }

    /// Hands in what is to be written after all that was handed in before, and returns at once.
    pub(super) fn write(&self, writes: Vec<Write>) -> Result<(), Fault> {
        if self.waiting.add(writes) {
            // Nobody waits for this one: who needs the files on the disk asks for that.
            drop(self.thread.submit(Files::write_waiting)?);
        }
        Ok(())
    }

    /// Returns when all that was handed in is on the disk.
    pub(super) async fn written(&self) -> Result<(), Fault> {
        self.thread.run(Files::write_waiting).await?.map_err(|error| Fault::Disk(error))
    }
}

impl Files {
    fn write_waiting(&mut self) -> Result<(), Arc<FileError>> {
        while let Some(write) = self.waiting.next() {
            if self.failed.is_none() {
                self.failed = self.directory.write(&write).err().map(Arc::new);
            }
        }
        self.failed.clone().map_or(Ok(()), Err)
    }
}

impl Waiting {
    /// Whether nothing waited before: then nobody is about to write.
    fn add(&self, writes: Vec<Write>) -> bool {
        let mut waiting = self.lock();
        let first = waiting.is_empty() && !writes.is_empty();
        for write in writes {
            if let (Write::Snapshot(_), Some(Write::Snapshot(_))) = (&write, waiting.back()) {
                waiting.pop_back();
            }
            waiting.push_back(write);
        }
        first
    }

    fn next(&self) -> Option<Write> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Write>> {
        // Nothing is left half-done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

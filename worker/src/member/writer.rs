//! The thread that writes the worker's files while the next round trains.
//!
//! Invariants: files are written in the order in which they were handed in, so a payload on the disk has the snapshot
//! that it was trained from beside it; a snapshot that still waits gives way to a newer one that follows it, so a slow
//! disk does not fill the memory with them; after a failure nothing more is written, and whoever asks is told.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::directory::tests::{facts, snapshot};
    use std::path::Path;

    fn payload(bytes: &[u8]) -> Write {
        Write::Payload { facts: facts(), file: Arc::new(bytes.to_vec()) }
    }

    fn snapshot_of(step: u64) -> Write {
        let mut snapshot = snapshot();
        snapshot.optimizer.step = step;
        Write::Snapshot(snapshot)
    }

    fn writer(folder: &Path) -> (Writer, Directory) {
        let directory = Directory::open(folder).unwrap();
        (Writer::spawn(directory.clone()).unwrap(), directory)
    }

    #[tokio::test]
    async fn what_was_handed_in_is_on_the_disk_when_it_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, directory) = writer(folder.path());
        writer.written().await.unwrap();
        for step in 1..=3_u8 {
            writer.write(vec![snapshot_of(step.into()), payload(&[step])]).unwrap();
            writer.write(Vec::new()).unwrap();
            writer.written().await.unwrap();
            assert_eq!(directory.load_snapshot().unwrap().unwrap().optimizer.step, u64::from(step));
            assert_eq!(directory.load_payload().unwrap().unwrap().1, [step]);
        }
    }

    #[test]
    fn a_waiting_snapshot_gives_way_to_a_newer_one_and_a_payload_does_not() {
        let waiting = Waiting::default();
        assert!(waiting.add(vec![snapshot_of(1)]));
        assert!(!waiting.add(vec![snapshot_of(2), payload(b"a"), snapshot_of(3)]));
        assert!(!waiting.add(vec![snapshot_of(4)]));
        let left: Vec<Write> = std::iter::from_fn(|| waiting.next()).collect();
        assert_eq!(left, [snapshot_of(2), payload(b"a"), snapshot_of(4)]);
        assert!(!waiting.add(Vec::new()) && waiting.add(vec![payload(b"b")]));
    }

    #[tokio::test]
    async fn after_a_failure_nothing_more_is_written_and_whoever_asks_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, directory) = writer(folder.path());
        let blocked = folder.path().join("snapshot.bin");
        std::fs::create_dir_all(blocked.join("in the way")).unwrap();
        writer.write(vec![snapshot_of(1), payload(b"a")]).unwrap();
        for _ in 0..2 {
            let fault = writer.written().await.unwrap_err();
            assert!(matches!(fault, Fault::Disk(_)) && fault.to_string().contains("snapshot.bin"), "{fault}");
        }
        std::fs::remove_dir_all(blocked).unwrap();
        writer.write(vec![payload(b"b")]).unwrap();
        assert!(writer.written().await.is_err());
        assert_eq!(directory.load_payload().unwrap(), None);
    }
}

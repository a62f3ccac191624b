//! The aggregator's memory of the open round, and the files of the committed ones.
//!
//! Invariants: the record of the first head is never dropped; the other records of a round go only once the round's
//! manifest is in its directory, so at every instant either the journal or the manifest knows that a round committed.

use std::fs;

use disk::{FileError, RecordLog};
use protocol::coordinator::Record;
use protocol::{CommittedManifest, Round};
use record::{OPEN_ROUND_BOUNDS, RunDirectory, manifests};

/// The durable records since the last committed round.
#[derive(Debug)]
pub struct Journal {
    log: RecordLog,
    run: RunDirectory,
    genesis: Option<Record>,
}

impl Journal {
    /// Opens the journal of a run and returns its records in order. A manifest that committed but has no file yet gets
    /// it now.
    ///
    /// # Errors
    /// When the journal is damaged or the disk refuses.
    pub fn open(run: &RunDirectory) -> Result<(Self, Vec<Record>), FileError> {
        disk::create_directory(&run.state())?;
        let (log, records): (_, Vec<Record>) = RecordLog::open_all(&run.open_round(), OPEN_ROUND_BOUNDS)?;
        let genesis = records.iter().find(|record| matches!(record, Record::Genesis(_))).cloned();
        for record in &records {
            if let Record::Committed(committed) = record {
                manifests::write(run, committed)?;
            }
        }
        Ok((Self { log, run: run.clone(), genesis }, records))
    }

    /// Makes a record durable: the effect `Append`.
    ///
    /// # Errors
    /// When the disk refuses; the process must then stop.
    pub fn persist(&mut self, record: &Record) -> Result<(), FileError> {
        self.log.append(record)?;
        if self.genesis.is_none() && matches!(record, Record::Genesis(_)) {
            self.genesis = Some(record.clone());
        }
        Ok(())
    }

    /// Writes the manifest of a committed round and drops the records that it makes superfluous: the effect `Close`,
    /// which comes before the round's state is computed, since that follows from manifest and payloads.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn commit(&mut self, committed: &CommittedManifest) -> Result<(), FileError> {
        manifests::write(&self.run, committed)?;
        self.log.replace(self.genesis.as_slice())
    }

    /// Removes the payloads of a round that will never commit.
    ///
    /// # Errors
    /// When the directory cannot be removed.
    pub fn discard(&mut self, round: Round) -> Result<(), FileError> {
        let directory = self.run.round(round);
        if !directory.exists() || self.run.manifest(round).exists() {
            return Ok(());
        }
        fs::remove_dir_all(&directory).map_err(FileError::io("remove", &directory))
    }
}

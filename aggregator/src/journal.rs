//! The aggregator's memory of the open round, and the files of the committed ones.
//!
//! Invariants: the record of the first head is never dropped; the other records of a round go only once the round's
//! manifest is in its directory, so at every instant either the journal or the manifest knows that a round committed.

use std::fs;

use protocol::coordinator::Record;
use protocol::manifest::ManifestDocument;
use protocol::{CommittedManifest, Round};

use crate::files::{self, FileError};
use crate::records::RecordLog;
use crate::run_directory::RunDirectory;

/// The largest manifest file, in bytes.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// The durable records since the last committed round.
#[derive(Debug)]
pub struct Journal {
    log: RecordLog<Record>,
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
        files::create_directory(&run.state())?;
        let (log, records) = RecordLog::open(&run.open_round())?;
        let genesis = records.iter().find(|record| matches!(record, Record::Genesis(_))).cloned();
        for record in &records {
            if let Record::Committed(committed) = record {
                write_manifest(run, committed)?;
            }
        }
        Ok((Self { log, run: run.clone(), genesis }, records))
    }

    /// Makes a record durable: the answer to `Action::Persist`.
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

    /// Writes the manifest of a committed round and drops the records that it makes superfluous: the answer to
    /// `Action::Commit`, once the state is applied.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn commit(&mut self, committed: &CommittedManifest) -> Result<(), FileError> {
        write_manifest(&self.run, committed)?;
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

/// Writes `rounds/<round>/manifest.json`; one that is there is left alone.
///
/// # Errors
/// When the disk refuses.
pub fn write_manifest(run: &RunDirectory, committed: &CommittedManifest) -> Result<(), FileError> {
    let round = committed.manifest.body.round;
    let path = run.manifest(round);
    if path.exists() {
        return Ok(());
    }
    files::create_directory(&run.round(round))?;
    files::sync_directory(&run.rounds())?;
    files::write_json(&path, &ManifestDocument::from(committed.clone()))
}

/// Reads the manifest of a committed round and checks that it has the hash that it states.
///
/// # Errors
/// When it is missing or damaged.
pub fn read_manifest(run: &RunDirectory, round: Round) -> Result<CommittedManifest, FileError> {
    let path = run.manifest(round);
    let document: ManifestDocument = files::read_json(&path, MANIFEST_BYTES_MAX)?;
    let found = document.manifest.hash();
    if found != document.manifest_hash || document.manifest.round != round {
        let message = format!("it hashes to {found} and is of round {}", document.manifest.round);
        return Err(FileError::Damaged { path, line: 1, message });
    }
    Ok(CommittedManifest::from(document))
}

//! The signed manifests of committed rounds, `rounds/<round>/manifest.json`.

use disk::FileError;
use protocol::manifest::ManifestDocument;
use protocol::{CommittedManifest, Round};

use crate::RunDirectory;

/// The largest manifest file, in bytes.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// Writes `rounds/<round>/manifest.json`; one that is there is left alone.
///
/// # Errors
/// When the disk refuses.
pub fn write(run: &RunDirectory, committed: &CommittedManifest) -> Result<(), FileError> {
    let round = committed.manifest.body.round;
    let path = run.manifest(round);
    if path.exists() {
        return Ok(());
    }
    disk::create_directory(&run.round(round))?;
    disk::sync_directory(&run.rounds())?;
    disk::write_json(&path, &ManifestDocument::from(committed.clone()))
}

/// Reads the manifest of a committed round and checks that it has the hash that it states.
///
/// # Errors
/// When it is missing or damaged.
pub fn read(run: &RunDirectory, round: Round) -> Result<CommittedManifest, FileError> {
    let path = run.manifest(round);
    let document: ManifestDocument = disk::read_json(&path, MANIFEST_BYTES_MAX)?;
    let found = document.manifest.hash();
    if found != document.manifest_hash || document.manifest.round != round {
        let message = format!("it hashes to {found} and is of round {}", document.manifest.round);
        return Err(FileError::Damaged { path, line: 1, message });
    }
    Ok(CommittedManifest::from(document))
}

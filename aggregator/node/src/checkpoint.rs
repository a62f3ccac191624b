//! Checkpoints: the state after a round as a directory that opens in Hugging Face transformers, with a manifest of
//! hashes beside it (aggregator/record/RUN.md, "Checkpoints and the state").
//!
//! Invariants: a directory under its final name is complete; whoever opens one checks every file against the manifest
//! and the state against its hash before a number of it is used; a damaged one is refused with the name of the file,
//! and the one before it is taken.

use std::path::{Path, PathBuf};

use disk::FileError;
use models::Layout;
use models::huggingface::{self, Imported};
use models::tokenizer::Tokenizer;
use protocol::{Hash, Head, Round, SessionId};
use record::{numbered_directories, round_name};
use serde::{Deserialize, Serialize};

use crate::state::{OuterRule, State, StateError};

mod outer_state;
mod verify;

pub use verify::verify;

/// The manifest's name.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The outer optimiser's state.
pub const OUTER_STATE_FILE: &str = "outer_state.safetensors";
/// Names the newest complete checkpoint.
pub const LATEST_FILE: &str = "latest";

const MANIFEST_VERSION: u32 = 1;

/// What a checkpoint says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointManifest {
    /// Version of this file.
    pub version: u32,
    /// The session.
    pub session: SessionId,
    /// The round after which it was taken.
    pub round: Round,
    /// Committed outer steps.
    pub outer_steps: u64,
    /// BLAKE3 of the flat vector and the outer buffers.
    pub state_hash: Hash,
    /// Parameters of the flat vector.
    pub elements: u64,
    /// Hash of the layout.
    pub layout_hash: Hash,
    /// Every other file of the directory.
    pub files: Vec<FileEntry>,
    /// The tensors in the order of the flat vector.
    pub layout: Vec<LayoutEntry>,
    /// What the next round starts from; none before the first.
    pub head: Option<Head>,
}

/// One file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub blake3: Hash,
}

/// One tensor of the layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutEntry {
    /// Hugging Face's name.
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<usize>,
}

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// The session.
    pub session: SessionId,
    /// The round after which the state is taken; 0 at the start.
    pub round: Round,
    /// The state.
    pub state: &'a State,
    /// What the next round starts from; none before the first.
    pub head: Option<&'a Head>,
    /// The model.
    pub config: &'a models::ModelConfig,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Size above which the parameters go into several files, in bytes.
    pub shard_bytes_max: u64,
}

/// A checkpoint that was read and checked.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where it lies.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: CheckpointManifest,
    /// The state.
    pub state: State,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
}

/// Why a checkpoint cannot be written or is not believed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The Hugging Face files cannot be read or written.
    #[error(transparent)]
    Model(#[from] huggingface::CheckpointError),
    /// The state's size or hash is wrong.
    #[error("{}: {source}", path.display())]
    State {
        /// The checkpoint.
        path: PathBuf,
        /// What differs.
        source: StateError,
    },
    /// A file that differs from what the manifest says.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// No checkpoint of the run can be used.
    #[error("{} holds no usable checkpoint{}", directory.display(), refusals(refused))]
    None {
        /// Where they were looked for.
        directory: PathBuf,
        /// Why each was refused.
        refused: Vec<String>,
    },
}

/// Writes a checkpoint under its round's name and points `latest` at it; one that is there already with the same state
/// is left alone.
///
/// # Errors
/// [`CheckpointError`]; no incomplete directory is left under the final name.
pub fn write(checkpoints: &Path, snapshot: &Snapshot<'_>) -> Result<PathBuf, CheckpointError> {
    disk::create_directory(checkpoints)?;
    let path = checkpoints.join(round_name(snapshot.round));
    if !verify(&path).is_ok_and(|manifest| manifest.is_of(snapshot)) {
        let temporary = disk::temporary_name(&path);
        remove_directory(&temporary)?;
        disk::create_directory(&temporary)?;
        if let Err(error) = fill(&temporary, snapshot) {
            // A full disk must not also keep what did not fit; what cannot be removed is swept when the run is opened.
            let _ = remove_directory(&temporary);
            return Err(error);
        }
        remove_directory(&path)?;
        std::fs::rename(&temporary, &path).map_err(FileError::io("rename a checkpoint to", &path))?;
        disk::sync_directory(checkpoints)?;
    }
    disk::write_atomic(&checkpoints.join(LATEST_FILE), format!("{}\n", round_name(snapshot.round)).as_bytes())?;
    Ok(path)
}

/// Reads a checkpoint whose files and state are checked.
///
/// # Errors
/// [`CheckpointError`] with the file that is missing or damaged.
pub fn open(path: &Path, rule: &OuterRule) -> Result<Checkpoint, CheckpointError> {
    let manifest = verify(path)?;
    let Imported { parameters: theta, tokenizer, .. } = huggingface::import(path)?;
    let no_tokenizer = || CheckpointError::Damaged { path: path.to_path_buf(), what: "it has no tokenizer".to_owned() };
    let tokenizer = tokenizer.ok_or_else(no_tokenizer)?;
    let moments = outer_state::read(&path.join(OUTER_STATE_FILE), theta.len())?;
    let state = State { theta, moments, outer_steps: manifest.outer_steps };
    let refuse = |source| CheckpointError::State { path: path.to_path_buf(), source };
    rule.check(&state).map_err(refuse)?;
    let found = state.hash();
    if found != manifest.state_hash {
        return Err(refuse(StateError::Hash { expected: manifest.state_hash, found }));
    }
    Ok(Checkpoint { path: path.to_path_buf(), manifest, state, tokenizer })
}

/// The newest checkpoint of the session that can be used, and why newer ones were refused.
///
/// # Errors
/// [`CheckpointError::None`] when there is none.
pub fn open_newest(
    checkpoints: &Path,
    session: &SessionId,
    rule: &OuterRule,
) -> Result<(Checkpoint, Vec<CheckpointError>), CheckpointError> {
    let mut refused = Vec::new();
    for round in numbered_directories(checkpoints)?.into_iter().rev() {
        let path = checkpoints.join(round_name(Round(round)));
        match open(&path, rule).and_then(|checkpoint| of_session(checkpoint, session)) {
            Ok(checkpoint) => return Ok((checkpoint, refused)),
            Err(error) => refused.push(error),
        }
    }
    let refused = refused.iter().map(ToString::to_string).collect();
    Err(CheckpointError::None { directory: checkpoints.to_path_buf(), refused })
}

/// Removes all but the newest `keep` checkpoints and the start.
///
/// # Errors
/// When a directory cannot be removed.
pub fn prune(checkpoints: &Path, keep: usize) -> Result<(), CheckpointError> {
    let rounds: Vec<u64> = numbered_directories(checkpoints)?.into_iter().filter(|round| *round > 0).collect();
    for round in rounds.iter().rev().skip(keep) {
        let path = checkpoints.join(round_name(Round(*round)));
        // A rename first: a crash in the middle of the removal must not leave half a checkpoint under a good name.
        let temporary = disk::temporary_name(&path);
        std::fs::rename(&path, &temporary).map_err(FileError::io("rename", &path))?;
        remove_directory(&temporary)?;
    }
    Ok(())
}

impl CheckpointManifest {
    /// Whether it describes this very snapshot; another session may have left the same state behind.
    fn is_of(&self, snapshot: &Snapshot<'_>) -> bool {
        self.session == snapshot.session
            && self.round == snapshot.round
            && self.head.as_ref() == snapshot.head
            && self.state_hash == snapshot.state.hash()
    }
}

/// Writes all files of a checkpoint into an empty directory, each synced, the manifest last.
fn fill(directory: &Path, snapshot: &Snapshot<'_>) -> Result<(), CheckpointError> {
    let Snapshot { state, config, tokenizer, shard_bytes_max, .. } = *snapshot;
    huggingface::export(directory, config, &state.theta, tokenizer, shard_bytes_max)?;
    outer_state::write(&directory.join(OUTER_STATE_FILE), state)?;
    let manifest = describe(directory, snapshot)?;
    let path = directory.join(MANIFEST_FILE);
    disk::write_synced(&path, &disk::json_bytes(&path, &manifest)?)?;
    Ok(disk::sync_directory(directory)?)
}

fn describe(directory: &Path, snapshot: &Snapshot<'_>) -> Result<CheckpointManifest, CheckpointError> {
    let layout = Layout::of(snapshot.config);
    let tensors = layout.tensors.iter();
    Ok(CheckpointManifest {
        version: MANIFEST_VERSION,
        session: snapshot.session,
        round: snapshot.round,
        outer_steps: snapshot.state.outer_steps,
        state_hash: snapshot.state.hash(),
        elements: layout.elements as u64,
        layout_hash: Hash(layout.hash()),
        files: verify::hash_files(directory)?,
        layout: tensors.map(|spec| LayoutEntry { name: spec.name.clone(), shape: spec.shape.clone() }).collect(),
        head: snapshot.head.cloned(),
    })
}

fn of_session(checkpoint: Checkpoint, session: &SessionId) -> Result<Checkpoint, CheckpointError> {
    if checkpoint.manifest.session == *session {
        return Ok(checkpoint);
    }
    let what = format!("it belongs to session {}", checkpoint.manifest.session);
    Err(CheckpointError::Damaged { path: checkpoint.path.join(MANIFEST_FILE), what })
}

fn remove_directory(path: &Path) -> Result<(), FileError> {
    if !path.exists() {
        return Ok(());
    }
    std::fs::remove_dir_all(path).map_err(FileError::io("remove", path))
}

fn refusals(refused: &[String]) -> String {
    if refused.is_empty() { String::new() } else { format!(": {}", refused.join("; ")) }
}

#[cfg(test)]
mod tests;

//! Text to batches: files → documents → tokens → windows, with a held-out end.
//!
//! ```text
//! read_corpus ─► tokenise ─► split ─► Windows (training) ─► Batch
//!                    │         └────► Windows (held out) ─► unigram_loss, evaluation
//!                    └─► TokenShard, the file that workers fetch
//! ```
//!
//! Everything is in a fixed order, so the same files give the same batches on every machine.

use std::path::PathBuf;

mod corpus;
mod note;
mod shard;
mod unigram;
mod windows;

pub use corpus::{Corpus, Document, Limits, read_corpus, tokenise};
pub use note::CorpusNote;
pub use shard::{SHARD_HEADER_BYTES, ShardError, TokenShard};
pub use unigram::unigram_loss;
pub use windows::{HELD_OUT_SEQUENCES, HELD_OUT_SEQUENCES_MIN, Split, TRAINING_SEQUENCES_MIN, Windows, split};

/// What can be wrong with the text or the tokens.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// No path was given.
    #[error("no data was named; give files or directories of text with --data")]
    NoPaths,
    /// A named file or directory cannot be read.
    #[error("{} cannot be read: {source}; name a readable text file or directory with --data", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        source: std::io::Error,
    },
    /// Nothing to train on in all that was named.
    #[error(
        "no text in {}; text files (txt, md, sources), jsonl with a \"text\" field, or directories of them would do{}",
        show_paths(paths),
        show_notes(notes)
    )]
    Empty {
        /// What was named.
        paths: Vec<PathBuf>,
        /// What was left out, and why.
        notes: Vec<CorpusNote>,
    },
    /// A jsonl file without one usable line.
    #[error(
        "{} has {lines} lines and none is a JSON object with a \"text\" string, as each line must be",
        path.display()
    )]
    NoTextLines {
        path: PathBuf,
        /// Lines that are not blank.
        lines: usize,
    },
    /// Not enough text for training and evaluation.
    #[error(
        "the text has {tokens} tokens; sequences of {length} need at least {needed} ({sequences} sequences for \
         training and evaluation); add text or choose shorter sequences"
    )]
    TooShort {
        tokens: usize,
        needed: usize,
        /// Predicted tokens per sequence.
        length: usize,
        sequences: usize,
    },
    /// A window that does not exist.
    #[error("window {index} does not exist; there are {count}")]
    NoSuchWindow {
        /// The window asked for.
        index: usize,
        /// Windows there are.
        count: usize,
    },
    /// Sequences of no tokens.
    #[error("sequences of {length} tokens make no batch; the length must be between 1 and {maximum}")]
    Length {
        /// The length asked for.
        length: usize,
        /// The longest allowed.
        maximum: usize,
    },
    /// A token that the vocabulary does not have.
    #[error("token {token} is outside the vocabulary of {vocabulary}")]
    TokenOutOfRange {
        token: u32,
        /// The vocabulary's size.
        vocabulary: usize,
    },
    /// A damaged data shard.
    #[error(transparent)]
    Shard(#[from] ShardError),
}

fn show_paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The first few notes, so that the message stays readable for a directory of thousands of files.
fn show_notes(notes: &[CorpusNote]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = notes.iter().take(SHOWN).map(ToString::to_string).collect();
    match notes.len() {
        0 => String::new(),
        count if count > SHOWN => format!(" ({}; and {} more)", shown.join("; "), count - SHOWN),
        _ => format!(" ({})", shown.join("; ")),
    }
}

//! Text to data shards: reads the named text or the default one, makes tokens, stores them by hash, and reads them
//! back on every node.
//!
//! Invariants: the same files and tokenizer give the same shards and hashes on every machine; a shard that is read
//! back has the hash it was asked for; every node derives the same split from the same shards.

use std::path::{Path, PathBuf};

use disk::FileError;
use models::data::{self, DataError, ShardError, Split, TokenShard};
use models::tokenizer::{Tokenizer, TokenizerError};
use protocol::Hash;
use record::{RunDirectory, ShardDescription, events};

use crate::job::Job;

mod default_text;

/// Tokens of one data shard; a longer text gives several.
pub const SHARD_TOKENS_MAX: usize = 32 << 20;
/// Bytes of the largest data shard file.
pub const SHARD_BYTES_MAX: u64 = (data::SHARD_HEADER_BYTES + 4 * SHARD_TOKENS_MAX) as u64;

/// Why there is nothing to train on.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The text or the tokens do not serve.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The tokenizer cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A shard cannot be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A shard's bytes are not what its hash says.
    #[error("data shard {expected} holds bytes that hash to {found}; it is damaged, remove it")]
    Hash {
        /// The hash asked for.
        expected: Hash,
        /// The hash found.
        found: Hash,
    },
    /// A shard of another vocabulary than the model's.
    #[error("data shard {shard} is made for a vocabulary of {found}, the model has {expected}")]
    Vocabulary {
        /// The shard.
        shard: Hash,
        /// The model's vocabulary.
        expected: usize,
        /// The shard's.
        found: u32,
    },
    /// No text was named and cargo's home is unknown.
    #[error("no text was named and the home of cargo is unknown; name files or directories of text with --data")]
    NoCargoHome,
    /// No text was named and the default text is not on this machine.
    #[error(
        "no text was named and {} has none of the crates of the default text; name files or directories of text with \
         --data",
        registry.display()
    )]
    NoDefaultText {
        /// Where it was looked for.
        registry: PathBuf,
    },
}

/// A corpus that is ready to train on.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The shards in order.
    pub shards: Vec<ShardDescription>,
    /// The training and the held-out windows.
    pub split: Split,
    /// What to tell the user.
    pub summary: events::Corpus,
    /// What was left out, in words.
    pub notes: Vec<String>,
}

/// Reads the text that `job` and `paths` name, makes tokens and stores them in the run directory.
///
/// `paths`, where there are any, replace the job's own; with neither, the default text is read.
///
/// # Errors
/// [`CorpusError`] that says what would do: an empty, unreadable or too short text, a full disk.
pub fn prepare(
    run: &RunDirectory,
    job: &Job,
    paths: &[PathBuf],
    tokenizer: &Tokenizer,
) -> Result<Prepared, CorpusError> {
    let own = || job.data.paths.iter().map(PathBuf::from).collect();
    let named = if paths.is_empty() { own() } else { paths.to_vec() };
    let text = read_text(named, job.data.tokens_max)?;
    let mut tokens = data::tokenise(&text.corpus, tokenizer)?;
    tokens.truncate(usize::try_from(job.data.tokens_max).unwrap_or(usize::MAX));
    let vocabulary = job.model.config().map_or(tokenizer.vocab_size(), |config| config.vocab_size);
    let split = data::split(&tokens, job.train.sequence_length)?;
    let shards = store(run, &tokens, vocabulary)?;
    let summary = summarise(&text, &split, vocabulary)?;
    let notes = text.notes.into_iter().chain(text.corpus.notes.iter().map(ToString::to_string)).collect();
    Ok(Prepared { shards, split, summary, notes })
}

/// Reads shards that were stored or fetched and derives the same split as [`prepare`].
///
/// # Errors
/// [`CorpusError`] for a shard that is missing, damaged or for another vocabulary.
pub fn load(run: &RunDirectory, shards: &[ShardDescription], job: &Job) -> Result<Split, CorpusError> {
    let vocabulary = job.model.config().map_or(usize::MAX, |config| config.vocab_size);
    let mut tokens = Vec::new();
    for shard in shards {
        let bytes = disk::read_bounded(&run.shard(&shard.hash), SHARD_BYTES_MAX)?;
        tokens.extend(parse(&bytes, &shard.hash, vocabulary)?.tokens);
    }
    Ok(data::split(&tokens, job.train.sequence_length)?)
}

/// Checks a fetched shard's bytes against hash and vocabulary.
///
/// # Errors
/// [`CorpusError`] when they do not match or hold no shard.
pub fn parse(bytes: &[u8], hash: &Hash, vocabulary: usize) -> Result<TokenShard, CorpusError> {
    let found = Hash::of(bytes);
    if found != *hash {
        return Err(CorpusError::Hash { expected: *hash, found });
    }
    let shard = TokenShard::parse(bytes)?;
    if shard.vocabulary as usize > vocabulary {
        return Err(CorpusError::Vocabulary { shard: *hash, expected: vocabulary, found: shard.vocabulary });
    }
    Ok(shard)
}

/// Mean loss of the unigram model on the held-out windows, in nats per token.
///
/// # Errors
/// When a token is outside the vocabulary.
pub fn unigram_loss(split: &Split, vocabulary: usize) -> Result<f64, CorpusError> {
    Ok(data::unigram_loss(split.training.tokens(), split.held_out.tokens(), vocabulary)?)
}

/// The tokenizer that a job names: bytes, or a file on this machine.
///
/// # Errors
/// When the file is missing or no tokenizer.
pub fn tokenizer(job: &Job) -> Result<Tokenizer, CorpusError> {
    match job.data.tokenizer.as_str() {
        "bytes" => Ok(Tokenizer::Bytes),
        path if Path::new(path).is_dir() => Ok(Tokenizer::load(Path::new(path))?),
        path => Ok(Tokenizer::from_file(Path::new(path))?),
    }
}

struct Text {
    source: String,
    corpus: data::Corpus,
    notes: Vec<String>,
}

fn read_text(paths: Vec<PathBuf>, tokens_max: u64) -> Result<Text, CorpusError> {
    // Every tokenizer makes at most one token a byte, and at least one of a few; beyond this the rest is not used.
    const BYTES_PER_TOKEN: u64 = 8;
    let mut limits = data::Limits::default();
    limits.corpus_bytes_max = limits.corpus_bytes_max.min(tokens_max.saturating_mul(BYTES_PER_TOKEN));
    if !paths.is_empty() {
        let source = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        return Ok(Text { source, corpus: data::read_corpus(&paths, &limits)?, notes: Vec::new() });
    }
    let (files, missing) = default_text::files()?;
    let corpus = data::read_corpus(&files, &limits)?;
    let mut notes = Vec::new();
    if !missing.is_empty() {
        let names = missing.join(", ");
        notes.push(format!("the default text lacks {names}, which this machine's cargo registry does not have"));
    }
    Ok(Text { source: "the sources of this program's own dependencies".to_owned(), corpus, notes })
}

fn store(run: &RunDirectory, tokens: &[u32], vocabulary: usize) -> Result<Vec<ShardDescription>, CorpusError> {
    disk::create_directory(&run.data())?;
    let vocabulary = u32::try_from(vocabulary).unwrap_or(u32::MAX);
    tokens.chunks(SHARD_TOKENS_MAX).map(|part| store_shard(run, part, vocabulary)).collect()
}

fn store_shard(run: &RunDirectory, part: &[u32], vocabulary: u32) -> Result<ShardDescription, CorpusError> {
    let bytes = TokenShard { vocabulary, tokens: part.to_vec() }.to_bytes()?;
    let hash = Hash::of(&bytes);
    let path = run.shard(&hash);
    // A resumed run finds its shards; one that was damaged meanwhile is written again.
    if !intact(&path, &hash) {
        disk::write_atomic(&path, &bytes)?;
    }
    Ok(ShardDescription { hash, bytes: bytes.len() as u64, tokens: part.len() as u64 })
}

fn intact(path: &Path, hash: &Hash) -> bool {
    disk::read_bounded(path, SHARD_BYTES_MAX).is_ok_and(|bytes| Hash::of(&bytes) == *hash)
}

fn summarise(text: &Text, split: &Split, vocabulary: usize) -> Result<events::Corpus, CorpusError> {
    Ok(events::Corpus {
        source: text.source.clone(),
        files: text.corpus.documents.len() as u64,
        bytes: text.corpus.bytes,
        train_tokens: (split.training.len() * split.training.length()) as u64,
        heldout_tokens: (split.held_out.len() * split.held_out.length()) as u64,
        unigram_loss: unigram_loss(split, vocabulary)?,
    })
}

impl From<ShardError> for CorpusError {
    fn from(error: ShardError) -> Self {
        Self::Data(DataError::Shard(error))
    }
}

#[cfg(test)]
mod tests;

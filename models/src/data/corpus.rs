//! Files to documents to tokens.
//!
//! Named paths are read in the order given, the files of a directory in the order of their names' bytes. Hidden files
//! and links inside directories are left out (links may form cycles). A file is binary when its first bytes hold a
//! zero. All sizes are bounded by [`Limits`].

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{CorpusNote, DataError};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// Bytes at the start of a file in which a zero marks it as binary.
const BINARY_PROBE_BYTES: usize = 8 << 10;

/// Directories inside directories that are entered.
const DEPTH_MAX: usize = 64;

/// Default limit of one file.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Default limit of all text.
const CORPUS_BYTES_MAX: u64 = 4 << 30;

/// Default limit of the number of files.
const FILES_MAX: usize = 1 << 20;

/// How much is read at most. What exceeds a limit is cut and noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub file_bytes_max: u64,
    /// Bytes of all text.
    pub corpus_bytes_max: u64,
    pub files_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes_max: FILE_BYTES_MAX, corpus_bytes_max: CORPUS_BYTES_MAX, files_max: FILES_MAX }
    }
}

/// One text: a file, or a line of a jsonl file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file it came from.
    pub source: PathBuf,
    /// Its bytes, UTF-8 or not.
    pub bytes: Vec<u8>,
}

/// All documents in order, with what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// The documents, none empty.
    pub documents: Vec<Document>,
    /// What was skipped or cut.
    pub notes: Vec<CorpusNote>,
    /// Bytes of all documents.
    pub bytes: u64,
}

/// Reads files and directories.
///
/// # Errors
///
/// [`DataError::Unreadable`] for a named path that cannot be read (one met inside a directory is only noted),
/// [`DataError::NoTextLines`] for a named jsonl file without a usable line, [`DataError::Empty`] when nothing is left.
pub fn read_corpus(paths: &[PathBuf], limits: &Limits) -> Result<Corpus, DataError> {
    if paths.is_empty() {
        return Err(DataError::NoPaths);
    }
    let mut reader = Reader { limits: *limits, files: 0, corpus: Corpus::default() };
    for path in paths {
        reader.named(path)?;
    }
    if reader.corpus.documents.is_empty() {
        return Err(DataError::Empty { paths: paths.to_vec(), notes: reader.corpus.notes });
    }
    Ok(reader.corpus)
}

/// The tokens of all documents in order, each followed by the end of text where the tokenizer has one.
///
/// # Errors
///
/// What [`Tokenizer::encode`] refuses.
pub fn tokenise(corpus: &Corpus, tokenizer: &Tokenizer) -> Result<Vec<u32>, TokenizerError> {
    let parts: Vec<Vec<u32>> = corpus
        .documents
        .par_iter()
        .map(|document| {
            let mut tokens = tokenizer.encode(&document.bytes)?;
            tokens.extend(tokenizer.end_of_text());
            Ok(tokens)
        })
        .collect::<Result<_, TokenizerError>>()?;
    Ok(parts.concat())
}

struct Reader {
    limits: Limits,
    files: usize,
    corpus: Corpus,
}

impl Reader {
    /// A path that the user gave: what is wrong with it is an error.
    fn named(&mut self, path: &Path) -> Result<(), DataError> {
        let unreadable = |source| DataError::Unreadable { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            let entries = sorted_entries(path).map_err(unreadable)?;
            self.entries(entries, 1);
            return Ok(());
        }
        self.file(path).map_err(unreadable)?;
        match self.corpus.notes.last() {
            Some(CorpusNote::BadLines { path: noted, bad, lines, .. }) if noted == path && bad == lines => {
                Err(DataError::NoTextLines { path: path.to_owned(), lines: *lines })
            }
            _ => Ok(()),
        }
    }

    fn entries(&mut self, entries: Vec<PathBuf>, depth: usize) {
        for path in entries {
            if self.is_full() {
                return;
            }
            self.entry(path, depth);
        }
    }

    /// A path met on the way: what is wrong with it is noted.
    fn entry(&mut self, path: PathBuf, depth: usize) {
        let outcome = match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() && depth >= DEPTH_MAX => {
                self.note(CorpusNote::TooDeep { path });
                return;
            }
            Ok(metadata) if metadata.is_dir() => sorted_entries(&path).map(|entries| self.entries(entries, depth + 1)),
            Ok(metadata) if metadata.is_file() => self.file(&path),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            self.note(CorpusNote::Unreadable { path, message: error.to_string() });
        }
    }

    /// Whether a limit is reached; noted once.
    fn is_full(&mut self) -> bool {
        let note = if self.corpus.bytes >= self.limits.corpus_bytes_max {
            CorpusNote::CorpusCut { bytes_max: self.limits.corpus_bytes_max }
        } else if self.files >= self.limits.files_max {
            CorpusNote::TooManyFiles { files_max: self.limits.files_max }
        } else {
            return false;
        };
        if !self.corpus.notes.contains(&note) {
            self.note(note);
        }
        true
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        if self.is_full() {
            return Ok(());
        }
        self.files += 1;
        let left = self.limits.corpus_bytes_max - self.corpus.bytes;
        let bytes_max = self.limits.file_bytes_max.min(left);
        let mut bytes = Vec::new();
        File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            bytes.truncate(bytes_max as usize);
            self.note_cut(path, left);
        }
        self.content(path, bytes);
        Ok(())
    }

    fn note_cut(&mut self, path: &Path, left: u64) {
        if left <= self.limits.file_bytes_max {
            self.note(CorpusNote::CorpusCut { bytes_max: self.limits.corpus_bytes_max });
        } else {
            self.note(CorpusNote::FileCut { path: path.to_owned(), bytes_max: self.limits.file_bytes_max });
        }
    }

    fn content(&mut self, path: &Path, bytes: Vec<u8>) {
        if bytes.is_empty() {
            self.note(CorpusNote::EmptyFile { path: path.to_owned() });
        } else if bytes[..bytes.len().min(BINARY_PROBE_BYTES)].contains(&0) {
            self.note(CorpusNote::Binary { path: path.to_owned() });
        } else if is_jsonl(path) {
            self.lines(path, &bytes);
        } else {
            self.document(path, bytes);
        }
    }

    fn lines(&mut self, path: &Path, bytes: &[u8]) {
        let (mut lines, mut bad, mut first) = (0, 0, 0);
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            lines += 1;
            match text_of_line(line) {
                Some(text) => self.document(path, text.into_bytes()),
                None => {
                    bad += 1;
                    first = if first == 0 { number + 1 } else { first };
                }
            }
        }
        if bad > 0 {
            self.note(CorpusNote::BadLines { path: path.to_owned(), bad, lines, first });
        }
    }

    fn document(&mut self, path: &Path, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.corpus.bytes += bytes.len() as u64;
            self.corpus.documents.push(Document { source: path.to_owned(), bytes });
        }
    }

    fn note(&mut self, note: CorpusNote) {
        self.corpus.notes.push(note);
    }
}

#[derive(serde::Deserialize)]
struct TextLine {
    text: String,
}

fn text_of_line(line: &[u8]) -> Option<String> {
    serde_json::from_slice::<TextLine>(line).ok().map(|line| line.text)
}

fn is_jsonl(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson")
}

fn sorted_entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests;

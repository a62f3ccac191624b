//! What reading a corpus left out, and why.

use std::fmt;
use std::path::PathBuf;

/// Something that a user should hear about and that does not stop the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorpusNote {
    /// A file with zero bytes inside.
    Binary { path: PathBuf },
    /// A file without content.
    EmptyFile { path: PathBuf },
    /// A file or directory met on the way that cannot be read.
    Unreadable { path: PathBuf, message: String },
    /// Lines of a jsonl file that are no objects with a `text` string.
    BadLines {
        path: PathBuf,
        bad: usize,
        /// All lines that are not blank.
        lines: usize,
        /// Number of the first bad one, from 1.
        first: usize,
    },
    /// A file was cut at the limit for one file.
    FileCut { path: PathBuf, bytes_max: u64 },
    /// Reading stopped at the limit for the whole corpus.
    CorpusCut { bytes_max: u64 },
    /// Reading stopped at the limit for the number of files.
    TooManyFiles { files_max: usize },
    /// A directory was not entered because it lies too deep.
    TooDeep { path: PathBuf },
}

impl fmt::Display for CorpusNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary { path } => write!(f, "{} is binary and was skipped", path.display()),
            Self::EmptyFile { path } => write!(f, "{} is empty", path.display()),
            Self::Unreadable { path, message } => write!(f, "{} cannot be read: {message}", path.display()),
            Self::BadLines { path, bad, lines, first } => write!(
                f,
                "{bad} of {lines} lines of {} are no JSON objects with a \"text\" string (first: line {first})",
                path.display()
            ),
            Self::FileCut { path, bytes_max } => write!(f, "{} was cut at {bytes_max} bytes", path.display()),
            Self::CorpusCut { bytes_max } => write!(f, "reading stopped at {bytes_max} bytes"),
            Self::TooManyFiles { files_max } => write!(f, "reading stopped at {files_max} files"),
            Self::TooDeep { path } => write!(f, "{} lies too deep and was not entered", path.display()),
        }
    }
}

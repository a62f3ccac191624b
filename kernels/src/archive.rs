//! The form in which payloads are kept: the same bodies, entropy-coded, and back again bit for bit.
//!
//! A body as it is sent has a fixed size and is read at random; one that is kept is read once, from front to back, so
//! a range coder takes it to within some hundredths of what its content is worth. `FORMAT.md` specifies coder and
//! models. Only valid bodies are archived, and `unarchive(archive(body)) = body`.
//!
//! Invariants:
//! - Models are integers alone: every machine writes the same bytes, and each body has exactly one archive.
//! - Nothing that a file can hold makes a function here panic. What is restored grows as bytes are consumed and never
//!   beyond the size that codec and elements imply, so a header's promise alone allocates nothing.

mod coder;
mod dense;
mod error;
mod file;
mod model;
mod plain;
mod sparse;

pub use error::ArchiveError;
pub use file::{ARCHIVE_HEADER_BYTES, ARCHIVE_VERSION, is_archive, open_archive, seal_archive};

use coder::{Coder, Fault, Reader, Writer};

use crate::format::{CHUNK, Codec, DecodeError, chunks, real_elements};
use crate::host::validate;

/// Bytes that are set aside for each byte of an archive; more is taken only as chunks come out.
const BYTES_PER_CODED_BYTE: usize = 4;

/// The archive of a body, whole 32-bit words.
///
/// # Errors
/// Whatever [`validate`] refuses.
pub fn archive(codec: Codec, elements: usize, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    validate(codec, elements, body)?;
    Ok(write(codec, elements, body))
}

/// The body of an archive: valid, and the only one that [`archive`] turns into these bytes.
///
/// # Errors
/// Bytes that [`archive`] never writes for this codec and this number of elements.
pub fn unarchive(codec: Codec, elements: usize, bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let body = read(codec, elements, bytes)?;
    validate(codec, elements, &body).map_err(ArchiveError::Body)?;
    let again = write(codec, elements, &body);
    if bytes.len() > again.len() && bytes.starts_with(&again) {
        return Err(ArchiveError::TrailingBytes { expected: again.len(), found: bytes.len() });
    }
    match again.iter().zip(bytes).position(|(canonical, found)| canonical != found) {
        Some(at) => Err(ArchiveError::NotCanonical { at }),
        None if again.len() != bytes.len() => Err(ArchiveError::NotCanonical { at: bytes.len().min(again.len()) }),
        None => Ok(body),
    }
}

/// The models of one codec, and how its chunks go through the coder.
enum Models {
    Sparse(Box<sparse::Models>),
    Dense(dense::Models),
    Plain(plain::Models),
}

impl Models {
    fn of(codec: Codec) -> Self {
        match codec {
            Codec::DenseInt8 => Self::Dense(dense::Models::new(dense::Width::Eight)),
            Codec::DenseInt4 => Self::Dense(dense::Models::new(dense::Width::Four)),
            Codec::TopK32 | Codec::TopK64 | Codec::TopK128 | Codec::TopK256 => {
                Self::Sparse(Box::new(sparse::Models::new(codec.entries().unwrap_or(CHUNK))))
            }
            Codec::None => Self::Plain(plain::Models::new()),
        }
    }

    /// Takes one chunk through the coder: a writer reads `bytes`, a reader fills them, which are zero before.
    fn code(&mut self, coder: &mut impl Coder, bytes: &mut [u8], real: usize) -> Result<(), Fault> {
        match self {
            Self::Sparse(models) => models.code(coder, bytes, real),
            Self::Dense(models) => models.code(coder, bytes, real),
            Self::Plain(models) => models.code(coder, bytes),
        }
    }
}

fn write(codec: Codec, elements: usize, body: &[u8]) -> Vec<u8> {
    let (mut writer, mut models) = (Writer::new(), Models::of(codec));
    let mut chunk = Vec::new();
    for (number, bytes) in body.chunks(codec.chunk_bytes()).enumerate() {
        chunk.clear();
        chunk.extend_from_slice(bytes);
        let written = models.code(&mut writer, &mut chunk, real_elements(elements, number));
        debug_assert!(written.is_ok(), "a writer has no faults");
    }
    writer.finish()
}

fn read(codec: Codec, elements: usize, bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    if !bytes.len().is_multiple_of(4) {
        return Err(ArchiveError::PartialWord { found: bytes.len() });
    }
    let (total, mut models) = (codec.body_bytes(elements), Models::of(codec));
    let mut body = Vec::with_capacity(total.min(bytes.len().saturating_mul(BYTES_PER_CODED_BYTE)));
    if elements == 0 {
        return Ok(body);
    }
    let mut reader = Reader::new(bytes).map_err(|fault| fault.at(0))?;
    for chunk in 0..chunks(elements) {
        let begin = body.len();
        body.resize(total.min(begin + codec.chunk_bytes()), 0);
        models
            .code(&mut reader, &mut body[begin..], real_elements(elements, chunk))
            .map_err(|fault| fault.at(chunk))?;
    }
    Ok(body)
}

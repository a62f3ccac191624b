//! The file form: the archive's own header, the payload's header as it was, the coded body.
//!
//! Invariants: the header holds the payload's hash, which is its name, so that a damaged archive never becomes another
//! payload; nothing is decoded before the headers say that the result is wanted.

use super::{ArchiveError, archive, unarchive};
use crate::format::{DecodeError, HEADER_BYTES, Header, read};

/// The version of the archive's format that this crate reads and writes.
pub const ARCHIVE_VERSION: u16 = 1;

/// Bytes before the coded body: the archive's own header and the payload's.
pub const ARCHIVE_HEADER_BYTES: usize = OWN_BYTES + HEADER_BYTES;

const MAGIC: [u8; 4] = *b"CTGA";

/// Bytes of the archive's own header: letters, version, reserved, the payload's hash.
const OWN_BYTES: usize = 4 + 2 + 2 + 32;

/// Whether bytes begin as an archive does, and not as a payload.
#[must_use]
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The archive of a payload's header and body.
///
/// # Errors
/// Whatever [`crate::parse`] and [`crate::validate`] refuse in the payload.
pub fn seal_archive(header: &Header, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let head = header.to_bytes();
    let coded = archive(read(&head)?.codec, elements(header), body)?;
    let mut bytes = Vec::with_capacity(ARCHIVE_HEADER_BYTES + coded.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&ARCHIVE_VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&payload_hash(&head, body));
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&coded);
    Ok(bytes)
}

/// The header and the body of an archived payload, whose body may have `body_bytes_max` bytes at most.
///
/// # Errors
/// Bytes that [`seal_archive`] never writes, or a larger body than that.
pub fn open_archive(bytes: &[u8], body_bytes_max: usize) -> Result<(Header, Vec<u8>), ArchiveError> {
    let short = ArchiveError::TooShort { expected: ARCHIVE_HEADER_BYTES, found: bytes.len() };
    let (own, rest) = bytes.split_first_chunk::<OWN_BYTES>().ok_or(short.clone())?;
    let (head, coded) = rest.split_first_chunk::<HEADER_BYTES>().ok_or(short)?;
    let expected = read_own(own)?;
    let header = read(head).map_err(ArchiveError::Header)?;
    let size = header.codec.body_bytes(elements(&header));
    if size > body_bytes_max {
        return Err(ArchiveError::TooLarge { limit: body_bytes_max, found: size });
    }
    let body = unarchive(header.codec, elements(&header), coded)?;
    let found = payload_hash(head, &body);
    if found == expected { Ok((header, body)) } else { Err(ArchiveError::WrongHash { expected, found }) }
}

/// The payload's hash, once the rest of the archive's own header is what it must be.
fn read_own(own: &[u8; OWN_BYTES]) -> Result<[u8; 32], ArchiveError> {
    if !is_archive(own) {
        return Err(ArchiveError::WrongMagic { found: std::array::from_fn(|i| own[i]) });
    }
    let field = |at: usize| u16::from_le_bytes([own[at], own[at + 1]]);
    if field(4) != ARCHIVE_VERSION {
        return Err(ArchiveError::WrongVersion { expected: ARCHIVE_VERSION, found: field(4) });
    }
    if field(6) != 0 {
        return Err(ArchiveError::ReservedNotZero { found: field(6) });
    }
    Ok(std::array::from_fn(|i| own[8 + i]))
}

fn payload_hash(head: &[u8; HEADER_BYTES], body: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(head).update(body).finalize().as_bytes()
}

/// As many as this machine can address; a body of more cannot be held.
fn elements(header: &Header) -> usize {
    usize::try_from(header.elements).unwrap_or(usize::MAX)
}

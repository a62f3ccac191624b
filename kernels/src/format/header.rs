//! The header before every body: what it is for and whose it is.
//!
//! Invariant: a payload that parses has a header that is possible in itself and a body of the length that codec and
//! elements imply; whether it is the one that was asked for is said field by field, and nothing of the body is looked
//! at.

use super::codec::Codec;
use super::error::DecodeError;

pub const HEADER_BYTES: usize = 168;

/// The version of the format that this crate reads and writes.
pub const VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"CTGP";

/// What a payload says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the format.
    pub version: u16,
    /// How the body is encoded.
    pub codec: Codec,
    /// Which stage of the model, from 0.
    pub stage: u16,
    /// How many stages the model has, at least 1.
    pub stages: u16,
    /// Elements of the vector, at least 1.
    pub elements: u64,
    /// The round it is for.
    pub round: u64,
    /// Tokens that the worker trained on for it.
    pub tokens: u64,
    /// Hash of the layout of the vector.
    pub layout_hash: [u8; 32],
    /// Hash of the state that it was computed against.
    pub base_hash: [u8; 32],
    pub session: [u8; 32],
    /// The worker's public key.
    pub worker: [u8; 32],
}

/// What the receiver asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub layout_hash: [u8; 32],
    pub stage: u16,
    pub stages: u16,
    pub session: [u8; 32],
    /// Hash of the base state.
    pub base_hash: [u8; 32],
    pub round: u64,
    /// Who committed to the payload.
    pub worker: [u8; 32],
    /// The round's codec.
    pub codec: Codec,
    /// Elements of the layout.
    pub elements: u64,
}

impl Header {
    /// The header's bytes, little-endian, as `FORMAT.md` lays them out.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&self.version.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.codec.number().to_le_bytes());
        bytes[8..10].copy_from_slice(&self.stage.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.stages.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.elements.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.round.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.tokens.to_le_bytes());
        bytes[40..72].copy_from_slice(&self.layout_hash);
        bytes[72..104].copy_from_slice(&self.base_hash);
        bytes[104..136].copy_from_slice(&self.session);
        bytes[136..168].copy_from_slice(&self.worker);
        bytes
    }
}

/// A payload: the header, then the body, nothing after it.
#[must_use]
pub fn seal(header: &Header, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&header.to_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Splits a payload into its header and its body, whose length is right but whose content is not yet looked at.
///
/// # Errors
/// A header that is short, foreign, of another version or impossible in itself; a body of another length than it
/// implies.
pub fn parse(bytes: &[u8]) -> Result<(Header, &[u8]), DecodeError> {
    let (head, body) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(DecodeError::HeaderTooShort { expected: HEADER_BYTES, found: bytes.len() })?;
    let header = read(head)?;
    // A vector that this machine cannot address has a body that it cannot hold: the length cannot match.
    let elements = usize::try_from(header.elements).unwrap_or(usize::MAX);
    let expected = header.codec.body_bytes(elements);
    if body.len() != expected {
        return Err(DecodeError::WrongLength { expected, found: body.len() });
    }
    Ok((header, body))
}

pub(crate) fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Header, DecodeError> {
    let magic: [u8; 4] = field(bytes, 0);
    if magic != MAGIC {
        return Err(DecodeError::WrongMagic { found: magic });
    }
    let version = u16::from_le_bytes(field(bytes, 4));
    if version != VERSION {
        return Err(DecodeError::WrongVersion { expected: VERSION, found: version });
    }
    let number = u16::from_le_bytes(field(bytes, 6));
    let header = Header {
        version,
        codec: Codec::from_number(number).ok_or(DecodeError::UnknownCodec { found: number })?,
        stage: u16::from_le_bytes(field(bytes, 8)),
        stages: u16::from_le_bytes(field(bytes, 10)),
        elements: u64::from_le_bytes(field(bytes, 16)),
        round: u64::from_le_bytes(field(bytes, 24)),
        tokens: u64::from_le_bytes(field(bytes, 32)),
        layout_hash: field(bytes, 40),
        base_hash: field(bytes, 72),
        session: field(bytes, 104),
        worker: field(bytes, 136),
    };
    possible(&header, u32::from_le_bytes(field(bytes, 12)))?;
    Ok(header)
}

fn possible(header: &Header, reserved: u32) -> Result<(), DecodeError> {
    if reserved != 0 {
        return Err(DecodeError::ReservedNotZero { found: reserved });
    }
    if header.stage >= header.stages {
        return Err(DecodeError::StageOutOfRange { stage: header.stage, stages: header.stages });
    }
    if header.elements == 0 {
        return Err(DecodeError::NoElements);
    }
    Ok(())
}

/// Refuses every field that is not the one that was asked for.
pub(crate) fn compare(header: &Header, expected: &Expected) -> Result<(), DecodeError> {
    compare_shape(header, expected)?;
    compare_origin(header, expected)
}

fn compare_shape(header: &Header, wanted: &Expected) -> Result<(), DecodeError> {
    if header.codec != wanted.codec {
        return Err(DecodeError::WrongCodec { expected: wanted.codec, found: header.codec });
    }
    let (expected, found) = ((wanted.stage, wanted.stages), (header.stage, header.stages));
    if found != expected {
        return Err(DecodeError::WrongStage { expected, found });
    }
    if header.elements != wanted.elements {
        return Err(DecodeError::WrongElements { expected: wanted.elements, found: header.elements });
    }
    if header.layout_hash != wanted.layout_hash {
        return Err(DecodeError::WrongLayout { expected: wanted.layout_hash, found: header.layout_hash });
    }
    Ok(())
}

fn compare_origin(header: &Header, wanted: &Expected) -> Result<(), DecodeError> {
    if header.session != wanted.session {
        return Err(DecodeError::WrongSession { expected: wanted.session, found: header.session });
    }
    if header.base_hash != wanted.base_hash {
        return Err(DecodeError::WrongBase { expected: wanted.base_hash, found: header.base_hash });
    }
    if header.round != wanted.round {
        return Err(DecodeError::WrongRound { expected: wanted.round, found: header.round });
    }
    if header.worker != wanted.worker {
        return Err(DecodeError::WrongWorker { expected: wanted.worker, found: header.worker });
    }
    Ok(())
}

/// The `N` bytes at `offset`; all offsets here are constants inside the header.
fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], offset: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[offset + i])
}

#[cfg(test)]
mod tests;

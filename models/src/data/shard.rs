//! The data shard: one file of tokens, as workers fetch it.
//!
//! | bytes | field |
//! |---|---|
//! | 0–3 | magic `CTDS` |
//! | 4–5 | version, 1 |
//! | 6–7 | bytes per token: 2 for vocabularies up to 65,536, else 4 |
//! | 8–11 | vocabulary: every token is below it |
//! | 12–19 | number of tokens |
//! | 20– | the tokens, and nothing after them |
//!
//! All numbers are little-endian.

/// Marks the file.
const MAGIC: [u8; 4] = *b"CTDS";

/// The version that this code writes and reads.
const VERSION: u16 = 1;

/// Bytes before the first token.
pub const SHARD_HEADER_BYTES: usize = 20;

/// Largest vocabulary whose tokens take two bytes.
const NARROW_VOCABULARY_MAX: u32 = 1 << 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenShard {
    /// Every token is below this.
    pub vocabulary: u32,
    pub tokens: Vec<u32>,
}

impl TokenShard {
    /// The file's bytes.
    ///
    /// # Errors
    ///
    /// [`ShardError::TokenOutOfRange`] for a token that is not below the vocabulary.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ShardError> {
        let width = width(self.vocabulary);
        check_tokens(&self.tokens, self.vocabulary)?;
        let mut bytes = Vec::with_capacity(SHARD_HEADER_BYTES + self.tokens.len() * usize::from(width));
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(width.to_le_bytes());
        bytes.extend(self.vocabulary.to_le_bytes());
        bytes.extend((self.tokens.len() as u64).to_le_bytes());
        for token in &self.tokens {
            bytes.extend(&token.to_le_bytes()[..usize::from(width)]);
        }
        Ok(bytes)
    }

    /// Reads a shard. Allocates no more than twice the bytes given, whatever the header claims.
    ///
    /// # Errors
    ///
    /// A [`ShardError`] for anything but exactly the format above.
    pub fn parse(bytes: &[u8]) -> Result<Self, ShardError> {
        let header = Header::parse(bytes)?;
        let body = &bytes[SHARD_HEADER_BYTES..];
        let expected = header.count.checked_mul(u64::from(header.width));
        if expected != Some(body.len() as u64) {
            return Err(ShardError::Length { count: header.count, width: header.width, found: body.len() });
        }
        let tokens = decode(body, header.width);
        check_tokens(&tokens, header.vocabulary)?;
        Ok(Self { vocabulary: header.vocabulary, tokens })
    }
}

/// Why bytes are no data shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Shorter than a header.
    #[error("a data shard of {found} bytes is shorter than its header of {SHARD_HEADER_BYTES}")]
    TooShort { found: usize },
    /// The first bytes are something else.
    #[error("a data shard begins with CTDS, not with {found:?}")]
    Magic { found: [u8; 4] },
    /// Written by a later version.
    #[error("data shard version {found} is not known; this program reads version {VERSION}")]
    Version { found: u16 },
    /// The width does not belong to the vocabulary.
    #[error("a data shard of {vocabulary} tokens' vocabulary cannot have {width} bytes per token")]
    Width { width: u16, vocabulary: u32 },
    /// More or fewer tokens than announced.
    #[error("a data shard announces {count} tokens of {width} bytes and holds {found} bytes of them")]
    Length { count: u64, width: u16, found: usize },
    /// A token that is not below the vocabulary.
    #[error("token {token} at position {position} of a data shard is outside its vocabulary of {vocabulary}")]
    TokenOutOfRange { token: u32, position: usize, vocabulary: u32 },
}

struct Header {
    width: u16,
    vocabulary: u32,
    count: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, ShardError> {
        let Some((header, _)) = bytes.split_first_chunk::<SHARD_HEADER_BYTES>() else {
            return Err(ShardError::TooShort { found: bytes.len() });
        };
        let [m0, m1, m2, m3, v0, v1, w0, w1, n0, n1, n2, n3, count @ ..] = *header;
        let (version, width) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([w0, w1]));
        let vocabulary = u32::from_le_bytes([n0, n1, n2, n3]);
        if [m0, m1, m2, m3] != MAGIC {
            return Err(ShardError::Magic { found: [m0, m1, m2, m3] });
        }
        if version != VERSION {
            return Err(ShardError::Version { found: version });
        }
        if width != self::width(vocabulary) {
            return Err(ShardError::Width { width, vocabulary });
        }
        Ok(Self { width, vocabulary, count: u64::from_le_bytes(count) })
    }
}

fn width(vocabulary: u32) -> u16 {
    if vocabulary <= NARROW_VOCABULARY_MAX { 2 } else { 4 }
}

fn decode(body: &[u8], width: u16) -> Vec<u32> {
    if width == 2 {
        return body.as_chunks::<2>().0.iter().map(|&bytes| u32::from(u16::from_le_bytes(bytes))).collect();
    }
    body.as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect()
}

fn check_tokens(tokens: &[u32], vocabulary: u32) -> Result<(), ShardError> {
    match tokens.iter().position(|&token| token >= vocabulary) {
        None => Ok(()),
        Some(position) => Err(ShardError::TokenOutOfRange { token: tokens[position], position, vocabulary }),
    }
}

#[cfg(test)]
mod tests;

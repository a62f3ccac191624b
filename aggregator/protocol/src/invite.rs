//! An invite: all that a worker needs to join, in one string.
//!
//! "cotrain1" and then, in lower-case base32 (RFC 4648, no padding), the canonical bytes of the invite and the first
//! four bytes of their BLAKE3 hash. Upper case and surrounding white space are forgiven.

use crate::{
    NetworkId, SessionId, WorkerId, encoding,
    limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, INVITE_BYTES_MAX, TOKEN_BYTES},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

const PREFIX: &str = "cotrain1";
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const CHECKSUM_BYTES: usize = 4;

/// What a worker needs to join a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Where the aggregator listens.
    #[serde(deserialize_with = "encoding::texts::<_, ADDRESSES_MAX, ADDRESS_BYTES_MAX>")]
    pub addresses: Vec<String>,
    /// The aggregator's public key, and so its peer id.
    pub aggregator: WorkerId,
    /// The network.
    pub network: NetworkId,
    /// The session.
    pub session: SessionId,
    /// Admits its bearer.
    pub token: [u8; TOKEN_BYTES],
}

/// Why a text is no invite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// Another beginning.
    #[error("an invite begins with \"{PREFIX}\", this begins with {0:?}")]
    Prefix(String),
    /// Longer than an invite can be.
    #[error("{0} characters are more than an invite has")]
    TooLong(usize),
    /// A character that no invite has.
    #[error("'{character}' at position {position} belongs to no invite")]
    Character {
        /// The character.
        character: char,
        /// Its place, from 1.
        position: usize,
    },
    /// Mistyped or cut off.
    #[error("the checksum does not match: the invite is mistyped or cut off")]
    Checksum,
    /// Made by another version.
    #[error("the invite was made by an incompatible version: {0}")]
    Content(crate::EncodingError),
}

impl fmt::Display for Invite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = crate::encode(self);
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        write!(formatter, "{PREFIX}{}", to_base32(&bytes))
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let text = text.trim().to_ascii_lowercase();
        if text.len() > 2 * INVITE_BYTES_MAX {
            return Err(InviteError::TooLong(text.len()));
        }
        let Some(body) = text.strip_prefix(PREFIX) else {
            return Err(InviteError::Prefix(text.chars().take(PREFIX.len()).collect()));
        };
        let bytes = from_base32(body)?;
        let split = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(InviteError::Checksum)?;
        let (content, found) = bytes.split_at(split);
        if found != checksum(content) {
            return Err(InviteError::Checksum);
        }
        crate::decode(content, INVITE_BYTES_MAX).map_err(InviteError::Content)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = blake3::hash(bytes);
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

fn to_base32(bytes: &[u8]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits) as usize & 31]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits)) as usize & 31]));
    }
    text
}

fn from_base32(text: &str) -> Result<Vec<u8>, InviteError> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for (index, character) in text.chars().enumerate() {
        let found = ALPHABET.iter().position(|letter| char::from(*letter) == character);
        let position = PREFIX.len() + index + 1;
        let digit = found.ok_or(InviteError::Character { character, position })?;
        held = (held << 5) | digit as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;

//! Bytes as people read them: workers bare, as `rounds.jsonl` has them; addresses and hashes of the ledger with `0x`,
//! as the ledger has them. Reading takes 64 digits with or without it, and nothing else.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
use thiserror::Error;

/// Why a text is not 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("64 hexadecimal digits belong here, with or without 0x before them")]
pub struct HexError;

/// The digits of bytes, without `0x`.
pub fn bare(bytes: &[u8; 32]) -> String {
    ::hex::encode(bytes)
}

/// The digits of bytes after `0x`.
pub fn prefixed(bytes: &[u8; 32]) -> String {
    format!("0x{}", bare(bytes))
}

/// The 32 bytes of a worker, an address or a hash.
///
/// # Errors
/// When the text is anything but 64 digits, after `0x` or bare.
pub fn parse(text: &str) -> Result<[u8; 32], HexError> {
    let mut bytes = [0; 32];
    ::hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes).map_err(|_| HexError)?;
    Ok(bytes)
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

/// For `serde(with)`: 32 bytes without `0x`.
pub(crate) mod worker {
    use super::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::bare(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        super::read(deserializer)
    }
}

/// For `serde(with)`: 32 bytes after `0x`.
pub(crate) mod address {
    use super::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::prefixed(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        super::read(deserializer)
    }
}

/// One hash of a list.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Prefixed(#[serde(with = "address")] [u8; 32]);

/// For `serde(with)`: a list of 32 bytes each, after `0x`.
pub(crate) mod list {
    use super::{Deserialize, Deserializer, Prefixed, Serializer};

    pub(crate) fn serialize<S: Serializer>(all: &[[u8; 32]], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(super::prefixed))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<[u8; 32]>, D::Error> {
        Ok(Vec::<Prefixed>::deserialize(deserializer)?.into_iter().map(|Prefixed(bytes)| bytes).collect())
    }
}

/// For `serde(with)`: a list of 32 bytes each, without `0x`.
pub(crate) mod workers {
    use super::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(all: &[[u8; 32]], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(super::bare))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<[u8; 32]>, D::Error> {
        super::list::deserialize(deserializer)
    }
}

/// For `serde(with)`: 32 bytes after `0x`, or null.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Prefixed, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_some(&super::prefixed(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 32]>, D::Error> {
        Ok(Option::<Prefixed>::deserialize(deserializer)?.map(|Prefixed(bytes)| bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{bare, parse, prefixed};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_read_back_and_nothing_else_does(bytes in any::<[u8; 32]>(), text in "(0x)?[0-9a-gA-G]{0,70}|\\PC*") {
            prop_assert_eq!(parse(&bare(&bytes)), Ok(bytes));
            prop_assert_eq!(parse(&prefixed(&bytes).replace("0x", "").to_uppercase()), Ok(bytes));
            prop_assert_eq!(parse(&prefixed(&bytes)), Ok(bytes));
            let digits = text.strip_prefix("0x").unwrap_or(&text);
            let fits = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            prop_assert_eq!(parse(&text).is_ok(), fits);
        }
    }
}

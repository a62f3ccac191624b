//! BLAKE3 hashes, and the one rule by which structured values are hashed.

pub use crate::encoding::HexError;
use crate::encoding::identifier;
use serde::Serialize;

identifier! {
    /// A BLAKE3 hash.
    Hash
}

impl Default for Hash {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Hash {
    /// All zero: the parent of a genesis head, never a hash that a peer could present bytes for.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of plain bytes: a payload file, a state vector, a data shard.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash of a value: BLAKE3(domain ‖ 0 ‖ canonical bytes). The zero byte keeps one domain from being the start
    /// of another.
    #[must_use]
    pub fn of_value<T: Serialize>(domain: &str, value: &T) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(domain.as_bytes()).update(&[0]).update(&crate::encode(value));
        Self(*hasher.finalize().as_bytes())
    }

    /// The hash of parts one after the other: BLAKE3(domain ‖ parts…). For formulas whose parts have fixed sizes.
    #[must_use]
    pub fn of_parts(domain: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(domain.as_bytes());
        for part in parts {
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

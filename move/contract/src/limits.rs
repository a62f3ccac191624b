//! The contract's bounds and the values that it starts with.

/// Bytes of a node's id and of its public key; at least 1.
pub const STRING_BYTES_MAX: usize = 128;
/// Entries of one `submit_contributions`; at least 1.
pub const BATCH_MAX: usize = 256;
/// Participants of a session that is paid by `distribute_rewards`.
pub const PARTICIPANTS_MAX: usize = 256;
/// Hashes of a Merkle proof.
pub const PROOF_MAX: usize = rewards::merkle::PROOF_MAX;
/// Bytes of every hash.
pub const HASH_BYTES: usize = 32;
/// Bytes of evidence; at least 1.
pub const EVIDENCE_BYTES_MAX: usize = 256;
/// The longest `claim_delay_s`: 30 days.
pub const CLAIM_DELAY_S_MAX: u64 = 2_592_000;

/// A ratio's largest value, and a reputation's.
pub const RATIO_MAX: u64 = 100;
/// The reputation of a node that is new.
pub const REPUTATION_START: u64 = 50;

/// The base's share of a pool, before any configuration.
pub const BASE_PERCENTAGE: u64 = 80;
/// The bonus's share of a pool, before any configuration.
pub const BONUS_PERCENTAGE: u64 = 20;
/// The mean quality above which the quality bonus is paid, before any configuration.
pub const QUALITY_THRESHOLD: u64 = 90;
/// How long what was earned waits, before any configuration.
pub const CLAIM_DELAY_S: u64 = 86_400;

//! The bound of everything that a peer or a file can make us read, hold or loop over.

/// Members of a roster, and so contributions of a round and signatures of a certificate.
pub const MEMBERS_MAX: usize = 64;
/// Joiners admitted into one round's roster; also the joiners waiting at a time.
pub const JOINS_MAX: usize = MEMBERS_MAX;
/// Addresses that one worker may announce.
pub const ADDRESSES_MAX: usize = 16;
/// Length of one address.
pub const ADDRESS_BYTES_MAX: usize = 256;
/// Length of a codec's name.
pub const CODEC_NAME_BYTES_MAX: usize = 32;
/// Length of a refusal's or an event's free text.
pub const TEXT_BYTES_MAX: usize = 512;
/// Length of a device's description in a hello.
pub const DEVICE_BYTES_MAX: usize = 256;
/// Length of the resolved job that a welcome carries.
pub const JOB_BYTES_MAX: usize = 256 * 1024;
/// Data shards that a welcome may name.
pub const DATA_SHARDS_MAX: usize = 1024;
/// Length of an admission token.
pub const TOKEN_BYTES: usize = 16;
/// Transactions for the ledger that a worker may send at once.
pub const OFFERS_MAX: usize = 4;
/// Length of one of them.
pub const OFFER_BYTES_MAX: usize = 4096;
/// Length of one piece of a blob: a whole BLAKE3 subtree.
pub const PIECE_BYTES: usize = 1 << 20;
/// Pieces of one blob; 16 GiB hold the parameters and the outer buffers of a 1 B model twice over.
pub const PIECES_MAX: usize = 16 * 1024;
/// Length of a message, its encoding included.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Length of a hello or of its answer.
pub const HELLO_BYTES_MAX: usize = 1 << 20;
/// Length of an invite's text.
pub const INVITE_BYTES_MAX: usize = 8 * 1024;
/// Sequences that the scoring of a round may use.
pub const SCORING_WINDOWS_MAX: usize = 4096;
/// Largest weight of a contribution (kernels/FORMAT.md, section 6).
pub const WEIGHT_MAX: u32 = 64;
/// A clip of one: the payload is taken as it is (kernels/FORMAT.md, section 6).
pub const CLIP_ONE: u32 = 256;
/// Coarse speed steps of the assignment; a worker of step n trains n times the batch.
pub const SPEED_STEP_MAX: u32 = 64;

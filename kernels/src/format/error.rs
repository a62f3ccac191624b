//! Every way in which a vector, a payload or a set of summands is refused.
//!
//! Invariant: one variant per reason, so that a verdict on a peer can name it.

use super::codec::Codec;

/// Why a vector cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A NaN or an infinity.
    #[error("element {index} is not finite")]
    NonFinite {
        /// The first such element.
        index: usize,
    },
    /// The device failed, or the tensor is not what the kernels take.
    #[error("device: {reason}")]
    Device { reason: String },
}

/// Why a payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than a header has.
    #[error("{found} bytes cannot hold the header of {expected}")]
    HeaderTooShort { expected: usize, found: usize },
    /// It does not begin as a payload does.
    #[error("the payload begins with {found:02x?}, not with \"CTGP\"")]
    WrongMagic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A version of the format that this program does not know.
    #[error("format version {found} is not {expected}")]
    WrongVersion {
        /// The version of this program.
        expected: u16,
        /// The version of the payload.
        found: u16,
    },
    /// A codec number that stands for no codec.
    #[error("{found} is no codec's number")]
    UnknownCodec {
        /// The number in the header.
        found: u16,
    },
    /// The reserved field must be zero.
    #[error("the header's reserved field is {found}, not 0")]
    ReservedNotZero { found: u32 },
    /// Stages count from 0 and there is at least one.
    #[error("stage {stage} of {stages} does not exist")]
    StageOutOfRange {
        stage: u16,
        /// How many there are.
        stages: u16,
    },
    /// A contribution to an empty model.
    #[error("the payload is for 0 elements")]
    NoElements,
    /// Not the codec of the job in this round.
    #[error("codec {found} is not the round's {expected}")]
    WrongCodec { expected: Codec, found: Codec },
    /// Not this stage of the model.
    #[error("stage {found:?} (stage, stages) is not {expected:?}")]
    WrongStage {
        /// Stage and number of stages of the receiver.
        expected: (u16, u16),
        found: (u16, u16),
    },
    /// Not the size of the layout.
    #[error("{found} elements are not the layout's {expected}")]
    WrongElements { expected: u64, found: u64 },
    /// Another arrangement of the parameters.
    #[error("layout hash {} is not {}", hex::encode(.found), hex::encode(.expected))]
    WrongLayout { expected: [u8; 32], found: [u8; 32] },
    /// Another session.
    #[error("session {} is not {}", hex::encode(.found), hex::encode(.expected))]
    WrongSession { expected: [u8; 32], found: [u8; 32] },
    /// Computed against another state.
    #[error("base state {} is not {}", hex::encode(.found), hex::encode(.expected))]
    WrongBase { expected: [u8; 32], found: [u8; 32] },
    /// Another round's.
    #[error("round {found} is not {expected}")]
    WrongRound { expected: u64, found: u64 },
    /// Another worker's.
    #[error("worker {} is not {}", hex::encode(.found), hex::encode(.expected))]
    WrongWorker {
        /// Who committed to it.
        expected: [u8; 32],
        /// Who the payload says it is from.
        found: [u8; 32],
    },
    /// The body is longer or shorter than codec and elements imply.
    #[error("a body of {found} bytes, where codec and elements imply {expected}")]
    WrongLength { expected: usize, found: usize },
    /// The high field does not have one bit for every entry.
    #[error("chunk {chunk}: {found} ones in the high field, not {expected}")]
    WrongOnes {
        chunk: usize,
        /// Entries of a chunk.
        expected: usize,
        found: usize,
    },
    /// The last bit of the high field is never used.
    #[error("chunk {chunk}: the last bit of the high field is set")]
    LastHighBit { chunk: usize },
    /// An index that is not greater than the one before.
    #[error("chunk {chunk}: index {index} at entry {entry} does not increase")]
    NotIncreasing { chunk: usize, entry: usize, index: usize },
    /// An index beyond the last real element that is no filler.
    #[error("chunk {chunk}: index {index} at entry {entry} lies in the padding")]
    IndexInPadding { chunk: usize, entry: usize, index: usize },
    /// A filler must have code 0.
    #[error("chunk {chunk}: the filler at entry {entry} has a code")]
    FillerCode { chunk: usize, entry: usize },
    /// A magnitude or scale below zero.
    #[error("chunk {chunk}: magnitude {bits:#06x} is negative")]
    NegativeMagnitude {
        chunk: usize,
        /// Its bf16 bits.
        bits: u16,
    },
    /// A magnitude or scale of −0.
    #[error("chunk {chunk}: a magnitude is -0")]
    NegativeZeroMagnitude { chunk: usize },
    /// A magnitude or scale that is NaN or infinite.
    #[error("chunk {chunk}: magnitude {bits:#06x} is not finite")]
    NonFiniteMagnitude {
        chunk: usize,
        /// Its bf16 bits.
        bits: u16,
    },
    /// L above H.
    #[error("chunk {chunk}: low magnitude {low:#06x} is above the high {high:#06x}")]
    MagnitudeOrder {
        chunk: usize,
        /// The bits of L.
        low: u16,
        /// The bits of H.
        high: u16,
    },
    /// L must be 0 when no entry is low.
    #[error("chunk {chunk}: no entry is low but the low magnitude is {low:#06x}")]
    UnusedLow {
        chunk: usize,
        /// The bits of L.
        low: u16,
    },
    /// A dense scale whose largest multiple is no finite f32.
    #[error("chunk {chunk}: scale {bits:#06x} of block {block} is above {limit:#06x}")]
    ScaleTooLarge {
        chunk: usize,
        /// The block in the chunk.
        block: usize,
        /// Its bf16 bits.
        bits: u16,
        /// The largest allowed.
        limit: u16,
    },
    /// The most negative code of a dense codec stands for nothing.
    #[error("chunk {chunk}: element {index} has the forbidden code {code}")]
    ForbiddenCode {
        chunk: usize,
        /// The element in the chunk.
        index: usize,
        /// −128 or −8.
        code: i8,
    },
    /// A block with scale 0 has codes 0 only.
    #[error("chunk {chunk}: element {index} has a code under scale 0")]
    CodeWithoutScale {
        chunk: usize,
        /// The element in the chunk.
        index: usize,
    },
    /// Codes, and scales of blocks, beyond the last real element are 0.
    #[error("chunk {chunk}: the padding from element {index} on is not zero")]
    PaddingNotZero {
        chunk: usize,
        /// The element in the chunk.
        index: usize,
    },
    /// More contributions than a scan's sums hold.
    #[error("{found} contributions are more than one scan takes, {limit}")]
    TooManyMembers {
        found: usize,
        /// The most that a scan takes.
        limit: usize,
    },
    /// Nothing of the payload: the device failed, or the tensor is not what the kernels take.
    #[error("device: {reason}")]
    Device { reason: String },
    /// A NaN or an infinity in a body of codec `none`.
    #[error("element {index} is not finite")]
    NonFinite { index: usize },
}

/// Why an aggregate is refused. The state is left as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A body that does not decode.
    #[error("summand {summand}: {source}")]
    Decode {
        /// Which of the summands.
        summand: usize,
        source: DecodeError,
    },
    /// More summands with a weight than the sums are proven for.
    #[error("{found} summands with a weight are more than {limit}")]
    TooManySummands {
        /// Summands with a weight.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A weight above its bound.
    #[error("summand {summand}: weight {weight} is above 64")]
    WeightOutOfRange {
        /// Which of the summands.
        summand: usize,
        weight: u32,
    },
    /// A clip above its bound.
    #[error("summand {summand}: clip {clip} is above 256")]
    ClipOutOfRange {
        /// Which of the summands.
        summand: usize,
        clip: u32,
    },
    /// α out of 1…256.
    #[error("alpha {alpha} is not in 1..=256")]
    AlphaOutOfRange { alpha: u32 },
    /// ρ out of 0…1.
    #[error("rho {numerator}/{denominator} is not in 0..=1")]
    RhoOutOfRange { numerator: u32, denominator: u32 },
    /// The state holds a NaN or an infinity already.
    #[error("element {index} of the state is not finite")]
    NonFiniteState {
        /// The first such element.
        index: usize,
    },
    /// The next state would leave the range of f32.
    #[error("element {index} would overflow")]
    Overflow {
        /// The first such element.
        index: usize,
    },
    /// The device failed, or a tensor is not what the kernels take.
    #[error("device: {reason}")]
    Device { reason: String },
}

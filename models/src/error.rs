//! The crate's error: what went wrong between text, model, device and checkpoint.
//!
//! Every message holds the offending value. Nothing here is a panic: a user's file, job or machine can cause each one.

use crate::config::ConfigError;
use crate::data::DataError;
use crate::device::DeviceError;
use crate::fused::FusedError;
use crate::huggingface::CheckpointError;
use crate::tokenizer::TokenizerError;

/// Anything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The model's shape makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The text or the tokens do not serve.
    #[error(transparent)]
    Data(#[from] DataError),
    /// No usable device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A checkpoint directory cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A tokenizer cannot be read or written.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The fused operations refuse their input.
    #[error(transparent)]
    Fused(#[from] FusedError),
    /// A flat vector of the wrong length.
    #[error("{what} holds {found} values, the layout has {expected}")]
    Length {
        /// Which vector.
        what: &'static str,
        /// Values found.
        found: usize,
        /// Values that the layout has.
        expected: usize,
    },
    /// A batch whose token count is not `sequences · (length + 1)`.
    #[error("a batch of {sequences} sequences of {length} tokens holds {found} tokens instead of {expected}")]
    BatchShape {
        /// Sequences in the batch.
        sequences: usize,
        /// Predicted tokens per sequence.
        length: usize,
        /// Tokens found.
        found: usize,
        /// Tokens expected.
        expected: usize,
    },
    /// A sequence longer than the model's context.
    #[error("a sequence of {length} tokens exceeds the model's context of {context}")]
    TooLong {
        /// Tokens in the sequence.
        length: usize,
        /// The model's context.
        context: usize,
    },
    /// A token that the vocabulary does not have.
    #[error("token {token} at position {position} is outside the vocabulary of {vocabulary}")]
    TokenOutOfRange {
        /// The token.
        token: u32,
        /// Where it stands.
        position: usize,
        /// The vocabulary's size.
        vocabulary: usize,
    },
    /// The loss or the gradient is not finite.
    #[error("the {what} is not finite at optimiser step {step}; lower the learning rate or check the data")]
    NonFinite {
        /// Loss or gradient norm.
        what: &'static str,
        /// The step at which it happened.
        step: u64,
    },
    /// The model does not fit.
    #[error(
        "this model needs {needed_bytes} bytes and {available_bytes} are available: {arithmetic}; \
         choose a smaller preset, a shorter sequence or a smaller micro-batch"
    )]
    OutOfMemory {
        /// Bytes needed.
        needed_bytes: u64,
        /// Bytes available.
        available_bytes: u64,
        /// How the need adds up.
        arithmetic: String,
    },
    /// The device failed while it computed.
    #[error("the device {device} failed: {message}")]
    DeviceFailed {
        /// Which device.
        device: String,
        /// What it said.
        message: String,
    },
}

//! The crate's error: what went wrong between text, model, device and checkpoint.
//!
//! Every message holds the offending value. Nothing here is a panic: a user's file, job or machine can cause each one.

use crate::batch::BatchError;
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
    /// A batch is not its shape or not for this model.
    #[error(transparent)]
    Batch(#[from] BatchError),
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
        what: &'static str,
        found: usize,
        /// Values that the layout has.
        expected: usize,
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
        needed_bytes: u64,
        available_bytes: u64,
        /// How the need adds up.
        arithmetic: String,
    },
    /// The device failed while it computed.
    #[error("the device {device} failed: {message}")]
    DeviceFailed { device: String, message: String },
}

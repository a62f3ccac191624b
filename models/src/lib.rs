//! From text to a trained transformer and back: data, model, training step, devices, Hugging Face files.
//!
//! The state of a model is one flat `f32` vector in checkpoint order ([`layout`]) everywhere: the fused CPU operations
//! ([`fused`]) work on it in place, accelerators hold it as one tensor ([`plain`], [`trainer`]), checkpoints
//! ([`huggingface`]) are its slices under Hugging Face's names.
//!
//! ```text
//! data ─► Batch ─► Trainer ─► flat vector ─► huggingface, generate
//!                    │
//!          device ───┴─ fused (CPU) or plain (any other device) + optimizer
//! ```
//!
//! Everything that decides which numbers come out (initial parameters, batches, schedule) is a pure function of its
//! arguments and the same on every machine.

pub mod batch;
pub mod bench;
pub mod config;
pub mod data;
pub mod device;
pub mod error;
mod files;
pub mod fused;
pub mod generate;
pub mod huggingface;
pub mod initialize;
pub mod layout;
pub mod memory;
pub mod optimizer;
pub mod plain;
pub mod probe;
pub mod random;
pub mod schedule;
pub mod tokenizer;
pub mod trainer;

pub use batch::{Batch, BatchError};
pub use bench::{AdamWBench, TrainBench, bench_train};
pub use config::{ConfigError, ModelConfig};
pub use data::DataError;
pub use device::{ComputeDevice, DeviceChoice, DeviceError, DeviceReport, survey};
pub use error::ModelError;
pub use generate::{GenerateOptions, generate};
pub use huggingface::CheckpointError;
pub use initialize::initialize;
pub use layout::{Layout, TensorSpec};
pub use memory::{MemoryEstimate, available_bytes, check_memory, memory_estimate};
pub use optimizer::{AdamWConfig, OptimizerState, adamw_step, clip_gradient};
pub use plain::Precision;
pub use probe::probe_micro_batch;
pub use schedule::Schedule;
pub use tokenizer::{Tokenizer, TokenizerError};
pub use trainer::{Live, StepReport, Trainer, TrainerOptions};

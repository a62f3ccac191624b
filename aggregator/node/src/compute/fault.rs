//! Why a node's computing has no answer, told apart by what would help: another device, room on the disk, other data,
//! another start, or a report to whoever maintains this program.
//!
//! Invariant: every error that the compute thread can meet becomes one of these here, by an exhaustive `match` wherever
//! one error has several origins; so a driver decides by the variant and never by a text.

use std::error::Error;
use std::sync::Arc;

use disk::FileError;
use kernels::{ApplyError, CompressorError, DecodeError, EncodeError, UnknownCodec};
use models::data::DataError;
use models::fused::FusedError;
use models::{ModelError, huggingface};

use super::ComputeError;
use crate::checkpoint::CheckpointError;
use crate::corpus::CorpusError;
use crate::job::JobError;
use crate::measure::MeasureError;
use crate::state::StateError;

/// What lies behind a fault, shared by all who are told of it.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The device is lost, fails, or has not the memory.
    #[error("the device cannot go on; start again, or choose another one with --device: {0}")]
    Device(#[source] Cause),
    /// The disk is full or fails, or what it holds is damaged.
    #[error("the disk cannot be used; make room or mend it, then start again: {0}")]
    Disk(#[source] Cause),
    /// A text, a state, a payload or numbers that cannot be computed with.
    #[error("the data cannot be used; check the job and where they come from: {0}")]
    Data(#[source] Cause),
    /// A computation brought its thread down.
    #[error("a computation was cut short; start again, and report it if it happens again: {0}")]
    Cut(#[source] ComputeError),
    /// What this program rules out.
    #[error("this is a fault of the program; please report it: {0}")]
    Bug(#[source] Cause),
}

impl Fault {
    /// The program did what it rules out, in words.
    #[must_use]
    pub fn bug(what: &str) -> Self {
        Self::Bug(Arc::from(Box::<dyn Error + Send + Sync>::from(what)))
    }

    fn device(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Device(Arc::new(error))
    }

    fn disk(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Disk(Arc::new(error))
    }

    fn data(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Data(Arc::new(error))
    }

    fn ruled_out(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Bug(Arc::new(error))
    }
}

impl From<ComputeError> for Fault {
    fn from(error: ComputeError) -> Self {
        match error {
            ComputeError::Cut | ComputeError::Ended => Self::Cut(error),
            // Nobody may start more work than a round has.
            ComputeError::Busy => Self::ruled_out(error),
        }
    }
}

impl From<ModelError> for Fault {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Device(_)
            | ModelError::OutOfMemory { .. }
            | ModelError::DeviceFailed { .. }
            | ModelError::Fused(FusedError::Threads { .. }) => Self::device(error),
            ModelError::Checkpoint(error) => error.into(),
            ModelError::Data(error) => error.into(),
            ModelError::Config(_) | ModelError::Batch(_) | ModelError::Tokenizer(_) | ModelError::NonFinite { .. } => {
                Self::data(error)
            }
            ModelError::Fused(_) | ModelError::Length { .. } => Self::ruled_out(error),
        }
    }
}

impl From<DataError> for Fault {
    fn from(error: DataError) -> Self {
        match error {
            // Windows are drawn from those that there are.
            DataError::NoSuchWindow { .. } => Self::ruled_out(error),
            _ => Self::data(error),
        }
    }
}

impl From<CorpusError> for Fault {
    fn from(error: CorpusError) -> Self {
        match error {
            CorpusError::File(error) => error.into(),
            CorpusError::Data(error) => error.into(),
            _ => Self::data(error),
        }
    }
}

impl From<huggingface::CheckpointError> for Fault {
    fn from(error: huggingface::CheckpointError) -> Self {
        match error {
            huggingface::CheckpointError::Read { .. } | huggingface::CheckpointError::Write { .. } => Self::disk(error),
            _ => Self::data(error),
        }
    }
}

impl From<CheckpointError> for Fault {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::File(error) => error.into(),
            CheckpointError::Model(error) => error.into(),
            CheckpointError::State { .. } | CheckpointError::Damaged { .. } | CheckpointError::None { .. } => {
                Self::data(error)
            }
        }
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Encode { .. } => Self::ruled_out(error),
            _ => Self::disk(error),
        }
    }
}

impl From<JobError> for Fault {
    fn from(error: JobError) -> Self {
        Self::data(error)
    }
}

impl From<UnknownCodec> for Fault {
    fn from(error: UnknownCodec) -> Self {
        Self::data(error)
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Device { .. } => Self::device(error),
            _ => Self::data(error),
        }
    }
}

impl From<CompressorError> for Fault {
    fn from(error: CompressorError) -> Self {
        match error {
            CompressorError::Encode(EncodeError::Device { .. })
            | CompressorError::Decode(DecodeError::Device { .. })
            | CompressorError::Device { .. }
            | CompressorError::NoDevice => Self::device(error),
            CompressorError::Encode(EncodeError::NonFinite { .. }) | CompressorError::Decode(_) => Self::data(error),
            CompressorError::WrongElements { .. } | CompressorError::NothingPending => Self::ruled_out(error),
        }
    }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Apply(ApplyError::Device { .. }) => Self::device(error),
            StateError::Apply(_) | StateError::NonFinite { .. } | StateError::Size { .. } | StateError::Hash { .. } => {
                Self::data(error)
            }
        }
    }
}

impl From<MeasureError> for Fault {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::Model(error) => error.into(),
            MeasureError::Data(error) => error.into(),
            MeasureError::Job(error) => error.into(),
            MeasureError::Codec(error) => error.into(),
            MeasureError::State(error) => error.into(),
            MeasureError::Decode(DecodeError::Device { .. }) => Self::device(error),
            MeasureError::Gated(_) => Self::data(error),
            MeasureError::Missing(_) | MeasureError::Decode(_) => Self::ruled_out(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::path::Path;

    #[test]
    fn a_fault_says_what_would_do_and_keeps_its_cause() {
        let full = FileError::io("write", Path::new("a"))(io::Error::from(io::ErrorKind::StorageFull));
        let text = full.to_string();
        let fault = Fault::from(full);
        assert!(matches!(fault, Fault::Disk(_)));
        assert!(fault.to_string().contains("make room") && fault.to_string().ends_with(&text), "{fault}");
        let Fault::Disk(cause) = fault.clone() else { panic!("{fault}") };
        assert!(matches!(cause.downcast_ref::<FileError>(), Some(FileError::Io { .. })));
        assert_eq!(fault.source().unwrap().to_string(), text);
        let system = fault.source().unwrap().source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(system.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn one_error_of_several_origins_is_told_apart() {
        let device = || ModelError::DeviceFailed { device: "wgpu".to_owned(), message: "lost".to_owned() };
        assert!(matches!(Fault::from(MeasureError::Model(device())), Fault::Device(_)));
        assert!(matches!(Fault::from(ModelError::NonFinite { what: "loss", step: 3 }), Fault::Data(_)));
        assert!(matches!(Fault::from(ModelError::Length { what: "v", found: 1, expected: 2 }), Fault::Bug(_)));
        let lost = || EncodeError::Device { reason: "lost".to_owned() };
        assert!(matches!(Fault::from(CompressorError::Encode(lost())), Fault::Device(_)));
        let diverged = EncodeError::NonFinite { index: 7 };
        assert!(matches!(Fault::from(CompressorError::Encode(diverged)), Fault::Data(_)));
        assert!(matches!(Fault::from(CompressorError::NothingPending), Fault::Bug(_)));
        assert!(matches!(Fault::from(ComputeError::Cut), Fault::Cut(_)));
        assert!(matches!(Fault::from(ComputeError::Busy), Fault::Bug(_)));
        assert!(matches!(Fault::bug("two verdicts on one payload"), Fault::Bug(_)));
    }
}

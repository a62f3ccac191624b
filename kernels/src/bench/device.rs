//! The rows of a device, for callers that need not know whether this build has kernels for one.

#[cfg(feature = "cube")]
pub use crate::cube::bench::{identity, run};
#[cfg(not(feature = "cube"))]
pub use absent::{identity, run};

#[cfg(not(feature = "cube"))]
mod absent {
    use crate::bench::{BenchError, Options, Row};

    /// None: this build knows no device.
    #[must_use]
    pub fn identity<T>(_device: &T) -> Option<(String, String)> {
        None
    }

    /// Times nothing.
    ///
    /// # Errors
    /// [`BenchError::NoDevice`].
    pub fn run<T>(_options: &Options, _device: &T, _done: impl FnMut(Row)) -> Result<(), BenchError> {
        Err(BenchError::NoDevice)
    }
}

//! The quick path on the host: chunks over all cores, loops over all lanes of a vector unit.
//!
//! Bodies are made and read in `body`, a residual is compressed in `residual`; the aggregate is planned in `aggregate`,
//! summed a chunk at a time in `sums` and taken off the state in `outer`; scoring reads `scan`, whose products are
//! those of `products`. Below them lie one chunk (`chunk`), 64 elements (`words`) and one number (`magnitude`,
//! `rounding`, `scalar`).
//!
//! Invariant: the results are those of [`crate::reference`], bit for bit, whatever the threads and the vector units.

pub(crate) mod aggregate;
pub(crate) mod body;
pub(crate) mod chunk;
pub(crate) mod magnitude;
pub(crate) mod outer;
pub(crate) mod products;
mod residual;
pub(crate) mod rounding;
mod scalar;
pub(crate) mod scan;
mod sums;
pub(crate) mod words;

pub use aggregate::{CLIP_MAX, MEMBERS_MAX, Summand, WEIGHT_MAX};
pub use body::{check, decode, encode, encode_rounded, subtract, validate};
pub use outer::{ALPHA_MAX, OuterStep, apply, apply_into, mean, mean_into};
pub use products::{Clipped, DotSum};
pub use residual::{accumulate, compress, restore};
pub use rounding::Rounding;
pub use scalar::Scalar;
pub use scan::{coordinates, dot, dot_sum, norm, overlap};

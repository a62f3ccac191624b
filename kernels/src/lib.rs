//! Compression and exact aggregation of pseudo-gradients.
//!
//! A contribution is a vector of f32 that is cut into chunks of [`CHUNK`] elements and encoded by a [`Codec`] into a
//! body of fixed size; [`seal`] puts the [`Header`] before it. The whole format, and the arithmetic that turns
//! contributions into the next state, is specified in `FORMAT.md` beside this crate.
//!
//! Invariants:
//! - From the residual on everything is integer arithmetic, so that every device encodes the same values into the same
//!   bytes and every device computes the same state from the same bodies, in any order of the bodies.
//! - Nothing that a peer can send makes a function here panic, nor allocate more than the layout implies: a body is
//!   valid exactly when [`validate`] says so, and every refusal has a variant of its own in [`DecodeError`].
//! - [`reference`] is the scalar truth; the host path and the kernels in `cube` must equal it bit for bit.

mod aggregate;
mod archive;
pub mod bench;
mod body;
mod chunk;
mod codec;
mod compressor;
#[cfg(feature = "cube")]
pub mod cube;
mod error;
mod hash;
mod header;
mod magnitude;
mod outer;
mod products;
pub mod reference;
mod residual;
mod rounding;
mod scalar;
mod scan;
pub mod simd;
mod sums;

pub use aggregate::{CLIP_MAX, TERMS_MAX, Term, WEIGHT_MAX};
pub use archive::{
    ARCHIVE_HEADER_BYTES, ARCHIVE_VERSION, ArchiveError, archive, is_archive, open_archive, seal_archive, unarchive,
};
pub use body::{decode, encode, encode_rounded, subtract, validate};
pub use codec::{CHUNK, Codec, UnknownCodec};
pub use compressor::{Compressor, CompressorError};
pub use error::{ApplyError, DecodeError, EncodeError};
pub use hash::state_hash;
pub use header::{Expected, HEADER_BYTES, Header, VERSION, check, parse, seal};
pub use outer::{ALPHA_MAX, OuterStep, apply, apply_into, mean, mean_into};
pub use products::MEMBERS_MAX;
pub use residual::{accumulate, compress, restore};
pub use rounding::Rounding;
pub use scalar::Scalar;
pub use scan::{Clipped, DotSum, coordinates, dot, dot_sum, norm, overlap};

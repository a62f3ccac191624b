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

mod archive;
pub mod bench;
mod compressor;
#[cfg(feature = "cube")]
pub mod cube;
mod format;
mod host;
pub mod reference;

pub use archive::{
    ARCHIVE_HEADER_BYTES, ARCHIVE_VERSION, ArchiveError, archive, is_archive, open_archive, seal_archive, unarchive,
};
pub use compressor::{Compressor, CompressorError, Local};
pub use format::{
    ApplyError, CHUNK, Codec, DecodeError, EncodeError, Expected, HEADER_BYTES, Header, UnknownCodec, VERSION, parse,
    seal, state_hash,
};
pub use host::{
    ALPHA_MAX, CLIP_MAX, Clipped, DotSum, MEMBERS_MAX, OuterStep, Rounding, Scalar, Summand, WEIGHT_MAX, accumulate,
    apply, apply_into, check, compress, coordinates, decode, dot, dot_sum, encode, encode_rounded, mean, mean_into,
    norm, overlap, restore, subtract, validate,
};

//! What stands on the wire and what a state is called: codecs, headers, refusals, the hash.
//!
//! Invariant: no arithmetic on values; sizes, names and reasons are functions of codec and elements alone.

mod codec;
mod error;
mod hash;
mod header;

pub(crate) use codec::{BLOCK, BLOCKS, chunks, real_elements};
pub use codec::{CHUNK, Codec, UnknownCodec};
pub use error::{ApplyError, DecodeError, EncodeError};
pub use hash::state_hash;
pub use header::{Expected, HEADER_BYTES, Header, VERSION, parse, seal};
pub(crate) use header::{compare, read};

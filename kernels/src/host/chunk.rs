//! One chunk at a time: the quick host code, called from one thread or many.
//!
//! Invariant: a chunk is encoded and decoded without a look at any other, so the order of chunks changes nothing.

pub(crate) mod bits;
pub(crate) mod dense;
pub(crate) mod plain;
pub(crate) mod select;
pub(crate) mod topk;

//! The host path against the format: an implementation of its own in exact numbers, hostile bytes, the hard cases.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod aggregate;
#[path = "../shared/cases.rs"]
mod cases;
mod codecs;
mod hostile;
mod levels;
mod naive;
mod scan;
mod vectors;

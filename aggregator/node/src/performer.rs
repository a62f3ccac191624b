//! What the two drivers of a session remember, as state machines without I/O: effects out, completions in.
//!
//! A performer holds a core of the protocol and everything that its driver has to know besides: which blobs are served
//! and until when, what must be on the disk before what is said, which work is under way. A driver carries out the
//! effects in their order and hands in what came of them; so the simulation runs all of this, and only links, clocks,
//! disks and tensors are stand-ins there.
//!
//! Invariants: effects are carried out one after the other, in the order given; an effect that starts work (training,
//! fetching, measuring) is done when the work has started, and its end comes back as an input; nothing behind a flush
//! is handed out before the flush is told to be over.

mod clock;
mod gate;
pub mod leader;
pub mod member;

use std::sync::Arc;
use std::time::Duration;

pub use gate::Ticket;

/// Finished work that may wait for a driver's loop; each kind is under way a few times at once at most.
pub const DONE_MAX: usize = 1024;
/// The longest fetch of one payload or state; the core's own deadline is usually shorter.
pub const FETCH_DEADLINE: Duration = Duration::from_secs(600);

/// Bytes that peers fetch by their hash: a payload or a state.
pub type Blob = Arc<Vec<u8>>;

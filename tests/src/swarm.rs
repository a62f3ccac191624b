//! Whole sessions in virtual time: the production performers of aggregator and workers, with stand-ins for links,
//! clocks and disks, and for tensors a [`body`]: hashes ([`toy`]) or real kernels and measuring ([`micro`]).
//!
//! Invariants: a seed is the whole story; a process may die before any effect and comes back from what is on its disk;
//! what may never happen is checked while it would ([`oracle`]); a mistake that is planted on purpose ([`plant`]) is
//! caught.

pub mod body;
mod faults;
mod leader;
mod links;
pub mod micro;
pub mod oracle;
pub mod plant;
mod random;
pub mod toy;
mod worker;
pub mod world;

pub use plant::Plant;
pub use world::{Faults, Figures, World};

//! What belongs to one machine: nothing here changes what is trained, and no fingerprint covers it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The settings of one process on one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// `auto`, `cpu`, `wgpu[:n]` or `cuda[:n]`; empty is `auto`.
    pub device: String,
    /// Whether a CPU is refused.
    pub require_gpu: bool,
    /// CPU threads; absent for all of them.
    pub threads: Option<usize>,
    /// Sequences of one forward pass; absent to probe.
    pub micro_batch: Option<usize>,
    /// Multiaddresses to listen on; empty for all interfaces and any port.
    pub listen: Vec<String>,
    /// The run directory; absent for one made from the session.
    pub run_dir: Option<PathBuf>,
}

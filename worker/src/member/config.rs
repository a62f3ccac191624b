//! What a worker process is told: nothing of the job, which comes from the aggregator with the welcome.

use std::path::PathBuf;

use models::DeviceChoice;
use protocol::Invite;

/// The settings of one worker on one machine.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Where to join and as what.
    pub invite: Invite,
    /// Multiaddresses to listen on, for the peers that fetch from here.
    pub listen: Vec<String>,
    /// Where the worker keeps its key and all that survives a restart; used by one process at a time.
    pub directory: PathBuf,
    /// Which device trains.
    pub device: DeviceChoice,
    /// Whether a CPU is refused.
    pub require_gpu: bool,
    /// CPU threads; absent for all cores.
    pub threads: Option<usize>,
    /// Where fetched data shards are kept, by hash.
    pub data_cache: PathBuf,
}

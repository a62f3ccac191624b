//! The aggregator as a process: the thin loop around its performer ([`node::performer::leader`]), which holds the
//! protocol's coordinator and all that has to be remembered beside it.
//!
//! Three owners: this task (the performer, the disk, the books of [`reporting`]), the network task behind
//! [`network::Network`], and the compute thread that owns trainer and state ([`desk`]). Messages, answers and time go
//! into the performer; its effects come out and are carried out in their order ([`session`]). Everything that a restart
//! needs is in the run directory ([`opening`]).

use std::path::PathBuf;

use anyhow::Context;
use models::{DeviceChoice, device};
use network::{BlobStore, Network, NetworkConfig};
use node::compute::ComputeThread;
use node::job::Job;
use protocol::Invite;
use record::events::{Event, Events, Listening};
use tokio_util::sync::CancellationToken;

mod desk;
mod opening;
mod reporting;
mod session;

pub use reporting::LedgerConfig;

use opening::Opened;
use reporting::Reporting;
use session::Session;

/// The settings of one aggregator.
#[derive(Clone, Debug)]
pub struct AggregatorConfig {
    /// Where everything is kept.
    pub run_dir: PathBuf,
    /// Whether that directory holds a run to continue.
    pub resume: bool,
    /// The job of a new run; a resumed one has its own.
    pub job: Job,
    /// Text of a new run; empty for the job's own or the default text.
    pub data: Vec<PathBuf>,
    /// A checkpoint in Hugging Face's form to start a new run from.
    pub init: Option<PathBuf>,
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Further multiaddresses under which workers can reach this machine.
    pub announce: Vec<String>,
    /// The ledger that the session is reported to.
    pub ledger: Option<LedgerConfig>,
    /// Which device scores and evaluates.
    pub device: DeviceChoice,
    /// Whether a CPU is refused.
    pub require_gpu: bool,
    /// CPU threads; absent for all cores.
    pub threads: Option<usize>,
}

/// Leads the session until its last round is committed or `shutdown` is cancelled.
///
/// # Errors
/// What stops the aggregator: an unusable directory, text, device, port or disk, each with what would do.
pub async fn run(config: AggregatorConfig, events: Events, shutdown: CancellationToken) -> anyhow::Result<()> {
    let report = device::survey(&config.device, config.require_gpu, config.threads)?;
    events.emit(Event::Devices(node::devices(&report)));
    let opening = {
        let (config, events) = (config.clone(), events.clone());
        tokio::task::spawn_blocking(move || opening::open(&config, &report, &events))
    };
    // The text of a large run takes a while to read; a stop must not wait for it.
    let opened = tokio::select! {
        opened = opening => opened.context("opening the run was cut short")??,
        () = shutdown.cancelled() => return Ok(()),
    };
    let Opened { place, desk, resume, start, rounds } = opened;
    events.emit(Event::Run(start));

    let blobs = BlobStore::new();
    let mut network_config = NetworkConfig::new(place.secret, place.genesis.network);
    network_config.listen.clone_from(&config.listen);
    let (network, inbox) = Network::start(network_config, blobs, shutdown.child_token()).await?;
    let served = place.serve(&network, desk.state())?;
    let mut addresses = network.listen_addresses();
    addresses.extend(config.announce.iter().cloned());
    let invite = place.invite(addresses.clone());
    let run_dir = place.run.root().display().to_string();
    events.emit(Event::Listening(Listening { invite: invite.to_string(), run_dir, addresses }));

    let reporting = Reporting::open(&place, &rounds, config.ledger.as_ref(), events.clone(), &shutdown)?;
    let compute = ComputeThread::spawn("compute", desk)?;
    let result =
        Session::run((place, reporting, (resume, served)), (network.clone(), compute, events), inbox, &shutdown).await;
    shutdown.cancel();
    network.stopped().await;
    result
}

impl opening::Place {
    /// The one string that admits a worker.
    fn invite(&self, addresses: Vec<String>) -> Invite {
        Invite {
            addresses,
            aggregator: self.genesis.aggregator,
            network: self.genesis.network,
            session: self.genesis.session,
            token: self.token,
        }
    }
}

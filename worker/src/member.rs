//! The worker as a process: the thin loop around [`protocol::Member`].
//!
//! Three owners: this task (the core, the disk's records), the network task behind [`network::Network`], and the compute
//! thread that owns trainer, residual and state ([`learner`]). What survives a restart is in [`directory`], written by
//! [`writer`].

use models::{DeviceReport, device};
use network::{BlobStore, Network, NetworkConfig};
use node::compute::ComputeThread;
use record::events::{Event, Events, Warning};
use tokio_util::sync::CancellationToken;

mod config;
mod directory;
mod join;
mod learner;
mod offers;
mod session;
mod starting;
mod writer;

pub use config::WorkerConfig;

use directory::Directory;
use join::Joined;
use offers::Offers;
use session::Session;

/// Trains for the swarm until the run is over or `shutdown` is cancelled.
///
/// # Errors
/// What stops the worker: an unusable directory or device, a refusal of the aggregator, each with what would do.
pub async fn run(config: WorkerConfig, events: Events, shutdown: CancellationToken) -> anyhow::Result<()> {
    let report = device::survey(&config.device, config.require_gpu, config.threads)?;
    events.emit(Event::Devices(node::devices(&report)));
    let keepsake = Directory::open(&config.directory)?;
    let _lock = disk::DirectoryLock::acquire(&config.directory, "worker")?;
    let fresh = disk::random_bytes()?;
    let secret = keepsake.secret(|| fresh)?;

    let mut network_config = NetworkConfig::new(secret, config.invite.network);
    network_config.listen.clone_from(&config.listen);
    let (network, inbox) = Network::start(network_config, BlobStore::new(), shutdown.child_token()).await?;
    let result = take_part(&config, report, keepsake, secret, network.clone(), inbox, events, &shutdown).await;
    shutdown.cancel();
    network.stopped().await;
    result
}

#[allow(clippy::too_many_arguments, reason = "one caller; what it hands over was just made")]
async fn take_part(
    config: &WorkerConfig,
    report: DeviceReport,
    keepsake: Directory,
    secret: [u8; 32],
    network: Network,
    mut inbox: tokio::sync::mpsc::Receiver<network::NetworkEvent>,
    events: Events,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let hello = join::hello(&config.invite, &report, network.listen_addresses());
    let joining = join::join(&network, &mut inbox, config, &hello);
    let joined = tokio::select! {
        joined = joining => joined?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let Some(Joined { welcome, job, split, state }) = joined else {
        events.emit(Event::Warning(Warning { message: "the run is over already".to_owned() }));
        return Ok(());
    };
    events.emit(Event::Joined(record::events::Joined {
        worker: network.worker().to_string(),
        members: welcome.head.as_ref().map_or(1, |head| head.roster.members.len()),
    }));
    let started = starting::start(keepsake, &secret, config, &welcome, job, split, state, &report, &network)?;
    for message in started.notes {
        events.emit(Event::Warning(Warning { message }));
    }
    let account = crate::commands::wallet::account(&config.directory, &secret)?;
    let offers = Offers::new(account, network.worker(), report.chosen.threads());
    let kept = started.learner.keeper.kept();
    let compute = ComputeThread::spawn("compute", started.learner)?;
    let session =
        Session::new(started.member, started.records, kept, config, hello, network, compute, events, started.limit);
    if let Some(conditions) = welcome.ledger {
        crate::commands::claim::keep_session(&config.directory, &welcome.session, &conditions)?;
    }
    let session = session.with_ledger(offers, welcome.ledger);
    session.run(inbox, shutdown).await
}

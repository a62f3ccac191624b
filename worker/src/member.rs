//! The worker as a process: the thin loop around [`protocol::Member`].
//!
//! Three owners: this task (the core, the disk's records), the network task behind [`network::Network`], and the compute
//! thread that owns trainer, residual and state ([`learner`]). What survives a restart is in [`keepsake`], written by
//! [`keeper`].

use aggregator::compute::ComputeThread;
use aggregator::events::{Devices, Event, Events, Warning};
use models::{DeviceReport, device};
use network::{BlobStore, Network, NetworkConfig};
use tokio_util::sync::CancellationToken;

use crate::config::WorkerConfig;

mod join;
mod keeper;
mod keepsake;
mod learner;
mod offers;
mod session;
mod starting;

use join::Joined;
use keepsake::Keepsake;
use offers::Offers;
use session::Session;

/// Trains for the swarm until the run is over or `shutdown` is cancelled.
///
/// # Errors
/// What stops the worker: an unusable directory or device, a refusal of the aggregator, each with what would do.
pub async fn run(config: WorkerConfig, events: Events, shutdown: CancellationToken) -> anyhow::Result<()> {
    let report = device::survey(&config.device, config.require_gpu, config.threads)?;
    events.emit(Event::Devices(Devices::of(&report)));
    let keepsake = Keepsake::open(&config.directory)?;
    let _lock = aggregator::lock::DirectoryLock::acquire(&config.directory, "worker")?;
    let fresh = aggregator::files::random_bytes()?;
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
    keepsake: Keepsake,
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
    events.emit(Event::Joined(aggregator::events::Joined {
        worker: network.worker().to_string(),
        members: welcome.head.as_ref().map_or(1, |head| head.roster.members.len()),
    }));
    let started = starting::start(keepsake, &secret, config, &welcome, job, split, state, &report, &network)?;
    for message in started.notes {
        events.emit(Event::Warning(Warning { message }));
    }
    let account = crate::wallet::account(&config.directory, &secret)?;
    let offers = Offers::new(account, network.worker(), report.chosen.threads());
    let kept = started.learner.keeper.kept();
    let compute = ComputeThread::spawn("compute", started.learner)?;
    let session =
        Session::new(started.member, started.records, kept, config, hello, network, compute, events, started.limit);
    if let Some(terms) = welcome.ledger {
        crate::claim::keep_session(&config.directory, &welcome.session, &terms)?;
    }
    let session = session.with_ledger(offers, welcome.ledger);
    session.run(inbox, shutdown).await
}

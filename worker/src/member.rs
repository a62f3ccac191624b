//! The worker as a process: the thin loop around its performer ([`node::performer::member`]), which holds the
//! protocol's core of a worker and all that has to be remembered beside it.
//!
//! Four owners: this task (the performer, the disk's records), the network task behind [`network::Network`], the
//! compute thread that owns trainer, residual and state ([`node::learner`]), and the thread that writes the large files
//! ([`writer`]). Messages and answers go into the performer; its effects come out and are carried out in their order
//! ([`session`]). What survives a restart is in [`directory`].

use models::{DeviceReport, device};
use network::{BlobStore, Network, NetworkConfig, NetworkEvent};
use record::events::{Event, Events, Warning};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod config;
mod directory;
mod join;
mod offers;
mod session;
mod starting;
mod writer;

pub use config::WorkerConfig;

use directory::Directory;
use offers::Offers;
use session::Session;

/// Trains for the swarm until the run is over or `shutdown` is cancelled.
///
/// # Errors
/// What stops the worker: an unusable directory or device, a refusal of the aggregator, each with what would do.
pub async fn run(config: WorkerConfig, events: Events, shutdown: CancellationToken) -> anyhow::Result<()> {
    let report = device::survey(&config.device, config.require_gpu, config.threads)?;
    events.emit(Event::Devices(node::devices(&report)));
    let directory = Directory::open(&config.directory)?;
    let _lock = disk::DirectoryLock::acquire(&config.directory, "worker")?;
    let fresh = disk::random_bytes()?;
    let secret = directory.secret(|| fresh)?;

    let mut network_config = NetworkConfig::new(secret, config.invite.network);
    network_config.listen.clone_from(&config.listen);
    let (network, inbox) = Network::start(network_config, BlobStore::new(), shutdown.child_token()).await?;
    let machine = Machine { config, report, directory, secret, network, events };
    let result = machine.take_part(inbox, &shutdown).await;
    shutdown.cancel();
    machine.network.stopped().await;
    result
}

/// A worker before it knows of any session: the facts that its process begins with.
struct Machine {
    config: WorkerConfig,
    report: DeviceReport,
    directory: Directory,
    secret: [u8; 32],
    network: Network,
    events: Events,
}

impl Machine {
    async fn take_part(
        &self,
        mut inbox: mpsc::Receiver<NetworkEvent>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let Self { config, report, network, events, .. } = self;
        let hello = join::hello(&config.invite, report, network.listen_addresses());
        let joining = join::join(network, &mut inbox, config, &hello);
        let joined = tokio::select! {
            joined = joining => joined?,
            () = shutdown.cancelled() => return Ok(()),
        };
        let Some(joined) = joined else {
            events.emit(Event::Warning(Warning { message: "the run is over already".to_owned() }));
            return Ok(());
        };
        events.emit(Event::Joined(record::events::Joined {
            worker: network.worker().to_string(),
            members: joined.welcome.head.as_ref().map_or(1, |head| head.roster.members.len()),
        }));
        let (session, ledger) = (joined.welcome.session, joined.welcome.ledger);
        let mut started = starting::start(self, joined)?;
        for message in std::mem::take(&mut started.notes) {
            events.emit(Event::Warning(Warning { message }));
        }
        if let Some(conditions) = ledger {
            crate::commands::claim::keep_session(&config.directory, &session, &conditions)?;
        }
        let account = crate::commands::wallet::account(&config.directory, &self.secret)?;
        let offers = Offers::new(account, network.worker(), report.chosen.threads());
        Session::new(self, hello, started, offers)?.run(inbox, shutdown).await
    }
}

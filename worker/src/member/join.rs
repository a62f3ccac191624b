//! Joining: hello until welcome, then what a worker needs before its first round: the job, the data, the state.

use std::time::Duration;

use anyhow::{Context, bail};
use models::DeviceReport;
use models::data::{self, Split};
use network::{Network, NetworkEvent};
use node::corpus;
use node::job::Job;
use node::state::OuterRule;
use protocol::message::{DataShard, HelloRefusal, Welcome};
use protocol::{Hash, Hello, HelloReply, Invite, NetworkId, PROTOCOL_VERSION};
use tokio::sync::mpsc;

use crate::member::WorkerConfig;

/// How long one attempt to reach the aggregator may take before the next.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// The wait between attempts.
const RETRY: Duration = Duration::from_millis(500);
/// The longest transfer of a data shard or a state.
const FETCH_DEADLINE: Duration = Duration::from_secs(3600);

/// An admitted worker's beginnings.
pub(super) struct Joined {
    pub(super) welcome: Welcome,
    pub(super) job: Job,
    pub(super) split: Split,
    /// The state that the welcome names, as bytes that have its hash.
    pub(super) state: Vec<u8>,
}

/// What this worker says of itself.
pub(super) fn hello(invite: &Invite, report: &DeviceReport, addresses: Vec<String>) -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION,
        network: invite.network,
        token: invite.token,
        device: report.chosen.description(),
        addresses,
    }
}

/// Says hello until the aggregator answers, then fetches job, data and state; nothing when the run is over.
pub(super) async fn join(
    network: &Network,
    inbox: &mut mpsc::Receiver<NetworkEvent>,
    config: &WorkerConfig,
    hello: &Hello,
) -> anyhow::Result<Option<Joined>> {
    let invite = &config.invite;
    network.admit(invite.aggregator);
    let welcome = loop {
        match greet(network, inbox, invite, hello).await {
            Ok(HelloReply::Welcome(welcome)) => break *welcome,
            Ok(HelloReply::Refused(HelloRefusal::Finished)) => return Ok(None),
            Ok(HelloReply::Refused(refusal)) => bail!("the aggregator refused this worker: {refusal}"),
            Err(error) => tracing::info!(error, "the aggregator is not there yet, trying again"),
        }
        tokio::time::sleep(RETRY).await;
    };
    let job = Job::parse(&welcome.job).context("the aggregator's job")?;
    if NetworkId(job.fingerprint()?) != invite.network {
        bail!("the aggregator's job is not the one that the invite stands for; ask for a new invite");
    }
    let split = fetch_data(network, config, &job, &welcome.data_shards).await?;
    let rule = OuterRule::of(&job)?;
    let state = fetch(network, invite, welcome.state_hash, rule.state_bytes() as u64).await?;
    Ok(Some(Joined { welcome, job, split, state }))
}

/// One attempt; messages that come before the welcome are repeated by the aggregator, so they may go.
async fn greet(
    network: &Network,
    inbox: &mut mpsc::Receiver<NetworkEvent>,
    invite: &Invite,
    hello: &Hello,
) -> Result<HelloReply, String> {
    while inbox.try_recv().is_ok() {}
    let connected = network.connect(invite.aggregator, &invite.addresses, CONNECT_DEADLINE).await;
    connected.map_err(|error| error.to_string())?;
    network.hello(invite.aggregator, hello).await.map_err(|error| error.to_string())
}

/// The data shards, from the cache or the aggregator, checked by hash.
async fn fetch_data(
    network: &Network,
    config: &WorkerConfig,
    job: &Job,
    shards: &[DataShard],
) -> anyhow::Result<Split> {
    let vocabulary = job.model.config()?.vocab_size;
    let mut tokens = Vec::new();
    for shard in shards {
        let path = config.data_cache.join(format!("{}.tokens", shard.hash));
        let kept = disk::read_bounded(&path, shard.bytes.min(corpus::SHARD_BYTES_MAX)).ok();
        let bytes = match kept.filter(|bytes| Hash::of(bytes) == shard.hash) {
            Some(bytes) => bytes,
            None => {
                let bytes = fetch(network, &config.invite, shard.hash, corpus::SHARD_BYTES_MAX).await?;
                disk::create_directory(&config.data_cache)?;
                disk::write_atomic(&path, &bytes)?;
                bytes
            }
        };
        tokens.extend(corpus::parse(&bytes, &shard.hash, vocabulary)?.tokens);
    }
    Ok(data::split(&tokens, job.train.sequence_length)?)
}

async fn fetch(network: &Network, invite: &Invite, hash: Hash, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let holders = [invite.aggregator];
    let fetched = network.fetch_blob(hash, bytes_max, &holders, network.blobs(), FETCH_DEADLINE).await;
    let bytes = fetched.with_context(|| format!("{hash} could not be fetched from the aggregator"))?.bytes;
    Ok(bytes.to_vec())
}

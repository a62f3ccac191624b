//! The ledger of a swarm on one machine: embedded, kept in the run directory, without any account to open.
//!
//! `up` serves it, so that it outlives a death of the aggregator; the aggregator reports to it as it would to any
//! other.

use std::net::SocketAddr;

use anyhow::Context;
use contract::Address;
use ledger_client::{Account, Call, Ceilings, Client, Home};
use ledger_embedded::Options;
use node::job::Job;
use record::RunDirectory;

use crate::commands::ledger::node::Node;

/// Coins of gas for the aggregator, in octas: ten thousand coins, which no run uses up.
const AGGREGATOR_GAS: u64 = 1_000_000_000_000;

/// A running ledger that the aggregator may report to.
pub struct SwarmLedger {
    node: Node,
}

impl SwarmLedger {
    /// Starts the ledger of a run and makes the aggregator a reporter with the session's pool in hand.
    ///
    /// # Errors
    /// When the ledger cannot be opened or refuses what its own admin asks.
    pub async fn start(run: &RunDirectory, job: &Job, claim_delay_s: u64) -> anyhow::Result<Self> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let node = Node::start(&run.ledger_node(), Options::default(), listen)?;
        // Made here when the aggregator has not run yet.
        let aggregator = Account::from_secret(&run.random_secret("identity")?).address();
        let swarm = Self { node };
        swarm.prepare(aggregator, job, claim_delay_s).await.context("the ledger of this swarm cannot be set up")?;
        Ok(swarm)
    }

    /// Where it is found.
    pub fn home(&self) -> Home {
        self.node.home()
    }

    /// Lets open requests finish.
    pub async fn end(self) {
        self.node.end().await;
    }

    /// What a resumed run finds done already is left alone.
    async fn prepare(&self, aggregator: Address, job: &Job, claim_delay_s: u64) -> anyhow::Result<()> {
        let client = Client::connect(self.home(), Ceilings::default()).await?;
        if client.is_reporter(aggregator).await? {
            return Ok(());
        }
        let section = &job.rewards;
        let rules = Call::ConfigureRewards {
            base_percentage: section.base_percentage,
            bonus_percentage: section.bonus_percentage,
            quality_threshold: section.quality_threshold,
        };
        let admin = self.node.admin();
        self.node.mint(aggregator, AGGREGATOR_GAS, section.pool).await?;
        let delay = Call::SetClaimDelay { claim_delay_s };
        for call in [rules, delay, Call::SetReporter { reporter: aggregator, allowed: true }] {
            let receipt = client.submit(&admin, &call).await?;
            anyhow::ensure!(receipt.success, "{} was refused: {}", call.function(), receipt.vm_status);
        }
        Ok(())
    }
}

//! An embedded ledger that this process serves, for as long as it lives.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use contract::Address;
use ledger_client::{Account, Home};
use ledger_embedded::{Ledger, Options};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a mint may take: one flush of the disk.
const MINT_DEADLINE: Duration = Duration::from_secs(10);

/// A served ledger.
pub struct Node {
    ledger: Ledger,
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Node {
    /// Opens the ledger in `folder`, or begins one there, and serves it.
    ///
    /// # Errors
    /// When the folder holds another ledger or a damaged one, or the address is taken.
    pub fn start(folder: &Path, options: Options, listen: SocketAddr) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let ledger = Ledger::open(folder, options)
            .with_context(|| format!("the ledger in {} cannot be opened", folder.display()))?;
        let (address, serving) = ledger_embedded::serve(ledger.clone(), listen, stop.clone())?;
        Ok(Self { ledger, address, stop, served: tokio::spawn(serving) })
    }

    /// Where it is found.
    pub fn home(&self) -> Home {
        let chain_id = self.ledger.options().chain_id;
        Home { url: format!("http://{}/v1", self.address), chain_id, module: self.ledger.module() }
    }

    /// The contract's admin.
    pub fn admin(&self) -> Account {
        Account::from_secret(&self.ledger.admin().private_key().to_bytes())
    }

    /// Gives so much gas, in octas, and so many units of the reward asset to an account.
    ///
    /// # Errors
    /// When the ledger has stopped, or no more may exist.
    pub async fn mint(&self, to: Address, gas: u64, reward: u64) -> anyhow::Result<()> {
        let hash = self.ledger.mint(to, gas, reward)?;
        self.ledger.wait(&hash, MINT_DEADLINE).await.context("the ledger did not answer in time")?;
        Ok(())
    }

    /// Lets open requests finish.
    pub async fn end(self) {
        self.stop.cancel();
        // A task that failed serves nothing any more.
        let _ = self.served.await;
    }
}

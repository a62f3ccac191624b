//! A served ledger that can go away and come back, and accounts on it.

pub(crate) use crate::common::{SESSION, registration};
use ledger_client::{Account, Asset, Call, Ceilings, Client, Entry, Home, Pace, Reporter, SessionConditions, Status};
use ledger_embedded::{Ledger, Options};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const FUNDS: u64 = 1_000_000_000;
pub(crate) const POOL: u64 = 10_000;

/// A ledger in a folder of its own, served on a port that stays its.
pub(crate) struct Served {
    pub(crate) ledger: Ledger,
    pub(crate) address: SocketAddr,
    server: Option<(CancellationToken, JoinHandle<()>)>,
    _folder: TempDir,
}

impl Served {
    pub(crate) fn start() -> Served {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), Options::default()).unwrap();
        let mut served = Served { ledger, address: "127.0.0.1:0".parse().unwrap(), server: None, _folder: folder };
        served.up();
        served
    }

    /// Serves, at the address that it had before.
    pub(crate) fn up(&mut self) {
        let shutdown = CancellationToken::new();
        let (address, server) = ledger_embedded::serve(self.ledger.clone(), self.address, shutdown.clone()).unwrap();
        self.address = address;
        self.server = Some((shutdown, tokio::spawn(server)));
    }

    /// Stops serving; whoever asks finds nobody.
    pub(crate) async fn down(&mut self) {
        let (shutdown, server) = self.server.take().unwrap();
        shutdown.cancel();
        server.await.unwrap();
    }

    pub(crate) fn home(&self) -> Home {
        let module = self.ledger.module();
        Home { url: format!("http://{}", self.address), chain_id: 4, module }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.home(), Ceilings::default()).unwrap()
    }

    pub(crate) fn admin(&self) -> Account {
        Account::from_secret(&self.ledger.admin().private_key().to_bytes())
    }

    /// An account with coins of both kinds.
    pub(crate) async fn funded(&self) -> Account {
        let account = Account::generate();
        self.fund(&account).await;
        account
    }

    pub(crate) async fn fund(&self, account: &Account) {
        self.client().mint(account.address(), FUNDS, Asset::Gas).await.unwrap();
        self.client().mint(account.address(), FUNDS, Asset::Reward).await.unwrap();
    }

    /// A funded account that may report.
    pub(crate) async fn reporter(&self) -> Account {
        let reporter = self.funded().await;
        self.allow(&reporter).await;
        reporter
    }

    pub(crate) async fn allow(&self, reporter: &Account) {
        let call = Call::SetReporter { reporter: reporter.address(), allowed: true };
        assert!(self.client().submit(&self.admin(), &call).await.unwrap().success);
    }

    /// A funded account with a registered node.
    pub(crate) async fn registered(&self) -> Account {
        let worker = self.funded().await;
        self.register(&worker).await;
        worker
    }

    pub(crate) async fn register(&self, worker: &Account) {
        assert!(self.client().submit(worker, &Call::RegisterNode(registration("n"))).await.unwrap().success);
    }
}

pub(crate) fn session() -> SessionConditions {
    crate::common::session(POOL)
}

pub(crate) fn contribution(of: &Account, compute_time: u64) -> Entry {
    Entry {
        worker: [0; 32],
        address: of.address().0,
        compute_time,
        gradient_quality: 95,
        data_transmitted: 10 * compute_time,
        uptime_ratio: 100,
    }
}

/// The account of a number, the same in every process.
pub(crate) fn account(number: u8) -> Account {
    Account::from_secret(&[number; 32])
}

/// The lines of a run's receipts.
pub(crate) fn lines(folder: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("receipts.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A pace at which a test does not wait.
pub(crate) const PACE: Pace = Pace {
    retry_first_ms: 20,
    retry_max_ms: 200,
    blocked_ms: 200,
    recheck_ms: 50,
    look_ms: 10,
    heartbeat_every_s: 600,
};

/// How long a test waits for what must come.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// A reporter and what stops it.
pub(crate) struct Running {
    pub(crate) reporter: Reporter,
    shutdown: CancellationToken,
}

impl Running {
    pub(crate) fn start(home: Home, account: &Account, folder: &Path) -> Running {
        let shutdown = CancellationToken::new();
        let ceilings = Ceilings::default();
        let started = Reporter::start_paced(home, account.clone(), ceilings, folder, shutdown.clone(), PACE);
        Running { reporter: started.unwrap(), shutdown }
    }

    /// Stops it, so that its folder can be opened again.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.reporter.stopped().await;
    }

    /// Waits until the status is as it should be.
    pub(crate) async fn until(&self, is: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.reporter.status();
        let waited = tokio::time::timeout(WAIT, status.wait_for(is)).await.map(|found| found.unwrap().clone());
        waited.unwrap_or_else(|_| panic!("{:?}", *self.reporter.status().borrow()))
    }

    pub(crate) async fn drained(&self) {
        assert!(self.reporter.drained(WAIT).await, "{:?}", *self.reporter.status().borrow());
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.reporter.receipts().into_iter().map(|landed| landed.key).collect()
    }
}

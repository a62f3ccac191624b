//! A ledger behind a hostile proxy, accounts on it, and its books.

use crate::common;
pub(crate) use crate::common::{SESSION, registration};
use crate::proxy::Proxy;
use aptos_sdk::account::Ed25519Account;
use aptos_sdk::crypto::Ed25519PrivateKey;
use aptos_sdk::transaction::{
    AccountAuthenticator, EntryFunction, RawTransaction, SignedTransaction, TransactionAuthenticator,
    TransactionBuilder, TransactionPayload,
};
use aptos_sdk::types::{AccountAddress, ChainId};
use contract::{Abort, Address, Value};
use ledger_client::{Account, Call, Ceilings, Client, ClientError, Entry, Home, Receipt, SessionConditions};
use ledger_embedded::{Committed, Found, Hash, Ledger, Options};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What an account is given of each coin.
pub(crate) const FUNDS: u64 = 1_000_000_000;
/// No multiple of anything that it is divided by.
pub(crate) const POOL: u64 = 99_991;
/// What the contract's delay is set to.
pub(crate) const DELAY_S: u64 = 60;
/// Longer than any transaction lives.
pub(crate) const EXPIRED_S: u64 = 61;
/// Enough for a machine with other work; nothing is timed by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An account whose key a test may misuse.
pub(crate) struct Person {
    account: Account,
    key: Ed25519Account,
}

impl Person {
    fn new(secret: &[u8; 32]) -> Person {
        let key = Ed25519PrivateKey::from_bytes(secret).unwrap();
        Person { account: Account::from_secret(secret), key: Ed25519Account::from_private_key(key) }
    }

    /// The person's signature of a message.
    pub(crate) fn sign(&self, message: &[u8]) -> AccountAuthenticator {
        let signature = self.key.sign_message(message).to_bytes().to_vec();
        AccountAuthenticator::ed25519(self.key.public_key().to_bytes().to_vec(), signature)
    }
}

impl Deref for Person {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

/// A ledger that is served, the proxy in front of it, and what was minted on it.
pub(crate) struct World {
    pub(crate) proxy: Proxy,
    ledger: Option<Ledger>,
    server: Option<(CancellationToken, JoinHandle<()>)>,
    folder: TempDir,
    options: Options,
    /// How far the ledger's clock, which stands still otherwise, was moved on, in microseconds.
    ahead_us: Arc<AtomicU64>,
    accounts: Vec<Address>,
    supply: u64,
}

impl World {
    pub(crate) async fn start() -> World {
        let ahead_us = Arc::new(AtomicU64::new(0));
        let (ahead, start_us) = (ahead_us.clone(), ledger_embedded::system_clock()());
        let clock: ledger_embedded::Clock = Arc::new(move || start_us + ahead.load(Ordering::SeqCst));
        let nobody = "127.0.0.1:9".parse().unwrap();
        let mut world = World {
            proxy: Proxy::start(nobody).await,
            ledger: None,
            server: None,
            folder: tempfile::tempdir().unwrap(),
            options: Options { clock, ..Options::default() },
            ahead_us,
            accounts: Vec::new(),
            supply: 0,
        };
        world.ledger_up();
        world.accounts.push(world.admin().address());
        world.does(&world.admin(), Call::SetClaimDelay { claim_delay_s: DELAY_S }).await;
        world
    }

    /// Opens the ledger of the folder and serves it on some port, to which the proxy leads from now on.
    pub(crate) fn ledger_up(&mut self) {
        let ledger = Ledger::open(self.folder.path(), self.options.clone()).unwrap();
        let shutdown = CancellationToken::new();
        let any = "127.0.0.1:0".parse().unwrap();
        let (address, server): (SocketAddr, _) = ledger_embedded::serve(ledger.clone(), any, shutdown.clone()).unwrap();
        self.ledger = Some(ledger);
        self.server = Some((shutdown, tokio::spawn(server)));
        self.proxy.lead_to(address);
    }

    /// Stops serving and closes the ledger; what was committed is in the folder alone.
    pub(crate) async fn ledger_down(&mut self) {
        let (shutdown, server) = self.server.take().unwrap();
        shutdown.cancel();
        server.await.unwrap();
        self.ledger = None;
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    /// The way through the proxy.
    pub(crate) fn home(&self) -> Home {
        Home { url: format!("http://{}", self.proxy.address), chain_id: 4, module: self.ledger().module() }
    }

    /// A client that talks to the proxy.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.home(), Ceilings::default()).unwrap()
    }

    pub(crate) fn admin(&self) -> Person {
        Person::new(&self.ledger().admin().private_key().to_bytes())
    }

    /// The chain's time.
    pub(crate) fn now_s(&self) -> u64 {
        self.ledger().now_us() / 1_000_000
    }

    /// Moves the ledger's clock on.
    pub(crate) fn pass_s(&self, seconds: u64) {
        self.ahead_us.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// An account without coins.
    pub(crate) fn poor(&mut self) -> Person {
        let number = u8::try_from(self.accounts.len()).unwrap();
        let person = Person::new(&[number; 32]);
        self.accounts.push(person.address());
        person
    }

    /// An account with coins of both kinds.
    pub(crate) async fn funded(&mut self) -> Person {
        let person = self.poor();
        self.mint(&person, FUNDS, FUNDS).await;
        person
    }

    pub(crate) async fn mint(&mut self, to: &Account, gas: u64, reward: u64) {
        let hash = self.ledger().mint(to.address(), gas, reward).unwrap();
        assert!(self.committed(&hash).await.outcome.success);
        self.supply += reward;
    }

    pub(crate) async fn reporter(&mut self) -> Person {
        let reporter = self.funded().await;
        let call = Call::SetReporter { reporter: reporter.address(), allowed: true };
        self.does(&self.admin(), call).await;
        reporter
    }

    /// A funded account with a registered node.
    pub(crate) async fn worker(&mut self) -> Person {
        let worker = self.funded().await;
        self.does(&worker, Call::RegisterNode(registration("n"))).await;
        worker
    }

    /// Makes a call that succeeds.
    pub(crate) async fn does(&self, account: &Account, call: Call) -> Receipt {
        let receipt = self.client().submit(account, &call).await.unwrap();
        assert!(receipt.success, "{call:?}: {receipt:?}");
        receipt
    }

    /// Makes a call that the contract refuses, asked first and unasked, and is none the richer.
    pub(crate) async fn is_refused(&self, account: &Person, call: Call, expected: Abort) {
        let before = self.everything().await;
        let refused = self.client().submit(account, &call).await.unwrap_err();
        let as_expected = matches!(&refused, ClientError::Aborts { abort, .. } if *abort == expected);
        assert!(as_expected, "{call:?}: {refused}");
        let landed = self.force(account, &call).await;
        let sentence = format!("{}({:#x})", expected.name(), expected.code());
        assert!(!landed.outcome.success && landed.outcome.vm_status.contains(&sentence), "{:?}", landed.outcome);
        assert_eq!(self.everything().await, before, "{call:?} changed something");
        self.check_books().await;
    }

    /// Everything of the contract that a refused call must leave as it was, for the accounts of this world.
    async fn everything(&self) -> Vec<String> {
        let client = self.client();
        let mut all = vec![format!("{:?} {:?}", client.config().await, self.vault())];
        for session in [SESSION, SESSION + 1] {
            all.push(format!("{:?} {:?}", client.session(session).await, client.last_anchor(session).await));
            all.push(format!("{:?}", client.root(session).await));
            for account in &self.accounts {
                let contribution = client.contribution(session, *account).await;
                let earning = client.earning(session, *account).await;
                let claimed = client.claimed(session, *account).await;
                all.push(format!("{contribution:?} {earning:?} {claimed:?}"));
            }
        }
        for account in &self.accounts {
            all.push(format!(
                "{:?} {:?} {}",
                client.node(*account).await,
                self.holds(*account),
                client.is_reporter(*account).await.unwrap()
            ));
        }
        all
    }

    /// Signs a call as a program does that asks nobody first, and has it land.
    pub(crate) async fn force(&self, account: &Person, call: &Call) -> Arc<Committed> {
        let signed = self.signed(account, account, call);
        let accepted = self.ledger().submit(&signed.to_bcs().unwrap()).unwrap();
        self.committed(&accepted.transaction.hash).await
    }

    /// A call of one account, signed with the key of another.
    pub(crate) fn signed(&self, of: &Account, by: &Person, call: &Call) -> SignedTransaction {
        let raw = self.raw(of, call);
        let (public_key, signature) = match by.sign(&raw.signing_message().unwrap()) {
            AccountAuthenticator::Ed25519 { public_key, signature } => (public_key, signature),
            other => panic!("{other:?}"),
        };
        SignedTransaction::new(raw, TransactionAuthenticator::Ed25519 { public_key, signature })
    }

    /// The next transaction of an account.
    pub(crate) fn raw(&self, of: &Account, call: &Call) -> RawTransaction {
        let sequence = self.ledger().read(|chain| chain.account(&of.address()).sequence);
        TransactionBuilder::new()
            .sender(AccountAddress::new(of.address().0))
            .sequence_number(sequence)
            .payload(self.payload(call))
            .max_gas_amount(100_000)
            .gas_unit_price(100)
            .expiration_timestamp_secs(self.now_s() + 30)
            .chain_id(ChainId::new(4))
            .build()
            .unwrap()
    }

    fn payload(&self, call: &Call) -> TransactionPayload {
        let name = format!("{}::training_rewards::{}", self.ledger().module(), call.function());
        let args = call.arguments().iter().map(Value::bcs).collect();
        TransactionPayload::EntryFunction(EntryFunction::from_function_id(&name, Vec::new(), args).unwrap())
    }

    pub(crate) async fn committed(&self, hash: &Hash) -> Arc<Committed> {
        match self.ledger().wait(hash, PATIENCE).await {
            Some(Found::Committed(committed)) => committed,
            other => panic!("not committed: {other:?}"),
        }
    }

    /// What an account holds of the reward asset.
    pub(crate) fn holds(&self, account: Address) -> u64 {
        common::holds(self.ledger(), account)
    }

    /// All balances and the vault are what was minted.
    pub(crate) async fn check_books(&self) {
        let held: u64 = self.accounts.iter().map(|account| self.holds(*account)).sum();
        assert_eq!(held + self.vault(), self.supply, "of the asset something was made or lost");
    }

    /// What the vault holds, whatever the proxy says.
    pub(crate) fn vault(&self) -> u64 {
        common::vault(self.ledger())
    }

    /// How often each function of the contract was called with success since the ledger began.
    pub(crate) fn successes(&self) -> BTreeMap<String, usize> {
        let all = self.ledger().read(|chain| chain.transactions(Some(0), usize::MAX));
        let mut counts = BTreeMap::new();
        for committed in all.iter().filter(|committed| committed.outcome.success) {
            if let ledger_embedded::Kind::User(transaction) = &committed.kind
                && let Some(call) = transaction.call()
            {
                *counts.entry(call.function.clone()).or_default() += 1;
            }
        }
        counts
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
        data_transmitted: 10,
        uptime_ratio: 100,
    }
}

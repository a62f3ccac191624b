//! F28: the chain is down, for settlements on end, or whoever answers for it lies ([`lies`]). The run is never delayed;
//! once the chain is back, every report lands exactly once and in order, and the pool is paid out to the last unit.

use crate::common::anchor;
use crate::proxy::{Do, Gate, Of, Proxy};
use crate::world::{
    DELAY_S, EXPIRED_S, FUNDS, PATIENCE, POOL, Person, SESSION, World, contribution, registration, session,
};
use contract::Address;
use futures::future::join_all;
use ledger_client::{Call, Ceilings, Pace, Reporter, Status, Term, sign_registration};
use std::collections::BTreeMap;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

mod lies;

const SETTLEMENTS: u64 = 5;

/// As fast as a test wants it; nothing depends on these.
const PACE: Pace =
    Pace { retry_first_ms: 5, retry_max_ms: 40, blocked_ms: 40, recheck_ms: 20, look_ms: 5, heartbeat_every_s: 600 };

/// A reporter in a folder, before or after a restart.
struct Running {
    reporter: Reporter,
    _shutdown: DropGuard,
}

fn start(world: &World, account: &Person, folder: &TempDir) -> Running {
    let shutdown = CancellationToken::new();
    let account = ledger_client::Account::clone(account);
    let ceilings = Ceilings::default();
    let reporter =
        Reporter::start_paced(world.home(), account, ceilings, folder.path(), shutdown.clone(), PACE).unwrap();
    Running { reporter, _shutdown: shutdown.drop_guard() }
}

/// A run: who reports, and of whom.
struct Run {
    world: World,
    account: Person,
    workers: Vec<Person>,
    folder: TempDir,
}

impl Run {
    async fn new() -> Run {
        let mut world = World::start().await;
        let account = world.reporter().await;
        let workers = vec![world.worker().await, world.worker().await, world.worker().await];
        Run { world, account, workers, folder: tempfile::tempdir().unwrap() }
    }

    fn start(&self) -> Running {
        start(&self.world, &self.account, &self.folder)
    }

    /// Everything that a run reports. None of it waits for anybody: this is no future.
    fn report(&self, reporter: &Reporter) {
        reporter.open_session(session()).unwrap();
        self.settle(reporter, 1..=SETTLEMENTS);
        self.finish(reporter);
    }

    fn settle(&self, reporter: &Reporter, settlements: impl IntoIterator<Item = u64>) {
        for settlement in settlements {
            let entries = (1..).zip(&self.workers).map(|(place, worker)| contribution(worker, 10 * settlement + place));
            reporter.settle(settlement, entries.collect()).unwrap();
        }
    }

    fn finish(&self, reporter: &Reporter) {
        let term = Term { term: 2, aggregator: self.account.address(), certificate_hash: [4; 32] };
        reporter.term(term).unwrap();
        reporter.anchor(anchor(5)).unwrap();
        reporter.finish(self.amounts()).unwrap();
    }

    fn amounts(&self) -> BTreeMap<Address, u64> {
        self.workers.iter().map(|worker| (worker.address(), POOL / 3)).collect()
    }

    /// All reports land once and in order, and every unit of the pool is claimed.
    async fn has_landed(&self, reporter: &Reporter) {
        let drained = reporter.drained(PATIENCE).await;
        let (status, receipts) = (reporter.status().borrow().clone(), reporter.receipts());
        assert!(drained && status.paid, "{status:?} {receipts:?}");
        let keys: Vec<_> = receipts.iter().map(|landed| landed.key.as_str()).collect();
        let settlements = ["settlement-1", "settlement-2", "settlement-3", "settlement-4", "settlement-5"];
        assert_eq!(keys, [&["session"][..], &settlements, &["term-2", "anchor-5", "payout"]].concat());
        let versions: Vec<_> = receipts.iter().filter_map(|landed| landed.version).collect();
        assert!(versions.is_sorted(), "{versions:?}");
        self.is_exact().await;
        self.is_paid_out().await;
    }

    async fn is_exact(&self) {
        self.world.proxy.be_honest();
        let successes = self.world.successes();
        let times = |name: &str| successes.get(name).copied().unwrap_or(0);
        assert_eq!(times("submit_contributions") as u64, SETTLEMENTS, "{successes:?}");
        for once in ["create_session", "record_term", "record_anchor", "distribute_rewards"] {
            assert_eq!(times(once), 1, "{once}: {successes:?}");
        }
        for (place, worker) in (1..).zip(&self.workers) {
            let totals = self.world.client().contribution(SESSION, worker.address()).await.unwrap();
            assert_eq!((totals.count, totals.compute_time), (SETTLEMENTS, 150 + SETTLEMENTS * place));
        }
        self.world.check_books().await;
    }

    async fn is_paid_out(&self) {
        assert_eq!(self.world.vault(), POOL);
        self.world.pass_s(DELAY_S);
        let before: u64 = self.workers.iter().map(|worker| self.world.holds(worker.address())).sum();
        for worker in &self.workers {
            self.world.does(worker, Call::ClaimReward { session_number: SESSION }).await;
        }
        let after: u64 = self.workers.iter().map(|worker| self.world.holds(worker.address())).sum();
        assert_eq!((after - before, self.world.vault()), (POOL, 0));
        self.world.check_books().await;
    }
}

/// Runs against a proxy that behaves so from the start, and at some time no longer.
async fn lands_in_spite_of(rules: impl FnOnce(&Proxy)) {
    let run = Run::new().await;
    rules(&run.world.proxy);
    let running = run.start();
    run.report(&running.reporter);
    assert!(running.reporter.drained(PATIENCE).await, "{:?}", running.reporter.status().borrow());
    assert!(run.world.proxy.has_followed_all());
    run.has_landed(&running.reporter).await;
}

/// Waits for a reporter to say so.
async fn says(reporter: &Reporter, what: impl Fn(&Status) -> bool) {
    let mut status = reporter.status();
    let said = status.wait_for(|status| what(status));
    assert!(tokio::time::timeout(PATIENCE, said).await.is_ok(), "it never said so");
}

#[tokio::test]
async fn f28_five_settlements_of_an_outage_land_once_and_in_order() {
    let run = Run::new().await;
    run.world.proxy.always(Of::Any, Do::Drop);
    let before = run.world.proxy.seen(Of::Any).len();
    let running = run.start();
    run.report(&running.reporter);
    says(&running.reporter, |status| status.last_error.is_some()).await;
    run.world.proxy.until(Of::Any, before + 10).await;
    let status = running.reporter.status().borrow().clone();
    assert_eq!((status.waiting, status.landed, status.blocked), (9, 0, false), "{status:?}");
    assert!(status.last_error.as_deref().is_some_and(|why| why.contains("cannot be reached")), "{status:?}");
    run.world.proxy.be_honest();
    run.has_landed(&running.reporter).await;
    assert_eq!(running.reporter.status().borrow().last_error, None);
}

#[tokio::test]
async fn f28_a_ledger_that_never_answers_delays_no_report() {
    let run = Run::new().await;
    let gate = Gate::new();
    run.world.proxy.always(Of::Any, Do::Hold(gate.clone()));
    let running = run.start();
    let seen = run.world.proxy.seen(Of::Any).len();
    run.world.proxy.until(Of::Any, seen.max(1)).await;
    // Were any of these to wait for an answer, this test would never end: nobody opens the gate before they return.
    run.report(&running.reporter);
    assert_eq!(running.reporter.status().borrow().landed, 0);
    gate.open();
    run.has_landed(&running.reporter).await;
}

#[tokio::test]
async fn f28_a_ledger_that_dies_midway_and_comes_back_has_all_of_it() {
    let mut run = Run::new().await;
    let running = run.start();
    running.reporter.open_session(session()).unwrap();
    run.settle(&running.reporter, 1..=2);
    assert!(running.reporter.drained(PATIENCE).await);
    run.world.ledger_down().await;
    run.settle(&running.reporter, 3..=SETTLEMENTS);
    run.finish(&running.reporter);
    says(&running.reporter, |status| status.last_error.is_some()).await;
    assert_eq!(running.reporter.receipts().len(), 3);
    run.world.ledger_up();
    run.has_landed(&running.reporter).await;
}

#[tokio::test]
async fn f28_an_aggregator_that_dies_in_the_outage_reports_what_it_had_taken() {
    let run = Run::new().await;
    for (round, of) in [Of::Any, Of::Submit, Of::Lookup].into_iter().enumerate() {
        run.world.proxy.always(of, Do::LoseAnswer);
        let running = run.start();
        if round == 0 {
            run.report(&running.reporter);
        }
        let seen = run.world.proxy.seen(of).len();
        run.world.proxy.until(of, seen + 3).await;
        drop(running);
        run.world.proxy.be_honest();
        // The folder is free again once the old one's task has ended.
        tokio::task::yield_now().await;
    }
    let running = run.start();
    // Taken again by a run that does not know how far it came: nothing is doubled.
    run.report(&running.reporter);
    run.has_landed(&running.reporter).await;
}

#[tokio::test]
async fn f28_failures_of_every_kind_of_request_pass() {
    let kinds = [
        Of::Any,
        Of::Submit,
        Of::Lookup,
        Of::View("get_session"),
        Of::View("get_p2p_node"),
        Of::Path("simulate"),
        Of::Path("gas_price"),
        Of::Path("/balance/"),
    ];
    let acts = [Do::Refuse(500), Do::Refuse(429), Do::Drop, Do::LoseAnswer, Do::Garbage(b"<html>".to_vec())];
    let runs =
        kinds.into_iter().flat_map(|of| acts.clone().map(|act| lands_in_spite_of(move |it| it.next(of, 3, act))));
    join_all(runs).await;
}

#[tokio::test]
async fn f28_refusals_of_every_kind_of_request_pass() {
    let kinds = [Of::Submit, Of::Lookup, Of::View("get_session"), Of::Path("simulate"), Of::Path("/balance/")];
    let with = |of, status| lands_in_spite_of(move |it| it.next(of, 3, Do::Refuse(status)));
    join_all(kinds.into_iter().flat_map(|of| [400, 403, 404, 410, 413].map(|status| with(of, status)))).await;
}

#[tokio::test]
async fn f28_answers_lost_after_every_submission_double_nothing() {
    lands_in_spite_of(|proxy| proxy.always(Of::Submit, Do::LoseAnswer)).await;
    lands_in_spite_of(|proxy| proxy.always(Of::Submit, Do::Twice)).await;
}

#[tokio::test]
async fn f28_a_transaction_that_was_only_said_to_be_taken_is_sent_again() {
    lands_in_spite_of(|proxy| proxy.next(Of::Submit, 2, Do::Swallow)).await;
}

#[tokio::test]
async fn f28_a_transaction_that_comes_after_its_time_does_not_land() {
    let run = Run::new().await;
    let late = Gate::new();
    let running = run.start();
    running.reporter.open_session(session()).unwrap();
    assert!(running.reporter.drained(PATIENCE).await);
    run.world.proxy.always(Of::Submit, Do::Postpone(late.clone()));
    let (submits, lookups) = (run.world.proxy.seen(Of::Submit).len(), run.world.proxy.seen(Of::Lookup).len());
    run.settle(&running.reporter, 1..=SETTLEMENTS);
    run.finish(&running.reporter);
    run.world.proxy.until(Of::Submit, submits + 1).await;
    run.world.proxy.until(Of::Lookup, lookups + 1).await;
    run.world.pass_s(EXPIRED_S);
    // The first has expired; another is signed, and now the proxy lets both through.
    run.world.proxy.until(Of::Submit, submits + 2).await;
    late.open();
    run.world.proxy.be_honest();
    run.has_landed(&running.reporter).await;
}

#[tokio::test]
async fn f28_a_reporter_that_may_not_yet_says_so_and_goes_on_once_it_may() {
    let mut world = World::start().await;
    let account = world.funded().await;
    let workers = vec![world.worker().await, world.worker().await, world.worker().await];
    let run = Run { world, account, workers, folder: tempfile::tempdir().unwrap() };
    let running = run.start();
    run.report(&running.reporter);
    says(&running.reporter, |status| status.blocked).await;
    let why = running.reporter.status().borrow().last_error.clone().unwrap();
    assert!(why.contains("set_reporter"), "{why}");
    let call = Call::SetReporter { reporter: run.account.address(), allowed: true };
    run.world.does(&run.world.admin(), call).await;
    run.has_landed(&running.reporter).await;
}

#[tokio::test]
async fn f28_a_workers_offer_in_an_outage_is_sponsored_once() {
    let mut run = Run::new().await;
    let newcomer = run.world.poor();
    let running = run.start();
    run.world.proxy.always(Of::Any, Do::Drop);
    let conditions = running.reporter.conditions();
    let bytes = sign_registration(&conditions, &newcomer, run.world.now_s(), 9, registration("new")).unwrap();
    assert_eq!(running.reporter.offer(&bytes).unwrap(), newcomer.address());
    let seen = run.world.proxy.seen(Of::Any).len();
    run.world.proxy.until(Of::Any, seen + 2).await;
    run.world.proxy.be_honest();
    run.world.proxy.next(Of::Call("register_p2p_node"), 1, Do::LoseAnswer);
    says(&running.reporter, |status| status.sponsored == 1).await;
    // The same offer again is paid for no second time.
    let balance = run.world.client().balance(run.account.address()).await.unwrap();
    assert!(balance < FUNDS);
    let asked = run.world.proxy.seen(Of::View("get_p2p_node")).len();
    running.reporter.offer(&bytes).unwrap();
    run.world.proxy.until(Of::View("get_p2p_node"), asked + 1).await;
    run.report(&running.reporter);
    run.has_landed(&running.reporter).await;
    assert_eq!(run.world.successes()["register_p2p_node"], 4);
    assert_eq!(running.reporter.status().borrow().sponsored, 1);
}

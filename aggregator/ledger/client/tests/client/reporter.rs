//! Reports that land exactly once, whatever becomes of the ledger and of the process.

use crate::common::anchor;
use crate::support::{POOL, Running, SESSION, Served, contribution, lines, registration, session};
use ledger_client::{Account, Call, ReportError, StartError, Term, Untaken, sign_heartbeat, sign_registration};
use std::time::Instant;

#[tokio::test]
async fn f28_an_outage_of_the_ledger_loses_no_settlement() {
    let mut served = Served::start();
    let (account, worker) = (served.reporter().await, served.registered().await);
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(served.home(), &account, folder.path());
    running.reporter.open_session(session()).unwrap();
    running.reporter.settle(1, vec![contribution(&worker, 1)]).unwrap();
    running.drained().await;

    served.down().await;
    let begun = Instant::now();
    for settlement in 2..=6 {
        running.reporter.settle(settlement, vec![contribution(&worker, settlement)]).unwrap();
        running.reporter.anchor(anchor(settlement)).unwrap();
    }
    assert!(begun.elapsed().as_secs() < 5, "no report waits for the network");
    let status = running.until(|status| status.last_error.is_some()).await;
    assert_eq!((status.waiting, status.landed, status.blocked), (10, 2, false));
    assert!(status.last_error.unwrap().contains("cannot be reached"));

    served.up();
    running.drained().await;
    let client = served.client();
    assert_eq!(client.session(SESSION).await.unwrap().unwrap().settlement, 6);
    assert_eq!(client.last_anchor(SESSION).await.unwrap().round, 6);
    let totals = client.contribution(SESSION, worker.address()).await.unwrap();
    assert_eq!((totals.compute_time, totals.data_transmitted, totals.count), (21, 210, 6));
    let mut expected = vec!["session".to_owned(), "settlement-1".into()];
    expected.extend((2..=6).flat_map(|n| [format!("settlement-{n}"), format!("anchor-{n}")]));
    assert_eq!(running.keys(), expected);
    let status = running.until(|status| status.last_error.is_none() && status.gas_balance.is_some()).await;
    assert_eq!(status.landed, 12);
    let lines = lines(folder.path());
    assert_eq!(lines.iter().map(|line| line["key"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    let versions: Vec<_> = lines.iter().map(|line| line["version"].as_u64().unwrap()).collect();
    assert!(versions.is_sorted() && lines.iter().all(|line| line["gas_used"].as_u64() > Some(0)), "{lines:?}");
}

#[tokio::test]
async fn a_reporter_that_starts_again_repeats_nothing() {
    let mut served = Served::start();
    let (account, worker) = (served.reporter().await, served.registered().await);
    let folder = tempfile::tempdir().unwrap();
    for settlement in 1..=5 {
        let running = Running::start(served.home(), &account, folder.path());
        running.reporter.open_session(session()).unwrap();
        // What it does not remember having reported, a run reports again.
        for again in 1..=settlement {
            running.reporter.settle(again, vec![contribution(&worker, again)]).unwrap();
        }
        if settlement % 2 == 0 {
            served.down().await;
            running.until(|status| status.last_error.is_some()).await;
            served.up();
        } else {
            running.until(|status| status.landed > 0).await;
        }
        running.stop().await;
    }
    let running = Running::start(served.home(), &account, folder.path());
    running.drained().await;
    let totals = served.client().contribution(SESSION, worker.address()).await.unwrap();
    assert_eq!((totals.compute_time, totals.count), (15, 5));
    assert_eq!(running.keys().len(), 6);
    assert_eq!(lines(folder.path()).len(), 6);
}

#[tokio::test]
async fn who_is_not_registered_is_held_back_and_lands_later() {
    let served = Served::start();
    let (account, early, late) = (served.reporter().await, served.registered().await, Account::generate());
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(served.home(), &account, folder.path());
    running.reporter.open_session(session()).unwrap();
    for settlement in 1..=3 {
        let entries = vec![contribution(&late, 10 * settlement), contribution(&early, settlement)];
        running.reporter.settle(settlement, entries).unwrap();
    }
    let status = running.until(|status| status.waiting == 0).await;
    assert_eq!((status.held, status.landed), (3, 4));
    let client = served.client();
    assert_eq!(client.contribution(SESSION, early.address()).await.unwrap().compute_time, 6);
    assert_eq!(client.contribution(SESSION, late.address()).await.unwrap().count, 0);

    // It has no coins: the reporter pays for its registration, and then for a heartbeat only once it is due.
    let now_s = served.ledger.now_us() / 1_000_000;
    let conditions = running.reporter.conditions();
    let offer = sign_registration(&conditions, &late, now_s, 1, registration("late")).unwrap();
    assert_eq!(running.reporter.offer(&offer).unwrap(), late.address());
    let beat = sign_heartbeat(&conditions, &late, now_s, 2).unwrap();
    running.reporter.offer(&beat).unwrap();
    running.drained().await;
    assert_eq!(client.contribution(SESSION, late.address()).await.unwrap().compute_time, 60);
    assert_eq!(client.contribution(SESSION, late.address()).await.unwrap().count, 3);
    let node = client.node(late.address()).await.unwrap().unwrap();
    assert_eq!((node.node_id.as_str(), node.registered_at), ("late", node.last_heartbeat));
    assert_eq!(running.until(|status| status.sponsored > 0).await.sponsored, 1);
    assert_eq!(running.keys().last().unwrap(), "settlement-4");
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_ends_once_it_is_done() {
    let served = Served::start();
    let account = served.funded().await;
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(served.home(), &account, folder.path());
    running.reporter.open_session(session()).unwrap();
    let status = running.until(|status| status.blocked).await;
    assert_eq!((status.waiting, status.landed), (1, 0));
    assert!(status.last_error.unwrap().contains("must allow"));
    served.allow(&account).await;
    running.drained().await;
    let pause = Call::SetPaused { paused: true };
    served.client().submit(&served.admin(), &pause).await.unwrap();
    running.reporter.anchor(anchor(1)).unwrap();
    let status = running.until(|status| status.blocked).await;
    assert!(status.last_error.unwrap().contains("pause"));
    served.client().submit(&served.admin(), &Call::SetPaused { paused: false }).await.unwrap();
    running.drained().await;
    assert_eq!(running.keys(), ["session", "anchor-1"]);
}

#[tokio::test]
async fn a_newer_anchor_on_the_ledger_ends_the_wait_of_an_older() {
    let served = Served::start();
    let account = served.reporter().await;
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(served.home(), &account, folder.path());
    running.reporter.open_session(session()).unwrap();
    running.drained().await;
    let newer = Call::RecordAnchor { session_number: SESSION, anchor: anchor(9) };
    served.client().submit(&account, &newer).await.unwrap();
    running.reporter.anchor(anchor(5)).unwrap();
    running.reporter.anchor(anchor(10)).unwrap();
    let term = Term { term: 2, aggregator: account.address(), certificate_hash: [5; 32] };
    running.reporter.term(term).unwrap();
    running.drained().await;
    assert_eq!(running.keys(), ["session", "anchor-10", "term-2"]);
    assert_eq!(served.client().session(SESSION).await.unwrap().unwrap().term, 2);
}

#[tokio::test]
async fn a_folder_is_of_one_reporter_session_and_account() {
    let served = Served::start();
    let account = served.reporter().await;
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(served.home(), &account, folder.path());
    let start = |account: &Account| {
        let shutdown = tokio_util::sync::CancellationToken::new();
        let ceilings = ledger_client::Ceilings::default();
        ledger_client::Reporter::start(served.home(), account.clone(), ceilings, folder.path(), shutdown).err().unwrap()
    };
    let refused = start(&account);
    assert!(matches!(refused, StartError::Store(disk::FileError::InUse(_))), "{refused}");
    running.reporter.open_session(session()).unwrap();
    let other = ledger_client::SessionConditions { pool: POOL + 1, ..session() };
    let refused = running.reporter.open_session(other).unwrap_err();
    assert!(matches!(refused, ReportError::Untaken(Untaken::OtherSession(SESSION))), "{refused}");
    running.stop().await;
    let refused = start(&Account::generate());
    assert!(matches!(refused, StartError::Store(disk::FileError::DamagedRecord { at: 0, .. })), "{refused}");
}

#[tokio::test]
async fn a_ledger_that_never_answers_delays_nobody() {
    let served = Served::start();
    // Connections are taken by the system and never by a program.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = ledger_client::Home { url: format!("http://{}", silent.local_addr().unwrap()), ..served.home() };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(home, &Account::generate(), folder.path());
    let begun = Instant::now();
    running.reporter.open_session(session()).unwrap();
    running.reporter.settle(1, vec![contribution(&Account::generate(), 1)]).unwrap();
    assert!(!running.reporter.drained(std::time::Duration::from_millis(1)).await);
    running.stop().await;
    assert!(begun.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn an_account_without_coins_waits_for_them() {
    let served = Served::start();
    let account = Account::generate();
    served.allow(&account).await;
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(served.home(), &account, folder.path());
    running.reporter.open_session(session()).unwrap();
    let status = running.until(|status| status.blocked).await;
    let what = status.last_error.unwrap();
    assert!(what.contains("send it coins") && what.contains(&account.address().to_string()), "{what}");
    served.fund(&account).await;
    running.drained().await;
}

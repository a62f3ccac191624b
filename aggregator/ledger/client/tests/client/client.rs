//! Calls and views, and what is refused before anything is signed.

use crate::common::{anchor, holds, vault};
use crate::support::{FUNDS, POOL, SESSION, Served, contribution, registration, session};
use contract::{Abort, Address};
use ledger_client::{Account, Call, Ceilings, Client, ClientError, Found, Home, Term};

#[tokio::test]
async fn a_session_is_run_and_paid() {
    let served = Served::start();
    let (client, reporter, worker) = (served.client(), served.reporter().await, served.registered().await);
    let submit = async |account: &Account, call: Call| {
        let receipt = client.submit(account, &call).await.unwrap();
        assert!(receipt.success && receipt.abort.is_none(), "{receipt:?}");
        receipt
    };
    submit(&served.admin(), Call::SetClaimDelay { claim_delay_s: 0 }).await;
    let created = submit(&reporter, Call::CreateSession(session())).await;
    assert_eq!(created.events[0].name, "SessionCreated");
    let entries = vec![contribution(&worker, 100)];
    submit(&reporter, Call::SubmitContributions { session_number: SESSION, settlement: 1, entries }).await;
    let term = Term { term: 1, aggregator: reporter.address(), certificate_hash: [1; 32] };
    submit(&reporter, Call::RecordTerm { session_number: SESSION, term }).await;
    submit(&reporter, Call::RecordAnchor { session_number: SESSION, anchor: anchor(3) }).await;
    submit(&reporter, Call::DistributeRewards { session_number: SESSION }).await;
    assert_eq!(client.earning(SESSION, worker.address()).await.unwrap().amount, POOL);
    assert_eq!(vault(&served.ledger), POOL);
    submit(&worker, Call::ClaimReward { session_number: SESSION }).await;
    assert_eq!(holds(&served.ledger, worker.address()), FUNDS + POOL);

    let seen = client.session(SESSION).await.unwrap().unwrap();
    assert_eq!((seen.sponsor, seen.pool, seen.closed, seen.settlement), (reporter.address(), POOL, true, 1));
    assert_eq!((seen.term, seen.participants, seen.claimed), (1, 1, POOL));
    assert_eq!(client.last_anchor(SESSION).await.unwrap().round, 3);
    assert_eq!(client.contribution(SESSION, worker.address()).await.unwrap().data_transmitted, 1_000);
    assert_eq!(client.node(worker.address()).await.unwrap().unwrap().node_id, "n");
    assert_eq!(client.node(reporter.address()).await.unwrap(), None);
    assert_eq!(client.session(SESSION + 1).await.unwrap(), None);
    assert_eq!(client.config().await.unwrap().claim_delay_s, 0);
    assert!(client.is_reporter(reporter.address()).await.unwrap());
    assert!(!client.is_reporter(worker.address()).await.unwrap());
    assert_eq!(client.root(SESSION).await.unwrap().root, None);
    assert_eq!(client.claimed(SESSION, worker.address()).await.unwrap(), 0);
}

#[tokio::test]
async fn what_the_contract_would_refuse_costs_nothing() {
    let served = Served::start();
    let (client, worker) = (served.client(), served.funded().await);
    let refused = client.submit(&worker, &Call::Heartbeat).await.unwrap_err();
    assert!(matches!(refused, ClientError::Aborts { abort: Abort::NotRegistered, .. }), "{refused}");
    assert_eq!(client.balance(worker.address()).await.unwrap(), FUNDS);
}

#[tokio::test]
async fn a_call_that_is_refused_when_it_runs_has_its_abort() {
    let served = Served::start();
    let (client, worker) = (served.client(), served.funded().await);
    // Both pass the simulation; the second runs after the first.
    let first = client.prepare(&worker, &Call::RegisterNode(registration("a"))).await.unwrap();
    let second = client.prepare(&worker, &Call::RegisterNode(registration("b"))).await.unwrap();
    assert!(client.send_and_wait(&first).await.unwrap().success);
    let receipt = client.send_and_wait(&second).await.unwrap();
    assert_eq!((receipt.success, receipt.abort), (false, Some(Abort::AlreadyRegistered)));
    assert!(receipt.events.is_empty() && receipt.gas_used > 0);
    // Sending again changes nothing and finds the same.
    assert_eq!(client.send_and_wait(&second).await.unwrap(), receipt);
}

#[tokio::test]
async fn nothing_above_a_ceiling_is_signed() {
    let served = Served::start();
    let worker = served.funded().await;
    let call = Call::RegisterNode(registration("n"));
    let with = |ceilings| Client::new(served.home(), ceilings).unwrap();
    let gas = Ceilings { gas_max: 4_000, ..Ceilings::default() };
    let refused = with(gas).prepare(&worker, &call).await.unwrap_err();
    assert!(matches!(refused, ClientError::GasAboveCeiling { needed: 4_501.., ceiling: 4_000, .. }), "{refused}");
    let price = Ceilings { gas_unit_price_max: 99, ..Ceilings::default() };
    let refused = with(price).prepare(&worker, &call).await.unwrap_err();
    assert_eq!(refused, ClientError::PriceAboveCeiling { price: 100, ceiling: 99 });
    let balance = Ceilings { balance_low: FUNDS + 1, ..Ceilings::default() };
    let refused = with(balance).prepare(&worker, &call).await.unwrap_err();
    assert_eq!(refused, ClientError::BalanceLow { balance: FUNDS, needed: FUNDS + 1 });
    let poor = Account::generate();
    let refused = served.client().prepare(&poor, &call).await.unwrap_err();
    assert!(matches!(refused, ClientError::BalanceLow { balance: 0, .. }), "{refused}");
    assert_eq!(served.client().node(worker.address()).await.unwrap(), None);
}

#[tokio::test]
async fn another_chain_and_no_ledger_are_told_apart() {
    let mut served = Served::start();
    let connect = |home| Client::connect(home, Ceilings::default());
    assert!(connect(Home { url: format!("{}/v1/", served.home().url), ..served.home() }).await.is_ok());
    let refused = connect(Home { chain_id: 2, ..served.home() }).await.unwrap_err();
    assert!(matches!(&refused, ClientError::OtherChain { expected: 2, found, .. } if found == "4"), "{refused}");
    let refused = connect(Home { module: Address([5; 32]), ..served.home() }).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(_)), "{refused}");
    let refused = connect(Home { url: "file:///x".into(), ..served.home() }).await.unwrap_err();
    assert!(matches!(refused, ClientError::Url { .. }), "{refused}");
    served.down().await;
    let refused = connect(served.home()).await.unwrap_err();
    assert!(matches!(refused, ClientError::Unreachable { .. }), "{refused}");
}

#[tokio::test]
async fn an_unsent_transaction_is_absent() {
    let served = Served::start();
    let (client, worker) = (served.client(), served.funded().await);
    let signed = client.prepare(&worker, &Call::RegisterNode(registration("n"))).await.unwrap();
    let Found::Absent { chain_s } = client.look_up(&signed).await.unwrap() else { panic!("it was not sent") };
    assert!(chain_s > 0 && chain_s < signed.expires_s());
    client.send(&signed).await.unwrap();
    // Again: taken as the same while it waits, refused once it has landed.
    let again = client.send(&signed).await;
    assert!(matches!(again, Ok(()) | Err(ClientError::Refused(_))), "{again:?}");
    let receipt = client.send_and_wait(&signed).await.unwrap();
    assert_eq!(receipt.hash, signed.hash());
    assert_eq!(client.balance(worker.address()).await.unwrap(), FUNDS - receipt.gas_used * receipt.gas_unit_price);
    assert_eq!(client.look_up(&signed).await.unwrap(), Found::Landed(Box::new(receipt)));
}

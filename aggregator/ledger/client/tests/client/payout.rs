//! How a session is paid.

use crate::common::holds;
use crate::support::{POOL, Running, SESSION, Served, contribution, session};
use contract::{Abort, Address};
use ledger_client::{Account, Call, ClientError, sign_claim};
use rewards::merkle::Tree;
use std::collections::BTreeMap;

async fn without_delay(served: &Served) {
    served.client().submit(&served.admin(), &Call::SetClaimDelay { claim_delay_s: 0 }).await.unwrap();
}

#[tokio::test]
async fn the_contract_pays_where_it_holds_every_contribution() {
    let served = Served::start();
    without_delay(&served).await;
    let (account, one, two) = (served.reporter().await, served.registered().await, served.registered().await);
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(served.home(), &account, folder.path());
    running.reporter.open_session(session()).unwrap();
    for settlement in 1..=3 {
        running.reporter.settle(settlement, vec![contribution(&one, 30), contribution(&two, 10)]).unwrap();
    }
    let amounts = BTreeMap::from([(one.address(), POOL / 2), (two.address(), POOL / 2)]);
    running.reporter.finish(amounts).unwrap();
    running.drained().await;
    assert!(running.until(|status| status.paid).await.paid);
    let client = served.client();
    let earned = async |of: &Account| client.earning(SESSION, of.address()).await.unwrap().amount;
    assert_eq!(earned(&one).await + earned(&two).await, POOL, "to the last unit");
    assert!(earned(&one).await > earned(&two).await);
    assert_eq!(running.keys().last().unwrap(), "payout");
    assert_eq!(running.reporter.receipts().last().unwrap().call, "distribute_rewards");
}

#[tokio::test]
async fn a_root_pays_those_who_never_registered() {
    let served = Served::start();
    without_delay(&served).await;
    let (account, known, never) = (served.reporter().await, served.registered().await, Account::generate());
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(served.home(), &account, folder.path());
    running.reporter.open_session(session()).unwrap();
    running.reporter.settle(1, vec![contribution(&known, 30), contribution(&never, 10)]).unwrap();
    let amounts = BTreeMap::from([(known.address(), 7_000), (never.address(), 2_999)]);
    running.reporter.finish(amounts.clone()).unwrap();
    running.drained().await;
    assert_eq!(running.reporter.receipts().last().unwrap().call, "publish_root");
    let client = served.client();
    let tree = Tree::new(SESSION, amounts.iter().map(|(of, amount)| (of.0, *amount)).collect()).unwrap();
    let root = client.root(SESSION).await.unwrap();
    assert_eq!((root.root, root.total), (Some(tree.root()), 9_999));

    // Neither registered nor with a coin: its claim is sponsored, and the same amount is not paid again.
    let (cumulative, proof) = tree.proof(&never.address().0).unwrap();
    let now_s = served.ledger.now_us() / 1_000_000;
    let claim = (SESSION, cumulative, proof.clone());
    let offer = sign_claim(&running.reporter.conditions(), &never, now_s, 1, claim).unwrap();
    running.reporter.offer(&offer).unwrap();
    running.until(|status| status.sponsored == 1).await;
    assert_eq!(holds(&served.ledger, never.address()), 2_999);
    served.fund(&never).await;
    let again = client.submit(&never, &Call::Claim { session_number: SESSION, cumulative, proof }).await.unwrap_err();
    assert!(matches!(again, ClientError::Aborts { abort: Abort::NothingToClaim, .. }), "{again}");
    assert_eq!(client.claimed(SESSION, never.address()).await.unwrap(), 2_999);
}

#[tokio::test]
async fn a_session_without_contributions_returns_its_pool() {
    let served = Served::start();
    let account = served.reporter().await;
    let before = holds(&served.ledger, account.address());
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(served.home(), &account, folder.path());
    running.reporter.open_session(session()).unwrap();
    running.reporter.finish(BTreeMap::<Address, u64>::new()).unwrap();
    running.drained().await;
    assert_eq!(holds(&served.ledger, account.address()), before);
    assert!(running.reporter.settle(1, vec![]).is_err(), "it is finished");
}

//! Calls of workers that hold no coins, paid by a sponsor.

use crate::support::{FUNDS, Served, registration};
use ledger_client::{Account, Ceilings, Offer, OfferConditions, sign_heartbeat, sign_registration};

#[tokio::test]
async fn a_worker_without_coins_registers_and_beats() {
    let served = Served::start();
    let (client, sponsor, worker) = (served.client(), served.funded().await, Account::generate());
    let home = served.home();
    let conditions = OfferConditions { chain_id: home.chain_id, module: home.module, sponsor: sponsor.address() };
    let now_s = served.ledger.now_us() / 1_000_000;
    let offers = [
        sign_registration(&conditions, &worker, now_s, 1, registration("poor")).unwrap(),
        sign_heartbeat(&conditions, &worker, now_s, 2).unwrap(),
    ];
    let mut paid = 0;
    for bytes in offers {
        let offer = Offer::decode(&bytes, &conditions, &Ceilings::default(), now_s).unwrap();
        let receipt = client.sponsor(&sponsor, &offer).await.unwrap();
        assert!(receipt.success, "{receipt:?}");
        paid += receipt.gas_used * receipt.gas_unit_price;
    }
    assert_eq!(client.node(worker.address()).await.unwrap().unwrap().node_id, "poor");
    assert_eq!(client.balance(worker.address()).await.unwrap(), 0);
    assert_eq!(client.balance(sponsor.address()).await.unwrap(), FUNDS - paid);
}

#[tokio::test]
async fn the_sponsor_does_not_pay_for_what_would_fail() {
    let served = Served::start();
    let (client, sponsor, worker) = (served.client(), served.funded().await, Account::generate());
    let home = served.home();
    let conditions = OfferConditions { chain_id: home.chain_id, module: home.module, sponsor: sponsor.address() };
    let now_s = served.ledger.now_us() / 1_000_000;
    let bytes = sign_heartbeat(&conditions, &worker, now_s, 2).unwrap();
    let offer = Offer::decode(&bytes, &conditions, &Ceilings::default(), now_s).unwrap();
    assert!(client.sponsor(&sponsor, &offer).await.is_err(), "no node of this account is registered");
    assert_eq!(client.balance(sponsor.address()).await.unwrap(), FUNDS);
}

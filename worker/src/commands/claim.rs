//! `claim`: pays out to a worker's account what it earned in a session.
//!
//! What the worker's directory and the ledger know is enough where the contract itself split the pool; where a root was
//! published, the proof comes from the run's `payout.json`, which whoever led the run hands out.

use std::path::{Path, PathBuf};

use anyhow::Context;
use contract::Address;
use disk::read_json;
use ledger_client::{
    Account, Call, Client, Offer, OfferConditions, Receipt, nonce, now_s, sign_claim, sign_claim_reward,
};
use protocol::SessionId;
use protocol::message::LedgerConditions;
use record::RunDirectory;
use record::pay::session_number;
use rewards::payout::Payout;
use serde::{Deserialize, Serialize};

use crate::cli::ClaimArgs;
use crate::commands::ledger::access::Access;
use crate::commands::rewards::books::PAYOUT_BYTES_MAX;
use crate::commands::wallet;
use crate::exit::{WrongUse, wrong_use};
use crate::output;

/// Coins for the fee that an embedded ledger gives to who has none, in octas.
const GAS: u64 = 100_000_000;
/// The longest file of a session.
const SESSION_BYTES_MAX: u64 = 64 << 10;

/// The session that a worker took part in, as its directory keeps it: `ledger.json`.
#[derive(Serialize, Deserialize)]
struct KeptSession {
    /// The session's number on the ledger, as text: JSON's numbers are not safe with 64 bits.
    session: String,
    chain_id: u8,
    module: Address,
}

/// What was paid, for people and programs.
#[derive(Serialize)]
struct Claimed {
    address: String,
    amount: u64,
    tx: String,
}

/// Remembers which session on which ledger a worker takes part in.
///
/// # Errors
/// When the disk refuses.
pub fn keep_session(directory: &Path, session: &SessionId, conditions: &LedgerConditions) -> anyhow::Result<()> {
    let session = session_number(session).to_string();
    let kept = KeptSession { session, chain_id: conditions.chain_id, module: Address(conditions.module) };
    Ok(disk::write_json(&kept_session(directory), &kept)?)
}

/// Claims and prints what was paid.
///
/// # Errors
/// Wrong use where nothing was earned; what the ledger refuses, such as a claim before its delay has passed.
pub async fn run(arguments: ClaimArgs) -> anyhow::Result<()> {
    let shown = arguments.directory.display();
    let identity = disk::read_secret(&arguments.directory.join("identity.secret"))
        .with_context(|| format!("{shown} is no worker's directory"))
        .map_err(wrong_use)?;
    let kept: KeptSession = read_json(&kept_session(&arguments.directory), SESSION_BYTES_MAX)
        .with_context(|| format!("the worker in {shown} took part in no session with a ledger"))
        .map_err(wrong_use)?;
    let session_number = kept.session.parse().context("the worker's ledger.json holds no session")?;
    let account = wallet::account(&arguments.directory, &identity)?;
    let access = open(&arguments, &kept).await?;
    let result = claim(&arguments, session_number, &account, &access).await;
    access.end().await;
    let (amount, receipt) = result?;
    let claimed = Claimed { address: account.address().to_string(), amount, tx: receipt.hash.to_string() };
    Ok(output::show(arguments.output.output, &claimed, || {
        format!("{amount} units paid to {} by {}\n", claimed.address, claimed.tx)
    })?)
}

/// The ledger of the run on this machine, or the one that is named; its contract is that of the worker's session.
async fn open(arguments: &ClaimArgs, kept: &KeptSession) -> anyhow::Result<Access> {
    let mut ledger = arguments.ledger.clone();
    if ledger.url.is_some() {
        ledger.ledger_module = Some(kept.module.to_string());
        ledger.ledger_chain_id = kept.chain_id;
    }
    let run = arguments.run_dir.as_deref().map(RunDirectory::at);
    Access::open(&ledger, run.as_ref()).await
}

async fn claim(
    arguments: &ClaimArgs,
    session_number: u64,
    account: &Account,
    access: &Access,
) -> anyhow::Result<(u64, Receipt)> {
    let client = Client::connect(access.home.clone(), arguments.ledger.ceilings()).await?;
    if let Some(node) = &access.node {
        node.mint(account.address(), GAS, 0).await?;
    }
    let (amount, call) = due(&client, arguments, session_number, account.address()).await?;
    let receipt = match arguments.ledger.account()? {
        Some(sponsor) => sponsored(&client, account, &sponsor, &call).await?,
        None => client.submit(account, &call).await?,
    };
    anyhow::ensure!(receipt.success, "the ledger refused the claim: {}", receipt.vm_status);
    Ok((amount, receipt))
}

/// What an account may claim: an earning of the session, or its leaf of the session's root.
async fn due(
    client: &Client,
    arguments: &ClaimArgs,
    session_number: u64,
    address: Address,
) -> anyhow::Result<(u64, Call)> {
    let earning = client.earning(session_number, address).await?;
    if earning.claimed {
        return Err(WrongUse(format!("{address} was paid {} units before", earning.amount)).into());
    }
    if earning.amount > 0 {
        return Ok((earning.amount, Call::ClaimReward { session_number }));
    }
    let before = client.claimed(session_number, address).await?;
    let payout = payout(arguments)?.filter(|payout| payout.session_number == session_number);
    let amounts = payout.iter().flat_map(|payout| &payout.amounts);
    let own = amounts.into_iter().find(|amount| amount.address == address.0);
    let Some(own) = own else {
        let message = format!(
            "the ledger holds nothing for {address} in session {session_number}; where the session is paid by a root, \
             give its payout.json with --payout"
        );
        return Err(WrongUse(message).into());
    };
    if before >= own.amount {
        return Err(WrongUse(format!("{address} was paid {before} units before")).into());
    }
    Ok((own.amount - before, Call::Claim { session_number, cumulative: own.amount, proof: own.proof.clone() }))
}

fn payout(arguments: &ClaimArgs) -> anyhow::Result<Option<Payout>> {
    let in_run = arguments.run_dir.as_ref().map(|run| RunDirectory::at(run).payout()).filter(|path| path.is_file());
    let path = arguments.payout.clone().or(in_run);
    Ok(path.map(|path| read_json(&path, PAYOUT_BYTES_MAX)).transpose()?)
}

/// The account signs and another one pays the fee.
async fn sponsored(client: &Client, account: &Account, sponsor: &Account, call: &Call) -> anyhow::Result<Receipt> {
    let (home, sponsor_address) = (client.home(), sponsor.address());
    let conditions = OfferConditions { chain_id: home.chain_id, module: home.module, sponsor: sponsor_address };
    let (now_s, nonce) = (now_s(), nonce());
    let bytes = match call {
        Call::Claim { session_number, cumulative, proof } => {
            sign_claim(&conditions, account, now_s, nonce, (*session_number, *cumulative, proof.clone()))?
        }
        Call::ClaimReward { session_number } => sign_claim_reward(&conditions, account, now_s, nonce, *session_number)?,
        other => anyhow::bail!("{} is no claim", other.function()),
    };
    let offer = Offer::decode(&bytes, &conditions, &client.ceilings(), now_s)?;
    Ok(client.send_and_wait(&offer.co_sign(sponsor)?).await?)
}

fn kept_session(directory: &Path) -> PathBuf {
    directory.join("ledger.json")
}

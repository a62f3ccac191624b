//! `claim`: pays out to a worker's account what it earned in a run.

use anyhow::Context;
use chain::{Account, Call, Client, Receipt};
use contract::Address;
use rewards::hex;
use serde::Serialize;

use crate::cli::{ClaimArgs, OutputFormat};
use crate::exit::WrongUse;
use crate::ledger::access::Access;
use crate::output;
use crate::rewards::record::Record;
use crate::wallet;

/// Coins for the fee that an embedded ledger gives to who has none, in octas.
const GAS: u64 = 100_000_000;

/// What was paid, for people and programs.
#[derive(Serialize)]
struct Claimed {
    address: String,
    amount: u64,
    tx: String,
}

/// Claims and prints what was paid.
///
/// # Errors
/// Wrong use where nothing was earned; what the ledger refuses, such as a claim before its delay has passed.
pub async fn run(arguments: ClaimArgs) -> anyhow::Result<()> {
    let record = Record::read(&arguments.run_dir)?;
    let identity = aggregator::files::read_secret(&arguments.directory.join("identity.secret"))
        .with_context(|| format!("{} is no worker's directory", arguments.directory.display()))?;
    let account = wallet::account(&arguments.directory, &identity)?;
    let access = Access::open(&arguments.ledger, &record.run).await?;
    let result = claim(&arguments, &record, &account, &access).await;
    access.end().await;
    let (amount, receipt) = result?;
    let claimed = Claimed { address: account.address().to_string(), amount, tx: receipt.hash.to_string() };
    match arguments.output.output {
        OutputFormat::Json => output::print_json(&claimed)?,
        OutputFormat::Text => {
            output::print(&format!("{amount} units paid to {} by {}\n", claimed.address, claimed.tx))?
        }
    }
    Ok(())
}

async fn claim(
    arguments: &ClaimArgs,
    record: &Record,
    account: &Account,
    access: &Access,
) -> anyhow::Result<(u64, Receipt)> {
    let client = Client::connect(access.home.clone(), arguments.ledger.ceilings()).await?;
    if let Some(node) = &access.node {
        node.mint(account.address(), GAS, 0).await?;
    }
    let (amount, call) = due(&client, record, account.address()).await?;
    let receipt = client.submit(account, &call).await?;
    anyhow::ensure!(receipt.success, "the ledger refused the claim: {}", receipt.vm_status);
    Ok((amount, receipt))
}

/// What an account may claim: an earning of the session, or its leaf of the session's root.
async fn due(client: &Client, record: &Record, address: Address) -> anyhow::Result<(u64, Call)> {
    let session_id = record.session_id();
    let earning = client.earning(session_id, address).await?;
    if earning.claimed {
        let message = format!("{address} was paid {} units before", earning.amount);
        return Err(WrongUse(message).into());
    }
    if earning.amount > 0 {
        return Ok((earning.amount, Call::ClaimReward { session_id }));
    }
    let amounts = record.payout.iter().flat_map(|payout| &payout.amounts);
    let own = amounts.into_iter().find(|amount| amount.address == address.0);
    let own = own.with_context(|| format!("nothing was earned by {} in this run", hex::prefixed(&address.0)))?;
    let before = client.claimed(session_id, address).await?;
    let call = Call::Claim { session_id, cumulative: own.amount, proof: own.proof.clone() };
    Ok((own.amount.saturating_sub(before), call))
}

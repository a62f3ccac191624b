//! The ledger of a machine or a private swarm as a program, and what a run still has to tell its ledger.

use contract::Address;
use ledger_client::Home;
use ledger_embedded::Options;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli::{LedgerServeArgs, OutputFormat};
use crate::exit::wrong_use;
use crate::output;

pub mod access;
pub mod flush;
pub mod node;

use node::Node;

/// Where the ledger is found: what a client needs besides a key.
#[derive(Serialize)]
struct Found<'a> {
    url: &'a str,
    module: Address,
    chain_id: u8,
}

/// Serves the embedded ledger until `stop` is cancelled.
///
/// # Errors
/// Wrong use for an address that other machines reach; a ledger that cannot be opened; an address that is taken.
pub async fn serve(arguments: LedgerServeArgs, stop: CancellationToken) -> anyhow::Result<()> {
    if !arguments.listen.ip().is_loopback() && !arguments.remote {
        let address = arguments.listen;
        let message = format!("{address} is reached by other machines: say --remote to let them read and submit");
        return Err(wrong_use(anyhow::anyhow!(message)));
    }
    let options = Options {
        chain_id: arguments.chain_id,
        faucet: !arguments.no_faucet,
        remote: arguments.remote,
        ..Options::default()
    };
    let node = Node::start(&arguments.directory, options, arguments.listen)?;
    let Home { url, module, chain_id } = node.home();
    let format = if arguments.json { OutputFormat::Json } else { arguments.output.output };
    let kept = arguments.directory.display();
    let found = Found { url: &url, module, chain_id };
    output::show(format, &found, || {
        format!("ledger {url} on chain {chain_id}, contract at {module}, kept in {kept}\n")
    })?;
    stop.cancelled().await;
    node.end().await;
    Ok(())
}

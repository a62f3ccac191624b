//! The ledger of a machine or a private swarm as a program, and what a run still has to tell its ledger.

use ledger::Options;
use tokio_util::sync::CancellationToken;

use crate::cli::{LedgerServeArgs, OutputFormat};
use crate::exit::wrong_use;
use crate::output;

pub mod access;
pub mod flush;
pub mod node;

use node::Node;

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
    let place = node.place();
    if arguments.json || arguments.output.output == OutputFormat::Json {
        output::print_json(&place)?;
    } else {
        output::print(&format!(
            "ledger {} on chain {}, contract at {}, kept in {}\n",
            place.url,
            place.chain_id,
            place.module,
            arguments.directory.display()
        ))?;
    }
    stop.cancelled().await;
    node.end().await;
    Ok(())
}

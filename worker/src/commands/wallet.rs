//! The account that a worker is paid to: that of its own key, or one that its owner linked.
//!
//! Invariants: a secret comes from a file, the environment or standard input, never from an argument, and is written to
//! one file that only its owner reads; no output and no error repeats it.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use ledger_client::Account;
use ledger_embedded::KEY_BYTES_MAX;
use serde::Serialize;

use crate::cli::{OutputFormat, WalletCommand, WalletLinkArgs};
use crate::exit::{WrongUse, wrong_use};
use crate::output;

/// The variable that may hold a wallet's key.
const KEY_VARIABLE: &str = "COTRAIN_WALLET_KEY";

/// A worker's account, for people and programs.
#[derive(Serialize)]
struct Shown {
    address: String,
    /// Whether its owner linked it; otherwise it is that of the worker's own key.
    linked: bool,
    /// The worker's id, once it has one.
    worker: Option<String>,
}

/// Links or shows.
///
/// # Errors
/// Wrong use for a text that is no key; a directory that cannot be used.
pub fn run(command: &WalletCommand) -> anyhow::Result<()> {
    match command {
        WalletCommand::Link(arguments) => {
            link(arguments)?;
            show(&arguments.directory, arguments.output.output)
        }
        WalletCommand::Show(arguments) => show(&arguments.directory, arguments.output.output),
    }
}

/// The account of the worker in `directory`, whose own key is `identity`.
///
/// # Errors
/// When a linked wallet cannot be read.
pub fn account(directory: &Path, identity: &[u8; 32]) -> anyhow::Result<Account> {
    let path = wallet(directory);
    if !path.exists() {
        return Ok(Account::from_secret(identity));
    }
    Ok(Account::from_secret(&disk::read_secret(&path)?))
}

/// A key from the first of: the file, the variable, the first line of standard input.
///
/// # Errors
/// Wrong use for a text that is no key.
pub fn read_key(file: Option<&Path>, variable: &str, what: &str) -> anyhow::Result<[u8; 32]> {
    let text = match (file, std::env::var(variable)) {
        (Some(path), _) => {
            let bytes = disk::read_bounded(path, KEY_BYTES_MAX).map_err(wrong_use)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        (None, Ok(text)) if !text.is_empty() => text,
        (None, _) => ask(what)?,
    };
    let digits = text.trim();
    // Aptos's own tools write the prefix.
    let digits = digits.strip_prefix("ed25519-priv-").unwrap_or(digits);
    rewards::hex::parse(digits).map_err(|error| wrong_use(anyhow::Error::from(error).context(format!("the {what}"))))
}

fn link(arguments: &WalletLinkArgs) -> anyhow::Result<()> {
    let secret = read_key(arguments.key_file.as_deref(), KEY_VARIABLE, "private key of the wallet")?;
    disk::create_directory(&arguments.directory)?;
    disk::write_secret(&wallet(&arguments.directory), &secret)?;
    Ok(())
}

fn show(directory: &Path, format: OutputFormat) -> anyhow::Result<()> {
    let identity = disk::read_secret(&directory.join("identity.secret")).ok();
    let linked = wallet(directory).exists();
    if identity.is_none() && !linked {
        let shown = directory.display();
        let message =
            format!("{shown} is no worker's directory yet: name one that `cotrain worker` used, or link a wallet");
        return Err(WrongUse(message).into());
    }
    let account = account(directory, &identity.unwrap_or_default())?;
    let worker = identity.map(|identity| protocol::Keypair::from_secret(&identity).worker().to_string());
    let shown = Shown { address: account.address().to_string(), linked, worker };
    let whose = if linked { "linked" } else { "the worker's own" };
    Ok(output::show(format, &shown, || format!("{} ({whose})\n", shown.address))?)
}

/// Asks on a terminal, or reads what was piped.
fn ask(what: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        // What is typed can be seen; a file or a variable hides it.
        write!(std::io::stderr(), "{what} (64 hexadecimal digits): ").context("cannot ask for the key")?;
    }
    let mut line = String::new();
    std::io::Read::take(stdin.lock(), KEY_BYTES_MAX).read_line(&mut line).context("cannot read the key")?;
    Ok(line)
}

fn wallet(directory: &Path) -> PathBuf {
    directory.join("wallet.secret")
}

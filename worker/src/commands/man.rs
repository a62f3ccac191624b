//! The manual pages of the program and its commands, from the table that it parses them by.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::output;

/// Prints the program's page, or writes a page for each command into a directory that is made if need be.
///
/// # Errors
/// A directory that cannot be written; a broken standard output.
pub fn run(out: Option<&Path>) -> anyhow::Result<()> {
    let Some(out) = out else { return Ok(output::print(&main_page()?)?) };
    std::fs::create_dir_all(out)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), out))
        .with_context(|| format!("cannot write manual pages into {}", out.display()))
}

fn main_page() -> anyhow::Result<String> {
    let mut page = Vec::new();
    Man::new(Cli::command().disable_help_subcommand(true)).render(&mut page)?;
    Ok(String::from_utf8(page)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the pages of a command and of those below it.
    fn pages(prefix: &str, command: &clap::Command) -> Vec<String> {
        let name = format!("{prefix}{}", command.get_name());
        let below = command.get_subcommands().flat_map(|inner| pages(&format!("{name}-"), inner));
        std::iter::once(format!("{name}.1")).chain(below).collect()
    }

    #[test]
    fn the_main_page_names_every_command() {
        let page = main_page().unwrap();
        for command in Cli::command().get_subcommands() {
            // In the source of a page a hyphen is escaped.
            let name = command.get_name().replace('-', "\\-");
            assert!(page.contains(&format!("cotrain\\-{name}")), "{name} in {page}");
        }
    }

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("man1");
        run(Some(&out)).unwrap();
        for name in pages("", &Cli::command()) {
            let page = std::fs::read_to_string(out.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
        }
        let up = std::fs::read_to_string(out.join("cotrain-up.1")).unwrap();
        assert!(up.contains("COTRAIN_ROUNDS") && up.contains("rounds"), "{up}");
    }
}

//! What makes a shell complete the program's commands and flags, from the table that it parses them by.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output;

/// Prints the completions for a shell.
///
/// # Errors
/// A broken standard output.
pub fn run(shell: Shell) -> anyhow::Result<()> {
    Ok(output::print(&completions(shell)?)?)
}

fn completions(shell: Shell) -> anyhow::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cotrain", &mut script);
    Ok(String::from_utf8(script)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_command_and_flag_is_completed_in_every_shell() {
        for shell in Shell::value_variants() {
            let script = completions(*shell).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell} lacks {}", command.get_name());
                for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
                    assert!(script.contains(flag), "{shell} lacks --{flag}");
                }
            }
        }
    }
}

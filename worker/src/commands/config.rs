//! The keys of a job, and where each of its values comes from: flag, variable, file or default.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};
use node::job::{Job, Key};
use serde::Serialize;

use crate::cli::{ExplainArgs, OutputFormat};
use crate::output;

/// A value and its origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The key as `section.key`, or the flag of a setting that belongs to this machine.
    pub key: String,
    /// The value as TOML.
    pub value: String,
    /// `default`, `file PATH`, `variable NAME`, `flag --NAME`, or `derived`.
    pub source: String,
}

/// Prints the reference page of all keys.
///
/// # Errors
/// A broken standard output.
pub fn keys() -> anyhow::Result<()> {
    Ok(output::print(&node::job::reference()?)?)
}

/// Prints every value with its origin.
///
/// # Errors
/// Wrong use in a job file; a broken standard output.
pub fn explain(arguments: &ExplainArgs, matches: &ArgMatches) -> anyhow::Result<()> {
    let rows = rows(arguments, matches)?;
    match arguments.output.output {
        OutputFormat::Json => rows.iter().try_for_each(output::print_json)?,
        OutputFormat::Text => output::print(&table(&rows))?,
    }
    Ok(())
}

/// Every value with its origin: the job's in the order of its keys, then this machine's.
///
/// # Errors
/// Wrong use in a job file.
pub fn rows(arguments: &ExplainArgs, matches: &ArgMatches) -> anyhow::Result<Vec<Row>> {
    let (job, path) = (toml::Table::try_from(arguments.job.resolve()?)?, arguments.job.job.as_deref());
    let file: toml::Table = match path {
        // It has just been read without an error.
        Some(path) => toml::from_str(&std::fs::read_to_string(path)?)?,
        None => toml::Table::new(),
    };
    let defaults = toml::Table::try_from(Job::default())?;
    let matches = innermost(matches);
    let source = |key: &Key, value: &toml::Value| match (key.flag, path) {
        (Some(flag), _) if arguments.job.given(flag.name).is_some() => given_by(matches, flag.name),
        (_, Some(path)) if key.value_in(&file).is_some() => format!("file {}", path.display()),
        _ if key.value_in(&defaults) == Some(value) => "default".to_owned(),
        _ => "derived".to_owned(),
    };
    let row = |key: &Key| {
        let value = key.value_in(&job)?;
        Some(Row { key: key.path(), value: value.to_string(), source: source(key, value) })
    };
    let mut rows: Vec<Row> = node::job::keys().filter_map(row).collect();
    rows.extend(machine_rows(arguments, matches));
    Ok(rows)
}

/// The settings of this machine, which no job holds.
fn machine_rows(arguments: &ExplainArgs, matches: &ArgMatches) -> Vec<Row> {
    let threads = arguments.device.threads.map_or_else(|| "all cores".to_owned(), |threads| threads.to_string());
    let rows = [
        ("device", arguments.device.device.to_string()),
        ("require-gpu", arguments.device.require_gpu.to_string()),
        ("threads", threads),
    ];
    rows.map(|(flag, value)| Row { key: format!("--{flag}"), value, source: given_by(matches, flag) }).into()
}

/// What set an argument.
fn given_by(matches: &ArgMatches, flag: &str) -> String {
    let command = ExplainArgs::augment_args(Command::new("explain"));
    let Some(argument) = command.get_arguments().find(|argument| argument.get_long() == Some(flag)) else {
        return "default".to_owned();
    };
    match matches.value_source(argument.get_id().as_str()) {
        Some(ValueSource::CommandLine) => format!("flag --{flag}"),
        Some(ValueSource::EnvVariable) => {
            format!("variable {}", argument.get_env().unwrap_or_default().to_string_lossy())
        }
        _ => "default".to_owned(),
    }
}

/// The matches of the subcommand that was asked for.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    let mut matches = matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    matches
}

fn table(rows: &[Row]) -> String {
    let width = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0);
    let (keys, values) = (width(|row| &row.key), width(|row| &row.value));
    let lines = rows.iter().map(|row| format!("{:keys$}  {:values$}  {}\n", row.key, row.value, row.source));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::{self, Cli, ConfigCommand};
    use clap::{CommandFactory, FromArgMatches};

    fn explained(line: &[&str]) -> BTreeMap<String, (String, String)> {
        let matches = Cli::command().try_get_matches_from([&["cotrain", "config", "explain"], line].concat()).unwrap();
        let cli::Command::Config(ConfigCommand::Explain(arguments)) = Cli::from_arg_matches(&matches).unwrap().command
        else {
            panic!()
        };
        rows(&arguments, &matches).unwrap().into_iter().map(|row| (row.key, (row.value, row.source))).collect()
    }

    fn pair(value: &str, source: &str) -> (String, String) {
        (value.to_owned(), source.to_owned())
    }

    #[test]
    fn each_value_names_its_origin() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("job.toml");
        std::fs::write(&path, "[train]\nouter_steps = 40\ninner_steps = 2\n").unwrap();
        let file = format!("file {}", path.display());
        let rows = explained(&["--job", path.to_str().unwrap(), "--rounds", "50", "--threads", "2"]);
        assert_eq!(rows["train.outer_steps"], pair("50", "flag --rounds"));
        assert_eq!(rows["train.inner_steps"], pair("2", &file));
        assert_eq!(rows["train.clip_norm"].1, "default");
        assert_eq!(rows["--threads"], pair("2", "flag --threads"));
        assert_eq!(rows["--device"], pair("auto", "default"));
    }

    #[test]
    fn a_shortened_warm_up_is_derived() {
        assert_eq!(explained(&["--rounds", "1", "--inner-steps", "4"])["train.warmup_steps"], pair("1", "derived"));
    }

    #[test]
    fn every_key_of_the_job_has_a_row() {
        let rows = explained(&[]);
        let job = toml::Table::try_from(Job::default()).unwrap();
        for (section, keys) in &job {
            assert!(keys.as_table().unwrap().keys().all(|key| rows.contains_key(&format!("{section}.{key}"))));
        }
    }
}

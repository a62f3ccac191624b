//! Where each value of a job comes from: flag, variable, file or default.

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command};
use node::job::Job;
use serde::Serialize;

use crate::cli::job::Override;
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

/// Prints every value with its origin.
///
/// # Errors
/// Wrong use in a job file; a broken standard output.
pub fn run(arguments: &ExplainArgs, matches: &ArgMatches) -> anyhow::Result<()> {
    let rows = rows(arguments, matches)?;
    match arguments.output.output {
        OutputFormat::Json => rows.iter().try_for_each(output::print_json)?,
        OutputFormat::Text => output::print(&table(&rows))?,
    }
    Ok(())
}

/// Every value with its origin: the job's by section, then this machine's.
///
/// # Errors
/// Wrong use in a job file.
pub fn rows(arguments: &ExplainArgs, matches: &ArgMatches) -> anyhow::Result<Vec<Row>> {
    let job = arguments.job.resolve()?;
    let path = arguments.job.job.as_deref();
    let file = match path {
        // It has just been read without an error.
        Some(path) => flatten(&toml::from_str(&std::fs::read_to_string(path)?)?),
        None => BTreeMap::new(),
    };
    let defaults = flatten(&toml::Table::try_from(Job::default())?);
    let overrides = arguments.job.overrides();
    let matches = innermost(matches);
    let source = |key: &str, value: &toml::Value| {
        if let Some(given) = overrides.iter().find(|given| is_key(given, key)) {
            return given_by(matches, given.flag);
        }
        match path {
            Some(path) if file.contains_key(key) => format!("file {}", path.display()),
            _ if defaults.get(key) == Some(value) => "default".to_owned(),
            _ => "derived".to_owned(),
        }
    };
    let values = flatten(&toml::Table::try_from(&job)?);
    let mut rows: Vec<Row> = values
        .iter()
        .map(|(key, value)| Row { key: key.clone(), value: value.to_string(), source: source(key, value) })
        .collect();
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

fn is_key(given: &Override, key: &str) -> bool {
    key.strip_prefix(given.section).and_then(|rest| rest.strip_prefix('.')) == Some(given.key)
}

/// What set an argument.
fn given_by(matches: &ArgMatches, flag: &str) -> String {
    let id = flag.replace('-', "_");
    let source = matches.try_contains_id(&id).ok();
    match source.and_then(|_| matches.value_source(&id)) {
        Some(ValueSource::CommandLine) => format!("flag --{flag}"),
        Some(ValueSource::EnvVariable) => format!("variable {}", variable(&id)),
        _ => "default".to_owned(),
    }
}

/// The name of the variable that may set an argument.
fn variable(id: &str) -> String {
    let command = ExplainArgs::augment_args(Command::new("explain"));
    let variable = command.get_arguments().find(|argument| argument.get_id() == id).and_then(Arg::get_env);
    variable.unwrap_or_default().to_string_lossy().into_owned()
}

/// The matches of the subcommand that was asked for.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    let mut matches = matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    matches
}

/// The keys of a job as `section.key`.
fn flatten(table: &toml::Table) -> BTreeMap<String, toml::Value> {
    let mut flat = BTreeMap::new();
    for (section, keys) in table {
        for (key, value) in keys.as_table().into_iter().flatten() {
            flat.insert(format!("{section}.{key}"), value.clone());
        }
    }
    flat
}

fn table(rows: &[Row]) -> String {
    let width = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0);
    let (keys, values) = (width(|row| &row.key), width(|row| &row.value));
    let lines = rows.iter().map(|row| format!("{:keys$}  {:values$}  {}\n", row.key, row.value, row.source));
    lines.collect()
}

#[cfg(test)]
mod tests {
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
        std::fs::write(&path, "[train]\nrounds = 40\ninner_steps = 2\n").unwrap();
        let file = format!("file {}", path.display());
        let rows = explained(&["--job", path.to_str().unwrap(), "--rounds", "50", "--threads", "2"]);
        assert_eq!(rows["train.rounds"], pair("50", "flag --rounds"));
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
        let expected = flatten(&toml::Table::try_from(Job::default()).unwrap());
        assert!(expected.keys().all(|key| rows.contains_key(key)));
    }
}

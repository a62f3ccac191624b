//! Flags and variables laid over a job file.
//!
//! Invariants: a value given on the command line or in the environment replaces that of the file, which replaces the
//! default; what comes out has passed the job's own checks. A run that is resumed keeps its job.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use node::job::{Flag, Job, Key};

use crate::exit::{WrongUse, wrong_use};

/// What all nodes of a run agree on; each flag overrides the key of the job file.
#[derive(Clone, Debug, Default)]
pub struct JobArgs {
    /// The job as a TOML file.
    pub job: Option<PathBuf>,
    /// The keys of the job that flags or variables set.
    pub overrides: Vec<Override>,
}

/// A key of the job that a flag sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// The flag without dashes, which is also the argument's id.
    pub flag: &'static str,
    /// The section of the job.
    pub section: &'static str,
    /// The key in it.
    pub key: &'static str,
    /// The value.
    pub value: toml::Value,
}

/// The keys that a flag sets, with their flags.
fn flagged() -> impl Iterator<Item = (&'static Key, Flag)> {
    node::job::keys().filter_map(|key| Some((key, key.flag?)))
}

impl Args for JobArgs {
    fn augment_args(command: Command) -> Command {
        let job =
            Arg::new("job").long("job").env("COTRAIN_JOB").value_name("FILE.toml").value_parser(value_parser!(PathBuf));
        let job = job.help("The job as a TOML file; its keys are those that `config keys` lists");
        command.arg(job).args(flagged().map(|(key, flag)| {
            let argument = Arg::new(flag.name).long(flag.name).env(flag.variable).value_name(flag.value);
            argument.value_parser(flag.parse).help(key.documentation.trim_end_matches('.'))
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for JobArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let overrides = flagged().filter_map(|(key, flag)| {
            let value = matches.get_one::<toml::Value>(flag.name)?.clone();
            Some(Override { flag: flag.name, section: key.section, key: key.name, value })
        });
        Ok(Self { job: matches.get_one("job").cloned(), overrides: overrides.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl JobArgs {
    /// What a flag or its variable sets.
    pub fn given(&self, flag: &str) -> Option<&toml::Value> {
        self.overrides.iter().find(|given| given.flag == flag).map(|given| &given.value)
    }

    /// The same flags as arguments for another process of this program.
    pub fn to_arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments = Vec::new();
        if let Some(job) = &self.job {
            arguments.extend(["--job".into(), job.clone().into_os_string()]);
        }
        for given in &self.overrides {
            let value = given.value.as_str().map_or_else(|| given.value.to_string(), str::to_owned);
            arguments.extend([format!("--{}", given.flag).into(), value.into()]);
        }
        arguments
    }

    /// The job: defaults, then the file, then variables and flags.
    ///
    /// # Errors
    /// Wrong use, naming the file, the line and what would do.
    pub fn resolve(&self) -> anyhow::Result<Job> {
        let (job, warmup_given) = match &self.job {
            Some(path) => (read(path)?, sets_warmup(path)),
            None => (Job::default(), false),
        };
        let mut job = lay_over(&job, &self.overrides)?;
        // Whoever names a codec wants it from the warm-up on.
        if self.given("codec").is_some() {
            job.codec.schedule.clear();
        }
        // The default warm-up suits the default length; a short run keeps the most of it that makes sense.
        if !warmup_given {
            job.train.warmup_steps = job.train.warmup_steps.min(job.steps() / 4);
        }
        job.validate().map_err(wrong_use)?;
        Ok(job)
    }

    /// The job of a run that goes on: what it began with, which flags may repeat and not change.
    ///
    /// # Errors
    /// Wrong use when there is no run or a flag asks for another job.
    pub fn resolve_resumed(&self, run_dir: &Path) -> anyhow::Result<Job> {
        let path = run_dir.join("job.toml");
        let job = read(&path).with_context(|| format!("{} holds no run to resume", run_dir.display()))?;
        if self.job.is_some() {
            return Err(WrongUse("a resumed run keeps its job: leave out --job".to_owned()).into());
        }
        for given in &self.overrides {
            if lay_over(&job, std::slice::from_ref(given))? != job {
                let (flag, value) = (given.flag, &given.value);
                let message = format!("a resumed run keeps its job: leave out --{flag} {value}, or start a new run");
                return Err(WrongUse(message).into());
            }
        }
        Ok(job)
    }
}

/// Reads a job file.
fn read(path: &Path) -> anyhow::Result<Job> {
    Job::read(path).map_err(|error| wrong_use(anyhow::Error::from(error).context(path.display().to_string())))
}

/// Whether the file itself sets the warm-up; it has been read once without an error.
fn sets_warmup(path: &Path) -> bool {
    let table: Option<toml::Table> = std::fs::read_to_string(path).ok().and_then(|text| toml::from_str(&text).ok());
    table.is_some_and(|table| table.get("train").and_then(|train| train.get("warmup_steps")).is_some())
}

/// Sets keys of a job.
fn lay_over(job: &Job, overrides: &[Override]) -> anyhow::Result<Job> {
    let mut table = toml::Table::try_from(job)?;
    for given in overrides {
        let section = table.entry(given.section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        if let Some(section) = section.as_table_mut() {
            section.insert(given.key.to_owned(), given.value.clone());
        }
    }
    Ok(table.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::{WRONG_USE, code_of};

    /// The arguments that a command line gives.
    fn given(line: &str) -> JobArgs {
        let command = JobArgs::augment_args(Command::new("cotrain").no_binary_name(true));
        JobArgs::from_arg_matches(&command.try_get_matches_from(line.split_whitespace()).unwrap()).unwrap()
    }

    /// The same over a job file.
    fn over_file(text: &str, line: &str) -> (tempfile::TempDir, JobArgs) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("job.toml");
        std::fs::write(&path, text).unwrap();
        (directory, JobArgs { job: Some(path), ..given(line) })
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = "[train]\nouter_steps = 40\nseed = 5\n[round]\nworkers_min = 2\n";
        let (_directory, arguments) = over_file(file, "--rounds 50 --codec topk256-q2");
        let job = arguments.resolve().unwrap();
        assert_eq!((job.train.outer_steps, job.train.seed, job.round.workers_min), (50, 5, 2));
        assert_eq!(job.codec.name, "topk256-q2");
        assert_eq!(job.train.inner_steps, Job::default().train.inner_steps);
    }

    #[test]
    fn an_unknown_key_is_wrong_use_that_names_file_line_and_the_nearest_key() {
        let (_directory, arguments) = over_file("[train]\nouter_step = 40\n", "");
        let error = arguments.resolve().unwrap_err();
        assert_eq!(code_of(&error), WRONG_USE);
        let message = error.to_string();
        for part in ["job.toml", "line 2", "`outer_step`", "`outer_steps`"] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn a_short_run_shortens_the_default_warm_up_but_not_a_chosen_one() {
        let short = "--rounds 1 --inner-steps 4";
        assert_eq!(given(short).resolve().unwrap().train.warmup_steps, 1);
        let (_directory, arguments) = over_file("[train]\nwarmup_steps = 30\n", short);
        assert_eq!(code_of(&arguments.resolve().unwrap_err()), WRONG_USE);
    }

    #[test]
    fn a_resumed_run_keeps_its_job() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("job.toml");
        std::fs::write(&path, Job::default().to_toml().unwrap()).unwrap();
        let same = given(&format!("--rounds {}", Job::default().train.outer_steps));
        assert_eq!(same.resolve_resumed(directory.path()).unwrap(), Job::default());
        let message = given("--seed 9999").resolve_resumed(directory.path()).unwrap_err().to_string();
        assert!(message.contains("--seed 9999"), "{message}");
        assert!(same.resolve_resumed(&directory.path().join("none")).is_err());
    }

    #[test]
    fn a_resumed_run_keeps_its_rounds() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("job.toml"), Job::default().to_toml().unwrap()).unwrap();
        let rounds = |rounds: u64| given(&format!("--rounds {rounds}")).resolve_resumed(directory.path());
        assert!(rounds(9_999).unwrap_err().to_string().contains("--rounds 9999"));
        assert!(rounds(1).unwrap_err().to_string().contains("--rounds 1"));
    }

    #[test]
    fn forwarded_arguments_mean_the_same() {
        use clap::Parser;
        let arguments = given("--model small --rounds 7 --codec dense-int4");
        let line = ["cotrain".into(), "plan".into()].into_iter().chain(arguments.to_arguments());
        let crate::cli::Command::Plan(plan) = crate::cli::Cli::try_parse_from(line).unwrap().command else { panic!() };
        assert_eq!(plan.job.overrides, arguments.overrides);
        assert_eq!(arguments.overrides.len(), 3);
    }
}

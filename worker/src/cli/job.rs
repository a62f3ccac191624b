//! Flags and variables laid over a job file.
//!
//! Invariants: a value given on the command line or in the environment replaces that of the file, which replaces the
//! default; what comes out has passed the job's own checks. A run that is resumed keeps its job.

use std::path::Path;

use anyhow::Context;
use node::job::Job;

use super::JobArgs;
use crate::exit::{WrongUse, wrong_use};

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

impl JobArgs {
    /// The keys of the job that flags or variables set.
    pub fn overrides(&self) -> Vec<Override> {
        let text = |value: &Option<String>| value.clone().map(toml::Value::String);
        let number = |value: Option<u64>| value.map(|n| toml::Value::Integer(i64::try_from(n).unwrap_or(i64::MAX)));
        let codec = self.codec.map(|codec| toml::Value::String(codec.name().to_owned()));
        let rows = [
            ("model", "model", "preset", text(&self.model)),
            ("workers", "round", "workers_min", number(self.workers.map(u64::from))),
            ("rounds", "train", "rounds", number(self.rounds)),
            ("inner-steps", "train", "inner_steps", number(self.inner_steps)),
            ("codec", "codec", "name", codec),
            ("warmup-rounds", "codec", "warmup_rounds", number(self.warmup_rounds)),
            ("checkpoint-every", "checkpoint", "every", number(self.checkpoint_every)),
            ("seed", "train", "seed", number(self.seed)),
            ("pool", "rewards", "pool", number(self.pool)),
            ("settle-every", "rewards", "settle_every", number(self.settle_every)),
            ("base-reward-percentage", "rewards", "base_percentage", number(self.base_reward_percentage)),
            ("bonus-reward-percentage", "rewards", "bonus_percentage", number(self.bonus_reward_percentage)),
            ("quality-threshold", "rewards", "quality_threshold", number(self.quality_threshold)),
        ];
        let given = rows.into_iter().filter_map(|(flag, section, key, value)| Some((flag, section, key, value?)));
        given.map(|(flag, section, key, value)| Override { flag, section, key, value }).collect()
    }

    /// The same flags as arguments for another process of this program.
    pub fn to_arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments = Vec::new();
        if let Some(job) = &self.job {
            arguments.extend(["--job".into(), job.clone().into_os_string()]);
        }
        for given in self.overrides() {
            let value = match given.value {
                toml::Value::String(text) => text,
                value => value.to_string(),
            };
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
        let mut job = lay_over(&job, &self.overrides())?;
        // Whoever names a codec wants it from the warm-up on.
        if self.codec.is_some() {
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
        for given in self.overrides() {
            if lay_over(&job, std::slice::from_ref(&given))? != job {
                let (flag, value) = (given.flag, given.value);
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

    fn job_file(text: &str) -> (tempfile::TempDir, JobArgs) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("job.toml");
        std::fs::write(&path, text).unwrap();
        (directory, JobArgs { job: Some(path), ..JobArgs::default() })
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let (_directory, mut arguments) = job_file("[train]\nrounds = 40\nseed = 5\n[round]\nworkers_min = 2\n");
        arguments.rounds = Some(50);
        arguments.codec = "topk256-q2".parse().ok();
        let job = arguments.resolve().unwrap();
        assert_eq!((job.train.rounds, job.train.seed, job.round.workers_min), (50, 5, 2));
        assert_eq!(job.codec.name, "topk256-q2");
        assert_eq!(job.train.inner_steps, Job::default().train.inner_steps);
    }

    #[test]
    fn an_unknown_key_is_wrong_use_that_names_file_line_and_the_nearest_key() {
        let (_directory, arguments) = job_file("[train]\nround = 40\n");
        let error = arguments.resolve().unwrap_err();
        assert_eq!(code_of(&error), WRONG_USE);
        let message = error.to_string();
        for part in ["job.toml", "line 2", "`round`", "`rounds`"] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn a_short_run_shortens_the_default_warm_up_but_not_a_chosen_one() {
        let short = JobArgs { rounds: Some(1), inner_steps: Some(4), ..JobArgs::default() };
        assert_eq!(short.resolve().unwrap().train.warmup_steps, 1);
        let (_directory, mut arguments) = job_file("[train]\nwarmup_steps = 30\n");
        (arguments.rounds, arguments.inner_steps) = (Some(1), Some(4));
        assert_eq!(code_of(&arguments.resolve().unwrap_err()), WRONG_USE);
    }

    #[test]
    fn a_resumed_run_keeps_its_job() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("job.toml");
        std::fs::write(&path, Job::default().to_toml().unwrap()).unwrap();
        let same = JobArgs { rounds: Some(Job::default().train.rounds), ..JobArgs::default() };
        assert_eq!(same.resolve_resumed(directory.path()).unwrap(), Job::default());
        let other = JobArgs { seed: Some(9_999), ..JobArgs::default() };
        let message = other.resolve_resumed(directory.path()).unwrap_err().to_string();
        assert!(message.contains("--seed 9999"), "{message}");
        assert!(same.resolve_resumed(&directory.path().join("none")).is_err());
    }

    #[test]
    fn a_resumed_run_keeps_its_rounds() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("job.toml"), Job::default().to_toml().unwrap()).unwrap();
        let rounds = |rounds| JobArgs { rounds: Some(rounds), ..JobArgs::default() }.resolve_resumed(directory.path());
        assert!(rounds(9_999).unwrap_err().to_string().contains("--rounds 9999"));
        assert!(rounds(1).unwrap_err().to_string().contains("--rounds 1"));
    }

    #[test]
    fn forwarded_arguments_mean_the_same() {
        use clap::Parser;
        let arguments = JobArgs {
            model: Some("small".into()),
            rounds: Some(7),
            codec: "dense-int4".parse().ok(),
            ..JobArgs::default()
        };
        let line = ["cotrain".into(), "plan".into()].into_iter().chain(arguments.to_arguments());
        let crate::cli::Command::Plan(plan) = crate::cli::Cli::try_parse_from(line).unwrap().command else { panic!() };
        assert_eq!(plan.job.overrides(), arguments.overrides());
    }
}

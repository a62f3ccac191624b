//! What several keys of a job must be together.

use super::{Exchange, Job, JobError};

impl Job {
    /// Refuses the first keys that are at odds with each other.
    pub(super) fn check_relations(&self) -> Result<(), JobError> {
        self.check_sequence_length()?;
        self.check_steps()?;
        self.check_weights()?;
        self.check_percentages()
    }

    /// The figures make a model, and it can read a sequence.
    fn check_sequence_length(&self) -> Result<(), JobError> {
        let (length, longest) = (self.train.sequence_length, self.model.config()?.max_position_embeddings);
        if length <= longest {
            return Ok(());
        }
        let expected = format!("at most max_position_embeddings of the model, {longest}");
        Err(JobError::value("train", "sequence_length", length, expected))
    }

    fn check_steps(&self) -> Result<(), JobError> {
        let train = &self.train;
        if train.exchange == Exchange::Gradient && train.inner_steps != 1 {
            let expected = "must be 1 with exchange = \"gradient\", which exchanges every step";
            return Err(JobError::value("train", "inner_steps", train.inner_steps, expected));
        }
        if train.warmup_steps > self.steps() {
            let expected = format!("at most outer_steps · inner_steps = {}", self.steps());
            return Err(JobError::value("train", "warmup_steps", train.warmup_steps, expected));
        }
        Ok(())
    }

    fn check_weights(&self) -> Result<(), JobError> {
        let score = &self.score;
        if score.usefulness_weight + score.agreement_weight + score.norm_weight > 0 {
            return Ok(());
        }
        let expected = "one of usefulness_weight, agreement_weight and norm_weight must be above 0";
        Err(JobError::value("score", "usefulness_weight", 0, expected))
    }

    fn check_percentages(&self) -> Result<(), JobError> {
        let (base, bonus) = (self.rewards.base_percentage, self.rewards.bonus_percentage);
        let rest = 100_u64.saturating_sub(base);
        if bonus == rest {
            return Ok(());
        }
        let expected = format!("must be {rest}, so that base and bonus make 100");
        Err(JobError::value("rewards", "bonus_percentage", bonus, expected))
    }
}

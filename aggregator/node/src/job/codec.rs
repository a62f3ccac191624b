//! Which codec serves which outer step: the warm-up's, then the schedule's, then the codec of the job.

use super::{CodecSection, JobError};
use kernels::Codec;

impl CodecSection {
    /// The codec of an outer step, counted from 1.
    ///
    /// # Errors
    /// When a name is no codec, which validation rules out.
    pub fn at(&self, outer_step: u64) -> Result<Codec, JobError> {
        let mut before = self.warmup_rounds;
        if outer_step <= before {
            return parse("warmup", &self.warmup);
        }
        for stage in &self.schedule {
            before = before.saturating_add(stage.rounds);
            if outer_step <= before {
                return parse("schedule", &stage.codec);
            }
        }
        parse("name", &self.name)
    }

    /// The codec once warm-up and schedule are over.
    ///
    /// # Errors
    /// When the name is no codec, which validation rules out.
    pub fn last(&self) -> Result<Codec, JobError> {
        parse("name", &self.name)
    }
}

fn parse(key: &'static str, name: &str) -> Result<Codec, JobError> {
    // The codec's own error names the nearest codec.
    name.parse::<Codec>().map_err(|error| JobError::value("codec", key, format!("\"{name}\""), error.to_string()))
}

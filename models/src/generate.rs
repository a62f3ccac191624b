//! Text from a model: the prompt's continuation, token by token.
//!
//! Each token is computed from the whole window again; a model that is still in training is asked for a sample, not
//! for a service. A text longer than the context is continued from its last `context` tokens.

use crate::error::ModelError;
use crate::random::Stream;
use crate::tokenizer::Tokenizer;
use crate::trainer::Trainer;

/// Purpose of the random stream.
const DOMAIN: &str = "cotrain/generate/1";

/// How to continue a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Tokens to add at most; generation ends earlier at the end of a text.
    pub max_new_tokens: usize,
    /// 0 takes the likeliest token each time; above, tokens are drawn, the more evenly the higher it is.
    pub temperature: f32,
    /// What the draws depend on besides.
    pub seed: u64,
}

/// The continuation of `prompt`, without the prompt.
///
/// An empty prompt starts after the end of a text. Ties go to the lower token.
///
/// # Errors
///
/// What the tokenizer or [`Trainer::next_logits`] refuses; [`ModelError::NonFinite`] when the logits are not finite.
pub fn generate(
    trainer: &mut Trainer,
    flat: &[f32],
    tokenizer: &Tokenizer,
    prompt: &str,
    options: &GenerateOptions,
) -> Result<String, ModelError> {
    let mut tokens = tokenizer.encode(prompt)?;
    if tokens.is_empty() {
        tokens.push(tokenizer.end_of_text().unwrap_or_default());
    }
    let start = tokens.len();
    continue_tokens(trainer, flat, &mut tokens, tokenizer, options)?;
    Ok(tokenizer.decode(&tokens[start..]))
}

fn continue_tokens(
    trainer: &mut Trainer,
    flat: &[f32],
    tokens: &mut Vec<u32>,
    tokenizer: &Tokenizer,
    options: &GenerateOptions,
) -> Result<(), ModelError> {
    let context = trainer.config().max_position_embeddings;
    let stream = Stream::new(DOMAIN, options.seed, "");
    for draw in 0..options.max_new_tokens as u64 {
        let window = &tokens[tokens.len().saturating_sub(context)..];
        let logits = trainer.next_logits(flat, window)?;
        let token = choose(&logits, options.temperature, stream.uniform(draw))
            .ok_or(ModelError::NonFinite { what: "logits", step: draw })?;
        if Some(token) == tokenizer.end_of_text() {
            break;
        }
        tokens.push(token);
    }
    Ok(())
}

/// The token at the quantile `uniform` of the distribution softmax(logits / temperature); the likeliest at 0. `None`
/// when the logits are not all finite.
fn choose(logits: &[f32], temperature: f32, uniform: f64) -> Option<u32> {
    if !logits.iter().all(|logit| logit.is_finite()) {
        return None;
    }
    let (best, &highest) = logits.iter().enumerate().rev().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    if temperature.is_nan() || temperature <= 0.0 {
        return Some(best as u32);
    }
    let scale = 1.0 / f64::from(temperature);
    let weights: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit - highest) * scale).exp()).collect();
    let mut rest = uniform * weights.iter().sum::<f64>();
    for (token, weight) in weights.iter().enumerate() {
        rest -= weight;
        if rest < 0.0 {
            return Some(token as u32);
        }
    }
    Some(best as u32)
}

#[cfg(test)]
mod tests;

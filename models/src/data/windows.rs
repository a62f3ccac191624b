//! Tokens to sequences: windows that do not overlap, the last of them held out.
//!
//! Window `i` of length `L` predicts tokens `i·L + 1 … i·L + L` from `i·L … i·L + L − 1`; so it reads `L + 1` tokens,
//! every token but the first is predicted exactly once, and no token is predicted by both parts of a split.

use std::sync::Arc;

use super::DataError;
use crate::batch::Batch;

/// Share of the windows that is held out, where that is at least [`HELD_OUT_SEQUENCES`].
const HELD_OUT_DIVISOR: usize = 20;

/// Sequences held out from a corpus that allows it: one of fewer than four times as many windows gives a quarter.
pub const HELD_OUT_SEQUENCES: usize = 64;

/// A corpus is too short when it cannot hold out this many sequences …
pub const HELD_OUT_SEQUENCES_MIN: usize = 8;

/// … and train on this many.
pub const TRAINING_SEQUENCES_MIN: usize = 24;

/// Longest window.
const LENGTH_MAX: usize = 1 << 20;

/// Equal windows over shared tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    tokens: Arc<[u32]>,
    length: usize,
}

/// Training windows and held-out windows of one corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What workers are assigned.
    pub training: Windows,
    /// What evaluation reads.
    pub held_out: Windows,
}

impl Windows {
    /// Windows of `length` predicted tokens; what is left at the end is not used.
    ///
    /// # Errors
    ///
    /// [`DataError::Length`] for a length of zero or an absurd one.
    pub fn new(tokens: impl Into<Arc<[u32]>>, length: usize) -> Result<Self, DataError> {
        check_length(length)?;
        Ok(Self { tokens: tokens.into(), length })
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        self.tokens.len().saturating_sub(1) / self.length
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Predicted tokens of each window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The tokens underneath.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The `length + 1` tokens of a window.
    pub fn get(&self, index: usize) -> Option<&[u32]> {
        if index >= self.len() {
            return None;
        }
        let start = index * self.length;
        self.tokens.get(start..=start + self.length)
    }

    /// The windows of `indices` in that order.
    ///
    /// # Errors
    ///
    /// [`DataError::NoSuchWindow`] for an index that is not below [`Windows::len`].
    pub fn batch(&self, indices: &[usize]) -> Result<Batch, DataError> {
        let mut tokens = Vec::with_capacity(indices.len() * (self.length + 1));
        for &index in indices {
            let window = self.get(index).ok_or(DataError::NoSuchWindow { index, count: self.len() })?;
            tokens.extend_from_slice(window);
        }
        Ok(Batch { tokens, sequences: indices.len(), length: self.length })
    }
}

/// Holds out the last windows: a twentieth, but at least [`HELD_OUT_SEQUENCES`] unless that is more than a quarter.
///
/// # Errors
///
/// [`DataError::TooShort`] with the tokens that would do, [`DataError::Length`] for a length of zero.
pub fn split(tokens: &[u32], length: usize) -> Result<Split, DataError> {
    check_length(length)?;
    let count = tokens.len().saturating_sub(1) / length;
    let sequences = HELD_OUT_SEQUENCES_MIN + TRAINING_SEQUENCES_MIN;
    if count < sequences {
        return Err(DataError::TooShort { tokens: tokens.len(), needed: sequences * length + 1, length, sequences });
    }
    let boundary = (count - held_out_windows(count)) * length;
    Ok(Split {
        training: Windows::new(&tokens[..=boundary], length)?,
        held_out: Windows::new(&tokens[boundary..], length)?,
    })
}

fn held_out_windows(count: usize) -> usize {
    (count / HELD_OUT_DIVISOR).max(HELD_OUT_SEQUENCES.min(count / 4))
}

fn check_length(length: usize) -> Result<(), DataError> {
    if (1..=LENGTH_MAX).contains(&length) {
        return Ok(());
    }
    Err(DataError::Length { length, maximum: LENGTH_MAX })
}

#[cfg(test)]
mod tests;

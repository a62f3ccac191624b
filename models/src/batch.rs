//! What one gradient is computed on: rows of tokens.

/// Sequences of equal length, row after row; each row carries one token more than it predicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `sequences` rows of `length + 1` tokens.
    pub tokens: Vec<u32>,
    pub sequences: usize,
    /// Predicted tokens per row.
    pub length: usize,
}

/// Why a batch is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A batch whose token count is not `sequences · (length + 1)`.
    #[error("a batch of {sequences} sequences of {length} tokens holds {found} tokens instead of {expected}")]
    Shape {
        /// Sequences in the batch.
        sequences: usize,
        /// Predicted tokens per sequence.
        length: usize,
        found: usize,
        expected: usize,
    },
    /// A sequence longer than the model's context.
    #[error("a sequence of {length} tokens exceeds the model's context of {context}")]
    TooLong {
        /// Tokens in the sequence.
        length: usize,
        /// The model's context.
        context: usize,
    },
    /// A token that the vocabulary does not have.
    #[error("token {token} at position {position} is outside the vocabulary of {vocabulary}")]
    TokenOutOfRange {
        token: u32,
        position: usize,
        /// The vocabulary's size.
        vocabulary: usize,
    },
}

impl Batch {
    /// A batch from its rows, checked.
    ///
    /// # Errors
    ///
    /// [`BatchError::Shape`] when the token count is not `sequences · (length + 1)` or either is zero.
    pub fn new(tokens: Vec<u32>, sequences: usize, length: usize) -> Result<Self, BatchError> {
        let batch = Self { tokens, sequences, length };
        batch.check_shape()?;
        Ok(batch)
    }

    /// Predicted tokens in all.
    pub fn predicted(&self) -> usize {
        self.sequences * self.length
    }

    /// The tokens of rows `first..first + count` as a batch of their own.
    ///
    /// Rows past the end are left out.
    pub fn rows(&self, first: usize, count: usize) -> Self {
        let first = first.min(self.sequences);
        let last = first.saturating_add(count).min(self.sequences);
        let row = self.length + 1;
        Self { tokens: self.tokens[first * row..last * row].to_vec(), sequences: last - first, length: self.length }
    }

    /// Checks shape, length and tokens against a model.
    ///
    /// # Errors
    ///
    /// [`BatchError::Shape`], [`BatchError::TooLong`] or [`BatchError::TokenOutOfRange`].
    pub fn check(&self, vocabulary: usize, context: usize) -> Result<(), BatchError> {
        self.check_shape()?;
        if self.length > context {
            return Err(BatchError::TooLong { length: self.length, context });
        }
        check_tokens(&self.tokens, vocabulary)
    }

    fn check_shape(&self) -> Result<(), BatchError> {
        let expected = self.length.checked_add(1).and_then(|row| row.checked_mul(self.sequences)).unwrap_or(usize::MAX);
        if self.tokens.len() == expected && self.sequences > 0 && self.length > 0 {
            return Ok(());
        }
        Err(BatchError::Shape { sequences: self.sequences, length: self.length, found: self.tokens.len(), expected })
    }
}

/// Refuses the first token that the vocabulary does not have.
pub(crate) fn check_tokens(tokens: &[u32], vocabulary: usize) -> Result<(), BatchError> {
    match tokens.iter().position(|&token| token as usize >= vocabulary) {
        None => Ok(()),
        Some(position) => Err(BatchError::TokenOutOfRange { token: tokens[position], position, vocabulary }),
    }
}

#[cfg(test)]
mod tests;

//! The refusals of the fused step; each holds the value that was wrong.

/// Why a fused step could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FusedError {
    /// The widths of the heads do not fit together.
    #[error(
        "{heads} heads over {kv_heads} key-value heads of width {head_dim}: every width must be positive, the width of \
         a head even, and the heads a multiple of the key-value heads"
    )]
    Widths {
        /// Query heads.
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
    },
    /// The layout is not that of the configuration.
    #[error("tensor {index} of the layout ({name}) is not where checkpoint order puts it")]
    Layout {
        /// Position in the layout.
        index: usize,
        name: String,
    },
    /// A vector is not as long as the layout.
    #[error("a vector of {found} elements where the layout has {expected}")]
    Elements {
        found: usize,
        /// Elements of the layout.
        expected: usize,
    },
    /// The batch holds another number of tokens than its shape says.
    #[error("a batch of {sequences} sequences of {length} tokens cannot hold {found} tokens")]
    BatchShape {
        sequences: usize,
        /// Predicted tokens of each.
        length: usize,
        found: usize,
    },
    /// A token outside the vocabulary.
    #[error("token {token} is outside the vocabulary of {vocab}")]
    Token {
        token: u32,
        /// Tokens in the vocabulary.
        vocab: usize,
    },
    /// The operating system refused the threads.
    #[error("{threads} threads could not be started: {reason}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
}

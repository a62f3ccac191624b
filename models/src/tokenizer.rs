//! Text to tokens and back: bytes by default, any Hugging Face `tokenizer.json` otherwise.
//!
//! The byte form is exact for every input: token `b` is byte `b`, and [`END_OF_TEXT`] separates documents. Its files
//! open in Hugging Face's `AutoTokenizer` and give the same tokens there, except that there the literal text
//! `<|endoftext|>` becomes the special token; here text never turns into a special token.

use std::path::{Path, PathBuf};

mod byte_files;
mod json;

pub use json::JsonTokenizer;

use crate::files::write_synced;

/// The byte form's separator between documents.
pub const END_OF_TEXT: u32 = 256;

/// The separator's spelling in the tokenizer files.
pub const END_OF_TEXT_TEXT: &str = "<|endoftext|>";

/// Tokens of the byte form: 256 bytes and [`END_OF_TEXT`].
const BYTE_TOKENS: usize = 257;

#[derive(Clone, Debug)]
pub enum Tokenizer {
    /// Token = byte.
    Bytes,
    /// A `tokenizer.json`.
    Json(Box<JsonTokenizer>),
}

impl Tokenizer {
    /// Reads `tokenizer.json` (and `tokenizer_config.json`, where there is one) from a checkpoint's directory.
    /// Recognises this crate's own byte form, whose tokens then stay exact for input that is not UTF-8.
    ///
    /// # Errors
    ///
    /// [`TokenizerError`] with the file's name.
    pub fn load(directory: &Path) -> Result<Self, TokenizerError> {
        Self::from_file(&directory.join(json::TOKENIZER_FILE))
    }

    /// Reads one `tokenizer.json`, and the `tokenizer_config.json` beside it.
    ///
    /// # Errors
    ///
    /// [`TokenizerError`] with the file's name.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let tokenizer = JsonTokenizer::read(path)?;
        if byte_files::is_byte_form(tokenizer.definition()) {
            return Ok(Self::Bytes);
        }
        Ok(Self::Json(Box::new(tokenizer)))
    }

    /// The tokens of a text. Bytes that are not UTF-8 become U+FFFD where the tokenizer works on characters.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Encode`] from a `tokenizer.json` without a token for the text.
    pub fn encode(&self, text: impl AsRef<[u8]>) -> Result<Vec<u32>, TokenizerError> {
        match self {
            Self::Bytes => Ok(text.as_ref().iter().map(|&byte| u32::from(byte)).collect()),
            Self::Json(tokenizer) => tokenizer.encode(&String::from_utf8_lossy(text.as_ref())),
        }
    }

    /// The text of tokens; what is no text is left out, what is no UTF-8 becomes U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> String {
        match self {
            Self::Bytes => {
                let bytes: Vec<u8> = tokens.iter().filter_map(|&token| u8::try_from(token).ok()).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Self::Json(tokenizer) => tokenizer.decode(tokens),
        }
    }

    /// One more than the largest token; a model's `vocab_size` must be at least this.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Bytes => BYTE_TOKENS,
            Self::Json(tokenizer) => tokenizer.vocab_size(),
        }
    }

    /// The token that ends a document, where there is one.
    pub fn end_of_text(&self) -> Option<u32> {
        match self {
            Self::Bytes => Some(END_OF_TEXT),
            Self::Json(tokenizer) => tokenizer.end_of_text(),
        }
    }

    /// Writes the files that Hugging Face's `AutoTokenizer` opens, each synced to the disk. A tokenizer that was read
    /// from files is written back byte for byte.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Write`] with the file's name.
    pub fn save(&self, directory: &Path, context: usize) -> Result<(), TokenizerError> {
        for (name, bytes) in self.files(context) {
            let path = directory.join(name);
            write_synced(&path, &bytes).map_err(|source| TokenizerError::Write { path, source })?;
        }
        Ok(())
    }

    fn files(&self, context: usize) -> Vec<(&'static str, Vec<u8>)> {
        match self {
            Self::Bytes => vec![
                (json::TOKENIZER_FILE, byte_files::tokenizer_json()),
                (json::CONFIG_FILE, json::config_json(Some(END_OF_TEXT_TEXT), context)),
            ],
            Self::Json(tokenizer) => tokenizer.files(context),
        }
    }
}

/// What can be wrong with a tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file cannot be read.
    #[error("tokenizer file {} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A file cannot be written.
    #[error("tokenizer file {} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// A file holds no tokenizer.
    #[error("{} is not a tokenizer: {message}", path.display())]
    Invalid { path: PathBuf, message: String },
    /// Text that the tokenizer cannot express.
    #[error("the tokenizer cannot encode the text: {0}")]
    Encode(String),
}

#[cfg(test)]
mod tests;

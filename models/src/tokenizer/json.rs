//! A Hugging Face `tokenizer.json` with the files beside it, kept byte for byte so that a checkpoint carries on exactly
//! the tokenizer it was started with.

use std::path::Path;

use serde_json::{Value, json};

use super::TokenizerError;
use super::byte_files::pretty;
use crate::files::read_bounded;

/// The tokenizer itself.
pub(super) const TOKENIZER_FILE: &str = "tokenizer.json";

/// What `AutoTokenizer` needs to know besides.
pub(super) const CONFIG_FILE: &str = "tokenizer_config.json";

/// Names of special tokens, which older checkpoints keep in a file of their own.
const SPECIAL_FILE: &str = "special_tokens_map.json";

/// Largest tokenizer file read; the largest published ones are about 35 MB.
const FILE_BYTES_MAX: u64 = 128 << 20;

/// Spellings of the end of a text, tried in this order when no configuration names one.
const END_SPELLINGS: [&str; 5] = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>"];

/// A tokenizer read from `tokenizer.json`.
#[derive(Clone, Debug)]
pub struct JsonTokenizer {
    inner: tokenizers::Tokenizer,
    definition: Value,
    end_of_text: Option<u32>,
    vocab_size: usize,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl JsonTokenizer {
    pub(super) fn read(path: &Path) -> Result<Self, TokenizerError> {
        let bytes = read_file(path)?;
        let invalid = |message: String| TokenizerError::Invalid { path: path.to_owned(), message };
        let definition: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        let inner = tokenizers::Tokenizer::from_bytes(&bytes).map_err(|error| invalid(error.to_string()))?;
        let vocab_size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        if vocab_size == 0 {
            return Err(invalid("its vocabulary is empty".into()));
        }
        let mut files = vec![(TOKENIZER_FILE, bytes)];
        files.extend(beside(path, CONFIG_FILE)?);
        files.extend(beside(path, SPECIAL_FILE)?);
        let end_of_text = find_end(&inner, &files);
        Ok(Self { inner, definition, end_of_text, vocab_size, files })
    }

    pub(super) fn definition(&self) -> &Value {
        &self.definition
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding =
            self.inner.encode_fast(text, false).map_err(|error| TokenizerError::Encode(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    pub(super) fn decode(&self, tokens: &[u32]) -> String {
        // A decoder fails on tokens that it does not know; those are left out rather than losing the text around them.
        let known: Vec<u32> = tokens.iter().copied().filter(|&token| self.inner.id_to_token(token).is_some()).collect();
        self.inner.decode(&known, true).unwrap_or_default()
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    pub(super) fn end_of_text(&self) -> Option<u32> {
        self.end_of_text
    }

    pub(super) fn files(&self, context: usize) -> Vec<(&'static str, Vec<u8>)> {
        let mut files = self.files.clone();
        if files.iter().all(|&(name, _)| name != CONFIG_FILE) {
            let end = self.end_of_text.and_then(|token| self.inner.id_to_token(token));
            files.push((CONFIG_FILE, config_json(end.as_deref(), context)));
        }
        files
    }
}

/// A `tokenizer_config.json` for a tokenizer that came without one.
pub(super) fn config_json(end_of_text: Option<&str>, context: usize) -> Vec<u8> {
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": false,
    });
    if let Some(end) = end_of_text {
        config["eos_token"] = end.into();
    }
    pretty(&config)
}

fn read_file(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    read_bounded(path, FILE_BYTES_MAX).map_err(|source| TokenizerError::Read { path: path.to_owned(), source })
}

fn beside(path: &Path, name: &'static str) -> Result<Option<(&'static str, Vec<u8>)>, TokenizerError> {
    let sibling = path.with_file_name(name);
    if !sibling.is_file() {
        return Ok(None);
    }
    Ok(Some((name, read_file(&sibling)?)))
}

/// The token named as `eos_token` in a configuration, else the first usual spelling that the vocabulary has.
fn find_end(tokenizer: &tokenizers::Tokenizer, files: &[(&'static str, Vec<u8>)]) -> Option<u32> {
    let named = files[1..].iter().filter_map(|(_, bytes)| {
        let config: Value = serde_json::from_slice(bytes).ok()?;
        let token = &config["eos_token"];
        token.as_str().or_else(|| token["content"].as_str()).map(str::to_owned)
    });
    let usual = END_SPELLINGS.iter().map(|&spelling| spelling.to_owned());
    named.chain(usual).find_map(|spelling| tokenizer.token_to_id(&spelling))
}

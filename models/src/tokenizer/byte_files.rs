//! The byte form as a `tokenizer.json`: byte-level BPE without a single merge, so that every byte stays a token.

use serde_json::{Map, Value, json};

use super::{END_OF_TEXT, END_OF_TEXT_TEXT};

/// The file's bytes.
pub(super) fn tokenizer_json() -> Vec<u8> {
    let definition = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [{
            "id": END_OF_TEXT,
            "content": END_OF_TEXT_TEXT,
            "single_word": false,
            "lstrip": false,
            "rstrip": false,
            "normalized": false,
            "special": true,
        }],
        "normalizer": null,
        "pre_tokenizer": byte_level(),
        "post_processor": null,
        "decoder": byte_level(),
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocabulary(),
            "merges": [],
        },
    });
    pretty(&definition)
}

/// Whether a `tokenizer.json` means what [`tokenizer_json`] writes. Hugging Face may add defaults when it saves it
/// again, so only what decides the tokens is compared.
pub(super) fn is_byte_form(definition: &Value) -> bool {
    let model = &definition["model"];
    let added = definition["added_tokens"].as_array();
    model["type"] == "BPE"
        && model["vocab"].as_object().is_some_and(is_byte_vocabulary)
        && model["merges"].as_array().is_some_and(Vec::is_empty)
        && definition["normalizer"].is_null()
        && definition["pre_tokenizer"]["type"] == "ByteLevel"
        && definition["pre_tokenizer"]["add_prefix_space"] == false
        && definition["decoder"]["type"] == "ByteLevel"
        && added.is_some_and(|tokens| tokens.len() == 1 && tokens[0]["id"] == END_OF_TEXT)
}

/// The symbol that byte-level BPE writes for a byte: printable Latin-1 stands for itself, the others follow from
/// U+0100 in the order of the bytes (GPT-2's `bytes_to_unicode`).
fn symbol(byte: u8) -> char {
    if is_printable(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|&other| !is_printable(other)).count() as u32;
    char::from_u32(0x100 + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

fn vocabulary() -> Map<String, Value> {
    (0..=u8::MAX).map(|byte| (symbol(byte).to_string(), Value::from(byte))).collect()
}

/// The vocabulary is the 256 symbols; a saved copy may list the separator too.
fn is_byte_vocabulary(found: &Map<String, Value>) -> bool {
    let wanted = vocabulary();
    let extra = usize::from(found.get(END_OF_TEXT_TEXT).is_some_and(|id| *id == END_OF_TEXT));
    found.len() == wanted.len() + extra && wanted.iter().all(|(symbol, id)| found.get(symbol) == Some(id))
}

fn byte_level() -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false })
}

pub(super) fn pretty(value: &Value) -> Vec<u8> {
    let mut text = format!("{value:#}");
    text.push('\n');
    text.into_bytes()
}

use super::*;
use proptest::prelude::*;

const WORDS: &str = r#"{
  "version": "1.0", "truncation": null, "padding": null,
  "added_tokens": [{"id": 3, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true}],
  "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
  "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "hello": 1, "world": 2}, "unk_token": "[UNK]"}
}"#;

fn saved(tokenizer: &Tokenizer) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    tokenizer.save(directory.path(), 256).unwrap();
    directory
}

#[test]
fn byte_tokens_are_the_bytes() {
    let text = [0u8, 255, b'a', 0xC3, 0x28];
    assert_eq!(Tokenizer::Bytes.encode(text).unwrap(), [0, 255, 97, 0xC3, 0x28]);
    assert_eq!(Tokenizer::Bytes.decode(&[104, 105, END_OF_TEXT, 263, 0xFF]), "hi\u{FFFD}");
}

#[test]
fn the_saved_byte_form_is_recognised() {
    let directory = saved(&Tokenizer::Bytes);
    assert!(matches!(Tokenizer::load(directory.path()).unwrap(), Tokenizer::Bytes));
}

proptest! {
    #[test]
    fn hugging_face_reads_the_byte_form_alike(text in "\\PC*|[\\x00-\\x7f]*") {
        prop_assume!(!text.contains(END_OF_TEXT_TEXT));
        let reader = tokenizers::Tokenizer::from_bytes(byte_files::tokenizer_json()).unwrap();
        let there = reader.encode(text.as_str(), true).unwrap();
        prop_assert_eq!(there.get_ids(), Tokenizer::Bytes.encode(&text).unwrap());
        prop_assert_eq!(reader.decode(there.get_ids(), true).unwrap(), text.clone());
        prop_assert_eq!(Tokenizer::Bytes.decode(there.get_ids()), text);
    }
}

#[test]
fn the_separator_is_the_same_token_there() {
    let reader = tokenizers::Tokenizer::from_bytes(byte_files::tokenizer_json()).unwrap();
    assert_eq!(reader.token_to_id(END_OF_TEXT_TEXT), Some(END_OF_TEXT));
    assert_eq!(reader.get_vocab_size(true), Tokenizer::Bytes.vocab_size());
}

#[test]
fn a_json_tokenizer_is_used_and_written_back_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("tokenizer.json"), WORDS).unwrap();
    let tokenizer = Tokenizer::load(directory.path()).unwrap();
    assert_eq!(tokenizer.encode("hello world").unwrap(), [1, 2]);
    assert_eq!(tokenizer.encode(b"hello \xFF").unwrap(), [1, 0]);
    assert_eq!(tokenizer.end_of_text(), Some(3));
    assert_eq!(tokenizer.vocab_size(), 4);
    assert_eq!(tokenizer.decode(&[1, 99, 2]), "hello world");
    let copy = saved(&tokenizer);
    assert_eq!(std::fs::read_to_string(copy.path().join("tokenizer.json")).unwrap(), WORDS);
    assert!(std::fs::read_to_string(copy.path().join("tokenizer_config.json")).unwrap().contains("</s>"));
}

#[test]
fn the_configuration_names_the_end() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("tokenizer.json"), WORDS).unwrap();
    std::fs::write(directory.path().join("tokenizer_config.json"), r#"{"eos_token": {"content": "world"}}"#).unwrap();
    assert_eq!(Tokenizer::load(directory.path()).unwrap().end_of_text(), Some(2));
}

#[test]
fn errors_name_the_file() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Tokenizer::load(directory.path()).unwrap_err().to_string().contains("tokenizer.json"));
    std::fs::write(directory.path().join("tokenizer.json"), "{\"model\":").unwrap();
    let error = Tokenizer::load(directory.path()).unwrap_err();
    assert!(matches!(error, TokenizerError::Invalid { .. }));
    assert!(error.to_string().contains("tokenizer.json"));
}

use super::*;
use std::fs;

fn job(length: usize) -> Job {
    let mut job = Job::default();
    job.train.sequence_length = length;
    job
}

fn place() -> (tempfile::TempDir, RunDirectory, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(&directory.path().join("run")).unwrap();
    let text = directory.path().join("text");
    fs::create_dir(&text).unwrap();
    (directory, run, text)
}

#[test]
fn shards_read_back_to_the_same_split_on_another_node() {
    let (_directory, run, text) = place();
    fs::write(text.join("a.txt"), "the quick brown fox ".repeat(500)).unwrap();
    let prepared = prepare(&run, &job(32), &[text], &Tokenizer::Bytes).unwrap();
    assert_eq!(prepared.summary.files, 1);
    assert!(prepared.summary.unigram_loss > 1.0);
    let again = load(&run, &prepared.shards, &job(32)).unwrap();
    assert_eq!(again, prepared.split);
}

#[test]
fn a_damaged_shard_is_refused_and_written_again_by_a_resume() {
    let (_directory, run, text) = place();
    fs::write(text.join("a.txt"), "abc ".repeat(2000)).unwrap();
    let prepared = prepare(&run, &job(32), std::slice::from_ref(&text), &Tokenizer::Bytes).unwrap();
    let path = run.shard(&prepared.shards[0].hash);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(load(&run, &prepared.shards, &job(32)), Err(CorpusError::Hash { .. })));
    let again = prepare(&run, &job(32), &[text], &Tokenizer::Bytes).unwrap();
    assert_eq!(again.shards, prepared.shards);
    load(&run, &again.shards, &job(32)).unwrap();
}

#[test]
fn too_little_text_says_how_much_would_do() {
    let (_directory, run, text) = place();
    fs::write(text.join("a.txt"), "short").unwrap();
    let error = prepare(&run, &job(32), &[text], &Tokenizer::Bytes).unwrap_err().to_string();
    assert!(error.contains("6 tokens") && error.contains("at least 1025"), "{error}");
}

#[test]
fn missing_and_empty_text_are_clear_errors() {
    let (_directory, run, text) = place();
    let error = prepare(&run, &job(32), &[text.join("gone")], &Tokenizer::Bytes).unwrap_err().to_string();
    assert!(error.contains("gone") && error.contains("--data"), "{error}");
    assert!(prepare(&run, &job(32), &[text], &Tokenizer::Bytes).is_err());
}

#[test]
fn the_token_limit_is_kept() {
    let (_directory, run, text) = place();
    fs::write(text.join("a.txt"), "the quick brown fox ".repeat(500)).unwrap();
    let mut job = job(16);
    job.data.tokens_max = 1024;
    let prepared = prepare(&run, &job, &[text], &Tokenizer::Bytes).unwrap();
    assert_eq!(prepared.shards.iter().map(|shard| shard.tokens).sum::<u64>(), 1024);
}

#[test]
fn a_shard_for_a_larger_vocabulary_is_refused() {
    let shard = TokenShard { vocabulary: 70_000, tokens: vec![1, 69_999] };
    let bytes = shard.to_bytes().unwrap();
    let hash = Hash::of(&bytes);
    assert!(matches!(parse(&bytes, &hash, 264), Err(CorpusError::Vocabulary { found: 70_000, .. })));
    assert!(parse(&bytes, &hash, 70_000).is_ok());
}

#[test]
fn the_default_text_is_on_a_machine_that_built_this() {
    let (_directory, run, _) = place();
    let mut job = job(256);
    job.data.tokens_max = 1 << 20;
    let prepared = prepare(&run, &job, &[], &Tokenizer::Bytes).unwrap();
    assert_eq!(prepared.shards.iter().map(|shard| shard.tokens).sum::<u64>(), 1 << 20);
    assert!(prepared.notes.iter().all(|note| !note.contains("lacks")), "{:?}", prepared.notes);
}

use super::*;

fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    directory
}

fn read(directory: &tempfile::TempDir) -> Result<Corpus, DataError> {
    read_corpus(&[directory.path().to_owned()], &Limits::default())
}

fn texts(corpus: &Corpus) -> Vec<String> {
    corpus.documents.iter().map(|document| String::from_utf8_lossy(&document.bytes).into_owned()).collect()
}

#[test]
fn directories_are_read_in_sorted_order_without_hidden_files() {
    let directory = directory(&[("b.txt", b"B"), ("a/z.md", b"Z"), ("a/c.rs", b"C"), (".git/x", b"no"), (".y", b"no")]);
    assert_eq!(texts(&read(&directory).unwrap()), ["C", "Z", "B"]);
}

#[test]
fn named_paths_keep_their_order() {
    let directory = directory(&[("a.txt", b"A"), ("b.txt", b"B")]);
    let paths = [directory.path().join("b.txt"), directory.path().join("a.txt")];
    assert_eq!(texts(&read_corpus(&paths, &Limits::default()).unwrap()), ["B", "A"]);
}

#[test]
fn binary_and_empty_files_are_noted() {
    let directory = directory(&[("a.bin", b"x\0y"), ("b.txt", b""), ("c.txt", b"text")]);
    let corpus = read(&directory).unwrap();
    assert_eq!(texts(&corpus), ["text"]);
    assert!(matches!(corpus.notes[..], [CorpusNote::Binary { .. }, CorpusNote::EmptyFile { .. }]));
}

#[test]
fn text_that_is_not_utf8_is_kept_exactly() {
    let directory = directory(&[("latin1.txt", b"caf\xE9")]);
    let corpus = read(&directory).unwrap();
    assert_eq!(tokenise(&corpus, &Tokenizer::Bytes).unwrap(), [99, 97, 102, 0xE9, 256]);
}

#[test]
fn jsonl_lines_are_documents_and_bad_ones_are_counted() {
    let lines = b"{\"text\": \"one\", \"id\": 1}\n\nnot json\n{\"text\": 5}\n{\"text\":\"two\"}\r\n";
    let directory = directory(&[("data.jsonl", lines)]);
    let corpus = read(&directory).unwrap();
    assert_eq!(texts(&corpus), ["one", "two"]);
    let path = directory.path().join("data.jsonl");
    assert_eq!(corpus.notes, [CorpusNote::BadLines { path, bad: 2, lines: 4, first: 3 }]);
    assert_eq!(tokenise(&corpus, &Tokenizer::Bytes).unwrap().iter().filter(|&&token| token == 256).count(), 2);
}

#[test]
fn a_named_jsonl_without_text_is_an_error() {
    let directory = directory(&[("data.jsonl", b"{\"body\": \"x\"}\n")]);
    let error = read_corpus(&[directory.path().join("data.jsonl")], &Limits::default()).unwrap_err();
    assert!(matches!(error, DataError::NoTextLines { lines: 1, .. }));
    assert!(error.to_string().contains("\"text\""));
}

#[test]
fn nothing_to_read_says_what_would_do() {
    let directory = directory(&[("a.bin", b"\0"), ("b.bin", b"\0"), ("c.bin", b"\0"), ("d.bin", b"\0")]);
    let message = read(&directory).unwrap_err().to_string();
    assert!(message.contains("jsonl with a \"text\" field"), "{message}");
    assert!(message.contains("a.bin is binary") && message.contains("and 1 more"), "{message}");
    assert!(matches!(read_corpus(&[], &Limits::default()), Err(DataError::NoPaths)));
}

#[test]
fn a_missing_path_is_named() {
    let error = read_corpus(&[PathBuf::from("no/such/file.txt")], &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("no/such/file.txt"));
}

#[test]
fn limits_cut_and_are_noted() {
    let directory = directory(&[("a.txt", b"0123456789"), ("b.txt", b"0123456789"), ("c.txt", b"0123456789")]);
    let paths = [directory.path().to_owned()];
    let limits = Limits { file_bytes_max: 8, ..Limits::default() };
    let corpus = read_corpus(&paths, &limits).unwrap();
    assert_eq!((corpus.bytes, corpus.notes.len()), (24, 3));
    let limits = Limits { corpus_bytes_max: 15, ..Limits::default() };
    let corpus = read_corpus(&paths, &limits).unwrap();
    assert_eq!(texts(&corpus), ["0123456789", "01234"]);
    assert_eq!(corpus.notes, [CorpusNote::CorpusCut { bytes_max: 15 }]);
    let limits = Limits { files_max: 1, ..Limits::default() };
    let corpus = read_corpus(&paths, &limits).unwrap();
    assert_eq!((texts(&corpus).len(), &corpus.notes[..]), (1, &[CorpusNote::TooManyFiles { files_max: 1 }][..]));
}

#[cfg(unix)]
#[test]
fn links_inside_directories_are_not_followed() {
    let directory = directory(&[("a.txt", b"A")]);
    std::os::unix::fs::symlink(directory.path(), directory.path().join("loop")).unwrap();
    assert_eq!(texts(&read(&directory).unwrap()), ["A"]);
}

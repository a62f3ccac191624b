//! The committed corpus of hostile and odd payloads, `tests/corpus/`: each is replayed, then the starting point of a
//! fuzz.
//!
//! A file is named `<codec>.<elements>.<what>.bin` and holds a body, or `header.<elements>.<what>.bin` and holds a
//! payload; `index.txt` says what becomes of each. `KERNELS_WRITE_CORPUS=1`, in one thread, writes the made ones anew
//! and adds what the fuzz finds refused for a reason that no file of its codec has yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Once;

use kernels::{Codec, DecodeError, Expected, Header, VERSION, check, encode, seal, validate};
use proptest::prelude::*;

use crate::cases::{Kind, Random, values};
use crate::hostile::{accepted_is_exact, body};

type Files = BTreeMap<String, Vec<u8>>;

/// Every refusal that bytes can bring about; a device's failure is none.
const REFUSALS: [&str; 30] = [
    "HeaderTooShort",
    "WrongMagic",
    "WrongVersion",
    "UnknownCodec",
    "ReservedNotZero",
    "StageOutOfRange",
    "NoElements",
    "WrongCodec",
    "WrongStage",
    "WrongElements",
    "WrongLayout",
    "WrongSession",
    "WrongBase",
    "WrongRound",
    "WrongWorker",
    "WrongLength",
    "WrongOnes",
    "LastHighBit",
    "NotIncreasing",
    "IndexInPadding",
    "FillerCode",
    "NegativeMagnitude",
    "NegativeZeroMagnitude",
    "NonFiniteMagnitude",
    "MagnitudeOrder",
    "UnusedLow",
    "ScaleTooLarge",
    "ForbiddenCode",
    "CodeWithoutScale",
    "PaddingNotZero",
];

fn folder() -> PathBuf {
    // Asked for when it runs: checkouts that share a target directory share this binary.
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests")).join("tests/corpus")
}

fn may_write() -> bool {
    std::env::var_os("KERNELS_WRITE_CORPUS").is_some()
}

/// The name of an error's variant.
fn verdict<T>(result: &Result<T, DecodeError>) -> String {
    let text = result.as_ref().map_or_else(|error| format!("{error:?}"), |_| "valid".to_owned());
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap().to_owned()
}

/// Codec (none for a payload) and elements in a file's name.
fn named(file: &str) -> (Option<Codec>, usize) {
    let mut parts = file.split('.');
    (parts.next().unwrap().parse().ok(), parts.next().unwrap().parse().unwrap())
}

fn judge(file: &str, bytes: &[u8]) -> String {
    let (codec, elements) = named(file);
    match codec {
        Some(codec) => {
            accepted_is_exact(codec, elements, bytes);
            verdict(&validate(codec, elements, bytes))
        }
        None => verdict(&check(bytes, &expected())),
    }
}

fn header() -> Header {
    Header {
        version: VERSION,
        codec: Codec::TopK64,
        stage: 0,
        stages: 2,
        elements: 4096,
        round: 7,
        tokens: 61_440,
        layout_hash: [1; 32],
        base_hash: [2; 32],
        session: [3; 32],
        worker: [4; 32],
    }
}

fn expected() -> Expected {
    let Header { codec, stage, stages, elements, round, layout_hash, base_hash, session, worker, .. } = header();
    Expected { layout_hash, stage, stages, session, base_hash, round, worker, codec, elements }
}

/// Payloads: one that is valid, and what its header can have wrong, by offset and byte.
fn headers(files: &mut Files) {
    let payload = seal(&header(), &body());
    let mut add = |what: &str, bytes: &[u8]| drop(files.insert(format!("header.4096.{what}.bin"), bytes.to_vec()));
    add("valid", &payload);
    add("empty", &[]);
    add("short", &payload[..167]);
    add("no-body", &payload[..168]);
    add("long", &[&payload[..], &[0]].concat());
    for (what, at, byte) in [
        ("archive", 3, b'A'),
        ("version", 4, 2),
        ("codec-number", 6, 7),
        ("codec", 6, 1),
        ("reserved", 15, 1),
        ("stage-beyond", 8, 2),
        ("stage", 8, 1),
        ("elements", 16, 0xff),
        ("most-elements", 23, 0xff),
        ("layout", 40, 0),
        ("base", 72, 0),
        ("session", 104, 0),
        ("worker", 167, 0),
        ("round", 24, 8),
        ("tokens", 32, 1),
        ("body", 168 + 83, 0xff),
    ] {
        let mut damaged = payload.clone();
        damaged[at] = byte;
        add(what, &damaged);
    }
    let mut none = payload.clone();
    none[16..24].fill(0);
    add("no-elements", &none);
    let (mut fewer, mut other) = (header(), header());
    fewer.elements = 4095;
    add("fewer-elements", &seal(&fewer, &body()));
    other.codec = Codec::TopK32;
    add("other-codec", &seal(&other, &encode(Codec::TopK32, &[1.0; 4096]).unwrap()));
}

/// Sparse bodies; in `body()` entry `j` has index `64·j`, even ones are low. See `FORMAT.md` for the offsets.
fn sparse(files: &mut Files) {
    let edits: [(&str, &[(usize, u8)]); 17] = [
        ("valid", &[]),
        ("one-missing", &[(48, 0x54)]),
        ("one-more", &[(48, 0x57)]),
        ("last-bit", &[(48, 0x54), (63, 0xd5)]),
        ("same-index", &[(48, 0x53)]),
        ("low-negative", &[(81, 0xbf)]),
        ("high-negative", &[(83, 0xc0)]),
        ("low-minus-zero", &[(80, 0), (81, 0x80)]),
        ("high-minus-zero", &[(82, 0), (83, 0x80)]),
        ("low-nan", &[(80, 0xc0), (81, 0x7f)]),
        ("high-infinite", &[(82, 0x80), (83, 0x7f)]),
        ("high-minus-infinite", &[(82, 0x80), (83, 0xff)]),
        ("low-above-high", &[(81, 0x41)]),
        ("equal-magnitudes", &[(80, 0x40), (81, 0x40)]),
        ("zero-magnitudes", &[(80, 0), (81, 0), (82, 0), (83, 0)]),
        ("smallest-low", &[(80, 1), (81, 0)]),
        ("largest-high", &[(82, 0x7f), (83, 0x7f)]),
    ];
    for (what, edits) in edits {
        let mut bytes = body();
        edits.iter().for_each(|&(at, byte)| bytes[at] = byte);
        files.insert(format!("topk64-q2.4096.{what}.bin"), bytes);
    }
    let equal = encode(Codec::TopK64, &[1.0; 4096]).unwrap();
    files.insert("topk64-q2.4096.all-high.bin".into(), equal.clone());
    files.insert("topk64-q2.4096.unused-low.bin".into(), edited(&equal, 80, 1));
    files.insert("topk64-q2.4096.short.bin".into(), equal[1..].to_vec());
    files.insert("topk64-q2.4096.empty.bin".into(), Vec::new());
    files.insert("topk64-q2.4096.zeros.bin".into(), vec![0; 84]);
    files.insert("topk64-q2.4096.ones.bin".into(), vec![0xff; 84]);
    // The last entry of 4095 is the element 4095 of a whole chunk.
    files.insert("topk64-q2.4000.padding.bin".into(), body());
    let few = encode(Codec::TopK64, &[1.0; 10]).unwrap();
    files.insert("topk64-q2.10.fillers.bin".into(), few.clone());
    files.insert("topk64-q2.10.filler-code.bin".into(), edited(&few, 79, 0x80));
    files.insert("topk64-q2.10.filler-elsewhere.bin".into(), edited(&edited(&few, 55, 0x7f), 63, 0x40));
    files.insert("topk64-q2.0.nothing.bin".into(), Vec::new());
    for codec in [Codec::TopK32, Codec::TopK128, Codec::TopK256] {
        for kind in [Kind::HeavyTails, Kind::Largest, Kind::Zeros] {
            let what = format!("{codec}.4200.{kind:?}.bin").to_lowercase();
            files.insert(what, encode(codec, &values(kind, 4200, 3)).unwrap());
        }
    }
}

fn edited(bytes: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = byte;
    bytes
}

/// Dense bodies: scales first, two bytes each, codes from byte 128 on.
fn dense(files: &mut Files) {
    let four = encode(Codec::DenseInt4, &[1.0; 101]).unwrap();
    let edits: [(&str, usize, u8); 9] = [
        ("valid", 0, four[0]),
        ("negative", 1, 0xbf),
        ("minus-zero", 5, 0x80),
        ("infinite", 1, 0xff),
        ("scale", 1, 0x7e),
        ("forbidden", 128, 0x78),
        ("code-without-scale", 128 + 40, 7),
        ("padding-code", 128 + 50, 0x17),
        ("padding-scale", 4, 1),
    ];
    for (what, at, byte) in edits {
        files.insert(format!("dense-int4.101.{what}.bin"), edited(&four, at, byte));
    }
    let eight = encode(Codec::DenseInt8, &[1.0; 100]).unwrap();
    for (what, at, byte) in [("valid", 0, eight[0]), ("forbidden", 128, 0x80), ("scale", 1, 0x7d), ("padding", 228, 1)]
    {
        files.insert(format!("dense-int8.100.{what}.bin"), edited(&eight, at, byte));
    }
    let mut unscaled = four.clone();
    unscaled[..2].fill(0);
    files.insert("dense-int4.101.unscaled.bin".into(), unscaled);
    let minus_zero = [&four[..2], &[0, 0x80], &four[4..]].concat();
    files.insert("dense-int4.101.scale-minus-zero.bin".into(), minus_zero);
}

fn plain(files: &mut Files) {
    let bits = |bits: u32| bits.to_le_bytes().to_vec();
    for (what, number) in [
        ("minus-zero", 0x8000_0000),
        ("subnormal", 1),
        ("largest", 0x7f7f_ffff),
        ("infinite", 0x7f80_0000),
        ("minus-infinite", 0xff80_0000),
        ("quiet-nan", 0x7fc0_0000),
        ("signalling-nan", 0xffff_ffff),
    ] {
        files.insert(format!("none.2.{what}.bin"), [bits(0x3f80_0000), bits(number)].concat());
    }
    files.insert("none.2.short.bin".into(), vec![0; 7]);
    files.insert("none.2.long.bin".into(), vec![0; 12]);
}

fn made() -> Files {
    let mut files = Files::new();
    headers(&mut files);
    sparse(&mut files);
    dense(&mut files);
    plain(&mut files);
    files
}

/// The files with the verdicts of the index, the made ones written anew before the first look where that is asked for.
fn committed() -> Vec<(String, String, Vec<u8>)> {
    static WRITTEN: Once = Once::new();
    if may_write() {
        WRITTEN.call_once(|| write(&made()));
    }
    listed()
}

fn listed() -> Vec<(String, String, Vec<u8>)> {
    let index = std::fs::read_to_string(folder().join("index.txt")).unwrap();
    let line = |line: &str| {
        let (file, verdict) = line.split_once(' ').unwrap();
        (file.to_owned(), verdict.to_owned(), std::fs::read(folder().join(file)).unwrap())
    };
    index.lines().map(line).collect()
}

fn write(files: &Files) {
    let mut index: BTreeMap<String, String> = match folder().join("index.txt").exists() {
        true => listed().into_iter().map(|(file, verdict, _)| (file, verdict)).collect(),
        false => BTreeMap::new(),
    };
    for (file, bytes) in files {
        std::fs::write(folder().join(file), bytes).unwrap();
        index.insert(file.clone(), judge(file, bytes));
    }
    let lines: String = index.iter().map(|(file, verdict)| format!("{file} {verdict}\n")).collect();
    std::fs::write(folder().join("index.txt"), lines).unwrap();
}

#[test]
fn the_corpus_is_judged_as_its_index_says() {
    let corpus = committed();
    for (file, verdict, bytes) in &corpus {
        assert_eq!(judge(file, bytes), *verdict, "{file}");
    }
    let files = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, corpus.len() + 1, "files in tests/corpus/ that the index does not name");
}

#[test]
fn the_corpus_holds_every_refusal_and_what_is_made_for_it() {
    let corpus = committed();
    let found: BTreeSet<&str> = corpus.iter().map(|(_, verdict, _)| verdict.as_str()).collect();
    let missing: Vec<_> =
        REFUSALS.iter().chain(&["NonFinite", "valid"]).filter(|name| !found.contains(**name)).collect();
    assert!(missing.is_empty(), "no file for {missing:?}");
    let corpus: BTreeMap<_, _> = corpus.into_iter().map(|(file, _, bytes)| (file, bytes)).collect();
    for (file, bytes) in made() {
        assert!(corpus.get(&file) == Some(&bytes), "{file} differs from what this build makes");
    }
}

/// One change of a body: bits, a cut, a piece of another body, or two bytes of a number that lies at an edge.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    const EDGES: [u16; 10] = [0, 1, 0x8000, 0x7f7f, 0x7f80, 0xff80, 0xffff, 0x7c02, 0x7e13, 0x0080];
    let at = random.below(bytes.len() as u64 + 1) as usize;
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => {
            let from = at.min(other.len());
            let end = (from + 1 + random.below(40) as usize).min(other.len()).min(bytes.len()).max(from);
            if end <= bytes.len() {
                bytes[from..end].copy_from_slice(&other[from..end]);
            }
        }
        2 => {
            let edge = EDGES[random.below(EDGES.len() as u64) as usize].to_le_bytes();
            let at = if random.below(2) == 0 { bytes.len().saturating_sub(4) } else { at & !1 };
            bytes.iter_mut().skip(at).zip(edge).for_each(|(byte, edge)| *byte = edge);
        }
        _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_grows_from_the_corpus_never_panics(seed: u64, changes in 1usize..5) {
        let corpus = committed();
        let mut random = Random(seed);
        let (file, _, bytes) = &corpus[random.below(corpus.len() as u64) as usize];
        let (_, _, other) = &corpus[random.below(corpus.len() as u64) as usize];
        let mut bytes = bytes.clone();
        (0..changes).for_each(|_| mutate(&mut random, &mut bytes, other));
        let found = judge(file, &bytes);
        let codec = file.split('.').next().unwrap();
        let known = corpus.iter().any(|(file, verdict, _)| *verdict == found && file.starts_with(codec));
        if !known && may_write() && bytes.len() < 5000 {
            let (_, elements) = named(file);
            write(&Files::from([(format!("{codec}.{elements}.found-{}.bin", found.to_lowercase()), bytes)]));
        }
    }
}

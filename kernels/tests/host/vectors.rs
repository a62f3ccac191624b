//! The committed test vectors: regenerated here and compared byte by byte. `KERNELS_WRITE_VECTORS=1` writes them anew,
//! which only a new version of the format should need.

use std::collections::BTreeMap;
use std::path::Path;

use kernels::{
    Codec, Header, OuterStep, Summand, VERSION, apply, archive, decode, encode, seal, seal_archive, state_hash,
};

use crate::cases::{Kind, values};

/// Name, kind and length of each input: a chunk with padding, one shorter than any list of entries, two chunks.
const INPUTS: [(&str, Kind, usize); 5] = [
    ("a", Kind::HeavyTails, 1500),
    ("b", Kind::Normal, 1500),
    ("c", Kind::FewNonZero, 1500),
    ("tail", Kind::SmallIntegers, 40),
    ("two", Kind::WideRange, 4096 + 30),
];

/// Input, weight and clip of the summands of every aggregate.
const SUMMANDS: [(&str, u32, u32); 3] = [("a", 64, 37), ("b", 17, 256), ("c", 3, 200)];
const STEP: OuterStep = OuterStep { alpha: 179, rho: (1, 5) };

type Files = BTreeMap<String, Vec<u8>>;

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Which bodies are worth their bytes: every codec on the padded chunks, the sparse ones on two chunks.
fn has_body(input: &str, codec: Codec) -> bool {
    input != "two" || codec.is_sparse()
}

/// Whose archives are there too: every codec on a padded chunk and on a few elements, the sparse ones on two chunks.
const ARCHIVED: [&str; 3] = ["b", "tail", "two"];

fn bodies(files: &mut Files) -> Vec<String> {
    let mut lines = Vec::new();
    for (seed, (name, kind, len)) in INPUTS.into_iter().enumerate() {
        let input = values(kind, len, seed as u64);
        files.insert(format!("{name}.f32"), floats(&input));
        for codec in Codec::ALL.into_iter().filter(|&codec| has_body(name, codec)) {
            let body = encode(codec, &input).unwrap();
            let decoded = decode(codec, len, &body).unwrap();
            let archived = archive(codec, len, &body).unwrap();
            files.insert(format!("{name}.{codec}.body"), body);
            let mut line = format!(r#"{{"input": "{name}.f32", "elements": {len}, "codec": "{codec}", "#);
            line += &format!(r#""body": "{name}.{codec}.body""#);
            if name != "two" && codec != Codec::None {
                files.insert(format!("{name}.{codec}.decoded.f32"), floats(&decoded));
                line += &format!(r#", "decoded": "{name}.{codec}.decoded.f32""#);
            }
            if ARCHIVED.contains(&name) {
                files.insert(format!("{name}.{codec}.archive"), archived);
                line += &format!(r#", "archive": "{name}.{codec}.archive""#);
            }
            lines.push(line + "}");
        }
    }
    lines
}

fn aggregates(files: &mut Files) -> Vec<String> {
    let theta = values(Kind::Normal, 1500, 99);
    files.insert("theta.f32".into(), floats(&theta));
    let exact = Codec::ALL.into_iter().filter(|&codec| codec != Codec::None);
    exact.map(|codec| aggregate(files, codec, &theta)).collect::<Vec<_>>()
}

fn aggregate(files: &mut Files, codec: Codec, theta: &[f32]) -> String {
    let body = |name: &str| files[&format!("{name}.{codec}.body")].clone();
    let bodies = SUMMANDS.map(|(name, weight, clip)| (body(name), weight, clip));
    let summands = bodies.each_ref().map(|(body, weight, clip)| Summand { body, weight: *weight, clip: *clip });
    let mut after = theta.to_vec();
    apply(codec, &mut after, &summands, &STEP).unwrap();
    files.insert(format!("aggregate.{codec}.f32"), floats(&after));
    let summand =
        |(name, weight, clip)| format!(r#"{{"body": "{name}.{codec}.body", "weight": {weight}, "clip": {clip}}}"#);
    format!(
        "{{\"codec\": \"{codec}\", \"before\": \"theta.f32\", \"summands\": [{}], \"alpha\": {}, \"rho\": [{}, {}], \
         \"after\": \"aggregate.{codec}.f32\", \"state_hash\": \"{}\"}}",
        SUMMANDS.map(summand).join(", "),
        STEP.alpha,
        STEP.rho.0,
        STEP.rho.1,
        hex::encode(state_hash(&after, &[]))
    )
}

fn payload(files: &mut Files) -> String {
    let field = |first: u8| std::array::from_fn(|i| first + i as u8);
    let header = Header {
        version: VERSION,
        codec: Codec::TopK64,
        stage: 1,
        stages: 3,
        elements: 40,
        round: 0x0102_0304_0506,
        tokens: 61_440,
        layout_hash: field(0x00),
        base_hash: field(0x40),
        session: field(0x80),
        worker: field(0xc0),
    };
    let bytes = seal(&header, &files["tail.topk64-q2.body"]);
    files.insert("payload.cta".into(), seal_archive(&header, &files["tail.topk64-q2.body"]).unwrap());
    let hash = blake3_of(&bytes);
    files.insert("payload.ctg".into(), bytes);
    format!(
        "{{\"file\": \"payload.ctg\", \"archive\": \"payload.cta\", \"blake3\": \"{hash}\", \"version\": {VERSION}, \
         \"codec\": \"{}\", \"stage\": 1, \"stages\": 3, \"elements\": 40, \"round\": {}, \"tokens\": 61440, \
         \"layout_hash\": \"{}\", \"base_hash\": \"{}\", \"session\": \"{}\", \"worker\": \"{}\", \
         \"body\": \"tail.topk64-q2.body\"}}",
        header.codec,
        header.round,
        hex::encode(header.layout_hash),
        hex::encode(header.base_hash),
        hex::encode(header.session),
        hex::encode(header.worker)
    )
}

fn blake3_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn all() -> Files {
    let mut files = Files::new();
    let bodies = bodies(&mut files).join(",\n    ");
    let aggregates = aggregates(&mut files).join(",\n    ");
    let payload = payload(&mut files);
    let index = format!(
        "{{\n  \"bodies\": [\n    {bodies}\n  ],\n  \"aggregates\": [\n    {aggregates}\n  ],\n  \
         \"payload\": {payload}\n}}\n"
    );
    files.insert("index.json".into(), index.into_bytes());
    files
}

#[test]
fn the_committed_vectors_are_what_this_build_writes() {
    // Asked for when it runs: checkouts that share a target directory share this binary.
    let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests")).join("vectors");
    let files = all();
    if std::env::var_os("KERNELS_WRITE_VECTORS").is_some() {
        files.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
    }
    for (name, bytes) in &files {
        let committed = std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("vectors/{name}: {error}"));
        assert!(committed == *bytes, "vectors/{name} differs from what this build writes");
    }
    let committed = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(committed, files.len(), "files in vectors/ that nothing writes");
}

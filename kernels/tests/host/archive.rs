//! Archives: the same body again bit for bit, close to what its content is worth, and every other byte string refused.

use kernels::{
    ARCHIVE_HEADER_BYTES, ArchiveError, Codec, DecodeError, Header, VERSION, archive, encode, is_archive, open_archive,
    parse, seal, seal_archive, unarchive, validate,
};
use proptest::prelude::*;

use crate::cases::{Kind, LENGTHS, Random, values};
use crate::naive;

/// Larger than any body here.
const ANY_SIZE: usize = 1 << 30;

fn round_trip(codec: Codec, elements: usize, body: &[u8], what: &str) -> Vec<u8> {
    let coded = archive(codec, elements, body).unwrap_or_else(|error| panic!("{codec} {what}: {error}"));
    let again = unarchive(codec, elements, &coded).unwrap_or_else(|error| panic!("{codec} {what}: {error}"));
    assert!(again == body, "{codec} {what}: another body comes back");
    coded
}

#[test]
fn every_hard_case_comes_back() {
    for codec in Codec::ALL {
        for kind in Kind::ALL {
            for len in LENGTHS {
                let body = encode(codec, &values(kind, len, len as u64)).unwrap();
                round_trip(codec, len, &body, &format!("{kind:?} {len}"));
            }
        }
    }
}

#[test]
fn nothing_is_archived_as_nothing() {
    for codec in Codec::ALL {
        assert!(round_trip(codec, 0, &[], "empty").is_empty());
    }
}

/// log₂ of the number of ways to choose `k` of `n`.
fn choices(n: usize, k: usize) -> f64 {
    (0..k).map(|i| ((n - i) as f64 / (k - i) as f64).log2()).sum()
}

/// Bits of the symbols by how often each comes in the whole payload.
fn order_zero(symbols: impl Iterator<Item = u16>) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    symbols.for_each(|symbol| *counts.entry(symbol).or_insert(0usize) += 1);
    let total: usize = counts.values().sum();
    counts.values().map(|&count| count as f64 * (total as f64 / count as f64).log2()).sum()
}

/// What a body is worth in bits: the entries as a choice, a bit for a sign, the high ones as a choice, 32 bits for L
/// and H; scales and codes, or the bytes of f32 by place, by their frequencies.
fn limit(codec: Codec, elements: usize, body: &[u8]) -> f64 {
    let size = codec.body_bytes(4096);
    if let Some(k) = naive::k_of(codec) {
        let chunk = |(number, bytes): (usize, &[u8])| {
            let real = (elements - 4096 * number).min(4096);
            let (entries, _) = naive::entries(k, bytes, real);
            let highs = entries.iter().filter(|entry| entry.2).count();
            choices(real, entries.len()) + entries.len() as f64 + choices(entries.len(), highs) + 32.0
        };
        return body.chunks(size).enumerate().map(chunk).sum();
    }
    if codec == Codec::None {
        return (0..4).map(|place| order_zero(body.iter().skip(place).step_by(4).map(|&byte| byte.into()))).sum();
    }
    let chunks = || body.chunks(size);
    let scales = |place: usize| chunks().flat_map(move |bytes| bytes[..128].iter().skip(place).step_by(2));
    let codes = chunks().flat_map(|bytes| naive::dense(codec, bytes).0).take(elements).map(|code| code as u16);
    order_zero(codes) + (0..2).map(|place| order_zero(scales(place).map(|&byte| byte.into()))).sum::<f64>()
}

#[test]
fn an_archive_is_at_most_three_percent_above_its_content() {
    for codec in Codec::ALL {
        for (kind, chunks) in [(Kind::Normal, 64), (Kind::HeavyTails, 64), (Kind::HeavyTails, 226)] {
            let elements = 4096 * chunks - 1000;
            let body = encode(codec, &values(kind, elements, 5)).unwrap();
            let bits = 8.0 * round_trip(codec, elements, &body, "size").len() as f64;
            let limit = limit(codec, elements, &body);
            println!(
                "{codec} {kind:?} {chunks}: {:.4} of the limit, {:.2}x",
                bits / limit,
                32.0 * elements as f64 / bits
            );
            assert!(bits < 1.03 * limit, "{codec} {kind:?}: {bits} bits, where {limit} are the limit");
        }
    }
}

#[test]
fn the_default_codec_is_archived_two_hundred_and_three_times_smaller_than_f32() {
    let elements = 926_000;
    let body = encode(Codec::TopK64, &values(Kind::HeavyTails, elements, 6)).unwrap();
    let bytes = seal_archive(&header(Codec::TopK64, elements), &body).unwrap();
    assert!(bytes.len() * 203 <= 4 * elements, "{} bytes", bytes.len());
}

fn header(codec: Codec, elements: usize) -> Header {
    Header {
        version: VERSION,
        codec,
        stage: 0,
        stages: 1,
        elements: elements as u64,
        round: 7,
        tokens: 61_440,
        layout_hash: [1; 32],
        base_hash: [2; 32],
        session: [3; 32],
        worker: [4; 32],
    }
}

const ELEMENTS: usize = 5000;

fn body() -> Vec<u8> {
    encode(Codec::TopK64, &values(Kind::Normal, ELEMENTS, 1)).unwrap()
}

fn file() -> Vec<u8> {
    seal_archive(&header(Codec::TopK64, ELEMENTS), &body()).unwrap()
}

fn refusal(damage: impl FnOnce(&mut Vec<u8>)) -> ArchiveError {
    let mut bytes = file();
    damage(&mut bytes);
    open_archive(&bytes, ANY_SIZE).unwrap_err()
}

#[test]
fn a_sealed_archive_opens() {
    let (header, body) = (header(Codec::TopK64, ELEMENTS), body());
    assert_eq!(open_archive(&file(), body.len()), Ok((header.clone(), body.clone())));
    let payload = seal(&header, &body);
    assert!(is_archive(&file()) && !is_archive(&payload) && !is_archive(b"CTG"));
    assert!(matches!(parse(&file()), Err(DecodeError::WrongMagic { .. })));
}

#[test]
fn only_payloads_are_archived() {
    let (mut header, mut body) = (header(Codec::TopK64, ELEMENTS), body());
    let last = body.len() - 1;
    body[last] |= 0x80;
    assert!(matches!(seal_archive(&header, &body), Err(DecodeError::NegativeMagnitude { chunk: 1, .. })));
    assert!(matches!(seal_archive(&header, &body[1..]), Err(DecodeError::WrongLength { .. })));
    header.stages = 0;
    assert_eq!(seal_archive(&header, &body), Err(DecodeError::StageOutOfRange { stage: 0, stages: 0 }));
}

#[test]
fn refuses_less_than_the_headers() {
    for len in [0, 4, 40, ARCHIVE_HEADER_BYTES - 1] {
        let expected = ArchiveError::TooShort { expected: ARCHIVE_HEADER_BYTES, found: len };
        assert_eq!(refusal(|bytes| bytes.truncate(len)), expected);
    }
}

#[test]
fn refuses_another_magic() {
    assert_eq!(refusal(|bytes| bytes[3] = b'P'), ArchiveError::WrongMagic { found: *b"CTGP" });
}

#[test]
fn refuses_another_version() {
    assert_eq!(refusal(|bytes| bytes[4] = 2), ArchiveError::WrongVersion { expected: 1, found: 2 });
}

#[test]
fn refuses_a_reserved_field_in_use() {
    assert_eq!(refusal(|bytes| bytes[7] = 1), ArchiveError::ReservedNotZero { found: 256 });
}

#[test]
fn refuses_an_impossible_header_inside() {
    let error = refusal(|bytes| bytes[40 + 6] = 99);
    assert_eq!(error, ArchiveError::Header(DecodeError::UnknownCodec { found: 99 }));
}

#[test]
fn refuses_more_than_the_caller_takes() {
    let error = open_archive(&file(), 167).unwrap_err();
    assert_eq!(error, ArchiveError::TooLarge { limit: 167, found: 168 });
}

#[test]
fn a_promise_of_elements_allocates_nothing() {
    let promise = |bytes: &mut Vec<u8>| bytes[40 + 16..40 + 24].fill(0xff);
    assert!(matches!(refusal(promise), ArchiveError::TooLarge { .. }));
    let mut bytes = file();
    promise(&mut bytes);
    let error = open_archive(&bytes, usize::MAX).unwrap_err();
    assert!(matches!(error, ArchiveError::Truncated { chunk: 1..9 }), "{error}");
}

#[test]
fn refuses_a_part_of_a_word() {
    let found = file().len() - ARCHIVE_HEADER_BYTES + 1;
    assert_eq!(refusal(|bytes| bytes.push(0)), ArchiveError::PartialWord { found });
}

#[test]
fn refuses_missing_words() {
    assert_eq!(refusal(|bytes| bytes.truncate(ARCHIVE_HEADER_BYTES)), ArchiveError::Truncated { chunk: 0 });
    let error = refusal(|bytes| bytes.truncate(bytes.len() - 8));
    assert_eq!(error, ArchiveError::Truncated { chunk: 1 });
}

#[test]
fn refuses_words_outside_the_range() {
    let error = refusal(|bytes| bytes[ARCHIVE_HEADER_BYTES..].fill(0xff));
    assert_eq!(error, ArchiveError::OutsideRange { chunk: 0 });
}

#[test]
fn refuses_more_high_entries_than_entries() {
    // All of one element is listed at no cost, so the words begin with the number of high ones: half of 65.
    let error = unarchive(Codec::TopK64, 1, &0x8000_0000u32.to_le_bytes()).unwrap_err();
    assert_eq!(error, ArchiveError::TooManyHigh { chunk: 0, found: 32, limit: 1 });
}

#[test]
fn refuses_a_body_that_is_not_valid() {
    // The last of 128 equally likely upper bytes of the scale, then the middle one of 256 lower bytes: infinity.
    let error = unarchive(Codec::DenseInt8, 1, &0xff00_0000u32.to_le_bytes()).unwrap_err();
    assert_eq!(error, ArchiveError::Body(DecodeError::NonFiniteMagnitude { chunk: 0, bits: 0x7f80 }));
}

#[test]
fn refuses_bytes_after_the_end() {
    let expected = file().len() - ARCHIVE_HEADER_BYTES;
    let error = refusal(|bytes| bytes.extend([0; 4]));
    assert_eq!(error, ArchiveError::TrailingBytes { expected, found: expected + 4 });
}

#[test]
fn refuses_another_end_of_the_same_meaning() {
    // Any word within the last interval means the same; the writer takes the first one.
    let at = file().len() - ARCHIVE_HEADER_BYTES - 4;
    let error = refusal(|bytes| bytes[ARCHIVE_HEADER_BYTES + at] ^= 1);
    assert_eq!(error, ArchiveError::NotCanonical { at });
}

#[test]
fn refuses_another_payload_than_was_archived() {
    assert!(matches!(refusal(|bytes| bytes[8] ^= 1), ArchiveError::WrongHash { .. }));
    // Another worker, in the header inside.
    assert!(matches!(refusal(|bytes| bytes[40 + 136] ^= 1), ArchiveError::WrongHash { .. }));
}

#[test]
fn no_damaged_bit_goes_unseen() {
    let bytes = file();
    for bit in 0..8 * bytes.len() {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(open_archive(&damaged, ANY_SIZE).is_err(), "bit {bit}");
    }
}

#[test]
fn messages_hold_the_offending_value() {
    let text = refusal(|bytes| bytes[8..40].fill(0xab)).to_string();
    assert!(text.contains(&"ab".repeat(32)), "{text}");
}

/// Whatever is restored is a valid body of the right size, and the bytes are its only archive.
fn restored_is_exact(codec: Codec, elements: usize, bytes: &[u8]) {
    if let Ok(body) = unarchive(codec, elements, bytes) {
        assert_eq!(body.len(), codec.body_bytes(elements));
        assert_eq!(validate(codec, elements, &body), Ok(()));
        assert!(archive(codec, elements, &body).unwrap() == bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_body_comes_back(seed: u64, kind in 0usize..15, len in 1usize..30_000, codec in 0usize..7) {
        let codec = Codec::ALL[codec];
        let body = encode(codec, &values(Kind::ALL[kind], len, seed)).unwrap();
        round_trip(codec, len, &body, "random");
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        codec in 0usize..7,
        elements in 0usize..9000,
    ) {
        restored_is_exact(Codec::ALL[codec], elements, &bytes);
        let words = &bytes[..bytes.len() / 4 * 4];
        restored_is_exact(Codec::ALL[codec], elements, words);
    }

    #[test]
    fn mutated_archives_never_panic(
        seed: u64,
        kind in 0usize..15,
        codec in 0usize..7,
        elements in 1usize..9000,
        flips in 1usize..6,
        other in 1usize..9000,
    ) {
        let codec = Codec::ALL[codec];
        let mut random = Random(seed);
        let body = encode(codec, &values(Kind::ALL[kind], elements, seed)).unwrap();
        let mut bytes = archive(codec, elements, &body).unwrap();
        restored_is_exact(codec, other, &bytes);
        for _ in 0..flips {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        restored_is_exact(codec, elements, &bytes);
        bytes.truncate(random.below(bytes.len() as u64) as usize / 4 * 4);
        restored_is_exact(codec, elements, &bytes);
    }

    #[test]
    fn random_files_never_panic(head in prop::collection::vec(any::<u8>(), 0..300), keep in 0usize..300) {
        let mut bytes = file();
        let from = keep.min(bytes.len());
        let to = (keep + head.len()).min(bytes.len());
        bytes[from..to].copy_from_slice(&head[..to - from]);
        prop_assert!(open_archive(&bytes, 1 << 16).is_err() || bytes == file());
    }
}

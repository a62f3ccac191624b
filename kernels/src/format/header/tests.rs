use super::*;
use crate::host::{check, encode};

const ELEMENTS: usize = 5000;

fn header() -> Header {
    Header {
        version: VERSION,
        codec: Codec::TopK64,
        stage: 0,
        stages: 1,
        elements: ELEMENTS as u64,
        round: 7,
        tokens: 61_440,
        layout_hash: [1; 32],
        base_hash: [2; 32],
        session: [3; 32],
        worker: [4; 32],
    }
}

fn expected() -> Expected {
    let header = header();
    Expected {
        layout_hash: header.layout_hash,
        stage: header.stage,
        stages: header.stages,
        session: header.session,
        base_hash: header.base_hash,
        round: header.round,
        worker: header.worker,
        codec: header.codec,
        elements: header.elements,
    }
}

fn body() -> Vec<u8> {
    encode(Codec::TopK64, &vec![1.5; ELEMENTS]).unwrap()
}

fn payload(change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = header();
    change(&mut header);
    seal(&header, &body())
}

fn refusal(bytes: &[u8]) -> DecodeError {
    check(bytes, &expected()).unwrap_err()
}

#[test]
fn a_sealed_payload_comes_back() {
    let bytes = payload(|_| ());
    let (found, content) = check(&bytes, &expected()).unwrap();
    assert_eq!(found, header());
    assert_eq!(content, body());
}

#[test]
fn refuses_less_than_a_header() {
    for len in [0, 1, HEADER_BYTES - 1] {
        assert!(matches!(refusal(&payload(|_| ())[..len]), DecodeError::HeaderTooShort { .. }));
    }
}

#[test]
fn refuses_another_magic() {
    let mut bytes = payload(|_| ());
    bytes[3] ^= 1;
    assert!(matches!(refusal(&bytes), DecodeError::WrongMagic { .. }));
}

#[test]
fn refuses_another_version() {
    let bytes = payload(|header| header.version = 2);
    assert_eq!(refusal(&bytes), DecodeError::WrongVersion { expected: 1, found: 2 });
}

#[test]
fn refuses_an_unknown_codec() {
    let mut bytes = payload(|_| ());
    bytes[6] = 99;
    assert_eq!(refusal(&bytes), DecodeError::UnknownCodec { found: 99 });
}

#[test]
fn refuses_a_reserved_field_in_use() {
    let mut bytes = payload(|_| ());
    bytes[13] = 1;
    assert_eq!(refusal(&bytes), DecodeError::ReservedNotZero { found: 256 });
}

#[test]
fn refuses_an_impossible_stage() {
    let bytes = payload(|header| header.stage = 1);
    assert_eq!(refusal(&bytes), DecodeError::StageOutOfRange { stage: 1, stages: 1 });
}

#[test]
fn refuses_no_elements() {
    assert_eq!(refusal(&payload(|header| header.elements = 0)), DecodeError::NoElements);
}

#[test]
fn refuses_a_body_of_another_length() {
    let mut long = payload(|_| ());
    long.push(0);
    let short = &payload(|_| ())[..HEADER_BYTES + 100];
    for bytes in [long.as_slice(), short] {
        assert!(matches!(refusal(bytes), DecodeError::WrongLength { expected: 168, .. }));
    }
}

#[test]
fn refuses_sizes_beyond_any_machine_without_allocating() {
    let bytes = payload(|header| header.elements = u64::MAX);
    assert!(matches!(refusal(&bytes), DecodeError::WrongLength { .. }));
}

#[test]
fn refuses_another_codec() {
    let mut header = header();
    header.codec = Codec::TopK32;
    let body = encode(Codec::TopK32, &vec![1.5; ELEMENTS]).unwrap();
    let error = refusal(&seal(&header, &body));
    assert_eq!(error, DecodeError::WrongCodec { expected: Codec::TopK64, found: Codec::TopK32 });
}

#[test]
fn refuses_another_stage() {
    let bytes = payload(|header| header.stages = 2);
    assert_eq!(refusal(&bytes), DecodeError::WrongStage { expected: (0, 1), found: (0, 2) });
}

#[test]
fn refuses_another_number_of_elements() {
    // The same number of chunks, so that only this check can see it.
    let bytes = payload(|header| header.elements -= 1);
    assert_eq!(refusal(&bytes), DecodeError::WrongElements { expected: 5000, found: 4999 });
}

#[test]
fn refuses_another_layout() {
    assert!(matches!(refusal(&payload(|h| h.layout_hash[31] = 9)), DecodeError::WrongLayout { .. }));
}

#[test]
fn refuses_another_session() {
    assert!(matches!(refusal(&payload(|h| h.session[0] = 9)), DecodeError::WrongSession { .. }));
}

#[test]
fn refuses_another_base_state() {
    assert!(matches!(refusal(&payload(|h| h.base_hash[9] = 9)), DecodeError::WrongBase { .. }));
}

#[test]
fn refuses_another_round() {
    assert_eq!(refusal(&payload(|h| h.round = 8)), DecodeError::WrongRound { expected: 7, found: 8 });
}

#[test]
fn refuses_another_worker() {
    assert!(matches!(refusal(&payload(|h| h.worker[5] = 9)), DecodeError::WrongWorker { .. }));
}

#[test]
fn messages_hold_the_offending_value() {
    let text = refusal(&payload(|h| h.worker = [0xab; 32])).to_string();
    assert!(text.contains(&"ab".repeat(32)), "{text}");
}

#[test]
fn looks_at_the_body_too() {
    let mut bytes = payload(|_| ());
    let last = bytes.len() - 1;
    bytes[last] |= 0x80;
    assert!(matches!(refusal(&bytes), DecodeError::NegativeMagnitude { chunk: 1, .. }));
}

use futures::{executor::block_on, io::Cursor};
use libp2p::request_response::Codec as _;

use super::*;

/// Deterministic noise, so that hostile inputs repeat.
fn bytes_of(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn name() -> StreamProtocol {
    Channel::Control.protocol(&NetworkId([7; 32])).unwrap()
}

fn written(channel: Channel, response: Response) -> Vec<u8> {
    let mut io = Cursor::new(Vec::new());
    block_on(Codec::new(channel).write_response(&name(), &mut io, response)).unwrap();
    io.into_inner()
}

fn asked(channel: Channel, request: Request) -> Vec<u8> {
    let mut io = Cursor::new(Vec::new());
    block_on(Codec::new(channel).write_request(&name(), &mut io, request)).unwrap();
    io.into_inner()
}

fn read_request(channel: Channel, bytes: &[u8]) -> io::Result<Request> {
    block_on(Codec::new(channel).read_request(&name(), &mut Cursor::new(bytes)))
}

fn read_response(channel: Channel, bytes: &[u8]) -> io::Result<Response> {
    block_on(Codec::new(channel).read_response(&name(), &mut Cursor::new(bytes)))
}

#[test]
fn requests_come_back_as_they_were_written() {
    for len in [0, 1, READ_AHEAD_BYTES, READ_AHEAD_BYTES + 1, MESSAGE_BYTES_MAX] {
        let body = bytes_of(1, len);
        match read_request(Channel::Control, &asked(Channel::Control, Request::Message(body.clone().into()))).unwrap() {
            Request::Message(read) => assert_eq!(read.bytes, body),
            other => panic!("{other:?}"),
        }
    }
    let request = PieceRequest { hash: Hash([5; 32]), index: 77, with_list: true };
    match read_request(Channel::Pieces, &asked(Channel::Pieces, Request::Piece(request))).unwrap() {
        Request::Piece(read) => assert_eq!(read, request),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pieces_come_back_as_they_were_written() {
    for (entries, len) in [(0, 0), (1, 1), (3, PIECE_BYTES), (PIECES_MAX, PIECE_BYTES)] {
        let (list, bytes) = (bytes_of(2, entries * 32), bytes_of(3, len));
        let frame = PieceFrame { len: 123, list: list.clone().into(), bytes: bytes.clone().into() };
        match read_response(Channel::Pieces, &written(Channel::Pieces, Response::Piece(frame))).unwrap() {
            Response::Piece(read) => {
                assert_eq!((read.len, &read.list[..], &read.bytes[..]), (123, &list[..], &bytes[..]));
                assert_eq!(read.values().len(), entries);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_length_above_the_limit_is_refused_before_the_body() {
    let limits = [
        (Channel::Control, 0, MESSAGE_BYTES_MAX),
        (Channel::Control, 1, HELLO_BYTES_MAX),
        (Channel::Pieces, 2, PIECE_REQUEST_BYTES),
    ];
    for (channel, kind, limit) in limits {
        for len in [limit + 1, u32::MAX as usize] {
            let mut frame = vec![kind];
            frame.extend((len as u32).to_le_bytes());
            let error = read_request(channel, &frame).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{channel:?} {kind} {len}: {error}");
        }
    }
}

#[test]
fn a_response_above_its_limit_is_refused_before_the_body() {
    for (channel, kind, limit) in [
        (Channel::Control, 0, 0),
        (Channel::Control, 1, HELLO_REPLY_BYTES_MAX),
        (Channel::Pieces, 2, PIECE_RESPONSE_BYTES_MAX),
    ] {
        let mut frame = vec![kind];
        frame.extend((limit as u32 + 1).to_le_bytes());
        assert_eq!(read_response(channel, &frame).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
    let mut long_list = vec![2];
    long_list.extend((PIECE_HEADER_BYTES as u32).to_le_bytes());
    long_list.extend(7u64.to_le_bytes());
    long_list.extend((PIECES_MAX as u32 + 1).to_le_bytes());
    assert_eq!(read_response(Channel::Pieces, &long_list).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_channel_refuses_the_other_channels_kinds() {
    let message = asked(Channel::Control, Request::Message(vec![1, 2, 3].into()));
    assert!(read_request(Channel::Pieces, &message).is_err());
    let request = PieceRequest { hash: Hash([5; 32]), index: 0, with_list: false };
    assert!(read_request(Channel::Control, &asked(Channel::Pieces, Request::Piece(request))).is_err());
    assert!(read_response(Channel::Pieces, &written(Channel::Control, Response::Acknowledged)).is_err());
    assert!(read_response(Channel::Control, &written(Channel::Pieces, Response::Missing)).is_err());
}

#[test]
fn every_truncation_is_refused() {
    let frame = PieceFrame { len: 123, list: bytes_of(2, 64).into(), bytes: bytes_of(3, 100).into() };
    let whole = written(Channel::Pieces, Response::Piece(frame));
    for len in 0..whole.len() {
        assert!(read_response(Channel::Pieces, &whole[..len]).is_err(), "{len}");
    }
    // Also when the length is made to fit: then the list ends within the frame or the frame within its header.
    for body in 0..PIECE_HEADER_BYTES + 64 {
        let mut short = whole[..FRAME_HEADER_BYTES + body].to_vec();
        short[1..5].copy_from_slice(&(body as u32).to_le_bytes());
        assert!(read_response(Channel::Pieces, &short).is_err(), "{body}");
    }
}

#[test]
fn noise_never_panics_and_never_reads_beyond_its_limit() {
    for seed in 0..4000 {
        let mut noise = bytes_of(seed, 1 + (seed as usize * 7) % 300);
        noise[0] %= 8;
        if noise.len() > 4 && seed % 2 == 0 {
            noise[3..5].fill(0); // plausible lengths
        }
        for channel in [Channel::Control, Channel::Pieces] {
            let _ = read_request(channel, &noise);
            let _ = read_response(channel, &noise);
        }
    }
}

#[test]
fn bodies_of_all_peers_share_one_budget() {
    let codec = Codec::new(Channel::Control);
    let frame = asked(Channel::Control, Request::Message(bytes_of(1, MESSAGE_BYTES_MAX).into()));
    let mut held = Vec::new();
    loop {
        let mut codec = codec.clone();
        let mut io = Cursor::new(&frame);
        let name = name();
        let read = futures::FutureExt::now_or_never(codec.read_request(&name, &mut io));
        match read {
            Some(request) => held.push(request.unwrap()),
            None => break,
        }
        assert!(held.len() <= INBOUND_BYTES_MAX / MESSAGE_BYTES_MAX, "no bound");
    }
    assert_eq!(held.len(), INBOUND_BYTES_MAX / MESSAGE_BYTES_MAX);
    held.pop(); // makes room for the next
    let again = block_on(codec.clone().read_request(&name(), &mut Cursor::new(&frame)));
    assert!(again.is_ok());
}

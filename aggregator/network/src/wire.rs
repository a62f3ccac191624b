//! The frames on a stream, and the codec that reads and writes them.
//!
//! A frame is a kind (1 byte), a length (4 bytes, little-endian) and a body; a stream carries one request and one
//! response. Messages and hellos are postcard, decoded by the driver; pieces are raw bytes.
//!
//! | request | body | response | body |
//! |---|---|---|---|
//! | 0 message | postcard | 0 acknowledged | none |
//! | 1 hello | postcard | 1 hello reply | postcard |
//! | 2 piece | hash (32), index (4), with list (1) | 2 piece | blob length (8), entries (4), list (32 each), piece |
//! | | | 3 missing | none |
//! | | | 4 retry after | milliseconds (4) |
//! | | | 5 refused | reason (1) |
//!
//! Invariants: the declared length is checked against the limit of its kind before anything is allocated; a body
//! that nobody asked for grows only as its bytes arrive, and all such bodies together stay below one budget; a
//! request of the other channel's kind is refused.

use std::{io, sync::Arc};

use libp2p::{
    StreamProtocol,
    bytes::Bytes,
    futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    request_response,
};
use protocol::{
    Hash, NetworkId, PieceRequest,
    limits::{HELLO_BYTES_MAX as HELLO_REPLY_BYTES_MAX, MESSAGE_BYTES_MAX, PIECE_BYTES, PIECES_MAX},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::{HELLO_BYTES_MAX, INBOUND_BYTES_MAX};

#[cfg(test)]
mod tests;

const FRAME_HEADER_BYTES: usize = 5;
const PIECE_REQUEST_BYTES: usize = 37;
const PIECE_HEADER_BYTES: usize = 12;
const PIECE_RESPONSE_BYTES_MAX: usize = PIECE_HEADER_BYTES + PIECES_MAX * 32 + PIECE_BYTES;
/// How far a body may be allocated ahead of the bytes that have arrived.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// One permit of the budget stands for this many bytes.
const BUDGET_UNIT_BYTES: usize = 1 << 10;

/// The two protocols of a connection: separate, so that bulk transfers never crowd out messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    Control,
    Pieces,
}

impl Channel {
    /// The protocol name, which only nodes of one network share.
    pub(crate) fn protocol(self, network_id: &NetworkId) -> Result<StreamProtocol, String> {
        let name = match self {
            Self::Control => "control",
            Self::Pieces => "pieces",
        };
        let full = format!("/cotrain/{network_id}/{name}/1");
        StreamProtocol::try_from_owned(full).map_err(|error| error.to_string())
    }
}

/// An encoded message or hello, with its share of the budget when a peer sent it.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    _budget: Option<Arc<OwnedSemaphorePermit>>,
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), _budget: None }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Request {
    Message(Body),
    Hello(Body),
    Piece(PieceRequest),
}

/// One piece as it travels; `list` is the concatenated piece list, when it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct PieceFrame {
    pub(crate) len: u64,
    pub(crate) list: Bytes,
    pub(crate) bytes: Bytes,
}

impl PieceFrame {
    pub(crate) fn values(&self) -> Vec<Hash> {
        self.list.chunks_exact(32).filter_map(|value| Some(Hash(value.try_into().ok()?))).collect()
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotAdmitted = 0,
    Malformed = 1,
    Stopping = 2,
}

#[derive(Debug, Clone)]
pub(crate) enum Response {
    Acknowledged,
    Hello(Bytes),
    Piece(PieceFrame),
    Missing,
    RetryAfter(u32),
    Refused(Refusal),
}

/// Reads and writes frames; cloned by libp2p for every stream.
#[derive(Clone)]
pub(crate) struct Codec {
    channel: Channel,
    budget: Arc<Semaphore>,
}

impl Codec {
    pub(crate) fn new(channel: Channel) -> Self {
        let units = INBOUND_BYTES_MAX / BUDGET_UNIT_BYTES;
        Self { channel, budget: Arc::new(Semaphore::new(units)) }
    }

    async fn body<T: AsyncRead + Unpin + Send>(&self, io: &mut T, len: usize, len_max: usize) -> io::Result<Body> {
        check_len(len, len_max)?;
        let units = u32::try_from(len.div_ceil(BUDGET_UNIT_BYTES)).map_err(io::Error::other)?;
        let permit = self.budget.clone().acquire_many_owned(units).await.map_err(io::Error::other)?;
        let bytes = read_growing(io, len, READ_AHEAD_BYTES).await?;
        Ok(Body { bytes: bytes.into(), _budget: Some(Arc::new(permit)) })
    }
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (kind, len) = read_header(io).await?;
        match (self.channel, kind) {
            (Channel::Control, 0) => Ok(Request::Message(self.body(io, len, MESSAGE_BYTES_MAX).await?)),
            (Channel::Control, 1) => Ok(Request::Hello(self.body(io, len, HELLO_BYTES_MAX).await?)),
            (Channel::Pieces, 2) => read_piece_request(io, len).await,
            _ => Err(invalid(format!("request of kind {kind} on the {:?} channel", self.channel))),
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (kind, len) = read_header(io).await?;
        match (self.channel, kind) {
            (Channel::Control, 0) => check_len(len, 0).map(|()| Response::Acknowledged),
            (Channel::Control, 1) => {
                check_len(len, HELLO_REPLY_BYTES_MAX)?;
                Ok(Response::Hello(read_growing(io, len, READ_AHEAD_BYTES).await?.into()))
            }
            (Channel::Pieces, 2) => read_piece(io, len).await,
            (Channel::Pieces, 3) => check_len(len, 0).map(|()| Response::Missing),
            (_, 4) => Ok(Response::RetryAfter(u32::from_le_bytes(read_exactly(io, len).await?))),
            (_, 5) => read_refusal(io, len).await,
            _ => Err(invalid(format!("response of kind {kind} on the {:?} channel", self.channel))),
        }
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match request {
            Request::Message(body) => write_frame(io, 0, &[&body.bytes]).await,
            Request::Hello(body) => write_frame(io, 1, &[&body.bytes]).await,
            Request::Piece(PieceRequest { hash, index, with_list }) => {
                write_frame(io, 2, &[&hash.0, &index.to_le_bytes(), &[u8::from(with_list)]]).await
            }
        }
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Response) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match response {
            Response::Acknowledged => write_frame(io, 0, &[]).await,
            Response::Hello(body) => write_frame(io, 1, &[&body]).await,
            Response::Piece(piece) => {
                let entries = u32::try_from(piece.list.len() / 32).map_err(io::Error::other)?;
                let len = piece.len.to_le_bytes();
                write_frame(io, 2, &[&len, &entries.to_le_bytes(), &piece.list, &piece.bytes]).await
            }
            Response::Missing => write_frame(io, 3, &[]).await,
            Response::RetryAfter(ms) => write_frame(io, 4, &[&ms.to_le_bytes()]).await,
            Response::Refused(refusal) => write_frame(io, 5, &[&[refusal as u8]]).await,
        }
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn check_len(len: usize, len_max: usize) -> io::Result<()> {
    match len <= len_max {
        true => Ok(()),
        false => Err(invalid(format!("a body of {len} bytes is announced, at most {len_max} are taken"))),
    }
}

async fn write_frame<T: AsyncWrite + Unpin + Send>(io: &mut T, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
    let len = u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>()).map_err(io::Error::other)?;
    let mut header = [kind; FRAME_HEADER_BYTES];
    header[1..].copy_from_slice(&len.to_le_bytes());
    io.write_all(&header).await?;
    for part in parts {
        io.write_all(part).await?;
    }
    io.flush().await
}

async fn read_header<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<(u8, usize)> {
    let mut header = [0u8; FRAME_HEADER_BYTES];
    io.read_exact(&mut header).await?;
    let [kind, len @ ..] = header;
    Ok((kind, u32::from_le_bytes(len) as usize))
}

async fn read_exactly<T: AsyncRead + Unpin + Send, const N: usize>(io: &mut T, len: usize) -> io::Result<[u8; N]> {
    if len != N {
        return Err(invalid(format!("a body of {len} bytes where {N} are due")));
    }
    let mut bytes = [0u8; N];
    io.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Reads `len` bytes, never allocating more than `ahead` beyond twice what has arrived.
async fn read_growing<T: AsyncRead + Unpin + Send>(io: &mut T, len: usize, ahead: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let start = bytes.len();
        bytes.resize((2 * start + ahead).min(len), 0);
        io.read_exact(&mut bytes[start..]).await?;
    }
    Ok(bytes)
}

async fn read_piece_request<T: AsyncRead + Unpin + Send>(io: &mut T, len: usize) -> io::Result<Request> {
    let body: [u8; PIECE_REQUEST_BYTES] = read_exactly(io, len).await?;
    let (mut hash, mut index) = ([0u8; 32], [0u8; 4]);
    hash.copy_from_slice(&body[..32]);
    index.copy_from_slice(&body[32..36]);
    let with_list = match body[36] {
        0 => false,
        1 => true,
        other => return Err(invalid(format!("{other} is no flag"))),
    };
    Ok(Request::Piece(PieceRequest { hash: Hash(hash), index: u32::from_le_bytes(index), with_list }))
}

async fn read_piece<T: AsyncRead + Unpin + Send>(io: &mut T, len: usize) -> io::Result<Response> {
    check_len(len, PIECE_RESPONSE_BYTES_MAX)?;
    // Asked for by us and one of few, so it is allocated at once.
    let body = Bytes::from(read_growing(io, len, len).await?);
    let too_short = || invalid(format!("a piece of {len} bytes ends within its header"));
    let header = body.get(..PIECE_HEADER_BYTES).ok_or_else(too_short)?;
    let (mut blob_len, mut entries) = ([0u8; 8], [0u8; 4]);
    blob_len.copy_from_slice(&header[..8]);
    entries.copy_from_slice(&header[8..]);
    let entries = u32::from_le_bytes(entries) as usize;
    check_len(entries, PIECES_MAX)?;
    let list_end = PIECE_HEADER_BYTES + entries * 32;
    if list_end > len {
        return Err(too_short());
    }
    check_len(len - list_end, PIECE_BYTES)?;
    let (list, bytes) = (body.slice(PIECE_HEADER_BYTES..list_end), body.slice(list_end..));
    Ok(Response::Piece(PieceFrame { len: u64::from_le_bytes(blob_len), list, bytes }))
}

async fn read_refusal<T: AsyncRead + Unpin + Send>(io: &mut T, len: usize) -> io::Result<Response> {
    let [code] = read_exactly(io, len).await?;
    let refusal = match code {
        0 => Refusal::NotAdmitted,
        1 => Refusal::Malformed,
        2 => Refusal::Stopping,
        _ => return Err(invalid(format!("unknown refusal {code}"))),
    };
    Ok(Response::Refused(refusal))
}

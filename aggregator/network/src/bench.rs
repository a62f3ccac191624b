//! Throughput on loopback: pieces over request-response, one raw stream of the same transport, and plain TCP.
//!
//! The ceilings are measured in the same run, so that a figure means something on any machine.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt, future::poll_fn, stream};
use libp2p::{
    Transport,
    core::{
        muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox},
        transport::{Boxed, DialOpts, ListenerId, PortUse, TransportEvent},
    },
};
use protocol::{NetworkId, PieceRequest, limits::PIECE_BYTES};
use tokio_util::sync::CancellationToken;

use crate::{BlobStore, Network, NetworkConfig, behaviour, identity, wire::Response};

/// Requests in flight, as a fetch has them with one holder.
const IN_FLIGHT: usize = 8;
/// Longest wait for one piece.
const PATIENCE: Duration = Duration::from_secs(30);
/// What one write of the raw streams carries.
const WRITE_BYTES: usize = 64 << 10;

/// One row: a body size on one transport.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Throughput {
    /// What carried it.
    pub transport: &'static str,
    /// Bytes of one body, at most one piece.
    pub bytes: usize,
    /// Bodies over request-response, 8 in flight.
    pub bytes_per_s: f64,
    /// One stream of the same transport, without requests.
    pub raw_stream_bytes_per_s: f64,
    /// Plain TCP.
    pub raw_tcp_bytes_per_s: f64,
    /// CPU seconds of this process per 10⁹ bytes of bodies, both sides together; where the system tells.
    pub cpu_s_per_gb: Option<f64>,
}

/// Moves `total_bytes` in bodies of `bytes` through two nodes of this process, and as much through the raw streams.
///
/// # Errors
/// A node that does not start, a transfer that fails; in words.
pub async fn throughput(bytes: usize, total_bytes: usize) -> Result<Throughput, String> {
    let bytes = bytes.clamp(1, PIECE_BYTES);
    let shutdown = CancellationToken::new();
    let measured = measure(bytes, total_bytes, &shutdown).await;
    shutdown.cancel();
    measured
}

async fn measure(bytes: usize, total_bytes: usize, shutdown: &CancellationToken) -> Result<Throughput, String> {
    let raw_tcp = tokio::task::spawn_blocking(move || raw_tcp(total_bytes));
    let raw_tcp_bytes_per_s = raw_tcp.await.map_err(words)?.map_err(words)?;
    let raw_stream_bytes_per_s = raw_stream(total_bytes).await.map_err(words)?;
    let (bytes_per_s, cpu_s_per_gb) = pieces(bytes, total_bytes, shutdown).await?;
    let transport = "tcp+noise+yamux";
    Ok(Throughput { transport, bytes, bytes_per_s, raw_stream_bytes_per_s, raw_tcp_bytes_per_s, cpu_s_per_gb })
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn rate(bytes: usize, since: Instant) -> f64 {
    bytes as f64 / since.elapsed().as_secs_f64().max(1e-9)
}

async fn pieces(bytes: usize, total_bytes: usize, shutdown: &CancellationToken) -> Result<(f64, Option<f64>), String> {
    let store = BlobStore::new();
    let hash = store.insert(vec![7; bytes]).map_err(words)?;
    let network_id = NetworkId([0; 32]);
    let start = |seed: u8, store: &BlobStore| {
        Network::start(NetworkConfig::new([seed; 32], network_id), store.clone(), shutdown.clone())
    };
    let (holder, _holder_events) = start(1, &store).await.map_err(words)?;
    let (asker, _asker_events) = start(2, &BlobStore::new()).await.map_err(words)?;
    holder.admit(asker.worker());
    asker.connect(holder.worker(), &holder.listen_addresses(), PATIENCE).await.map_err(words)?;

    let request = PieceRequest { hash, index: 0, with_list: false };
    let (count, cpu, began) = (total_bytes.div_ceil(bytes), cpu_seconds(), Instant::now());
    let mut answers = stream::iter(0..count)
        .map(|_| asker.piece_frame(holder.worker(), request, PATIENCE))
        .buffer_unordered(IN_FLIGHT);
    while let Some(answer) = answers.next().await {
        match answer.map_err(words)? {
            Response::Piece(frame) if frame.bytes.len() == bytes => {}
            other => return Err(format!("unexpected answer: {other:?}")),
        }
    }
    let rate = rate(count * bytes, began);
    let spent = cpu_seconds().zip(cpu).map(|(after, before)| after - before);
    Ok((rate, spent.map(|seconds| seconds * 1e9 / (count * bytes) as f64)))
}

/// CPU time of this process; `None` where /proc does not tell.
fn cpu_seconds() -> Option<f64> {
    const TICKS_PER_S: f64 = 100.0; // USER_HZ, fixed at 100 for all programs on Linux
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_S)
}

fn raw_tcp(total_bytes: usize) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let writer = thread::spawn(move || -> io::Result<()> {
        let (mut stream, chunk, mut left) = (TcpStream::connect(address)?, vec![7; WRITE_BYTES], total_bytes);
        while left > 0 {
            let bytes = left.min(WRITE_BYTES);
            stream.write_all(&chunk[..bytes])?;
            left -= bytes;
        }
        Ok(())
    });
    let (mut stream, _) = listener.accept()?;
    let (began, mut buffer, mut read) = (Instant::now(), vec![0; WRITE_BYTES], 0);
    while read < total_bytes {
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => read += bytes,
        }
    }
    writer.join().map_err(|_| io::Error::other("the writer stopped"))??;
    Ok(rate(total_bytes, began))
}

type Connections = Boxed<(libp2p::PeerId, StreamMuxerBox)>;

/// One substream of one connection, driven without a swarm.
async fn raw_stream(total_bytes: usize) -> io::Result<f64> {
    let transport = |seed: u8| -> io::Result<Connections> {
        let keypair = identity::keypair([seed; 32]).map_err(io::Error::other)?;
        behaviour::transport(&keypair).map_err(io::Error::other)
    };
    let (mut listening, mut dialling) = (transport(3)?, transport(4)?);
    let loopback = "/ip4/127.0.0.1/tcp/0".parse().map_err(io::Error::other)?;
    listening.listen_on(ListenerId::next(), loopback).map_err(io::Error::other)?;
    let address = loop {
        if let TransportEvent::NewAddress { listen_addr, .. } = listening.select_next_some().await {
            break listen_addr;
        }
    };
    let options = DialOpts { role: libp2p::core::Endpoint::Dialer, port_use: PortUse::New };
    let dialled = dialling.dial(address, options).map_err(io::Error::other)?;
    // The dialler's last negotiation message leaves with its first bytes, so it must write before we have accepted.
    tokio::spawn(async move { write_all(dialled.await?.1, total_bytes).await });
    let reading = loop {
        if let TransportEvent::Incoming { upgrade, .. } = listening.select_next_some().await {
            break upgrade.await?.1;
        }
    };
    let began = Instant::now();
    read_all(reading, total_bytes).await?;
    Ok(rate(total_bytes, began))
}

async fn write_all(mut muxer: StreamMuxerBox, total_bytes: usize) -> io::Result<()> {
    let mut stream = poll_fn(|cx| muxer.poll_outbound_unpin(cx)).await?;
    let writing = async move {
        let (chunk, mut left) = (vec![7; WRITE_BYTES], total_bytes);
        while left > 0 {
            let bytes = left.min(WRITE_BYTES);
            stream.write_all(&chunk[..bytes]).await?;
            left -= bytes;
        }
        stream.close().await?;
        futures::future::pending::<io::Result<()>>().await // the reader ends the connection
    };
    driven(muxer, writing).await
}

async fn read_all(mut muxer: StreamMuxerBox, total_bytes: usize) -> io::Result<()> {
    let stream: SubstreamBox = poll_fn(|cx| muxer.poll_inbound_unpin(cx)).await?;
    let reading = async move {
        let read = futures::io::copy(&mut stream.take(total_bytes as u64), &mut futures::io::sink()).await?;
        if read == total_bytes as u64 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    };
    driven(muxer, reading).await
}

/// Runs a transfer while its connection is polled.
async fn driven(mut muxer: StreamMuxerBox, transfer: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let connection = poll_fn(move |cx| {
        // Never ready but with an error: its events are about addresses.
        while muxer.poll_unpin(cx)?.is_ready() {}
        std::task::Poll::<io::Result<()>>::Pending
    });
    tokio::select! {
        result = transfer => result,
        result = connection => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_three_ways_move_bytes() {
        let row = throughput(PIECE_BYTES, 16 * PIECE_BYTES).await.unwrap();
        for rate in [row.bytes_per_s, row.raw_stream_bytes_per_s, row.raw_tcp_bytes_per_s] {
            assert!(rate > 1e6 && rate.is_finite(), "{row:?}");
        }
    }
}

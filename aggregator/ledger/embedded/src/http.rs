//! The server: HTTP/1.1 on loopback, every connection, head, body and wait bounded.

mod answer;
mod body;
mod render;
mod routes;
mod submit;
mod view;

use crate::Ledger;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, ORIGIN};
use hyper::service::service_fn;
use hyper::{Request, Response, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How many connections are served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How many bytes of a head are read.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long open requests may take to finish once the server shuts down.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a ledger is not served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Other machines could connect, which was not allowed.
    #[error("{0} is not a loopback address; other machines may connect only where the options say so")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("{listen}: {source}")]
    Listen { listen: SocketAddr, source: std::io::Error },
}

/// Listens at once; the future serves until `shutdown`, then lets open requests finish. It must run in a tokio runtime.
pub fn serve(
    ledger: Ledger,
    listen: SocketAddr,
    shutdown: CancellationToken,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send), ServeError> {
    if !listen.ip().is_loopback() && !ledger.options().remote {
        return Err(ServeError::NotLoopback(listen));
    }
    let failed = |source| ServeError::Listen { listen, source };
    let listener = TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((address, accept(ledger, listener, shutdown)))
}

async fn accept(ledger: Ledger, listener: TcpListener, shutdown: CancellationToken) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(failure) => return warn!(%failure, "the ledger is not served"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while let Some(Ok(place)) = shutdown.run_until_cancelled(places.clone().acquire_owned()).await {
        let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await else { break };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(ledger.clone(), stream, peer, shutdown.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(failure) => {
                // Mostly too many open files: wait for some to close.
                warn!(%failure, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    let finish = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, finish).await.is_err() {
        warn!("connections were still open when the ledger's server shut down");
    }
}

async fn connection(ledger: Ledger, stream: TcpStream, peer: SocketAddr, shutdown: CancellationToken) {
    // Answers are small and clients wait for them; a failure costs time only.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let ledger = ledger.clone();
        async move { Ok::<_, Infallible>(answer(&ledger, peer, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let done = tokio::select! {
        done = served.as_mut() => done,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(failure) = done {
        debug!(%peer, %failure, "a connection ended");
    }
}

async fn answer(ledger: &Ledger, peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let strange = match ledger.options().remote {
        true => None,
        false if !names_loopback(&request) => Some("the Host header does not name this machine"),
        false if !origin_is_loopback(&request) => Some("the Origin header does not name this machine"),
        false => None,
    };
    let answer = match strange {
        None => routes::route(ledger, peer, request).await,
        Some(message) => answer::Answer::error(403, "web_framework_error", message, None),
    };
    answer.response(ledger)
}

/// Whether a request was made to a loopback name: a page of another origin cannot reach the ledger by a name that it
/// makes resolve to this machine.
fn names_loopback(request: &Request<Incoming>) -> bool {
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = request.uri().authority().map(|authority| authority.as_str());
    authority.or(header).is_some_and(is_loopback)
}

/// Whether a page that makes a browser send the request is of this machine; programs send no origin.
fn origin_is_loopback(request: &Request<Incoming>) -> bool {
    let Some(origin) = request.headers().get(ORIGIN) else { return true };
    let scheme_and_host = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    scheme_and_host.is_some_and(|(_, host)| is_loopback(host))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

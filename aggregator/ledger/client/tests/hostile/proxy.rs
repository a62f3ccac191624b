//! A proxy between a client and a ledger that lies, loses, delays and repeats as a test tells it to.
//!
//! Every request is matched against the rules in their order; the first that matches and is not used up decides, and a
//! request without a rule is forwarded. Nothing here waits for a time: a test waits for what the proxy has seen, and
//! what it holds is held until the test opens its gate.

use aptos_sdk::transaction::SignedTransaction;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
    headers: HeaderMap,
}

impl Seen {
    /// The transaction that a submission carries.
    pub(crate) fn transaction(&self) -> Option<SignedTransaction> {
        aptos_bcs::from_bytes(&self.body).ok()
    }

    /// Whether the body names something: a view's or a call's name stands in it in plain bytes.
    fn names(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// Which requests a rule is about.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    Any,
    /// Submissions of transactions.
    Submit,
    /// Submissions that call this function.
    Call(&'static str),
    /// What became of a transaction.
    Lookup,
    /// Evaluations of this view.
    View(&'static str),
    /// Paths that hold this text.
    Path(&'static str),
}

impl Of {
    pub(crate) fn matches(self, seen: &Seen) -> bool {
        let submits = || seen.method == Method::POST && seen.path.ends_with("/transactions");
        match self {
            Of::Any => true,
            Of::Submit => submits(),
            Of::Call(function) => submits() && seen.names(function),
            Of::Lookup => seen.path.contains("/transactions/by_hash/") || seen.path.contains("/wait_by_hash/"),
            Of::View(view) => seen.path.ends_with("/view") && seen.names(view),
            Of::Path(text) => seen.path.contains(text),
        }
    }
}

/// An answer on its way to the client.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Changes the body where it is JSON.
    pub(crate) fn edit_json(&mut self, edit: impl FnOnce(&mut Json)) {
        if let Ok(mut json) = serde_json::from_slice(&self.body) {
            edit(&mut json);
            self.body = json.to_string().into_bytes();
        }
    }
}

type Edit = Arc<dyn Fn(&mut Answer) + Send + Sync>;

/// What the proxy does with a request.
#[derive(Clone)]
pub(crate) enum Do {
    /// Answers so, in the node's form of an error; the ledger never hears of it.
    Refuse(u16),
    /// Closes the connection; the ledger never hears of it.
    Drop,
    /// Forwards, and closes the connection instead of answering.
    LoseAnswer,
    /// Forwards once the gate opens.
    Hold(Gate),
    /// Forwards, and changes the answer.
    Lie(Edit),
    /// Answers with these bytes as JSON; the ledger never hears of it.
    Garbage(Vec<u8>),
    /// Answers 200 with so many bytes, as they come; the ledger never hears of it.
    Flood(usize),
    /// Says that a transaction was taken; the ledger never hears of it.
    Swallow,
    /// Says that a transaction was taken, and forwards it once the gate opens.
    Postpone(Gate),
    /// Forwards twice, and answers with what was said at first.
    Twice,
    /// Answers what was last answered to a request of the same path; forwards where there was none.
    Repeat,
}

impl Do {
    /// Changes the answer's JSON.
    pub(crate) fn lie(edit: impl Fn(&mut Json) + Send + Sync + 'static) -> Do {
        Do::Lie(Arc::new(move |answer| answer.edit_json(&edit)))
    }
}

/// What is held until a test opens it; once open it stays so.
#[derive(Clone)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate(Arc::new(watch::Sender::new(false)))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    async fn opened(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

struct Rule {
    of: Of,
    used: usize,
    left: usize,
    act: Do,
}

struct State {
    upstream: SocketAddr,
    rules: Vec<Rule>,
    seen: Vec<Seen>,
    /// The last answer to each path.
    answered: Vec<(String, Answer)>,
    /// The headers of the last answer, by which one that is made up passes for the ledger's.
    headers: HeaderMap,
}

struct Shared {
    state: Mutex<State>,
    /// How many requests were seen.
    count: watch::Sender<usize>,
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An answer that the ledger did not give.
    fn made_up(&self, status: u16, body: impl Into<Vec<u8>>) -> Answer {
        let mut headers = self.with(|state| state.headers.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Answer { status, headers, body: body.into() }
    }
}

/// A running proxy; it stops when it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Listens on a free port in front of a ledger.
    pub(crate) async fn start(upstream: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            State { upstream, rules: Vec::new(), seen: Vec::new(), answered: Vec::new(), headers: HeaderMap::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), count: watch::Sender::new(0) });
        let server = AbortOnDropHandle::new(tokio::spawn(serve(listener, shared.clone())));
        Proxy { address, shared, _server: server }
    }

    /// Does so with the next requests of a kind, so many times.
    pub(crate) fn next(&self, of: Of, times: usize, act: Do) {
        self.shared.with(|state| state.rules.push(Rule { of, used: 0, left: times, act }));
    }

    /// Does so with all requests of a kind, until the proxy is honest again.
    pub(crate) fn always(&self, of: Of, act: Do) {
        self.next(of, usize::MAX, act);
    }

    /// Whether every rule was followed at least once: a lie that nobody was told shows nothing.
    pub(crate) fn has_followed_all(&self) -> bool {
        self.shared.with(|state| state.rules.iter().all(|rule| rule.used > 0))
    }

    /// Forgets every rule.
    pub(crate) fn be_honest(&self) {
        self.shared.with(|state| state.rules.clear());
    }

    /// Sends to another ledger from now on.
    pub(crate) fn lead_to(&self, upstream: SocketAddr) {
        self.shared.with(|state| state.upstream = upstream);
    }

    /// The requests of a kind so far.
    pub(crate) fn seen(&self, of: Of) -> Vec<Seen> {
        self.shared.with(|state| state.seen.iter().filter(|seen| of.matches(seen)).cloned().collect())
    }

    /// The body of the last answer of the ledger to a request of a kind.
    pub(crate) fn last_answer(&self, of: Of) -> Option<Vec<u8>> {
        let path = self.seen(of).pop()?.path;
        self.shared.with(|state| {
            let (_, answer) = state.answered.iter().find(|(answered, _)| *answered == path)?;
            Some(answer.body.clone())
        })
    }

    /// Waits until so many requests of a kind have come.
    pub(crate) async fn until(&self, of: Of, times: usize) {
        let mut count = self.shared.count.subscribe();
        // The sender lives as long as the proxy.
        let _ = count.wait_for(|_| self.seen(of).len() >= times).await;
    }
}

type Body = BoxBody<Bytes, io::Error>;

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let service = service_fn(move |request| answer(shared.clone(), request));
        // A connection that a rule closes ends with an error, which is what was wanted.
        tokio::spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let path = head.uri.path_and_query().map_or_else(String::new, |path| path.as_str().to_owned());
    let seen = Seen { method: head.method, path, body, headers: head.headers };
    let act = shared.with(|state| {
        state.seen.push(seen.clone());
        let rule = state.rules.iter_mut().find(|rule| rule.left > 0 && rule.of.matches(&seen))?;
        rule.used += 1;
        rule.left -= 1;
        Some(rule.act.clone())
    });
    shared.count.send_modify(|count| *count += 1);
    match act {
        Some(Do::Flood(bytes)) => Ok(flood(&shared, bytes)),
        act => Ok(response(obey(&shared, seen, act).await?)),
    }
}

async fn obey(shared: &Arc<Shared>, seen: Seen, act: Option<Do>) -> io::Result<Answer> {
    match act {
        None | Some(Do::Flood(_)) => forward(shared, &seen).await,
        Some(Do::Refuse(status)) => {
            let body = json!({ "message": "not today", "error_code": "internal_error", "vm_error_code": null });
            Ok(shared.made_up(status, body.to_string()))
        }
        Some(Do::Drop) => Err(closed()),
        Some(Do::LoseAnswer) => {
            forward(shared, &seen).await?;
            Err(closed())
        }
        Some(Do::Hold(gate)) => {
            gate.opened().await;
            forward(shared, &seen).await
        }
        Some(Do::Lie(edit)) => {
            let mut answer = forward(shared, &seen).await?;
            edit(&mut answer);
            Ok(answer)
        }
        Some(Do::Garbage(bytes)) => Ok(shared.made_up(200, bytes)),
        Some(Do::Swallow) => taken(shared, &seen),
        Some(Do::Postpone(gate)) => {
            let answer = taken(shared, &seen);
            let shared = shared.clone();
            tokio::spawn(async move {
                gate.opened().await;
                let _ = forward(&shared, &seen).await;
            });
            answer
        }
        Some(Do::Twice) => {
            let answer = forward(shared, &seen).await;
            forward(shared, &seen).await?;
            answer
        }
        Some(Do::Repeat) => {
            let old = shared.with(|state| state.answered.iter().find(|(path, _)| *path == seen.path).cloned());
            match old {
                Some((_, answer)) => Ok(answer),
                None => forward(shared, &seen).await,
            }
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "a rule closes the connection")
}

/// What a ledger says of a transaction that it took.
fn taken(shared: &Shared, seen: &Seen) -> io::Result<Answer> {
    let transaction = seen.transaction().ok_or_else(closed)?;
    let raw = &transaction.raw_txn;
    let hash = transaction.hash().map_err(io::Error::other)?;
    let body = json!({
        "type": "pending_transaction", "hash": hash.to_string(), "sender": raw.sender.to_string(),
        "sequence_number": raw.sequence_number.to_string(), "max_gas_amount": raw.max_gas_amount.to_string(),
        "gas_unit_price": raw.gas_unit_price.to_string(),
        "expiration_timestamp_secs": raw.expiration_timestamp_secs.to_string(),
    });
    Ok(shared.made_up(202, body.to_string()))
}

/// Sends a request on over a connection of its own, and remembers the answer.
async fn forward(shared: &Shared, seen: &Seen) -> io::Result<Answer> {
    let upstream = shared.with(|state| state.upstream);
    let stream = TokioIo::new(TcpStream::connect(upstream).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(io::Error::other)?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let mut request = Request::new(Full::new(seen.body.clone()));
    *request.method_mut() = seen.method.clone();
    *request.uri_mut() = seen.path.parse().map_err(io::Error::other)?;
    *request.headers_mut() = seen.headers.clone();
    request.headers_mut().remove(TRANSFER_ENCODING);
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let (head, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    drop(connection);
    let answer = Answer { status: head.status.as_u16(), headers: head.headers, body };
    shared.with(|state| {
        state.headers.clone_from(&answer.headers);
        state.answered.retain(|(path, _)| *path != seen.path);
        state.answered.push((seen.path.clone(), answer.clone()));
    });
    Ok(answer)
}

fn response(answer: Answer) -> Response<Body> {
    let body: Body = match answer.body.is_empty() {
        true => Empty::new().map_err(|never| match never {}).boxed(),
        false => Full::new(Bytes::from(answer.body)).map_err(|never| match never {}).boxed(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    *response.headers_mut() = answer.headers;
    response.headers_mut().remove(CONTENT_LENGTH);
    response
}

/// A body that is made as it is read, so that only a client which reads it all has it in memory.
fn flood(shared: &Shared, bytes: usize) -> Response<Body> {
    const PIECE: &[u8] = &[b'['; 64 * 1024];
    let pieces = std::iter::repeat_n(PIECE, bytes.div_ceil(PIECE.len()));
    let frames = pieces.map(|piece| Ok(Frame::data(Bytes::from_static(piece))));
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(futures::stream::iter(frames))));
    *response.headers_mut() = shared.made_up(200, "").headers;
    response.headers_mut().remove(CONTENT_LENGTH);
    response
}

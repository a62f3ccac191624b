//! The handle that the rest of the program holds: cheap to clone, and every call on it ends by its deadline.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use protocol::{Hello, HelloReply, Keypair, Message, PieceReply, PieceRequest, WorkerId, limits};
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    behaviour,
    blobs::BlobStore,
    config::{ATTEMPTS_MAX, COMMANDS_MAX, EVENTS_MAX, HELLO_BYTES_MAX, NetworkConfig, TICK},
    driver::{
        Command, Driver,
        peer::{LaneKind, Outbound, Waiter, millis},
    },
    error::{ConnectError, SendError, StartError},
    event::NetworkEvent,
    identity,
    wire::{Request, Response},
};

/// What handles and driver share.
pub(crate) struct Shared {
    pub(crate) worker: WorkerId,
    pub(crate) blobs: BlobStore,
    pub(crate) stopped: CancellationToken,
    pub(crate) config: NetworkConfig,
    admitted: RwLock<BTreeSet<WorkerId>>,
    listening: RwLock<BTreeSet<String>>,
}

/// A handle on the transport of one node.
#[derive(Clone)]
pub struct Network {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl Network {
    /// Starts the transport: one task that runs until `shutdown` is cancelled. Returns once every listener is up.
    ///
    /// # Errors
    /// A port in use, an address that is none, a refusal of the operating system.
    pub async fn start(
        config: NetworkConfig,
        blobs: BlobStore,
        shutdown: CancellationToken,
    ) -> Result<(Self, mpsc::Receiver<NetworkEvent>), StartError> {
        let swarm = behaviour::swarm(&config)?;
        let listen = config.listen.clone();
        let network_name = behaviour::network_name(&config.network_id);
        let shared = Arc::new(Shared {
            worker: Keypair::from_secret(&config.secret).worker(),
            blobs,
            stopped: CancellationToken::new(),
            admitted: RwLock::new(config.admitted.iter().copied().collect()),
            config,
            listening: RwLock::default(),
        });
        let (commands, command_receiver) = mpsc::channel(COMMANDS_MAX);
        let (event_sender, events) = mpsc::channel(EVENTS_MAX);
        let mut driver = Driver::new(swarm, network_name, shared.clone(), command_receiver);
        driver.listen(&listen).await?;
        tokio::spawn(driver.run(event_sender, shutdown));
        Ok((Self { commands, shared }, events))
    }

    /// This node's id.
    pub fn worker(&self) -> WorkerId {
        self.shared.worker
    }

    /// The addresses that peers can dial, without the peer's id.
    pub fn listen_addresses(&self) -> Vec<String> {
        read(&self.shared.listening).iter().cloned().collect()
    }

    /// The blobs that this node serves.
    pub fn blobs(&self) -> &BlobStore {
        &self.shared.blobs
    }

    /// Lets a peer send messages and fetch pieces. Who was not admitted can only say hello, and after half a minute is
    /// disconnected. A restarted node admits its peers anew, by [`NetworkConfig::admitted`] or here.
    pub fn admit(&self, worker: WorkerId) {
        write(&self.shared.admitted).insert(worker);
    }

    /// True for admitted peers.
    pub fn is_admitted(&self, worker: &WorkerId) -> bool {
        self.shared.is_admitted(worker)
    }

    /// Makes addresses of a peer known, so that `send`, `hello` and fetches dial it when it is not connected.
    ///
    /// # Errors
    /// An address that does not parse, a driver that has stopped. What is wrong with the peer shows when it is dialled.
    pub async fn add_addresses(&self, worker: WorkerId, addresses: &[String]) -> Result<(), ConnectError> {
        let addresses = parse_addresses(worker, addresses)?;
        let command = Command::Connect { worker, addresses, keep: false, waiter: None };
        self.commands.send(command).await.map_err(|_| ConnectError::ShutDown)
    }

    /// Connects to a peer and stays connected: from here on the driver redials with back-off whenever the connection is
    /// lost, also when this call's deadline passes first. Addresses given earlier are kept.
    ///
    /// # Errors
    /// The deadline passed, the peer belongs to another network, an address does not parse, or the driver has stopped.
    pub async fn connect(
        &self,
        worker: WorkerId,
        addresses: &[String],
        deadline: Duration,
    ) -> Result<(), ConnectError> {
        let addresses = parse_addresses(worker, addresses)?;
        let (reply, answer) = oneshot::channel();
        let started = Instant::now();
        let waiter = Waiter { started, deadline: started + deadline, reply };
        let command = Command::Connect { worker, addresses, keep: true, waiter: Some(waiter) };
        self.commands.send(command).await.map_err(|_| ConnectError::ShutDown)?;
        answer.await.unwrap_or(Err(ConnectError::ShutDown))
    }

    /// Delivers a message. `Ok` means that the peer's driver handed it to its user. Failed attempts are repeated, after
    /// a reconnect where needed, until [`NetworkConfig::send_deadline`]; so a message can arrive twice.
    ///
    /// Messages to one peer arrive in the order of the calls: the message is queued by the call itself, and the
    /// returned future, which borrows nothing, only waits (while fewer than 1024 calls wait for the driver). Dropping
    /// the future withdraws a message that has not left yet.
    ///
    /// # Errors
    /// See [`SendError`]; the message may still have arrived when an attempt was made.
    pub fn send(&self, to: WorkerId, message: &Message) -> impl Future<Output = Result<(), SendError>> + Send + use<> {
        let body = encoded(message, limits::MESSAGE_BYTES_MAX);
        let exchange = body.map(|body| self.control(to, LaneKind::Message, Request::Message(body.into())));
        async move {
            match exchange?.await? {
                Response::Acknowledged => Ok(()),
                _ => Err(SendError::UnexpectedAnswer(to)),
            }
        }
    }

    /// Says hello and returns the peer's answer; repeated like a message.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn hello(&self, to: WorkerId, hello: &Hello) -> Result<HelloReply, SendError> {
        let body = encoded(hello, HELLO_BYTES_MAX)?;
        match self.control(to, LaneKind::Hello, Request::Hello(body.into())).await? {
            Response::Hello(body) => {
                protocol::decode(&body, limits::HELLO_BYTES_MAX).map_err(|_| SendError::UnexpectedAnswer(to))
            }
            _ => Err(SendError::UnexpectedAnswer(to)),
        }
    }

    /// Asks a holder for one piece, once. The piece is not verified; [`Network::fetch_blob`] does that.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn piece(
        &self,
        to: WorkerId,
        request: PieceRequest,
        deadline: Duration,
    ) -> Result<PieceReply, SendError> {
        match self.piece_frame(to, request, deadline).await? {
            Response::Piece(frame) => {
                Ok(PieceReply::Piece { blob_bytes: frame.len, list: frame.values(), bytes: frame.bytes.to_vec() })
            }
            Response::RetryAfter(ms) => Ok(PieceReply::RetryAfter { wait_ms: ms.into() }),
            _ => Ok(PieceReply::Missing),
        }
    }

    /// A piece without a copy of it, or one of the other answers to a request for one.
    pub(crate) async fn piece_frame(
        &self,
        to: WorkerId,
        request: PieceRequest,
        deadline: Duration,
    ) -> Result<Response, SendError> {
        let response = self.request(to, LaneKind::Piece, Request::Piece(request), 1, deadline).await?;
        match response {
            Response::Piece(_) | Response::Missing | Response::RetryAfter(_) => Ok(response),
            _ => Err(SendError::UnexpectedAnswer(to)),
        }
    }

    /// Returns when the driver has closed its sockets, after the shutdown token was cancelled.
    pub async fn stopped(&self) {
        self.shared.stopped.cancelled().await;
    }

    /// True once that has happened, or is about to.
    pub(crate) fn is_stopped(&self) -> bool {
        self.commands.is_closed()
    }

    pub(crate) fn config(&self) -> &NetworkConfig {
        &self.shared.config
    }

    fn control(
        &self,
        to: WorkerId,
        lane: LaneKind,
        request: Request,
    ) -> impl Future<Output = Result<Response, SendError>> + Send + use<> {
        self.request(to, lane, request, ATTEMPTS_MAX, self.shared.config.send_deadline)
    }

    /// Hands a request to the driver now, so that requests keep the order of calls, and returns the wait for its
    /// answer.
    fn request(
        &self,
        worker: WorkerId,
        lane: LaneKind,
        request: Request,
        attempts_max: u32,
        deadline: Duration,
    ) -> impl Future<Output = Result<Response, SendError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let started = Instant::now();
        let outbound = Outbound {
            request,
            lane,
            started,
            deadline: started + deadline,
            attempts: 0,
            attempts_max,
            not_before: started,
            last: String::new(),
            reply,
        };
        let handed_over = self.commands.try_send(Command::Request { worker, outbound });
        let commands = self.commands.clone();
        let exchange = async move {
            match handed_over {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => commands.send(command).await.map_err(|_| SendError::ShutDown)?,
                Err(TrySendError::Closed(_)) => return Err(SendError::ShutDown),
            }
            answer.await.unwrap_or(Err(SendError::ShutDown))
        };
        // The driver answers by the deadline; this ends the wait for a place in a full command queue.
        let guarded = tokio::time::timeout_at(started + deadline + 4 * TICK, exchange);
        async move {
            guarded.await.unwrap_or_else(|_| {
                let last = "the driver was too busy to take the request".into();
                Err(SendError::TimedOut { worker, after_ms: millis(started.elapsed()), attempts: 0, last })
            })
        }
    }
}

impl Shared {
    pub(crate) fn is_admitted(&self, worker: &WorkerId) -> bool {
        read(&self.admitted).contains(worker)
    }

    pub(crate) fn add_listening(&self, address: String) {
        write(&self.listening).insert(address);
    }

    pub(crate) fn remove_listening(&self, address: &str) {
        write(&self.listening).remove(address);
    }
}

fn encoded<T: serde::Serialize>(value: &T, bytes_max: usize) -> Result<Vec<u8>, SendError> {
    let bytes = protocol::encode(value);
    match bytes.len() <= bytes_max {
        true => Ok(bytes),
        false => Err(SendError::TooLarge { bytes: bytes.len(), bytes_max }),
    }
}

fn parse_addresses(worker: WorkerId, addresses: &[String]) -> Result<Vec<libp2p::Multiaddr>, ConnectError> {
    let parse = |address: &String| {
        let bad = |reason| ConnectError::BadAddress { worker, address: address.clone(), reason };
        identity::parse_address(address).map_err(bad)
    };
    addresses.iter().map(parse).collect()
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

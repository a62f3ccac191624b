//! What the driver tells its user.

use protocol::{Hello, HelloReply, Message, WorkerId};
use tokio::sync::oneshot;

/// One thing that happened, in order for each peer.
///
/// Events wait in a bounded queue. While it is full, messages stay unacknowledged, then senders are told to come back;
/// changes of a connection are merged to the newest. So nothing is lost without its sender knowing, and a second
/// `Connected` without a `Disconnected` in between means that the connection was lost and regained.
#[derive(Debug)]
pub enum NetworkEvent {
    /// A message of an admitted peer. It was acknowledged when it was handed over, which is now.
    Message {
        /// Its sender, proven by the connection's key.
        from: WorkerId,
        message: Box<Message>,
    },
    /// A peer, admitted or not, asks to take part. Admit it with [`crate::Network::admit`] before answering.
    Hello {
        /// Its sender, proven by the connection's key.
        from: WorkerId,
        hello: Box<Hello>,
        /// Takes the answer.
        reply: ReplyHandle,
    },
    /// A peer of this network is connected, admitted or not.
    Connected(WorkerId),
    /// Its last connection is gone.
    Disconnected(WorkerId),
    /// An address that peers can dial, as a multiaddress without the peer's id.
    Listening(String),
}

/// Takes the answer to one hello; dropped without one, the peer is told that we are stopping.
#[derive(Debug)]
pub struct ReplyHandle(pub(crate) oneshot::Sender<HelloReply>);

impl ReplyHandle {
    /// Answers. The answer is lost when the peer has gone away; it will say hello again.
    pub fn send(self, reply: HelloReply) {
        let _ = self.0.send(reply);
    }
}

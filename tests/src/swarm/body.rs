//! What computes in a simulated session: training, measuring, applying.

use node::payloads::Payloads;
use node::performer::Blob;
use node::performer::leader;
use node::performer::member::{Applied, Trained};
use protocol::coordinator::{AggregateRequest, ScoreRequest, Scored};
use protocol::member::{ApplyRequest, Verification, VerifyRequest};
use protocol::{CommittedManifest, Hash, Head, Keypair, Parameters, Round, SessionId};

/// The computing of a session, deterministic: the same calls give the same bytes.
pub trait Body {
    /// What a worker has written to its disk.
    type Write;
    /// A worker's files.
    type Files: Default;
    /// What a worker's compute thread owns.
    type Worker;
    /// What the aggregator's compute thread owns.
    type Leader;

    fn parameters(&self) -> &Parameters;
    /// Parameters of the flat vector.
    fn elements(&self) -> u64;
    /// The state before the first round.
    fn genesis(&self) -> Blob;

    /// A worker from what its disk holds.
    fn worker(&self, keypair: &Keypair, session: SessionId, files: &Self::Files) -> Self::Worker;
    /// What it serves from the start: its state, and the payload that waits for its verdict.
    fn served(&self, worker: &Self::Worker) -> Vec<Blob>;
    fn state_hash(&self, worker: &Self::Worker) -> Hash;
    /// The head of the state that the files hold.
    fn head(files: &Self::Files) -> Option<Head>;
    /// Whether a restart from these files would announce this payload again.
    fn announces(&self, files: &Self::Files, payload: &Hash) -> bool;
    fn store(files: &mut Self::Files, write: Self::Write);

    fn train(&self, worker: &mut Self::Worker, round: Round, head: &Head, codec: &str) -> Trained<Self::Write>;
    fn verify(&self, worker: &mut Self::Worker, request: &VerifyRequest, payloads: &Payloads) -> Verification;
    fn apply(&self, worker: &mut Self::Worker, request: &ApplyRequest, payloads: &Payloads) -> Applied<Self::Write>;
    /// # Errors
    /// When the bytes are not the head's state.
    fn replace(&self, worker: &mut Self::Worker, head: &Head, state: Blob) -> Result<Vec<Self::Write>, String>;

    /// The aggregator's part, with the rounds that committed so far replayed.
    fn leader(&self, rounds: &[(CommittedManifest, Payloads)]) -> Self::Leader;
    fn leader_state(&self, leader: &Self::Leader) -> Blob;
    fn score(&self, leader: &mut Self::Leader, request: &ScoreRequest, payloads: &Payloads) -> Scored;
    fn aggregate(&self, leader: &mut Self::Leader, request: &AggregateRequest, payloads: &Payloads) -> Hash;
    fn commit(
        &self,
        leader: &mut Self::Leader,
        committed: &CommittedManifest,
        head: &Head,
        payloads: &Payloads,
    ) -> leader::Applied;
}

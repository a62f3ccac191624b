//! Who may take part: the answer to a hello.

use network::ReplyHandle;
use protocol::coordinator::{Action, JoinRefusal};
use protocol::message::{DataShard, HelloRefusal, Welcome};
use protocol::roster::Join;
use protocol::{Hello, HelloReply, PROTOCOL_VERSION, Term, WorkerId};
use record::events::{Event, Joined};

use super::session::Session;

impl Session {
    /// Answers a hello; whoever is welcome is present from here on.
    pub(super) fn on_hello(&mut self, from: WorkerId, hello: &Hello, reply: ReplyHandle) -> Vec<Action> {
        match self.admit(from, hello) {
            Ok(mut actions) => {
                self.network.admit(from);
                match self.welcome(from) {
                    Ok(welcome) => reply.send(HelloReply::Welcome(Box::new(welcome))),
                    // The reply is dropped: the worker says hello again.
                    Err(error) => tracing::error!(%error, "the job cannot be written out"),
                }
                let members = self.ordinals.len();
                self.events.emit(Event::Joined(Joined { worker: from.to_string(), members }));
                let now = self.now();
                actions.extend(self.core.connected(now, from));
                actions
            }
            Err(refusal) => {
                tracing::info!(%from, %refusal, "a worker was refused");
                reply.send(HelloReply::Refused(refusal));
                Vec::new()
            }
        }
    }

    fn admit(&mut self, from: WorkerId, hello: &Hello) -> Result<Vec<Action>, HelloRefusal> {
        if hello.protocol_version != PROTOCOL_VERSION {
            return Err(HelloRefusal::Version { found: hello.protocol_version, expected: PROTOCOL_VERSION });
        }
        if hello.network != self.place.genesis.network {
            return Err(HelloRefusal::Network(self.place.genesis.network));
        }
        if !same_token(&hello.token, &self.place.token) {
            return Err(HelloRefusal::Token);
        }
        let join = Join { worker: from, addresses: hello.addresses.clone() };
        let now = self.now();
        let actions = self.core.joined(now, join).map_err(|refusal| match refusal {
            JoinRefusal::Full => HelloRefusal::Full,
            JoinRefusal::Finished => HelloRefusal::Finished,
        })?;
        let next = self.ordinals.len() as u32;
        self.ordinals.entry(from).or_insert(next);
        Ok(actions)
    }

    fn welcome(&self, worker: WorkerId) -> anyhow::Result<Welcome> {
        let genesis = &self.place.genesis;
        let head = self.core.head().cloned();
        let shards = genesis.data_shards.iter();
        Ok(Welcome {
            session: genesis.session,
            term: Term::FIRST,
            job: self.place.job.to_toml()?,
            state_hash: head.as_ref().map_or(genesis.state_hash, |head| head.state_hash),
            head,
            data_shards: shards.map(|shard| DataShard { hash: shard.hash, bytes: shard.bytes }).collect(),
            ledger: self.reporting.conditions(),
            ordinal: self.ordinals.get(&worker).copied().unwrap_or_default(),
        })
    }
}

/// Compares in a time that does not depend on where the tokens differ.
fn same_token(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

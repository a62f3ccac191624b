//! Sessions: their making, the aggregator's terms and the anchors.

use super::contributions::Totals;
use super::rewards::Earning;
use super::roots::Roots;
use super::{Caller, Outcome, State, event, hash, require};
use crate::{Abort, Address};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One training session. It never leaves the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) sponsor: Address,
    pub(super) job_fingerprint: [u8; 32],
    pub(super) pool: u64,
    pub(super) created_at: u64,
    /// Those of the configuration at its creation.
    pub(super) base_percentage: u64,
    pub(super) bonus_percentage: u64,
    pub(super) quality_threshold: u64,
    pub(super) closed: bool,
    /// The number of the last batch; 0 before the first.
    pub(super) settlement: u64,
    /// The highest term that was recorded, and who held it; 0 and nobody before the first.
    pub(super) term: u64,
    pub(super) aggregator: Address,
    pub(super) anchor: Option<Anchor>,
    pub(super) contributions: BTreeMap<Address, Totals>,
    /// What `distribute_rewards` paid, without what was invalidated.
    pub(super) earnings: BTreeMap<Address, Earning>,
    pub(super) roots: Roots,
    /// What each participant claimed by roots.
    pub(super) claimed: BTreeMap<Address, u64>,
    /// What all claims took, of earnings or by roots; a session pays in one of these ways only.
    pub(super) claimed_total: u64,
}

/// The last checkpoint that was anchored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Anchor {
    pub(super) round: u64,
    pub(super) checkpoint_hash: [u8; 32],
    pub(super) manifest_root: [u8; 32],
    pub(super) audit_head: [u8; 32],
    pub(super) loss_micronats: u64,
    pub(super) tokens: u64,
    pub(super) duration_ms: u64,
}

impl State {
    pub(super) fn create_session(&mut self, caller: Caller, id: u64, job: &[u8], pool: u64) -> Outcome {
        self.require_reporter(caller)?;
        self.require_running()?;
        require(!self.sessions.contains_key(&id), Abort::SessionExists)?;
        let job_fingerprint = hash(job)?;
        require(self.balance(caller.sender) >= pool, Abort::InsufficientBalance)?;
        self.deposit(caller.sender, pool);
        let session = Session {
            sponsor: caller.sender,
            job_fingerprint,
            pool,
            created_at: caller.now_s,
            base_percentage: self.base_percentage,
            bonus_percentage: self.bonus_percentage,
            quality_threshold: self.quality_threshold,
            closed: false,
            settlement: 0,
            term: 0,
            aggregator: Address::ZERO,
            anchor: None,
            contributions: BTreeMap::new(),
            earnings: BTreeMap::new(),
            roots: Roots::default(),
            claimed: BTreeMap::new(),
            claimed_total: 0,
        };
        self.sessions.insert(id, session);
        let fields = [
            ("session_id", id.into()),
            ("sponsor", caller.sender.into()),
            ("job_fingerprint", job_fingerprint.into()),
            ("pool", pool.into()),
            ("at", caller.now_s.into()),
        ];
        Ok(vec![event("SessionCreated", fields)])
    }

    pub(super) fn record_term(
        &mut self,
        caller: Caller,
        id: u64,
        term: u64,
        aggregator: Address,
        certificate: &[u8],
    ) -> Outcome {
        let session = self.require_reportable(caller, id)?;
        let certificate_hash = hash(certificate)?;
        require(term > session.term, Abort::StaleTerm)?;
        let session = self.session_mut(id)?;
        (session.term, session.aggregator) = (term, aggregator);
        let fields = [
            ("session_id", id.into()),
            ("term", term.into()),
            ("aggregator", aggregator.into()),
            ("certificate_hash", certificate_hash.into()),
        ];
        Ok(vec![event("TermRecorded", fields)])
    }

    /// `hashes`: checkpoint, manifests' root, audit head; `figures`: loss, tokens, duration.
    pub(super) fn record_anchor(
        &mut self,
        caller: Caller,
        id: u64,
        round: u64,
        hashes: [&Vec<u8>; 3],
        figures: [u64; 3],
    ) -> Outcome {
        let session = self.require_reportable(caller, id)?;
        let [checkpoint_hash, manifest_root, audit_head] = [hash(hashes[0])?, hash(hashes[1])?, hash(hashes[2])?];
        require(round > session.anchor.as_ref().map_or(0, |last| last.round), Abort::StaleAnchor)?;
        let [loss_micronats, tokens, duration_ms] = figures;
        self.session_mut(id)?.anchor =
            Some(Anchor { round, checkpoint_hash, manifest_root, audit_head, loss_micronats, tokens, duration_ms });
        let fields = [
            ("session_id", id.into()),
            ("round", round.into()),
            ("checkpoint_hash", checkpoint_hash.into()),
            ("manifest_root", manifest_root.into()),
            ("audit_head", audit_head.into()),
            ("loss_micronats", loss_micronats.into()),
            ("tokens", tokens.into()),
            ("duration_ms", duration_ms.into()),
            ("at", caller.now_s.into()),
        ];
        Ok(vec![event("Anchored", fields)])
    }
}

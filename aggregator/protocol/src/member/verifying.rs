//! A proposal: checked against its own record first, then against what the driver measures, then signed once.

use super::{Member, MemberAction, MemberRecord, Verification, VerifyRequest};
use crate::{
    Contribution, Hash, Head, Manifest, Message, ScorePolicy, Signed, WorkerId, manifest::check,
    message::RefusalReason, score::Measured,
};

impl Member {
    pub(super) fn on_propose(&mut self, signed: Signed<Manifest>) {
        let manifest = &signed.body;
        let ours = manifest.session == self.config.session
            && (manifest.round, manifest.term) == (self.open.round, self.open.term);
        let Some(head) = self.open_head().filter(|head| ours && head.roster.votes(&self.me())) else { return };
        let hash = manifest.hash();
        if self.open.proposal_hash != Some(hash)
            && (signed.signer != self.config.aggregator || signed.verify().is_err())
        {
            return self.ignored("propose", "not signed by the aggregator");
        }
        let place = (manifest.round, manifest.term);
        if let Some(vote) = self.voted.clone().filter(|vote| (vote.body.round, vote.body.term) == place) {
            let same = vote.body.manifest_hash == hash;
            return if same { self.send(Message::Vote(vote)) } else { self.refuse(hash, RefusalReason::AlreadySigned) };
        }
        if self.open.proposal_hash != Some(hash) {
            if let Err(reason) = self.follows(manifest, &head) {
                return self.refuse(hash, reason);
            }
            if self.open.certified.is_none() {
                return; // its closed set is not here yet; the aggregator sends it before it asks again
            }
            self.open.proposal_hash = Some(hash);
            self.open.proposal = Some(signed);
        }
        self.verify();
    }

    /// Asks for the payloads that are missing; when none is, has the driver measure.
    pub(super) fn verify(&mut self) {
        let (Some(head), Some(signed), Some(hash)) =
            (self.open_head(), self.open.proposal.clone(), self.open.proposal_hash)
        else {
            return;
        };
        let manifest = signed.body;
        if !self.gather(&manifest, |contribution| contribution.measured.is_some()) || self.open.verifying == Some(hash)
        {
            return;
        }
        self.open.verifying = Some(hash);
        let (remeasure, summands) = (self.draw(&manifest, &hash), manifest.summands());
        self.actions.push(MemberAction::Verify(VerifyRequest {
            manifest,
            manifest_hash: hash,
            head,
            remeasure,
            summands,
        }));
    }

    pub(super) fn on_verified(&mut self, verification: &Verification) {
        let hash = verification.manifest_hash;
        if self.open.verifying != Some(hash) || self.open.proposal_hash != Some(hash) {
            return;
        }
        self.open.verifying = None;
        let Some(manifest) = self.open.proposal.as_ref().map(|signed| &signed.body) else { return };
        if self.open_head().is_none() {
            return;
        }
        match self.agrees(manifest, verification) {
            Ok(()) => self.vote(),
            Err(reason) => self.refuse(hash, reason),
        }
    }

    pub(super) fn on_verify_failed(&mut self, hash: Hash, why: &str) {
        if self.open.verifying == Some(hash) {
            self.open.verifying = None;
            let mut why = why.to_owned();
            why.truncate(why.floor_char_boundary(crate::limits::TEXT_BYTES_MAX));
            self.refuse(hash, RefusalReason::Failed(why));
        }
    }

    pub(super) fn on_fetched(&mut self, hash: Hash) {
        if self.fetching.remove(&hash) {
            self.held.insert(hash);
            self.verify();
            self.apply_when_gathered();
        }
    }

    /// It is asked for again when the aggregator repeats its proposal; a committed round needs the state instead.
    pub(super) fn on_fetch_failed(&mut self, hash: Hash) {
        if !self.fetching.remove(&hash) {
            return;
        }
        let proposal = self.open.proposal.as_ref().zip(self.open.proposal_hash);
        let proposed = proposal.filter(|(signed, _)| measured(&signed.body).any(|payload| payload == hash));
        if let Some((_, subject)) = proposed.filter(|_| self.voted_here().is_none()) {
            self.refuse(subject, RefusalReason::PayloadMissing(hash));
        }
        self.gather_failed(hash);
    }

    /// Asks for those payloads of the manifest that `needed` picks and that are not here; whether all are.
    pub(super) fn gather(&mut self, manifest: &Manifest, needed: impl Fn(&Contribution) -> bool) -> bool {
        let mut complete = true;
        for contribution in manifest.contributions.iter().filter(|contribution| needed(contribution)) {
            let Some(hash) = contribution.payload_hash else { continue };
            complete &= self.held.contains(&hash);
            self.fetch(contribution.worker, hash);
        }
        complete
    }

    /// What can be checked without payloads.
    fn follows(&self, manifest: &Manifest, head: &Head) -> Result<(), RefusalReason> {
        let Some(certified) = &self.open.certified else { return Ok(()) };
        check(manifest, head, &self.config.parameters, &certified.set.body).map_err(RefusalReason::Manifest)?;
        let evaluated =
            self.config.parameters.score == ScorePolicy::GatesOnly || manifest.base_loss_micronats.is_some();
        let unmeasured = measured(manifest).next().is_none();
        if evaluated || unmeasured {
            Ok(())
        } else {
            Err(RefusalReason::Failed("the base state was not evaluated".to_owned()))
        }
    }

    /// What the driver measured against what is recorded.
    fn agrees(&self, manifest: &Manifest, verification: &Verification) -> Result<(), RefusalReason> {
        for contribution in &manifest.contributions {
            if let Some(recorded) = &contribution.measured {
                self.same_gates(contribution.worker, recorded, verification)?;
            }
        }
        if let Some(worker) = self.draw(manifest, &verification.manifest_hash) {
            self.same_evaluation(manifest, &worker, verification)?;
        }
        if verification.state_hash == manifest.state_hash {
            Ok(())
        } else {
            Err(RefusalReason::StateDiffers(verification.state_hash))
        }
    }

    fn same_gates(
        &self,
        worker: WorkerId,
        recorded: &Measured,
        verification: &Verification,
    ) -> Result<(), RefusalReason> {
        let found = verification.gates.iter().find(|(gated, ..)| *gated == worker);
        let tolerance = u128::from(self.config.parameters.tolerances.norm_millionths);
        let same = found.is_some_and(|(_, gate, norm)| {
            let difference = u128::from(norm.abs_diff(recorded.norm_nanos)) * 1_000_000;
            *gate == recorded.gate && difference <= tolerance * u128::from(recorded.norm_nanos)
        });
        if same { Ok(()) } else { Err(RefusalReason::MeasuredOtherwise(worker)) }
    }

    fn same_evaluation(
        &self,
        manifest: &Manifest,
        worker: &WorkerId,
        verification: &Verification,
    ) -> Result<(), RefusalReason> {
        let missing = || RefusalReason::Failed(format!("{worker} was not measured again"));
        let found = verification.remeasured.filter(|found| found.worker == *worker).ok_or_else(missing)?;
        let recorded = manifest.contribution(worker).and_then(|entry| entry.measured.clone()).ok_or_else(missing)?;
        let base = manifest.base_loss_micronats.ok_or_else(missing)?;
        let tolerances = &self.config.parameters.tolerances;
        let pairs = [
            (base, found.base_loss_micronats, tolerances.loss_micronats),
            (recorded.loss_micronats, found.loss_micronats, tolerances.loss_micronats),
            (recorded.gain_micronats, found.gain_micronats, tolerances.loss_micronats),
            (
                recorded.cosine_millionths.unwrap_or(0),
                found.cosine_millionths.unwrap_or(0),
                tolerances.cosine_millionths,
            ),
        ];
        let differs = pairs.into_iter().find(|(recorded, found, tolerance)| recorded.abs_diff(*found) > *tolerance);
        match differs {
            None if recorded.cosine_millionths.is_some() == found.cosine_millionths.is_some() => Ok(()),
            None => Err(RefusalReason::MeasuredOtherwise(*worker)),
            Some((recorded, found, _)) => Err(RefusalReason::Reevaluation { worker: *worker, recorded, found }),
        }
    }

    /// One other worker whose payload passed the gates, drawn so that only this worker can foretell it.
    fn draw(&self, manifest: &Manifest, hash: &Hash) -> Option<WorkerId> {
        if self.config.parameters.score == ScorePolicy::GatesOnly {
            return None;
        }
        let evaluated = |entry: &&Contribution| entry.worker != self.me() && entry.clip > 0 && entry.measured.is_some();
        let others: Vec<_> = manifest.contributions.iter().filter(evaluated).map(|entry| entry.worker).collect();
        let draw = self.config.keypair.derive("cotrain/reevaluate/1", &[&hash.0]);
        let number = u64::from_le_bytes(std::array::from_fn(|byte| draw.0[byte]));
        let index = number.checked_rem(others.len() as u64)?;
        others.get(index as usize).copied()
    }

    fn vote(&mut self) {
        let Some(manifest) = self.open.proposal.as_ref().map(|signed| &signed.body) else { return };
        let signed = Signed::new(manifest.ballot(), &self.config.keypair);
        self.actions.push(MemberAction::Persist(MemberRecord::Voted(signed.clone())));
        self.voted = Some(signed.clone());
        self.send(Message::Vote(signed));
    }

    fn voted_here(&self) -> Option<&Signed<crate::round::Ballot>> {
        self.voted.as_ref().filter(|vote| vote.body.round == self.open.round)
    }
}

/// The payloads that were delivered.
fn measured(manifest: &Manifest) -> impl Iterator<Item = Hash> {
    manifest.contributions.iter().filter(|entry| entry.measured.is_some()).filter_map(|entry| entry.payload_hash)
}

use super::*;
use crate::job::{Exchange, ScorePolicy as JobPolicy};
use crate::testing::Session;
use protocol::coordinator::Candidate;
use protocol::{Hash, Reason};

struct Scene {
    session: Session,
    split: Split,
    trainer: Trainer,
}

impl Scene {
    fn new(policy: JobPolicy) -> Self {
        let mut session = Session::new(Exchange::PseudoGradient);
        session.job.score.policy = policy;
        session.job.codec.warmup_rounds = 0;
        let (split, trainer) = (session.split(), session.trainer());
        Self { session, split, trainer }
    }

    fn context(&self) -> Context<'_> {
        Context { job: &self.session.job, rule: &self.session.rule, split: &self.split, state: &self.session.state }
    }

    fn payload(&self, index: usize) -> Vec<u8> {
        self.session.payload(index, Round(1), 1.0)
    }

    fn payloads(&self) -> Vec<Vec<u8>> {
        (0..3).map(|index| self.payload(index)).collect()
    }

    fn delivered<'a>(&self, payloads: &'a [Vec<u8>]) -> Vec<Delivered<'a>> {
        let tokens = self.session.tokens();
        let deliver = |(keypair, bytes): (&protocol::Keypair, &'a Vec<u8>)| Delivered {
            worker: keypair.worker(),
            tokens,
            bytes: bytes.as_slice(),
        };
        self.session.workers.iter().zip(payloads).map(deliver).collect()
    }

    fn gates(&self, payloads: &[Vec<u8>]) -> Vec<Option<Reason>> {
        let context = self.context();
        let frame = Frame::new(&context, &self.session.head, Round(1)).unwrap();
        let gated = gates::gate_all(&frame, &self.delivered(payloads)).unwrap();
        gated.into_iter().map(|payload| payload.gate).collect()
    }

    fn score(&mut self, payloads: &[Vec<u8>]) -> Scored {
        let mut trainer = std::mem::replace(&mut self.trainer, self.session.trainer());
        let candidates = self.delivered(payloads).into_iter().map(|payload| Candidate {
            worker: payload.worker,
            payload_hash: Hash::of(payload.bytes),
            bytes: payload.bytes.len() as u64,
            tokens: payload.tokens,
        });
        let (round, head) = (Round(1), self.session.head.clone());
        let request = ScoreRequest { round, head, eval_seed: Hash([7; 32]), candidates: candidates.collect() };
        let scored = score(&mut trainer, &self.context(), &request, &by_hash(payloads)).unwrap();
        self.trainer = trainer;
        scored
    }
}

fn by_hash(payloads: &[Vec<u8>]) -> Payloads {
    payloads.iter().map(|bytes| (Hash::of(bytes), bytes.clone().into())).collect()
}

#[test]
fn honest_payloads_pass_every_gate() {
    let scene = Scene::new(JobPolicy::Quality);
    assert_eq!(scene.gates(&scene.payloads()), [None; 3]);
}

#[test]
fn each_fault_fails_its_own_gate() {
    let scene = Scene::new(JobPolicy::Quality);
    let good = scene.payloads();
    let codec = scene.session.codec();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut payloads = good.clone();
        change(&mut payloads[1]);
        scene.gates(&payloads)[1]
    };
    assert_eq!(with(&|bytes| bytes.truncate(20)), Some(Reason::WrongSize));
    assert_eq!(with(&|bytes| bytes.clear()), Some(Reason::WrongSize));
    assert_eq!(with(&|bytes| bytes.push(0)), Some(Reason::WrongSize));
    assert_eq!(with(&|bytes| bytes[0] ^= 1), Some(Reason::WrongHeader));
    assert_eq!(with(&|bytes| *bytes = good[0].clone()), Some(Reason::WrongHeader), "another's header");
    assert_eq!(
        with(&|bytes| *bytes = scene.session.payload(1, Round(2), 1.0)),
        Some(Reason::WrongHeader),
        "a later round"
    );
    let body = kernels::HEADER_BYTES;
    assert_eq!(with(&|bytes| bytes[body + 48..body + 64].fill(0xff)), Some(Reason::InvalidEncoding));
    assert_eq!(with(&|bytes| bytes[body + 82..body + 84].copy_from_slice(&[0x80, 0x7f])), Some(Reason::NotFinite));
    let other = kernels::encode(Codec::DenseInt8, &vec![0.5; scene.session.state.elements()]).unwrap();
    assert_ne!(codec, Codec::DenseInt8);
    let sealed = scene.session.seal(1, Round(1), Codec::DenseInt8, &other);
    assert_eq!(with(&|bytes| bytes.clone_from(&sealed)), Some(Reason::WrongHeader), "another codec");
}

#[test]
fn more_tokens_than_assigned_or_others_than_revealed_are_refused() {
    let mut scene = Scene::new(JobPolicy::Quality);
    let good = scene.payload(0);
    scene.session.job.train.batch_sequences *= 2;
    let greedy = scene.payload(0);
    scene.session.job.train.batch_sequences /= 2;
    let worker = scene.session.workers[0].worker();
    let context = scene.context();
    let frame = Frame::new(&context, &scene.session.head, Round(1)).unwrap();
    let gate = |bytes: &[u8], tokens| gates::gate_all(&frame, &[Delivered { worker, tokens, bytes }]).unwrap()[0].gate;
    assert_eq!(gate(&greedy, 2 * scene.session.tokens()), Some(Reason::WrongTokens));
    assert_eq!(gate(&good, scene.session.tokens() - 1), Some(Reason::WrongHeader));
    assert_eq!(gate(&good, scene.session.tokens()), None);
}

#[test]
fn one_maker_behind_two_keys_counts_once() {
    let scene = Scene::new(JobPolicy::Quality);
    let mut payloads = scene.payloads();
    let codec = scene.session.codec();
    let (_, body) = kernels::parse(&payloads[0]).unwrap();
    payloads[2] = scene.session.seal(2, Round(1), codec, body);
    let of = scene.session.workers[0].worker();
    assert_eq!(scene.gates(&payloads), [None, None, Some(Reason::Duplicate { of })]);
}

#[test]
fn a_contribution_is_measured_at_half_its_clipped_step() {
    let mut scene = Scene::new(JobPolicy::Quality);
    let mut payloads = scene.payloads();
    payloads[2] = scene.session.payload(2, Round(1), 4.0);
    let scored = scene.score(&payloads);
    let base = scored.base_loss_micronats.unwrap();
    assert!(base > 0);
    let codec = scene.session.codec();
    let context = scene.context();
    let frame = Frame::new(&context, &scene.session.head, Round(1)).unwrap();
    let gated = gates::gate_all(&frame, &scene.delivered(&payloads)).unwrap();
    let prepared = frame.prepare(&gated);
    assert!(prepared[2].clip < 256, "the large one is clipped to the median norm");
    let batch = frame.scoring_batch(&Hash([7; 32])).unwrap();
    for (index, (_, measured)) in scored.measured.iter().enumerate() {
        let values = kernels::decode(codec, scene.session.state.elements(), gated[index].body).unwrap();
        let clip = f64::from(prepared[index].clip) / 256.0;
        let step = |(theta, value): (&f32, &f32)| (f64::from(*theta) - 0.5 * clip * f64::from(*value)) as f32;
        let theta: Vec<f32> = scene.session.state.theta.iter().zip(&values).map(step).collect();
        let loss = mean(&scene.session.trainer().sequence_losses(&theta, &batch).unwrap());
        assert!((measured.loss_micronats as f64 - loss * 1e6).abs() < 20.0, "{measured:?} against {loss}");
        assert!((measured.gain_micronats - (base - measured.loss_micronats)).abs() <= 2, "{measured:?}");
        assert!(measured.cosine_millionths.is_some());
    }
}

#[test]
fn a_voter_measures_what_the_aggregator_recorded() {
    let mut scene = Scene::new(JobPolicy::Quality);
    let payloads = scene.payloads();
    let scored = scene.score(&payloads);
    let hashes: Vec<Hash> = payloads.iter().map(|bytes| Hash::of(bytes)).collect();
    let mut manifest = scene.session.manifest(Round(1), &hashes, Hash::ZERO);
    for (entry, (_, measured)) in manifest.contributions.iter_mut().zip(&scored.measured) {
        entry.measured = Some(measured.clone());
    }
    let worker = scene.session.workers[1].worker();
    let head = scene.session.head.clone();
    let (manifest_hash, summands) = (manifest.hash(), manifest.summands());
    let request = VerifyRequest { manifest, manifest_hash, head, remeasure: Some(worker), summands };
    let mut trainer = scene.session.trainer();
    let (verification, next) = verify(&mut trainer, &scene.context(), &request, &by_hash(&payloads)).unwrap();
    let (_, recorded) = &scored.measured[1];
    let again = verification.remeasured.unwrap();
    assert_eq!(again.cosine_millionths, recorded.cosine_millionths);
    assert_eq!(Some(again.base_loss_micronats), scored.base_loss_micronats);
    assert_eq!((again.loss_micronats, again.gain_micronats), (recorded.loss_micronats, recorded.gain_micronats));
    for ((_, gate, norm), (_, measured)) in verification.gates.iter().zip(&scored.measured) {
        assert_eq!((*gate, *norm), (measured.gate, measured.norm_nanos));
    }
    let mut state = scene.session.state.clone();
    let bodies: Vec<&[u8]> = payloads.iter().map(|bytes| kernels::parse(bytes).unwrap().1).collect();
    let summands: Vec<kernels::Summand<'_>> =
        bodies.iter().map(|body| kernels::Summand { body, weight: 64, clip: 256 }).collect();
    scene.session.rule.apply(scene.session.codec(), &mut state, &summands).unwrap();
    assert_eq!(verification.state_hash, state.hash());
    assert_eq!(next, state);
}

#[test]
fn gates_alone_evaluate_nothing() {
    let mut scene = Scene::new(JobPolicy::Gates);
    let payloads = scene.payloads();
    let scored = scene.score(&payloads);
    assert_eq!(scored.base_loss_micronats, None);
    assert!(scored.measured.iter().all(|(_, measured)| measured.gate.is_none() && measured.norm_nanos > 0));
}

#[test]
fn a_step_out_of_range_is_a_bad_score_and_no_error() {
    let mut scene = Scene::new(JobPolicy::Quality);
    let mut payloads = scene.payloads();
    payloads[1] = scene.session.payload(1, Round(1), 1e37);
    let scored = scene.score(&payloads);
    // Far from the median norm: the gate that follows from the norm, so nothing of it is evaluated.
    assert_eq!(scored.measured[1].1.gate, None);
    assert_eq!(scored.measured[1].1.loss_micronats, 0);
}

#[test]
fn the_standard_error_is_that_of_the_mean_gain() {
    let (loss, gain, error) = gains(&[1.0, 2.0, 3.0, 4.0], &[0.9, 1.7, 2.9, 3.7]);
    assert_eq!((loss, gain), (2_300_000, 200_000));
    // Gains 0.1, 0.3, 0.1, 0.3: variance 0.04/3, of the mean a quarter of that.
    assert_eq!(error, 57_735);
    assert_eq!(gains(&[f64::MAX.min(LOSS_MAX)], &[LOSS_MAX]).1, 0);
}

#[test]
fn a_payload_that_is_not_there_is_our_fault_and_named() {
    let mut scene = Scene::new(JobPolicy::Quality);
    let payloads = scene.payloads();
    let worker = scene.session.workers[0].worker();
    let (payload_hash, bytes) = (Hash::of(&payloads[0]), payloads[0].len() as u64);
    let candidates = vec![Candidate { worker, payload_hash, bytes, tokens: scene.session.tokens() }];
    let request = ScoreRequest { round: Round(1), head: scene.session.head.clone(), eval_seed: Hash::ZERO, candidates };
    let mut trainer = std::mem::replace(&mut scene.trainer, scene.session.trainer());
    let error = score(&mut trainer, &scene.context(), &request, &by_hash(&payloads[1..])).unwrap_err();
    assert!(matches!(error, MeasureError::Missing(hash) if hash == payload_hash), "{error}");
}

use super::*;
use crate::testing::Session;
use kernels::{HEADER_BYTES, decode};

const CODEC: Codec = Codec::TopK64;

struct Scene {
    session: Session,
    facts: SessionFacts,
    trainer: Trainer,
    compressor: Compressor,
    optimizer: OptimizerState,
}

impl Scene {
    fn new(exchange: Exchange) -> Self {
        let mut session = Session::new(exchange);
        session.job.train.inner_steps = 3;
        let facts = SessionFacts::new(session.head.session, session.job.clone(), session.split()).unwrap();
        let trainer = session.trainer();
        let compressor = new_compressor(&session.job, &trainer).unwrap();
        let optimizer = new_optimizer(&session.job, session.state.elements());
        Self { session, facts, trainer, compressor, optimizer }
    }

    fn task(&self, index: usize) -> Task<'_> {
        let Session { state, head, workers, .. } = &self.session;
        Task::new(&self.facts, state, head, Round(1), workers[index].worker())
    }

    fn body(&mut self, index: usize, codec: Codec) -> Vec<u8> {
        let Session { state, head, workers, .. } = &self.session;
        let task = Task::new(&self.facts, state, head, Round(1), workers[index].worker());
        let never = CancellationToken::new();
        let inner = inner_steps(&mut self.trainer, &task, &self.optimizer, &never, &mut |_| ()).unwrap().unwrap();
        encode(&mut self.compressor, &self.trainer, codec, &task, &inner).unwrap()
    }
}

#[test]
fn whoever_repeats_a_task_gets_its_body() {
    for exchange in [Exchange::PseudoGradient, Exchange::Gradient] {
        let (mut worker, mut auditor) = (Scene::new(exchange), Scene::new(exchange));
        let body = worker.body(1, CODEC);
        assert_eq!(auditor.body(1, CODEC), body, "{exchange:?}");
        // What the trainer did before does not matter, only optimiser and residual do.
        assert_eq!(worker.body(1, CODEC), body, "{exchange:?}");
        assert_ne!(auditor.body(0, CODEC), body, "{exchange:?}");
    }
}

#[test]
fn a_task_has_the_steps_of_the_round_and_its_tokens() {
    let mut scene = Scene::new(Exchange::PseudoGradient);
    let Session { state, head, workers, .. } = &scene.session;
    let task = Task::new(&scene.facts, state, head, Round(1), workers[0].worker());
    let (never, mut seen) = (CancellationToken::new(), Vec::new());
    let mut progress = |progress: Progress| seen.push((progress.step, progress.steps, progress.loss > 0.0));
    let inner = inner_steps(&mut scene.trainer, &task, &scene.optimizer, &never, &mut progress).unwrap().unwrap();
    assert_eq!(seen, [(1, 3, true), (2, 3, true), (3, 3, true)]);
    assert_eq!((inner.tokens, inner.optimizer.step), (3 * scene.session.tokens(), 3));
}

#[test]
fn a_stop_ends_the_steps_before_the_next() {
    let mut scene = Scene::new(Exchange::PseudoGradient);
    let Session { state, head, workers, .. } = &scene.session;
    let task = Task::new(&scene.facts, state, head, Round(1), workers[0].worker());
    let (stop, mut made) = (CancellationToken::new(), 0);
    let mut progress = |progress: Progress| {
        made = progress.step;
        stop.cancel();
    };
    let inner = inner_steps(&mut scene.trainer, &task, &scene.optimizer, &stop, &mut progress).unwrap();
    assert!(inner.is_none());
    assert_eq!(made, 1);
}

#[test]
fn what_is_encoded_is_the_way_from_the_state_or_the_gradient() {
    let mut scene = Scene::new(Exchange::PseudoGradient);
    let body = scene.body(0, Codec::None);
    let Live::Host(local) = scene.trainer.live() else { panic!("a CPU's trainer") };
    let way: Vec<f32> = scene.session.state.theta.iter().zip(local).map(|(base, local)| base - local).collect();
    assert_eq!(decode(Codec::None, way.len(), &body).unwrap(), way);

    let mut scene = Scene::new(Exchange::Gradient);
    let body = scene.body(0, Codec::None);
    let batch = scene.task(0).batch(0).unwrap();
    let (_, gradient) = scene.trainer.gradient(&batch).unwrap();
    assert_eq!(decode(Codec::None, gradient.len(), &body).unwrap(), gradient);
}

#[test]
fn work_is_the_same_as_long_as_the_head_is() {
    let scene = Scene::new(Exchange::PseudoGradient);
    let Session { state, head, workers, .. } = &scene.session;
    let work = |head: &Head, round| Task::new(&scene.facts, state, head, round, workers[0].worker()).work();
    assert_eq!(work(head, Round(1)), work(head, Round(2)));
    assert_ne!(scene.task(1).work(), work(head, Round(1)));
    let later = Head { cursor: head.cursor + 1, ..head.clone() };
    assert_ne!(work(&later, Round(1)), work(head, Round(1)));
    let further = Head { outer_steps: head.outer_steps + 1, ..head.clone() };
    assert_ne!(work(&further, Round(1)), work(head, Round(1)));
}

#[test]
fn a_payload_says_whose_it_is_and_for_what() {
    let scene = Scene::new(Exchange::PseudoGradient);
    let (task, elements) = (scene.task(2), scene.session.state.elements());
    let body = kernels::encode(CODEC, &vec![0.5; elements]).unwrap();
    let file = seal(&task, CODEC, 96, &body);
    let (header, rest) = kernels::parse(&file).unwrap();
    assert_eq!((rest, file.len()), (body.as_slice(), HEADER_BYTES + body.len()));
    assert_eq!((header.worker, header.round, header.tokens), (task.worker.0, 1, 96));
    assert_eq!((header.session, header.base_hash), (scene.facts.session.0, scene.session.state.hash().0));
    assert_eq!((header.stage, header.stages), (0, 1));
}

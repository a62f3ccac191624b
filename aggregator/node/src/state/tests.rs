use super::*;
use kernels::{CLIP_MAX, encode};

fn job(exchange: Exchange) -> Job {
    let text = "[model]\nhidden_size = 16\nintermediate_size = 32\nnum_hidden_layers = 1\nnum_attention_heads = 2\n\
                num_key_value_heads = 1\nvocab_size = 264\nmax_position_embeddings = 16\n\
                [train]\nsequence_length = 16\ninner_steps = 1\nwarmup_steps = 2\n";
    let mut job = Job::parse(text).unwrap();
    job.train.exchange = exchange;
    job
}

fn start(rule: &OuterRule) -> State {
    rule.initial((0..rule.layout().elements).map(|i| (i % 7) as f32 * 0.01).collect())
}

fn body(codec: Codec, elements: usize, scale: f32) -> Vec<u8> {
    let values: Vec<f32> = (0..elements).map(|i| scale * ((i * 31 % 17) as f32 - 8.0) * 1e-3).collect();
    encode(codec, &values).unwrap()
}

#[test]
fn a_state_reads_back_from_its_bytes_and_nothing_else_does() {
    for exchange in [Exchange::PseudoGradient, Exchange::Gradient] {
        let rule = OuterRule::of(&job(exchange)).unwrap();
        let state = start(&rule);
        let bytes = state.to_bytes();
        assert_eq!((Hash::of(&bytes), bytes.len()), (state.hash(), rule.state_bytes()));
        assert_eq!(rule.parse_state(&bytes, &state.hash(), 0).unwrap(), state);
        assert!(matches!(rule.parse_state(&bytes[4..], &state.hash(), 0), Err(StateError::Size { .. })));
        let mut other = bytes.clone();
        other[9] ^= 1;
        assert!(matches!(rule.parse_state(&other, &state.hash(), 0), Err(StateError::Hash { .. })));
    }
}

#[test]
fn the_order_of_terms_does_not_matter_with_an_exact_codec() {
    let rule = OuterRule::of(&job(Exchange::PseudoGradient)).unwrap();
    let (first, second) = (start(&rule), start(&rule));
    let bodies = [body(Codec::TopK64, first.elements(), 1.0), body(Codec::TopK64, first.elements(), -0.3)];
    let summands = bodies.each_ref().map(|body| Summand { body, weight: 64, clip: CLIP_MAX });
    let (mut forward, mut backward) = (first, second);
    rule.apply(Codec::TopK64, &mut forward, &summands).unwrap();
    rule.apply(Codec::TopK64, &mut backward, &[summands[1], summands[0]]).unwrap();
    assert_eq!(forward.hash(), backward.hash());
    assert_ne!(forward.hash(), start(&rule).hash());
    assert_eq!(forward.outer_steps, 1);
}

#[test]
fn a_round_without_terms_leaves_the_state_and_counts() {
    for exchange in [Exchange::PseudoGradient, Exchange::Gradient] {
        let rule = OuterRule::of(&job(exchange)).unwrap();
        let mut state = start(&rule);
        let before = state.hash();
        rule.apply(Codec::TopK64, &mut state, &[]).unwrap();
        rule.apply(Codec::TopK64, &mut state, &[Summand { body: &[], weight: 0, clip: 0 }]).unwrap();
        assert_eq!((state.hash(), state.outer_steps), (before, 2));
    }
}

#[test]
fn a_refused_aggregate_leaves_the_state_as_it_was() {
    for exchange in [Exchange::PseudoGradient, Exchange::Gradient] {
        let rule = OuterRule::of(&job(exchange)).unwrap();
        let mut state = start(&rule);
        let whole = body(Codec::DenseInt8, state.elements(), 1.0);
        let torn = Summand { body: &whole[1..], weight: 1, clip: CLIP_MAX };
        assert!(rule.apply(Codec::DenseInt8, &mut state, &[torn]).is_err());
        assert_eq!(state, start(&rule));
    }
}

#[test]
fn a_gradient_step_is_clip_and_adamw_on_the_weighted_mean() {
    let job = job(Exchange::Gradient);
    let rule = OuterRule::of(&job).unwrap();
    let mut state = start(&rule);
    let elements = state.elements();
    let bodies = [body(Codec::None, elements, 1000.0), body(Codec::None, elements, 500.0)];
    let summands = [(0, 64), (1, 32)].map(|(i, weight)| Summand { body: &bodies[i], weight, clip: CLIP_MAX });
    rule.apply(Codec::None, &mut state, &summands).unwrap();

    let mut expected = start(&rule);
    let mut gradient = kernels::mean(Codec::None, elements, &summands).unwrap();
    assert!(models::clip_gradient(&mut gradient, 1.0) > 1.0);
    let mut moments = OptimizerState::new(elements);
    let rate = job.schedule().learning_rate(0);
    models::adamw_step(&mut expected.theta, &gradient, &mut moments, &job.optimizer(), rule.layout(), rate);
    assert_eq!(state.theta, expected.theta);
    assert_eq!(state.moments.as_ref().unwrap().m, moments.m);
}

#[test]
fn a_member_that_fetched_the_state_steps_like_one_that_held_it() {
    let rule = OuterRule::of(&job(Exchange::Gradient)).unwrap();
    let mut held = start(&rule);
    let body = body(Codec::DenseInt8, held.elements(), 1.0);
    let summands = [Summand { body: &body, weight: 64, clip: CLIP_MAX }];
    rule.apply(Codec::DenseInt8, &mut held, &summands).unwrap();
    // A round in which nothing was accepted must not set the two apart either.
    rule.apply(Codec::DenseInt8, &mut held, &[]).unwrap();
    let mut fetched = rule.parse_state(&held.to_bytes(), &held.hash(), held.outer_steps).unwrap();
    rule.apply(Codec::DenseInt8, &mut held, &summands).unwrap();
    rule.apply(Codec::DenseInt8, &mut fetched, &summands).unwrap();
    assert_eq!(fetched.hash(), held.hash());
}

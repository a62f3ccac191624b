use super::*;

fn plan(job: &Job) -> Plan {
    let job = resolve(job).unwrap();
    sizes(&job, &job.model.config().unwrap(), &ComputeDevice::Cpu { threads: 1 }).unwrap()
}

#[test]
fn bytes_count_header_and_signature_and_beat_the_design() {
    let plan = plan(&Job::default());
    let row = plan.codecs.iter().find(|row| row.codec == "topk64-q2").unwrap();
    let chunks = plan.parameters.div_ceil(4096);
    assert_eq!(row.bytes, (84 * chunks + HEADER_BYTES + SIGNATURE_BYTES) as u64);
    assert!(row.ratio >= 190.0, "{}", row.ratio);
}

#[test]
fn every_round_is_counted_under_one_codec() {
    let mut job = Job::default();
    job.train.outer_steps = 10;
    job.codec.warmup_rounds = 3;
    job.codec.schedule = vec![node::job::CodecStage { codec: "topk256-q2".into(), rounds: 2 }];
    let rounds = |name| plan(&job).codecs.iter().find(|row| row.codec == name).unwrap().rounds;
    assert_eq!((rounds("dense-int8"), rounds("topk256-q2"), rounds("topk64-q2")), (3, 2, 5));
    job.train.outer_steps = 4;
    let rounds: u64 = plan(&job).codecs.iter().map(|row| row.rounds).sum();
    assert_eq!(rounds, 4);
}

#[test]
fn tokens_follow_from_workers_batch_and_steps() {
    let mut job = Job::default();
    job.round.workers_min = 2;
    (job.train.batch_sequences, job.train.sequence_length, job.train.inner_steps) = (4, 128, 5);
    job.train.outer_steps = 7;
    let plan = plan(&job);
    assert_eq!((plan.tokens_per_round, plan.tokens), (2 * 4 * 128 * 5, 7 * 2 * 4 * 128 * 5));
}

#[test]
fn the_text_names_every_codec_and_the_arithmetic() {
    let text = plan(&Job::default()).to_text();
    for codec in Codec::ALL {
        assert!(text.contains(codec.name()), "{text}");
    }
    assert!(text.contains("parameters × 4 bytes"), "{text}");
}

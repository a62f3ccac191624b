use super::*;
use crate::job::{Exchange, Job};
use std::fs;

struct Run {
    _directory: tempfile::TempDir,
    checkpoints: PathBuf,
    job: Job,
    rule: OuterRule,
}

const SESSION: SessionId = SessionId([5; 32]);

fn run(exchange: Exchange) -> Run {
    let text = "[model]\nhidden_size = 16\nintermediate_size = 32\nnum_hidden_layers = 1\nnum_attention_heads = 2\n\
                num_key_value_heads = 1\nvocab_size = 264\nmax_position_embeddings = 16\n\
                [train]\nsequence_length = 16\ninner_steps = 1\nwarmup_steps = 2\n";
    let mut job = Job::parse(text).unwrap();
    job.train.exchange = exchange;
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = directory.path().join("checkpoints");
    Run { checkpoints, rule: OuterRule::of(&job).unwrap(), job, _directory: directory }
}

impl Run {
    fn state(&self, seed: u64) -> State {
        let mut state = self.rule.initial(models::initialize(&self.job.model.config().unwrap(), seed));
        state.outer_steps = seed;
        if let Some(moments) = &mut state.moments {
            moments.m.iter_mut().for_each(|value| *value = seed as f32);
            moments.step = seed;
        }
        state
    }

    fn write(&self, round: u64, shard_bytes_max: u64) -> PathBuf {
        let snapshot = Snapshot {
            session: SESSION,
            round: Round(round),
            state: &self.state(round),
            head: None,
            config: &self.job.model.config().unwrap(),
            tokenizer: &Tokenizer::Bytes,
            shard_bytes_max,
        };
        write(&self.checkpoints, &snapshot).unwrap()
    }

    fn newest(&self) -> Result<(Checkpoint, Vec<CheckpointError>), CheckpointError> {
        open_newest(&self.checkpoints, &SESSION, &self.rule)
    }
}

#[test]
fn a_checkpoint_reads_back_with_its_outer_state() {
    for exchange in [Exchange::PseudoGradient, Exchange::Gradient] {
        let run = run(exchange);
        let path = run.write(3, u64::MAX);
        let checkpoint = open(&path, &run.rule).unwrap();
        assert_eq!(checkpoint.state, run.state(3));
        assert_eq!(checkpoint.manifest.state_hash, run.state(3).hash());
        let names: Vec<&str> = checkpoint.manifest.files.iter().map(|file| file.name.as_str()).collect();
        for name in ["config.json", "generation_config.json", "model.safetensors", OUTER_STATE_FILE, "tokenizer.json"] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        assert_eq!(checkpoint.manifest.layout[0].name, "model.embed_tokens.weight");
        assert_eq!(fs::read_to_string(run.checkpoints.join(LATEST_FILE)).unwrap(), "000003\n");
    }
}

#[test]
fn a_sharded_checkpoint_reads_back() {
    let run = run(Exchange::PseudoGradient);
    let path = run.write(1, 8_000);
    assert!(path.join("model.safetensors.index.json").exists());
    assert_eq!(open(&path, &run.rule).unwrap().state, run.state(1));
}

#[test]
fn any_damaged_or_missing_file_is_named_and_the_previous_checkpoint_is_used() {
    let run = run(Exchange::Gradient);
    run.write(1, u64::MAX);
    let newest = run.write(2, u64::MAX);
    let names: Vec<String> = verify(&newest).unwrap().files.into_iter().map(|file| file.name).collect();
    for name in names.iter().map(String::as_str).chain([MANIFEST_FILE]) {
        let path = newest.join(name);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0xff;
        let mut longer = whole.clone();
        longer.push(b' ');
        let cut = whole[..whole.len() / 2].to_vec();
        for bytes in [Some(flipped), Some(cut), Some(Vec::new()), None] {
            match bytes {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let (checkpoint, refused) = run.newest().unwrap();
            assert_eq!(checkpoint.manifest.round, Round(1));
            assert!(refused[0].to_string().contains(name), "{} does not name {name}", refused[0]);
        }
        if name != MANIFEST_FILE {
            fs::write(&path, longer).unwrap();
            assert_eq!(run.newest().unwrap().0.manifest.round, Round(1));
        }
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(run.newest().unwrap().0.manifest.round, Round(2));
}

#[test]
fn without_any_usable_checkpoint_each_refusal_is_told() {
    let run = run(Exchange::PseudoGradient);
    let path = run.write(0, u64::MAX);
    fs::remove_file(path.join("config.json")).unwrap();
    let error = run.newest().unwrap_err().to_string();
    assert!(error.contains("config.json"), "{error}");
}

#[test]
fn a_checkpoint_of_another_session_or_model_is_refused() {
    let run_a = run(Exchange::PseudoGradient);
    run_a.write(0, u64::MAX);
    assert!(open_newest(&run_a.checkpoints, &SessionId([6; 32]), &run_a.rule).is_err());
    let mut job = run_a.job.clone();
    job.model.num_hidden_layers = Some(2);
    let other = OuterRule::of(&job).unwrap();
    assert!(matches!(open(&run_a.checkpoints.join("000000"), &other), Err(CheckpointError::State { .. })));
}

#[test]
fn a_manifest_that_points_outside_is_refused() {
    let run = run(Exchange::PseudoGradient);
    let path = run.write(0, u64::MAX);
    let text = fs::read_to_string(path.join(MANIFEST_FILE)).unwrap();
    fs::write(path.join(MANIFEST_FILE), text.replace("\"config.json\"", "\"../latest\"")).unwrap();
    assert!(matches!(verify(&path), Err(CheckpointError::Damaged { .. })));
}

#[test]
fn writing_again_repairs_a_damaged_checkpoint_and_leaves_a_good_one_alone() {
    let run = run(Exchange::PseudoGradient);
    let path = run.write(4, u64::MAX);
    let made = fs::metadata(path.join("config.json")).unwrap().modified().unwrap();
    run.write(4, u64::MAX);
    assert_eq!(fs::metadata(path.join("config.json")).unwrap().modified().unwrap(), made);
    fs::write(path.join("model.safetensors"), b"torn").unwrap();
    run.write(4, u64::MAX);
    open(&path, &run.rule).unwrap();
}

#[test]
fn pruning_keeps_the_newest_and_the_start() {
    let run = run(Exchange::PseudoGradient);
    for round in [0, 2, 4, 6, 8] {
        run.write(round, u64::MAX);
    }
    prune(&run.checkpoints, 2).unwrap();
    assert_eq!(numbered_directories(&run.checkpoints).unwrap(), [0, 6, 8]);
}

#[test]
fn a_half_written_directory_is_never_taken_for_a_checkpoint() {
    let run = run(Exchange::PseudoGradient);
    run.write(1, u64::MAX);
    let torn = run.checkpoints.join(".000002.tmp-99");
    fs::create_dir(&torn).unwrap();
    fs::write(torn.join(MANIFEST_FILE), b"{}").unwrap();
    let (checkpoint, refused) = run.newest().unwrap();
    assert_eq!((checkpoint.manifest.round, refused.len()), (Round(1), 0));
}

#[test]
fn the_leftover_of_another_session_is_replaced() {
    let run = run(Exchange::PseudoGradient);
    let path = run.write(0, u64::MAX);
    let text = fs::read_to_string(path.join(MANIFEST_FILE)).unwrap();
    let other = SessionId([6; 32]).to_string();
    fs::write(path.join(MANIFEST_FILE), text.replace(&SESSION.to_string(), &other)).unwrap();
    assert!(run.newest().is_err());
    run.write(0, u64::MAX);
    assert_eq!(run.newest().unwrap().0.manifest.session, SESSION);
}

use super::*;

fn error(text: &str) -> String {
    Job::parse(text).unwrap_err().to_string()
}

#[test]
fn the_default_job_is_valid_and_an_empty_file_is_the_default() {
    Job::default().validate().unwrap();
    assert_eq!(Job::parse("").unwrap(), Job::default());
}

#[test]
fn a_resolved_job_reads_back_with_the_same_fingerprint() {
    let job = Job::default().resolve(257).unwrap();
    let text = job.to_toml().unwrap();
    let again = Job::parse(&text).unwrap();
    assert_eq!(again, job);
    assert_eq!(again.to_toml().unwrap(), text);
    assert_eq!(again.fingerprint().unwrap(), job.fingerprint().unwrap());
    assert_eq!(again.model.config().unwrap(), models::ModelConfig::preset("tiny").unwrap());
}

#[test]
fn any_changed_figure_changes_the_fingerprint() {
    let base = Job::default();
    let mut other = base.clone();
    other.train.learning_rate *= 1.0 + 1e-9;
    assert_ne!(base.fingerprint().unwrap(), other.fingerprint().unwrap());
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_key() {
    let text = error("[train]\nouter_steps = 3\n\ninner_step = 4\n");
    assert_eq!(text, "line 4: unknown key `inner_step` in [train]; did you mean `inner_steps`?");
    let text = error("[trian]\nouter_steps = 3\n");
    assert_eq!(text, "line 1: unknown key `trian` at the top level; did you mean `train`?");
    let text = error("[codec]\nschedule = [{ codec = \"none\", rounds = 1 },\n { codec = \"none\", round = 2 }]\n");
    assert_eq!(text, "line 3: unknown key `round` in [codec.schedule]; did you mean `rounds`?");
}

#[test]
fn a_key_in_the_wrong_section_is_sent_to_the_right_one() {
    assert!(error("outer_steps = 3\n").ends_with("`outer_steps` belongs in [train]"));
    assert!(error("[outer]\nlearning_rate = 0.1\n").ends_with("`learning_rate` belongs in [train]"));
    assert!(error("[outer]\nzzzzzzzzzz = 0.1\n").ends_with("there are alpha, rho"));
}

#[test]
fn a_flag_where_its_key_belongs_leads_to_the_key() {
    assert!(error("[train]\nrounds = 3\n").ends_with("did you mean `outer_steps`?"));
    assert!(error("[round]\nworkers = 3\n").ends_with("did you mean `workers_min`?"));
    assert!(error("[model]\nmodel = \"tiny\"\n").ends_with("did you mean `preset`?"));
    assert!(error("workers = 3\n").ends_with("`workers_min` belongs in [round]"));
}

#[test]
fn a_flag_takes_what_its_key_takes() {
    let parse = |name: &str, text: &str| {
        let flag = keys().filter_map(|key| key.flag).find(|flag| flag.name == name).unwrap();
        (flag.parse)(text)
    };
    assert_eq!(parse("workers", "64"), Ok(toml::Value::Integer(64)));
    assert_eq!(parse("workers", "65"), Err("must be from 1 to 64".to_owned()));
    assert_eq!(parse("model", "tiny"), Ok(toml::Value::String("tiny".to_owned())));
    assert!(parse("codec", "topk64q2").unwrap_err().contains("topk64-q2"));
    assert!(parse("seed", "many").is_err());
}

#[test]
fn no_two_keys_share_a_flag_or_a_variable() {
    let flags: Vec<_> = keys().filter_map(|key| key.flag).collect();
    for names in
        [flags.iter().map(|flag| flag.name).collect(), flags.iter().map(|flag| flag.variable).collect::<Vec<_>>()]
    {
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), flags.len(), "{names:?}");
    }
}

#[test]
fn the_table_knows_every_key_that_serde_knows() {
    let model = ModelSection::from_config(&models::ModelConfig::preset("tiny").unwrap(), Some("tiny".to_owned()));
    let mut job = Job { model, ..Job::default() };
    job.codec.schedule = vec![CodecStage::default()];
    let written: toml::Table = toml::from_str(&job.to_toml().unwrap()).unwrap();
    let mut found = Vec::new();
    for (section, value) in &written {
        found.extend(value.as_table().unwrap().keys().map(|key| format!("{section}.{key}")));
    }
    let stage = written["codec"]["schedule"][0].as_table().unwrap();
    found.extend(stage.keys().map(|key| format!("codec.schedule.{key}")));
    let mut keys: Vec<_> = keys().map(Key::path).collect();
    found.sort();
    keys.sort();
    assert_eq!(found, keys);
}

#[test]
fn values_out_of_bounds_are_named_with_their_bounds() {
    for (text, expected) in [
        ("[train]\nouter_steps = 0", "[train] outer_steps = 0: must be from 1 to 4294967296"),
        ("[train]\nlearning_rate = nan", "[train] learning_rate = NaN: must be above 0 and at most 10"),
        ("[train]\nadam_beta2 = 1.0", "[train] adam_beta2 = 1: must be at least 0 and below 1"),
        ("[outer]\nalpha = 300", "[outer] alpha = 300: must be from 1 to 256"),
        ("[outer]\nalpha = 257", "[outer] alpha = 257: must be from 1 to 256"),
        ("[outer]\nalpha = 0", "[outer] alpha = 0: must be from 1 to 256"),
        ("[outer]\nrho = [2, 1]", "[outer] rho = [2, 1]: must be a fraction"),
        ("[outer]\nrho = [0, 0]", "[outer] rho = [0, 0]: must be a fraction"),
        ("[round]\nresend_ms = 0", "[round] resend_ms = 0: must be from 10 to 86400000"),
        ("[outer]\nrho = [1, 0]", "[outer] rho = [1, 0]: must be a fraction"),
        ("[round]\nworkers_min = 65", "[round] workers_min = 65: must be from 1 to 64"),
        ("[train]\nexchange = \"gradient\"", "[train] inner_steps = 10: must be 1 with exchange"),
        ("[train]\nsequence_length = 100000", "[train] sequence_length = 100000: at most max_position_embeddings"),
        (
            "[train]\nouter_steps = 1\nwarmup_steps = 11",
            "[train] warmup_steps = 11: at most outer_steps · inner_steps = 10",
        ),
        ("[model]\npreset = \"tinny\"", "[model] preset = \"tinny\": no such preset; did you mean \"tiny\"?"),
        ("[model]\nnum_attention_heads = 0", "[model] preset = explicit: num_attention_heads is 0"),
        ("[data]\ntokenizer = \"\"", "[data] tokenizer"),
        ("[checkpoint]\nkeep = 1", "[checkpoint] keep = 1: must be from 2"),
    ] {
        let found = error(text);
        assert!(found.starts_with(expected), "{text:?} gave {found:?}");
    }
}

#[test]
fn an_unknown_codec_is_named_with_its_key() {
    let found = error("[codec]\nname = \"topk64q2\"");
    assert!(found.starts_with("[codec] name = \"topk64q2\": "), "{found}");
    assert!(found.contains("topk64-q2"), "{found}");
}

#[test]
fn values_of_the_wrong_type_name_the_line() {
    assert!(error("[train]\n\nouter_steps = \"many\"").starts_with("line 3: "));
    assert!(error("[train]\nouter_steps = -1").starts_with("line 2: "));
    assert!(error("train = 3").starts_with("line 1: "));
    assert!(error("[train]\nexchange = \"weights\"").starts_with("line 2: "));
    assert!(error("[train\nouter_steps = 1").starts_with("line 1: "));
}

#[test]
fn the_codec_follows_warm_up_schedule_and_name() {
    let text = "[codec]\nwarmup_rounds = 2\nschedule = [{ codec = \"topk256-q2\", rounds = 3 }]\n";
    let codec = Job::parse(text).unwrap().codec;
    let names: Vec<&str> = (1..=7).map(|step| codec.at(step).unwrap().name()).collect();
    let k256 = "topk256-q2";
    assert_eq!(names, ["dense-int8", "dense-int8", k256, k256, k256, "topk64-q2", "topk64-q2"]);
}

#[test]
fn explicit_figures_replace_those_of_the_preset() {
    let job = Job::parse("[model]\nhidden_size = 64\nnum_hidden_layers = 2\n").unwrap();
    let config = job.model.config().unwrap();
    assert_eq!((config.hidden_size, config.num_hidden_layers, config.head_dim), (64, 2, 16));
    assert_eq!(config.vocab_size, 264);
}

#[test]
fn the_vocabulary_follows_the_tokenizer_unless_it_is_given() {
    let job = Job::default();
    assert_eq!(job.resolve(32_000).unwrap().model.vocab_size, Some(32_000));
    let given = Job::parse("[model]\nvocab_size = 300\n").unwrap();
    assert_eq!(given.resolve(257).unwrap().model.vocab_size, Some(300));
    assert!(given.resolve(301).unwrap_err().to_string().contains("the tokenizer has 301 entries"));
}

#[test]
fn hostile_text_is_refused_without_a_panic() {
    let nested = format!("[train]\nx = {}{}", "[".repeat(20_000), "]".repeat(20_000));
    let inline = format!("x = {}1{}", "{a=".repeat(5_000), "}".repeat(5_000));
    let dotted = format!("{}x = 1", "a.".repeat(20_000));
    let long = "x".repeat(JOB_BYTES_MAX as usize + 1);
    for text in
        [nested.as_str(), &inline, &dotted, &long, "\u{0}", "[[train]]", "[train]\nouter_steps = 99999999999999999999"]
    {
        assert!(Job::parse(text).is_err());
    }
    let huge =
        "[model]\nhidden_size = 9223372036854775807\nnum_attention_heads = 3\nvocab_size = 9223372036854775807\n";
    assert!(Job::parse(huge).is_err());
}

#[test]
fn a_missing_file_is_named() {
    let error = Job::read(Path::new("/nonexistent/job.toml")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/job.toml"), "{error}");
}

#[test]
fn the_parameters_follow_the_job() {
    let text =
        "[codec]\nwarmup_rounds = 2\nschedule = [{ codec = \"topk256-q2\", rounds = 3 }]\n[outer]\nrho = [1, 4]\n";
    let job = Job::parse(text).unwrap();
    let parameters = job.parameters();
    assert_eq!((parameters.rho, job.codec.error_feedback), ((1, 4), 0.95));
    let starts: Vec<_> = parameters.codecs.iter().map(|entry| entry.outer_step).collect();
    assert_eq!(starts, [0, 2, 5]);
    for outer_steps in 0..8 {
        assert_eq!(parameters.codec_at(outer_steps), job.codec.at(outer_steps + 1).unwrap().name());
    }
    let none = Job::parse("[codec]\nwarmup_rounds = 0\n").unwrap().parameters();
    assert_eq!((none.codecs.len(), none.codec_at(0)), (1, "topk64-q2"));
}

#[test]
fn the_quality_rule_follows_the_job() {
    let rule = |text: &str| {
        let parameters = Job::parse(text).unwrap().parameters();
        let protocol::ScorePolicy::Quality(rule) = parameters.score else { panic!("{text}") };
        rule
    };
    let by_default = rule("");
    let figures = [by_default.usefulness_weight, by_default.agreement_weight, by_default.norm_weight];
    assert_eq!((figures, by_default.cosine_floor_millionths, by_default.quarantine_rounds), ([50, 25, 10], 20_000, 10));
    let figures = [by_default.standing_memory_percent, by_default.low_score, by_default.low_streak_rounds_max];
    assert_eq!((figures, by_default.return_standing), ([70, 20, 3], 50));
    let changed = rule("[score]\nquarantine_rounds = 3\ncosine_floor_percent = 1\n");
    assert_eq!((changed.quarantine_rounds, changed.cosine_floor_millionths), (3, 10_000));
    let weightless = "[score]\nusefulness_weight = 0\nagreement_weight = 0\nnorm_weight = 0\n";
    assert!(error(weightless).ends_with("must be above 0"));
}

#[test]
fn a_schedule_has_at_most_fourteen_stages() {
    let stage = "{ codec = \"none\", rounds = 1 }";
    let text = |count| format!("[codec]\nschedule = [{}]\n", vec![stage; count].join(", "));
    Job::parse(&text(14)).unwrap();
    assert!(error(&text(15)).starts_with("[codec] schedule = 15: "));
}

#[test]
fn the_learning_rate_ends_at_the_floor() {
    let job = Job::default();
    let schedule = job.schedule();
    let last = schedule.learning_rate(job.steps());
    assert!((f64::from(last) - job.train.learning_rate * job.train.learning_rate_floor).abs() < 1e-9);
}

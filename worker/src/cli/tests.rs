use super::*;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(["cotrain"].into_iter().chain(line.split_whitespace()))
}

fn error(line: &str) -> String {
    parse(line).unwrap_err().to_string()
}

fn up(line: &str) -> UpArgs {
    let Command::Up(arguments) = parse(line).unwrap().command else { panic!("{line}") };
    arguments
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn up_takes_the_flags_that_users_know() {
    let arguments = up(
        "up --workers 4 --rounds 20 --data a.txt docs --job j.toml --device cpu --require-gpu --seed 3 --output json \
         --codec topk256-q2 --warmup-rounds 2 --inner-steps 10 --init ckpt --checkpoint-every 5 --run-dir r \
         --threads 2",
    );
    let given = |flag| arguments.job.given(flag).and_then(toml::Value::as_integer);
    assert_eq!((given("workers"), given("rounds")), (Some(4), Some(20)));
    assert_eq!(arguments.run.data, [PathBuf::from("a.txt"), PathBuf::from("docs")]);
    assert_eq!(arguments.device.device, DeviceChoice::Cpu);
    assert_eq!(arguments.output.output, OutputFormat::Json);
    assert_eq!(arguments.device.threads, Some(2));
    assert_eq!(arguments.max_failures, 3);
}

#[test]
fn an_unknown_flag_suggests_the_nearest() {
    let message = error("up --round 20");
    assert!(message.contains("--rounds"), "{message}");
    let message = error("up --wrokers 2");
    assert!(message.contains("--workers"), "{message}");
}

#[test]
fn an_unknown_command_suggests_the_nearest() {
    let message = error("generat --checkpoint x --prompt y");
    assert!(message.contains("'generate'"), "{message}");
}

#[test]
fn an_unknown_codec_suggests_the_nearest() {
    let message = error("up --codec topk64-q3");
    assert!(message.contains("topk64-q2"), "{message}");
}

#[test]
fn a_device_that_is_none_lists_the_forms() {
    let message = error("worker x --device gpu");
    assert!(message.contains("wgpu:N"), "{message}");
}

#[test]
fn figures_out_of_range_are_refused() {
    for line in [
        "up --threads 0",
        "up --workers -1",
        "up --rounds many",
        "up --rounds 0",
        "up --workers 65",
        "bench train --batch 0",
        "bench codecs",
        "bench codecs a.ctg --feedback --beta 1.5",
        "bench codecs a.ctg --feedback --beta NaN",
        "bench codecs a.ctg --beta 0.9",
        "generate --checkpoint d --prompt p --temperature -1",
        "generate --checkpoint d --prompt p --temperature NaN",
        "generate --checkpoint d --prompt p --temperature inf",
        "generate --prompt p",
        "worker",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn resuming_excludes_a_new_start() {
    for line in ["up --resume r --init d", "aggregator --resume r --run-dir q"] {
        assert_eq!(parse(line).unwrap_err().kind(), ErrorKind::ArgumentConflict, "{line}");
    }
}

#[test]
fn listening_addresses_become_multiaddresses() {
    let listen = |line: &str| {
        let Command::Aggregator(arguments) = parse(line).unwrap().command else { panic!("{line}") };
        arguments.listen
    };
    assert_eq!(listen("aggregator"), ["/ip4/0.0.0.0/tcp/0"]);
    assert_eq!(
        listen("aggregator --listen 127.0.0.1:4001 --listen [::1]:5 --listen /dns4/host/tcp/6"),
        ["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/5", "/dns4/host/tcp/6"]
    );
    let message = error("aggregator --listen 4001");
    assert!(message.contains("0.0.0.0:4001"), "{message}");
}

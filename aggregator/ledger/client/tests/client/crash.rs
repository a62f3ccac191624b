//! A reporter that is killed at any instant has reported everything once in the end.

use crate::support::{Running, SESSION, Served, account, contribution, lines, session};
use ledger_client::Home;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const REPORTER: u8 = 1;
const WORKER: u8 = 2;
const SETTLEMENTS: u64 = 40;

/// The child of `a_killed_reporter_reports_everything_once`: reports what it is to report, and tells what landed.
#[tokio::test]
async fn child_that_is_killed() {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(folder) = variable("CHAIN_TEST_FOLDER") else { return };
    let (url, module) = (variable("CHAIN_TEST_URL").unwrap(), variable("CHAIN_TEST_MODULE").unwrap());
    let home = Home { url, chain_id: 4, module: module.parse().unwrap() };
    let running = Running::start(home, &account(REPORTER), Path::new(&folder));
    running.reporter.open_session(session()).unwrap();
    for settlement in 1..=SETTLEMENTS {
        running.reporter.settle(settlement, vec![contribution(&account(WORKER), settlement)]).unwrap();
    }
    println!("taken");
    let mut status = running.reporter.status();
    loop {
        let (landed, waiting) = (status.borrow().landed, status.borrow().waiting);
        println!("landed {landed}");
        if waiting == 0 {
            return println!("done");
        }
        status.changed().await.unwrap();
    }
}

fn child(served: &Served, folder: &Path) -> Child {
    let home = served.home();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_is_killed", "--nocapture"])
        .env("CHAIN_TEST_FOLDER", folder)
        .env("CHAIN_TEST_URL", home.url)
        .env("CHAIN_TEST_MODULE", home.module.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets a child go on until so many more lines have come, then kills it; whether it was done before.
fn kill_after(mut child: Child, count: usize) -> bool {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = lines.filter(|line| line.contains("landed ") || line.contains("done"));
    let done = told.by_ref().take(count).any(|line| line.contains("done"));
    child.kill().unwrap();
    child.wait().unwrap();
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_reporter_reports_everything_once() {
    let served = Served::start();
    served.fund(&account(REPORTER)).await;
    served.allow(&account(REPORTER)).await;
    served.fund(&account(WORKER)).await;
    served.register(&account(WORKER)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut kills = 0;
    loop {
        let child = child(&served, folder.path());
        // Each time a little later, so that it is hit in every step.
        let count = 2 + kills % 7;
        if tokio::task::spawn_blocking(move || kill_after(child, count)).await.unwrap() {
            break;
        }
        kills += 1;
        assert!(kills < 200, "it gets nowhere");
    }
    assert!(kills >= 5, "{kills} kills");
    let session = served.client().session(SESSION).await.unwrap().unwrap();
    assert_eq!(session.settlement, SETTLEMENTS);
    let totals = served.client().contribution(SESSION, account(WORKER).address()).await.unwrap();
    assert_eq!((totals.compute_time, totals.count), (SETTLEMENTS * (SETTLEMENTS + 1) / 2, SETTLEMENTS));
    let keys: Vec<_> = lines(folder.path()).iter().map(|line| line["key"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<_> = (1..=SETTLEMENTS).map(|n| format!("settlement-{n}")).collect();
    assert_eq!(keys[0], "session");
    assert_eq!(keys[1..], expected);
}

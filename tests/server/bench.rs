//! `signal-hub bench` as a process, against a hub that is right, hubs with a fault, and none.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::{Value, json};
use signal_hub::auth::{Access, Keys};
use signal_hub::hub::Config;

use crate::auth::{SECRET, file, signal_hub, token};
use crate::faulty::{self, Fault};
use crate::fixture::Running;
use crate::tls::{certificate, tls};

const SHORTLY: &[&str] = &["--warm-up", "50ms", "--duration", "300ms"];
const LONG: &[&str] = &["--warm-up", "50ms", "--duration", "50m"];

fn without_limits() -> Config {
    Config { rate_limit_per_second: 0, ..Config::default() }
}

fn command(url: &str, arguments: &[&[&str]]) -> Command {
    let mut command = signal_hub(&["bench", url, "--json"]);
    command.args(arguments.concat()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(url: &str, arguments: &[&[&str]]) -> Output {
    command(url, arguments).output().unwrap()
}

/// The exit status and the results.
fn results(output: &Output) -> (i32, Value) {
    let why = String::from_utf8_lossy(&output.stderr);
    let results = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{why}"));
    (output.status.code().unwrap(), results)
}

/// Waits until the run counts, and returns what is left to say on stderr.
fn wait_until_it_measures(child: &mut Child) -> BufReader<ChildStderr> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while line != "measuring\n" {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended early");
    }
    stderr
}

fn right(sent: &Value) -> Value {
    json!({ "sent": sent, "lost": 0, "doubled": 0, "reordered": 0, "misrouted": 0, "altered": 0,
            "unanswered": 0 })
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_arrive_once_in_order_and_at_their_address() {
    let hub = Running::start(without_limits()).await;
    let url = format!("ws://{}/ws", hub.address);
    for (workload, sessions, receivers) in [
        (&["fanout", "--subscribers", "5", "--window", "3"][..], 6, 5),
        (&["fanout", "--subscribers", "5", "--rate", "200", "--tell"], 6, 5),
        (&["p2p", "--pairs", "3", "--window", "2"], 6, 1),
        (&["p2p", "--pairs", "3", "--rate", "300"], 6, 1),
        (&["p2p", "--pairs", "3", "--window", "2", "--tell"], 6, 1),
    ] {
        let (code, results) = results(&run(&url, &[workload, SHORTLY]));
        assert_eq!(results["integrity"], right(&results["integrity"]["sent"]), "{workload:?}");
        assert_eq!((code, &results["sessions"]), (0, &json!(sessions)), "{workload:?}");
        let latencies = results["latency_us"]["count"].as_u64().unwrap();
        assert_eq!(latencies, results["messages"].as_u64().unwrap() * receivers, "{workload:?}");
        assert!(latencies > 0, "{workload:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_silent_storm_or_register_get_all_that_they_should() {
    let hub = Running::start(without_limits()).await;
    let url = format!("ws://{}/ws", hub.address);
    let pid = std::process::id().to_string();
    for (workload, unit, sent) in [
        (&["idle", "--sessions", "20", "--duration", "100ms"][..], "session-seconds", 20),
        (&["storm", "--sessions", "20", "--rounds", "2"], "sessions", 40),
        (&["register", "--sessions", "3", "--addresses", "40"], "registrations", 120),
    ] {
        let (code, results) = results(&run(&url, &[workload, &["--server-pid", &pid]]));
        assert_eq!(results["integrity"], right(&json!(sent)), "{workload:?}");
        assert_eq!((code, &results["unit"]), (0, &json!(unit)), "{workload:?}");
        assert!(results["server"]["rss_bytes"].as_u64() > Some(0), "{workload:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_hub_is_counted_and_has_the_exit_status_3() {
    let hub = Running::start(without_limits()).await;
    let mut running = Vec::new();
    for (fault, counts) in [
        (Fault::Lose, json!({ "lost": 2 })),
        (Fault::Double, json!({ "doubled": 2 })),
        (Fault::Overtake, json!({ "reordered": 2 })),
        (Fault::Misroute, json!({ "misrouted": 2, "lost": 2 })),
        (Fault::Alter, json!({ "altered": 2, "lost": 2 })),
        (Fault::LoseAnswer, json!({ "unanswered": 2 })),
    ] {
        let url = format!("ws://{}/ws", faulty::start(hub.address, fault).await);
        let child = command(&url, &[&["p2p", "--pairs", "2", "--window", "4"], SHORTLY]).spawn();
        running.push((fault, counts, child.unwrap()));
    }
    for (fault, counts, child) in running {
        let (code, results) = results(&child.wait_with_output().unwrap());
        let mut wanted = right(&results["integrity"]["sent"]);
        let counted = counts.as_object().unwrap().clone();
        wanted.as_object_mut().unwrap().extend(counted);
        assert_eq!((code, &results["integrity"]), (3, &wanted), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_goes_away_ends_the_run_at_once_with_a_reason() {
    let hub = Running::start(without_limits()).await;
    let cut = format!("ws://{}/ws", faulty::start(hub.address, Fault::Cut).await);
    let early = run(&cut, &[&["fanout", "--subscribers", "3", "--rate", "1"], LONG]);
    let said = String::from_utf8(early.stderr).unwrap();
    assert_eq!((early.status.code(), early.stdout), (Some(1), Vec::new()));
    assert!(said.contains("nothing was measured: connection broken"), "{said}");

    let mut child =
        command(&format!("ws://{}/ws", hub.address), &[&["p2p"], LONG]).spawn().unwrap();
    let mut stderr = wait_until_it_measures(&mut child);
    hub.stop().await.1.unwrap();
    let (code, results) = results(&child.wait_with_output().unwrap());
    let failure = results["failure"].as_str().unwrap_or_default();
    assert!(code == 1 && failure.contains("1001"), "{code}: {failure}");
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert!(said.contains("the hub ended the run after"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_tells_what_it_measured() {
    let hub = Running::start(without_limits()).await;
    let url = format!("ws://{}/ws", hub.address);
    let mut child = command(&url, &[&["p2p", "--pairs", "1"], LONG]).spawn().unwrap();
    let _stderr = wait_until_it_measures(&mut child);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let (code, results) = results(&child.wait_with_output().unwrap());
    assert_eq!(results["integrity"], right(&results["integrity"]["sent"]));
    assert_eq!((code, &results["interrupted"]), (0, &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hub_refuses_is_not_lost_and_has_the_exit_status_4() {
    let hub = Running::start(Config { rate_limit_burst: 4, ..Config::default() }).await;
    let url = format!("ws://{}/ws", hub.address);
    let (code, results) = results(&run(&url, &[&["p2p", "--pairs", "1"], SHORTLY]));
    assert_eq!(results["integrity"], right(&results["integrity"]["sent"]));
    assert_eq!(code, 4);
    assert!(results["refused"]["rate_limited"].as_u64() > Some(0), "{results}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_and_an_authority_let_it_in() {
    let access = Access::Tokens(Keys::from_secret(SECRET.as_bytes()).unwrap());
    let hub = Running::with_access(without_limits(), access).await;
    let url = format!("ws://{}/ws", hub.address);
    let token = token(&["--actor", "bench", "--actors", "bench/*"]);
    let idle: &[&str] = &["idle", "--sessions", "2", "--duration", "10ms"];
    assert_eq!(results(&run(&url, &[idle, &["--token", &token]])).0, 0);
    let refused = run(&url, &[idle]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("hub:connect"), "{said}");

    let certificate = certificate();
    let hub = Running::encrypted(without_limits(), tls(&certificate)).await;
    let ca = file("bench-ca.pem", &certificate.cert.pem());
    let url = format!("wss://localhost:{}/ws", hub.address.port());
    assert_eq!(results(&run(&url, &[idle, &["--ca", ca.to_str().unwrap()]])).0, 0);
}

#[test]
fn nothing_but_this_machine_is_loaded_unless_it_is_named() {
    for arguments in [&["idle"][..], &["idle", "--allow-remote", "192.0.2.2"]] {
        let output = run("ws://192.0.2.1:9000/ws", &[arguments]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(said.contains("--allow-remote 192.0.2.1"), "{said}");
    }
}

#[test]
fn a_hub_that_is_not_there_and_too_few_files_are_errors_before_anything_is_measured() {
    let output = run("ws://127.0.0.1:1/ws", &[&["idle", "--sessions", "2"]]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
    assert!(said.contains("cannot connect"), "{said}");

    let program = env!("CARGO_BIN_EXE_signal-hub");
    let limited = format!("ulimit -n 64; {program} bench ws://127.0.0.1:1/ws idle --sessions 100");
    let output = Command::new("sh").args(["-c", &limited]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("raise the hard limit"), "{said}");
}

//! A server that demands tokens, and the commands that go with it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use signal_hub::auth::{Access, Keys};
use signal_hub::client::{self, ActorConfig, ClientConfig, Event, TokenSource};
use signal_hub::hub::Config;
use signal_hub::protocol::{ActorAddress, AuthToken};
use signal_hub::runtime::Tokio;

use crate::fixture::{Client, Running, within};

pub const SECRET: &str = "a secret of more than thirty-two bytes";

pub fn signal_hub(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signal-hub"));
    command.args(arguments).env_remove("SIGNAL_HUB_AUTH_SECRET").env_remove("SIGNAL_HUB_TOKEN");
    command
}

fn output(arguments: &[&str]) -> Output {
    signal_hub(arguments).output().unwrap()
}

/// A hub of its own process, by default at a free port of this machine, and its URL.
fn serve(arguments: &[&str]) -> (Child, String) {
    let mut command = signal_hub(&["serve"]);
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    let command = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut serving = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
    (serving, url)
}

pub fn token(arguments: &[&str]) -> String {
    let mut command = signal_hub(&["token", "--sub", "user-1"]);
    let output = command.args(arguments).env("SIGNAL_HUB_AUTH_SECRET", SECRET).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A file of this test process.
pub fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

async fn connect(client: &mut Client, token: Option<&str>) -> Value {
    let mut metadata = json!({ "protocolVersion": "0.1.0", "capabilities": ["test"] });
    if let Some(token) = token {
        metadata["authToken"] = json!(token);
    }
    client.ask("@(alice)", "hub:connect", json!(null), metadata).await;
    client.hear().await
}

#[tokio::test]
async fn a_client_gets_in_with_a_token_and_only_with_one() {
    let access = Access::Tokens(Keys::from_secret(SECRET.as_bytes()).unwrap());
    let config = Config { refusal_linger: Duration::from_millis(20), ..Config::default() };
    let hub = Running::with_access(config, access).await;
    for bad in [None, Some("garbage")] {
        let mut client = hub.connect().await;
        assert_eq!(connect(&mut client, bad).await["payload"]["code"], "unauthorized");
        assert_eq!(client.close_frame().await, (4001, "unauthorized".to_owned()));
    }
    let mut client = hub.connect().await;
    let token = token(&["--actor", "alice", "--actors", "team/*"]);
    let connected = connect(&mut client, Some(&format!("Bearer {token}"))).await;
    assert_eq!(connected["metadata"]["actorIdentity"], "@(alice)");
    for (address, answer) in
        [("@(bob)", "hub:error"), ("@(alice)", "hub:registered"), ("@(team/a)", "hub:registered")]
    {
        let payload = json!({ "actorAddress": address, "capabilities": ["test"] });
        client.ask(address, "hub:register", payload, json!({})).await;
        assert_eq!(client.hear().await["type"], answer, "{address}");
    }
}

#[tokio::test]
async fn a_session_is_closed_when_its_token_expires() {
    let access = Access::Tokens(Keys::from_secret(SECRET.as_bytes()).unwrap());
    let hub = Running::with_access(Config::default(), access).await;
    let mut client = hub.connect().await;
    let token = token(&["--actor", "alice", "--ttl", "2s"]);
    assert_eq!(connect(&mut client, Some(&token)).await["type"], "hub:connected");
    assert_eq!(client.close_frame().await, (4001, "the token expired".to_owned()));
}

#[tokio::test]
async fn a_client_replaces_its_token_in_time_and_keeps_its_session() {
    let access = Access::Tokens(Keys::from_secret(SECRET.as_bytes()).unwrap());
    let hub = Running::with_access(Config::default(), access).await;
    let url = format!("ws://{}/ws", hub.address).parse().unwrap();
    let alice = ActorConfig::new(ActorAddress::from_path("alice").unwrap());
    let source = TokenSource::new(|| async {
        Ok(AuthToken::new(&token(&["--actor", "alice", "--ttl", "6s"])))
    });
    let config = ClientConfig { token_source: Some(source), ..ClientConfig::new(url, vec![alice]) };
    let (_client, mut events) = client::Client::connect(Tokio, config);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.push(match within(events.next()).await.unwrap() {
            Event::Connected { .. } => "connected",
            Event::Registered { .. } => "registered",
            Event::TokenRefreshed { .. } => "refreshed",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, ["connected", "registered", "refreshed"]);
}

#[test]
fn listen_reads_its_token_file_again_before_the_token_expires() {
    let secret = file("listen-secret", SECRET);
    let (mut serving, url) = serve(&["--auth-secret-file", secret.to_str().unwrap()]);
    let tokens = file("listen.token", &token(&["--actor", "alice", "--ttl", "5s"]));
    let words = ["listen", "--hub", &url, "--as", "@(alice)", "--token-file"];
    let mut listening = signal_hub(&words).arg(&tokens).stderr(Stdio::piped()).spawn().unwrap();
    let mut news = BufReader::new(listening.stderr.take().unwrap()).lines();
    assert!(news.next().unwrap().unwrap().starts_with("connected as"));
    assert_eq!(news.next().unwrap().unwrap(), "registered @(alice)");
    fs::remove_file(&tokens).unwrap();
    let told = news.next().unwrap().unwrap();
    assert!(told.starts_with("no newer token: cannot read"), "{told}");
    let told = news.find(|line| line.as_ref().is_ok_and(|line| line.contains("4001")));
    assert!(told.is_some_and(|line| line.unwrap().contains("trying again")));
    file("listen.token", &token(&["--actor", "alice"]));
    let back = news.find(|line| line.as_ref().is_ok_and(|line| line.contains("@(alice)")));
    assert_eq!(back.unwrap().unwrap(), "resumed @(alice)");
    for child in [&mut listening, &mut serving] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn serve_demands_tokens_where_it_has_a_key_and_send_shows_one() {
    let secret = file("serve-secret", &format!("{SECRET}\n"));
    let (mut serving, url) = serve(&["--auth-secret-file", secret.to_str().unwrap()]);
    let send = ["send", "--hub", &url, "--as", "@(alice)", "--to", "@(alice)", "--type", "t"];
    let stranger = output(&send);
    let token = token(&["--actor", "alice"]);
    let bearer = signal_hub(&send).env("SIGNAL_HUB_TOKEN", token).output().unwrap();
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert_eq!(stranger.status.code(), Some(1));
    assert_eq!(bearer.status.code(), Some(0), "{}", String::from_utf8_lossy(&bearer.stderr));
}

#[test]
fn what_the_world_can_reach_is_not_served_without_a_key_by_mistake() {
    let refused = output(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(stderr.contains("allow_unauthenticated"), "{stderr}");
    let (mut serving, url) = serve(&["--listen", "0.0.0.0:0", "--allow-unauthenticated"]);
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert!(url.starts_with("ws://0.0.0.0:"), "{url}");
}

#[test]
fn a_secret_is_no_argument_and_is_not_printed() {
    let mut printing = signal_hub(&["serve", "--print-config"]);
    let printed = printing.env("SIGNAL_HUB_AUTH_SECRET", SECRET).output().unwrap();
    assert_eq!(printed.status.code(), Some(0));
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("(set, not shown) # env SIGNAL_HUB_AUTH_SECRET"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
    let refused = output(&["serve", "--auth-secret", SECRET]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!String::from_utf8(refused.stderr).unwrap().contains(SECRET));
}

#[test]
fn a_key_that_is_not_usable_is_an_error_that_does_not_repeat_it() {
    let short = file("short-secret", "too short");
    let no_key = file("no-key.pem", "no key at all");
    for (flag, file, message) in [
        ("--auth-secret-file", &short, "at least 32 bytes"),
        ("--auth-public-key", &no_key, "expected an RSA or Ed25519 public key"),
        ("--auth-public-key", &PathBuf::from("nowhere"), "cannot read nowhere"),
    ] {
        let output = output(&["serve", "--listen", "127.0.0.1:0", flag, file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(message), "{stderr}");
        assert!(!stderr.contains("too short") && !stderr.contains("no key at all"), "{stderr}");
    }
}

#[test]
fn a_token_that_no_hub_would_take_is_not_printed() {
    let secret = file("token-secret", SECRET);
    let secret = secret.to_str().unwrap();
    for bad in [["--actor", "a b", "--ttl", "1h"], ["--actor", "alice", "--ttl", "0s"]] {
        let output =
            output(&[&["token", "--sub", "s", "--secret-file", secret], &bad[..]].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{bad:?}");
    }
    let output = output(&["token", "--sub", "s", "--actor", "alice"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("--secret-file"), "{stderr}");
}

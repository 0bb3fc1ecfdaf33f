//! `signal-hub serve` with settings: what it prints, what it refuses, what it writes, how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::fixture::UPGRADE;

pub fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signal-hub"));
    command.arg("serve").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars() {
        if name.starts_with("SIGNAL_HUB_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

pub fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn signal(child: &Child, name: &str) {
    let kill = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
}

/// A hub that runs, and the address of its port.
pub fn running(arguments: &[&str]) -> (Child, String) {
    let mut child = serve(&[&["--listen", "127.0.0.1:0"], arguments].concat()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let (_, address) = line.trim_end().split_once("://").unwrap();
    (child, address.strip_suffix("/ws").unwrap().to_owned())
}

/// A WebSocket that says nothing.
fn upgraded(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(UPGRADE.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    // A ping is answered by a session that has begun.
    stream.write_all(&[0x89, 0x80, 0, 0, 0, 0]).unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(pong, [0x8a, 0]);
    stream
}

#[test]
fn the_printed_settings_are_toml_that_gives_the_same_settings() {
    let config = file("layers.toml", "sessions_max = 7\nidle_timeout = \"2m\"\n");
    let config = config.to_str().unwrap();
    let arguments = ["--print-config", "--config", config, "--close-timeout", "3s"];
    let printed = serve(&arguments).env("SIGNAL_HUB_IDLE_TIMEOUT", "90s").output().unwrap();
    assert_eq!((printed.status.code(), &printed.stderr[..]), (Some(0), &b""[..]));
    let text = stdout(&printed);
    for line in [
        format!("sessions_max = 7 # {config}:1"),
        "idle_timeout = \"1m 30s\" # env SIGNAL_HUB_IDLE_TIMEOUT".to_owned(),
        "close_timeout = \"3s\" # flag --close-timeout".to_owned(),
        "ping_interval = \"20s\" # default".to_owned(),
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line} is not in\n{text}");
    }
    let again = file("printed.toml", &text);
    let again = serve(&["--print-config", "--config", again.to_str().unwrap()]).output().unwrap();
    let [before, after] =
        [text, stdout(&again)].map(|text| toml::from_str::<toml::Table>(&text).unwrap());
    assert_eq!(before, after);
}

#[test]
fn wrong_settings_are_usage_errors_told_one_a_line() {
    let config = file("wrong.toml", "idle_timout = \"2m\"\n");
    let config = config.to_str().unwrap();
    let arguments = ["--config", config, "--sessions-max", "none"];
    let output = serve(&arguments).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].contains("sessions_max = none (flag --sessions-max)"), "{stderr}");
    assert!(lines[1].contains(&format!("{config}:1: there is no setting idle_timout")), "{stderr}");
    let missing = serve(&["--config", "/nowhere/hub.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
#[cfg(not(feature = "cluster"))]
fn a_program_without_clusters_says_how_to_build_one_with_them() {
    let output = serve(&["--cluster", "nats://127.0.0.1:1", "--node", "a"]).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("build it with `--features cluster`"), "{stderr}");
}

#[test]
fn files_that_cannot_be_used_are_failures_of_the_environment() {
    let nonsense = file("nonsense.pem", "nonsense");
    let nonsense = nonsense.to_str().unwrap();
    for arguments in [
        &["--audit", "/nowhere/audit.jsonl"][..],
        &["--tls-cert", nonsense, "--tls-key", nonsense],
        &["--tls-cert", "/nowhere/cert.pem", "--tls-key", nonsense],
    ] {
        let listen = ["--listen", "127.0.0.1:0"];
        let output = serve(&[&listen, arguments].concat()).output().unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    }
}

#[test]
fn the_audit_is_a_file_of_json_lines() {
    let audit = file("audit.jsonl", "");
    let (mut child, address) = running(&["--audit", audit.to_str().unwrap()]);
    let stream = upgraded(&address);
    signal(&child, "-TERM");
    drop(stream);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut events = Vec::new();
    for line in fs::read_to_string(audit).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert!(record["timestamp"].as_u64().unwrap() > 1_600_000_000_000);
        events.push(record["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(events, ["session_opened", "session_closed"]);
    let mut logs = String::new();
    child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
    assert!(!logs.contains("session_opened"), "{logs}");
    for line in logs.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn a_second_signal_ends_the_hub_at_once() {
    for (second, code) in [("-INT", 130), ("-TERM", 143)] {
        let patient = ["--close-timeout", "1h", "--shutdown-timeout", "1h"];
        let (mut child, address) = running(&patient);
        let _silent = upgraded(&address);
        signal(&child, "-TERM");
        // The first signal has been heard once nobody listens any more.
        while TcpStream::connect(&address).is_ok() {}
        signal(&child, second);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn a_name_that_is_this_machine_can_be_listened_on_without_a_key() {
    let mut child = serve(&["--listen", "localhost:0"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(line.starts_with("listening on ws://127.0.0.1:"), "{line}");
}

#[test]
fn an_audit_that_cannot_be_written_is_logged_once_and_shown_in_health() {
    let admin = ["--audit", "/dev/full", "--admin-listen", "127.0.0.1:0"];
    let mut child = serve(&[&["--listen", "127.0.0.1:0"], &admin[..]].concat()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut address = || lines.next().unwrap().unwrap().split_once("://").unwrap().1.to_owned();
    let (port, admin) = (address(), address());
    let port = port.strip_suffix("/ws").unwrap();
    drop((upgraded(port), upgraded(port)));
    let failing = || {
        let mut stream = TcpStream::connect(&admin).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let audit = &serde_json::from_str::<Value>(body).unwrap()["audit"];
        audit["failing"] == true && audit["writeErrors"].as_u64() >= Some(4)
    };
    while !failing() {}
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut logs = String::new();
    child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
    assert_eq!(logs.matches("cannot write the audit").count(), 1, "{logs}");
}

/// A hub with so few files, and a limit of its own that it may raise.
fn with_files(limits: &str) -> (Child, String, String) {
    let hub = env!("CARGO_BIN_EXE_signal-hub");
    let admin = "--listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --admin-connections-max 2";
    let line = format!("{limits}; exec {hub} serve {admin}");
    let mut command = Command::new("sh");
    let command = command.args(["-c", &line]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (address, admin) = addresses(&mut child);
    (child, address, admin)
}

/// The address of a hub's port, and that of its admin listener.
pub fn addresses(child: &mut Child) -> (String, String) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut address = || lines.next().unwrap().unwrap().split_once("://").unwrap().1.to_owned();
    let (port, admin) = (address(), address());
    (port.strip_suffix("/ws").unwrap().to_owned(), admin)
}

/// What the admin listener answers.
pub fn admin_says(admin: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let (mut child, address, _) = with_files("ulimit -Sn 40");
    let streams: Vec<_> = (0..60).map(|_| upgraded(&address)).collect();
    drop(streams);
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn where_files_are_few_the_admin_listener_keeps_its_share_and_the_log_says_so() {
    let (mut child, address, admin) = with_files("ulimit -n 50");
    let streams: Vec<_> = (0..60).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let answer = admin_says(&admin, "/health");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    drop(streams);
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut logs = String::new();
    child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
    assert!(logs.contains("the limit of open files is 50"), "{logs}");
    assert!(!logs.contains("accept failed"), "{logs}");
}

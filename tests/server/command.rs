//! `signal-hub serve` as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use signal_hub::hub::{Config, Input, SessionKey};
use signal_hub::protocol::ClientFrame;

use crate::fixture::Running;

fn serve(listen: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_signal-hub"))
        .args(["serve", "--listen", listen])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn serve_says_where_it_listens_and_ends_cleanly_on_either_signal() {
    for signal in ["-INT", "-TERM"] {
        let mut child = serve("127.0.0.1:0");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ws://").unwrap();
        TcpStream::connect(address.strip_suffix("/ws").unwrap()).unwrap();
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line is all");
    }
}

#[tokio::test]
async fn listen_takes_leave_on_either_signal() {
    for signal in ["-INT", "-TERM"] {
        let mut hub = Running::start(Config::default()).await;
        let url = format!("ws://{}/ws", hub.address);
        let mut child = Command::new(env!("CARGO_BIN_EXE_signal-hub"))
            .args(["listen", "--hub", &url, "--as", "@(a)"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        let mut said = Vec::new();
        while !said.contains(&"hub:register".to_owned()) {
            said.extend(request(hub.input().await));
        }
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        while !said.contains(&"hub:disconnect".to_owned()) {
            said.extend(request(hub.input().await));
        }
        hub.closed(SessionKey(0)).await;
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

fn request(input: Input) -> Option<String> {
    match input {
        Input::Frame(_, Ok(ClientFrame::Request(request))) => Some(request.type_name.to_string()),
        _ => None,
    }
}

#[test]
fn an_address_that_is_taken_is_an_error_on_stderr() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = serve(&address).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(&format!("cannot listen on {address}")), "{stderr}");
}

#[test]
fn a_wrong_argument_is_a_usage_error() {
    let output = serve("nowhere").wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

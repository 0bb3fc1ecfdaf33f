//! `signal-hub serve` as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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

#[test]
fn the_service_manager_hears_that_the_hub_listens_and_that_it_stops() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("service-manager");
    std::fs::create_dir_all(&folder).unwrap();
    let socket = folder.join(std::process::id().to_string());
    let manager = UnixDatagram::bind(&socket).unwrap();
    // Else a hub that says nothing would hang the test.
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_signal-hub"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &socket)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let hear = || {
        let mut heard = [0; 64];
        let length = manager.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1\n");
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(hear(), "STOPPING=1\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    std::fs::remove_file(socket).unwrap();
}

#[test]
fn bash_completes_a_command_and_its_flags() {
    let program = env!("CARGO_BIN_EXE_signal-hub");
    let asked = r#"
        source <("$0" completions bash)
        completed() { COMP_WORDS=(signal-hub "$@") COMP_CWORD=$#; _signal__hub signal-hub "${@: -1}"; echo "${COMPREPLY[@]}"; }
        completed ser
        completed serve --print-
    "#;
    let output = Command::new("bash").args(["-c", asked, program]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(told, "serve\n--print-config\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    let _ = std::fs::remove_dir_all(&folder);
    let man = Command::new(env!("CARGO_BIN_EXE_signal-hub")).arg("man").arg(&folder).status();
    assert!(man.unwrap().success());
    let mut pages: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    let commands = ["bench", "completions", "listen", "man", "send", "serve", "token"];
    let wanted = commands.map(|command| format!("signal-hub-{command}.1"));
    let pages: Vec<&String> = pages.iter().filter(|page| !page.contains("bench-")).collect();
    assert_eq!(pages[..7], wanted.each_ref()[..]);
    let serve = std::fs::read_to_string(folder.join("signal-hub-serve.1")).unwrap();
    assert!(serve.contains(".SH OPTIONS") && serve.contains("queue\\-messages\\-max"), "{serve}");
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

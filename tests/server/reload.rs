//! What SIGHUP changes in a hub that runs, and what it leaves as it was.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command};

use rcgen::CertifiedKey;

use crate::fixture::UPGRADE;
use crate::settings::{file, running, signal};

/// A hub that runs, and what it logs.
struct Hub {
    child: Child,
    port: String,
    logs: BufReader<ChildStderr>,
}

impl Hub {
    fn start(arguments: &[&str]) -> Self {
        let (mut child, address) = running(arguments);
        let logs = BufReader::new(child.stderr.take().unwrap());
        let port = address.rsplit_once(':').unwrap().1.to_owned();
        Self { child, port, logs }
    }

    /// Sends SIGHUP and waits until the hub says that it is done.
    fn hang_up(&mut self) -> String {
        signal(&self.child, "-HUP");
        let mut logs = String::new();
        while !logs.contains("\"reloaded\"") {
            assert!(self.logs.read_line(&mut logs).unwrap() > 0, "{logs}");
        }
        logs
    }

    fn ends(mut self) {
        signal(&self.child, "-TERM");
        let mut rest = String::new();
        self.logs.read_to_string(&mut rest).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{rest}");
    }

    /// Returns whether the command line's own client gets as far as an answer to `hub:send`.
    fn answers(&self, scheme: &str, more: &[&str]) -> bool {
        let url = format!("{scheme}://localhost:{}/ws", self.port);
        let words = ["send", "--hub", &url, "--as", "@(a)", "--to", "@(b)", "--type", "note"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_signal-hub"));
        let output = command.args(words).args(more).env_remove("SIGNAL_HUB_TOKEN").output();
        String::from_utf8_lossy(&output.unwrap().stdout).contains("unknown_actor")
    }

    /// The status that a page of `origin` gets.
    fn status(&self, origin: &str) -> String {
        let heads = format!("Host: hub\r\nOrigin: {origin}\r\n");
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).unwrap();
        stream.write_all(UPGRADE.replace("Host: hub\r\n", &heads).as_bytes()).unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).unwrap();
        String::from_utf8_lossy(&begin[9..]).into_owned()
    }
}

/// A test that fails leaves no hub behind.
impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes a new certificate and its key to the files of this name; the certificate's text.
fn certificate(name: &str) -> (PathBuf, PathBuf, String) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = file(&format!("{name}.key"), &signing_key.serialize_pem());
    (file(&format!("{name}.pem"), &cert.pem()), key, cert.pem())
}

#[test]
fn a_new_certificate_is_served_and_a_bad_one_is_not() {
    let (chain, key, first) = certificate("reloaded");
    let mut hub = Hub::start(&["--tls-cert", text(&chain), "--tls-key", text(&key)]);
    let first = file("first.pem", &first);
    assert!(hub.answers("wss", &["--ca", text(&first)]));
    let (_, _, second) = certificate("reloaded");
    let second = file("second.pem", &second);
    hub.hang_up();
    assert!(hub.answers("wss", &["--ca", text(&second)]));
    fs::write(&chain, "nonsense").unwrap();
    let logs = hub.hang_up();
    assert!(logs.contains("the certificate stays as it was"), "{logs}");
    assert!(hub.answers("wss", &["--ca", text(&second)]));
    hub.ends();
}

#[test]
fn a_new_key_counts_for_the_next_token_and_a_bad_one_does_not() {
    let secret = file("reloaded.secret", "the first secret has so many bytes");
    let mut hub = Hub::start(&["--auth-secret-file", text(&secret)]);
    let token = |name: &str| {
        let arguments = ["token", "--secret-file", text(&secret), "--sub", "a", "--actor", "a"];
        let output = Command::new(env!("CARGO_BIN_EXE_signal-hub")).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        file(name, &String::from_utf8(output.stdout).unwrap())
    };
    assert!(hub.answers("ws", &["--token-file", text(&token("first.token"))]));
    fs::write(&secret, "another secret of as many bytes as that").unwrap();
    let second = token("second.token");
    hub.hang_up();
    assert!(hub.answers("ws", &["--token-file", text(&second)]));
    fs::write(&secret, "short").unwrap();
    let logs = hub.hang_up();
    assert!(logs.contains("the key stays as it was"), "{logs}");
    assert!(hub.answers("ws", &["--token-file", text(&second)]));
    hub.ends();
}

#[test]
fn origins_and_the_filter_are_read_again_and_the_rest_needs_a_restart() {
    let config = file("reloaded.toml", "allowed_origins = [\"https://one.example\"]\n");
    let mut hub = Hub::start(&["--config", text(&config)]);
    let both = |hub: &Hub| ["https://one.example", "https://two.example"].map(|o| hub.status(o));
    assert_eq!(both(&hub), ["101", "403"]);
    let changed = "allowed_origins = [\"https://two.example\"]\nsessions_max = 7\n\
        log = \"info,signal_hub=debug\"\n";
    fs::write(&config, changed).unwrap();
    let logs = hub.hang_up();
    assert!(logs.contains("sessions_max") && logs.contains("needs a restart"), "{logs}");
    assert_eq!(both(&hub), ["403", "101"]);
    fs::write(&config, "allowed_origins = [\"nonsense\"]\n").unwrap();
    let logs = hub.hang_up();
    assert!(logs.contains("nonsense") && logs.contains("stay as they were"), "{logs}");
    assert_eq!(both(&hub), ["403", "101"]);
    hub.ends();
}

#[test]
fn the_audit_that_was_moved_away_goes_on_in_a_new_file() {
    let audit = file("rotated.jsonl", "");
    let moved = audit.with_extension("1");
    let mut hub = Hub::start(&["--audit", text(&audit)]);
    fs::rename(&audit, &moved).unwrap();
    hub.hang_up();
    assert!(hub.answers("ws", &[]));
    hub.ends();
    let text = fs::read_to_string(&audit).unwrap();
    assert!(text.contains("session_connected"), "{text}");
}

//! `listen --recover` behind a network that is cut while others talk to it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};
use signal_hub::client::{ActorConfig, Client, ClientConfig};
use signal_hub::hub::{Config, Input};
use signal_hub::protocol::{ActorAddress, ClientFrame};
use signal_hub::runtime::{Runtime, Tokio};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::watch;

use crate::fixture::{FREE_PORT, Running, within};

/// How long the network is cut.
const CUT: Duration = Duration::from_secs(5);
const PACE: Duration = Duration::from_millis(40);
/// Messages before the cut and after it.
const AROUND: u64 = 10;

/// What the hub sees of a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HubSees {
    TheEnd,
    /// It goes on writing into the void.
    Nothing,
}

#[tokio::test]
async fn a_cut_that_the_hub_sees_costs_no_message_and_brings_none_twice() {
    check(HubSees::TheEnd).await;
}

#[tokio::test]
async fn a_cut_that_the_hub_does_not_see_costs_no_message_and_brings_none_twice() {
    check(HubSees::Nothing).await;
}

async fn check(hub_sees: HubSees) {
    let mut hub = Running::start(Config::default()).await;
    let (cut, is_cut) = watch::channel(false);
    let network = network(hub.address, is_cut, hub_sees).await;
    let mut listener = Listener::start(network, hub_sees);
    while !is_register(&hub.input().await) {}

    let config = |name| ActorConfig::new(ActorAddress::from_path(name).unwrap());
    let url = format!("ws://{}/ws", hub.address).parse().unwrap();
    let (sender, _events) = Client::connect(Tokio, ClientConfig::new(url, vec![config("bob")]));
    let to = ActorAddress::from_path("alice").unwrap();
    let mut sent = 0;
    let mut talk = async |times| {
        for _ in 0..times {
            sent += 1;
            sender.ask_send(to.clone(), "note", json!(sent).into()).await.unwrap();
            Tokio.sleep(PACE).await;
        }
        sent
    };
    talk(AROUND).await;
    cut.send_replace(true);
    talk((CUT.as_millis() / PACE.as_millis()) as u64).await;
    cut.send_replace(false);
    let last = talk(AROUND).await;

    let wanted: Vec<u64> = (1..=last).collect();
    within(listener.until(|heard| heard.contains(&last))).await;
    assert_eq!(listener.heard(), wanted, "{hub_sees:?}: {}", listener.news());
    assert!(listener.news().contains("recovered @(alice)"), "{}", listener.news());
    assert!(!listener.news().contains("a gap"), "{}", listener.news());
}

fn is_register(input: &Input) -> bool {
    match input {
        Input::Frame(_, Ok(ClientFrame::Request(request))) => request.type_name == "hub:register",
        _ => false,
    }
}

/// The program, as `@(alice)`.
struct Listener {
    child: Child,
    /// What it writes to stdout and to stderr.
    files: [PathBuf; 2],
}

impl Listener {
    fn start(hub: SocketAddr, named: HubSees) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let files = ["out", "err"]
            .map(|end| folder.join(format!("recovery-{named:?}-{}.{end}", std::process::id())));
        let [stdout, stderr] = files.each_ref().map(|file| File::create(file).unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_signal-hub"))
            .args(["listen", "--recover", "--as", "@(alice)", "--hub", &format!("ws://{hub}/ws")])
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { child, files }
    }

    fn heard(&self) -> Vec<u64> {
        let text = fs::read_to_string(&self.files[0]).unwrap();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let said = whole.map(|line| serde_json::from_str::<Value>(line).unwrap());
        said.map(|said| said["payload"].as_u64().unwrap()).collect()
    }

    fn news(&self) -> String {
        fs::read_to_string(&self.files[1]).unwrap()
    }

    async fn until(&mut self, wanted: impl Fn(&[u64]) -> bool) {
        while !wanted(&self.heard()) {
            Tokio.sleep(PACE).await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.files.iter().for_each(|file| drop(fs::remove_file(file)));
    }
}

/// A network before the hub that can be cut.
async fn network(hub: SocketAddr, is_cut: watch::Receiver<bool>, hub_sees: HubSees) -> SocketAddr {
    let listener = TcpListener::bind(FREE_PORT).await.unwrap();
    let address = listener.local_addr().unwrap();
    Tokio.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            if !*is_cut.borrow() {
                Tokio.spawn(connection(client, hub, is_cut.clone(), hub_sees));
            }
        }
    });
    address
}

/// The client of a connection that is cut finds it broken.
async fn connection(
    mut client: TcpStream,
    hub: SocketAddr,
    mut is_cut: watch::Receiver<bool>,
    hub_sees: HubSees,
) {
    let mut hub = TcpStream::connect(hub).await.unwrap();
    select! {
        biased;
        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
        _ = copy_bidirectional(&mut client, &mut hub) => return,
    }
    let _ = client.shutdown().await;
    drop(client);
    let mut lost = [0; 4096];
    while hub_sees == HubSees::Nothing && hub.read(&mut lost).await.is_ok_and(|read| read > 0) {}
}

//! The proxy alone, between a socket that plays the host and one that plays the hub.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::network::Network;
use super::process::RealProcess;
use super::pulse::Pulse;
use super::sockets::{ANYWHERE, connect, listen, reset};
use crate::backend::testbed::Process;
use crate::backend::wire::WireProcess;
use crate::net::{Choice, ConnectMode, CutDetection, Fault, LinkConfig, NetEventKind, Peers, Seen};
use crate::runtime::{Runtime, Tokio};

const HOST: &str = "alice";
const MS: fn(u64) -> Duration = Duration::from_millis;

/// A hub that only listens, its proxies, and what these have told.
struct Bench {
    network: Network,
    hub: TcpListener,
    told: Arc<Mutex<Vec<NetEventKind>>>,
}

impl Bench {
    fn new(link: LinkConfig) -> Self {
        let told = Arc::<Mutex<Vec<_>>>::default();
        let sink = Arc::clone(&told);
        let network =
            Network::new(1, link, Box::new(move |event| sink.lock().unwrap().push(event.kind)));
        let hub = listen(ANYWHERE).unwrap();
        network.net.host(HOST);
        network.hub_listens(hub.local_addr().unwrap());
        Self { network, hub, told }
    }

    async fn dial(&self) -> TcpStream {
        connect(self.network.proxy_address(HOST).unwrap()).await.unwrap()
    }

    /// Both ends of a connection that has carried a byte each way.
    async fn pair(&self) -> (TcpStream, TcpStream) {
        let mut client = self.dial().await;
        let (mut server, _) = self.hub.accept().await.unwrap();
        client.write_all(b"a").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'a');
        server.write_all(b"b").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'b');
        (client, server)
    }

    fn has_told(&self, is_it: impl Fn(&NetEventKind) -> bool) -> bool {
        self.told.lock().unwrap().iter().any(is_it)
    }

    fn took_effect(&self) -> bool {
        self.has_told(|kind| matches!(kind, NetEventKind::TookEffect { .. }))
    }
}

fn play<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test)
}

fn connects(mode: ConnectMode) -> Fault {
    Fault::Connects { from: HOST.to_owned(), to: "hub".to_owned(), mode }
}

async fn error(stream: &mut TcpStream) -> ErrorKind {
    stream.read_u8().await.expect_err("the connection is broken").kind()
}

#[test]
fn bytes_arrive_in_order_and_not_before_their_latency() {
    play(async {
        let link = LinkConfig { latency: MS(50), jitter: MS(50), ..LinkConfig::default() };
        let bench = Bench::new(link);
        let (mut client, mut server) = bench.pair().await;
        let (sent, began) = (vec![7; 40_000], bench.network.net.elapsed());
        let mut arrived = vec![0; sent.len()];
        let (wrote, read) = tokio::join!(client.write_all(&sent), server.read_exact(&mut arrived));
        wrote.and(read.map(|_| ())).unwrap();
        assert!(bench.network.net.elapsed() >= began + MS(50));
        assert!(arrived == sent);
    });
}

#[test]
fn a_close_on_a_healthy_link_reaches_the_other_end_and_ends_the_connection() {
    play(async {
        let bench = Bench::new(LinkConfig::default());
        let (client, mut server) = bench.pair().await;
        drop(client);
        assert_eq!(error(&mut server).await, ErrorKind::UnexpectedEof);
        drop(server);
        let closed = |kind: &NetEventKind| matches!(kind, NetEventKind::Closed { .. });
        while !bench.has_told(closed) {
            Tokio.sleep(MS(5)).await;
        }
    });
}

#[test]
fn a_cut_is_seen_by_each_end_when_it_is_said_to() {
    play(async {
        let bench = Bench::new(LinkConfig::default());
        let (mut client, mut server) = bench.pair().await;
        let began = bench.network.net.elapsed();
        let late = CutDetection::end_of_stream(Seen::After(MS(400)));
        let connections = Choice::Of { host: HOST.to_owned() };
        let client_sees = CutDetection::reset(Seen::Now);
        bench
            .network
            .net
            .inject(Fault::Sever { connections, client_sees, server_sees: late })
            .unwrap();
        assert_eq!(error(&mut client).await, ErrorKind::ConnectionReset);
        assert_eq!(error(&mut server).await, ErrorKind::UnexpectedEof);
        assert!(bench.network.net.elapsed() >= began + MS(400));
        assert!(bench.took_effect());
        for into_the_void in [b"c", b"d"] {
            server.write_all(into_the_void).await.unwrap();
            Tokio.sleep(MS(50)).await;
        }
    });
}

#[test]
fn an_end_that_has_said_all_still_hears_the_other() {
    play(async {
        let bench = Bench::new(LinkConfig::default());
        let (mut client, mut server) = bench.pair().await;
        client.shutdown().await.unwrap();
        assert_eq!(error(&mut server).await, ErrorKind::UnexpectedEof);
        server.write_all(b"c").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'c');
    });
}

#[test]
fn a_process_that_resets_its_socket_resets_the_other_end() {
    play(async {
        let bench = Bench::new(LinkConfig::default());
        let (client, mut server) = bench.pair().await;
        reset(client);
        assert_eq!(error(&mut server).await, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_refused_connect_is_reset_and_the_hub_hears_nothing() {
    play(async {
        let bench = Bench::new(LinkConfig::default());
        bench.network.net.inject(connects(ConnectMode::Refuse)).unwrap();
        assert_eq!(error(&mut bench.dial().await).await, ErrorKind::ConnectionReset);
        assert!(bench.has_told(|kind| matches!(kind, NetEventKind::Refused { .. })));
        bench.network.net.inject(connects(ConnectMode::Accept)).unwrap();
        bench.pair().await;
    });
}

#[test]
fn whoever_reads_nothing_soon_keeps_the_other_from_writing() {
    play(async {
        let bench = Bench::new(LinkConfig { window_bytes: 4_096, ..LinkConfig::default() });
        let (mut client, mut server) = bench.pair().await;
        let lasts = Duration::from_secs(60);
        bench.network.net.inject(Fault::PauseHostReading { host: HOST.to_owned(), lasts }).unwrap();
        let many = vec![7; 8 * 1024 * 1024];
        tokio::select! {
            biased;
            _ = server.write_all(&many) => panic!("megabytes went where nobody reads"),
            () = Tokio.sleep(MS(300)) => {}
        }
        bench.network.net.inject(Fault::Heal).unwrap();
        client.read_exact(&mut vec![0; 4_096]).await.unwrap();
    });
}

#[test]
fn the_kernel_of_a_dead_process_resets_its_connections() {
    play(async {
        let bench = Bench::new(LinkConfig::default());
        let (client, mut server) = bench.pair().await;
        bench
            .network
            .net
            .inject(Fault::Crash { host: HOST.to_owned(), peers: Peers::SeeReset })
            .unwrap();
        drop(client);
        assert_eq!(error(&mut server).await, ErrorKind::ConnectionReset);
    });
}

#[test]
fn without_a_hub_a_connect_is_refused() {
    play(async {
        let bench = Bench::new(LinkConfig::default());
        bench.network.hub_left(bench.hub.local_addr().unwrap());
        assert_eq!(error(&mut bench.dial().await).await, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_task_of_a_killed_process_does_not_see_the_others_end() {
    play(async {
        let bench = Bench::new(LinkConfig::default());
        let process = RealProcess::new(HOST, bench.network.clone(), Arc::new(|_| {}));
        let (keep, kept) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let (one, other) = (process.runtime(), process.runtime());
        one.spawn(async move {
            std::future::pending::<()>().await;
            drop(keep);
        });
        other.spawn(async move {
            let _ = kept.await;
            tell.send("the other one has ended").unwrap();
        });
        tokio::task::yield_now().await;
        process.kill();
        assert!(told.await.is_err());
    });
}

#[test]
fn a_paused_process_goes_on_where_it_was() {
    play(async {
        let bench = Bench::new(LinkConfig::default());
        let process = RealProcess::new(HOST, bench.network.clone(), Arc::new(|_| {}));
        let (tell, mut told) = oneshot::channel();
        process.pause();
        process.runtime().spawn(async move { tell.send(()).unwrap() });
        Tokio.sleep(MS(100)).await;
        assert!(told.try_recv().is_err());
        process.resume();
        told.await.unwrap();
    });
}

#[test]
fn a_machine_that_stands_still_is_noticed() {
    let pulse = Pulse::begin();
    let process = std::process::id();
    let freeze = format!("kill -STOP {process}; sleep 0.4; kill -CONT {process}");
    let frozen = std::process::Command::new("sh").args(["-c", &freeze]).status();
    assert!(frozen.expect("the system has a shell").success());
    let standstill = pulse.end();
    assert!(standstill >= MS(300), "{standstill:?}");
}

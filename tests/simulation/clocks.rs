//! Wall clocks jump by an hour, and nobody's deadlines do.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use madsim::time::{TimeHandle, sleep};
use signal_hub::client::{
    ActorConfig, Client, ClientConfig, DisconnectReason, Event, Events, RawArrival, RawTransport,
    RequestCommand,
};
use signal_hub::hub::Config;
use signal_hub::protocol::{ActorAddress, Json, PROTOCOL_VERSION, Pattern, Send, Verb};
use signal_hub::server::Server;
use signal_hub_sim::net::{Fault, LinkConfig, Net};
use signal_hub_sim::runtime::{SimRuntime, simulate};

const HOUR: i64 = 3_600_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn address(path: &str) -> ActorAddress {
    ActorAddress::from_path(path).expect("the test knows addresses")
}

/// A network with a hub and a host for alice.
struct World {
    net: Net,
}

impl World {
    /// The hub's wall clock is so many milliseconds ahead when it starts.
    async fn new(ahead: i64) -> Self {
        let world = Self { net: Net::new(1, LinkConfig::default(), Box::new(|_| {})) };
        let runtime = SimRuntime::new(world.net.host("hub"));
        world.net.host("alice");
        world.set_clock("hub", ahead);
        madsim::task::spawn(async move {
            let address = SocketAddr::from(([0, 0, 0, 0], 80));
            let server = Server::bind(runtime, address, Config::default(), ()).await;
            server.expect("the port is free").run(std::future::pending()).await
        });
        sleep(Duration::from_millis(1)).await;
        world
    }

    fn set_clock(&self, host: &str, milliseconds: i64) {
        let fault = Fault::ClockSkew { host: host.to_owned(), milliseconds };
        self.net.inject(fault).expect("the host exists");
    }

    /// A client that has just registered, for 12 s.
    async fn alice(&self) -> (Client, Events) {
        let actor = ActorConfig { ttl: seconds(12), ..ActorConfig::new(address("alice")) };
        let config = ClientConfig::new("ws://hub:80/ws".parse().expect("a URL"), vec![actor]);
        let (client, mut events) = Client::connect(SimRuntime::new(self.net.host("alice")), config);
        while !matches!(events.next().await, Some(Event::Registered { .. })) {}
        (client, events)
    }
}

fn play<F: Future<Output = ()>>(body: impl FnOnce() -> F + std::marker::Send + 'static) {
    simulate(1, body);
}

/// For a minute nothing happens but renewals, one each 8 s.
async fn assert_stays_registered(events: &mut Events) {
    let mut renewals = 0;
    let minute = sleep(seconds(60));
    tokio::pin!(minute);
    loop {
        tokio::select! {
            biased;
            () = &mut minute => break,
            event = events.next() => match event {
                Some(Event::Renewed { .. }) => renewals += 1,
                other => panic!("it was registered and renewed: {other:?}"),
            },
        }
    }
    assert!((6..=8).contains(&renewals), "{renewals} renewals");
}

#[test]
fn a_hub_whose_clock_is_set_back_still_closes_who_is_silent() {
    play(async || {
        let world = World::new(0).await;
        let runtime = SimRuntime::new(world.net.host("alice"));
        let url = "ws://hub:80/ws".parse().expect("a URL");
        let mut silent = RawTransport::dial(runtime, url, 65_536).await.expect("the hub listens");
        silent.queue(format!(
            r#"{{"id":"1","from":"@(alice)","to":"@(cloudflare/signal-hub)","type":"hub:connect",
                "pattern":"ask","timestamp":1,"payload":null,
                "metadata":{{"protocolVersion":"{PROTOCOL_VERSION}","capabilities":["messaging"]}}}}"#
        ));
        assert!(matches!(silent.next().await, RawArrival::Frame(_)));
        world.set_clock("hub", -HOUR);
        // Whoever does not read does not answer pings either.
        sleep(Config::default().idle_timeout.mul_f64(1.06)).await;
        let begin = TimeHandle::current().elapsed();
        let lost = loop {
            if let RawArrival::Lost(why) = silent.next().await {
                break why;
            }
        };
        let closed = DisconnectReason::Closed {
            code: Some(4004),
            reason: "silent for idle_timeout".to_owned(),
        };
        assert_eq!(lost, closed);
        assert!(TimeHandle::current().elapsed() - begin < seconds(1), "it was closed before");
        world.net.stop();
    });
}

#[test]
fn a_hub_whose_clock_is_set_forward_closes_nobody_and_expires_nothing() {
    play(async || {
        let world = World::new(0).await;
        let (_client, mut events) = world.alice().await;
        world.set_clock("hub", HOUR);
        assert_stays_registered(&mut events).await;
        world.net.stop();
    });
}

#[test]
fn a_client_whose_clock_is_set_back_or_forward_renews_in_time() {
    for jump in [-HOUR, HOUR] {
        play(async move || {
            let world = World::new(0).await;
            let (_client, mut events) = world.alice().await;
            world.set_clock("alice", jump);
            assert_stays_registered(&mut events).await;
            world.net.stop();
        });
    }
}

/// The hub's time is nearly an hour ahead for long, or the client's is behind; their wall clocks
/// agree.
#[test]
fn messages_expire_by_the_wall_clock_once_it_was_corrected() {
    for (hub, alice) in [(HOUR, 0), (0, -HOUR)] {
        play(async move || {
            let world = World::new(hub).await;
            world.set_clock("alice", alice);
            let (client, _events) = world.alice().await;
            world.set_clock("hub", 0);
            world.set_clock("alice", 0);
            let verb = Verb::Send(Send {
                to: address("alice").into(),
                kind: "note".into(),
                data: Json::NULL,
                queue: true,
            });
            let request = RequestCommand::new(Pattern::Ask, verb);
            let request = RequestCommand { ttl: Some(seconds(1)), ..request };
            let outcome = client.request(request).await;
            assert!(outcome.is_ok(), "{outcome:?}");
            world.net.stop();
        });
    }
}

//! The real server and real clients in a world of one's own: no scenario, no storm, and no waiting for anything.
//!
//! ```sh
//! cargo run --package signal-hub-sim --example own_world
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use dst::executor::{Current, Executor, Node};
use signal_hub::client::{Client, ClientConfig, Event, Events};
use signal_hub::hub::Config;
use signal_hub::runtime::Runtime;
use signal_hub::server::Server;
use signal_hub_sim::net::{Choice, Fault, LinkConfig, Net};
use signal_hub_sim::runtime::{SimRuntime, simulate};

fn main() {
    simulate(1, async || {
        let net =
            Net::new(1, LinkConfig::default(), Box::new(|change| println!("      {change:?}")));
        let runtime = SimRuntime::new(net.host("hub"));
        let node = Current::current().node("hub");
        node.spawn(Box::pin(async move {
            let port_80 = SocketAddr::from(([0, 0, 0, 0], 80));
            let server = Server::bind(runtime, port_80, Config::default(), ()).await;
            server
                .expect("nobody else listens")
                .run(std::future::pending())
                .await
                .expect("it lives");
        }));
        let runtime = SimRuntime::new(net.host("bob"));
        runtime.sleep(Duration::from_millis(1)).await;
        let bob: signal_hub::protocol::ActorAddress = "@(bob)".parse().expect("an address");
        let url = "ws://hub:80/ws".parse().expect("a URL");
        let (_client, mut events) = Client::connect(runtime, ClientConfig::for_actor(url, bob));
        assert!(!registered(&mut events).await, "nobody knew bob");
        net.inject(Fault::Reset { connections: Choice::Of { host: "bob".to_owned() } })
            .expect("there is one");
        assert!(registered(&mut events).await, "the hub kept bob's address");
        node.kill();
        net.stop();
    });
}

/// Waits until the client has its address. Returns whether the hub still knew it.
async fn registered(events: &mut Events) -> bool {
    loop {
        let event = events.next().await.expect("the client comes back");
        println!("bob   {event:?}");
        if let Event::Registered { resumed, .. } = event {
            return resumed;
        }
    }
}

//! A hub in somebody's tokio program: it listens on a port of its own, is watched from inside, and shuts
//! down in order with the program.
//!
//! ```sh
//! cargo run --example embedded_hub
//! ```

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use signal_hub::hub::{Config, Hub, Output};
use signal_hub::prelude::*;
use signal_hub::server::{Limits, Observer, Server};
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

/// Counts what the hub does, in its own task: whoever watches must not wait.
#[derive(Clone, Default)]
struct Counts {
    outputs: Arc<AtomicU64>,
}

impl Observer for Counts {
    fn after(&mut self, _now: Timestamp, outputs: &[Output], _hub: &Hub) {
        self.outputs.fetch_add(outputs.len() as u64, Ordering::Relaxed);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config { idle_timeout: Duration::from_secs(30), ..Config::default() };
    config.check()?;
    let counts = Counts::default();
    // Port 0: the system chooses one.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::bind(Tokio, address, config, counts.clone()).await?;
    let server = server.with_limits(Limits { connections_max: 1_000, ..Limits::default() });
    let address = server.local_address()?;
    println!("listening on ws://{address}/ws");

    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        // Dropped or sent, both mean that it is over.
        let _ = stopped.await;
    };
    // The program's own work beside it; where they are to use several cores, spawn both.
    let work = async {
        let done = talk(address).await;
        drop(stop);
        done
    };
    let (served, worked) = tokio::join!(server.run(shutdown), work);
    served?;
    worked?;
    println!("the hub gave {} outputs and has shut down", counts.outputs.load(Ordering::Relaxed));
    Ok(())
}

/// Alice sends bob a message through the hub.
async fn talk(hub: SocketAddr) -> Result<(), Box<dyn Error>> {
    let connect = |address: &ActorAddress| -> Result<_, Box<dyn Error>> {
        let url = format!("ws://{hub}/ws").parse()?;
        Ok(Client::connect(Tokio, ClientConfig::for_actor(url, address.clone())))
    };
    let (alice, bob): (ActorAddress, ActorAddress) = ("@(alice)".parse()?, "@(bob)".parse()?);
    let (receiver, mut events) = connect(&bob)?;
    registered(&mut events).await?;
    let (sender, _unread) = connect(&alice)?;
    let outcome = sender.ask_send(bob, "greeting", Json::from_value(&"hi")?).await?;
    assert!(matches!(outcome, SendOutcome::Delivered(_)), "{outcome:?}");
    if let Some(message) = events.messages().next().await {
        println!("{} says {}", message.from, message.payload);
    }
    sender.disconnect(None).await?;
    receiver.disconnect(None).await?;
    Ok(())
}

/// Waits until the client has its address.
async fn registered(events: &mut Events) -> Result<(), ClientError> {
    while let Some(event) = events.next().await {
        if let Event::Registered { .. } = event {
            return Ok(());
        }
    }
    Err(ClientError::Ended)
}

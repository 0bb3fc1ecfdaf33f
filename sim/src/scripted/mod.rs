//! A hub that behaves badly on purpose, for whoever tests a client over real sockets: the real hub, and before
//! it whoever plays a [`Script`]. What is done goes by what was said before it and never by a clock, so that
//! the same client meets the same each time.

mod connection;
mod script;
#[cfg(test)]
mod tests;

use std::future::{Future, pending};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use signal_hub::client::{Client, ClientConfig, Event, HubUrl};
use signal_hub::protocol::ActorAddress;
use signal_hub::runtime::{Runtime, Tokio};
use signal_hub::server::Server;
use tokio::net::TcpListener;
use tokio::select;

use connection::Connection;
pub use script::{CONNECT, Deed, Play, Rule, Script, read, read_file};

/// Connections at a time; others wait in the backlog.
const CONNECTIONS_MAX: usize = 256;
/// How long it accepts nothing after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// For an upgrade, the answer to a close frame, and what another session needs to register.
const PATIENCE: Duration = Duration::from_secs(10);

/// A hub with a script.
pub struct ScriptedHub<T> {
    listener: TcpListener,
    shared: Shared<T>,
}

/// What all connections share.
struct Shared<T> {
    /// The real hub.
    hub: HubUrl,
    hub_address: ActorAddress,
    play: Mutex<Play>,
    tell: T,
}

impl<T: Fn(&str)> ScriptedHub<T> {
    /// Listens on `address`, and starts the hub behind it. `tell` gets one line for each thing that is said or
    /// done: the number of the connection, `>` for what the client says, `<` for what it hears, `!` for what
    /// the script does.
    ///
    /// # Errors
    /// If there is no such port to be had.
    pub async fn bind(address: SocketAddr, script: Script, tell: T) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let hub_address = script.hub.hub_address.clone();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(Tokio, anywhere, script.hub, ()).await?;
        let hub = format!("ws://{}/ws", server.local_address()?);
        let hub = hub.parse().map_err(io::Error::other)?;
        Tokio.spawn(async move {
            // It ends with the program.
            let _ = server.run(pending()).await;
        });
        let play = Mutex::new(Play::new(script.rules));
        Ok(Self { listener, shared: Shared { hub, hub_address, play, tell } })
    }

    /// Where clients connect.
    ///
    /// # Errors
    /// The system's.
    pub fn url(&self) -> io::Result<String> {
        Ok(format!("ws://{}/ws", self.listener.local_addr()?))
    }

    /// Plays until `stop` ends. Returns the numbers of the rules that were never played, or less often than
    /// they say.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Vec<usize> {
        let Self { listener, shared } = &self;
        let (mut connections, mut number) = (FuturesUnordered::new(), 0);
        let mut stop = std::pin::pin!(stop);
        loop {
            select! {
                biased;
                () = &mut stop => return shared.play().left(),
                Some(()) = connections.next() => {}
                accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                    let Ok((stream, _)) = accepted else {
                        // It is gone again, or there are no more files: until one is free, there is nothing to do.
                        Tokio.sleep(ACCEPT_PAUSE).await;
                        continue;
                    };
                    number += 1;
                    connections.push(Connection::serve(shared, number, stream));
                }
            }
        }
    }
}

impl<T: Fn(&str)> Shared<T> {
    fn play(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, connection: u64, what: &str) {
        (self.tell)(&format!("{connection} {what}"));
    }

    /// What the script does now, told before it is done.
    fn deeds(&self, connection: u64, what: &str) -> Vec<Deed> {
        let deeds = self.play().on(connection, what);
        let told = deeds.into_iter().map(|(rule, deed)| {
            self.tell(connection, &format!("! {} (rule {rule})", deed.word()));
            deed
        });
        told.collect()
    }

    /// Has another session take the address; it keeps it as long as the program lives.
    async fn take_over(&self, connection: u64, address: ActorAddress) {
        let config = ClientConfig {
            hub_address: self.hub_address.clone(),
            ..ClientConfig::for_actor(self.hub.clone(), address)
        };
        let (client, mut events) = Client::connect(Tokio, config);
        let registered = async {
            while let Some(event) = events.next().await {
                match event {
                    Event::Registered { .. } => return true,
                    Event::RegistrationRefused { .. } => return false,
                    _ => {}
                }
            }
            false
        };
        let is_registered = within(registered).await.unwrap_or_default();
        if !is_registered {
            self.tell(connection, "! take_over failed: the hub does not give the address away");
            return;
        }
        Tokio.spawn(async move {
            let _client = client;
            while events.next().await.is_some() {}
        });
    }
}

/// What comes of it in time.
async fn within<T>(what: impl Future<Output = T>) -> Option<T> {
    select! {
        biased;
        done = what => Some(done),
        () = Tokio.sleep(PATIENCE) => None,
    }
}

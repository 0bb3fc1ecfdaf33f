//! The network alone, by the payload and with tasks that wait for it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::executor::{Current, Executor, Node};
use crate::runtime::{SimSleep, simulate};

mod connecting;
mod crashes;
mod faults;
mod order;
mod streams;

use super::suite::{self, PORT, every, link, millis, partition, stall};

impl suite::Sample for bytes::Bytes {
    fn sample() -> Self {
        Self::from_static(&[7; suite::BYTES])
    }
}

crate::for_payload! { bytes::Bytes }

/// A network with a client's and a server's host, and everything that happens on it.
struct Pair {
    net: Net,
    client: Host,
    server: Host,
    events: Arc<Mutex<Vec<NetEvent>>>,
}

impl Pair {
    fn new() -> Self {
        Self::with(1, LinkConfig::default())
    }

    fn with(seed: u64, link: LinkConfig) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let written = events.clone();
        let net = Net::new(seed, link, Box::new(move |event| written.lock().unwrap().push(event)));
        let (client, server) = (net.host("alice"), net.host("hub"));
        Self { net, client, server, events }
    }

    fn listen(&self) -> SimListener {
        self.server.listen(SocketAddr::from(([0, 0, 0, 0], PORT))).unwrap()
    }

    async fn connect(&self) -> io::Result<SimStream> {
        self.client.connect("hub:80").await
    }

    /// A connection: the client's end, the server's end.
    async fn connected(&self) -> (SimStream, SimStream) {
        let listener = self.listen();
        let (client, server) = tokio::join!(self.connect(), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    fn inject(&self, fault: Fault) -> FaultId {
        self.net.inject(fault).unwrap()
    }

    fn took_effect(&self, fault: FaultId) -> bool {
        self.net.took_effect(fault)
    }

    fn state(&self) -> Option<ConnectionState> {
        self.net.connections().last().map(|info| info.state)
    }

    /// Lines for all events, without their times.
    fn lines(&self) -> Vec<String> {
        self.events.lock().unwrap().iter().map(|event| event.kind.to_string()).collect()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.net.stop();
    }
}

/// Ends after a virtual time.
async fn sleep(duration: Duration) {
    SimSleep::new(duration).await;
}

/// What comes of a future within a virtual time, nothing if it is not done by then.
async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        outcome = future => Some(outcome),
        () = sleep(limit) => None,
    }
}

async fn read_some(stream: &mut SimStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    let length = stream.read(&mut bytes).await?;
    bytes.truncate(length);
    Ok(bytes)
}

/// The kind of error that an operation within a long time ends with.
async fn failure<T>(operation: impl Future<Output = io::Result<T>>) -> Option<io::ErrorKind> {
    within(Duration::from_secs(60), operation).await?.err().map(|error| error.kind())
}

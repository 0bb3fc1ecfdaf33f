//! The hub's runtime on that of the simulation: one adapter, whatever the world.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use dst::net::Host;
pub use dst::runtime::simulate;
use signal_hub::runtime::{Listener, Runtime};
use signal_hub::time::Timestamp;

/// The simulated world as a host of it has it, for the server and the client.
pub type SimRuntime = Adapter<dst::runtime::SimRuntime>;

/// A world as the server and the client want it.
#[derive(Clone)]
pub struct Adapter<R>(pub R);

impl SimRuntime {
    /// Tasks run on the node of whoever spawns them.
    pub fn new(host: Host) -> Self {
        Self(dst::runtime::SimRuntime::new(host))
    }
}

/// What a wall clock shows so long after the beginning that is so many milliseconds ahead.
pub fn wall_clock(elapsed: Duration, skew: i64) -> Timestamp {
    timestamp(dst::runtime::wall_clock(elapsed, skew))
}

fn timestamp(since_epoch: Duration) -> Timestamp {
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

impl<R: dst::runtime::Runtime> Runtime for Adapter<R> {
    type Stream = R::Stream;
    type Listener = Adapter<R::Listener>;
    type Sleep = R::Sleep;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn now(&self) -> Timestamp {
        timestamp(self.0.wall_clock())
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn random_seed(&self) -> [u8; 32] {
        self.0.random_seed()
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<Self::Listener> {
        Ok(Adapter(self.0.listen(address).await?))
    }

    async fn connect(&self, authority: &str) -> io::Result<Self::Stream> {
        self.0.connect(authority).await
    }
}

impl<L: dst::runtime::Listener> Listener for Adapter<L> {
    type Stream = L::Stream;

    async fn accept(&mut self) -> io::Result<(L::Stream, SocketAddr)> {
        self.0.accept().await
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_address()
    }
}

#[cfg(test)]
mod tests {
    use dst::executor::{Current, Executor, Node};
    use dst::net::{LinkConfig, Net, SimStream};
    use signal_hub::hub::Config;
    use signal_hub::server::Server;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(stream: &mut SimStream, path: &str, headers: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: hub\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[test]
    fn the_server_that_users_run_serves_a_simulated_client() {
        simulate(1, async || {
            let net = Net::new(1, LinkConfig::default(), Box::new(|_| {}));
            let node = Current::current().node("hub");
            let runtime = SimRuntime::new(net.host("hub"));
            node.spawn(Box::pin(async move {
                let address = SocketAddr::from(([0, 0, 0, 0], 80));
                let server = Server::bind(runtime, address, Config::default(), ()).await.unwrap();
                server.run(std::future::pending()).await.unwrap();
            }));
            let client = SimRuntime::new(net.host("alice"));
            client.sleep(Duration::from_millis(1)).await;
            let mut stream = client.connect("hub:80").await.unwrap();
            let health = ask(&mut stream, "/health", "").await;
            assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
            let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
            let switched = ask(&mut stream, "/ws", upgrade).await;
            assert!(switched.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{switched}");
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            assert!(rest.starts_with(&[0x88]), "a silent client is not closed: {rest:?}");
            node.kill();
            net.stop();
        });
    }
}

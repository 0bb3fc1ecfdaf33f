//! A server on a free port, and clients that speak to it.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use signal_hub::auth::Access;
use signal_hub::cluster::ClusterConfig;
use signal_hub::hub::{CloseCause, Config, Hub, Input, SessionKey};
use signal_hub::runtime::{Runtime, Tokio};
use signal_hub::server::{EngineLink, Limits, Observer, Server, ServerLost, Tls};
use signal_hub::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A server under test.
pub struct Running {
    pub address: SocketAddr,
    /// Where the admin listener listens, if there is one.
    pub admin: Option<SocketAddr>,
    inputs: mpsc::UnboundedReceiver<Input>,
    stop: oneshot::Sender<()>,
    end: oneshot::Receiver<Result<(), ServerLost>>,
}

impl Running {
    pub async fn start(config: Config) -> Self {
        Self::observed_by(config, |_: &Input| {}).await
    }

    /// A server for those whom `access` lets in.
    pub async fn with_access(config: Config, access: Access) -> Self {
        Self::of(config, access, |_: &Input| {}).await
    }

    /// `look` sees each input before the hub does, in the hub's task.
    pub async fn observed_by(config: Config, look: impl FnMut(&Input) + Send + 'static) -> Self {
        Self::of(config, Access::Open, look).await
    }

    async fn of(config: Config, access: Access, look: impl FnMut(&Input) + Send + 'static) -> Self {
        let (seen, inputs) = mpsc::unbounded_channel();
        let server = Server::bind(Tokio, FREE_PORT, config, Recorder { look, seen }).await;
        Self::run(server.unwrap().with_access(access), inputs)
    }

    /// A server with an admin listener and these limits.
    pub async fn limited(config: Config, limits: Limits) -> Self {
        let (seen, inputs) = mpsc::unbounded_channel();
        let recorder = Recorder { look: |_: &Input| {}, seen };
        let server = Server::bind(Tokio, FREE_PORT, config, recorder).await.unwrap();
        let server = server.with_limits(limits).with_admin(FREE_PORT).await.unwrap();
        Self::run(server, inputs)
    }

    /// A server of a node.
    pub async fn in_cluster(config: Config, cluster: ClusterConfig, link: EngineLink) -> Self {
        let (seen, inputs) = mpsc::unbounded_channel();
        let recorder = Recorder { look: |_: &Input| {}, seen };
        let server = Server::bind(Tokio, FREE_PORT, config, recorder).await.unwrap();
        Self::run(server.with_cluster(cluster, link), inputs)
    }

    /// A server that speaks TLS.
    pub async fn encrypted(config: Config, tls: Tls) -> Self {
        let (seen, inputs) = mpsc::unbounded_channel();
        let recorder = Recorder { look: |_: &Input| {}, seen };
        let server = Server::bind(Tokio, FREE_PORT, config, recorder).await.unwrap();
        Self::run(server.with_tls(tls), inputs)
    }

    fn run<O: Observer>(server: Server<Tokio, O>, inputs: mpsc::UnboundedReceiver<Input>) -> Self {
        let address = server.local_address().unwrap();
        let admin = server.admin_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        Tokio.spawn(async move {
            let result = server.run(async { stopped.await.unwrap_or_default() }).await;
            ended.send(result).unwrap_or_default();
        });
        Self { address, admin, inputs, stop, end }
    }

    pub async fn connect(&self) -> Client {
        self.connect_to("/ws").await
    }

    pub async fn connect_to(&self, path: &str) -> Client {
        let url = format!("ws://{}{path}", self.address);
        Client(within(connect_async(url)).await.unwrap().0)
    }

    /// Sends `request` as it stands and reads until the server closes the connection.
    pub async fn http(&self, request: &str) -> String {
        http(self.address, request).await
    }

    /// What the admin listener has at `path`: the head and the body.
    pub async fn admin(&self, path: &str) -> (String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = http(self.admin.expect("there is an admin listener"), &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        (head.to_owned(), body.to_owned())
    }

    /// The value of one line of `/metrics`, such as `sessions{phase="connected"}`.
    pub async fn metric(&self, sample: &str) -> f64 {
        let (_, page) = self.admin("/metrics").await;
        let begin = format!("signal_hub_{sample} ");
        let mut values = page.lines().filter_map(|line| line.strip_prefix(&begin));
        values.next().unwrap_or_else(|| panic!("{sample} is not in\n{page}")).parse().unwrap()
    }

    /// Asks until the value is there.
    pub async fn metric_becomes(&self, sample: &str, wanted: f64) {
        within(async { while self.metric(sample).await != wanted {} }).await;
    }

    pub async fn tcp(&self) -> TcpStream {
        within(TcpStream::connect(self.address)).await.unwrap()
    }

    /// The next input that comes from a client rather than from the server's own work.
    pub async fn input(&mut self) -> Input {
        loop {
            match within(self.inputs.recv()).await.expect("the hub goes on") {
                Input::Drained(..) | Input::Tick | Input::Late(_) => {}
                input => return input,
            }
        }
    }

    /// How the session ended; the inputs before that are passed over.
    pub async fn closed(&mut self, wanted: SessionKey) -> CloseCause {
        loop {
            if let Input::Closed(key, cause) = self.input().await
                && key == wanted
            {
                return cause;
            }
        }
    }

    /// How the server ended of its own accord.
    pub async fn end(self) -> Result<(), ServerLost> {
        within(self.end).await.expect("run returns")
    }

    /// Stops the server. What the hub was still told, and how the server ended.
    pub async fn stop(mut self) -> (Vec<Input>, Result<(), ServerLost>) {
        self.stop.send(()).expect("the server runs");
        let end = within(self.end).await.expect("run returns");
        let mut rest = Vec::new();
        while let Some(input) = within(self.inputs.recv()).await {
            rest.push(input);
        }
        (rest, end)
    }
}

/// Sends `request` to `address` as it stands and reads until the connection is closed.
pub async fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = within(TcpStream::connect(address)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

struct Recorder<F> {
    look: F,
    seen: mpsc::UnboundedSender<Input>,
}

impl<F: FnMut(&Input) + Send + 'static> Observer for Recorder<F> {
    fn before(&mut self, _now: Timestamp, input: &Input, _hub: &Hub) {
        (self.look)(input);
        self.seen.send(input.clone()).unwrap_or_default();
    }
}

/// An upgrade request as a browser sends it.
pub const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client that reads and writes only when it is told to.
pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub async fn send(&mut self, message: Message) {
        within(self.0.send(message)).await.unwrap();
    }

    pub async fn receive(&mut self) -> Message {
        within(self.0.next()).await.expect("the connection is up").unwrap()
    }

    /// Asks the hub in the name of `from`.
    pub async fn ask(&mut self, from: &str, kind: &str, payload: Value, metadata: Value) {
        let envelope = json!({
            "id": "1", "from": from, "to": "@(cloudflare/signal-hub)", "type": kind,
            "pattern": "ask", "timestamp": Tokio.now().as_millis(),
            "payload": payload, "metadata": metadata,
        });
        self.send(Message::text(envelope.to_string())).await;
    }

    /// The next envelope.
    pub async fn hear(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.receive().await {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Code and reason of the close frame, which must come next and be the last.
    pub async fn close_frame(&mut self) -> (u16, String) {
        match self.receive().await {
            Message::Close(Some(frame)) => {
                let rest = within(self.0.next()).await;
                assert!(!matches!(rest, Some(Ok(_))), "{rest:?} behind the close frame");
                (frame.code.into(), frame.reason.to_string())
            }
            other => panic!("{other:?} is not a close frame"),
        }
    }

    pub async fn register(&mut self, address: &str) {
        let metadata = json!({ "protocolVersion": "0.1.0", "capabilities": ["test"] });
        self.ask(address, "hub:connect", json!(null), metadata).await;
        assert_eq!(self.hear().await["type"], "hub:connected");
        let payload = json!({ "actorAddress": address, "capabilities": ["test"] });
        self.ask(address, "hub:register", payload, json!({})).await;
        assert_eq!(self.hear().await["type"], "hub:registered");
    }
}

/// What `future` gives, which must not take long.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    select! {
        biased;
        value = future => value,
        () = Tokio.sleep(Duration::from_secs(10)) => panic!("nothing came for ten seconds"),
    }
}

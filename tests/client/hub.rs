//! A hub of one connection at a time that says what the test wants it to say.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use signal_hub::client::{ActorConfig, ClientConfig, Event, Events};
use signal_hub::protocol::codec::{Bounds, decode_client_frame, encode_hub_frame};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, Connected, HubCapabilities, Outgoing, Registered,
    RenewalToken, Reply, Request, SessionId, Topic,
};
use signal_hub::time::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use uuid::Uuid;

pub fn address(path: &str) -> ActorAddress {
    ActorAddress::from_path(path).unwrap()
}

pub fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

/// Listens for clients.
pub async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Alice, a client of whoever listens, who tries again at once.
pub fn alice(listener: &TcpListener) -> ClientConfig {
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let mut config =
        ClientConfig::new(url.parse().unwrap(), vec![ActorConfig::new(address("alice"))]);
    config.backoff_min = std::time::Duration::from_millis(1);
    config
}

pub struct Hub(WebSocketStream<TcpStream>);

impl Hub {
    /// A client's next connection.
    pub async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        Self(tokio_tungstenite::accept_async(stream).await.unwrap())
    }

    /// A connection whose client is connected and registered.
    pub async fn welcome(listener: &TcpListener, subscriptions: &[&str]) -> Self {
        let mut hub = Self::accept(listener).await;
        let connect = hub.expect("hub:connect").await;
        hub.reply(&connect, connected()).await;
        let register = hub.expect("hub:register").await;
        hub.reply(&register, registered(&register, subscriptions)).await;
        hub
    }

    /// The next request; what else comes is a failed test.
    pub async fn request(&mut self) -> Request {
        let text = self.0.next().await.unwrap().unwrap().into_text().unwrap();
        match decode_client_frame(text.as_bytes(), &Bounds::default()).unwrap() {
            ClientFrame::Request(request) => Arc::unwrap_or_clone(request),
            ClientFrame::Ping => panic!("not a ping"),
        }
    }

    pub async fn expect(&mut self, kind: &str) -> Request {
        let request = self.request().await;
        assert_eq!(request.type_name, kind);
        request
    }

    pub async fn reply(&mut self, request: &Request, reply: Reply) {
        let (correlation, reply) = (Some(request.id.clone()), Box::new(reply));
        self.say(Body::Reply { correlation, trace_id: None, reply }).await;
    }

    pub async fn say(&mut self, body: Body) {
        self.0.send(Message::text(frame(body))).await.unwrap();
    }

    /// Sends a close frame and waits for the client's.
    pub async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "test".into() };
        self.0.close(Some(frame)).await.unwrap();
        while let Some(Ok(message)) = self.0.next().await {
            assert!(message.is_close(), "{message:?}");
        }
    }

    /// Waits for the client's close frame and answers it.
    pub async fn closed(mut self) {
        let message = self.0.next().await.unwrap().unwrap();
        assert!(message.is_close(), "{message:?}");
        while self.0.next().await.is_some() {}
    }
}

/// A frame of the hub, as text.
pub fn frame(body: Body) -> String {
    let (id, to, timestamp) = (Uuid::nil(), address("alice"), Timestamp::default());
    encode_hub_frame(&Outgoing::new(id, to, timestamp, body), &address("hub"))
}

pub fn connected() -> Reply {
    Reply::Connected(Connected {
        session_id: SessionId::new(Uuid::nil()),
        server_version: "0".to_owned(),
        server_time: None,
        token_expires_at: None,
        max_message_size: 1 << 20,
        heartbeat_interval: 25_000,
        capabilities: HubCapabilities {
            max_actors_per_instance: 1,
            supports_backpressure: true,
            supports_recovery: true,
            supported_content_types: Vec::new(),
        },
        actor_identity: None,
    })
}

fn registered(request: &Request, subscriptions: &[&str]) -> Reply {
    Reply::Registered(Registered {
        actor_address: request.from.clone(),
        expires_at: Timestamp::from_millis(300_000),
        renewal_token: RenewalToken::new(Uuid::nil()),
        version: 1,
        resumed: false,
        subscriptions: subscriptions.iter().map(|name| topic(name)).collect(),
        subscription_count: None,
        recovery: None,
    })
}

/// The first event that `wanted` wants.
pub async fn event<T>(events: &mut Events, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        let event = events.next().await.expect("the client has not ended");
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

//! signal-hub routes messages between actors over WebSockets. An actor has an address, `@(bob)`, which outlives its
//! connections; it sends to another one, to the subscribers of a topic, or to all. docs/PROTOCOL.md says what goes over
//! the wire, so that a client may be of any language.
//!
//! | what one wants | feature | where to begin |
//! |---|---|---|
//! | [a client](#a-client) of any hub | `client` | [`prelude`], [`client`] |
//! | [a hub](#a-hub-in-ones-own-program) in one's own program | `server` | [`server`] |
//! | [the core](#the-core-alone), without sockets, tasks or a clock | `server` | [`hub`], [`protocol::codec`] |
//! | several hubs with one set of addresses | `cluster` | [`cluster`], docs/CLUSTER.md |
//! | the program `signal-hub`, and its settings | `cli`, the default: all of it | docs/OPERATIONS.md, [`settings`] |
//!
//! # A client
//!
//! ```
//! # #[cfg(not(all(feature = "client", feature = "server")))]
//! # fn main() {}
//! # #[cfg(all(feature = "client", feature = "server"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use signal_hub::{hub::Config, server::Server};
//! # let server = Server::bind(Tokio, "127.0.0.1:0".parse()?, Config::default(), ()).await?;
//! # let hub = format!("ws://{}/ws", server.local_address()?);
//! # tokio::spawn(server.run(std::future::pending()));
//! use signal_hub::prelude::*;
//!
//! // `hub` is a URL such as ws://127.0.0.1:9000/ws.
//! let bob: ActorAddress = "@(bob)".parse()?;
//! let (client, events) = Client::connect(Tokio, ClientConfig::for_actor(hub.parse()?, bob.clone()));
//!
//! // It asks once it is registered; what the hub refuses is an error that says why.
//! let outcome = client.ask_send(bob, "chat:hello", Json::from_value(&"hi")?).await?;
//! assert!(matches!(outcome, SendOutcome::Delivered(_)));
//!
//! // It comes back after a lost connection, registers again, and goes on here.
//! let message = events.messages().next().await.ok_or("the client has ended")?;
//! assert_eq!(message.payload.to::<String>()?, "hi");
//! # Ok(())
//! # }
//! ```
//!
//! # A hub in one's own program
//!
//! ```
//! # #[cfg(not(all(feature = "client", feature = "server")))]
//! # fn main() {}
//! # #[cfg(all(feature = "client", feature = "server"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use signal_hub::hub::Config;
//! use signal_hub::prelude::*;
//! use signal_hub::server::Server;
//!
//! let config = Config { queue_messages_max: 1_000, ..Config::default() };
//! config.check()?;
//! // Port 0: the system chooses one.
//! let server = Server::bind(Tokio, "127.0.0.1:0".parse()?, config, ()).await?;
//! let hub: HubUrl = format!("ws://{}/ws", server.local_address()?).parse()?;
//! let work = async {
//!     let alice = ActorAddress::try_from("@(alice)")?;
//!     let (client, _) = Client::connect(Tokio, ClientConfig::for_actor(hub, alice));
//!     client.subscribe("news".parse()?).await?;
//!     client.disconnect(None).await?;
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! };
//! // It serves until the work is done, then shuts down in order.
//! let mut done = None;
//! server.run(async { done = Some(work.await) }).await?;
//! done.ok_or("the server ended before")??;
//! # Ok(())
//! # }
//! ```
//!
//! # The core alone
//!
//! The hub is a function of (state, now, input) to (state, outputs). Whoever calls it is its world: another transport,
//! a test, a simulator.
//!
//! ```
//! # #[cfg(not(feature = "server"))]
//! # fn main() {}
//! # #[cfg(feature = "server")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use signal_hub::hub::{Config, Hub, Ids, Input, Output, Peer, SessionKey};
//! use signal_hub::protocol::codec::{decode_client_frame, encode_hub_frame};
//! use signal_hub::time::Timestamp;
//!
//! let mut hub = Hub::new(Config::default(), Ids::new([7; 32]));
//! hub.change_audit(false);
//! let (now, session) = (Timestamp::from_millis(1_700_000_000_000), SessionKey(0));
//! let peer = Peer { address: ([127, 0, 0, 1], 40_000).into() };
//! assert_eq!(hub.handle(now, Input::Opened(session, peer)).count(), 0, "it waits");
//!
//! let frame = br#"{
//!   "id": "1", "from": "@(alice)", "to": "@(cloudflare/signal-hub)", "type": "hub:connect",
//!   "pattern": "ask", "timestamp": 1700000000000, "payload": null,
//!   "metadata": { "protocolVersion": "0.1.0", "capabilities": ["messaging"] }
//! }"#;
//! let frame = decode_client_frame(frame, &hub.config().bounds());
//! let outputs: Vec<Output> = hub.handle(now, Input::Frame(session, frame)).collect();
//! let [Output::Send(_, reply)] = &outputs[..] else { panic!("an ask has its reply") };
//! let text = encode_hub_frame(reply, &hub.config().hub_address);
//! assert!(text.contains(r#""type":"hub:connected""#), "{text}");
//! # Ok(())
//! # }
//! ```
//!
//! # The map
//!
//! In the order in which a message travels:
//!
//! - [`time`]: the only form in which the core knows time.
//! - [`protocol`]: the messages on the wire, pure data.
//! - [`auth`]: from a token to its bearer's rights, a pure function.
//! - [`cluster`]: what hubs of one cluster share, as data.
//! - `nats`: the engine that they share, with the feature `cluster`.
//! - [`hub`]: the core, a function from (state, now, input) to (state, outputs), without I/O.
//! - [`store`]: what the hub keeps on a disk, without a clock or a task.
//! - [`runtime`]: what the shells need from the world (tasks, clock, sockets), and its form on
//!   tokio.
//! - [`server`]: the shell that serves a hub to WebSocket clients.
//! - [`settings`]: every setting, its range and its default.
//! - [`client`]: a client that registers, subscribes, asks and comes back after a lost connection.
//!
//! The feature `client` has the client alone, `server` the hub and its shell; `cli`, the default,
//! has both, and what the program and its settings need.

#![warn(missing_docs)]

pub mod time;

pub mod protocol;

#[cfg(feature = "server")]
pub mod auth;

#[cfg(feature = "server")]
pub mod cluster;

#[cfg(feature = "cluster")]
pub mod nats;

#[cfg(feature = "server")]
pub mod hub;

#[cfg(feature = "server")]
pub mod store;

pub mod runtime;

#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "cli")]
pub mod settings;

#[cfg(feature = "client")]
pub mod client;

/// What a client's program names, for one `use`.
///
/// ```
/// use signal_hub::prelude::*;
///
/// let hub: HubUrl = "ws://127.0.0.1:9000/ws".parse()?;
/// let bob: ActorConfig = ActorAddress::try_from("@(bob)")?.into();
/// let config = ClientConfig::for_actor(hub, bob.with_topics([Topic::try_from("news")?]));
/// assert_eq!(config.actors[0].topics[0].as_str(), "news");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "client")]
pub mod prelude {
    pub use crate::client::{
        ActorConfig, Client, ClientConfig, ClientError, Event, Events, HubUrl, Message, Messages,
        SendOutcome, TokenSource,
    };
    pub use crate::protocol::{ActorAddress, AuthToken, Discover, Glob, Json, Topic};
    pub use crate::runtime::{Runtime, Tokio};
}

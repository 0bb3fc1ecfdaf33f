//! A client of the hub that registers, subscribes, asks, and comes back after a lost connection.
//!
//! [`state`] decides what is said to the hub and does no I/O: a function from (state, now, input) to
//! outputs, like the hub itself. Around it, [`link`] decides as purely what becomes of the transport,
//! of calls and of events. [`Client`] is their shell: one task that owns the state, the WebSocket and
//! one timer, generic over the [`Runtime`](crate::runtime::Runtime).
//!
//! ```
//! # #[cfg(not(feature = "server"))]
//! # fn main() {}
//! # #[cfg(feature = "server")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use signal_hub::{hub::Config, server::Server};
//! # let server = Server::bind(Tokio, "127.0.0.1:0".parse()?, Config::default(), ()).await?;
//! # let hub: HubUrl = format!("ws://{}/ws", server.local_address()?).parse()?;
//! # tokio::spawn(server.run(std::future::pending()));
//! use signal_hub::prelude::*;
//!
//! // `hub` is a URL such as ws://127.0.0.1:9000/ws, read as a `HubUrl`.
//! // What is wanted of each connection: the client sees to it again whenever it comes back.
//! let bob = ActorConfig::from(ActorAddress::try_from("@(bob)")?).with_topics(["news".parse()?]);
//! let (client, events) = Client::connect(Tokio, ClientConfig::for_actor(hub, bob));
//!
//! // The outcome is the hub's word, not a guess.
//! let hi = Json::from_value(&"hi")?;
//! let outcome = client.ask_send("@(alice)".parse()?, "chat:hello", hi.clone()).await?;
//! assert!(matches!(outcome, SendOutcome::UnknownActor(_)), "alice is not there");
//! client.publish("news".parse()?, "chat:hello", hi).await?;
//!
//! let mut messages = events.messages();
//! let message = messages.next().await.ok_or("the client has ended")?;
//! assert_eq!((message.from.as_str(), message.payload.to::<String>()?), ("@(bob)", "hi".to_owned()));
//! client.disconnect(None).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a call promises
//!
//! At most once: a request is written to one connection, once, and never repeated. A reply, a
//! timeout or a lost connection ends each call exactly once ([`ClientError`] tells what is known
//! then). Without a connection, calls wait in a bounded queue for up to
//! [`ClientConfig::ask_timeout`]; what has not been written by then never will be. Dropping a
//! call's future gives up the answer, not the call.
//!
//! What is *wanted* - addresses and topics - is different: it is state, restored on each
//! connection until it is taken back, taken over, or refused.
//!
//! # Tokens
//!
//! A [`TokenSource`] gives the client its tokens. A session outlives each of them: the client shows
//! the hub the next one in time, by the hub's clock.

mod command;
mod config;
mod dice;
mod event;
mod observer;
mod reading;

pub mod link;
pub mod state;

mod driver;
mod handle;
mod raw;
mod tls;
mod token_source;
mod transport;

pub use command::{ClientError, Command, CommandId, Outcome, RequestCommand, SendOutcome};
pub use config::{ActorConfig, ClientConfig, HubUrl, InvalidUrl};
pub use dice::Dice;
pub use event::{DisconnectReason, Ending, Event, Message};
pub use handle::{Client, Events, Messages};
pub use observer::{Observer, TransportChange};
pub use raw::{RawArrival, RawTransport};
pub use reading::{Place, Reading};
pub use tls::{Trust, TrustError};
pub use token_source::{NoToken, TokenRequest, TokenSource};

//! A client of the hub that registers, subscribes, asks, and comes back after a lost connection.
//!
//! [`state`] decides what is said to the hub and does no I/O: a function from (state, now, input) to
//! outputs, like the hub itself. Around it, [`link`] decides as purely what becomes of the transport,
//! of calls and of events. [`Client`] is their shell: one task that owns the state, the WebSocket and
//! one timer, generic over the [`Runtime`](crate::runtime::Runtime).
//!
//! ```no_run
//! use signal_hub::prelude::*;
//!
//! # async fn chat() -> Result<(), Box<dyn std::error::Error>> {
//! let bob = ActorConfig::from(ActorAddress::try_from("@(bob)")?).with_topics(["news".parse()?]);
//! let config = ClientConfig::for_actor("ws://127.0.0.1:9000/ws".parse()?, bob);
//! let (client, events) = Client::connect(Tokio, config);
//! let outcome = client.ask_send("@(alice)".parse()?, "chat:hello", Json::from_value(&"hi")?).await?;
//! assert!(matches!(outcome, SendOutcome::Delivered(_)), "alice is not there");
//! let mut messages = events.messages();
//! while let Some(message) = messages.next().await {
//!     println!("{} says {}", message.from, message.payload);
//! }
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

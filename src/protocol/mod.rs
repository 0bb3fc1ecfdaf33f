//! The messages on the wire (docs/PROTOCOL.md) as types whose values are always valid.
//!
//! [`codec`] is the only place where bytes become these types and these types become bytes.
//!
//! ```
//! use signal_hub::protocol::{ActorAddress, Criteria, Glob, Json, Topic};
//!
//! // Names are checked where they are read.
//! let bob: ActorAddress = "@(berlin/bob)".parse()?;
//! assert_eq!(bob.path(), "berlin/bob");
//! let mistake = "bob".parse::<ActorAddress>().unwrap_err();
//! assert!(mistake.to_string().starts_with("expected an address: @(path)"));
//! assert!(Topic::try_from("").is_err(), "a topic has 1 to 256 bytes");
//!
//! // A pattern matches whole names; only `*` is special.
//! assert!(Glob::new("berlin/*").matches(bob.path()));
//!
//! // JSON is checked, carried as text, and read by whoever wants it.
//! let metadata = Json::parse(r#"{"role": "guest", "seat": 4}"#)?;
//! let wanted = Criteria::from_iter([("seat".to_owned(), Json::from_value(&4.0)?)]);
//! assert!(wanted.fit(&metadata), "4 and 4.0 are one number");
//! let role = metadata.to::<serde_json::Value>()?["role"].clone();
//! assert_eq!(role, "guest");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod criteria;
mod directory;
mod envelope;
mod glob;
mod id;
mod json;
mod notice;
mod recovery;
mod refusal;
mod reply;
mod request;
mod token;

pub mod codec;
pub mod framing;

#[cfg(feature = "server")]
pub(crate) use address::name;
pub(crate) use address::read_as_text;
pub use address::{
    ADDRESS_BYTES_MAX, ActorAddress, InvalidName, MESSAGE_ID_BYTES_MAX, MessageId, PATH_BYTES_MAX,
    Recipient, TOPIC_BYTES_MAX, Topic,
};
pub use criteria::Criteria;
pub use directory::{
    ActorList, Cursor, Discover, Discovered, DiscoveredActor, ListActors, ListedActor, Page,
    actor_weight,
};
use envelope::Shared;
pub use envelope::{Body, Delivery, Outgoing, Pattern, Route};
pub use glob::Glob;
pub use id::{Epoch, RenewalToken, SessionId, SubscriptionId};
use json::push_text;
#[cfg(feature = "server")]
pub(crate) use json::say_text;
pub use json::{InvalidJson, Json};
pub use notice::{DisconnectNotice, Notice, PauseNotice, UnregisterReason, UnregisteredNotice};
pub use recovery::{
    Position, Recover, Recovered, Recovery, RecoveryWindow, RecoveryWish, Unrecovered,
};
pub use refusal::{CloseReason, Details, ErrorCode, Malformed, Refusal};
pub use reply::{
    BroadcastAck, Connected, DeliveryAck, DeliveryStatus, Disconnected, HeartbeatAck,
    HubCapabilities, Metrics, Published, QueueStats, Registered, Renewed, Reply, Subscribed,
    TokenRefreshed, UnknownActor, Unregistered, Unsubscribed,
};
pub use request::{
    Broadcast, ClientFrame, Connect, Disconnect, FrameBytes, Heartbeat, Publish, RefreshToken,
    Register, Renew, Request, Send, Subscribe, Subscription, Unregister, Unsubscribe, Verb,
};
pub use token::AuthToken;

/// The protocol version that this hub speaks; a client must have the same major version.
pub const PROTOCOL_VERSION: &str = "0.1.0";

/// Checks that a client of this version can speak to this hub: the part before the first `.` or `-`
/// is the same (protocol, section 4).
///
/// # Errors
/// With `version_mismatch` if it is not.
pub fn check_version(version: &str) -> Result<(), Refusal> {
    let major = |version: &str| version.split(['.', '-']).next().map(str::to_owned);
    if major(version) == major(PROTOCOL_VERSION) {
        return Ok(());
    }
    let shown: String = version.chars().take(64).collect();
    Err(Refusal::new(
        ErrorCode::VersionMismatch,
        format!("this hub speaks protocol {PROTOCOL_VERSION}, the client {shown}"),
        "Use a client of the hub's major protocol version.",
    ))
}

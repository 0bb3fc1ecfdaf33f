//! What a client is told once: where the hub is, which addresses to register, and every bound and
//! timeout.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{TokenSource, Trust};
use crate::protocol::{ActorAddress, AuthToken, Json, Register, Topic};

/// The configuration of a client.
///
/// ```
/// use std::time::Duration;
///
/// use signal_hub::prelude::*;
/// use signal_hub::protocol::AuthToken;
///
/// let hub: HubUrl = "ws://127.0.0.1:9000/ws".parse()?;
/// let config = ClientConfig {
///     auth_token: Some(AuthToken::new("bearer ey...")),
///     ask_timeout: Duration::from_secs(3),
///     ..ClientConfig::for_actor(hub, ActorAddress::try_from("@(bob)")?)
/// };
/// assert_eq!(config.actors[0].address.path(), "bob");
/// assert!(!format!("{config:?}").contains("ey..."), "a token is never printed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where the hub listens.
    pub hub: HubUrl,
    /// The authorities that may vouch for the hub; a `wss` URL requires it.
    pub trust: Option<Trust>,
    /// The hub's own address.
    pub hub_address: ActorAddress,
    /// The addresses to register on each connection, in this order. The first one is the sender
    /// unless a call names another.
    pub actors: Vec<ActorConfig>,
    /// The capabilities that `hub:connect` declares; at least one.
    pub capabilities: Vec<String>,
    /// The token to connect with; each refreshed one that the hub accepts replaces it.
    pub auth_token: Option<AuthToken>,
    /// Gives further tokens, and the first one without `auth_token`. Without a source the client
    /// ends when its token does.
    pub token_source: Option<TokenSource>,
    /// A JSON object.
    pub client_metadata: Option<Json>,
    /// The time for each of: the transport, the answer to `hub:connect`, the answer to
    /// `hub:register`.
    pub connect_timeout: Duration,
    /// The time from a call to its answer, including the wait for a connection.
    pub ask_timeout: Duration,
    /// The time from `hub:disconnect` to the hub's close frame.
    pub disconnect_timeout: Duration,
    /// The time for a transport's close handshake; then the transport is dropped.
    pub close_timeout: Duration,
    /// The hub counts as lost when no frame came for this long; none: 2.5 of its heartbeat
    /// intervals.
    pub silence_timeout: Option<Duration>,
    /// The pause before the first attempt to reconnect, or to repeat what the hub refused for now
    /// without naming a time. It doubles with each attempt that fails.
    pub backoff_min: Duration,
    /// The longest pause that doubling leads to.
    pub backoff_max: Duration,
    /// A session that stayed registered for this long resets the pause to the first.
    pub backoff_reset_after: Duration,
    /// Commands that may wait for a connection or a registration.
    pub waiting_commands_max: usize,
    /// Asks that may be under way at once, callers' and the client's own. At this bound callers' requests are
    /// refused.
    pub asks_max: usize,
    /// Commands on their way from the handles to the client's task; further ones block their
    /// callers.
    pub command_queue_max: usize,
    /// Events that may be unread. At this bound the client reads nothing from the hub, not even
    /// replies.
    pub event_queue_max: usize,
    /// Frames that may wait to be written. At this bound the client takes no commands.
    pub outgoing_messages_max: usize,
    /// Bytes of messages after a gap that are kept for each recovering address until the hub
    /// answers.
    pub held_back_bytes_max: usize,
    /// The longest frame that is read, in bytes: no less than the hub's `message_bytes_max`, or what it may send
    /// breaks the connection.
    pub frame_bytes_max: usize,
}

impl ClientConfig {
    /// The defaults for a client of `hub` that registers `actors`.
    pub fn new(hub: HubUrl, actors: Vec<ActorConfig>) -> Self {
        Self {
            hub,
            trust: None,
            hub_address: ActorAddress::parse("@(cloudflare/signal-hub)")
                .expect("the protocol's own address is valid"),
            actors,
            capabilities: vec!["messaging".to_owned()],
            auth_token: None,
            token_source: None,
            client_metadata: None,
            connect_timeout: Duration::from_secs(10),
            ask_timeout: Duration::from_secs(10),
            disconnect_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(2),
            silence_timeout: None,
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
            backoff_reset_after: Duration::from_secs(10),
            waiting_commands_max: 256,
            asks_max: 1024,
            command_queue_max: 64,
            event_queue_max: 1024,
            outgoing_messages_max: 256,
            held_back_bytes_max: 1024 * 1024,
            frame_bytes_max: 4 * 1024 * 1024,
        }
    }

    /// The defaults for a client of `hub` that is one actor.
    pub fn for_actor(hub: HubUrl, actor: impl Into<ActorConfig>) -> Self {
        Self::new(hub, vec![actor.into()])
    }
}

/// One address that a client registers, and how.
///
/// ```
/// use std::time::Duration;
///
/// use signal_hub::prelude::*;
///
/// let bob: ActorAddress = "@(bob)".parse()?;
/// let bob = ActorConfig {
///     capabilities: vec!["chat".to_owned()],
///     metadata: Json::parse(r#"{ "room": "kitchen" }"#)?,
///     ttl: Duration::from_secs(60),
///     ..ActorConfig::from(bob).with_topics(["news".parse()?]).recovering()
/// };
/// assert!(bob.recovery && bob.topics.len() == 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorConfig {
    /// The address to register.
    pub address: ActorAddress,
    /// At least one.
    pub capabilities: Vec<String>,
    /// A JSON object.
    pub metadata: Json,
    /// 1 s to 3600 s, in whole seconds; the client renews after two thirds of it.
    pub ttl: Duration,
    /// The topics to subscribe to from the start.
    pub topics: Vec<Topic>,
    /// Whether to get what was missed while the connection was lost: each message once, in order,
    /// with [`Event::Recovered`](super::Event::Recovered) or [`Event::Gap`](super::Event::Gap).
    pub recovery: bool,
}

impl ActorConfig {
    /// An actor with the default time to live and no topics.
    pub fn new(address: ActorAddress) -> Self {
        Self {
            address,
            capabilities: vec!["messaging".to_owned()],
            metadata: Json::EMPTY_OBJECT,
            ttl: Register::TTL_DEFAULT,
            topics: Vec::new(),
            recovery: false,
        }
    }

    /// The same, subscribed to these topics as well.
    #[must_use]
    pub fn with_topics(mut self, topics: impl IntoIterator<Item = Topic>) -> Self {
        self.topics.extend(topics);
        self
    }

    /// The same, with what was missed while the connection was lost.
    #[must_use]
    pub fn recovering(self) -> Self {
        Self { recovery: true, ..self }
    }
}

impl From<ActorAddress> for ActorConfig {
    fn from(address: ActorAddress) -> Self {
        Self::new(address)
    }
}

/// Where a hub listens: `ws://host[:port][/path]`, by default port 80 and path `/`; with TLS `wss`
/// and port 443.
///
/// ```
/// use signal_hub::client::{HubUrl, InvalidUrl};
///
/// let hub: HubUrl = "wss://hub.example/ws".parse()?;
/// assert_eq!((hub.authority(), hub.path(), hub.speaks_tls()), ("hub.example:443", "/ws", true));
/// assert_eq!("https://hub.example".parse::<HubUrl>(), Err(InvalidUrl));
/// # Ok::<(), InvalidUrl>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubUrl {
    speaks_tls: bool,
    authority: String,
    path: String,
}

/// A text that is not the URL of a hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected ws://host[:port][/path] or wss://..., without user or fragment")]
pub struct InvalidUrl;

impl HubUrl {
    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns whether it is a `wss` URL.
    pub fn speaks_tls(&self) -> bool {
        self.speaks_tls
    }

    /// The host that the hub's certificate must name.
    pub fn host(&self) -> &str {
        let host = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The path with its query.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for HubUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri: http::Uri = text.parse().map_err(|_| InvalidUrl)?;
        let authority = uri.authority().ok_or(InvalidUrl)?;
        let plain = !authority.as_str().contains('@') && !text.contains('#');
        let (speaks_tls, port) = match uri.scheme_str() {
            Some("ws") => (false, 80),
            Some("wss") => (true, 443),
            Some(_) | None => return Err(InvalidUrl),
        };
        if authority.host().is_empty() || !plain {
            return Err(InvalidUrl);
        }
        let port: u16 = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => port,
            Some(port) => port[1..].parse().map_err(|_| InvalidUrl)?,
            None => return Err(InvalidUrl),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = format!("{}:{port}", authority.host());
        Ok(Self { speaks_tls, authority, path: path.to_owned() })
    }
}

impl fmt::Display for HubUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.speaks_tls { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_url_has_a_host_and_perhaps_a_port_and_a_path() {
        for (text, whole) in [
            ("ws://hub", "ws://hub:80/"),
            ("ws://hub/ws", "ws://hub:80/ws"),
            ("ws://127.0.0.1:9000/ws?a=b", "ws://127.0.0.1:9000/ws?a=b"),
            ("ws://[::1]:9000", "ws://[::1]:9000/"),
            ("wss://hub", "wss://hub:443/"),
            ("wss://[::1]:9000/ws", "wss://[::1]:9000/ws"),
        ] {
            assert_eq!(text.parse::<HubUrl>().map(|url| url.to_string()), Ok(whole.to_owned()));
        }
        for bad in
            ["", "hub", "/ws", "https://hub", "http://hub", "ws://", "ws://a@hub", "ws://h:x"]
        {
            assert_eq!(bad.parse::<HubUrl>(), Err(InvalidUrl), "{bad:?}");
        }
    }

    #[test]
    fn a_certificate_is_for_the_host_without_port_and_brackets() {
        for (text, host) in [("wss://hub/ws", "hub"), ("wss://[::1]:9000", "::1")] {
            assert_eq!(text.parse::<HubUrl>().unwrap().host(), host);
        }
    }
}

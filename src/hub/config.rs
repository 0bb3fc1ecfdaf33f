//! Every bound and every timeout of the hub, with its unit and its default (docs/OPERATIONS.md).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::ActorAddress;
use crate::time::duration_text;

/// What the hub may use and how long it waits. Durations are written like `30s` or `500ms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The hub's own address; nobody can register it.
    pub hub_address: ActorAddress,
    /// From accept to `hub:connect`; then the session is closed 4005.
    #[serde(with = "duration_text")]
    pub connect_timeout: Duration,
    /// Silence that closes a session 4004.
    #[serde(with = "duration_text")]
    pub idle_timeout: Duration,
    /// How often the hub pings at WebSocket level.
    #[serde(with = "duration_text")]
    pub ping_interval: Duration,
    /// What `hub:connected` tells clients to send heartbeats at.
    #[serde(with = "duration_text")]
    pub heartbeat_interval: Duration,
    /// How long a detached address keeps its subscriptions; zero: not at all.
    #[serde(with = "duration_text")]
    pub resume_window: Duration,
    /// How long a session may stay at its queue's bound; then it is closed 1013.
    #[serde(with = "duration_text")]
    pub slow_consumer_timeout: Duration,
    /// What clocks may differ by before a message counts as expired on arrival.
    #[serde(with = "duration_text")]
    pub clock_skew: Duration,
    /// How long a shutdown waits for queues to empty.
    #[serde(with = "duration_text")]
    pub shutdown_timeout: Duration,
    /// How long the hub waits for the peer's part of a close handshake.
    #[serde(with = "duration_text")]
    pub close_timeout: Duration,
    /// The largest frame that is read, in bytes.
    pub message_bytes_max: usize,
    /// Messages in one session's outgoing queue.
    pub queue_messages_max: usize,
    /// Bytes in one session's outgoing queue.
    pub queue_bytes_max: usize,
    /// Open sessions.
    pub sessions_max: usize,
    /// Registered and detached addresses.
    pub registrations_max: usize,
    /// Subscriptions that the addresses of one session hold together.
    pub subscriptions_per_session_max: usize,
    /// Malformed frames within a minute; the last of them closes the session 1008.
    pub malformed_per_minute_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hub_address: ActorAddress::parse("@(cloudflare/signal-hub)")
                .expect("the default address is an address"),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(20),
            heartbeat_interval: Duration::from_secs(25),
            resume_window: Duration::from_secs(30),
            slow_consumer_timeout: Duration::from_secs(10),
            clock_skew: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(5),
            message_bytes_max: 1024 * 1024,
            queue_messages_max: 1024,
            queue_bytes_max: 4 * 1024 * 1024,
            sessions_max: 100_000,
            registrations_max: 50_000,
            subscriptions_per_session_max: 1_000,
            malformed_per_minute_max: 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_goes_through_json_unaltered() {
        let config = Config { idle_timeout: Duration::from_millis(1500), ..Config::default() };
        let text = serde_json::to_string(&config).expect("a config is JSON");
        assert!(text.contains(r#""idle_timeout":"1s 500ms""#));
        assert_eq!(serde_json::from_str::<Config>(&text).expect("a config"), config);
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        assert!(serde_json::from_str::<Config>(r#"{"idle_timout":"1s"}"#).is_err());
    }
}

//! Every bound and every timeout of the hub, with its unit and its default (docs/OPERATIONS.md).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::ActorAddress;
use crate::protocol::codec::Bounds;
use crate::time::duration_text;

/// The hub's bounds and timeouts. Durations are written like `30s` or `500ms`.
///
/// ```
/// use std::time::Duration;
///
/// use signal_hub::hub::Config;
///
/// let config = Config { idle_timeout: Duration::from_secs(20), ..Config::default() };
/// config.check()?;
/// let read: Config = serde_json::from_str(r#"{ "idle_timeout": "20s" }"#)?;
/// assert_eq!(read, config);
/// let why = Config { resume_threshold: 0, ..config }.check().unwrap_err();
/// assert_eq!(why.to_string(), "resume_threshold must be at least 1: no queue is below 0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The hub's own address; nobody can register it.
    pub hub_address: ActorAddress,
    /// The time from accept to `hub:connect`; then the session is closed 4005.
    #[serde(with = "duration_text")]
    pub connect_timeout: Duration,
    /// How long a connection stays open after its `hub:connect` was refused, unless the client
    /// closes it.
    #[serde(with = "duration_text")]
    pub refusal_linger: Duration,
    /// Silence that closes a session 4004.
    #[serde(with = "duration_text")]
    pub idle_timeout: Duration,
    /// How often the hub pings at WebSocket level.
    #[serde(with = "duration_text")]
    pub ping_interval: Duration,
    /// The interval at which `hub:connected` tells clients to send heartbeats.
    #[serde(with = "duration_text")]
    pub heartbeat_interval: Duration,
    /// How long a detached address keeps its subscriptions; zero: not at all.
    #[serde(with = "duration_text")]
    pub resume_window: Duration,
    /// How long a queue may stay at its bound, or stand still at `resume_threshold` or above; then
    /// its session is closed 1013.
    #[serde(with = "duration_text")]
    pub slow_consumer_timeout: Duration,
    /// How far clocks may differ before a message counts as expired on arrival.
    #[serde(with = "duration_text")]
    pub clock_skew: Duration,
    /// How long a shutdown waits for queues to empty.
    #[serde(with = "duration_text")]
    pub shutdown_timeout: Duration,
    /// How long the hub waits for the peer in a close handshake.
    #[serde(with = "duration_text")]
    pub close_timeout: Duration,
    /// The largest message before `hub:connect`, in bytes; `message_bytes_max` if that is less.
    pub connect_bytes_max: usize,
    /// The largest token that is checked, in bytes.
    pub token_bytes_max: usize,
    /// The largest message, in bytes.
    pub message_bytes_max: usize,
    /// Bytes of a message's type, both the envelope's and the application's.
    pub type_bytes_max: usize,
    /// Bytes of an envelope's metadata, except `hub:connect`'s.
    pub metadata_bytes_max: usize,
    /// Bytes of a registration's metadata.
    pub registration_metadata_bytes_max: usize,
    /// Levels of objects and arrays in a registration's metadata.
    pub registration_metadata_depth_max: usize,
    /// Capabilities of one registration.
    pub capabilities_max: usize,
    /// Bytes of one of them.
    pub capability_bytes_max: usize,
    /// Messages in one session's outgoing queue.
    pub queue_messages_max: usize,
    /// Bytes in one session's outgoing queue.
    pub queue_bytes_max: usize,
    /// Sessions, also those whose closing handshake is under way.
    pub sessions_max: usize,
    /// Registered and detached addresses.
    pub registrations_max: usize,
    /// Addresses that one session may register.
    pub addresses_per_session_max: usize,
    /// Registrations that one request may look at; its answer says where to continue.
    pub scan_rows_max: usize,
    /// Subscriptions of all addresses of one session together.
    pub subscriptions_per_session_max: usize,
    /// Malformed frames within a minute; the last of them closes the session 1008.
    pub malformed_per_minute_max: u32,
    /// Recipients of one broadcast; a larger one is refused.
    pub broadcast_recipients_max: usize,
    /// Requests per second that one session may make on average; zero: no bound.
    pub rate_limit_per_second: u32,
    /// Requests that one session may make at once after a pause.
    pub rate_limit_burst: u32,
    /// Bytes of a frame that count as one more request; zero: they do not count.
    pub rate_limit_bytes: usize,
    /// Recipients, or registrations looked at, that count as one more request; zero: they do not
    /// count.
    pub rate_limit_rows: usize,
    /// Heartbeats and text pings per second that one session may send on average; zero: no bound.
    pub ping_limit_per_second: u32,
    /// Heartbeats and text pings that one session may send at once after a pause.
    pub ping_limit_burst: u32,
    /// How long a repeated ask gets its first outcome; zero: not at all.
    #[serde(with = "duration_text")]
    pub dedupe_window: Duration,
    /// Remembered outcomes of asks that may be repeated; at the bound the address with the most
    /// loses its oldest.
    pub dedupe_entries_max: usize,
    /// Remembered outcomes for one address; at the bound it loses its oldest.
    pub dedupe_entries_per_address_max: usize,
    /// Messages that are kept for one address that recovers; zero: none are.
    pub recovery_messages_max: usize,
    /// Their bytes; at either bound the address loses its oldest.
    pub recovery_bytes_max: usize,
    /// Bytes of all kept messages; at the bound the address with the most loses its oldest.
    pub recovery_total_bytes_max: usize,
    /// Messages in a session's outgoing queue above which its senders are told to pause.
    pub pause_threshold: usize,
    /// Messages in it below which its senders are told to resume.
    pub resume_threshold: usize,
}

/// Why two settings contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// `resume_threshold` is zero, below which no queue can be.
    #[error("resume_threshold must be at least 1: no queue is below 0")]
    ResumeThresholdZero,
    /// `pause_threshold` is not greater than `resume_threshold`.
    #[error("pause_threshold ({pause}) must be greater than resume_threshold ({resume})")]
    ThresholdsCross {
        /// `pause_threshold`.
        pause: usize,
        /// `resume_threshold`.
        resume: usize,
    },
    /// `rate_limit_burst` is zero, but `rate_limit_per_second` is not.
    #[error("rate_limit_burst must be at least 1 where rate_limit_per_second is not 0")]
    BurstZero,
    /// `ping_limit_burst` is zero, but `ping_limit_per_second` is not.
    #[error("ping_limit_burst must be at least 1 where ping_limit_per_second is not 0")]
    PingBurstZero,
}

impl Config {
    /// The bounds of a request's fields.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            hub_address: Some(self.hub_address.clone()),
            type_bytes_max: self.type_bytes_max,
            metadata_bytes_max: self.metadata_bytes_max,
            registration_metadata_bytes_max: self.registration_metadata_bytes_max,
            registration_metadata_depth_max: self.registration_metadata_depth_max,
            capabilities_max: self.capabilities_max,
            capability_bytes_max: self.capability_bytes_max,
        }
    }

    /// Returns whether the hub keeps messages for addresses that recover.
    pub fn recovers(&self) -> bool {
        self.recovery_messages_max > 0 && !self.resume_window.is_zero()
    }

    /// Checks that the settings go together. The hub works with any; with refused ones it does not
    /// do what their user can have meant.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let (pause, resume) = (self.pause_threshold, self.resume_threshold);
        if resume == 0 {
            return Err(InvalidConfig::ResumeThresholdZero);
        }
        if pause <= resume {
            return Err(InvalidConfig::ThresholdsCross { pause, resume });
        }
        if self.rate_limit_per_second > 0 && self.rate_limit_burst == 0 {
            return Err(InvalidConfig::BurstZero);
        }
        if self.ping_limit_per_second > 0 && self.ping_limit_burst == 0 {
            return Err(InvalidConfig::PingBurstZero);
        }
        Ok(())
    }

    /// The effective bound on messages before `hub:connect`, in bytes.
    pub fn connect_bytes_max(&self) -> usize {
        self.connect_bytes_max.min(self.message_bytes_max)
    }
}

impl Default for Config {
    fn default() -> Self {
        let bounds = Bounds::default();
        Self {
            hub_address: ActorAddress::parse("@(cloudflare/signal-hub)")
                .expect("the default address is an address"),
            connect_timeout: Duration::from_secs(10),
            refusal_linger: Duration::from_secs(12),
            idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(20),
            heartbeat_interval: Duration::from_secs(25),
            resume_window: Duration::from_secs(30),
            slow_consumer_timeout: Duration::from_secs(10),
            clock_skew: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(5),
            connect_bytes_max: 64 * 1024,
            token_bytes_max: 16 * 1024,
            message_bytes_max: 1024 * 1024,
            type_bytes_max: bounds.type_bytes_max,
            metadata_bytes_max: bounds.metadata_bytes_max,
            registration_metadata_bytes_max: bounds.registration_metadata_bytes_max,
            registration_metadata_depth_max: bounds.registration_metadata_depth_max,
            capabilities_max: bounds.capabilities_max,
            capability_bytes_max: bounds.capability_bytes_max,
            queue_messages_max: 1024,
            queue_bytes_max: 4 * 1024 * 1024,
            sessions_max: 100_000,
            registrations_max: 50_000,
            addresses_per_session_max: 1_000,
            scan_rows_max: 50_000,
            subscriptions_per_session_max: 1_000,
            malformed_per_minute_max: 8,
            broadcast_recipients_max: 10_000,
            rate_limit_per_second: 100,
            rate_limit_burst: 200,
            rate_limit_bytes: 4096,
            rate_limit_rows: 100,
            ping_limit_per_second: 100,
            ping_limit_burst: 200,
            dedupe_window: Duration::from_secs(60),
            dedupe_entries_max: 100_000,
            dedupe_entries_per_address_max: 8_000,
            recovery_messages_max: 256,
            recovery_bytes_max: 256 * 1024,
            recovery_total_bytes_max: 64 * 1024 * 1024,
            pause_threshold: 768,
            resume_threshold: 256,
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
    fn settings_that_contradict_each_other_are_named() {
        let check = |adjust: fn(&mut Config)| {
            let mut config = Config::default();
            adjust(&mut config);
            config.check()
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert_eq!(check(|c| c.resume_threshold = 0), Err(InvalidConfig::ResumeThresholdZero));
        let crossed = Err(InvalidConfig::ThresholdsCross { pause: 256, resume: 256 });
        assert_eq!(check(|c| c.pause_threshold = 256), crossed);
        assert_eq!(check(|c| c.rate_limit_burst = 0), Err(InvalidConfig::BurstZero));
        assert_eq!(check(|c| c.ping_limit_burst = 0), Err(InvalidConfig::PingBurstZero));
        let off = |c: &mut Config| (c.rate_limit_burst, c.rate_limit_per_second) = (0, 0);
        assert_eq!(check(off), Ok(()));
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        assert!(serde_json::from_str::<Config>(r#"{"idle_timout":"1s"}"#).is_err());
    }
}

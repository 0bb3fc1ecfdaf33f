//! Every bound and every timeout of the hub, with its unit and its default (docs/OPERATIONS.md).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::ActorAddress;
use crate::protocol::codec::Bounds;
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
    /// How long the connection stays whose `hub:connect` was refused, unless its client closes it.
    #[serde(with = "duration_text")]
    pub refusal_linger: Duration,
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
    /// How long a session may stay at its queue's bound, or a queue that is not below
    /// `resume_threshold` may stand still; then it is closed 1013.
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
    /// The largest message that is read before `hub:connect`, in bytes; `message_bytes_max` if that
    /// is less.
    pub connect_bytes_max: usize,
    /// The largest token that is looked at, in bytes.
    pub token_bytes_max: usize,
    /// The largest message that is read, in bytes.
    pub message_bytes_max: usize,
    /// Bytes of a message's type, the envelope's and the application's.
    pub type_bytes_max: usize,
    /// Bytes of an envelope's metadata, but for those of `hub:connect`.
    pub metadata_bytes_max: usize,
    /// Bytes of a registration's metadata.
    pub registration_metadata_bytes_max: usize,
    /// How deep objects and arrays in a registration's metadata may lie in each other.
    pub registration_metadata_depth_max: usize,
    /// Capabilities of one registration.
    pub capabilities_max: usize,
    /// Bytes of one of them.
    pub capability_bytes_max: usize,
    /// Messages in one session's outgoing queue.
    pub queue_messages_max: usize,
    /// Bytes in one session's outgoing queue.
    pub queue_bytes_max: usize,
    /// Open sessions.
    pub sessions_max: usize,
    /// Registered and detached addresses.
    pub registrations_max: usize,
    /// Addresses that one session has registered.
    pub addresses_per_session_max: usize,
    /// Registrations that one request may look at; its answer says where to go on.
    pub scan_rows_max: usize,
    /// Subscriptions that the addresses of one session hold together.
    pub subscriptions_per_session_max: usize,
    /// Malformed frames within a minute; the last of them closes the session 1008.
    pub malformed_per_minute_max: u32,
    /// Actors that one broadcast may go to; beyond it is refused.
    pub broadcast_recipients_max: usize,
    /// Requests a second that one session may make for long; zero: any number.
    pub rate_limit_per_second: u32,
    /// Requests that one session may make at once after a pause.
    pub rate_limit_burst: u32,
    /// Bytes of a frame that weigh as much as one more request; zero: they weigh nothing.
    pub rate_limit_bytes: usize,
    /// Rows that a request concerns which weigh as much as one more; zero: they weigh nothing.
    pub rate_limit_rows: usize,
    /// Heartbeats and text pings a second that one session may send for long; zero: any number.
    pub ping_limit_per_second: u32,
    /// Heartbeats and text pings that one session may send at once after a pause.
    pub ping_limit_burst: u32,
    /// How long an ask that comes again gets its first outcome; zero: not at all.
    #[serde(with = "duration_text")]
    pub dedupe_window: Duration,
    /// Outcomes that are remembered for asks that may come again; at the bound the oldest of the
    /// address with most goes.
    pub dedupe_entries_max: usize,
    /// Outcomes that are remembered for one address; at the bound its oldest goes.
    pub dedupe_entries_per_address_max: usize,
    /// Messages in a session's outgoing queue beyond which those who feed it are told to pause.
    pub pause_threshold: usize,
    /// Messages in it below which they are told to resume.
    pub resume_threshold: usize,
}

/// Settings that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    #[error("resume_threshold must be at least 1: no queue is below 0")]
    ResumeThresholdZero,
    #[error("pause_threshold ({pause}) must be greater than resume_threshold ({resume})")]
    ThresholdsCross { pause: usize, resume: usize },
    #[error("rate_limit_burst must be at least 1 where rate_limit_per_second is not 0")]
    BurstZero,
    #[error("ping_limit_burst must be at least 1 where ping_limit_per_second is not 0")]
    PingBurstZero,
}

impl Config {
    /// The bounds of a request's fields.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            type_bytes_max: self.type_bytes_max,
            metadata_bytes_max: self.metadata_bytes_max,
            registration_metadata_bytes_max: self.registration_metadata_bytes_max,
            registration_metadata_depth_max: self.registration_metadata_depth_max,
            capabilities_max: self.capabilities_max,
            capability_bytes_max: self.capability_bytes_max,
        }
    }

    /// Whether the settings go together. The hub works with any; with such as this refuses it does
    /// not do what its user can have meant.
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

    /// How large a message may be before `hub:connect`.
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

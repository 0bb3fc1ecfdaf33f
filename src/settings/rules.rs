//! The rules between a hub's settings. The hub works with any; if they break a rule, it does not do
//! what their user can have meant.

use crate::hub::Config;

/// A rule between two settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The setting that the rule is about.
    pub left: &'static str,
    /// What it must be, in words that go before `right`.
    pub must: &'static str,
    /// The setting that it is compared with.
    pub right: &'static str,
    /// What happens otherwise.
    pub why: &'static str,
}

/// The rules that are broken.
pub fn broken(hub: &Config) -> impl Iterator<Item = Rule> {
    let rules = [
        (
            hub.idle_timeout > hub.ping_interval,
            ("idle_timeout", "must be longer than", "ping_interval"),
            "or a healthy client that only listens is taken for dead",
        ),
        (
            hub.idle_timeout > hub.heartbeat_interval,
            ("idle_timeout", "must be longer than", "heartbeat_interval"),
            "or a client that sends heartbeats as told is taken for dead",
        ),
        (
            hub.queue_bytes_max >= hub.message_bytes_max,
            ("queue_bytes_max", "must be no less than", "message_bytes_max"),
            "or the largest message fits into no queue",
        ),
        (
            hub.pause_threshold > hub.resume_threshold,
            ("pause_threshold", "must be greater than", "resume_threshold"),
            "or senders are told to pause and to resume at once",
        ),
        (
            hub.pause_threshold < hub.queue_messages_max,
            ("pause_threshold", "must be less than", "queue_messages_max"),
            "or messages are dropped before anybody is told to pause",
        ),
        (
            hub.rate_limit_per_second == 0 || hub.rate_limit_burst > 0,
            ("rate_limit_burst", "must not be 0 with", "rate_limit_per_second"),
            "or no request is ever let through",
        ),
        (
            hub.ping_limit_per_second == 0 || hub.ping_limit_burst > 0,
            ("ping_limit_burst", "must not be 0 with", "ping_limit_per_second"),
            "or no heartbeat is ever answered",
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, ..)| !holds);
    broken.map(|(_, (left, must, right), why)| Rule { left, must, right, why })
}

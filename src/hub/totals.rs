//! The sizes of everything that the hub holds, for operators.

use serde::Serialize;

use super::weights::{self, Accounts};
use super::{Hub, Phase};

/// The hub's sizes at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Sessions before `hub:connect`.
    pub connecting: usize,
    /// Sessions after `hub:connect`.
    pub connected: usize,
    /// Sessions that are over, but whose connection is not.
    pub disconnecting: usize,
    /// Addresses that have an owner.
    pub registrations: usize,
    /// Detached addresses.
    pub detached: usize,
    /// Topics with a subscriber.
    pub topics: usize,
    /// Subscriptions of all addresses.
    pub subscriptions: usize,
    /// Messages in the outgoing queues of all sessions.
    pub queued_messages: usize,
    /// Bytes of the queued messages.
    pub queued_bytes: usize,
    /// Messages kept for addresses that recover.
    pub kept_messages: usize,
    /// Bytes of the kept messages.
    pub kept_bytes: usize,
    /// Armed deadlines.
    pub deadlines: usize,
    /// Remembered outcomes of asks.
    pub outcomes: usize,
    /// Bytes that the hub accounts for (I52).
    pub accounted: Accounts,
}

impl Hub {
    /// Counts sessions and topics one by one, but copies none.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            deadlines: self.deadlines.len(),
            outcomes: self.dedupe.len(),
            registrations: self.registry.live_len(),
            detached: self.registry.len() - self.registry.live_len(),
            kept_messages: self.logs.kept_messages(),
            kept_bytes: self.logs.kept_bytes(),
            ..Totals::default()
        };
        totals.accounted.outcomes = self.dedupe.bytes();
        totals.accounted.logs = self.logs.bytes();
        totals.accounted.registrations = self.registry.bytes();
        for session in self.sessions.iter() {
            match session.phase {
                Phase::Connecting => totals.connecting += 1,
                Phase::Connected => totals.connected += 1,
                Phase::Disconnecting => totals.disconnecting += 1,
            }
            totals.queued_messages += session.queue.messages;
            totals.queued_bytes += session.queue.bytes;
            totals.accounted.sessions += weights::SESSION;
        }
        totals.accounted.queues = totals.queued_bytes;
        for topic in self.topics.topics() {
            let subscribers = self.topics.subscriber_count(topic);
            totals.topics += 1;
            totals.subscriptions += subscribers;
            totals.accounted.subscriptions += subscribers * weights::subscription(topic);
        }
        totals
    }
}

//! The shell's bounds, beside the hub's own (docs/OPERATIONS.md).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AllowedOrigin;
use crate::time::duration_text;

/// The shell's bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections, whether sessions or not; further ones wait in the backlog. Zero:
    /// `sessions_max` + `connections_spare`.
    pub connections_max: usize,
    /// Connections beyond `sessions_max`: opening and closing handshakes, health checks, and
    /// clients that a full hub refuses.
    pub connections_spare: usize,
    /// Open connections from one IP address; further ones are closed at once. Zero: no bound.
    pub connections_per_peer_max: usize,
    /// Connections accepted per second, and at once after a pause; further ones wait in the
    /// backlog. Zero: no bound.
    pub connections_per_second_max: u64,
    /// The same for one IP address; further ones are closed at once. Zero: no bound.
    pub connections_per_second_per_peer_max: u64,
    /// The origins whose pages may connect. None named: all if tokens are demanded, else this
    /// machine's.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// WebSocket subprotocols that the server may agree to, the best first.
    pub subprotocols: Vec<String>,
    /// The most bytes of one HTTP request.
    pub request_bytes_max: usize,
    /// Bytes of a too large message, and of what follows it, that are read and discarded so that
    /// its sender can read the error.
    pub excess_bytes_max: usize,
    /// Messages that are written before the hub hears that they left the queue.
    pub batch_messages_max: usize,
    /// Bytes that are written before the hub hears that they left the queue: few enough that a slow
    /// peer shows progress within `slow_consumer_timeout`.
    pub batch_bytes_max: usize,
    /// Pongs that may wait to be written. At this bound the peer, which pings and does not read, is
    /// no longer read.
    pub pongs_queued_max: usize,
    /// Inputs on their way to the hub's owner; at this bound readers wait.
    pub events_max: usize,
    /// The pause after a failed accept: most often files have run out, and retrying at once would
    /// only burn the processor.
    #[serde(with = "duration_text")]
    pub accept_pause: Duration,
    /// Connections that the admin listener serves at once; further ones are closed.
    pub admin_connections_max: usize,
    /// How long the hub's owner may take to answer the admin listener before the hub counts as
    /// unwell.
    #[serde(with = "duration_text")]
    pub admin_timeout: Duration,
    /// Rows of each table that `/debug` shows.
    pub debug_rows_max: usize,
}

impl Limits {
    /// The effective `connections_max`.
    pub(super) fn connections(&self, sessions_max: usize) -> usize {
        match self.connections_max {
            0 => sessions_max.saturating_add(self.connections_spare),
            connections_max => connections_max,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 0,
            connections_spare: 1_024,
            connections_per_peer_max: 0,
            connections_per_second_max: 1_000,
            connections_per_second_per_peer_max: 0,
            allowed_origins: Vec::new(),
            subprotocols: Vec::new(),
            request_bytes_max: 16 * 1024,
            excess_bytes_max: 16 * 1024 * 1024,
            batch_messages_max: 256,
            batch_bytes_max: 64 * 1024,
            pongs_queued_max: 64,
            events_max: 1_024,
            accept_pause: Duration::from_millis(100),
            admin_connections_max: 16,
            admin_timeout: Duration::from_secs(2),
            debug_rows_max: 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_connections_are_room_for_every_session_and_some_spare() {
        let limits = Limits { connections_spare: 3, ..Limits::default() };
        assert_eq!(limits.connections(10), 13);
        assert_eq!(limits.connections(usize::MAX), usize::MAX);
        assert_eq!(Limits { connections_max: 5, ..limits }.connections(10), 5);
    }
}

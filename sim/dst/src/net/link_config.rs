//! How a link carries bytes and what becomes of connects, in the words of scenario files.

use std::time::Duration;

use crate::duration_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How one direction of a link carries bytes. Whatever it says, bytes stay in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinkConfig {
    /// How long a segment travels at least.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub latency: Duration,
    /// How much longer it may travel, drawn for each segment.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub jitter: Duration,
    /// What all connections together may send; none is unlimited.
    pub bytes_per_second: Option<u64>,
    /// Bytes of one connection in flight or unread by the receiver; the writer waits when full.
    pub window_bytes: usize,
    /// The longest segment; a longer write is taken in parts.
    pub segment_bytes_max: usize,
    /// How many segments of a thousand are lost, each time they are sent.
    pub loss_per_mille: u16,
    /// How long a lost segment is missed before it is sent again, doubled at each further loss; also
    /// how long held bytes need to flow once a partition is healed.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub retransmit_after: Duration,
    /// When an orderly end reaches the other side, counted from the moment it would arrive.
    pub fin: Seen,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            bytes_per_second: None,
            window_bytes: 64 * 1024,
            segment_bytes_max: 16 * 1024,
            loss_per_mille: 0,
            retransmit_after: Duration::from_millis(200),
            fin: Seen::Now,
        }
    }
}

impl LinkConfig {
    /// How late a segment can be if it is not lost and need not wait for bandwidth.
    pub fn latency_max(&self) -> Duration {
        self.latency.saturating_add(self.jitter)
    }
}

/// What becomes of a connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectMode {
    /// It is accepted if someone listens.
    Accept,
    /// It is refused, even if someone listens.
    Refuse,
    /// It gets no answer until the mode changes.
    Hang,
    /// It is accepted if someone listens, but no byte passes either way until the mode changes.
    BlackHole,
    /// It is accepted if someone listens, and the client hears that it is refused: whoever tries again
    /// has connected twice.
    Duplicate,
}

/// When something is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// As soon as it can be.
    Now,
    /// So much later.
    After(
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        Duration,
    ),
    /// Not at all.
    Never,
}

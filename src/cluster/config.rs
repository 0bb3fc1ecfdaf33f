//! The bounds and times of a cluster.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::engine::NodeName;
use crate::time::duration_text;

/// How a hub takes part in a cluster. Every node should have the same times.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// This node's name; no two that run have the same.
    pub node: NodeName,
    /// How often a node renews its row.
    #[serde(with = "duration_text")]
    pub renew_interval: Duration,
    /// A node that has not renewed for so long is declared dead.
    #[serde(with = "duration_text")]
    pub lease: Duration,
    /// So much earlier it fences itself, because clocks run at unequal pace.
    #[serde(with = "duration_text")]
    pub lease_margin: Duration,
    /// How old a node's copy of the rows may be for answers from it, and how long a watch may show nothing of what
    /// it should before another one takes its place.
    #[serde(with = "duration_text")]
    pub staleness_max: Duration,
    /// How long a node waits for another one's answer, and a request for the engine; then its outcome is unknown.
    #[serde(with = "duration_text")]
    pub answer_timeout: Duration,
    /// Between two tries of a write whose outcome is unknown.
    #[serde(with = "duration_text")]
    pub retry_interval: Duration,
    /// How long a session waits for an address that it registers; then the outcome is unknown.
    #[serde(with = "duration_text")]
    pub claim_timeout: Duration,
    /// Writes of a claim that find the row changed, before the session is told to come again.
    pub claim_tries_max: u32,
    /// Writes of rows under way; the rest waits for their answers.
    pub writes_under_way_max: usize,
    /// Addresses that one input looks at, of all that the end of a life or of a snapshot concerns; the next turn is due
    /// at once.
    pub turn_addresses_max: usize,
    /// Topics of one address, because they stand in its row.
    pub topics_per_address_max: usize,
    /// Requests of one session that wait for other nodes, the engine, or an earlier one.
    pub waiting_requests_max: usize,
    /// Bytes of their frames; one alone may be larger.
    pub waiting_bytes_max: usize,
}

impl ClusterConfig {
    /// The defaults.
    pub fn new(node: NodeName) -> Self {
        Self {
            node,
            renew_interval: Duration::from_secs(2),
            lease: Duration::from_secs(10),
            lease_margin: Duration::from_secs(2),
            staleness_max: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(2),
            retry_interval: Duration::from_millis(200),
            claim_timeout: Duration::from_secs(6),
            claim_tries_max: 8,
            writes_under_way_max: 256,
            turn_addresses_max: 256,
            topics_per_address_max: 256,
            waiting_requests_max: 256,
            waiting_bytes_max: 1024 * 1024,
        }
    }

    /// Checks that the times go together.
    pub fn check(&self) -> Result<(), InvalidCluster> {
        let kept = self.lease.saturating_sub(self.lease_margin);
        if kept < self.renew_interval * 2 {
            return Err(InvalidCluster::LeaseTooShort);
        }
        if self.staleness_max < self.renew_interval {
            return Err(InvalidCluster::StalenessTooShort);
        }
        Ok(())
    }
}

/// Why two settings of a cluster contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCluster {
    /// One renewal that fails would fence the node.
    #[error("lease without lease_margin must be at least twice renew_interval")]
    LeaseTooShort,
    /// No copy could be proven to be so young.
    #[error("staleness_max must be at least renew_interval")]
    StalenessTooShort,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_contradict_each_other_are_named() {
        let node = NodeName::parse("a").expect("a name");
        let defaults = ClusterConfig::new(node);
        assert_eq!(defaults.check(), Ok(()));
        let short = ClusterConfig { lease: Duration::from_secs(5), ..defaults.clone() };
        assert_eq!(short.check(), Err(InvalidCluster::LeaseTooShort));
        let young = ClusterConfig { staleness_max: Duration::from_secs(1), ..defaults };
        assert_eq!(young.check(), Err(InvalidCluster::StalenessTooShort));
    }
}

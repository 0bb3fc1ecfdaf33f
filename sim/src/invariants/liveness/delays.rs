//! L7: how long a copy takes from the hub to its recipient, whatever others do.
//!
//! Judged for every recipient that no step troubles, in runs in which no step troubles the hub, on
//! networks that neither lose segments nor bound what they carry, in virtual time.

use std::collections::BTreeSet;
use std::time::Duration;

use signal_hub::protocol::MessageId;

use super::super::{Invariant, Verdict, broken};
use crate::history::ClientName;
use crate::net::Fault;
use crate::scenario::{Act, HUB_HOST, ProcessAct, Scenario, Store, What};

/// What timers and turns of the writer may add.
const SLACK: Duration = Duration::from_secs(1);

/// The bound on delays in one run.
pub struct Delays {
    latency_max: Duration,
    window_bytes: usize,
    /// The hosts that steps trouble.
    troubled: BTreeSet<String>,
}

impl Delays {
    /// The bound, if the scenario leaves one.
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let network = &scenario.network;
        if network.loss_per_mille > 0 || network.bytes_per_second.is_some() {
            return None;
        }
        let mut troubled = BTreeSet::new();
        for step in &scenario.steps {
            match &step.what {
                What::Hub(_) => return None,
                What::Network(fault) => troubled.extend(hosts(fault)),
                What::Act { who, act, .. } => match act {
                    Act::Connection(_)
                    | Act::Process(
                        ProcessAct::Pause { .. }
                        | ProcessAct::Crash { .. }
                        | ProcessAct::Leave { .. },
                    ) => drop(troubled.insert(who.to_string())),
                    Act::Process(ProcessAct::Start) | Act::Do(_) | Act::Expect(_) => {}
                },
            }
        }
        let holds_back = scenario.clients.store.map_or(Duration::ZERO, Store::holds_back);
        let (latency_max, window_bytes) =
            (network.latency_max() + holds_back, network.window_bytes.max(1));
        let spared = !troubled.contains(HUB_HOST);
        spared.then_some(Self { latency_max, window_bytes, troubled })
    }

    /// Whether a copy that waited behind others, `queued` bytes with it, came in time.
    pub fn check(
        &self,
        client: &ClientName,
        origin: &MessageId,
        took: Duration,
        queued: usize,
    ) -> Verdict {
        let round_trips = u32::try_from(queued.div_ceil(self.window_bytes)).unwrap_or(u32::MAX);
        let bound = self.latency_max.saturating_mul(2).saturating_mul(round_trips) + SLACK;
        if took <= bound || self.troubled.contains(&client.who().to_string()) {
            return Ok(());
        }
        broken(Invariant::L7, format!("{origin} took {took:?} to {client}, which nothing troubles"))
    }
}

/// Whom a fault troubles: on a link, whoever is not the hub.
fn hosts(fault: &Fault) -> Vec<String> {
    let mut hosts = fault.hosts();
    if hosts.iter().any(|host| *host != HUB_HOST) {
        hosts.retain(|host| *host != HUB_HOST);
    }
    hosts.into_iter().map(str::to_owned).collect()
}

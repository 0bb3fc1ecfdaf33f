//! How fast a session may ask, as docs/PROTOCOL.md has it in section 6: so many requests a second
//! for long, so many at once after a pause; what opens, keeps or ends a session is free.

use std::collections::BTreeMap;

use signal_hub::hub::{Config, Input, SessionKey};
use signal_hub::protocol::Request;
use signal_hub::time::Timestamp;

use crate::history::HubEvent;

/// What one request costs: a session regains its rate in thousandths a millisecond.
const REQUEST: u64 = 1_000;
const FREE: [&str; 3] = ["hub:connect", "hub:heartbeat", "hub:disconnect"];

/// The pace of every session.
pub struct Pace {
    rate: u64,
    /// What a session may have spent.
    spent_max: u64,
    spent: BTreeMap<SessionKey, Spent>,
}

/// What a session had spent, and when.
#[derive(Clone, Copy, Default)]
struct Spent {
    amount: u64,
    at: Timestamp,
}

impl Pace {
    pub fn new(config: &Config) -> Self {
        let burst = u64::from(config.rate_limit_burst.max(1));
        let rate = u64::from(config.rate_limit_per_second);
        Self { rate, spent_max: burst * REQUEST, spent: BTreeMap::new() }
    }

    /// Counts a request that the hub hears; says whether it comes too soon.
    pub fn is_hasty(&mut self, hub: &HubEvent, key: SessionKey, request: &Request) -> bool {
        if self.rate == 0 || FREE.contains(&request.type_name.as_ref()) {
            return false;
        }
        let spent = self.spent.entry(key).or_default();
        let regained = (hub.now.since(spent.at).as_millis() as u64).saturating_mul(self.rate);
        spent.amount = spent.amount.saturating_sub(regained);
        spent.at = spent.at.max(hub.now);
        let hasty = spent.amount + REQUEST > self.spent_max;
        if !hasty {
            spent.amount += REQUEST;
        }
        hasty
    }

    /// Forgets a session that is gone.
    pub fn forget(&mut self, input: &Input) {
        if let Input::Closed(key, _) = input {
            self.spent.remove(key);
        }
    }

    pub fn hub_restarted(&mut self) {
        self.spent.clear();
    }
}

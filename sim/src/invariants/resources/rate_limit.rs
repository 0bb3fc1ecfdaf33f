//! How fast a session may ask, as docs/PROTOCOL.md has it in section 6: so much a second for long, so
//! much at once after a pause; what opens or ends a session is free, and what keeps it alive counts
//! apart. What a request weighs is known once it is done.

use std::collections::BTreeMap;

use signal_hub::hub::{Config, DropReason, Input, Record, SessionKey};
use signal_hub::protocol::{ClientFrame, Request, Verb};
use signal_hub::time::Timestamp;

use crate::history::HubEvent;

/// What the lightest request costs: a session regains its rate in thousandths a millisecond.
const REQUEST: u64 = 1_000;

/// The rate limits of every session.
pub struct RateLimits {
    requests: Limit,
    pings: Limit,
    bytes: usize,
    rows: usize,
    spent: BTreeMap<SessionKey, [Spent; 2]>,
}

#[derive(Clone, Copy)]
struct Limit {
    rate: u64,
    /// What a session may have spent.
    spent_max: u64,
}

/// What a session had spent, and when.
#[derive(Clone, Copy, Default)]
struct Spent {
    amount: u64,
    at: Timestamp,
}

impl Limit {
    fn new(rate: u32, burst: u32) -> Self {
        Self { rate: rate.into(), spent_max: u64::from(burst.max(1)) * REQUEST }
    }
}

impl RateLimits {
    pub fn new(config: &Config) -> Self {
        let rate = config.rate_limit_per_second;
        let ping_rate = if rate == 0 { 0 } else { config.ping_limit_per_second };
        Self {
            requests: Limit::new(rate, config.rate_limit_burst),
            pings: Limit::new(ping_rate, config.ping_limit_burst),
            bytes: config.rate_limit_bytes,
            rows: config.rate_limit_rows,
            spent: BTreeMap::new(),
        }
    }

    /// Counts a request or a ping that the hub hears; says whether it comes too soon.
    pub fn is_rate_limited(
        &mut self,
        hub: &HubEvent,
        key: SessionKey,
        frame: &ClientFrame,
    ) -> bool {
        let (of, weight) = match frame {
            ClientFrame::Ping => (1, 1),
            ClientFrame::Request(request) => match request.type_name.as_ref() {
                "hub:connect" | "hub:disconnect" => return false,
                "hub:heartbeat" => (1, self.weight(hub, request)),
                _ => (0, self.weight(hub, request)),
            },
        };
        let limit = [self.requests, self.pings][of];
        if limit.rate == 0 {
            return false;
        }
        let spent = &mut self.spent.entry(key).or_default()[of];
        let regained = (hub.now.since(spent.at).as_millis() as u64).saturating_mul(limit.rate);
        spent.amount = spent.amount.saturating_sub(regained);
        spent.at = spent.at.max(hub.now);
        let limited = spent.amount + REQUEST > limit.spent_max;
        if !limited {
            spent.amount = spent.amount.saturating_add(weight * REQUEST);
        }
        limited
    }

    /// One, and one more for so many bytes, and for so many copies and rows that were searched. That
    /// the hub says rightly how many these are is I51.
    fn weight(&self, hub: &HubEvent, request: &Request) -> u64 {
        let rows = hub.records().filter(|record| is_copy(record, request)).count();
        let rows = rows + hub.work.scanned;
        let by = |amount: usize, unit: usize| amount.checked_div(unit).unwrap_or(0);
        (1 + by(request.frame_bytes.0, self.bytes) + by(rows, self.rows)) as u64
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

/// A copy of a message, be it handed over or not, or one that the request brings back or ends.
fn is_copy(record: &Record, request: &Request) -> bool {
    match record {
        // Others are too old by themselves.
        Record::MessageDropped { why: DropReason::Unclaimed, .. } => {
            matches!(request.verb, Ok(Verb::Register(_) | Verb::Unregister(_)))
        }
        record => matches!(
            record,
            Record::MessageDelivered { .. }
                | Record::MessageDropped { .. }
                | Record::MessageQueued { .. }
                | Record::MessageReplayed { .. }
        ),
    }
}

//! When a node has to look at something again, and how much of each session waits.

use std::collections::{BTreeMap, BTreeSet};

use super::Cluster;
use super::handover::Had;
use super::leaving::Leaving;
use crate::hub::{Hub, SessionKey};
use crate::protocol::{ActorAddress, Refusal, Request};
use crate::time::Timestamp;

/// What waits, and not for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A write that nobody answered.
    Retry(ActorAddress),
    /// A session that claims an address.
    Claim(SessionKey),
    /// Replies that wait for the row of an address.
    Withheld(ActorAddress),
    /// A log that this node fetches.
    Fetch(Had),
    /// A log that nobody fetched.
    Aside(Had),
    /// A log that another node asks for.
    Asking(Had),
}

/// Each belongs to something that waits, and ends with it (I30); arming an armed one moves it.
#[derive(Debug, Clone, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Timestamp, Timer)>,
    armed: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    pub fn arm(&mut self, timer: Timer, at: Timestamp) {
        self.disarm(&timer);
        self.due.insert((at, timer.clone()));
        self.armed.insert(timer, at);
    }

    pub fn disarm(&mut self, timer: &Timer) {
        if let Some(at) = self.armed.remove(timer) {
            self.due.remove(&(at, timer.clone()));
        }
    }

    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    pub fn len(&self) -> usize {
        self.due.len()
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next().is_none_or(|at| at > now) {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.armed.remove(&timer);
        Some(timer)
    }
}

/// What of a session waits for other nodes, for a row to be written, or behind its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Waiting {
    requests: usize,
    /// Of their frames.
    bytes: usize,
}

impl Hub {
    pub(in crate::hub) fn next_of_cluster(&self) -> Option<Timestamp> {
        self.cluster.as_ref().and_then(|cluster| cluster.next())
    }

    /// What is due for the node itself, before an input.
    pub(in crate::hub) fn expire_cluster(&mut self, now: Timestamp) {
        self.note_fencing(now);
        let Some(cluster) = &mut self.cluster else { return };
        cluster.act(now);
        cluster.look_after_watch(now);
        while let Some(timer) =
            self.cluster.as_mut().and_then(|cluster| cluster.timers.pop_due(now))
        {
            match timer {
                Timer::Retry(address) => self.retry_write(now, &address),
                Timer::Claim(key) => self.end_late_claim(now, key),
                Timer::Withheld(address) => self.end_withheld(now, &address),
                Timer::Fetch(had) => self.end_fetch(now, &had, None),
                Timer::Aside(had) => self.end_aside(&had),
                Timer::Asking(had) => self.cluster.iter_mut().for_each(|it| it.ask_no_more(&had)),
            }
        }
        self.end_relays(now);
    }
}

impl Waiting {
    pub fn requests(&self) -> usize {
        self.requests
    }

    /// Of more than one request.
    pub fn bytes_of_many(&self) -> usize {
        if self.requests > 1 { self.bytes } else { 0 }
    }
}

impl Cluster {
    /// Timers for what waits no longer: none.
    pub(super) fn ownerless_timers(&self) -> impl Iterator<Item = &Timer> {
        self.timers.armed.keys().filter(|timer| !match timer {
            Timer::Retry(address) => self.writes.contains_key(address),
            Timer::Claim(key) => self.parked.contains_key(key),
            Timer::Withheld(address) => self.withheld.contains_key(address),
            Timer::Fetch(had) => self.fetches.contains_key(had),
            Timer::Aside(had) => self.handovers.keeps(had),
            Timer::Asking(had) => self.handovers.is_asked(had),
        })
    }

    /// When it has something to do.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let timers = self.timers.next().into_iter().chain(self.chores.left_at);
        let own = self.life.next().filter(|_| self.reached).into_iter().chain(self.relays.next());
        let leaving = self.leaving.iter().map(Leaving::next);
        let watch = self.watch.iter().filter(|_| self.reached);
        let watched = watch.map(|watch| watch.since + self.config.staleness_max);
        own.chain(timers).chain(watched).chain(leaving).min()
    }

    /// Refuses a request that may have to wait if too much of its session does.
    pub(super) fn check_waiting(&self, key: SessionKey, request: &Request) -> Result<(), Refusal> {
        let Some(waiting) = self.waiting.get(&key) else { return Ok(()) };
        let (requests_max, bytes_max) =
            (self.config.waiting_requests_max, self.config.waiting_bytes_max);
        if waiting.requests >= requests_max {
            Err(Refusal::too_many_wait(requests_max, "requests"))
        } else if waiting.bytes > 0 && waiting.bytes + request.frame_bytes.0 > bytes_max {
            Err(Refusal::too_many_wait(bytes_max, "bytes"))
        } else {
            Ok(())
        }
    }

    /// One request more of the session waits.
    pub(super) fn begins_to_wait(&mut self, key: SessionKey, request: &Request) {
        let waiting = self.waiting.entry(key).or_default();
        waiting.requests += 1;
        waiting.bytes += request.frame_bytes.0;
    }

    /// One request less does.
    pub(super) fn waits_no_more(&mut self, key: SessionKey, request: &Request) {
        let Some(waiting) = self.waiting.get_mut(&key) else { return };
        waiting.requests -= 1;
        waiting.bytes -= request.frame_bytes.0;
        if waiting.requests == 0 {
            self.waiting.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::engine::NodeName;
    use crate::cluster::{ClusterConfig, Incarnation};
    use crate::protocol::{ErrorCode, FrameBytes, MessageId, Pattern, Verb};

    const KEY: SessionKey = SessionKey(1);

    fn request(bytes: usize) -> Request {
        let address = ActorAddress::from_path("a").expect("a path");
        let (to, at) = (address.clone(), Timestamp::from_millis(0));
        let id = MessageId::from(uuid::Uuid::nil());
        let request = Request::new(id, address, to, Pattern::Ask, at, Verb::QueueStats);
        Request { frame_bytes: FrameBytes(bytes), ..request }
    }

    #[test]
    fn what_waits_of_a_session_has_a_bound_in_requests_and_in_bytes() {
        let node = NodeName::parse("a").expect("a name");
        let config = ClusterConfig { waiting_requests_max: 3, ..ClusterConfig::new(node) };
        let mut cluster = Cluster::new(config, Incarnation(1));
        let (small, large) = (request(1), request(1024 * 1024));
        let check = |cluster: &Cluster, request| cluster.check_waiting(KEY, request);
        assert_eq!(check(&cluster, &large), Ok(()));
        cluster.begins_to_wait(KEY, &small);
        let refused = check(&cluster, &large).expect_err("its bytes");
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert_eq!(check(&cluster, &small), Ok(()));
        cluster.begins_to_wait(KEY, &small);
        cluster.begins_to_wait(KEY, &small);
        let refused = check(&cluster, &small).expect_err("its number");
        assert_eq!(refused.code, ErrorCode::RateLimited);
        (0..3).for_each(|_| cluster.waits_no_more(KEY, &small));
        assert_eq!(cluster.waiting.len(), 0);
    }
}

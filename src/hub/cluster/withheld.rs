//! Replies that wait until the row of an address says the same.

use std::sync::Arc;

use super::{Cluster, Timer};
use crate::hub::{Hub, SessionKey};
use crate::protocol::{ActorAddress, Refusal, Reply, Request, Verb};
use crate::time::Timestamp;

/// A reply that waits until the row says what it says.
#[derive(Debug, Clone)]
pub(super) struct Withheld {
    key: SessionKey,
    request: Arc<Request>,
    reply: Reply,
    due: Timestamp,
}

impl Hub {
    /// Withholds a reply until the row of the address says the same. Returns whether it does.
    pub(in crate::hub) fn withholds(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Arc<Request>,
        reply: &Reply,
    ) -> bool {
        if self.cluster.is_none() {
            return false;
        }
        let address = match (&request.verb, reply) {
            (Ok(Verb::Unregister(_)), Reply::Unregistered(reply)) => reply.actor_address.clone(),
            (Ok(Verb::Subscribe(_) | Verb::Unsubscribe(_)), _) => {
                match self.topics.touched.iter().last() {
                    Some((address, _)) => address.clone(),
                    None => return false,
                }
            }
            _ => return false,
        };
        self.withhold(now, key, &address, (Arc::clone(request), reply.clone()));
        true
    }

    pub(super) fn withhold(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        address: &ActorAddress,
        (request, reply): (Arc<Request>, Reply),
    ) {
        let Some(cluster) = &mut self.cluster else { return };
        let due = now + cluster.config.answer_timeout;
        cluster.begins_to_wait(key, &request);
        let withheld = cluster.withheld.entry(address.clone()).or_default();
        if withheld.is_empty() {
            cluster.timers.arm(Timer::Withheld(address.clone()), due);
        }
        withheld.push(Withheld { key, request, reply, due });
    }

    pub(super) fn release_withheld(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &mut self.cluster else { return };
        let (withheld, version) = (cluster.take_withheld(address), cluster.version_of(address));
        let is_there = cluster.rows.contains_key(address);
        for Withheld { key, request, mut reply, .. } in withheld {
            if let Reply::Registered(told) = &mut reply
                && is_there
            {
                // The row may be of a later generation by now, or given back.
                told.version = version;
            }
            self.answer_waiting(now, key, &request, Ok(reply));
        }
    }

    /// Returns whether a session has the address and has not heard of it yet.
    pub(in crate::hub) fn withholds_registration(&self, address: &ActorAddress) -> bool {
        let withheld = self.cluster.as_ref().and_then(|cluster| cluster.withheld.get(address));
        let mut replies = withheld.into_iter().flatten().map(|one| &one.reply);
        replies.any(|reply| matches!(reply, Reply::Registered(_)))
    }

    /// The session lost the address before its row was written.
    pub(super) fn refuse_withheld(&mut self, now: Timestamp, address: &ActorAddress) {
        let withheld = self.cluster.as_mut().map(|cluster| cluster.take_withheld(address));
        for Withheld { key, request, .. } in withheld.into_iter().flatten() {
            self.answer_waiting(now, key, &request, Err(Refusal::lost(address)));
        }
    }

    /// Refuses what waits for a row for too long: nobody knows whether it will be written.
    pub(super) fn end_withheld(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &mut self.cluster else { return };
        // They wait equally long, so the first is due first.
        let mut late = cluster.take_withheld(address);
        let left = late.split_off(late.partition_point(|one| one.due <= now));
        if let Some(first) = left.first() {
            cluster.timers.arm(Timer::Withheld(address.clone()), first.due);
            cluster.withheld.insert(address.clone(), left);
        }
        for Withheld { key, request, .. } in late {
            self.answer_waiting(now, key, &request, Err(Refusal::unknown_outcome()));
        }
    }

    /// Answers a request that waited.
    pub(super) fn answer_waiting(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        reply: Result<Reply, Refusal>,
    ) {
        if let Some(cluster) = &mut self.cluster {
            cluster.waits_no_more(key, request);
        }
        self.answer(now, key, request, reply);
    }
}

impl Cluster {
    fn take_withheld(&mut self, address: &ActorAddress) -> Vec<Withheld> {
        self.timers.disarm(&Timer::Withheld(address.clone()));
        self.withheld.remove(address).unwrap_or_default()
    }
}

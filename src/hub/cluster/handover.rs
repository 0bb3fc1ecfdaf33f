//! What was kept for an address that another node has now. It waits for that node to fetch it, and not for long.

use std::collections::BTreeMap;

use super::{Cluster, Timer};
use crate::cluster::engine::{NodeName, Revision};
use crate::cluster::{LogEnd, LogHead, LoggedMessage, MessageBody, Relayed};
use crate::hub::state::{Kept, Log};
use crate::hub::{Deadline, DropReason, Hub};
use crate::protocol::{ActorAddress, Epoch};
use crate::time::Timestamp;

/// An address as this node had it, by its version then.
pub(super) type Had = (ActorAddress, Revision);

/// Logs of addresses that this node had, and what asks for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Handovers {
    aside: BTreeMap<Had, Aside>,
    /// What all of these weigh.
    bytes: usize,
    /// Who asks for what this node does not know yet that it lost, or is fetching itself: where it goes, and the version
    /// there.
    asking: BTreeMap<Had, (NodeName, Revision)>,
}

#[derive(Debug, Clone)]
pub(super) struct Aside {
    pub log: Option<Log>,
    pub taken_over: Option<Epoch>,
    /// Whether what was kept before is lost.
    pub lost: bool,
}

/// About what the messages of a piece weigh.
const PIECE_BYTES: usize = 256 * 1024;

impl Hub {
    /// Another node has an address that this one had at this version. It asks for the log if the row told of one.
    pub(super) fn set_aside(&mut self, now: Timestamp, had: &Had, recovers: bool) {
        let address = &had.0;
        let log = self.logs.remove(address);
        self.deadlines.disarm(&Deadline::Log(address.clone()));
        let Some(cluster) = &mut self.cluster else { return };
        if let Some(fetch) = cluster.fetches.get_mut(had) {
            (fetch.is_here, fetch.later) = (false, log);
            return;
        }
        if log.is_none() && !recovers {
            return;
        }
        let taken_over = self.registry.get(address).and_then(|known| known.taken_over);
        self.keep_aside(now, had.clone(), Aside { log, taken_over, lost: false });
    }

    /// Keeps a log for the node that fetches it, as far as there is room for its messages.
    pub(super) fn keep_aside(&mut self, now: Timestamp, had: Had, mut aside: Aside) {
        let Some(cluster) = &mut self.cluster else { return };
        let room = self.config.recovery_total_bytes_max.saturating_sub(self.logs.kept_bytes());
        let room = room.saturating_sub(cluster.handovers.bytes);
        let is_full = cluster.handovers.aside.len() >= self.config.registrations_max;
        let room = if is_full { 0 } else { room };
        let lost = aside.log.as_mut().map(|log| log.set_aside(room)).unwrap_or_default();
        if !is_full {
            let until = now + cluster.config.answer_timeout * 2;
            cluster.timers.arm(Timer::Aside(had.clone()), until);
            cluster.handovers.bytes += aside.log.as_ref().map_or(0, Log::bytes);
            cluster.handovers.aside.insert(had.clone(), aside);
        }
        for kept in lost {
            self.settle(&had.0, &kept, DropReason::Overflow);
        }
        self.hand_over_log(now, &had);
    }

    /// Another node asks for what this one kept.
    pub(super) fn asked_for_log(
        &mut self,
        now: Timestamp,
        had: Had,
        (node, claimed): (NodeName, Revision),
    ) {
        let Some(cluster) = &mut self.cluster else { return };
        let Handovers { aside, asking, .. } = &mut cluster.handovers;
        if asking.len() >= self.config.registrations_max && !aside.contains_key(&had) {
            return;
        }
        asking.insert(had.clone(), (node, claimed));
        let due = now + cluster.config.answer_timeout;
        cluster.timers.arm(Timer::Asking(had.clone()), due);
        self.hand_over_log(now, &had);
    }

    /// Answers who asks for it, if this node sees that the address is there, and has all that it was to have.
    pub(super) fn hand_over_log(&mut self, now: Timestamp, had: &Had) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some((node, claimed)) = cluster.handovers.asking.get(had).cloned() else { return };
        if !cluster.has_seen_lost(had, claimed) || cluster.fetches.contains_key(had) {
            return;
        }
        cluster.ask_no_more(had);
        let aside = cluster.take_aside(had);
        let aside = aside.unwrap_or(Aside { log: None, taken_over: None, lost: true });
        let Aside { log, taken_over, lost } = aside;
        let head = log.as_ref().map(head_of);
        let lived = self.deadlines.lived(now);
        let mut part = 0;
        for messages in pieces(log) {
            let messages = messages.iter().map(|kept| logged(kept, now, lived)).collect();
            self.tell_piece(&node, (had.0.clone(), claimed), part, messages, None);
            part += 1;
        }
        let end = Some(LogEnd { log: head, taken_over, lost });
        self.tell_piece(&node, (had.0.clone(), claimed), part, Vec::new(), end);
    }

    fn tell_piece(
        &mut self,
        node: &NodeName,
        (address, claimed): Had,
        part: u32,
        messages: Vec<LoggedMessage>,
        end: Option<LogEnd>,
    ) {
        self.tell(node, MessageBody::Fetched { address, claimed, part, messages, end });
    }

    /// The row of an address changed, or the watch is further: who asks for its log may be answered.
    pub(super) fn answer_asking(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &self.cluster else { return };
        let from = (address.clone(), Revision(0));
        let asking = cluster.handovers.asking.range(from..).map(|(had, _)| had);
        let asking: Vec<Had> = asking.take_while(|had| had.0 == *address).cloned().collect();
        for had in asking {
            self.hand_over_log(now, &had);
        }
    }

    /// Nobody fetched it.
    pub(super) fn end_aside(&mut self, had: &Had) {
        let aside = self.cluster.as_mut().and_then(|cluster| cluster.take_aside(had));
        let log = aside.and_then(|aside| aside.log);
        for kept in log.into_iter().flat_map(Log::into_kept) {
            self.settle(&had.0, &kept, DropReason::Unclaimed);
        }
    }

    /// The engine lost what it had: versions mean nothing any longer.
    pub(super) fn end_handovers(&mut self) {
        let Some(cluster) = &mut self.cluster else { return };
        let asking: Vec<Had> = cluster.handovers.asking.keys().cloned().collect();
        asking.iter().for_each(|had| cluster.ask_no_more(had));
        let aside: Vec<Had> = cluster.handovers.aside.keys().cloned().collect();
        aside.iter().for_each(|had| self.end_aside(had));
    }
}

impl Cluster {
    fn take_aside(&mut self, had: &Had) -> Option<Aside> {
        self.timers.disarm(&Timer::Aside(had.clone()));
        let aside = self.handovers.aside.remove(had)?;
        self.handovers.bytes -= aside.log.as_ref().map_or(0, Log::bytes);
        Some(aside)
    }

    /// Who asked is answered, or has given up by now.
    pub(super) fn ask_no_more(&mut self, had: &Had) {
        self.timers.disarm(&Timer::Asking(had.clone()));
        self.handovers.asking.remove(had);
    }

    /// Returns whether this node's copy shows that the address is no longer as it had it. If the watch is further than the
    /// claim and the row is still as it was, another one has replaced the claim, and is yet to be shown.
    fn has_seen_lost(&self, (address, version): &Had, claimed: Revision) -> bool {
        let known = self.rows.get(address);
        let is_later = known.is_some_and(|known| known.revision >= claimed);
        is_later || self.shown >= claimed && known.is_none_or(|known| known.version != *version)
    }
}

impl Handovers {
    /// Logs that others may fetch, what they weigh, and who asks for one.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.aside.len(), self.bytes, self.asking.len())
    }

    pub fn keeps(&self, had: &Had) -> bool {
        self.aside.contains_key(had)
    }

    pub fn is_asked(&self, had: &Had) -> bool {
        self.asking.contains_key(had)
    }

    /// Whether nothing waits to be fetched.
    pub fn is_empty(&self) -> bool {
        self.aside.is_empty()
    }
}

fn head_of(log: &Log) -> LogHead {
    let stored = log.stored();
    LogHead { epoch: stored.epoch, last: stored.last, floor: stored.floor, aged: stored.aged }
}

fn logged(kept: &Kept, now: Timestamp, lived: Timestamp) -> LoggedMessage {
    LoggedMessage {
        seq: kept.seq,
        age: now.since(kept.at),
        lived: lived.since(kept.lived),
        owed: kept.owed,
        delivery: Relayed::from(&*kept.delivery),
    }
}

/// The messages of a log, in pieces that fit into a message each.
fn pieces(log: Option<Log>) -> Vec<Vec<Kept>> {
    let (mut pieces, mut room) = (Vec::<Vec<Kept>>::new(), 0);
    for kept in log.into_iter().flat_map(Log::into_kept) {
        match pieces.last_mut() {
            Some(piece) if kept.weight <= room => {
                room -= kept.weight;
                piece.push(kept);
            }
            _ => {
                room = PIECE_BYTES.saturating_sub(kept.weight);
                pieces.push(vec![kept]);
            }
        }
    }
    pieces
}

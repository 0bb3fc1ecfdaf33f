//! Messages of other nodes.

use std::sync::Arc;

use super::RECIPIENTS_MAX;
use crate::cluster::engine::Revision;
use crate::cluster::{Fate, Message, MessageBody, NodeRow};
use crate::hub::cluster::{Cluster, readable};
use crate::hub::sending::{Destination, Handover};
use crate::hub::{DropReason, Hub};
use crate::protocol::{ActorAddress, Delivery};
use crate::time::Timestamp;

impl Hub {
    /// A message of another node, unless it came before.
    pub(in crate::hub::cluster) fn arrived(&mut self, now: Timestamp, text: &[u8]) {
        let Some(cluster) = &mut self.cluster else { return };
        let message = readable(Message::decode(text), &mut cluster.figures.messages_unread);
        let Some(message) = message.filter(|message| cluster.is_new(message)) else { return };
        let Message { from, incarnation, number, body, .. } = message;
        cluster.relays.heard.insert(from.node.clone(), (incarnation, from.epoch, number));
        match body {
            MessageBody::Deliver { relay, to, delivery, queue } => {
                if !cluster.acts(now) || to.len() > RECIPIENTS_MAX {
                    return;
                }
                let delivery = Arc::<Delivery>::from(*delivery);
                let fate = |(to, at): &_| self.receive(now, (to, *at), &delivery, queue);
                let fates = to.iter().map(fate).collect();
                let to = to.into_iter().map(|(to, _)| to).collect();
                self.tell(&from.node, MessageBody::Delivered { relay, to, fates });
            }
            MessageBody::Delivered { relay, to, fates } => {
                for (to, fate) in to.iter().zip(fates) {
                    self.told_fate(now, relay, to, fate);
                }
                self.end_if_answered(now, relay);
            }
            MessageBody::Fetch { address, version, claimed } => {
                self.asked_for_log(now, (address, version), (from.node, claimed));
            }
            MessageBody::Fetched { address, claimed, part, messages, end } => {
                self.fetched(now, &from.node, (address, claimed), part, (messages, end));
            }
            MessageBody::Adopt { addresses } => self.asked_to_adopt(&from, addresses),
            MessageBody::AdoptsNothing => {
                cluster.leaving.iter_mut().for_each(|it| it.ask_no_more(from.node.clone()));
            }
        }
    }

    /// Hands a copy to the session that has the address at this version, or keeps it for who is away. At a later one it
    /// could overtake a copy that came when the address was gone.
    pub(super) fn receive(
        &mut self,
        now: Timestamp,
        (to, version): (&ActorAddress, Revision),
        delivery: &Arc<Delivery>,
        queue: bool,
    ) -> Fate {
        let Some(cluster) = &self.cluster else { return Fate::Stale };
        let at_version = cluster.rows.get(to).is_some_and(|known| known.version == version);
        let is_here = cluster.acts(now) && cluster.has(to) && at_version;
        let destination = Destination::of(self.registry.get(to), queue);
        let handover = match destination.owner() {
            Some(owner) if is_here => self.hand_over(now, owner, (to, destination), delivery).0,
            None if is_here && destination.may_wait() => {
                self.queue(now, to, delivery, DropReason::Detached)
            }
            _ => {
                self.cluster.iter_mut().for_each(|cluster| cluster.figures.copies_stale += 1);
                return Fate::Stale;
            }
        };
        match handover {
            Handover::Delivered => Fate::Delivered,
            Handover::Queued => Fate::Queued,
            Handover::Dropped(why) => {
                self.record_drop(to.clone(), &delivery.origin, why);
                Fate::QueueFull
            }
        }
    }
}

impl Cluster {
    /// Returns whether a message is not one that came before. Lives count anew when the engine lost them, so of two
    /// processes the node's row says which one is there.
    fn is_new(&self, message: &Message) -> bool {
        let Message { from, incarnation, number, .. } = message;
        let is_there = |row: &NodeRow| row.incarnation == *incarnation;
        let row = self.life.row_of(&from.node).map(|(_, row)| row);
        match self.relays.heard.get(&from.node) {
            Some((known, epoch, latest)) if known == incarnation => {
                (from.epoch, *number) > (*epoch, *latest)
            }
            Some((_, epoch, _)) => from.epoch > *epoch || row.is_some_and(is_there),
            None => row.is_none_or(|row| is_there(row) || from.epoch > row.epoch),
        }
    }
}

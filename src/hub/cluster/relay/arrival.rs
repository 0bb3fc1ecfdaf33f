//! Messages of other nodes.

use std::sync::Arc;

use super::RECIPIENTS_MAX;
use crate::cluster::engine::Revision;
use crate::cluster::{Fate, Message, MessageBody, NodeRow};
use crate::hub::Hub;
use crate::hub::cluster::{Cluster, readable};
use crate::hub::sending::{Destination, Handover};
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
            MessageBody::Deliver { relay, to, delivery } => {
                if !cluster.acts(now) || to.len() > RECIPIENTS_MAX {
                    return;
                }
                let delivery = Arc::<Delivery>::from(*delivery);
                let fates = to.iter().map(|(to, at)| self.receive(now, to, *at, &delivery));
                let fates = fates.collect();
                let to = to.into_iter().map(|(to, _)| to).collect();
                self.tell(&from.node, MessageBody::Delivered { relay, to, fates });
            }
            MessageBody::Delivered { relay, to, fates } => {
                for (to, fate) in to.iter().zip(fates) {
                    self.told_fate(now, relay, to, fate);
                }
                self.end_if_answered(now, relay);
            }
        }
    }

    /// Hands a copy to the session that has the address at this version. At a later one it could overtake a copy
    /// that came when the address was gone.
    pub(super) fn receive(
        &mut self,
        now: Timestamp,
        to: &ActorAddress,
        version: Revision,
        delivery: &Arc<Delivery>,
    ) -> Fate {
        let Some(cluster) = &self.cluster else { return Fate::Stale };
        let at_version = cluster.rows.get(to).is_some_and(|known| known.version == version);
        let is_here = cluster.acts(now) && cluster.has(to) && at_version;
        let destination = Destination::of(self.registry.get(to), true);
        match destination.owner() {
            Some(owner) if is_here => {
                let (handover, _) = self.hand_over(now, owner, (to, destination), delivery);
                match handover {
                    Handover::Delivered => Fate::Delivered,
                    Handover::Queued => Fate::Queued,
                    Handover::Dropped(why) => {
                        self.record_drop(to.clone(), &delivery.origin, why);
                        Fate::QueueFull
                    }
                }
            }
            _ => {
                self.cluster.iter_mut().for_each(|cluster| cluster.figures.copies_stale += 1);
                Fate::Stale
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

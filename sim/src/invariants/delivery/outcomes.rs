//! What acknowledgements say: the copies handed over, and to a retry what was said first: I23, I24.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use signal_hub::hub::{Config, Record};
use signal_hub::protocol::{ActorAddress, Body, MessageId, Pattern, Reply, Request, Verb};
use signal_hub::time::Timestamp;

use super::super::{HubObserver, Invariant, Moment, Verdict, broken};

/// I23, I24: for what delivers, the reply against the copies and against an earlier reply.
pub struct Outcomes {
    /// How long the hub promises to know an ask again.
    dedupe_window: Duration,
    first: BTreeMap<Ask, Reply>,
    /// Copies of asks that were carried out while their session ended: a retry is told of them.
    untold: BTreeMap<Ask, usize>,
    /// All that are in either, oldest first.
    order: VecDeque<(Timestamp, Ask)>,
}

type Ask = (ActorAddress, MessageId);

impl Outcomes {
    pub fn new(config: &Config) -> Self {
        let (first, untold, order) = Default::default();
        Self { dedupe_window: config.dedupe_window, first, untold, order }
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, ask)) = self.order.front()
            && now.since(*at) >= self.dedupe_window
        {
            self.first.remove(ask);
            self.untold.remove(ask);
            self.order.pop_front();
        }
    }
}

impl HubObserver for Outcomes {
    fn observe(&mut self, moment: &Moment<'_>) -> Verdict {
        let Some(asked) = &moment.asked else { return Ok(()) };
        self.forget(moment.now);
        let Some(Verb::Send(_) | Verb::Publish(_) | Verb::Broadcast(_)) = asked.verb() else {
            return Ok(());
        };
        let request = asked.request;
        let copies = copies(moment, &request.id);
        let ask = (moment.before.acting_identity(asked.session, &request.from), request.id.clone());
        let Some(reply) = asked.reply.filter(|reply| !matches!(reply, Reply::Error(_))) else {
            if copies > 0 && request.pattern == Pattern::Ask {
                self.order.push_back((moment.now, ask.clone()));
                self.untold.insert(ask, copies);
            }
            return Ok(());
        };
        match self.first.get(&ask) {
            Some(first) if first == reply && copies == 0 => Ok(()),
            Some(first) => broken(
                Invariant::I24,
                format!(
                    "the ask {} of {} got {first:?} and, asked again, {reply:?} and {copies} copies",
                    request.id, request.from
                ),
            ),
            None => {
                let untold = self.untold.remove(&ask);
                if untold.is_none() {
                    self.order.push_back((moment.now, ask.clone()));
                }
                self.first.insert(ask, reply.clone());
                match untold {
                    Some(untold) => told_of(request, reply, untold + copies),
                    None => honest(moment, request, reply, copies),
                }
            }
        }
    }

    fn hub_restarted(&mut self) {
        self.first.clear();
        self.untold.clear();
        self.order.clear();
    }
}

fn copies(moment: &Moment<'_>, id: &MessageId) -> usize {
    let carried = |body: &Body| matches!(body, Body::Delivery(copy) if copy.origin == *id);
    moment.sent().filter(|(_, message)| carried(&message.body)).count()
}

fn honest(moment: &Moment<'_>, request: &Request, reply: &Reply, copies: usize) -> Verdict {
    if let Reply::BroadcastAck(ack) = reply {
        let dropped = |record: &&Record| matches!(record, Record::MessageDropped { message, .. } if *message == request.id);
        let dropped = moment.records().filter(dropped).count();
        if dropped != ack.failed_count {
            return broken(
                Invariant::I23,
                format!("{} told of {} failures of {dropped}", request.id, ack.failed_count),
            );
        }
    }
    told_of(request, reply, copies)
}

fn told_of(request: &Request, reply: &Reply, copies: usize) -> Verdict {
    let told = match reply {
        Reply::DeliveryAck(_) => 1,
        Reply::Published(published) => published.subscriber_count,
        Reply::BroadcastAck(ack) => ack.delivered_count,
        _ => 0,
    };
    match told == copies {
        true => Ok(()),
        false => broken(
            Invariant::I23,
            format!("{} {} told of {told} copies of {copies}", request.type_name, request.id),
        ),
    }
}

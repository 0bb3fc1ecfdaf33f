//! What acknowledgements say: the copies handed over, and to a retry what was said first: I23, I24.

use signal_hub::hub::{Config, DropReason, Record};
use signal_hub::protocol::{Body, DeliveryStatus, MessageId, Reply, Request};

use super::super::{HubObserver, Invariant, Transition, Verdict, broken};
use super::handover::carried_out;
use super::remembered::{Ask, Remembered, reached_nobody};

/// I23, I24: for what delivers, the reply against the copies and against an earlier reply.
pub struct Outcomes {
    asks: Remembered<Outcome>,
}

/// What became of an ask when it came first.
enum Outcome {
    Told(Reply),
    /// Its session ended with it: a retry is told of so many copies.
    Untold(usize),
}

impl Outcomes {
    pub fn new(config: &Config) -> Self {
        Self { asks: Remembered::new(config) }
    }
}

impl HubObserver for Outcomes {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let Some(asked) = &transition.asked else { return Ok(()) };
        self.asks.see(transition);
        let request = asked.request;
        let from = transition.before.acting_identity(asked.session, &request.from);
        let Some(ask) = Ask::of(from, asked) else { return Ok(()) };
        let copies = copies(transition, &request.id);
        let Some(reply) = asked.reply.filter(|reply| !matches!(reply, Reply::Error(_))) else {
            if let Some(ask) = carried_out(transition) {
                self.asks.insert(transition.now, ask, Outcome::Untold(copies));
            }
            return Ok(());
        };
        let verdict = match self.asks.get(&ask) {
            Some(Outcome::Told(first)) if first == reply && copies == 0 => return Ok(()),
            Some(Outcome::Told(first)) => {
                return broken(
                    Invariant::I24,
                    format!(
                        "the ask {} of {} got {first:?} and, asked again, {reply:?} and {copies} copies",
                        request.id, request.from
                    ),
                );
            }
            Some(Outcome::Untold(untold)) => told_of(request, reply, untold + copies),
            None => honest(transition, request, reply, copies),
        };
        if !reached_nobody(transition, request) {
            self.asks.insert(transition.now, ask, Outcome::Told(reply.clone()));
        }
        verdict
    }

    fn hub_restarted(&mut self) {
        self.asks.clear();
    }
}

fn copies(transition: &Transition<'_>, id: &MessageId) -> usize {
    let carried = |body: &Body| matches!(body, Body::Delivery(copy) if copy.origin == *id);
    transition.sent().filter(|(_, message)| carried(&message.body)).count()
}

fn queued(transition: &Transition<'_>, id: &MessageId) -> usize {
    let is_it =
        |record: &&Record| matches!(record, Record::MessageQueued { message, .. } if message == id);
    transition.records().filter(is_it).count()
}

fn honest(transition: &Transition<'_>, request: &Request, reply: &Reply, copies: usize) -> Verdict {
    if let Reply::BroadcastAck(ack) = reply {
        // What was kept and gave way to another copy did not fail.
        let dropped = |record: &&Record| {
            matches!(record, Record::MessageDropped { message, why, .. }
                if *message == request.id && *why != DropReason::Overflow)
        };
        let dropped = transition.records().filter(dropped).count();
        if dropped != ack.failed_count {
            return broken(
                Invariant::I23,
                format!("{} told of {} failures of {dropped}", request.id, ack.failed_count),
            );
        }
    }
    let told = match reply {
        Reply::DeliveryAck(ack) => usize::from(ack.status == DeliveryStatus::Queued),
        Reply::Published(published) => published.queued_count,
        Reply::BroadcastAck(ack) => ack.queued_count,
        _ => 0,
    };
    let kept = queued(transition, &request.id);
    if told != kept {
        let evidence = format!("{} told of {told} kept copies of {kept}", request.id);
        return broken(Invariant::I45, evidence);
    }
    told_of(request, reply, copies)
}

fn told_of(request: &Request, reply: &Reply, copies: usize) -> Verdict {
    let told = match reply {
        Reply::DeliveryAck(ack) => usize::from(ack.status == DeliveryStatus::Delivered),
        Reply::Published(published) => published.subscriber_count,
        Reply::BroadcastAck(ack) => ack.delivered_count,
        _ => 0,
    };
    if told == copies {
        Ok(())
    } else {
        broken(
            Invariant::I23,
            format!("{} {} told of {told} copies of {copies}", request.type_name, request.id),
        )
    }
}

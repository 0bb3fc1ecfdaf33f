//! I28, I29 for the outgoing queues: each holds what was put in and not taken out, application data
//! joins exactly where there is room, and a queue at its bound, or one that others pause for, has its
//! clock running.

use std::time::Duration;

use signal_hub::hub::{Config, DropReason, Input, Output, Queued, Record, SessionKey, SessionRow};
use signal_hub::protocol::codec::encode_hub_frame;
use signal_hub::protocol::{ActorAddress, Body, Outgoing, Reply, Verb};

use super::super::shadow::is_open;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// Bytes of what surrounds names and data in a frame, at most: keys, times and numbers.
const AROUND_MAX: usize = 1024;

/// I28, I29.
pub struct Queues {
    hub_address: ActorAddress,
    message_bytes_max: usize,
    messages_max: usize,
    bytes_max: usize,
    resume_threshold: usize,
    slow_consumer_timeout: Duration,
    /// The queues that this event changes, in the order of the keys.
    changed: Vec<(SessionKey, Queued)>,
}

impl Queues {
    pub fn new(config: &Config) -> Self {
        Self {
            hub_address: config.hub_address.clone(),
            message_bytes_max: config.message_bytes_max,
            messages_max: config.queue_messages_max,
            bytes_max: config.queue_bytes_max,
            resume_threshold: config.resume_threshold,
            slow_consumer_timeout: config.slow_consumer_timeout,
            changed: Vec::new(),
        }
    }

    fn has_room(&self, Queued { messages, bytes }: Queued, weight: usize) -> bool {
        messages == 0 || messages < self.messages_max && bytes + weight <= self.bytes_max
    }

    /// What the queue holds at this point of the event.
    fn queue(&mut self, transition: &Transition<'_>, key: SessionKey) -> &mut Queued {
        let place = match self.changed.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(place) => place,
            Err(place) => {
                self.changed.insert(place, (key, at_first(transition, key)));
                place
            }
        };
        &mut self.changed[place].1
    }

    fn output(&mut self, transition: &Transition<'_>, output: &Output) -> Verdict {
        match output {
            Output::Send(key, message) => {
                self.is_told_length(*key, message)?;
                let (queued, weight) = (*self.queue(transition, *key), message.weight());
                if matches!(message.body, Body::Delivery(_)) && !self.has_room(queued, weight) {
                    let evidence = format!("{key} takes a copy beyond its bound: {queued}");
                    return broken(Invariant::I29, evidence);
                }
                let queue = self.queue(transition, *key);
                (queue.messages, queue.bytes) = (queue.messages + 1, queue.bytes + weight);
            }
            Output::Close(key, _) | Output::Linger(key, _) => {
                *self.queue(transition, *key) = Queued::default()
            }
            Output::Audit(Record::MessageDropped { to, why: DropReason::QueueFull, .. }) => {
                let Some(to) = to.address() else { return Ok(()) };
                let Some(owner) = transition.before.owner(&to) else { return Ok(()) };
                // It would come before what is to be replayed.
                if transition.before.log(&to).is_some_and(|log| log.cursor.is_some()) {
                    return Ok(());
                }
                let (queued, weight) = (*self.queue(transition, owner), weight_max(transition));
                if self.has_room(queued, weight) {
                    let evidence =
                        format!("a copy for {to} is dropped, and its queue has room: {queued}");
                    return broken(Invariant::I29, evidence);
                }
            }
            Output::Audit(_) => {}
        }
        Ok(())
    }

    /// Clients are told how much one message may have: what they say is repeated to nobody beyond
    /// that.
    fn is_told_length(&self, key: SessionKey, message: &Outgoing) -> Verdict {
        if len_max(message, &self.hub_address) <= self.message_bytes_max {
            return Ok(());
        }
        let bytes = encode_hub_frame(message, &self.hub_address).len();
        if bytes <= self.message_bytes_max {
            Ok(())
        } else {
            broken(Invariant::I29, format!("{key} gets {} of {bytes} bytes", message.type_name()))
        }
    }

    fn row(&self, transition: &Transition<'_>, key: SessionKey, row: &SessionRow) -> Verdict {
        let known = self.changed.binary_search_by_key(&key, |(key, _)| *key);
        let expected =
            known.map_or_else(|_| at_first(transition, key), |place| self.changed[place].1);
        if row.queued != expected {
            return broken(
                Invariant::I28,
                format!("the queue of {key} has {}, which is not {expected}", row.queued),
            );
        }
        let Queued { messages, bytes } = row.queued;
        // Replies and notices have as much room again; hub:resume always has.
        // An empty queue takes any one message.
        let within = messages <= 2 * self.messages_max + 1
            && (messages <= 2 || bytes <= 2 * self.bytes_max + Outgoing::ENVELOPE_WEIGHT);
        if !within {
            let evidence = format!("the queue of {key} holds {}", row.queued);
            return broken(Invariant::I29, evidence);
        }
        let is_full = !self.has_room(row.queued, Outgoing::ENVELOPE_WEIGHT);
        let runs = |deadline| deadline <= transition.now + self.slow_consumer_timeout;
        if (is_full || messages >= self.resume_threshold)
            && !row.deadlines.slow_consumer.is_some_and(runs)
        {
            let what = if is_full { "full" } else { "deep" };
            broken(
                Invariant::I29,
                format!("the queue of {key} is {what} and its clock does not run"),
            )
        } else {
            Ok(())
        }
    }
}

impl HubObserver for Queues {
    fn watches_silence(&self) -> bool {
        true
    }

    fn needs_the_past(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        self.changed.clear();
        for output in &transition.hub.outputs {
            self.output(transition, output)?;
        }
        for (key, row) in &transition.hub.touched.sessions {
            if let Some(row) = row.as_ref().filter(|row| is_open(row)) {
                self.row(transition, *key, row)?;
            }
        }
        Ok(())
    }
}

/// Bytes of the message as text, at most, if somebody can make it long: to write it takes longer than
/// all else here.
fn len_max(message: &Outgoing, hub: &ActorAddress) -> usize {
    // What has to be escaped in JSON is up to six times as long.
    let escaped = |text: &str| 6 * text.len();
    let own = match &message.body {
        Body::Delivery(copy) => {
            let data = copy.payload.len() + copy.metadata.len();
            copy.from.as_str().len() + escaped(&copy.kind) + data
        }
        Body::Reply { correlation, trace_id, reply } => {
            let data = match &**reply {
                Reply::HeartbeatAck(ack) => ack.timestamp.len(),
                Reply::Registered(told) => {
                    let topics = told.subscriptions.iter().map(|topic| 3 + escaped(topic.as_str()));
                    2 * told.actor_address.as_str().len() + topics.sum::<usize>()
                }
                _ => return 0,
            };
            let correlation = correlation.as_ref().map_or("", |id| id.as_str());
            let trace_id = trace_id.as_deref().unwrap_or_default();
            hub.as_str().len() + escaped(correlation) + escaped(trace_id) + data
        }
        Body::Notice(_) | Body::Pong => return 0,
    };
    AROUND_MAX + message.to.as_str().len() + own
}

/// What the queue held before, without what the input reports as taken out.
fn at_first(transition: &Transition<'_>, key: SessionKey) -> Queued {
    let queued = transition.was(key).map(|row| row.queued).unwrap_or_default();
    match &transition.hub.input {
        Input::Drained(drained, written) if *drained == key => Queued {
            messages: queued.messages.saturating_sub(written.messages),
            bytes: queued.bytes.saturating_sub(written.bytes),
        },
        _ => queued,
    }
}

/// What a copy of the request weighs at most; nobody sees a copy that was dropped.
fn weight_max(transition: &Transition<'_>) -> usize {
    /// What the hub adds to the metadata, beside the id and the topic.
    const HUB_KEYS: usize = 96;
    let Some(asked) = &transition.asked else { return 0 };
    let request = asked.request;
    let Some((kind, data)) = asked.verb().and_then(Verb::carries_data) else { return 0 };
    let topic = match asked.verb() {
        Some(Verb::Publish(publish)) => publish.topic.as_str().len(),
        Some(_) | None => 0,
    };
    // What has to be escaped in JSON is up to six times as long.
    let names = 6 * (request.id.as_str().len() + topic);
    let metadata = request.metadata.len() + HUB_KEYS + names;
    Outgoing::ENVELOPE_WEIGHT + kind.len() + data.len() + metadata
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use signal_hub::protocol::{
        Delivery, HeartbeatAck, Json, MessageId, Registered, RenewalToken, Route, Topic,
    };
    use signal_hub::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn no_text_is_longer_than_it_is_said_to_be_at_most() {
        let long = "\u{1}".repeat(128);
        let address = ActorAddress::from_path(&"a".repeat(255)).unwrap();
        let timestamp = Timestamp::from_millis(u64::MAX);
        let reply = |reply| Body::Reply {
            correlation: Some(MessageId::parse(&long).unwrap()),
            trace_id: Some(long.as_str().into()),
            reply: Box::new(reply),
        };
        let told = Registered {
            actor_address: address.clone(),
            expires_at: timestamp,
            renewal_token: RenewalToken::new(Uuid::nil()),
            version: u64::MAX,
            resumed: false,
            subscriptions: vec![Topic::parse(&long).unwrap(); 100],
            subscription_count: Some(usize::MAX),
            recovery: None,
        };
        let data = Json::from_value(&long).unwrap();
        let ack = HeartbeatAck { timestamp: data.clone(), server_time: timestamp };
        let copy = Delivery::new(
            address.clone(),
            long.as_str(),
            data.clone(),
            data,
            Route::Send,
            MessageId::parse(&long).unwrap(),
            Some(Duration::MAX),
        );
        let replies = [Reply::HeartbeatAck(ack), Reply::Registered(told)].map(reply);
        for body in replies.into_iter().chain([Body::Delivery(Arc::new(copy))]) {
            let message = Outgoing::new(Uuid::nil(), address.clone(), timestamp, body);
            let bytes = encode_hub_frame(&message, &address).len();
            let most = len_max(&message, &address);
            assert!((bytes..bytes + AROUND_MAX).contains(&most), "{bytes} of {most}");
        }
    }
}

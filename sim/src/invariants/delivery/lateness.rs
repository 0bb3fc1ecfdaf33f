//! I27: nothing is handed over, and nothing written, after the end of its time to live.
//!
//! On arrival that is the sender's time stamp and ttl, with what clocks may differ by. In the queue
//! the ttl runs anew from the arrival, by the hub's clock. What leaves the queue together was taken
//! out no sooner than the batch before it was reported: what was overdue then must not be written.
//! How long the network takes from there, nobody promises.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use signal_hub::hub::{Config, Expired, Input, SessionKey, Written};
use signal_hub::protocol::{ActorAddress, Body, MessageId, Outgoing, Request};
use signal_hub::time::Timestamp;

use super::super::{HubObserver, Invariant, Transition, Verdict, broken, text};

/// What a report may take from the writer to the hub, where time is real.
const REPORT_WITHIN: Duration = Duration::from_secs(1);

/// I27. Remembers queued copies that have a time to live.
pub struct Lateness {
    clock_skew: Duration,
    queues: BTreeMap<SessionKey, Queue>,
}

/// The copies with a time to live in one session's queue.
struct Queue {
    /// Messages that left it since it is remembered.
    drained: u64,
    /// When the latest of them were reported.
    since: Timestamp,
    copies: VecDeque<Copy>,
}

struct Copy {
    /// How many messages will have left the queue with this one.
    place: u64,
    until: Timestamp,
    to: ActorAddress,
    origin: MessageId,
}

impl Lateness {
    pub fn new(config: &Config) -> Self {
        Self { clock_skew: config.clock_skew, queues: BTreeMap::new() }
    }
}

impl HubObserver for Lateness {
    fn watches_silence(&self) -> bool {
        true
    }

    fn needs_the_past(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        match &transition.hub.input {
            Input::Drained(key, written) if transition.hears(*key) => {
                self.drained(transition, *key, written)?;
            }
            // Of a session that is over nothing is remembered.
            Input::Restored(_)
            | Input::Drained(..)
            | Input::Opened(..)
            | Input::Frame(..)
            | Input::Alive(_)
            | Input::Closed(..)
            | Input::Tick
            | Input::Late(_)
            | Input::Shutdown => {}
        }
        if transition.sent().any(|(_, message)| ttl_of(transition, message).is_some()) {
            self.handed_over(transition)?;
        }
        if !self.queues.is_empty() {
            for key in transition.hub.touched.sessions.keys().filter(|key| transition.ended(**key))
            {
                self.queues.remove(key);
            }
        }
        Ok(())
    }

    fn hub_restarted(&mut self) {
        self.queues.clear();
    }
}

impl Lateness {
    fn handed_over(&mut self, transition: &Transition<'_>) -> Verdict {
        let mut queued_behind: BTreeMap<SessionKey, usize> = BTreeMap::new();
        let sent: Vec<_> = transition.sent().collect();
        for (key, message) in sent.into_iter().rev() {
            let behind = queued_behind.entry(key).or_default();
            let queued = transition.is(key).map_or(0, |row| row.queued.messages);
            let ahead = queued.saturating_sub(*behind) as u64;
            *behind += 1;
            let Body::Delivery(delivery) = &message.body else { continue };
            let Some(ttl) = ttl_of(transition, message) else { continue };
            let asked = asked_for(transition, &delivery.origin);
            let deadline = asked.map(|request| request.timestamp + ttl + self.clock_skew);
            if let Some(deadline) = deadline.filter(|deadline| transition.now > *deadline) {
                return broken(
                    Invariant::I27,
                    format!(
                        "{} is handed over to {} {} after its deadline",
                        delivery.origin,
                        message.to,
                        text(transition.now.since(deadline))
                    ),
                );
            }
            let queue = self.queues.entry(key).or_insert_with(|| Queue {
                drained: 0,
                since: transition.now,
                copies: VecDeque::new(),
            });
            let copy = Copy {
                place: queue.drained + ahead,
                until: message.timestamp + ttl,
                to: message.to.clone(),
                origin: delivery.origin.clone(),
            };
            // Those of one event come here the last first.
            let behind_it = queue.copies.iter().rev().take_while(|c| c.place > copy.place).count();
            queue.copies.insert(queue.copies.len() - behind_it, copy);
        }
        Ok(())
    }

    fn drained(
        &mut self,
        transition: &Transition<'_>,
        key: SessionKey,
        written: &Written,
    ) -> Verdict {
        let Some(queue) = self.queues.get_mut(&key) else {
            return match written.expired.first() {
                None => Ok(()),
                Some(expired) => never_there(expired),
            };
        };
        queue.drained += written.messages as u64;
        let mut expired: Vec<&Expired> = written.expired.iter().collect();
        while let Some(copy) = queue.copies.front().filter(|copy| copy.place <= queue.drained) {
            let dropped = expired
                .iter()
                .position(|expired| expired.to == copy.to && expired.message == copy.origin);
            match dropped {
                Some(place) => drop(expired.remove(place)),
                None if copy.until + REPORT_WITHIN < queue.since => {
                    return broken(
                        Invariant::I27,
                        format!(
                            "{} for {} was written at least {} after its deadline",
                            copy.origin,
                            copy.to,
                            text(queue.since.since(copy.until))
                        ),
                    );
                }
                None => {}
            }
            queue.copies.pop_front();
        }
        if let Some(expired) = expired.first() {
            return never_there(expired);
        }
        queue.since = transition.now;
        if queue.copies.is_empty() {
            self.queues.remove(&key);
        }
        Ok(())
    }
}

/// How long a copy may wait, counted from when it came: as the request says or, if it is replayed, as
/// the copy itself does.
fn ttl_of(transition: &Transition<'_>, message: &Outgoing) -> Option<Duration> {
    let Body::Delivery(delivery) = &message.body else { return None };
    asked_for(transition, &delivery.origin).map_or(delivery.ttl, |request| request.ttl)
}

/// The request, if it carries this message.
fn asked_for<'a>(transition: &Transition<'a>, message: &MessageId) -> Option<&'a Request> {
    let request = transition.asked.as_ref()?.request;
    (request.id == *message).then_some(request)
}

fn never_there(expired: &Expired) -> Verdict {
    broken(
        Invariant::I21,
        format!(
            "{} for {} is reported as overdue and was not in the queue",
            expired.message, expired.to
        ),
    )
}

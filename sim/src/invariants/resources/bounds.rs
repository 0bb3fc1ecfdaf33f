//! I29: every table is within its bound, and at a bound the protocol's policy happens, neither
//! before nor after.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use signal_hub::hub::{Config, Input, Record, SessionKey};
use signal_hub::protocol::{ActorAddress, CloseReason, Malformed, Verb};
use signal_hub::time::Timestamp;

use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// How long a malformed frame counts.
const MALFORMED_WITHIN: Duration = Duration::from_secs(60);

/// I29.
pub struct Bounds {
    config: Config,
    stopping: bool,
    /// When the latest malformed frames of a session came.
    malformed: BTreeMap<SessionKey, VecDeque<Timestamp>>,
}

impl Bounds {
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone(), stopping: false, malformed: BTreeMap::new() }
    }
}

impl HubObserver for Bounds {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        match &transition.hub.input {
            Input::Opened(key, _) => self.opened(transition, *key)?,
            Input::Frame(key, Err(malformed)) if transition.hears(*key) => {
                self.malformed(transition, *key, malformed)?;
            }
            Input::Frame(..) => self.request(transition)?,
            Input::Closed(key, _) => drop(self.malformed.remove(key)),
            Input::Shutdown => self.stopping = true,
            Input::Restored(_) | Input::Alive(_) | Input::Drained(..) => {}
            Input::Tick | Input::Late(_) => {}
        }
        Ok(())
    }

    fn hub_restarted(&mut self) {
        self.stopping = false;
        self.malformed.clear();
    }
}

impl Bounds {
    fn opened(&self, transition: &Transition<'_>, key: SessionKey) -> Verdict {
        let full = transition.before.session_count() >= self.config.sessions_max && !self.stopping;
        let turned_away = transition.closed().any(|close| close == (key, CloseReason::HubFull));
        if full == turned_away {
            Ok(())
        } else {
            broken(
                Invariant::I29,
                format!(
                    "{key} is {} with {} sessions there",
                    if turned_away { "turned away" } else { "let in" },
                    transition.before.session_count()
                ),
            )
        }
    }

    fn malformed(
        &mut self,
        transition: &Transition<'_>,
        key: SessionKey,
        why: &Malformed,
    ) -> Verdict {
        let (too_many, reason) = match why {
            Malformed::TooLarge { .. } => (true, CloseReason::MessageTooLarge),
            Malformed::Frame { .. } => {
                let times = self.malformed.entry(key).or_default();
                times.push_back(transition.now);
                while times.front().is_some_and(|at| transition.now.since(*at) >= MALFORMED_WITHIN)
                {
                    times.pop_front();
                }
                let too_many = times.len() >= self.config.malformed_per_minute_max as usize;
                (too_many, CloseReason::TooManyMalformed)
            }
        };
        let closed = transition.closed().any(|close| close == (key, reason));
        if closed == too_many {
            Ok(())
        } else {
            broken(
                Invariant::I29,
                format!(
                    "{key} {} closed at malformed frame {}",
                    if closed { "is" } else { "is not" },
                    self.malformed.get(&key).map_or(1, VecDeque::len)
                ),
            )
        }
    }

    fn request(&self, transition: &Transition<'_>) -> Verdict {
        for record in transition.records() {
            if let Record::SenderPaused { session, queue_depth, .. } = record
                && *queue_depth <= self.config.pause_threshold
            {
                let evidence = format!("{session} is told to pause at {queue_depth}");
                return broken(Invariant::I29, evidence);
            }
        }
        let Some(asked) = &transition.asked else { return Ok(()) };
        match asked.accepted() {
            Some(Verb::Register(register)) => {
                self.registered(transition, &register.actor_address)?;
                self.owned(transition, asked.session)
            }
            Some(Verb::Subscribe(_)) => self.subscribed(transition, asked.session),
            Some(Verb::Broadcast(_)) => {
                // What gives way to a copy in a log is dropped, too: another message, or an earlier copy.
                let recipients = transition.records().filter_map(|record| match record {
                    Record::MessageDelivered { to, message, .. }
                    | Record::MessageQueued { to, message, .. } => Some((to.as_str(), message)),
                    Record::MessageDropped { to, message, .. } => Some((to.as_str(), message)),
                    _ => None,
                });
                let recipients = recipients.filter(|(_, message)| **message == asked.request.id);
                let recipients = recipients.collect::<BTreeSet<_>>().len();
                if recipients <= self.config.broadcast_recipients_max {
                    Ok(())
                } else {
                    broken(Invariant::I29, format!("a broadcast goes to {recipients}"))
                }
            }
            Some(_) | None => Ok(()),
        }
    }

    fn registered(&self, transition: &Transition<'_>, address: &ActorAddress) -> Verdict {
        let touched = &transition.hub.touched.addresses;
        let before = touched.keys().filter(|a| transition.before.address(a).is_some()).count();
        let after = touched.values().flatten().count();
        let known = (transition.before.address_count() + after).saturating_sub(before);
        if known <= self.config.registrations_max {
            Ok(())
        } else {
            broken(
                Invariant::I29,
                format!("{address} is registered and the hub knows {known} addresses"),
            )
        }
    }

    fn owned(&self, transition: &Transition<'_>, session: SessionKey) -> Verdict {
        let owned = transition.is(session).map_or(0, |row| row.addresses.len());
        if owned <= self.config.addresses_per_session_max {
            Ok(())
        } else {
            broken(Invariant::I29, format!("{session} has {owned} addresses"))
        }
    }

    fn subscribed(&self, transition: &Transition<'_>, session: SessionKey) -> Verdict {
        let added = |record: &Record| matches!(record, Record::SubscriptionAdded { .. });
        let Some(row) = transition.was(session).filter(|_| transition.records().any(added)) else {
            return Ok(());
        };
        let topics = row.addresses.iter().filter_map(|address| transition.after.address(address));
        let held: usize = topics.map(|row| row.topics.len()).sum();
        if held <= self.config.subscriptions_per_session_max {
            Ok(())
        } else {
            broken(Invariant::I29, format!("{session} holds {held} subscriptions"))
        }
    }
}

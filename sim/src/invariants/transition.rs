//! One input of the hub and what came of it, read once for all observers.

use std::cell::OnceCell;

use signal_hub::hub::{AddressRow, Input, Output, Record, SessionKey, SessionRow};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, CloseReason, ErrorCode, MessageId, Outgoing, Refusal, Reply,
    Request, Verb,
};
use signal_hub::time::Timestamp;

use super::shadow::{After, Shadow, is_open};
use crate::history::HubEvent;

/// What one event did: the shadow before it, the event, the shadow after it.
pub struct Transition<'a> {
    pub now: Timestamp,
    pub hub: &'a HubEvent,
    pub before: &'a Shadow,
    pub after: After<'a>,
    /// If the input is a request.
    pub asked: Option<RequestTransition<'a>>,
    /// Whether the input is a text ping beyond the rate limit of the session.
    pub ping_rate_limited: bool,
    /// The session that the input is from or about: everybody looks at its row.
    subject: Option<Subject<'a>>,
}

/// A session before and after the event.
struct Subject<'a> {
    key: SessionKey,
    was: Option<&'a SessionRow>,
    is: Option<&'a SessionRow>,
}

/// A request and what the hub answered.
pub struct RequestTransition<'a> {
    pub session: SessionKey,
    pub request: &'a Request,
    /// Whether the session was open when its turn came; the hub ignores the others.
    pub heard: bool,
    /// Whether it is beyond the rate limit of the session.
    pub rate_limited: bool,
    /// The first reply that bears its id.
    pub reply: Option<&'a Reply>,
    /// What that reply has.
    pub trace_id: Option<&'a str>,
    pub refused: Option<ErrorCode>,
    /// Whether it was answered with its first outcome.
    pub retried: bool,
    /// What an ask carries, as a number: large, and several compare it.
    pub content: OnceCell<Option<u64>>,
}

impl<'a> RequestTransition<'a> {
    /// What is asked for, if the payload is that.
    pub fn verb(&self) -> Option<&'a Verb> {
        self.request.verb.as_ref().ok()
    }

    /// Whether the answer is that the store is full; none if there is no answer.
    pub fn says_store_full(&self) -> Option<bool> {
        let full = Refusal::store_full().message;
        self.reply.map(|reply| matches!(reply, Reply::Error(refusal) if refusal.message == full))
    }

    /// What the hub carried out now.
    pub fn accepted(&self) -> Option<&'a Verb> {
        let accepted = self.heard && self.refused.is_none() && !self.retried;
        self.verb().filter(|_| accepted)
    }
}

impl<'a> Transition<'a> {
    /// Reads the event. `is_rate_limited` judges a request or a ping that is heard.
    pub fn read(
        hub: &'a HubEvent,
        before: &'a Shadow,
        is_rate_limited: impl FnOnce(SessionKey, &ClientFrame) -> bool,
    ) -> Self {
        let after = After { shadow: before, event: hub };
        let subject = hub.input.session().map(|key| {
            let was = before.session(key);
            Subject { key, was, is: hub.touched.sessions.get(&key).map_or(was, Option::as_ref) }
        });
        let (asked, ping_rate_limited) = (None, false);
        let mut transition =
            Self { now: hub.now, hub, before, after, asked, ping_rate_limited, subject };
        let Input::Frame(session, Ok(frame)) = &hub.input else { return transition };
        let heard = transition.hears(*session);
        let rate_limited = heard && is_rate_limited(*session, frame);
        match frame {
            ClientFrame::Ping => transition.ping_rate_limited = rate_limited,
            ClientFrame::Request(request) => {
                let mut asked = RequestTransition {
                    session: *session,
                    request,
                    heard,
                    rate_limited,
                    reply: None,
                    trace_id: None,
                    refused: None,
                    retried: false,
                    content: OnceCell::new(),
                };
                asked.read_answer(&hub.outputs);
                transition.asked = Some(asked);
            }
        }
        transition
    }

    /// The session's row before the event.
    pub fn was(&self, key: SessionKey) -> Option<&'a SessionRow> {
        match &self.subject {
            Some(subject) if subject.key == key => subject.was,
            Some(_) | None => self.before.session(key),
        }
    }

    /// The session's row after the event.
    pub fn is(&self, key: SessionKey) -> Option<&'a SessionRow> {
        match &self.subject {
            Some(subject) if subject.key == key => subject.is,
            Some(_) | None => self.after.session(key),
        }
    }

    /// Returns whether the input is from the bearer of a token.
    pub fn is_by_token(&self) -> bool {
        let was = self.subject.as_ref().and_then(|subject| subject.was);
        was.is_some_and(|row| row.deadlines.token.is_some())
    }

    /// Returns whether the session was open before the event.
    pub fn was_open(&self, key: SessionKey) -> bool {
        self.was(key).is_some_and(is_open)
    }

    /// Returns whether a deadline of the session came before the input.
    pub fn session_due(&self, key: SessionKey) -> bool {
        let row = self.was(key);
        row.is_some_and(|row| row.deadlines.armed().any(|deadline| deadline <= self.now))
    }

    /// Returns whether the session was open when the turn of the input came: deadlines come before it.
    pub fn hears(&self, key: SessionKey) -> bool {
        self.was_open(key) && !self.timed_out(key)
    }

    /// Returns whether a deadline of the session ended it in this event.
    pub fn timed_out(&self, key: SessionKey) -> bool {
        self.session_due(key)
            && self.closed().any(|(closed, reason)| {
                closed == key
                    && match reason {
                        CloseReason::IdleTimeout
                        | CloseReason::ConnectTimeout
                        | CloseReason::TokenExpired => true,
                        CloseReason::SlowConsumer => self.slow_consumer_due(key),
                        CloseReason::ClientDisconnect
                        | CloseReason::ServerShutdown
                        | CloseReason::TooManyMalformed
                        | CloseReason::MessageTooLarge
                        | CloseReason::InvalidConnect
                        | CloseReason::InternalError
                        | CloseReason::HubFull
                        | CloseReason::Unauthorized
                        | CloseReason::VersionMismatch
                        | CloseReason::DuplicateConnection => false,
                    }
            })
    }

    fn slow_consumer_due(&self, key: SessionKey) -> bool {
        let row = self.was(key);
        row.and_then(|row| row.deadlines.slow_consumer).is_some_and(|deadline| deadline <= self.now)
    }

    /// Returns whether the address's own deadline, or one of its session's, came before the input.
    pub fn is_due(&self, address: &ActorAddress) -> bool {
        self.before.address(address).is_some_and(|row| self.is_row_due(row))
    }

    /// The same of the address's row before the event.
    pub fn is_row_due(&self, row: &AddressRow) -> bool {
        let owner = row.registration.and_then(|registration| registration.owner);
        row.deadline.is_some_and(|deadline| deadline <= self.now)
            || owner.is_some_and(|owner| self.timed_out(owner))
    }

    /// Returns whether the hub says nothing and keeps its addresses and topics as they are, at an input
    /// at which that is no news.
    pub fn is_silent(&self) -> bool {
        let touched = &self.hub.touched;
        matches!(self.hub.input, Input::Alive(_) | Input::Drained(..) | Input::Tick)
            && self.hub.outputs.is_empty()
            && touched.addresses.is_empty()
            && touched.topics.is_empty()
            && touched.logs.is_empty()
    }

    /// Returns whether the session began with this event.
    pub fn opens(&self, key: SessionKey) -> bool {
        matches!(self.hub.input, Input::Opened(opened, _) if opened == key)
    }

    /// Returns whether the session was open before the event and is not any more.
    pub fn ended(&self, key: SessionKey) -> bool {
        self.was_open(key) && !self.is(key).is_some_and(is_open)
    }

    pub fn records(&self) -> impl Iterator<Item = &'a Record> {
        self.hub.records()
    }

    pub fn sent(&self) -> impl Iterator<Item = (SessionKey, &'a Outgoing)> {
        self.hub.outputs.iter().filter_map(|output| match output {
            Output::Send(key, message) => Some((*key, message)),
            Output::Close(..) | Output::Linger(..) | Output::Audit(_) => None,
        })
    }

    pub fn closed(&self) -> impl Iterator<Item = (SessionKey, CloseReason)> {
        self.hub.outputs.iter().filter_map(|output| match output {
            Output::Close(key, reason) | Output::Linger(key, reason) => Some((*key, *reason)),
            Output::Send(..) | Output::Audit(_) => None,
        })
    }

    pub fn replies(&self) -> impl Iterator<Item = (Option<&'a MessageId>, &'a Reply)> {
        self.sent().filter_map(|(_, message)| match &message.body {
            Body::Reply { correlation, reply, .. } => Some((correlation.as_ref(), reply.as_ref())),
            Body::Pong | Body::Notice(_) | Body::Delivery(_) => None,
        })
    }
}

impl<'a> RequestTransition<'a> {
    fn read_answer(&mut self, outputs: &'a [Output]) {
        for output in outputs {
            match output {
                Output::Send(
                    key,
                    Outgoing { body: Body::Reply { correlation, trace_id, reply }, .. },
                ) => {
                    let bears_id = correlation.as_ref() == Some(&self.request.id);
                    if *key == self.session && bears_id && self.reply.is_none() {
                        self.reply = Some(reply);
                        self.trace_id = trace_id.as_deref();
                    }
                }
                Output::Audit(Record::RequestRefused { session, code, .. }) => {
                    if *session == self.session {
                        self.refused = Some(*code);
                    }
                }
                Output::Audit(Record::RetryAnswered { session, .. }) => {
                    self.retried |= *session == self.session;
                }
                Output::Send(..) | Output::Close(..) | Output::Linger(..) | Output::Audit(_) => {}
            }
        }
    }
}

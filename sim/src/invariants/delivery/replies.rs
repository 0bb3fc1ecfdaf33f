//! I24, I26: replies go where they belong, one for each ask and none for a tell.

use std::collections::BTreeMap;
use std::time::Duration;

use signal_hub::hub::{Input, SessionKey};
use signal_hub::protocol::{
    Body, ClientFrame, CloseReason, ErrorCode, Malformed, Pattern, Reply, Verb,
};
use signal_hub::time::Timestamp;

use super::super::shadow::is_open;
use super::super::transition::RequestTransition;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// How often a session hears that it tells too much (docs/PROTOCOL.md, section 4).
const RATE_LIMIT_TOLD_EVERY: Duration = Duration::from_secs(1);

/// I24, I26.
#[derive(Default)]
pub struct Replies {
    /// When a session last heard that it tells too much.
    told_of_rate_limit: BTreeMap<SessionKey, Timestamp>,
}

impl HubObserver for Replies {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        if let Input::Closed(key, _) = &transition.hub.input {
            self.told_of_rate_limit.remove(key);
        }
        let mut count = 0;
        for (key, message) in transition.sent() {
            let Body::Reply { correlation: Some(id), reply, .. } = &message.body else { continue };
            match &transition.asked {
                Some(asked) if asked.session == key && asked.request.id == *id => {
                    count += 1;
                    self.quiet_tell(transition, asked, reply)?;
                }
                _ if matches!(transition.hub.input, Input::Frame(from, Err(_)) if from == key) => {}
                Some(_) | None => {
                    let kind = reply.type_name();
                    let evidence = format!("{key} gets {kind} for {id}, which it did not ask now");
                    return broken(Invariant::I24, evidence);
                }
            }
        }
        pong_to_each_ping(transition)?;
        error_to_what_is_no_envelope(transition)?;
        let Some(asked) = &transition.asked else { return Ok(()) };
        let stays =
            transition.was_open(asked.session) && transition.is(asked.session).is_some_and(is_open);
        let is_ask = asked.request.pattern == Pattern::Ask;
        // Of tells, heartbeats alone are answered.
        let is_owed = is_ask || matches!(asked.accepted(), Some(Verb::Heartbeat(_)));
        if stays && is_owed && count != 1 || count > 1 {
            let (request, session) = (asked.request, asked.session);
            return broken(
                Invariant::I24,
                format!(
                    "the {} {} {} of {session} got {count} replies",
                    request.pattern.as_str(),
                    request.type_name,
                    request.id
                ),
            );
        }
        Ok(())
    }

    fn hub_restarted(&mut self) {
        self.told_of_rate_limit.clear();
    }
}

/// A text ping gets its pong, unless it comes too fast: then it gets nothing.
fn pong_to_each_ping(transition: &Transition<'_>) -> Verdict {
    let pongs = |key| {
        let own = transition.sent().filter(move |(to, _)| *to == key);
        own.filter(|(_, message)| matches!(message.body, Body::Pong)).count()
    };
    let Input::Frame(key, Ok(ClientFrame::Ping)) = transition.hub.input else { return Ok(()) };
    let stays = transition.hears(key) && transition.is(key).is_some_and(is_open);
    match (pongs(key), transition.ping_rate_limited) {
        (1, false) | (0, true) => Ok(()),
        (_, _) if !stays => Ok(()),
        (pongs, rate_limited) => {
            let when = if rate_limited { "too fast" } else { "in time" };
            let evidence = format!("a ping of {key} that came {when} got {pongs} pongs");
            broken(Invariant::I24, evidence)
        }
    }
}

/// What is no envelope gets one error, with its id if it has one.
fn error_to_what_is_no_envelope(transition: &Transition<'_>) -> Verdict {
    let Input::Frame(key, Err(malformed)) = &transition.hub.input else { return Ok(()) };
    let (id, code) = match malformed {
        Malformed::Frame { id, refusal } => (id.as_ref(), refusal.code),
        Malformed::TooLarge { .. } => (None, ErrorCode::MessageTooLarge),
    };
    let own = transition.sent().filter(|(to, _)| to == key);
    let errors: Vec<_> = own
        .filter_map(|(_, message)| match &message.body {
            Body::Reply { correlation, reply, .. } => match reply.as_ref() {
                Reply::Error(refusal) => Some((correlation.as_ref(), refusal.code)),
                _ => None,
            },
            Body::Delivery(_) | Body::Pong | Body::Notice(_) => None,
        })
        .collect();
    // Whoever never reads has no room for it.
    let is_slow = transition.closed().any(|closed| closed == (*key, CloseReason::SlowConsumer));
    if errors == [(id, code)] || !transition.hears(*key) || is_slow && errors.is_empty() {
        Ok(())
    } else {
        broken(Invariant::I24, format!("a frame of {key} that is no envelope got {errors:?}"))
    }
}

impl Replies {
    fn quiet_tell(
        &mut self,
        transition: &Transition<'_>,
        asked: &RequestTransition<'_>,
        reply: &Reply,
    ) -> Verdict {
        if asked.request.pattern == Pattern::Ask {
            return Ok(());
        }
        let may_be_told = match reply {
            Reply::HeartbeatAck(_) | Reply::Disconnected(_) => true,
            Reply::Error(refusal) if refusal.code == ErrorCode::RateLimited => {
                let before = self.told_of_rate_limit.insert(asked.session, transition.now);
                asked.rate_limited
                    && before
                        .is_none_or(|before| transition.now.since(before) >= RATE_LIMIT_TOLD_EVERY)
            }
            _ => false,
        };
        if may_be_told {
            Ok(())
        } else {
            broken(
                Invariant::I26,
                format!("the tell {} got {}", asked.request.type_name, reply.type_name()),
            )
        }
    }
}

//! I9, I12: how sessions go, and that those which are over stay over.

use signal_hub::hub::{Input, Output, Phase, Queued, Record, SessionKey};

use super::super::shadow::is_open;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I9: whoever was over owns nothing again. Judged before takeovers are: this would be none.
pub struct Resurrection;

impl HubObserver for Resurrection {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        for address in transition.hub.touched.addresses.keys() {
            let owner = transition.after.owner(address);
            if let Some(owner) = owner.filter(|owner| was_over(transition, *owner)) {
                let evidence = format!("{owner} was over and comes to own {address}");
                return broken(Invariant::I9, evidence);
            }
        }
        Ok(())
    }
}

/// Returns whether the session was over before the event, or never was.
fn was_over(transition: &Transition<'_>, key: SessionKey) -> bool {
    !(transition.was_open(key) || transition.opens(key))
}

/// I9, I12.
pub struct Lifecycle;

impl HubObserver for Lifecycle {
    fn watches_silence(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        for (key, row) in &transition.hub.touched.sessions {
            let before = transition.was(*key).map(|row| row.phase);
            let after = row.as_ref().map(|row| row.phase);
            if !is_lawful(transition, *key, before, after) {
                let phase =
                    |phase: Option<Phase>| phase.map_or("gone".to_owned(), |p| format!("{p:?}"));
                return broken(
                    Invariant::I12,
                    format!("{key} went from {} to {}", phase(before), phase(after)),
                );
            }
            if let Some(row) = row.as_ref().filter(|row| !is_open(row))
                && (!row.addresses.is_empty() || row.queued != Queued::default())
            {
                return broken(
                    Invariant::I9,
                    format!(
                        "{key} is over and still lists {:?} and {} queued messages",
                        row.addresses, row.queued.messages
                    ),
                );
            }
            ends_once(transition, *key)?;
        }
        closed_once(transition)?;
        connects_first(transition)?;
        nothing_to_the_closed(transition)
    }
}

/// The state machine of docs/PROTOCOL.md, section 3. Several steps may happen in one event.
fn is_lawful(
    transition: &Transition<'_>,
    key: SessionKey,
    before: Option<Phase>,
    after: Option<Phase>,
) -> bool {
    let is_gone = matches!(transition.hub.input, Input::Closed(gone, _) if gone == key);
    match (before, after) {
        (None, None) => true,
        (None, Some(Phase::Connecting | Phase::Disconnecting)) => transition.opens(key),
        (None, Some(Phase::Connected)) => false,
        (Some(Phase::Connecting), Some(Phase::Connected)) => {
            transition.asked.as_ref().is_some_and(|asked| {
                asked.session == key
                    && asked.refused.is_none()
                    && asked.request.type_name == "hub:connect"
            })
        }
        (Some(Phase::Connected), Some(Phase::Connecting))
        | (Some(Phase::Disconnecting), Some(Phase::Connecting | Phase::Connected)) => false,
        (Some(Phase::Connecting), Some(Phase::Connecting))
        | (Some(Phase::Connected), Some(Phase::Connected))
        | (Some(_), Some(Phase::Disconnecting)) => !is_gone,
        (Some(_), None) => is_gone,
    }
}

/// Whoever ends has one record of it, and whoever has a record ends.
fn ends_once(transition: &Transition<'_>, key: SessionKey) -> Verdict {
    let opens_closed = transition.opens(key) && !transition.is(key).is_some_and(is_open);
    let ended = transition.ended(key) || opens_closed;
    let records = transition
        .records()
        .filter(|record| matches!(record, Record::SessionClosed { session, .. } if *session == key))
        .count();
    if records == usize::from(ended) {
        Ok(())
    } else {
        broken(
            Invariant::I12,
            format!(
                "{key} {} and has {records} records of its end",
                if ended { "ended" } else { "did not end" }
            ),
        )
    }
}

/// Nobody is closed who is closed already.
fn closed_once(transition: &Transition<'_>) -> Verdict {
    let mut seen: Vec<SessionKey> = Vec::new();
    for (key, _) in transition.closed() {
        if seen.contains(&key) || was_over(transition, key) {
            return broken(Invariant::I12, format!("{key} is closed again"));
        }
        seen.push(key);
    }
    Ok(())
}

/// Until it is connected a session does nothing but connect, once, and it is over if that is refused.
fn connects_first(transition: &Transition<'_>) -> Verdict {
    let Some(asked) = transition.asked.as_ref().filter(|asked| asked.heard) else { return Ok(()) };
    let is_connecting =
        transition.was(asked.session).is_some_and(|row| row.phase == Phase::Connecting);
    let connects = asked.request.type_name == "hub:connect";
    let goes_on = transition.is(asked.session).is_some_and(is_open);
    let what = match asked.refused {
        None if is_connecting != connects => "carried out",
        Some(_) if is_connecting && connects && goes_on => "refused, and the session goes on",
        None | Some(_) => return Ok(()),
    };
    let (session, request) = (asked.session, asked.request);
    let evidence = format!("the {} {} of {session} was {what}", request.type_name, request.id);
    broken(Invariant::I12, evidence)
}

fn nothing_to_the_closed(transition: &Transition<'_>) -> Verdict {
    let mut closed: Vec<SessionKey> = Vec::new();
    for output in &transition.hub.outputs {
        match output {
            Output::Close(key, _) | Output::Linger(key, _) => closed.push(*key),
            Output::Send(key, message) => {
                if closed.contains(key) || was_over(transition, *key) {
                    let evidence = format!("{key} is over and is sent {}", message.type_name());
                    return broken(Invariant::I9, evidence);
                }
            }
            Output::Audit(_) => {}
        }
    }
    Ok(())
}

//! I11: a refused request changes nothing.
//!
//! What the refusal itself brings about is no change: its reply joins the asker's queue, and an
//! asker whose queue cannot take it, or whose hub:connect was refused, is closed. A full queue's
//! clock may start at the copy that finds it full. What is due at that moment happens before the
//! request and is none of its doing.

use std::collections::BTreeSet;

use signal_hub::hub::{SessionKey, SessionRow, TopicRow};
use signal_hub::protocol::ActorAddress;

use super::super::shadow::is_open;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I11.
pub struct Refusals;

impl HubObserver for Refusals {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let Some(asked) = transition.asked.as_ref().filter(|asked| asked.refused.is_some()) else {
            return Ok(());
        };
        let change = changed_address(transition, asked.session)
            .or_else(|| changed_session(transition, asked.session))
            .or_else(|| changed_topic(transition, asked.session));
        match change {
            None => Ok(()),
            Some(change) => broken(
                Invariant::I11,
                format!(
                    "{} {} was refused and {change}",
                    asked.request.type_name, asked.request.id
                ),
            ),
        }
    }
}

/// Returns whether what became of the address is a matter of time, or of the asker's end.
fn is_excused(transition: &Transition<'_>, asker: SessionKey, address: &ActorAddress) -> bool {
    transition.is_due(address)
        || transition.before.owner(address) == Some(asker) && transition.ended(asker)
}

fn changed_address(transition: &Transition<'_>, asker: SessionKey) -> Option<String> {
    let changed = transition.hub.touched.addresses.iter().find(|(address, row)| {
        transition.before.address(address) != row.as_ref()
            && !is_excused(transition, asker, address)
    });
    changed.map(|(address, _)| format!("changed {address}"))
}

fn changed_session(transition: &Transition<'_>, asker: SessionKey) -> Option<String> {
    let changed = transition.hub.touched.sessions.iter().find(|(key, row)| {
        let Some(before) = transition.was(**key) else { return row.is_some() };
        let Some(after) = row.as_ref() else { return true };
        if !is_open(after) && is_open(before) {
            let may_end = **key == asker || transition.timed_out(**key);
            return !may_end;
        }
        before.phase != after.phase || differ(transition, before, after)
    });
    changed.map(|(key, _)| format!("changed {key}"))
}

fn differ(transition: &Transition<'_>, before: &SessionRow, after: &SessionRow) -> bool {
    if before.addresses != after.addresses {
        let kept = before.addresses.iter().filter(|address| !transition.is_due(address));
        if !kept.eq(after.addresses.iter()) {
            return true;
        }
    }
    // Silence is looked at anew when its deadline comes; the queue's clock is that of the refusal.
    let (was, is) = (before.deadlines, after.deadlines);
    let is_due = was.idle.is_some_and(|deadline| deadline <= transition.now);
    was.connect != is.connect || was.token != is.token || !is_due && was.idle != is.idle
}

fn changed_topic(transition: &Transition<'_>, asker: SessionKey) -> Option<String> {
    let nobody = BTreeSet::new();
    let subscribers =
        |row: Option<&TopicRow>| row.map_or(nobody.clone(), |row| row.subscribers.clone());
    for (topic, row) in &transition.hub.touched.topics {
        let before = transition.before.topic(topic);
        if before == row.as_ref() {
            continue;
        }
        let (before, after) = (subscribers(before), subscribers(row.as_ref()));
        let changed = before.symmetric_difference(&after);
        if let Some(address) = changed.into_iter().find(|a| !is_excused(transition, asker, a)) {
            return Some(format!("changed {address} on {topic}"));
        }
    }
    None
}

//! I5, I6: who is told that an address is lost, and to whom nothing goes any more.

use signal_hub::hub::{EndReason, Output, Record, SessionKey};
use signal_hub::protocol::{
    ActorAddress, Body, CloseReason, DisconnectNotice, Notice, Outgoing, UnregisterReason,
};

use super::super::{HubObserver, Invariant, Transition, Verdict, broken, owner_text};
use super::registration::registered_now;

/// I5, I6.
pub struct Takeover;

impl HubObserver for Takeover {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let moved = transition.hub.touched.addresses.keys().find_map(|address| {
            let old = transition.before.owner(address)?;
            // Its queue may overflow at the very reply that tells of the registration.
            let new =
                transition.after.owner(address).or_else(|| registered_now(transition, address))?;
            (old != new).then_some((address, old))
        });
        let told: Vec<SessionKey> =
            transition.sent().filter(|(_, m)| is_duplicate_notice(m)).map(|(key, _)| key).collect();
        match moved {
            // A session whose queue overflows at the notice is closed in its stead; one whose own
            // deadline is due, or that of its registration, had ended before.
            Some((address, old))
                if closes(transition, old, CloseReason::SlowConsumer)
                    || told.is_empty()
                        && (transition.session_due(old)
                            || transition.before.address_due(address, transition.now)) => {}
            Some((address, old)) => told_once(transition, address, old, &told)?,
            None => {
                if let Some(key) = told.first() {
                    let evidence = format!("{key} is told of a takeover that did not happen");
                    return broken(Invariant::I5, evidence);
                }
            }
        }
        losses_are_told(transition)?;
        deliveries_to_owners(transition)
    }
}

/// A session that lives on is told of each address that expired or that its token lost, and of no
/// other; one whose queue overflows at a notice is closed in its stead.
fn losses_are_told(transition: &Transition<'_>) -> Verdict {
    let lost: Vec<(SessionKey, &ActorAddress, UnregisterReason)> = transition
        .records()
        .filter_map(|record| match record {
            Record::ActorDetached { actor_address, session, why } => {
                Some((*session, actor_address, told_reason(*why)?))
            }
            _ => None,
        })
        .collect();
    let told: Vec<(SessionKey, &ActorAddress, UnregisterReason)> = transition
        .sent()
        .filter_map(|(key, message)| match &message.body {
            Body::Notice(Notice::Unregistered(notice)) => {
                let is_loss = notice.reason != UnregisterReason::DuplicateConnection;
                is_loss.then_some((key, &notice.actor_address, notice.reason))
            }
            _ => None,
        })
        .collect();
    let heard = lost.iter().filter(|loss| {
        told.contains(loss) || !closes(transition, loss.0, CloseReason::SlowConsumer)
    });
    if heard.eq(told.iter()) {
        Ok(())
    } else {
        broken(
            Invariant::I5,
            format!("what sessions lost is {lost:?}; what they were told is {told:?}"),
        )
    }
}

fn told_reason(why: EndReason) -> Option<UnregisterReason> {
    match why {
        EndReason::Expired => Some(UnregisterReason::Expired),
        EndReason::TokenNarrowed => Some(UnregisterReason::TokenNarrowed),
        EndReason::Closed(_) | EndReason::Connection(_) => None,
    }
}

fn closes(transition: &Transition<'_>, key: SessionKey, reason: CloseReason) -> bool {
    transition.closed().any(|close| close == (key, reason))
}

fn is_duplicate_notice(message: &Outgoing) -> bool {
    match &message.body {
        Body::Notice(Notice::Disconnect(notice)) => {
            notice.reason == DisconnectNotice::DUPLICATE_CONNECTION
        }
        Body::Notice(Notice::Unregistered(notice)) => {
            notice.reason == UnregisterReason::DuplicateConnection
        }
        Body::Notice(Notice::Pause(_) | Notice::Resume)
        | Body::Pong
        | Body::Reply { .. }
        | Body::Delivery(_) => false,
    }
}

fn told_once(
    transition: &Transition<'_>,
    address: &ActorAddress,
    old: SessionKey,
    told: &[SessionKey],
) -> Verdict {
    if told != [old] {
        let told: Vec<u64> = told.iter().map(|key| key.0).collect();
        return broken(
            Invariant::I5,
            format!("{address} was taken from {old}; told of it were {told:?}"),
        );
    }
    let close = Output::Close(old, CloseReason::DuplicateConnection);
    let closed_at = transition.hub.outputs.iter().position(|output| *output == close);
    let told_at = transition.hub.outputs.iter().position(
        |output| matches!(output, Output::Send(_, message) if is_duplicate_notice(message)),
    );
    if closed_at.is_some() && closed_at < told_at {
        let evidence = format!("{old} was closed before it was told of the takeover");
        return broken(Invariant::I5, evidence);
    }
    let lives_on = transition.is(old).is_some_and(|row| !row.addresses.is_empty());
    if closed_at.is_some() != lives_on {
        Ok(())
    } else {
        broken(
            Invariant::I5,
            format!(
                "{old} lost {address}: it {} other addresses, and was {}closed",
                if lives_on { "has" } else { "has no" },
                if closed_at.is_some() { "" } else { "not " }
            ),
        )
    }
}

fn deliveries_to_owners(transition: &Transition<'_>) -> Verdict {
    for (key, message) in transition.sent() {
        if !matches!(message.body, Body::Delivery(_)) {
            continue;
        }
        // A recipient that is closed later in the same event still owned it at the delivery.
        let owner = transition.after.owner(&message.to).or(transition.before.owner(&message.to));
        if owner != Some(key) {
            return broken(
                Invariant::I6,
                format!(
                    "{key} gets a delivery for {}, which belongs to {}",
                    message.to,
                    owner_text(owner)
                ),
            );
        }
    }
    Ok(())
}

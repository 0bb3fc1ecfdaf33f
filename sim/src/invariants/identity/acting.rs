//! I56: who acts in a request that needs an identity (docs/PROTOCOL.md, section 2).

use signal_hub::hub::{EndReason, ForgetReason, Output, Record};
use signal_hub::protocol::{ActorAddress, Body, Request};

use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I56.
pub struct Acting;

impl HubObserver for Acting {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let Some(asked) = &transition.asked else { return Ok(()) };
        if !asked.accepted().is_some_and(|verb| verb.needs_identity())
            || something_ended(transition)
        {
            return Ok(());
        }
        let (session, request) = (asked.session, asked.request);
        let claimed = &request.from;
        let own = transition.was(session).map_or(&[][..], |row| row.addresses.as_slice());
        let is_anothers = !own.contains(claimed) && transition.before.owner(claimed).is_some();
        let actor = own.iter().find(|address| *address == claimed).or(own.first());
        let Some(actor) = actor.filter(|_| !is_anothers) else {
            return broken(
                Invariant::I56,
                format!(
                    "the {} {} of {session} was carried out, and as {claimed} it may not act",
                    request.type_name, request.id
                ),
            );
        };
        let mut acted =
            transition.hub.outputs.iter().filter_map(|output| acted_as(output, request));
        match acted.find(|address| *address != actor) {
            None => Ok(()),
            Some(other) => broken(
                Invariant::I56,
                format!(
                    "the {} {} of {session} acts as {other}, not as {actor}",
                    request.type_name, request.id
                ),
            ),
        }
    }
}

/// Returns whether a deadline that was due may have changed who is there.
fn something_ended(transition: &Transition<'_>) -> bool {
    transition.records().any(|record| {
        matches!(
            record,
            Record::ActorDetached { why: EndReason::Expired, .. }
                | Record::ActorForgotten { why: ForgetReason::ResumeWindowEnded, .. }
                | Record::ActorDormant { .. }
                | Record::SessionClosed { .. }
        )
    })
}

/// For whom this is done, if it is what the request asked for.
fn acted_as<'a>(output: &'a Output, request: &Request) -> Option<&'a ActorAddress> {
    match output {
        Output::Send(_, message) => match &message.body {
            Body::Delivery(delivery) if delivery.origin == request.id => Some(&delivery.from),
            Body::Delivery(_) | Body::Reply { .. } | Body::Pong | Body::Notice(_) => None,
        },
        Output::Audit(
            Record::SubscriptionAdded { actor_address, .. }
            | Record::SubscriptionRemoved { actor_address, .. }
            | Record::RegistrationRenewed { actor_address, .. }
            | Record::ActorForgotten { actor_address, why: ForgetReason::Unregistered },
        ) => Some(actor_address),
        Output::Audit(_) | Output::Close(..) | Output::Linger(..) => None,
    }
}

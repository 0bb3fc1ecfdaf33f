//! I7: no name anywhere is a session's, or the hub's own.

use signal_hub::hub::Config;
use signal_hub::protocol::{ActorAddress, Body, Reply, SessionId};

use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I7.
pub struct Names {
    hub_address: ActorAddress,
}

impl Names {
    pub fn new(config: &Config) -> Self {
        Self { hub_address: config.hub_address.clone() }
    }
}

impl HubObserver for Names {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let touched = &transition.hub.touched;
        let subscribers = touched.topics.values().flatten().flat_map(|row| &row.subscribers);
        let known = touched.addresses.iter().filter(|(_, row)| row.is_some());
        for address in known.map(|(address, _)| address).chain(subscribers) {
            not_a_session(transition, address, "is known to the hub")?;
            if *address == self.hub_address {
                return broken(Invariant::I7, format!("the hub's own address {address} is known"));
            }
        }
        for (_, message) in transition.sent() {
            match &message.body {
                Body::Delivery(delivery) => {
                    not_a_session(transition, &delivery.from, "is the sender of a delivery")?;
                }
                Body::Reply { reply, .. } => registered_first(transition, reply)?,
                Body::Pong | Body::Notice(_) => {}
            }
        }
        Ok(())
    }
}

fn not_a_session(transition: &Transition<'_>, address: &ActorAddress, what: &str) -> Verdict {
    let Ok(id) = SessionId::parse(address.path()) else { return Ok(()) };
    let mut rows = transition.hub.touched.sessions.values().flatten();
    if rows.any(|row| row.id == id) || transition.before.is_session_id(id) {
        broken(Invariant::I7, format!("the session id {address} {what}"))
    } else {
        Ok(())
    }
}

/// Before its first registration a session subscribes to nothing and routes nothing.
fn registered_first(transition: &Transition<'_>, reply: &Reply) -> Verdict {
    let needs_identity = matches!(
        reply,
        Reply::Subscribed(_)
            | Reply::Unsubscribed(_)
            | Reply::Published(_)
            | Reply::DeliveryAck(_)
            | Reply::BroadcastAck(_)
    );
    if !needs_identity {
        return Ok(());
    }
    let session = transition.hub.input.session();
    let row = session.and_then(|key| transition.was(key));
    if row.is_some_and(|row| !row.addresses.is_empty()) {
        Ok(())
    } else {
        broken(
            Invariant::I7,
            format!("{session:?} has no registration and got {}", reply.type_name()),
        )
    }
}

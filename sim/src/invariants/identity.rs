//! Who owns which address, and what late events may not do to it: I1, I3, I4, I5, I6, I7, I9.

use std::collections::BTreeMap;

use signal_hub::hub::{AddressRow, Input, Output, Record, SessionKey};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, CloseReason, DisconnectNotice, Notice, Reply, Verb,
};
use signal_hub::time::Timestamp;

use super::world::{After, World, is_open};
use super::{Invariant, Observer, Violation};
use crate::history::{Event, HubEvent, What};

/// I1, I4, I9: each touched row against its neighbours, and against who may have touched it.
pub struct Ownership;

impl Observer for Ownership {
    fn observe(&mut self, event: &Event, world: &World) -> Result<(), Violation> {
        let What::Hub(hub) = &event.what else { return Ok(()) };
        let after = After { world, event: hub };
        for (address, row) in &hub.touched.addresses {
            if world.address(address) != row.as_ref() {
                stale_is_inert(hub.now, hub, world, address)?;
            }
            if let Some(owner) = row.as_ref().and_then(|row| row.registration?.owner) {
                owner_lists(&after, address, owner)?;
            }
        }
        for key in hub.touched.sessions.keys() {
            session_owns_what_it_lists(&after, *key)?;
        }
        nothing_to_the_closed(hub, world)
    }
}

fn owner_lists(
    after: &After<'_>,
    address: &ActorAddress,
    owner: SessionKey,
) -> Result<(), Violation> {
    let row = after.session(owner).filter(|row| is_open(row));
    let listed = row.map_or(0, |row| row.addresses.iter().filter(|a| *a == address).count());
    match (row, listed) {
        (Some(_), 1) => Ok(()),
        (None, _) => Err(Violation::new(
            Invariant::I1,
            format!("{address} belongs to s{}, which is not open", owner.0),
        )),
        (Some(_), listed) => Err(Violation::new(
            Invariant::I1,
            format!("{address} belongs to s{}, which lists it {listed} times", owner.0),
        )),
    }
}

fn session_owns_what_it_lists(after: &After<'_>, key: SessionKey) -> Result<(), Violation> {
    let Some(row) = after.session(key) else { return Ok(()) };
    if !is_open(row) && (!row.addresses.is_empty() || row.queued != (0, 0)) {
        return Err(Violation::new(
            Invariant::I9,
            format!(
                "s{} is over and still lists {:?} and {} queued messages",
                key.0, row.addresses, row.queued.0
            ),
        ));
    }
    for address in &row.addresses {
        let owner = after.owner(address);
        if owner != Some(key) {
            let owner = owner.map_or("nobody".to_owned(), |owner| format!("s{}", owner.0));
            return Err(Violation::new(
                Invariant::I1,
                format!("s{} lists {address}, which belongs to {owner}", key.0),
            ));
        }
    }
    Ok(())
}

fn nothing_to_the_closed(hub: &HubEvent, world: &World) -> Result<(), Violation> {
    let mut closed: Vec<SessionKey> = Vec::new();
    for output in &hub.outputs {
        match output {
            Output::Close(key, _) => closed.push(*key),
            Output::Send(key, message) => {
                let fresh = matches!(hub.input, Input::Opened(opened, _) if opened == *key);
                if closed.contains(key) || !(world.is_open(*key) || fresh) {
                    return Err(Violation::new(
                        Invariant::I9,
                        format!("s{} is over and is sent {}", key.0, message.type_name()),
                    ));
                }
            }
            Output::Audit(_) => {}
        }
    }
    Ok(())
}

/// I4: an address's row changes only by its owner, by a registration, by its own deadline, or with
/// the end of its owner.
fn stale_is_inert(
    at: Timestamp,
    hub: &HubEvent,
    world: &World,
    address: &ActorAddress,
) -> Result<(), Violation> {
    let owner = world.owner(address);
    let session = hub.input.session();
    let by_owner = session.is_some() && owner == session;
    let by_deadline =
        world.address_due(address, at) || owner.is_some_and(|owner| world.session_due(owner, at));
    let by_overflow = owner.is_some_and(|owner| {
        hub.outputs.contains(&Output::Close(owner, CloseReason::SlowConsumer))
    });
    let by_request = changes_by_right(hub, world, address);
    if by_owner || by_deadline || by_overflow || by_request || hub.input == Input::Shutdown {
        return Ok(());
    }
    let before = world.address(address);
    let after = hub.touched.addresses.get(address).and_then(Option::as_ref);
    Err(Violation::new(
        Invariant::I4,
        format!(
            "{} changed {address} from {} to {}",
            session.map_or("time".to_owned(), |key| format!("an event about s{}", key.0)),
            row_text(before),
            row_text(after)
        ),
    ))
}

/// A registration of the address, or a renewal by token, by whoever sent it.
fn changes_by_right(hub: &HubEvent, world: &World, address: &ActorAddress) -> bool {
    let Input::Frame(key, Ok(ClientFrame::Request(request))) = &hub.input else { return false };
    match &request.verb {
        Ok(Verb::Register(register)) => world.is_open(*key) && register.actor_address == *address,
        Ok(Verb::Renew(renew)) => renew.renewal_token.is_some(),
        _ => false,
    }
}

fn row_text(row: Option<&AddressRow>) -> String {
    let Some(row) = row else { return "unknown".to_owned() };
    let topics: Vec<&str> = row.topics.iter().map(|topic| topic.as_str()).collect();
    match row.registration {
        Some(registration) => {
            let owner = registration.owner.map_or("detached".into(), |key| format!("s{}", key.0));
            format!("{owner} version {} topics {topics:?}", registration.version)
        }
        None => format!("unregistered topics {topics:?}"),
    }
}

/// I3: remembers who registered last, from what the hub says it accepted.
#[derive(Default)]
pub struct LastRegistration {
    holders: BTreeMap<ActorAddress, SessionKey>,
}

impl Observer for LastRegistration {
    fn observe(&mut self, event: &Event, world: &World) -> Result<(), Violation> {
        let What::Hub(hub) = &event.what else { return Ok(()) };
        self.release(hub.now, hub, world);
        for output in &hub.outputs {
            match output {
                Output::Audit(Record::ActorRegistered { actor_address, session, .. }) => {
                    self.holders.insert(actor_address.clone(), *session);
                }
                // Its queue may overflow at the very reply that tells of the registration.
                Output::Close(key, reason) if *reason != CloseReason::DuplicateConnection => {
                    self.holders.retain(|_, holder| holder != key);
                }
                Output::Send(..) | Output::Close(..) | Output::Audit(_) => {}
            }
        }
        let after = After { world, event: hub };
        for address in hub.touched.addresses.keys() {
            let (expected, owner) = (self.holders.get(address).copied(), after.owner(address));
            if expected.is_some() && owner != expected {
                return Err(Violation::new(
                    Invariant::I3,
                    format!(
                        "s{} registered {address} last, yet {owner:?} owns it",
                        expected.map_or(0, |key| key.0)
                    ),
                ));
            }
        }
        Ok(())
    }

    fn hub_restarted(&mut self) {
        self.holders.clear();
    }
}

impl LastRegistration {
    /// Forgets holders that lost their address by right: expiry, their own end or their own wish.
    fn release(&mut self, at: Timestamp, hub: &HubEvent, world: &World) {
        self.holders.retain(|address, holder| {
            let expired =
                hub.touched.addresses.contains_key(address) && world.address_due(address, at);
            let ended = match &hub.input {
                Input::Closed(key, _) => key == holder,
                _ => false,
            };
            !(expired || ended || gives_up(hub, *holder, address))
        });
    }
}

fn gives_up(hub: &HubEvent, holder: SessionKey, address: &ActorAddress) -> bool {
    let Input::Frame(key, Ok(ClientFrame::Request(request))) = &hub.input else { return false };
    if *key != holder {
        return false;
    }
    match &request.verb {
        Ok(Verb::Unregister(unregister)) => {
            unregister.actor_address.as_ref().is_none_or(|named| named == address)
        }
        Ok(Verb::Disconnect(_)) => true,
        _ => false,
    }
}

/// I5, I6: who is told of a takeover, and to whom nothing goes any more.
pub struct Takeover;

impl Observer for Takeover {
    fn observe(&mut self, event: &Event, world: &World) -> Result<(), Violation> {
        let What::Hub(hub) = &event.what else { return Ok(()) };
        let after = After { world, event: hub };
        let moved = hub.touched.addresses.keys().find_map(|address| {
            let (old, new) = (world.owner(address)?, after.owner(address)?);
            (old != new).then_some((address, old))
        });
        let told: Vec<SessionKey> = hub.outputs.iter().filter_map(duplicate_notice).collect();
        match moved {
            // A session whose queue overflows at the notice is closed in its stead; one whose own
            // deadline is due ended before.
            Some((_, old))
                if hub.outputs.contains(&Output::Close(old, CloseReason::SlowConsumer))
                    || world.session_due(old, hub.now) && told.is_empty() => {}
            Some((address, old)) => told_once(hub, &after, address, old, &told)?,
            None => {
                if let Some(key) = told.first() {
                    let evidence = format!("s{} is told of a takeover that did not happen", key.0);
                    return Err(Violation::new(Invariant::I5, evidence));
                }
            }
        }
        deliveries_to_owners(hub, &after)
    }
}

fn duplicate_notice(output: &Output) -> Option<SessionKey> {
    let Output::Send(key, message) = output else { return None };
    match &message.body {
        Body::Notice(Notice::Disconnect(notice))
            if notice.reason == DisconnectNotice::DUPLICATE_CONNECTION =>
        {
            Some(*key)
        }
        Body::Notice(Notice::TakenOver { .. }) => Some(*key),
        Body::Notice(_) | Body::Pong | Body::Reply { .. } | Body::Delivery(_) => None,
    }
}

fn told_once(
    hub: &HubEvent,
    after: &After<'_>,
    address: &ActorAddress,
    old: SessionKey,
    told: &[SessionKey],
) -> Result<(), Violation> {
    let breach = |evidence: String| Err(Violation::new(Invariant::I5, evidence));
    if told != [old] {
        return breach(format!(
            "{address} was taken from s{}; told of it were {:?}",
            old.0,
            told.iter().map(|key| key.0).collect::<Vec<_>>()
        ));
    }
    let close = Output::Close(old, CloseReason::DuplicateConnection);
    let closed_at = hub.outputs.iter().position(|output| *output == close);
    let told_at = hub.outputs.iter().position(|output| duplicate_notice(output).is_some());
    if closed_at.is_some() && closed_at < told_at {
        return breach(format!("s{} was closed before it was told of the takeover", old.0));
    }
    let lives_on = after.session(old).is_some_and(|row| !row.addresses.is_empty());
    match closed_at.is_some() != lives_on {
        true => Ok(()),
        false => breach(format!(
            "s{} lost {address}: it {} other addresses, and was {}closed",
            old.0,
            if lives_on { "has" } else { "has no" },
            if closed_at.is_some() { "" } else { "not " }
        )),
    }
}

fn deliveries_to_owners(hub: &HubEvent, after: &After<'_>) -> Result<(), Violation> {
    for output in &hub.outputs {
        let Output::Send(key, message) = output else { continue };
        if !matches!(message.body, Body::Delivery(_)) {
            continue;
        }
        // A recipient that is closed later in the same event still owned it at the delivery.
        let owner = after.owner(&message.to).or(after.world.owner(&message.to));
        if owner != Some(*key) {
            return Err(Violation::new(
                Invariant::I6,
                format!(
                    "s{} gets a delivery for {}, which belongs to {owner:?}",
                    key.0, message.to
                ),
            ));
        }
    }
    Ok(())
}

/// I7: no name anywhere is a session's.
pub struct Names;

impl Observer for Names {
    fn observe(&mut self, event: &Event, world: &World) -> Result<(), Violation> {
        let What::Hub(hub) = &event.what else { return Ok(()) };
        let subscribers = hub.touched.topics.values().flatten().flat_map(|row| &row.subscribers);
        let registered = hub
            .touched
            .addresses
            .iter()
            .filter(|(_, row)| row.is_some())
            .map(|(address, _)| address);
        for address in registered.chain(subscribers) {
            not_a_session(hub, world, address, "is known to the hub")?;
        }
        for output in &hub.outputs {
            let Output::Send(_, message) = output else { continue };
            match &message.body {
                Body::Delivery(delivery) => {
                    not_a_session(hub, world, &delivery.from, "is the sender of a delivery")?;
                }
                Body::Reply { reply, .. } => registered_first(hub, world, reply)?,
                Body::Pong | Body::Notice(_) => {}
            }
        }
        Ok(())
    }
}

fn not_a_session(
    hub: &HubEvent,
    world: &World,
    address: &ActorAddress,
    what: &str,
) -> Result<(), Violation> {
    let fresh =
        hub.touched.sessions.values().flatten().any(|row| row.id.as_str() == address.path());
    match fresh || world.is_session_id(address.path()) {
        true => Err(Violation::new(Invariant::I7, format!("the session id {address} {what}"))),
        false => Ok(()),
    }
}

/// Before its first registration a session subscribes to nothing and routes nothing.
fn registered_first(hub: &HubEvent, world: &World, reply: &Reply) -> Result<(), Violation> {
    let needs_identity = matches!(
        reply,
        Reply::Subscribed(_)
            | Reply::Unsubscribed(_)
            | Reply::Published(_)
            | Reply::DeliveryAck(_)
            | Reply::BroadcastAck(_)
    );
    let session = hub.input.session();
    let registered =
        session.and_then(|key| world.session(key)).is_some_and(|row| !row.addresses.is_empty());
    match needs_identity && !registered {
        true => Err(Violation::new(
            Invariant::I7,
            format!("{session:?} has no registration and got {}", reply.type_name()),
        )),
        false => Ok(()),
    }
}

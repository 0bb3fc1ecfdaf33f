//! What clients have under way.

use std::collections::{BTreeMap, BTreeSet};

use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{ActorAddress, ClientFrame, MessageId, Pattern, Recipient, Verb};

use crate::history::ClientName;

/// What is under way at the clients.
#[derive(Default)]
pub struct AtClients {
    pub connected: BTreeSet<ClientName>,
    pub registering: BTreeMap<ClientName, Registering>,
    pub asking: BTreeMap<ClientName, Vec<Asked>>,
}

pub struct Registering {
    id: MessageId,
    address: ActorAddress,
    /// The hub has done so.
    is_done: bool,
}

pub struct Asked {
    id: MessageId,
    pub from: ActorAddress,
    pub to: Recipient,
}

impl AtClients {
    pub fn sent(&mut self, client: &ClientName, frame: &ClientFrame) {
        let ClientFrame::Request(request) = frame else { return };
        match &request.verb {
            Ok(Verb::Register(register)) => {
                let (id, address) = (request.id.clone(), register.actor_address.clone());
                let registering = Registering { id, address, is_done: false };
                self.registering.insert(client.clone(), registering);
            }
            Ok(Verb::Send(send)) if request.pattern == Pattern::Ask => {
                let asked = Asked {
                    id: request.id.clone(),
                    from: request.from.clone(),
                    to: send.to.clone(),
                };
                self.asking.entry(client.clone()).or_default().push(asked);
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// The hub has registered the address.
    pub fn registered(&mut self, address: &ActorAddress) {
        let registering = self.registering.values_mut();
        registering.filter(|one| one.address == *address).for_each(|one| one.is_done = true);
    }

    /// The addresses that the hub has registered, and no client knows.
    pub fn unanswered(&self) -> BTreeSet<ActorAddress> {
        let registering = self.registering.values();
        registering.filter(|one| one.is_done).map(|one| one.address.clone()).collect()
    }

    pub fn received(&mut self, client: &ClientName, frame: &HubFrame) {
        let HubFrame::Message(message) = frame else { return };
        let HubBody::Reply { correlation: Some(id), .. } = &message.body else { return };
        if self.registering.get(client).is_some_and(|registering| registering.id == *id) {
            self.registering.remove(client);
        }
        if let Some(asking) = self.asking.get_mut(client) {
            asking.retain(|asked| asked.id != *id);
        }
    }
}

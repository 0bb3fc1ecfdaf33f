//! Who is registered: whatever is live at this moment, never a renewal token or a session.

use crate::hub::Hub;
use crate::hub::state::Registration;
use crate::protocol::{
    ActorAddress, ActorList, Discover, Discovered, DiscoveredActor, ListActors, ListedActor, Reply,
};
use crate::time::Timestamp;

impl Hub {
    pub(super) fn discover(&self, discover: &Discover) -> Reply {
        let limit = discover.limit.actors();
        let mut actors: Vec<DiscoveredActor> = self
            .registry
            .live()
            .filter(|(address, row)| discover.wants(address, &row.capabilities))
            .take(limit + 1)
            .map(|(address, row)| discovered(address, row))
            .collect();
        let has_more = actors.len() > limit;
        actors.truncate(limit);
        Reply::Discovered(Discovered { actors, has_more })
    }

    pub(super) fn list_actors(&self, list: ListActors) -> Reply {
        let (offset, limit, total) = (list.offset, list.limit.actors(), self.registry.live_len());
        let page = self.registry.live().skip(offset).take(limit);
        let actors: Vec<ListedActor> = page
            .filter_map(|(address, row)| Some(listed(address, row, self.expires_at(row)?)))
            .collect();
        let has_more = offset.saturating_add(actors.len()) < total;
        Reply::ActorList(ActorList { actors, total, offset, limit, has_more })
    }
}

fn discovered(address: &ActorAddress, row: &Registration) -> DiscoveredActor {
    DiscoveredActor {
        address: address.clone(),
        actor_address: address.clone(),
        capabilities: row.capabilities.clone(),
        metadata: row.metadata.clone(),
    }
}

fn listed(address: &ActorAddress, row: &Registration, expires_at: Timestamp) -> ListedActor {
    ListedActor {
        address: address.clone(),
        actor_address: address.clone(),
        capabilities: row.capabilities.clone(),
        metadata: row.metadata.clone(),
        registered_at: row.registered_at,
        expires_at,
        version: row.version,
    }
}

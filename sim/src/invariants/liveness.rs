//! What must come true once the faults are over: L1, L2, L4.

use signal_hub::hub::SessionKey;
use signal_hub::protocol::{ActorAddress, SessionId};

use super::{Invariant, Violation, World};

/// What a client believes of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    pub address: ActorAddress,
    /// The session that it registered on, if it thinks that it is registered.
    pub session: Option<SessionId>,
}

/// L1 and L2: the hub's sessions are exactly those that the clients believe in, each owning its
/// address. The first that is amiss is the answer.
pub fn check_agreement(world: &World, clients: &[Agreement]) -> Result<(), Violation> {
    let mut agreed: Vec<SessionKey> = Vec::new();
    for client in clients {
        let owner = world.owner(&client.address);
        let row = owner.and_then(|key| world.session(key));
        match (owner, row, &client.session) {
            (Some(key), Some(row), Some(session)) if row.id == *session => agreed.push(key),
            _ => {
                let owner = row.map_or("nobody".to_owned(), |row| row.id.to_string());
                let believed =
                    client.session.as_ref().map_or("unregistered", |session| session.as_str());
                return Err(Violation::new(
                    Invariant::L1,
                    format!("{}: the hub says {owner}, the client {believed}", client.address),
                ));
            }
        }
    }
    match world.sessions().find(|(key, _)| !agreed.contains(key)) {
        None => Ok(()),
        Some((key, row)) => Err(Violation::new(
            Invariant::L2,
            format!("s{} is nobody's and still {:?}", key.0, row.phase),
        )),
    }
}

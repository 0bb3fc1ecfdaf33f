//! L1, L2: who is there, in the eyes of the hub and of the clients.

use signal_hub::hub::SessionKey;
use signal_hub::protocol::{ActorAddress, SessionId};
use signal_hub::time::Timestamp;

use super::super::{Invariant, Shadow, Violation};

/// What a client believes of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The session that it takes for its own, if it is connected.
    pub session: Option<SessionId>,
    /// The actor's own address, unless another client took it over from this one.
    pub wanted: Option<ActorAddress>,
    /// Whether it thinks that this address is registered on its session.
    pub registered: bool,
    /// When its token may end at the earliest, if nobody gives it another one: after the run.
    pub outlasts: Option<Timestamp>,
}

/// L1 and L2: the hub's sessions are exactly those that the clients believe in, each owning its
/// address.
///
/// # Errors
/// The first that is amiss.
pub fn check_agreement(shadow: &Shadow, clients: &[Agreement]) -> Result<(), Violation> {
    let mut agreed: Vec<SessionKey> = Vec::new();
    for client in clients {
        let own = shadow.sessions().find(|(_, row)| Some(&row.id) == client.session.as_ref());
        let own = own.map(|(key, _)| key);
        agreed.extend(own);
        check_outlasts(shadow, client, own)?;
        let Some(wanted) = &client.wanted else { continue };
        let owner = shadow.owner(wanted);
        if owner.is_none() || owner != own || !client.registered {
            let row = owner.and_then(|key| shadow.session(key));
            let owner = row.map_or("nobody".to_owned(), |row| row.id.to_string());
            let believed = client.session.map_or("no session".to_owned(), |id| id.to_string());
            let registered = if client.registered { "registered" } else { "unregistered" };
            return Err(Violation::new(
                Invariant::L1,
                format!("{wanted}: the hub says {owner}, the client {registered} on {believed}"),
            ));
        }
    }
    match shadow.sessions().find(|(key, _)| !agreed.contains(key)) {
        None => Ok(()),
        Some((key, row)) => Err(Violation::new(
            Invariant::L2,
            format!("{key} is nobody's and still {:?}", row.phase),
        )),
    }
}

/// Whoever is about to lose a session with its token is still to get the next one.
fn check_outlasts(
    shadow: &Shadow,
    client: &Agreement,
    own: Option<SessionKey>,
) -> Result<(), Violation> {
    let grant = own.and_then(|own| shadow.principals()?.grant(own));
    match grant.zip(client.outlasts) {
        Some((grant, outlasts)) if grant.expires_at < outlasts => Err(Violation::new(
            Invariant::L1,
            format!("the token of {} ends at {:?}", grant.principal.actor, grant.expires_at),
        )),
        Some(_) | None => Ok(()),
    }
}

//! Who acts for whom, told by the tokens that the hub was shown and what it answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use signal_hub::auth::Principal;
use signal_hub::hub::{Entry, Input, Record, SessionKey};
use signal_hub::protocol::{ActorAddress, AuthToken, ClientFrame, Verb};
use signal_hub::time::Timestamp;

use super::grant::{Grant, TokenReader};
use super::shadow::is_open;
use crate::history::HubEvent;

/// The sessions and addresses of a hub that demands tokens.
#[derive(Debug, Clone)]
pub struct Principals {
    reader: TokenReader,
    /// By open session.
    grants: BTreeMap<SessionKey, Arc<Grant>>,
    /// When the token of each open session ends.
    ends: BTreeSet<(Timestamp, SessionKey)>,
    /// By address that the hub knows.
    holders: BTreeMap<ActorAddress, Principal>,
    /// By address that the hub ever knew: the latest one.
    latest: BTreeMap<ActorAddress, Principal>,
    /// By address: all that it had in earlier lives of the hub.
    past: BTreeMap<ActorAddress, Vec<Principal>>,
}

impl Principals {
    /// Those of an empty hub whose tokens are read like this.
    pub fn new(reader: TokenReader) -> Self {
        Self {
            reader,
            grants: BTreeMap::new(),
            ends: BTreeSet::new(),
            holders: BTreeMap::new(),
            latest: BTreeMap::new(),
            past: BTreeMap::new(),
        }
    }

    /// What the session's latest token grants.
    pub fn grant(&self, key: SessionKey) -> Option<&Grant> {
        self.grants.get(&key).map(Arc::as_ref)
    }

    /// Whose the address is, as long as the hub knows it.
    pub fn holder(&self, address: &ActorAddress) -> Option<&Principal> {
        self.holders.get(address)
    }

    /// Returns whether the session's principal is another one than the one that had the address last.
    pub fn is_new_to(&self, key: SessionKey, address: &ActorAddress) -> bool {
        let principal = self.grant(key).map(|grant| &grant.principal);
        self.latest.get(address).is_some_and(|latest| Some(latest) != principal)
    }

    /// The session whose token ends first, and when.
    pub fn first_to_end(&self) -> Option<(Timestamp, SessionKey)> {
        self.ends.first().copied()
    }

    /// What the token grants at `now`, or why it grants nothing.
    pub fn read(&self, token: &AuthToken, now: Timestamp) -> Result<Grant, &'static str> {
        self.reader.read(token, now)
    }

    /// The hub begins anew.
    pub fn clear(&mut self) {
        let past = std::mem::take(&mut self.past);
        *self = Self { past, ..Self::new(self.reader.clone()) };
    }

    /// The hub begins with what its store holds: it may be a little older, but nobody gets what was never
    /// theirs.
    fn restore(&mut self, entries: &[Entry]) {
        for entry in entries {
            let Entry::Address(address, Some(stored)) = entry else { continue };
            let Some(past) = self.past.get(address) else { continue };
            let known = past.iter().find(|known| Some(*known) == stored.principal.as_ref());
            if let Some(holder) = known.or(past.last()) {
                self.latest.insert(address.clone(), holder.clone());
                self.holders.insert(address.clone(), holder.clone());
            }
        }
    }

    /// Takes over what the event changed.
    pub fn apply(&mut self, event: &HubEvent) {
        if let Input::Restored(entries) = &event.input {
            self.restore(entries);
        }
        for record in event.records() {
            match record {
                Record::SessionConnected { session, .. }
                | Record::TokenRefreshed { session, .. } => {
                    if let Some(token) = token_of(&event.input) {
                        self.grant_to(*session, self.read(token, event.now).ok());
                    }
                }
                Record::ActorRegistered { actor_address, session, .. } => {
                    if let Some(grant) = self.grants.get(session) {
                        let principal = grant.principal.clone();
                        let past = self.past.entry(actor_address.clone()).or_default();
                        past.retain(|known| *known != principal);
                        past.push(principal.clone());
                        self.latest.insert(actor_address.clone(), principal.clone());
                        self.holders.insert(actor_address.clone(), principal);
                    }
                }
                Record::ActorForgotten { actor_address, .. } => {
                    self.holders.remove(actor_address);
                }
                _ => {}
            }
        }
        for (key, row) in &event.touched.sessions {
            if !row.as_ref().is_some_and(is_open) {
                self.grant_to(*key, None);
            }
        }
    }

    fn grant_to(&mut self, key: SessionKey, grant: Option<Grant>) {
        if let Some(before) = self.grants.remove(&key) {
            self.ends.remove(&(before.expires_at, key));
        }
        if let Some(grant) = grant {
            self.ends.insert((grant.expires_at, key));
            self.grants.insert(key, Arc::new(grant));
        }
    }
}

/// The token that is shown.
pub fn token_of(input: &Input) -> Option<&AuthToken> {
    let Input::Frame(_, Ok(ClientFrame::Request(request))) = input else { return None };
    match request.verb.as_ref().ok()? {
        Verb::Connect(connect) => connect.auth_token.as_ref(),
        Verb::RefreshToken(refresh) => Some(&refresh.token),
        _ => None,
    }
}

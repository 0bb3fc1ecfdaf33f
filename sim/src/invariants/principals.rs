//! Who acts for whom, told by the tokens that the hub was shown and what it answered. Nothing here
//! asks how the hub reads a token: a hub that reads one wrongly must differ from this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::value::RawValue;
use signal_hub::auth::{self, ISSUER, Principal};
use signal_hub::hub::{Input, Output, Record, SessionKey};
use signal_hub::protocol::{ActorAddress, AuthToken, ClientFrame, Verb};
use signal_hub::time::Timestamp;

use super::shadow::is_open;
use crate::history::HubEvent;

/// What a token grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub principal: Principal,
    patterns: Vec<String>,
    pub expires_at: Timestamp,
}

impl Grant {
    /// Whether its bearer may register the address.
    pub fn allows(&self, address: &ActorAddress) -> bool {
        let covers = |pattern: &String| matches(pattern, address.path());
        self.principal.actor == *address || self.patterns.iter().any(covers)
    }

    /// Whether its bearer may take the address from this principal.
    pub fn may_take(&self, holder: &Principal, address: &ActorAddress) -> bool {
        self.principal == *holder || self.claims(holder, address)
    }

    /// Whether the address is the very one that it names, and this other principal has it by a
    /// pattern.
    pub fn claims(&self, holder: &Principal, address: &ActorAddress) -> bool {
        self.principal != *holder && self.principal.actor == *address && holder.actor != *address
    }
}

/// Why a token grants nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not signed by whoever issues tokens, or says nothing that the hub takes.
    NotGenuine,
    /// It was good, or will be.
    NotNow,
}

/// The sessions and addresses of a hub that demands tokens.
#[derive(Debug, Clone)]
pub struct Principals {
    secret: Arc<[u8]>,
    /// By open session.
    grants: BTreeMap<SessionKey, Arc<Grant>>,
    /// When the token of each open session ends.
    ends: BTreeSet<(Timestamp, SessionKey)>,
    /// By address that the hub knows.
    holders: BTreeMap<ActorAddress, Principal>,
    /// By address that the hub ever knew: the latest one.
    latest: BTreeMap<ActorAddress, Principal>,
}

impl Principals {
    /// Those of an empty hub, whose tokens are signed with this secret.
    pub fn new(secret: &[u8]) -> Self {
        Self {
            secret: secret.into(),
            grants: BTreeMap::new(),
            ends: BTreeSet::new(),
            holders: BTreeMap::new(),
            latest: BTreeMap::new(),
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

    /// Whether the session's principal is another one than the one that had the address last.
    pub fn is_new_to(&self, key: SessionKey, address: &ActorAddress) -> bool {
        let principal = self.grant(key).map(|grant| &grant.principal);
        self.latest.get(address).is_some_and(|latest| Some(latest) != principal)
    }

    /// The session whose token ends first, and when.
    pub fn first_to_end(&self) -> Option<(Timestamp, SessionKey)> {
        self.ends.first().copied()
    }

    /// What the token grants at `now`.
    pub fn read(&self, token: &AuthToken, now: Timestamp) -> Result<Grant, Flaw> {
        let (grant, begins_at) = self.claims(token).ok_or(Flaw::NotGenuine)?;
        let is_good = begins_at <= now && now < grant.expires_at;
        if is_good { Ok(grant) } else { Err(Flaw::NotNow) }
    }

    /// What a genuine token grants, and from when on.
    fn claims(&self, token: &AuthToken) -> Option<(Grant, Timestamp)> {
        let claims = token.as_str().split('.').nth(1)?;
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let raw = RawValue::from_string(claims.clone()).ok()?;
        let genuine = auth::sign(&raw, &self.secret).ok()? == token.as_str();
        let claims: Value = serde_json::from_str(&claims).ok().filter(|_| genuine)?;
        let for_hub = |audience: &Value| match audience {
            Value::Array(all) => all.iter().any(|one| one == ISSUER),
            one => one == ISSUER,
        };
        if claims["iss"] != ISSUER || !claims.get("aud").is_none_or(for_hub) {
            return None;
        }
        let subject = claims["sub"].as_str().filter(|subject| !subject.is_empty())?.to_owned();
        let actor = ActorAddress::from_path(claims["actorId"].as_str()?).ok()?;
        let patterns = match claims.get("actors") {
            None => Vec::new(),
            Some(patterns) => serde_json::from_value(patterns.clone()).ok()?,
        };
        moment(&claims["iat"])?;
        let (expires_at, begins_at) = (moment(&claims["exp"])?, claims.get("nbf"));
        let begins_at = begins_at.map_or(Some(Timestamp::default()), moment)?;
        Some((Grant { principal: Principal { subject, actor }, patterns, expires_at }, begins_at))
    }

    pub fn clear(&mut self) {
        *self = Self::new(&self.secret);
    }

    /// Takes over what the event changed.
    pub fn apply(&mut self, event: &HubEvent) {
        for output in &event.outputs {
            let Output::Audit(record) = output else { continue };
            match record {
                Record::SessionConnected { session, .. }
                | Record::TokenRefreshed { session, .. } => {
                    let grant = token_of(&event.input).map(|token| self.read(token, event.now));
                    self.grant_to(*session, grant.and_then(Result::ok));
                }
                Record::ActorRegistered { actor_address, session, .. } => {
                    if let Some(grant) = self.grants.get(session) {
                        let principal = grant.principal.clone();
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

/// Seconds since the epoch; what is finer than a millisecond is cut off.
fn moment(claim: &Value) -> Option<Timestamp> {
    let seconds = claim.as_f64().filter(|seconds| *seconds >= 0.0)?;
    Some(Timestamp::from_millis((seconds * 1_000.0) as u64))
}

/// Whether all of the name is what the pattern says; a star is any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(left) = name.strip_prefix(first) else { return false };
    let mut ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
    ends.any(|at| matches(rest, &left[at..]))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_any_run_of_characters_and_all_else_is_itself() {
        for (pattern, name) in [("a", "a"), ("a/*", "a/b/c"), ("*/c", "a/c"), ("a*c*", "abcc")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("a/*", "a"), ("*/c", "a/cd"), ("a?", "ab")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}

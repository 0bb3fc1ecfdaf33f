//! What a token grants, read without the hub's own reading: a hub that reads one wrongly must differ
//! from this.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::value::RawValue;
use signal_hub::auth::{self, ISSUER, Principal};
use signal_hub::protocol::{ActorAddress, AuthToken, Details};
use signal_hub::time::Timestamp;

/// What a good token grants its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// On whose behalf the bearer acts.
    pub principal: Principal,
    patterns: Vec<String>,
    /// When the token is no longer good.
    pub expires_at: Timestamp,
}

impl Grant {
    /// Returns whether its bearer may register the address.
    pub fn allows(&self, address: &ActorAddress) -> bool {
        let covers = |pattern: &String| matches(pattern, address.path());
        self.principal.actor == *address || self.patterns.iter().any(covers)
    }

    /// Returns whether its bearer may take the address from this principal.
    pub fn may_take(&self, holder: &Principal, address: &ActorAddress) -> bool {
        self.principal == *holder || self.claims(holder, address)
    }

    /// Returns whether the address is the very one that it names, and this other principal has it by a
    /// pattern.
    pub fn claims(&self, holder: &Principal, address: &ActorAddress) -> bool {
        self.principal != *holder && self.principal.actor == *address && holder.actor != *address
    }
}

/// Reads the tokens that are signed with a shared secret.
#[derive(Debug, Clone)]
pub struct TokenReader {
    secret: Arc<[u8]>,
    /// What each genuine token says, by its text: to read one is most of the work.
    known: Arc<Mutex<BTreeMap<String, Claims>>>,
}

impl TokenReader {
    /// A reader of tokens that are signed with this secret.
    pub fn new(secret: &[u8]) -> Self {
        Self { secret: secret.into(), known: Arc::default() }
    }

    /// What the token grants at `now`.
    ///
    /// # Errors
    /// Why it grants nothing, as the protocol names that (`details.reason`).
    pub fn read(&self, token: &AuthToken, now: Timestamp) -> Result<Grant, &'static str> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = known.get(token.as_str()) {
            return claims.at(now);
        }
        let claims = self.claims(token)?;
        known.entry(token.as_str().to_owned()).or_insert(claims).at(now)
    }

    /// What the token says if it is genuine, whatever the time.
    fn claims(&self, token: &AuthToken) -> Result<Claims, &'static str> {
        let parts: Vec<&str> = token.as_str().split('.').collect();
        let [header, claims, signature] = parts[..] else { return Err("malformed") };
        let header: Value = json(header)?;
        match header["alg"].as_str() {
            Some("HS256") => {}
            Some("none") | None => return Err("malformed"),
            Some(_) => return Err("algorithm"),
        }
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| "malformed")?;
        let claims: Box<RawValue> = json(claims)?;
        if auth::sign(&claims, &self.secret).ok().as_deref() != Some(token.as_str()) {
            return Err("signature");
        }
        let claims: Value = serde_json::from_str(claims.get()).map_err(|_| "malformed")?;
        Claims::of(&claims).ok_or("claim")
    }
}

fn json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| "malformed")?;
    serde_json::from_slice(&bytes).map_err(|_| "malformed")
}

/// What a genuine token says.
#[derive(Debug, Clone)]
struct Claims {
    grant: Grant,
    begins_at: Timestamp,
}

impl Claims {
    fn of(claims: &Value) -> Option<Self> {
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
        let expires_at = moment(&claims["exp"])?;
        let begins_at = claims.get("nbf").map_or(Some(Timestamp::default()), moment)?;
        let principal = Principal { subject, actor };
        Some(Self { grant: Grant { principal, patterns, expires_at }, begins_at })
    }

    /// What it grants at `now`, or why it grants nothing.
    fn at(&self, now: Timestamp) -> Result<Grant, &'static str> {
        if self.grant.expires_at <= now {
            Err(Details::TOKEN_EXPIRED)
        } else if now < self.begins_at {
            Err(Details::TOKEN_NOT_YET_VALID)
        } else {
            Ok(self.grant.clone())
        }
    }
}

/// Seconds since the epoch; what is finer than a millisecond is cut off.
fn moment(claim: &Value) -> Option<Timestamp> {
    let seconds = claim.as_f64().filter(|seconds| *seconds >= 0.0)?;
    Some(Timestamp::from_millis((seconds * 1_000.0) as u64))
}

/// Returns whether all of the name is what the pattern says; a star is any run of characters. Of what
/// stands between two stars the first place is as good as any later one.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = name.strip_prefix(first).and_then(|left| left.strip_suffix(last));
    let mut parts = between.split('*');
    inner.is_some_and(|inner| {
        parts.try_fold(inner, |left, part| left.split_once(part).map(|(_, rest)| rest)).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_any_run_of_characters_and_all_else_is_itself() {
        for (pattern, name) in [
            ("a", "a"),
            ("a/*", "a/b/c"),
            ("*/c", "a/c"),
            ("a*c*", "abcc"),
            ("a*b*b", "abbb"),
            ("**", ""),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a", "ab"),
            ("a/*", "a"),
            ("*/c", "a/cd"),
            ("a?", "ab"),
            ("ab*ba", "aba"),
            ("a*b*b", "ab"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        // No file makes it try every way.
        assert!(!matches(&"a*".repeat(128), &"a".repeat(127)));
        assert!(!matches(&("a*".repeat(100) + "b"), &"a".repeat(255)));
    }
}

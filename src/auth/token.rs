//! From a token to what it grants (protocol, section 5).

use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use serde_json::Value;

use super::Keys;
use crate::protocol::{ActorAddress, AuthToken, Glob};
use crate::time::Timestamp;

/// Who must have issued a token; where a token names its audience, this must be among it.
pub const ISSUER: &str = "signal-hub";

/// On whose behalf a session acts. Two tokens of one principal may differ in all else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// The claim `sub`.
    pub subject: String,
    /// The address of the claim `actorId`.
    pub actor: ActorAddress,
}

/// What a valid token grants its bearer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    pub principal: Principal,
    /// The claim `actors`: globs over the paths of further addresses.
    pub actors: Vec<Glob>,
    /// From here on the token is worth nothing.
    pub expires_at: Timestamp,
}

impl Grant {
    /// Whether the bearer may register `address`.
    pub fn allows(&self, address: &ActorAddress) -> bool {
        *address == self.principal.actor
            || self.actors.iter().any(|pattern| pattern.matches(address.path()))
    }

    /// Whether the bearer may take the address from `holder`: from its own principal, and as the
    /// one that it names from whoever has it by a pattern.
    pub fn outranks(&self, holder: Option<&Principal>, address: &ActorAddress) -> bool {
        let names = |principal: &Principal| principal.actor == *address;
        holder == Some(&self.principal) || names(&self.principal) && !holder.is_some_and(names)
    }
}

/// Why a token grants nothing. Tells nothing of the token but the name of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not a signed JWT")]
    Malformed,
    #[error("the token has more bytes than the hub looks at")]
    TooLong,
    #[error("the token is not signed by the hub's algorithm")]
    Algorithm,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token's claim {0} is missing or not valid")]
    Claim(&'static str),
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
}

impl TokenError {
    /// The same in a word, for programs.
    pub const fn reason(self) -> &'static str {
        match self {
            TokenError::Malformed => "malformed",
            TokenError::TooLong => "too_long",
            TokenError::Algorithm => "algorithm",
            TokenError::Signature => "signature",
            TokenError::Claim(_) => "claim",
            TokenError::Expired => "expired",
            TokenError::NotYetValid => "not_yet_valid",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    iss: Option<Value>,
    sub: Option<Value>,
    actor_id: Option<Value>,
    actors: Option<Value>,
    exp: Option<Value>,
    iat: Option<Value>,
    nbf: Option<Value>,
}

/// What the token grants at `now`, if `keys` verify it. Claims are looked at only behind a good
/// signature, and times without leeway.
pub fn authenticate(token: &AuthToken, keys: &Keys, now: Timestamp) -> Result<Grant, TokenError> {
    let decoded = jsonwebtoken::decode::<Claims>(token.as_str(), &keys.key, &keys.validation)
        .map_err(|error| token_error(error.kind()))?;
    // An extension that must be understood (RFC 7515, 4.1.11): the hub understands none.
    if decoded.header.crit.is_some() {
        return Err(TokenError::Malformed);
    }
    decoded.claims.grant(now)
}

impl Claims {
    fn grant(self, now: Timestamp) -> Result<Grant, TokenError> {
        if text("iss", self.iss)? != ISSUER {
            return Err(TokenError::Claim("iss"));
        }
        let subject = text("sub", self.sub)?;
        let path = text("actorId", self.actor_id)?;
        let actor = ActorAddress::from_path(&path).map_err(|_| TokenError::Claim("actorId"))?;
        moment("iat", self.iat)?.ok_or(TokenError::Claim("iat"))?;
        let expires_at = moment("exp", self.exp)?.ok_or(TokenError::Claim("exp"))?;
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        if moment("nbf", self.nbf)?.is_some_and(|begins_at| now < begins_at) {
            return Err(TokenError::NotYetValid);
        }
        let actors = patterns(self.actors)?;
        Ok(Grant { principal: Principal { subject, actor }, actors, expires_at })
    }
}

fn text(claim: &'static str, value: Option<Value>) -> Result<String, TokenError> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(TokenError::Claim(claim)),
    }
}

/// Seconds since the epoch, fractions allowed (RFC 7519, section 2).
fn moment(claim: &'static str, value: Option<Value>) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = value else { return Ok(None) };
    match value.as_f64() {
        // The cast saturates: a moment beyond the end of time is the end of time.
        Some(seconds) if seconds >= 0.0 => {
            Ok(Some(Timestamp::from_millis((seconds * 1_000.0) as u64)))
        }
        _ => Err(TokenError::Claim(claim)),
    }
}

fn patterns(value: Option<Value>) -> Result<Vec<Glob>, TokenError> {
    let texts = value.map_or(Ok(Vec::<String>::new()), serde_json::from_value);
    let texts = texts.map_err(|_| TokenError::Claim("actors"))?;
    Ok(texts.iter().map(|text| Glob::new(text)).collect())
}

fn token_error(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAudience => TokenError::Claim("aud"),
        _ => TokenError::Malformed,
    }
}

//! From a token to what it grants (protocol, section 4, `hub:refresh_token`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Keys;
use crate::protocol::{ActorAddress, AuthToken, Details, Glob};
use crate::time::Timestamp;

/// The required issuer of a token; if the token names its audience, this must be in it too.
pub const ISSUER: &str = "signal-hub";

/// On whose behalf a session acts. Two tokens of one principal may differ in everything else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The claim `sub`.
    pub subject: String,
    /// The address of the claim `actorId`.
    pub actor: ActorAddress,
}

/// What a valid token grants its bearer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// On whose behalf the bearer acts.
    pub principal: Principal,
    /// The claim `actors`: patterns for the paths of further addresses.
    pub actors: Vec<Glob>,
    /// When the token expires.
    pub expires_at: Timestamp,
}

impl Grant {
    /// Returns whether the bearer may register `address`.
    pub fn allows(&self, address: &ActorAddress) -> bool {
        *address == self.principal.actor
            || self.actors.iter().any(|pattern| pattern.matches(address.path()))
    }

    /// Returns whether the bearer may take the address from `holder`: always from its own
    /// principal; as the actor that it names, also from one who has it only by a pattern.
    pub fn outranks(&self, holder: Option<&Principal>, address: &ActorAddress) -> bool {
        let names = |principal: &Principal| principal.actor == *address;
        holder == Some(&self.principal) || names(&self.principal) && !holder.is_some_and(names)
    }
}

/// Why a token grants nothing. It shows nothing of the token but the name of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a signed JWT.
    #[error("the token is not a signed JWT")]
    Malformed,
    /// More bytes than `token_bytes_max`.
    #[error("the token has more bytes than the hub looks at")]
    TooLong,
    /// Signed with another algorithm than the hub's.
    #[error("the token is not signed by the hub's algorithm")]
    Algorithm,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// This claim is missing or not valid.
    #[error("the token's claim {0} is missing or not valid")]
    Claim(&'static str),
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
}

impl TokenError {
    /// The same as one word, for programs.
    pub const fn reason(self) -> &'static str {
        match self {
            TokenError::Malformed => "malformed",
            TokenError::TooLong => "too_long",
            TokenError::Algorithm => "algorithm",
            TokenError::Signature => "signature",
            TokenError::Claim(_) => "claim",
            TokenError::Expired => Details::TOKEN_EXPIRED,
            TokenError::NotYetValid => Details::TOKEN_NOT_YET_VALID,
        }
    }
}

/// What else is named signs nothing: such a text is no signed JWT.
const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "EdDSA",
];

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood (RFC 7515, 4.1.11); the hub understands none.
    crit: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    iss: Option<Value>,
    aud: Option<Value>,
    sub: Option<Value>,
    actor_id: Option<Value>,
    actors: Option<Value>,
    exp: Option<Value>,
    iat: Option<Value>,
    nbf: Option<Value>,
}

/// What the token grants at `now`, if `keys` verify it. Claims are read only after the signature is
/// verified; times have no leeway.
pub fn authenticate(token: &AuthToken, keys: &Keys, now: Timestamp) -> Result<Grant, TokenError> {
    let (message, signature) = token.as_str().rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = message.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let header: Header = part(header)?;
    if header.crit.is_some() || !ALGORITHMS.contains(&&*header.alg) {
        return Err(TokenError::Malformed);
    }
    if header.alg != keys.algorithm() {
        return Err(TokenError::Algorithm);
    }
    if !keys.verify(message.as_bytes(), &decoded(signature)?) {
        return Err(TokenError::Signature);
    }
    part::<Claims>(claims)?.grant(now)
}

/// A token with these claims, signed with a shared secret (HS256): for development, and for tests.
///
/// # Errors
/// If the claims cannot be written as JSON.
pub fn sign(claims: &impl Serialize, secret: &[u8]) -> serde_json::Result<String> {
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, TokenError> {
    serde_json::from_slice(&decoded(text)?).map_err(|_| TokenError::Malformed)
}

fn decoded(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)
}

impl Claims {
    fn grant(self, now: Timestamp) -> Result<Grant, TokenError> {
        if !self.aud.is_none_or(|audience| names_the_hub(&audience)) {
            return Err(TokenError::Claim("aud"));
        }
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

/// Returns whether the hub is the audience, or one of it (RFC 7519, section 4.1.3).
fn names_the_hub(audience: &Value) -> bool {
    audience == ISSUER || audience.as_array().is_some_and(|all| all.iter().any(|one| one == ISSUER))
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
        // The cast saturates at the end of time.
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

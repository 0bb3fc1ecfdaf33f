//! Decides who may connect and register with auth on (protocol, section 5). A refusal never repeats
//! what a token says.

use crate::auth::{Access, Grant, Keys, Principal, TokenError, authenticate};
use crate::hub::{Deadline, EndReason, Hub, Record, SessionKey};
use crate::protocol::{
    ActorAddress, AuthToken, Details, ErrorCode, RefreshToken, Refusal, Reply, TokenRefreshed,
    UnregisterReason,
};
use crate::time::Timestamp;

impl Hub {
    /// What the token grants; none with auth off, when tokens are ignored.
    pub(super) fn admit(
        &self,
        now: Timestamp,
        token: Option<&AuthToken>,
    ) -> Result<Option<Grant>, Refusal> {
        let Access::Tokens(keys) = &self.access else { return Ok(None) };
        let (bytes_max, code) = (self.config.token_bytes_max, ErrorCode::Unauthorized);
        verify(token.ok_or_else(no_token)?, bytes_max, keys, now, code).map(Some)
    }

    /// Refuses an address that the session's principal may not have (I10). It may take the address
    /// from itself and, if its token names it, from one who has it by a pattern.
    pub(super) fn check_principal(
        &self,
        key: SessionKey,
        address: &ActorAddress,
    ) -> Result<(), Refusal> {
        let session = self.sessions.open(key).expect("a request comes from an open session");
        let Some(grant) = &session.grant else { return Ok(()) };
        if !grant.allows(address) {
            return Err(Refusal::new(
                ErrorCode::Unauthorized,
                format!("the token does not allow {address}"),
                "Register an address that the token names, or connect with another token.",
            ));
        }
        match self.registry.get(address) {
            Some(known) if !grant.outranks(known.principal.as_ref(), address) => Err(Refusal::new(
                ErrorCode::Unauthorized,
                format!("{address} belongs to another principal"),
                "Register another address, or wait until this one is given up.",
            )),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn principal(&self, key: SessionKey) -> Option<Principal> {
        Some(self.sessions.get(key)?.grant.as_ref()?.principal.clone())
    }

    /// From now on the session lives as long as the new token, and has only addresses that the
    /// token allows.
    pub(super) fn refresh_token(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        refresh: &RefreshToken,
    ) -> Result<Reply, Refusal> {
        let Access::Tokens(keys) = &self.access else {
            return Err(Refusal::new(
                ErrorCode::InvalidToken,
                "this hub takes no tokens",
                "Go on without a token.",
            ));
        };
        let (bytes_max, code) = (self.config.token_bytes_max, ErrorCode::InvalidToken);
        let grant = verify(&refresh.token, bytes_max, keys, now, code)?;
        if self.principal(key).as_ref() != Some(&grant.principal) {
            return Err(Refusal::new(
                ErrorCode::InvalidToken,
                "the token is another principal's",
                "Use a token of the same sub and actorId, or open another connection.",
            ));
        }
        let expires_at = grant.expires_at;
        let session = self.sessions.open_mut(key).expect("a request comes from an open session");
        let beyond = session.addresses.iter().filter(|address| !grant.allows(address));
        let beyond: Vec<ActorAddress> = beyond.cloned().collect();
        session.grant = Some(Box::new(grant));
        let session_id = session.id;
        self.deadlines.arm(Deadline::Token(key), expires_at);
        self.audit(Record::TokenRefreshed { session: key, session_id, expires_at });
        for address in &beyond {
            // The notices may have ended the session, and it owns nothing then.
            if self.registry.owner(address) == Some(key) {
                let why = (EndReason::TokenNarrowed, UnregisterReason::TokenNarrowed);
                self.lose(now, address, key, why);
            }
        }
        Ok(Reply::TokenRefreshed(TokenRefreshed { token: refresh.token.clone(), expires_at }))
    }
}

/// What the token grants, or the refusal with `code` that says why it grants nothing.
fn verify(
    token: &AuthToken,
    bytes_max: usize,
    keys: &Keys,
    now: Timestamp,
    code: ErrorCode,
) -> Result<Grant, Refusal> {
    let grant = if token.as_str().len() > bytes_max {
        Err(TokenError::TooLong)
    } else {
        authenticate(token, keys, now)
    };
    grant.map_err(|error: TokenError| {
        let resolution = "Get a new token from whoever issues tokens for this hub.";
        let reason = error.reason().into();
        Refusal::new(code, error.to_string(), resolution).with(Details::Reason { reason })
    })
}

fn no_token() -> Refusal {
    Refusal {
        code: ErrorCode::Unauthorized,
        resolution: "Send hub:connect with a token of this hub in its metadata.".into(),
        ..Refusal::missing("authToken", "a token that this hub accepts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_no_token_is_told_where_to_put_one() {
        assert!(no_token().resolution.starts_with("Send hub:connect with a token"));
    }
}

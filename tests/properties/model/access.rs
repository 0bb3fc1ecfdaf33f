//! Who may connect and register where the hub demands tokens (protocol, sections 4 and 5).

use signal_hub::auth::Principal;
use signal_hub::hub::SessionKey;
use signal_hub::protocol::{
    ActorAddress, AuthToken, Details, ErrorCode, RefreshToken, Refusal, Reply, Request,
    TokenRefreshed, UnregisterReason,
};
use signal_hub_sim::invariants::Grant;

use super::Model;
use super::requests::{refusal, unauthorized, wordless};
use super::speaking::answer;

impl Model {
    /// What a new session may do; nothing is said of that where everybody may connect.
    pub(super) fn admit(&self, token: Option<&AuthToken>) -> Result<Option<Grant>, Refusal> {
        if self.reader.is_none() {
            return Ok(None);
        }
        let Some(token) = token else {
            let missing = Refusal::missing("authToken", "a token that this hub accepts");
            return Err(Refusal { code: ErrorCode::Unauthorized, ..wordless(&missing) });
        };
        self.read(token, ErrorCode::Unauthorized).map(Some)
    }

    fn read(&self, token: &AuthToken, code: ErrorCode) -> Result<Grant, Refusal> {
        let Some(reader) = &self.reader else { return Err(refusal(code)) };
        let read = match token.as_str().len() {
            bytes if bytes > self.config.token_bytes_max => Err("too_long"),
            _ => reader.read(token, self.now),
        };
        read.map_err(|why| refusal(code).with(Details::Reason { reason: why.into() }))
    }

    pub(super) fn principal(&self, key: SessionKey) -> Option<Principal> {
        Some(self.sessions[&key].grant.as_ref()?.principal.clone())
    }

    /// An address is for those whose token covers it, and not for them while it is another's.
    pub(super) fn check_principal(
        &self,
        key: SessionKey,
        address: &ActorAddress,
    ) -> Result<(), Refusal> {
        let Some(grant) = &self.sessions[&key].grant else { return Ok(()) };
        let holder = self.registrations.get(address).and_then(|row| row.principal.as_ref());
        if grant.allows(address) && holder.is_none_or(|holder| grant.may_take(holder, address)) {
            Ok(())
        } else {
            Err(unauthorized())
        }
    }

    pub(super) fn refresh_token(
        &mut self,
        key: SessionKey,
        request: &Request,
        refresh: &RefreshToken,
    ) -> Result<Reply, Refusal> {
        let token = refresh.token.clone();
        let told =
            |expires_at| Reply::TokenRefreshed(TokenRefreshed { token: token.clone(), expires_at });
        self.check_length(&self.message(request.from.clone(), answer(request, told(self.now))))?;
        let grant = self.read(&token, ErrorCode::InvalidToken)?;
        if self.principal(key).as_ref() != Some(&grant.principal) {
            return Err(refusal(ErrorCode::InvalidToken));
        }
        let session = self.sessions.get_mut(&key).expect("frames come from open sessions");
        let beyond = session.addresses.iter().filter(|address| !grant.allows(address)).cloned();
        let (beyond, expires_at): (Vec<ActorAddress>, _) = (beyond.collect(), grant.expires_at);
        session.grant = Some(grant);
        for address in &beyond {
            // A notice too many may have ended the session.
            if self.owner(address) == Some(key) {
                self.lose(key, address, UnregisterReason::TokenNarrowed);
            }
        }
        Ok(told(expires_at))
    }
}

//! Who acts in a request, and whether it may (protocol, section 2).

use crate::hub::{Hub, Phase, SessionKey};
use crate::protocol::{ActorAddress, ErrorCode, Refusal, Request};

impl Hub {
    /// Refuses a request before `hub:connect`, and a second `hub:connect`.
    pub(super) fn check_phase(&self, key: SessionKey, request: &Request) -> Result<(), Refusal> {
        let connecting = self.sessions.get(key).is_some_and(|s| s.phase == Phase::Connecting);
        match (connecting, request.type_name == "hub:connect") {
            (true, true) | (false, false) => Ok(()),
            (true, false) => Err(Refusal::new(
                ErrorCode::Unauthorized,
                "send hub:connect first",
                "Send hub:connect and wait for hub:connected.",
            )),
            (false, true) => Err(Refusal::new(
                ErrorCode::Unauthorized,
                "already connected",
                "Open another connection to connect again.",
            )),
        }
    }

    /// The `to` of the hub's notices to a session.
    pub(in crate::hub) fn reply_address(&self, key: SessionKey) -> ActorAddress {
        let session = self.sessions.get(key);
        let known = session.and_then(|s| s.addresses.first().or(s.claimed.as_ref()));
        known.unwrap_or(&self.config.hub_address).clone()
    }

    /// Who acts in a request that needs an identity (protocol, section 2): the claimed address if
    /// it is this session's, else the session's earliest one, unless the claim is another's.
    pub(super) fn acting_identity(
        &self,
        key: SessionKey,
        request: &Request,
    ) -> Result<ActorAddress, Refusal> {
        let session = self.sessions.open(key).expect("a request comes from an open session");
        if let Some(own) = session.addresses.get(&request.from) {
            return Ok(own.clone());
        }
        if self.registry.owner(&request.from).is_some() {
            return Err(Refusal::new(
                ErrorCode::Unauthorized,
                format!("{} is registered by another session", request.from),
                "Send as an address that this session has registered.",
            ));
        }
        session.addresses.first().cloned().ok_or_else(|| {
            Refusal::new(
                ErrorCode::Unauthorized,
                "register first",
                "Send hub:register and wait for hub:registered.",
            )
        })
    }
}

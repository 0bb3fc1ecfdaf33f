//! Situations of hubs that demand tokens.

use std::collections::BTreeMap;

use signal_hub::hub::{EndReason, ForgetReason, Input, Output, Record, SessionKey};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, CloseReason, Details, ErrorCode, Refusal, Reply, Verb,
};
use signal_hub::time::Timestamp;

use super::{Saw, Situation};
use crate::history::HubEvent;
use crate::invariants::Shadow;

/// What is under way in one life of the hub.
#[derive(Default)]
pub struct Tokens {
    /// When the token ends that each session showed before the one that it has.
    earlier: BTreeMap<SessionKey, Timestamp>,
    /// When its owner's token ended, of each address that nobody has had since.
    ended: BTreeMap<ActorAddress, Timestamp>,
}

impl Tokens {
    /// Reads an input; `shadow` is the hub before it.
    pub fn observe(&mut self, hub: &HubEvent, shadow: &Shadow, saw: Saw<'_>) {
        if shadow.principals().is_none() {
            return;
        }
        for output in &hub.outputs {
            match output {
                Output::Audit(record) => {
                    self.record(hub.now, record, shadow).into_iter().for_each(&mut *saw)
                }
                Output::Send(key, message) if hub.input.session() == Some(*key) => {
                    if let Body::Reply { reply, .. } = &message.body
                        && let Reply::Error(refusal) = reply.as_ref()
                    {
                        refused(hub, *key, refusal, shadow).into_iter().for_each(&mut *saw);
                    }
                }
                Output::Send(..) | Output::Close(..) | Output::Linger(..) => {}
            }
        }
        if let Input::Frame(key, _) = hub.input
            && self.earlier.get(&key).is_some_and(|end| *end <= hub.now)
        {
            self.earlier.remove(&key);
            saw(Situation::TokenOutlived);
        }
    }

    fn record(&mut self, now: Timestamp, record: &Record, shadow: &Shadow) -> Option<Situation> {
        match record {
            Record::TokenRefreshed { session, .. } => {
                let grant = shadow.principals()?.grant(*session)?;
                self.earlier.insert(*session, grant.expires_at);
                None
            }
            Record::SessionClosed { session, .. } => {
                self.earlier.remove(session);
                None
            }
            Record::ActorDetached { actor_address, why, .. } => match why {
                EndReason::Closed(CloseReason::TokenExpired) => {
                    self.ended.insert(actor_address.clone(), now);
                    Some(Situation::TokenExpired)
                }
                EndReason::TokenNarrowed => Some(Situation::TokenNarrowed),
                EndReason::Closed(_) | EndReason::Connection(_) | EndReason::Expired => None,
            },
            Record::ActorRegistered { actor_address, .. } => {
                let ended = self.ended.remove(actor_address)?;
                (ended == now).then_some(Situation::TakenAtTokensEnd)
            }
            Record::ActorForgotten { why: ForgetReason::Claimed, .. } => Some(Situation::Claimed),
            _ => None,
        }
    }
}

/// Why a request was refused, if a token is the reason.
fn refused(
    hub: &HubEvent,
    key: SessionKey,
    refusal: &Refusal,
    shadow: &Shadow,
) -> Option<Situation> {
    let known = shadow.principals()?;
    let Input::Frame(_, Ok(ClientFrame::Request(request))) = &hub.input else { return None };
    match request.verb.as_ref().ok()? {
        Verb::Register(register) if refusal.code == ErrorCode::Unauthorized => {
            let (address, grant) = (&register.actor_address, known.grant(key)?);
            let is_foreign = !grant.may_take(known.holder(address)?, address);
            let owner = shadow.address(address)?.registration?.owner;
            (grant.allows(address) && is_foreign).then_some(match owner {
                Some(_) => Situation::ForeignTakeoverRefused,
                None => Situation::ForeignResumeRefused,
            })
        }
        Verb::RefreshToken(refresh) if known.read(&refresh.token, hub.now).is_ok() => {
            (refusal.code == ErrorCode::InvalidToken).then_some(Situation::ForeignRefreshRefused)
        }
        Verb::Connect(_) | Verb::RefreshToken(_) => match &refusal.details {
            Details::Reason { reason } if *reason == Details::TOKEN_EXPIRED => {
                Some(Situation::RefusedExpired)
            }
            Details::Reason { reason } if *reason == Details::TOKEN_NOT_YET_VALID => {
                Some(Situation::RefusedEarly)
            }
            Details::Reason { reason } if reason == "signature" => Some(Situation::RefusedForged),
            _ => None,
        },
        _ => None,
    }
}

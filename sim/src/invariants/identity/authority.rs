//! I10: who may change what: the owner of an address, and whoever bears its current token. Its owner
//! may also show the token again that the registration came with.

use std::collections::BTreeMap;

use signal_hub::hub::{Phase, Record, SessionKey};
use signal_hub::protocol::{ActorAddress, ErrorCode, Renew, RenewalToken, Reply, Verb};

use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I10. Remembers the tokens as the hub gave them out.
#[derive(Default)]
pub struct Authority {
    tokens: BTreeMap<ActorAddress, Tokens>,
}

/// The tokens of one registration, as far as anybody was told them.
#[derive(Default)]
struct Tokens {
    current: Option<RenewalToken>,
    /// The one that it came with.
    first: Option<RenewalToken>,
}

impl HubObserver for Authority {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        if let Some(asked) = transition.asked.as_ref().filter(|asked| asked.refused.is_none()) {
            match asked.verb() {
                Some(Verb::Renew(renew)) => {
                    self.renewed(transition, asked.session, renew.renewal_token)?;
                }
                Some(Verb::Unregister(_) | Verb::Subscribe(_) | Verb::Unsubscribe(_)) => {
                    only_its_own(transition, asked.session)?;
                }
                Some(_) | None => {}
            }
        }
        self.refused_by_right(transition)?;
        self.follow(transition);
        Ok(())
    }

    fn hub_restarted(&mut self) {
        self.tokens.clear();
    }
}

impl Authority {
    fn renewed(
        &self,
        transition: &Transition<'_>,
        session: SessionKey,
        token: Option<RenewalToken>,
    ) -> Verdict {
        let renewed = transition.records().find_map(|record| match record {
            Record::RegistrationRenewed { actor_address, .. } => Some(actor_address),
            _ => None,
        });
        let Some(address) = renewed else { return Ok(()) };
        let owns = transition.before.owner(address) == Some(session);
        let known = self.tokens.get(address);
        let by_right = match token {
            None => owns,
            Some(_) => {
                known.is_some_and(|known| known.current == token || owns && known.first == token)
            }
        };
        let how = match (token, owns) {
            (None, _) => "no token",
            (Some(_), true) => "a token that is neither its current nor its first one",
            (Some(_), false) => "a token that is not its current one",
        };
        if by_right {
            Ok(())
        } else {
            broken(Invariant::I10, format!("{session} renewed {address} with {how}"))
        }
    }

    /// Whoever shows the current token renews; with tokens of principals, not everybody may.
    fn refused_by_right(&self, transition: &Transition<'_>) -> Verdict {
        let Some(asked) = transition.asked.as_ref().filter(|asked| asked.heard) else {
            return Ok(());
        };
        let Some(Verb::Renew(Renew { renewal_token: token @ Some(_) })) = asked.verb() else {
            return Ok(());
        };
        let is_connected =
            transition.was(asked.session).is_some_and(|row| row.phase == Phase::Connected);
        if asked.refused != Some(ErrorCode::Unauthorized)
            || !is_connected
            || transition.is_by_token()
        {
            return Ok(());
        }
        let mut known = self.tokens.iter();
        match known.find(|(address, has)| has.current == *token && !transition.is_due(address)) {
            None => Ok(()),
            Some((address, _)) => {
                let evidence = format!("{} shows the token of {address} in vain", asked.session);
                broken(Invariant::I10, evidence)
            }
        }
    }

    /// A token ends with the registration that it came with.
    fn follow(&mut self, transition: &Transition<'_>) {
        for (address, row) in &transition.hub.touched.addresses {
            let registration = row.as_ref().and_then(|row| row.registration);
            if registration.is_none_or(|registration| registration.owner.is_none()) {
                self.tokens.remove(address);
            }
        }
        let Some(Verb::Register(_) | Verb::Renew(_)) =
            transition.asked.as_ref().and_then(|a| a.verb())
        else {
            return;
        };
        for record in transition.records() {
            if let Record::ActorRegistered { actor_address, .. } = record {
                self.tokens.remove(actor_address);
            } else if let Record::RegistrationRenewed { actor_address, .. } = record {
                self.tokens.entry(actor_address.clone()).or_default().current = None;
            }
        }
        for (_, reply) in transition.replies() {
            if let Reply::Registered(told) = reply {
                let token = Some(told.renewal_token);
                let tokens = Tokens { current: token, first: token };
                self.tokens.insert(told.actor_address.clone(), tokens);
            } else if let Reply::Renewed(told) = reply {
                let tokens = self.tokens.entry(told.actor_address.clone()).or_default();
                tokens.current = Some(told.renewal_token);
            }
        }
    }
}

fn only_its_own(transition: &Transition<'_>, session: SessionKey) -> Verdict {
    let stranger = transition.hub.touched.addresses.iter().find(|(address, row)| {
        let owner = transition.before.owner(address);
        owner != Some(session)
            && transition.before.address(address) != row.as_ref()
            && !transition.is_due(address)
            && !owner.is_some_and(|owner| transition.ended(owner))
    });
    match stranger {
        None => Ok(()),
        Some((address, _)) => {
            broken(Invariant::I10, format!("{session} changed {address}, which it does not own"))
        }
    }
}

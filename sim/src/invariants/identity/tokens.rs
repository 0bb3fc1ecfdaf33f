//! I53 to I55, L10, and I25 of tokens: what a hub that demands tokens lets the bearers of which tokens have, and for how
//! long. Judged by [`Principals`], which the tokens themselves tell.

use std::collections::BTreeMap;
use std::time::Duration;

use signal_hub::auth::Principal;
use signal_hub::hub::{Config, EndReason, ForgetReason, Phase, Record, SessionKey};
use signal_hub::protocol::{
    ActorAddress, Body, CloseReason, Details, ErrorCode, Notice, Register, Reply, UnregisterReason,
    Verb,
};

use super::super::grant::Grant;
use super::super::principals::{Principals, token_of};
use super::super::shadow::is_open;
use super::super::transition::RequestTransition;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I25, I53, I54, I55, L10.
pub struct Tokens {
    hub_address: ActorAddress,
    token_bytes_max: usize,
    resume_window: Duration,
    /// What a refusal of each kind said first, without the address that it is about.
    said: BTreeMap<&'static str, String>,
}

impl Tokens {
    pub fn new(config: &Config) -> Self {
        Self {
            hub_address: config.hub_address.clone(),
            token_bytes_max: config.token_bytes_max,
            resume_window: config.resume_window,
            said: BTreeMap::new(),
        }
    }
}

impl HubObserver for Tokens {
    fn needs_tokens(&self) -> bool {
        true
    }

    fn watches_silence(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let Some(known) = transition.before.principals() else { return Ok(()) };
        none_outlives_its_token(transition, known)?;
        if transition.is_silent() {
            return Ok(());
        }
        let Some(asked) = transition.asked.as_ref().filter(|asked| asked.heard) else {
            return changes(transition, known);
        };
        self.shows(transition, known, asked)?;
        changes(transition, known)?;
        self.may_register(transition, known, asked)?;
        self.says_the_same(transition, known, asked)
    }
}

impl Tokens {
    /// A token that is shown is taken exactly if it is good and, from a session that has shown one,
    /// of the same principal.
    fn shows(
        &self,
        transition: &Transition<'_>,
        known: &Principals,
        asked: &RequestTransition<'_>,
    ) -> Verdict {
        let (session, had) = (asked.session, known.grant(asked.session));
        let is_connecting = transition.was(session).map(|row| row.phase) == Some(Phase::Connecting);
        let refusal = match asked.verb() {
            Some(Verb::Connect(_)) if is_connecting => ErrorCode::Unauthorized,
            Some(Verb::RefreshToken(_)) if !is_connecting => ErrorCode::InvalidToken,
            _ => return Ok(()),
        };
        let read = token_of(&transition.hub.input).map(|token| match token.as_str().len() {
            bytes if bytes > self.token_bytes_max => Err("too_long"),
            _ => known.read(token, transition.now),
        });
        let why = read.as_ref().and_then(|read| read.as_ref().err().copied());
        let granted = match read {
            Some(Ok(grant)) if had.is_none_or(|had| had.principal == grant.principal) => Ok(grant),
            Some(Ok(_)) => Err((Invariant::I53, "another principal's")),
            Some(Err(why @ (Details::TOKEN_EXPIRED | Details::TOKEN_NOT_YET_VALID))) => {
                Err((Invariant::I54, why))
            }
            Some(Err(why)) => Err((Invariant::I53, why)),
            None => Err((Invariant::I53, "missing")),
        };
        let what = &asked.request.type_name;
        match (granted, asked.refused) {
            (Ok(grant), None) => self.takes_effect(transition, asked, &grant),
            (Err((invariant, flaw)), None) => {
                broken(invariant, format!("the {what} of {session} is accepted, its token {flaw}"))
            }
            (_, Some(code)) if code != refusal => Ok(()),
            (Ok(_), Some(_)) => {
                broken(Invariant::L10, format!("the {what} of {session} is refused a good token"))
            }
            (Err(_), Some(_)) => match asked.reply.map(reason_told) {
                Some(told) if told != why => {
                    let evidence = format!("{session} is told {told:?} of a token that is {why:?}");
                    broken(Invariant::I25, evidence)
                }
                Some(_) | None => Ok(()),
            },
        }
    }

    /// The session is told until when, ends then, and loses what the token does not allow.
    fn takes_effect(
        &self,
        transition: &Transition<'_>,
        asked: &RequestTransition<'_>,
        grant: &Grant,
    ) -> Verdict {
        let (session, until) = (asked.session, grant.expires_at);
        let told = match asked.reply {
            Some(Reply::Connected(connected)) => connected.token_expires_at,
            Some(Reply::TokenRefreshed(refreshed)) => Some(refreshed.expires_at),
            _ => Some(until),
        };
        let is = transition.is(session).filter(|row| is_open(row));
        let ends = is.map_or(Some(until), |row| row.deadlines.token);
        if told != Some(until) || ends.is_none_or(|ends| ends > until) {
            let evidence = format!("{session} is told {told:?}, ends {ends:?}, and may {until:?}");
            return broken(Invariant::I54, evidence);
        }
        if ends != Some(until) {
            let evidence = format!("{session} would end at {ends:?}, and may until {until:?}");
            return broken(Invariant::L10, evidence);
        }
        let had = transition.was(session).map_or(&[][..], |row| row.addresses.as_slice());
        let beyond = had.iter().filter(|a| !grant.allows(a) && !transition.is_due(a));
        beyond.into_iter().try_for_each(|address| self.is_lost(transition, session, address))
    }

    fn is_lost(
        &self,
        transition: &Transition<'_>,
        session: SessionKey,
        address: &ActorAddress,
    ) -> Verdict {
        let row = transition.after.address(address).and_then(|row| row.registration);
        let owner = row.and_then(|row| row.owner);
        if owner.is_some() || row.is_none() && !self.resume_window.is_zero() {
            let evidence = format!(
                "the newer token of {session} does not allow {address}, which is not detached"
            );
            return broken(Invariant::I54, evidence);
        }
        let told = transition.sent().filter(|(key, message)| {
            matches!(&message.body, Body::Notice(Notice::Unregistered(notice))
                if *key == session && notice.actor_address == *address
                    && notice.reason == UnregisterReason::TokenNarrowed)
        });
        let overflows = transition.closed().any(|end| end == (session, CloseReason::SlowConsumer));
        match told.count() {
            1 => Ok(()),
            0 if overflows => Ok(()),
            told => broken(
                Invariant::I55,
                format!("{session} lost {address} by its newer token and is told {told} times"),
            ),
        }
    }

    /// Whoever may have an address is not refused it for want of authority.
    fn may_register(
        &self,
        transition: &Transition<'_>,
        known: &Principals,
        asked: &RequestTransition<'_>,
    ) -> Verdict {
        let Some((register, grant)) = self.refused(known, asked) else { return Ok(()) };
        let address = &register.actor_address;
        let holder = known.holder(address);
        if !transition.is_due(address)
            && grant.allows(address)
            && holder.is_none_or(|holder| grant.may_take(holder, address))
        {
            let evidence = format!("{} may have {address} and is refused it", asked.session);
            return broken(Invariant::L10, evidence);
        }
        Ok(())
    }

    /// A registration that was refused for what the token says.
    fn refused<'a>(
        &self,
        known: &'a Principals,
        asked: &RequestTransition<'a>,
    ) -> Option<(&'a Register, &'a Grant)> {
        let Some(Verb::Register(register)) = asked.verb() else { return None };
        let unauthorized = asked.refused == Some(ErrorCode::Unauthorized);
        let refused = unauthorized && register.actor_address != self.hub_address;
        Some((register, known.grant(asked.session).filter(|_| refused)?))
    }

    /// Refusals of one kind differ in nothing but the address.
    fn says_the_same(
        &mut self,
        transition: &Transition<'_>,
        known: &Principals,
        asked: &RequestTransition<'_>,
    ) -> Verdict {
        let Some(reply @ Reply::Error(refusal)) = asked.reply else { return Ok(()) };
        let (kind, address) = match (asked.verb(), self.refused(known, asked)) {
            (_, Some((register, grant))) if grant.allows(&register.actor_address) => {
                ("a registration of what is another's", register.actor_address.as_str())
            }
            (_, Some((register, _))) => {
                ("a registration beyond the token", register.actor_address.as_str())
            }
            (Some(Verb::Renew(renew)), _)
                if renew.renewal_token.is_some() && refusal.code == ErrorCode::Unauthorized =>
            {
                ("a renewal by token", "")
            }
            (Some(Verb::RefreshToken(refresh)), _)
                if refusal.code == ErrorCode::InvalidToken
                    && known.read(&refresh.token, transition.now).is_ok() =>
            {
                ("a token of another principal", "")
            }
            _ => return Ok(()),
        };
        let text = format!("{reply:?}");
        let text = if address.is_empty() { text } else { text.replace(address, "@()") };
        let first = self.said.entry(kind).or_insert_with(|| text.clone());
        if *first == text {
            return Ok(());
        }
        broken(Invariant::I55, format!("of {kind} the hub said {first}, and now says {text}"))
    }
}

/// Why its token is no good, as a session is told.
fn reason_told(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Error(refusal) => match &refusal.details {
            Details::Reason { reason } => Some(reason),
            _ => None,
        },
        _ => None,
    }
}

/// I54, to the millisecond.
fn none_outlives_its_token(transition: &Transition<'_>, known: &Principals) -> Verdict {
    let due = known.first_to_end().filter(|(at, _)| *at <= transition.now);
    match due {
        Some((at, key)) if transition.is(key).is_some_and(is_open) => broken(
            Invariant::I54,
            format!(
                "the token of {key} ended {:?} ago, and the session goes on",
                transition.now.since(at)
            ),
        ),
        Some(_) | None => Ok(()),
    }
}

/// What the hub says that it did, one thing after the other.
fn changes(transition: &Transition<'_>, known: &Principals) -> Verdict {
    for record in transition.records() {
        match record {
            Record::ActorRegistered { actor_address, session, .. } => {
                let is_free = transition.records().any(|record| frees(record, actor_address));
                let holder = known.holder(actor_address).filter(|_| !is_free);
                registers(transition, known.grant(*session), *session, actor_address, holder)?;
            }
            Record::ActorForgotten { actor_address, why: ForgetReason::Claimed } => {
                claims(transition, known, actor_address)?;
            }
            Record::ActorForgotten { actor_address, why: ForgetReason::Unregistered } => {
                by_its_principal(transition, known, actor_address, "unregistered")?;
            }
            Record::RegistrationRenewed { actor_address, .. } => {
                by_its_principal(transition, known, actor_address, "renewed")?;
            }
            Record::ActorDetached { actor_address, session, why: EndReason::TokenNarrowed } => {
                let newer = token_of(&transition.hub.input).map(|t| known.read(t, transition.now));
                if newer.is_none_or(|newer| newer.is_ok_and(|grant| grant.allows(actor_address))) {
                    let evidence =
                        format!("{session} lost {actor_address}, which its token allows");
                    return broken(Invariant::L10, evidence);
                }
            }
            _ => {}
        }
    }
    for (key, reason) in transition.closed() {
        let until = known.grant(key).map(|grant| grant.expires_at);
        if reason == CloseReason::TokenExpired && until.is_none_or(|at| transition.now < at) {
            return broken(
                Invariant::L10,
                format!("{key} ends before its token, which is good until {until:?}"),
            );
        }
    }
    goes_to_its_principal(transition, known)
}

/// Returns whether the address is nobody's from now on.
fn frees(record: &Record, address: &ActorAddress) -> bool {
    match record {
        Record::ActorForgotten { actor_address, why } => {
            actor_address == address && *why != ForgetReason::Claimed
        }
        _ => false,
    }
}

/// The address may be had by the token, and is nobody else's; whoever claims it gets nothing with it.
fn registers(
    transition: &Transition<'_>,
    grant: Option<&Grant>,
    session: SessionKey,
    address: &ActorAddress,
    holder: Option<&Principal>,
) -> Verdict {
    let wrong = |what: &str| broken(Invariant::I53, format!("{session} got {address}, {what}"));
    let Some(grant) = grant else { return wrong("and has shown no token") };
    if !grant.allows(address) {
        return wrong("which its token does not allow");
    }
    let Some(holder) = holder else { return Ok(()) };
    if !grant.may_take(holder, address) {
        return wrong("which is another principal's");
    }
    let has_more = transition.after.address(address).is_some_and(|row| !row.topics.is_empty());
    let resumed = transition.records().any(|record| {
        matches!(record, Record::ActorResumed { actor_address, .. } if actor_address == address)
    });
    if grant.claims(holder, address) && (has_more || resumed) {
        return wrong("and with it what another principal left there");
    }
    Ok(())
}

/// What is another's alone is claimed; what is its own is not taken from whoever comes back.
fn claims(transition: &Transition<'_>, known: &Principals, address: &ActorAddress) -> Verdict {
    let asker = transition.asked.as_ref().map(|asked| asked.session);
    let grant = asker.and_then(|session| known.grant(session));
    let is_own = grant.map(|grant| &grant.principal) == known.holder(address);
    let evidence = || format!("{address} is claimed by its own principal, which loses what it had");
    if is_own { broken(Invariant::L10, evidence()) } else { Ok(()) }
}

fn by_its_principal(
    transition: &Transition<'_>,
    known: &Principals,
    address: &ActorAddress,
    what: &str,
) -> Verdict {
    let Some(asked) = &transition.asked else { return Ok(()) };
    let principal = known.grant(asked.session).map(|grant| &grant.principal);
    if principal == known.holder(address) {
        return Ok(());
    }
    let session = asked.session;
    broken(Invariant::I53, format!("{session} {what} {address}, which is another principal's"))
}

/// What is sent to an address is heard by its principal alone.
fn goes_to_its_principal(transition: &Transition<'_>, known: &Principals) -> Verdict {
    for (key, message) in transition.sent() {
        let is_copy = matches!(message.body, Body::Delivery(_));
        if is_copy && known.grant(key).map(|grant| &grant.principal) != known.holder(&message.to) {
            let evidence = format!("{key} hears what is for {}, another principal's", message.to);
            return broken(Invariant::I53, evidence);
        }
    }
    Ok(())
}

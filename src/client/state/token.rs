//! The client's token: asked from its source, shown to the hub, replaced before it expires.

use super::connection::{ending_of, is_too_large};
use super::{ClientState, Output, Owner, Phase, Purpose};
use crate::client::{DisconnectReason, Ending, Event, NoToken};
use crate::protocol::{AuthToken, Details, RefreshToken, Reply, TokenRefreshed, Verb};
use crate::time::Timestamp;

/// What a client knows of its token beside the text.
#[derive(Debug)]
pub(super) struct Token {
    /// Whether no hub has accepted it yet.
    is_untried: bool,
    /// When its source is asked for the next one.
    replace_at: Option<Timestamp>,
    /// Whether its source is asked for the next one while the session goes on.
    is_requested: bool,
    /// Requests since the last one that led to a token that the hub accepted.
    failures: u32,
}

impl Default for Token {
    fn default() -> Self {
        Self { is_untried: true, replace_at: None, is_requested: false, failures: 0 }
    }
}

impl ClientState {
    /// Returns whether the source must be asked before the next session.
    pub(super) fn needs_token(&self, now: Timestamp) -> bool {
        let is_old = self.token.replace_at.is_some_and(|at| at <= now);
        self.config.token_source.is_some() && (is_old || self.config.auth_token.is_none())
    }

    /// The hub accepted the token, which expires at `expires_at` by a clock that shows `hub_now`.
    pub(super) fn token_accepted(
        &mut self,
        now: Timestamp,
        hub_now: Timestamp,
        expires_at: Option<Timestamp>,
    ) {
        self.token = Token { is_untried: false, ..Token::default() };
        if let (Some(expires_at), Some(_)) = (expires_at, &self.config.token_source) {
            let life = expires_at.since(hub_now) / 3 * 2;
            self.replace_token_at(now + life.max(self.config.backoff_min));
        }
    }

    fn replace_token_at(&mut self, at: Timestamp) {
        self.token.replace_at = Some(at);
        self.deadlines.set(Owner::Token, at);
    }

    /// The token is old, or its source has not answered in time.
    pub(super) fn token_due(&mut self, now: Timestamp) {
        if std::mem::replace(&mut self.token.is_requested, true) {
            let late = NoToken::Unavailable("the token's source does not answer".to_owned());
            return self.token_came(now, Err(late));
        }
        self.deadlines.set(Owner::Token, now + self.config.ask_timeout);
        self.outputs.push(Output::RequestToken);
    }

    pub(super) fn token_came(&mut self, now: Timestamp, answer: Result<AuthToken, NoToken>) {
        let is_requested = std::mem::take(&mut self.token.is_requested);
        match (&self.phase, answer) {
            (Phase::Authorizing, Ok(token)) => {
                self.config.auth_token = Some(token);
                self.token = Token { failures: self.token.failures, ..Token::default() };
                self.dial(now);
            }
            (Phase::Authorizing, Err(why)) => self.lost(now, DisconnectReason::NoToken(why)),
            (Phase::Connected(_), Ok(token)) if is_requested => {
                self.deadlines.clear(&Owner::Token);
                let (from, verb) = (self.first_address(), RefreshToken { token });
                self.ask_hub(now, from, Verb::RefreshToken(verb), Purpose::Token);
            }
            (Phase::Connected(_), Err(why)) if is_requested => {
                let is_final = matches!(why, NoToken::Denied(_));
                self.token_failed(now, why.to_string(), is_final);
            }
            _ => {}
        }
    }

    /// The hub goes by a newer token, whoever asked for that: the next session must not begin with an older one.
    pub(super) fn token_refreshed(
        &mut self,
        now: Timestamp,
        hub_now: Timestamp,
        refreshed: &TokenRefreshed,
    ) {
        self.token_accepted(now, hub_now, Some(refreshed.expires_at));
        self.config.auth_token = Some(refreshed.token.clone());
    }

    pub(super) fn token_answered(&mut self, now: Timestamp, hub_now: Timestamp, reply: Reply) {
        match reply {
            Reply::TokenRefreshed(refreshed) => {
                self.token_refreshed(now, hub_now, &refreshed);
                self.emit(Event::TokenRefreshed { expires_at: refreshed.expires_at });
            }
            Reply::Error(refusal) => self.token_failed(now, refusal.to_string(), false),
            other => {
                let why = format!("the hub answered with {}", other.type_name());
                self.token_failed(now, why, false);
            }
        }
    }

    /// The session goes on with the token that it has.
    pub(super) fn token_failed(&mut self, now: Timestamp, why: String, is_final: bool) {
        let retry_in = (!is_final).then(|| self.retry_pause(None, self.token.failures));
        self.token.failures = self.token.failures.saturating_add(1);
        match retry_in {
            Some(pause) => self.replace_token_at(now + pause),
            None => self.deadlines.clear(&Owner::Token),
        }
        self.emit(Event::TokenRefreshFailed { why, retry_in });
    }

    /// Why the client must not come back after `why`, if it must not. With a source, a refused
    /// token ends it only if that was a new one, and not for its time.
    pub(super) fn ending_after(&mut self, why: &DisconnectReason) -> Option<Ending> {
        if matches!(self.phase, Phase::Greeting) && is_too_large(why) {
            return Some(Ending::ConnectTooLarge);
        }
        let ending = ending_of(why)?;
        let has_source = self.config.token_source.is_some();
        if ending != Ending::Unauthorized || !has_source {
            return Some(ending);
        }
        self.config.auth_token = None;
        let is_final = match why {
            DisconnectReason::Refused(refusal) => {
                self.token.is_untried && !is_about_time(&refusal.details)
            }
            DisconnectReason::NoToken(_) => true,
            _ => false,
        };
        is_final.then_some(ending)
    }
}

/// Returns whether a refused token may be good at another time, by the hub's clock.
fn is_about_time(details: &Details) -> bool {
    let Details::Reason { reason } = details else { return false };
    [Details::TOKEN_EXPIRED, Details::TOKEN_NOT_YET_VALID].contains(&&**reason)
}

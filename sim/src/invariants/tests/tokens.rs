//! I53 to I55, L10: a hub that demands tokens.

use std::time::Duration;

use serde_json::{Value, json};
use signal_hub::auth::{self, Access, Keys};
use signal_hub::hub::{Hub, Ids, Input, Output, Record, SessionKey};
use signal_hub::protocol::{
    AuthToken, Body, ClientFrame, CloseReason, Connect, Details, Outgoing, RefreshToken, Refusal,
    Reply, Verb,
};

use super::super::Invariant;
use super::{START, Story, at, connect, register, renew, send, subscribe, unregister};
use crate::history::ClientEvent;
use crate::scenario::{SECRET, Token};

impl Story {
    /// A story of a hub that demands tokens.
    fn with_tokens() -> Self {
        let mut story = Self::new();
        story.scenario.clients.tokens.insert("alice".to_owned(), Token::default());
        let access = Access::Tokens(Keys::from_secret(SECRET).expect("it is long enough"));
        let config = story.scenario.hub.clone();
        story.hub = Hub::with_access(config, Ids::new([7; 32]), access);
        story
    }

    /// The bearer of a token comes, and registers these.
    fn comes<const N: usize>(&mut self, key: u64, token: AuthToken, names: [&str; N]) {
        self.opens(key);
        self.asks(key, "nobody", shown(token));
        for name in names {
            self.asks(key, name, register(name));
        }
    }

    /// Alice has team/a by a pattern, and is subscribed to news as that. Bob may have it, too.
    pub(super) fn of_alice_and_bob() -> Self {
        let mut story = Self::with_tokens();
        story.comes(1, token("alice", json!({ "actors": ["team/*"] })), ["team/a"]);
        story.asks(1, "team/a", subscribe("news"));
        story.comes(2, token("bob", json!({ "actors": ["team/*"] })), ["bob"]);
        story
    }

    /// The last request is that another session's.
    fn is_of(&mut self, key: u64) {
        let Input::Frame(session, _) = &mut self.last().input else { panic!("it is a frame") };
        *session = SessionKey(key);
    }

    /// The token of the last request, which shows one.
    pub(super) fn shows(&mut self, token: AuthToken) {
        match &mut self.last().request().verb {
            Ok(Verb::Connect(connect)) => connect.auth_token = Some(token),
            Ok(Verb::RefreshToken(refresh)) => refresh.token = token,
            verb => panic!("{verb:?} shows no token"),
        }
    }
}

/// A token of a minute for `@(name)`, with other claims; moments are seconds from the begin.
pub(super) fn token(name: &str, changes: Value) -> AuthToken {
    signed(name, changes, SECRET)
}

fn signed(name: &str, changes: Value, secret: &[u8]) -> AuthToken {
    let mut claims = json!({
        "iss": "signal-hub", "sub": format!("user-{name}"), "actorId": name, "iat": 0, "exp": 60,
    });
    for (claim, value) in changes.as_object().unwrap() {
        claims[claim] = value.clone();
    }
    for moment in ["iat", "exp", "nbf"] {
        if let Some(seconds) = claims[moment].as_f64() {
            claims[moment] = json!(START as f64 / 1_000.0 + seconds);
        }
    }
    AuthToken::new(&auth::sign(&claims, secret).unwrap())
}

fn shown(token: AuthToken) -> Verb {
    let Verb::Connect(connect) = connect() else { unreachable!() };
    Verb::Connect(Connect { auth_token: Some(token), ..connect })
}

pub(super) fn refresh(token: AuthToken) -> Verb {
    Verb::RefreshToken(RefreshToken { token })
}

fn refusal(story: &mut Story) -> &mut Refusal {
    let Reply::Error(refusal) = story.last().reply() else { panic!("it is refused") };
    refusal
}

#[test]
fn a_session_begins_with_a_token_that_is_genuine() {
    for (token, invariant) in [
        (signed("alice", json!({}), b"another secret of thirty-two bytes"), Invariant::I53),
        (token("alice", json!({ "iss": "somebody" })), Invariant::I53),
        (token("alice", json!({ "aud": "somebody" })), Invariant::I53),
        (AuthToken::new("a.b.c"), Invariant::I53),
        (token("alice", json!({ "nbf": 1 })), Invariant::I54),
        (token("alice", json!({ "exp": 0 })), Invariant::I54),
    ] {
        let mut story = Story::with_tokens();
        story.comes(1, self::token("alice", json!({ "nbf": 0, "aud": ["signal-hub"] })), []);
        story.holds();
        story.shows(token.clone());
        story.breaks(invariant);
        let mut story = Story::with_tokens();
        story.comes(1, token, []);
        story.holds();
    }
}

#[test]
fn a_session_begins_with_a_token() {
    let mut story = Story::with_tokens();
    story.comes(1, token("alice", json!({})), []);
    let Ok(Verb::Connect(connect)) = &mut story.last().request().verb else { panic!() };
    connect.auth_token = None;
    story.breaks(Invariant::I53);
}

#[test]
fn whoever_shows_a_good_token_is_let_in() {
    let mut story = Story::with_tokens();
    story.comes(1, token("alice", json!({ "exp": 0 })), []);
    story.holds();
    story.shows(token("alice", json!({})));
    story.breaks(Invariant::L10);
}

#[test]
fn a_session_acts_for_one_principal() {
    let mut story = Story::of_alice_and_bob();
    story.asks(1, "team/a", refresh(token("alice", json!({ "actors": ["team/*"] }))));
    story.holds();
    story.shows(token("alice", json!({ "sub": "eve", "actors": ["team/*"] })));
    story.breaks(Invariant::I53);
}

#[test]
fn what_a_token_does_not_allow_is_not_registered() {
    let mut story = Story::of_alice_and_bob();
    story.asks(1, "team/a", register("team/b"));
    story.holds();
    let mut story = Story::with_tokens();
    story.comes(1, token("alice", json!({ "actors": ["team/*"] })), ["team/b"]);
    let granted = story.last().clone();
    let mut story = Story::with_tokens();
    story.comes(1, token("alice", json!({ "actors": ["team"] })), ["team/b"]);
    story.holds();
    *story.last() = granted;
    story.breaks(Invariant::I53);
}

/// Nobody else takes it over, resumes it, or has it as soon as it is detached.
#[test]
fn an_address_that_the_hub_knows_is_its_principals() {
    for detached in [false, true] {
        let mut story = Story::of_alice_and_bob();
        story.comes(3, token("alice", json!({ "actors": ["team/*"] })), []);
        if detached {
            story.closes(1);
        }
        story.asks(3, "team/a", register("team/a"));
        story.holds();
        for output in &mut story.last().outputs {
            if let Output::Audit(Record::ActorRegistered { session, .. }) = output {
                *session = SessionKey(2);
            }
        }
        story.last().row("team/a").registration.as_mut().unwrap().owner = Some(SessionKey(2));
        story.is_of(2);
        story.breaks(Invariant::I53);
    }
}

#[test]
fn whom_a_token_names_gets_nothing_with_its_address() {
    let mut story = Story::of_alice_and_bob();
    let row = story.hub.view().addresses[&at("team/a")].clone().unwrap();
    story.comes(3, token("team/a", json!({})), ["team/a"]);
    story.holds();
    story.last().row("team/a").topics = row.topics;
    story.breaks(Invariant::I53);
}

#[test]
fn an_address_is_renewed_and_unregistered_by_its_principal() {
    for verb in [renew(None), unregister()] {
        let mut story = Story::of_alice_and_bob();
        story.comes(3, token("alice", json!({})), []);
        story.asks(1, "team/a", verb);
        story.holds();
        story.is_of(3);
        // Who of one principal may do it is the business of I10.
        story.breaks(Invariant::I10);
    }
    let mut story = Story::of_alice_and_bob();
    story.asks(2, "bob", register("team/b"));
    let Reply::Registered(told) = story.last().reply().clone() else { panic!() };
    story.asks(2, "bob", renew(Some(told.renewal_token)));
    story.holds();
    story.is_of(1);
    story.breaks(Invariant::I53);
}

#[test]
fn what_is_for_an_address_its_principal_hears() {
    let mut story = Story::of_alice_and_bob();
    story.comes(3, token("carol", json!({})), ["carol"]);
    story.asks(2, "bob", send("team/a"));
    story.holds();
    for output in &mut story.last().outputs {
        if let Output::Send(key, Outgoing { body: Body::Delivery(_), .. }) = output {
            *key = SessionKey(3);
        }
    }
    story.breaks(Invariant::I53);
}

#[test]
fn a_session_ends_with_its_token_to_the_millisecond() {
    let mut story = Story::with_tokens();
    story.comes(1, token("alice", json!({ "exp": 2.5 })), ["alice"]);
    story.ticks_after(Duration::from_millis(2_499));
    story.holds();
    story.ticks_after(Duration::from_millis(1));
    story.holds();
    let tick = story.last();
    tick.touched = Default::default();
    tick.outputs.clear();
    story.breaks(Invariant::I54);
}

#[test]
fn a_newer_token_gives_the_session_another_end() {
    let newer = || token("alice", json!({ "exp": 90 }));
    let mut story = Story::with_tokens();
    story.comes(1, token("alice", json!({})), ["alice"]);
    story.asks(1, "alice", refresh(newer()));
    story.holds();
    let deadlines = &mut story.last().session(1).deadlines;
    let end = deadlines.token.take();
    story.breaks(Invariant::I54);
    story.last().session(1).deadlines.token = end.map(|end| end.before(Duration::from_millis(1)));
    story.breaks(Invariant::L10);
    story.last().session(1).deadlines.token = end;
    story.ticks_after(Duration::from_secs(60));
    story.holds();
    let close = Output::Close(SessionKey(1), CloseReason::TokenExpired);
    story.last().outputs.push(close);
    story.breaks(Invariant::L10);
}

#[test]
fn a_good_token_of_the_same_principal_is_taken() {
    let mut story = Story::of_alice_and_bob();
    story.asks(1, "team/a", refresh(token("bob", json!({}))));
    story.holds();
    story.shows(token("alice", json!({})));
    story.breaks(Invariant::L10);
}

#[test]
fn a_client_with_a_source_shows_the_next_token_in_time() {
    let mut story = Story::with_tokens();
    let lasts = Some(Duration::from_secs(60));
    story.scenario.clients.tokens.insert("alice".to_owned(), Token { lasts, ..Token::default() });
    story.comes(1, token("alice", json!({})), []);
    let connected = story.last().sent_to(1).remove(0);
    story.receives(&connected);
    for _ in 0..2 {
        story.passes(Duration::from_secs(25));
        story.at_client(ClientEvent::Sent(ClientFrame::Ping));
    }
    story.passes(Duration::from_secs(1));
    story.at_client(ClientEvent::Sent(ClientFrame::Ping));
    story.holds();
    story.passes(Duration::from_secs(1));
    story.at_client(ClientEvent::Sent(ClientFrame::Ping));
    story.breaks(Invariant::L10);
}

#[test]
fn whoever_may_have_an_address_gets_it() {
    let mut story = Story::of_alice_and_bob();
    story.asks(2, "bob", register("team/a"));
    story.holds();
    let Ok(Verb::Register(asked)) = &mut story.last().request().verb else { panic!() };
    asked.actor_address = at("team/b");
    story.breaks(Invariant::L10);
}

#[test]
fn whoever_comes_back_to_what_is_its_own_finds_it_as_it_was() {
    let mut story = Story::of_alice_and_bob();
    story.closes(1);
    story.comes(3, token("team/a", json!({})), ["team/a"]);
    let outputs = story.last().outputs.clone();
    let mut story = Story::of_alice_and_bob();
    story.closes(1);
    story.comes(3, token("alice", json!({ "actors": ["team/*"] })), ["team/a"]);
    story.holds();
    story.last().outputs = outputs;
    story.breaks(Invariant::L10);
}

#[test]
fn a_refusal_says_the_same_whoever_is_in_the_way() {
    let mut story = Story::of_alice_and_bob();
    story.asks(1, "team/a", register("team/b"));
    story.comes(3, token("carol", json!({ "actors": ["team/*"] })), ["team/a"]);
    story.asks(2, "bob", register("team/b"));
    story.holds();
    refusal(&mut story).message = "@(team/b) is the principal's user-alice".into();
    story.breaks(Invariant::I55);
}

#[test]
fn beyond_its_token_nobody_learns_what_there_is() {
    let mut story = Story::of_alice_and_bob();
    story.comes(3, token("carol", json!({})), ["nobody", "team/a"]);
    story.holds();
    refusal(&mut story).message = "@(team/a) belongs to another principal".into();
    story.breaks(Invariant::I55);
}

#[test]
fn a_renewal_token_that_is_anothers_is_refused_like_one_that_never_was() {
    let mut story = Story::of_alice_and_bob();
    story.asks(2, "bob", register("team/b"));
    let Reply::Registered(told) = story.last().reply().clone() else { panic!() };
    for _ in 0..2 {
        story.asks(2, "team/b", unregister());
        story.asks(1, "team/a", renew(Some(told.renewal_token)));
    }
    story.holds();
    refusal(&mut story).message = "the renewal token is another principal's".into();
    story.breaks(Invariant::I55);
}

#[test]
fn a_restarted_hub_knows_nobody() {
    let mut story = Story::of_alice_and_bob();
    let (hub, events) = (Story::with_tokens().hub, story.events.len());
    story.hub = hub;
    story.records(crate::history::What::HubStarted { restarts: 1 });
    story.comes(3, token("bob", json!({ "actors": ["team/*"] })), ["team/a"]);
    assert!(story.events.len() > events);
    story.holds();
    let frame = matches!(story.last().input, Input::Frame(_, Ok(ClientFrame::Request(_))));
    assert!(frame, "the last input is a registration");
}

#[test]
fn whoever_shows_a_token_that_is_no_good_is_told_why() {
    for (token, why) in [
        (token("alice", json!({ "nbf": 1 })), "not_yet_valid"),
        (token("alice", json!({ "exp": 0 })), "expired"),
        (token("alice", json!({ "sub": "" })), "claim"),
        (signed("alice", json!({}), b"another secret of thirty-two bytes"), "signature"),
        (AuthToken::new("eyJhbGciOiJIUzUxMiJ9.e30."), "algorithm"),
        (AuthToken::new("eyJhbGciOiJub25lIn0.e30."), "malformed"),
        (AuthToken::new("a"), "malformed"),
        (AuthToken::new(&"a".repeat(20_000)), "too_long"),
    ] {
        let mut story = Story::with_tokens();
        story.comes(1, token, []);
        story.holds();
        assert_eq!(refusal(&mut story).details, Details::Reason { reason: why.into() });
        refusal(&mut story).details = Details::Reason { reason: "another".into() };
        story.breaks(Invariant::I25);
    }
}

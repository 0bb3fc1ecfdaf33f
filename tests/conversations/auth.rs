//! With auth on, a token says on whose behalf a session acts (protocol, section 5).

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;
use signal_hub::protocol::CloseReason;

use crate::fixture::*;

fn refreshed(key: SessionKey, token: &str, expires_in: u64) -> Seen {
    let payload = json!({ "token": token, "expiresAt": expires_in });
    reply(key, "hub:token_refreshed", payload)
}

fn token_refreshed(key: SessionKey, expires_at: u64) -> Value {
    json!({
        "event": "token_refreshed", "session": key, "sessionId": format!("session-{}", key.0),
        "expiresAt": expires_at,
    })
}

/// A session of `name`'s principal that owns `@(name)`.
fn owner(hub: &mut Conversation, name: &str) -> SessionKey {
    let key = hub.admitted(&token(name));
    hub.asks(key, register(name)).accepted();
    key
}

#[test]
fn a_token_opens_a_session_and_says_for_whom() {
    for bearer in ["", "bearer ", "Bearer ", "BEARER "] {
        let mut hub = Conversation::with_tokens();
        let session = hub.opened();
        let heard = hub.asks(session, connect_as(&format!("{bearer}{}", token("alice"))));
        assert_eq!(heard.metadata(), json!({ "actorIdentity": "@(alice)" }), "{bearer}");
        heard.records([json!({
            "event": "session_connected", "session": session, "sessionId": "session-1",
            "sub": "user-alice",
        })]);
        assert_eq!(hub.known("alice"), Value::Null, "a token is not a registration");
    }
}

#[test]
fn a_session_without_a_token_is_refused_and_closed() {
    let mut hub = Conversation::with_tokens();
    let session = hub.opened();
    hub.asks(session, connect())
        .gets([
            missing(session, "authToken", "a token that this hub accepts").coded("unauthorized"),
            closed(session, CloseReason::Unauthorized),
        ])
        .records([
            refused(session, "hub:connect", "unauthorized"),
            session_closed(session, 4001, json!({ "closed": "unauthorized" }), json!([])),
        ]);
    let session = hub.opened();
    hub.tells(session, connect()).gets([closed(session, CloseReason::Unauthorized)]);
}

#[test]
fn a_token_that_is_not_valid_is_refused_and_its_session_closed() {
    let good = token("alice");
    let (unsigned, _) = good.rsplit_once('.').expect("three parts");
    // {"alg":"none"}
    let none = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).expect("three parts"));
    for (token, reason) in [
        (String::new(), "malformed"),
        ("garbage".to_owned(), "malformed"),
        ("a.b.c".to_owned(), "malformed"),
        (none, "malformed"),
        ("a".repeat(16_385), "too_long"),
        ("a".repeat(16_384), "malformed"),
        (format!("{unsigned}.AAAA"), "signature"),
        (claims("alice", json!({ "exp": 0 })), "expired"),
        (claims("alice", json!({ "nbf": 1 })), "not_yet_valid"),
        (claims("alice", json!({ "iss": "someone" })), "claim"),
        (claims("alice", json!({ "actorId": null })), "claim"),
    ] {
        let mut hub = Conversation::with_tokens();
        let session = hub.opened();
        hub.asks(session, connect_as(&token)).gets([
            refusal(session, "unauthorized").because(json!({ "reason": reason })),
            closed(session, CloseReason::Unauthorized),
        ]);
    }
}

#[test]
fn with_auth_off_a_token_means_nothing() {
    let mut hub = Conversation::new();
    let session = hub.opened();
    let heard = hub.asks(session, connect_as("garbage"));
    assert_eq!(heard.metadata(), json!({}));
    hub.asks(session, register("anyone")).accepted();
}

#[test]
fn the_tokens_own_address_can_be_registered_and_no_other() {
    let mut hub = Conversation::with_tokens();
    let alice = hub.admitted(&token("alice"));
    for other in ["bob", "alice/two", "cloudflare/signal-hub"] {
        hub.asks(alice, register(other)).gets([refusal(alice, "unauthorized")]).records([refused(
            alice,
            "hub:register",
            "unauthorized",
        )]);
    }
    hub.asks(alice, register("alice")).gets([registered(alice, "alice", "token-1", 1)]);
}

#[test]
fn what_the_tokens_patterns_match_can_be_registered_too() {
    let mut hub = Conversation::with_tokens();
    let alice = hub.admitted(&claims("alice", json!({ "actors": ["team/*", "*/log"] })));
    for allowed in ["alice", "team/a", "team/a/b", "any/log"] {
        hub.asks(alice, register(allowed)).accepted();
    }
    for other in ["team", "xteam/a", "log"] {
        hub.asks(alice, register(other)).gets([refusal(alice, "unauthorized")]);
    }
}

#[test]
fn not_even_a_pattern_for_all_gives_the_hubs_own_address() {
    let mut hub = Conversation::with_tokens();
    let alice = hub.admitted(&claims("alice", json!({ "actors": ["*"] })));
    hub.asks(alice, register("cloudflare/signal-hub")).gets([refusal(alice, "unauthorized")]);
}

#[test]
fn only_the_same_principal_takes_over() {
    let mut hub = Conversation::with_tokens();
    let old = owner(&mut hub, "alice");
    hub.asks(old, subscribe("news")).accepted();
    let before = hub.belongings();
    for stranger in [
        claims("bob", json!({ "actors": ["alice"] })),
        claims("alice", json!({ "sub": "user-eve" })),
    ] {
        let stranger = hub.admitted(&stranger);
        hub.asks(stranger, register("alice"))
            .gets([refusal(stranger, "unauthorized")])
            .records([refused(stranger, "hub:register", "unauthorized")]);
        assert_eq!(hub.belongings(), before);
    }
    let new = hub.admitted(&token("alice"));
    hub.asks(new, register("alice")).gets([
        duplicate(old, "alice"),
        closed(old, CloseReason::DuplicateConnection),
        registration(
            new,
            json!({
                "actorAddress": "@(alice)", "expiresAt": 300_000, "renewalToken": "token-2",
                "version": 2, "resumed": false, "subscriptions": ["news"],
            }),
        ),
    ]);
}

/// Bob's token matches everything, and bob was at alice's address first.
fn squatter(hub: &mut Conversation, others: &[&str]) -> SessionKey {
    let bob = hub.admitted(&claims("bob", json!({ "actors": ["*"] })));
    for name in [others, &["alice"]].concat() {
        hub.asks(bob, register(name)).accepted();
    }
    hub.asks(bob, subscribe("secrets").from("alice")).accepted();
    let to_alice = send("alice", "note", json!(1)).with("id", "same").from("alice");
    hub.asks(bob, to_alice).accepted();
    bob
}

#[test]
fn whom_a_token_names_takes_its_address_from_whoever_has_it_by_a_pattern_and_nothing_else() {
    let mut hub = Conversation::with_tokens();
    let bob = squatter(&mut hub, &["bob"]);
    let alice = hub.admitted(&token("alice"));
    hub.asks(alice, register("alice"))
        .gets([
            lost(bob, "alice", "duplicate_connection"),
            registered(alice, "alice", "token-3", 2),
        ])
        .records([
            json!({
                "event": "duplicate_connection_detected", "actorAddress": "@(alice)",
                "oldSession": bob, "oldSessionId": "session-1", "newSession": alice,
                "newSessionId": "session-2",
            }),
            subscription_removed("alice", "secrets", 0),
            forgotten("alice", "claimed"),
            json!({
                "event": "actor_registered", "actorAddress": "@(alice)", "session": alice,
                "sessionId": "session-2", "version": 2, "resumed": false,
            }),
        ]);
    hub.asks(bob, renew_with("token-2")).gets([refusal(bob, "unauthorized")]);
    let heard = hub.asks(alice, send("alice", "note", json!(1)).with("id", "same"));
    assert_eq!(heard.kinds()[0], (alice, "note".to_owned()), "bob's outcome is not alice's");
    hub.asks(bob, register("alice")).gets([refusal(bob, "unauthorized")]);
}

#[test]
fn whom_a_token_names_gets_nothing_of_what_a_pattern_left_detached() {
    let mut hub = Conversation::with_tokens();
    let bob = squatter(&mut hub, &[]);
    hub.loses(bob);
    let alice = hub.admitted(&token("alice"));
    hub.asks(alice, register("alice")).gets([registered(alice, "alice", "token-2", 2)]);
    assert_eq!(hub.known("alice")["topics"], json!([]));
    hub.comes_to_rest();
}

#[test]
fn a_token_that_allows_less_costs_the_addresses_that_it_does_not_allow() {
    let mut hub = Conversation::with_tokens();
    let alice = hub.admitted(&claims("alice", json!({ "actors": ["team/*", "lab"] })));
    for name in ["team/a", "alice", "lab", "team/b"] {
        hub.asks(alice, register(name)).accepted();
    }
    hub.asks(alice, subscribe("news").from("team/b")).accepted();
    let narrower = claims("alice", json!({ "exp": 90, "actors": ["team/a"] }));
    let why = || json!("token_narrowed");
    hub.asks(alice, refresh(&narrower))
        .gets([
            lost(alice, "lab", "token_narrowed"),
            lost(alice, "team/b", "token_narrowed"),
            refreshed(alice, &narrower, 90_000),
        ])
        .records([
            token_refreshed(alice, 90_000),
            detached("lab", alice, why()),
            detached("team/b", alice, why()),
        ]);
    let known = json!({ "owner": null, "version": 1, "topics": ["news"], "left": 30_000 });
    assert_eq!(hub.known("team/b"), known);
    assert_eq!(hub.known("team/a")["owner"], json!(alice));
    hub.asks(alice, register("team/b")).gets([refusal(alice, "unauthorized")]);
    let wider = claims("alice", json!({ "exp": 90, "actors": ["team/*"] }));
    hub.asks(alice, refresh(&wider)).gets([refreshed(alice, &wider, 90_000)]);
    let payload = hub.asks(alice, register("team/b")).accepted().payload();
    assert_eq!((&payload["resumed"], &payload["subscriptions"]), (&json!(true), &json!(["news"])));
}

#[test]
fn only_the_same_principal_resumes() {
    let mut hub = Conversation::with_tokens();
    let old = owner(&mut hub, "alice");
    hub.asks(old, subscribe("news")).accepted();
    hub.loses(old);
    let before = hub.belongings();
    let bob = hub.admitted(&claims("bob", json!({ "actors": ["alice"] })));
    hub.asks(bob, register("alice")).gets([refusal(bob, "unauthorized")]);
    assert_eq!(hub.belongings(), before);
    let new = hub.admitted(&token("alice"));
    let payload = hub.asks(new, register("alice")).accepted().payload();
    assert_eq!((&payload["resumed"], &payload["subscriptions"]), (&json!(true), &json!(["news"])));
}

#[test]
fn an_address_that_is_given_up_is_free_for_whoever_may_have_it() {
    let bobs = claims("bob", json!({ "actors": ["alice"] }));
    let mut hub = Conversation::with_tokens();
    let alice = owner(&mut hub, "alice");
    let bob = hub.admitted(&bobs);
    hub.asks(alice, unregister("alice")).accepted();
    hub.asks(bob, register("alice")).gets([registered(bob, "alice", "token-2", 1)]);

    let mut hub = Conversation::with_tokens();
    let alice = owner(&mut hub, "alice");
    let bob = hub.admitted(&bobs);
    hub.loses(alice);
    hub.after(seconds(30));
    hub.asks(bob, register("alice")).gets([registered(bob, "alice", "token-2", 1)]);
}

#[test]
fn a_session_ends_with_its_token_and_may_come_back_with_another() {
    let mut hub = Conversation::with_tokens();
    let alice = owner(&mut hub, "alice");
    hub.after(seconds(30)).nothing();
    hub.pongs(alice);
    hub.after(milliseconds(29_999)).nothing();
    let why = json!({ "closed": "token_expired" });
    hub.after(milliseconds(1)).gets([closed(alice, CloseReason::TokenExpired)]).records([
        detached("alice", alice, why.clone()),
        session_closed(alice, 4001, why, json!(["@(alice)"])),
    ]);
    let late = hub.opened();
    hub.asks(late, connect_as(&token("alice"))).gets([
        refusal(late, "unauthorized").because(json!({ "reason": "expired" })),
        closed(late, CloseReason::Unauthorized),
    ]);
    let new = hub.admitted(&claims("alice", json!({ "exp": 600 })));
    assert_eq!(hub.asks(new, register("alice")).accepted().payload()["resumed"], true);
    hub.comes_to_rest();
}

#[test]
fn a_newer_token_of_the_same_principal_prolongs_the_session() {
    let mut hub = Conversation::with_tokens();
    let alice = owner(&mut hub, "alice");
    let newer = claims("alice", json!({ "exp": 90, "actors": ["team/*"] }));
    hub.asks(alice, register("team/a")).gets([refusal(alice, "unauthorized")]);
    hub.asks(alice, refresh(&format!("Bearer {newer}")))
        .gets([refreshed(alice, &newer, 90_000)])
        .records([token_refreshed(alice, 90_000)]);
    hub.tells(alice, refresh(&newer)).gets([]).records([token_refreshed(alice, 90_000)]);
    hub.asks(alice, register("team/a")).accepted();
    hub.after(seconds(45)).nothing();
    hub.pongs(alice);
    hub.after(milliseconds(44_999)).nothing();
    hub.after(milliseconds(1)).gets([closed(alice, CloseReason::TokenExpired)]);
}

#[test]
fn a_newer_token_may_stand_in_the_metadata_as_in_hub_connect() {
    let mut hub = Conversation::with_tokens();
    let alice = owner(&mut hub, "alice");
    let newer = claims("alice", json!({ "exp": 90 }));
    let metadata = json!({ "authToken": format!("bearer {newer}") });
    hub.asks(alice, say("hub:refresh_token", Value::Null).with("metadata", metadata.clone()))
        .gets([refreshed(alice, &newer, 90_000)]);
    let garbage = refresh("garbage").with("metadata", metadata);
    hub.asks(alice, garbage)
        .gets([refusal(alice, "invalid_token").because(json!({ "reason": "malformed" }))]);
}

#[test]
fn a_renewal_token_is_used_by_its_owners_session_or_principal_alone() {
    let mut hub = Conversation::with_tokens();
    let alice = owner(&mut hub, "alice");
    let same = hub.admitted(&token("alice"));
    for stranger in
        [claims("bob", json!({ "actors": ["*"] })), claims("alice", json!({ "sub": "user-eve" }))]
    {
        let stranger = hub.admitted(&stranger);
        hub.asks(stranger, renew_with("token-1"))
            .gets([refusal(stranger, "unauthorized")])
            .records([refused(stranger, "hub:renew", "unauthorized")]);
    }
    hub.asks(same, renew_with("token-1")).gets([renewed(same, "alice", "token-2")]);
    hub.asks(same, renew_with("token-1")).gets([refusal(same, "unauthorized")]);
    hub.asks(alice, renew_with("token-1")).gets([renewed(alice, "alice", "token-3")]);
}

#[test]
fn a_token_that_does_not_prolong_the_session_changes_nothing() {
    let mut hub = Conversation::with_tokens();
    let alice = owner(&mut hub, "alice");
    hub.drains_all(alice);
    let rows = hub.rows();
    let because = |reason: &str| json!({ "reason": reason });
    for (token, details) in [
        ("garbage".to_owned(), because("malformed")),
        (claims("alice", json!({ "exp": 0 })), because("expired")),
        (claims("alice", json!({ "exp": 90, "sub": "user-eve" })), json!({})),
        (claims("bob", json!({ "exp": 90, "sub": "user-alice" })), json!({})),
    ] {
        hub.asks(alice, refresh(&token))
            .gets([refusal(alice, "invalid_token").because(details)])
            .records([refused(alice, "hub:refresh_token", "invalid_token")]);
    }
    for (payload, metadata, field, received) in [
        (json!({}), json!({}), "token", "nothing"),
        (json!({ "token": 7 }), json!({}), "token", "7"),
        (json!(null), json!({ "authToken": ["a.b.c"] }), "authToken", "array"),
    ] {
        let wrong = match received {
            "nothing" => missing(alice, field, "a string"),
            _ => invalid(alice, field, "a string", received),
        };
        hub.asks(alice, say("hub:refresh_token", payload).with("metadata", metadata))
            .gets([wrong.coded("invalid_token")]);
    }
    hub.drains_all(alice);
    assert_eq!(hub.rows(), rows);
    hub.after(seconds(30));
    hub.pongs(alice);
    hub.after(seconds(30)).gets([closed(alice, CloseReason::TokenExpired)]);
}

#[test]
fn with_auth_off_no_token_is_valid() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, refresh(&token("alice"))).gets([refusal(alice, "invalid_token")]);
}

#[test]
fn no_record_and_no_debug_text_holds_a_token() {
    let mut hub = Conversation::with_tokens();
    let newer = claims("alice", json!({ "exp": 90 }));
    let session = hub.opened();
    let heard = hub.asks(session, connect_as(&token("alice")));
    assert!(!heard.all_records().contains("eyJ"), "{}", heard.all_records());
    let heard = hub.asks(session, refresh(&newer));
    assert!(!heard.all_records().contains("eyJ"), "{}", heard.all_records());
    assert!(!hub.debug_text().contains("eyJ") && !hub.debug_text().contains("a secret"));
}

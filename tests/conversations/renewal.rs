//! hub:renew and the expiry of registrations (protocol, sections 4 and 5).

use serde_json::{Value, json};

use crate::fixture::*;

#[test]
fn an_owner_renews_without_a_token() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.after(seconds(30)).nothing();
    hub.asks(alice, renew()).gets([renewed(alice, "alice", "token-2")]).records([json!({
        "event": "registration_renewed", "actorAddress": "@(alice)", "session": alice,
        "version": 2,
    })]);
    let known = json!({ "owner": alice, "version": 2, "topics": [], "left": 300_000 });
    assert_eq!(hub.known("alice"), known);
}

#[test]
fn a_token_may_stand_in_the_payload_or_in_the_metadata() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, renew_with("token-1")).gets([renewed(alice, "alice", "token-2")]);
    let metadata = json!({ "renewalToken": "token-2" });
    hub.asks(alice, renew().with("metadata", metadata)).gets([renewed(alice, "alice", "token-3")]);
}

#[test]
fn a_token_is_good_once() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, renew_with("token-1")).accepted();
    hub.asks(alice, renew_with("token-2")).accepted();
    hub.asks(alice, renew_with("token-2"))
        .gets([refusal(alice, "unauthorized")])
        .records([refused(alice, "hub:renew", "unauthorized")]);
    assert_eq!(hub.known("alice")["version"], 3);
}

#[test]
fn the_token_of_a_registration_renews_for_its_owner_as_long_as_that_lives() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let bearer = hub.connected("bearer");
    for next in ["token-2", "token-3", "token-4"] {
        hub.after(seconds(30)).nothing();
        hub.pongs(bearer);
        hub.asks(alice, renew_with("token-1")).gets([renewed(alice, "alice", next)]);
    }
    hub.asks(bearer, renew_with("token-1")).gets([refusal(bearer, "unauthorized")]);
    hub.asks(bearer, renew_with("token-4")).gets([renewed(bearer, "alice", "token-5")]);
    hub.asks(alice, renew_with("token-1")).gets([renewed(alice, "alice", "token-6")]);
    hub.asks(alice, register("alice")).gets([registered(alice, "alice", "token-7", 7)]);
    hub.asks(alice, renew_with("token-1")).gets([refusal(alice, "unauthorized")]);
    hub.asks(alice, renew_with("token-7")).gets([renewed(alice, "alice", "token-8")]);
    hub.asks(bearer, register("alice")).accepted();
    hub.asks(bearer, renew_with("token-7")).gets([refusal(bearer, "unauthorized")]);
    hub.comes_to_rest();
}

#[test]
fn a_token_that_is_none_is_refused() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, renew_with("00000000-0000-4000-8000-000000000000"))
        .gets([refusal(alice, "unauthorized")]);
    for form in [json!("x"), json!(""), json!(7), json!(["token-1"]), json!({}), json!(false)] {
        hub.asks(alice, say("hub:renew", json!({ "renewalToken": form })))
            .gets([refusal(alice, "unauthorized")])
            .records([refused(alice, "hub:renew", "unauthorized")]);
        let renews = renew().with("metadata", json!({ "renewalToken": form }));
        hub.asks(alice, renews).gets([refusal(alice, "unauthorized")]);
    }
    assert_eq!(hub.known("alice")["version"], 1);
}

#[test]
fn the_bearer_of_a_token_renews_for_its_owner() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let bearer = hub.connected("bearer");
    hub.after(seconds(30)).nothing();
    hub.asks(bearer, renew_with("token-1")).gets([renewed(bearer, "alice", "token-2")]);
    assert_eq!(hub.known("alice")["owner"], json!(alice));
}

#[test]
fn a_renewal_extends_by_the_registrations_own_time_to_live() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.asks(alice, register_for("alice", 10)).accepted();
    hub.after(milliseconds(9_999)).nothing();
    assert_eq!(hub.asks(alice, renew()).payload()["expiresAt"], 10_000);
    hub.after(milliseconds(9_999)).nothing();
    assert_eq!(hub.known("alice")["left"], 1);
}

#[test]
fn a_registration_that_is_not_renewed_is_detached_and_its_session_told() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.asks(alice, register_for("alice", 10)).accepted();
    hub.asks(alice, subscribe("news")).accepted();
    hub.after(milliseconds(9_999)).nothing();
    hub.after(milliseconds(1)).gets([lost(alice, "alice", "expired")]).records([detached(
        "alice",
        alice,
        json!("expired"),
    )]);
    let known = json!({ "owner": null, "version": 1, "topics": ["news"], "left": 30_000 });
    assert_eq!(hub.known("alice"), known);
}

#[test]
fn a_renewal_at_the_very_deadline_is_too_late() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.asks(alice, register_for("alice", 10)).accepted();
    hub.unnoticed(seconds(10));
    hub.asks(alice, renew_with("token-1"))
        .gets([lost(alice, "alice", "expired"), refusal(alice, "unauthorized")])
        .records([
            detached("alice", alice, json!("expired")),
            refused(alice, "hub:renew", "unauthorized"),
        ]);
    hub.asks(alice, renew()).gets([refusal(alice, "unauthorized")]);
}

#[test]
fn a_detached_address_has_no_token() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.loses(alice);
    let bob = hub.registered("bob");
    hub.asks(bob, renew_with("token-1")).gets([refusal(bob, "unauthorized")]);
    assert_eq!(hub.known("alice")["owner"], Value::Null);
}

/// A registration for so many seconds that heartbeats renew.
fn lively(name: &str, ttl_seconds: u64) -> Say {
    let mut say = register_for(name, ttl_seconds);
    say.fields["payload"]["metadata"] = json!({ "renewOnHeartbeat": true });
    say
}

#[test]
fn heartbeats_renew_where_the_registration_says_so() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.asks(alice, lively("alice", 10)).accepted();
    hub.asks(alice, register_for("other", 60)).accepted();
    for _ in 0..3 {
        hub.after(seconds(8)).nothing();
        assert_eq!(hub.tells(alice, heartbeat()).events(), Vec::<String>::new());
    }
    let payload = hub.asks(alice, say("hub:list_actors", Value::Null)).payload();
    let expires = |nth: usize| payload["actors"][nth]["expiresAt"].clone();
    assert_eq!((expires(0), expires(1)), (json!(10_000), json!(36_000)));
    assert_eq!(hub.known("alice")["version"], 1, "neither its version");
    hub.asks(alice, renew_with("token-1")).accepted();
    hub.after(milliseconds(9_999)).nothing();
    hub.tells(alice, heartbeat());
    hub.after(milliseconds(9_999)).nothing();
    hub.after(milliseconds(1)).gets([lost(alice, "alice", "expired")]);
}

#[test]
fn the_wish_that_heartbeats_renew_may_stand_in_the_envelopes_metadata() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let wish = json!({ "renewOnHeartbeat": true });
    hub.asks(alice, register_for("alice", 10).with("metadata", wish)).accepted();
    let payload = hub.asks(alice, discover("alice")).payload();
    assert_eq!(payload["actors"][0]["metadata"], json!({}));
    hub.after(seconds(9)).nothing();
    hub.asks(alice, heartbeat());
    hub.after(seconds(9)).nothing();
    hub.after(seconds(1)).gets([lost(alice, "alice", "expired")]);
}

#[test]
fn without_the_wish_or_from_another_session_heartbeats_renew_nothing() {
    for wish in [json!({}), json!({ "renewOnHeartbeat": "true" }), json!({ "renewOnHeartbeat": 1 })]
    {
        let mut hub = Conversation::new();
        let alice = hub.connected("alice");
        let mut say = register_for("alice", 10);
        say.fields["payload"]["metadata"] = wish;
        hub.asks(alice, say).accepted();
        hub.after(seconds(9)).nothing();
        hub.asks(alice, heartbeat());
        hub.after(seconds(1)).gets([lost(alice, "alice", "expired")]);
    }
    let mut hub = Conversation::new();
    let [alice, other] = ["alice", "other"].map(|name| hub.connected(name));
    hub.asks(alice, lively("alice", 10)).accepted();
    hub.after(seconds(9)).nothing();
    hub.asks(other, heartbeat().from("alice"));
    hub.tells(alice, say("hub:metrics", Value::Null));
    hub.after(seconds(1)).gets([lost(alice, "alice", "expired")]);
}

#[test]
fn a_heartbeat_at_the_very_deadline_is_too_late() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.asks(alice, lively("alice", 10)).accepted();
    hub.after(milliseconds(9_999)).nothing();
    hub.asks(alice, heartbeat());
    hub.unnoticed(seconds(10));
    let heard = hub.asks(alice, heartbeat());
    assert_eq!(heard.events(), ["actor_detached"]);
}

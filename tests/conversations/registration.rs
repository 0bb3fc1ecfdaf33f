//! hub:register and hub:unregister (protocol, sections 4 and 5).

use serde_json::{Value, json};

use crate::fixture::*;

const TTL: &str = "a whole number of seconds from 1 to 3600";
const STRINGS: &str = "a non-empty array of at most 64 strings of at most 128 bytes";

#[test]
fn a_registration_says_all_about_itself_twice() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let payload = json!({
        "actorAddress": "@(alice)", "expiresAt": 300_000, "renewalToken": "token-1",
        "version": 1, "resumed": false, "subscriptions": [],
    });
    let metadata = json!({
        "actorAddress": "@(alice)", "expiresAt": 300_000, "renewalToken": "token-1", "version": 1,
    });
    hub.asks(alice, register("alice"))
        .gets([reply(alice, "hub:registered", payload).with("metadata", metadata)])
        .records([json!({
            "event": "actor_registered", "actorAddress": "@(alice)", "session": alice,
            "sessionId": "session-1", "version": 1, "resumed": false,
        })]);
}

#[test]
fn a_time_to_live_is_capped_and_never_too_small() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    for (asked, granted) in [(1, 1), (60, 60), (3600, 3600), (3601, 3600), (u64::MAX, 3600)] {
        let heard = hub.asks(alice, register_for("alice", asked));
        assert_eq!(heard.payload()["expiresAt"], granted * 1000, "{asked}");
    }
    for (asked, received) in
        [(json!(0), "0"), (json!(-1), "-1"), (json!(1.5), "1.5"), (json!("60"), "string")]
    {
        hub.asks(alice, register_for("alice", asked)).gets([invalid(
            alice,
            "ttlSeconds",
            TTL,
            received,
        )]);
    }
    hub.asks(alice, register_for("alice", Value::Null)).accepted();
}

#[test]
fn a_registration_needs_an_address_and_capabilities() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let register = |payload| say("hub:register", payload);
    let address = "an address: @(path)";
    hub.asks(alice, register(json!({ "capabilities": ["chat"] })))
        .gets([missing(alice, "actorAddress", address)])
        .records([refused(alice, "hub:register", "internal_error")]);
    hub.asks(alice, register(Value::Null)).gets([missing(alice, "actorAddress", address)]);
    hub.asks(alice, register(json!({ "actorAddress": "@(a)" }))).gets([missing(
        alice,
        "capabilities",
        STRINGS,
    )]);
    hub.asks(alice, register(json!({ "actorAddress": "@(a)", "capabilities": [] })))
        .gets([invalid(alice, "capabilities", STRINGS, "array")]);
    let metadata = json!({ "actorAddress": "@(a)", "capabilities": ["c"], "metadata": [] });
    hub.asks(alice, register(metadata)).gets([invalid(alice, "metadata", "an object", "array")]);
    assert_eq!(hub.sizes().addresses, 0);
}

#[test]
fn an_address_is_a_path_of_plain_segments() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let longest = "a".repeat(255);
    for good in ["a", "a/b/c", "A.9_~:-", &longest] {
        hub.asks(alice, register(good)).accepted();
    }
    let rule = "an address: @(path), path 1 to 255 bytes of [A-Za-z0-9._~:-] segments joined by /";
    let too_long = "a".repeat(256);
    for bad in ["", "/a", "a/", "a//b", "a b", "a*", "ä", ")", &too_long] {
        hub.asks(alice, register(bad)).gets([invalid(alice, "actorAddress", rule, "string")]);
    }
}

#[test]
fn nobody_registers_the_hubs_own_address() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.asks(alice, register("cloudflare/signal-hub"))
        .gets([refusal(alice, "unauthorized")])
        .records([refused(alice, "hub:register", "unauthorized")]);
}

#[test]
fn registering_again_raises_the_version_and_spends_the_token() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.after(seconds(20)).nothing();
    let payload = json!({
        "actorAddress": "@(alice)", "expiresAt": 300_000, "renewalToken": "token-2",
        "version": 2, "resumed": false, "subscriptions": ["news"],
    });
    hub.asks(alice, register("alice")).gets([registration(alice, payload)]);
    hub.asks(alice, renew_with("token-1")).gets([refusal(alice, "unauthorized")]);
}

#[test]
fn a_session_may_own_several_addresses() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, register("alice/two")).gets([registered(alice, "alice/two", "token-2", 1)]);
    for name in ["alice", "alice/two"] {
        let known = json!({ "owner": alice, "version": 1, "topics": [], "left": 300_000 });
        assert_eq!(hub.known(name), known);
    }
}

#[test]
fn the_hub_holds_no_more_registrations_than_its_bound() {
    let mut hub = Conversation::with(|config| config.registrations_max = 2);
    let [alice, _] = hub.all_registered(["alice", "bob"]);
    let full = refusal(alice, "rate_limited").because(json!({ "limit": 2 }));
    hub.asks(alice, register("carol")).gets([full.clone()]);
    hub.asks(alice, register("alice")).accepted();
    hub.asks(alice, register("bob")).accepted();
    hub.loses(alice);
    let carol = hub.connected("carol");
    hub.asks(carol, register("carol")).accepted();
}

#[test]
fn a_session_has_no_more_addresses_than_its_bound() {
    let mut hub = Conversation::with(|config| config.addresses_per_session_max = 2);
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, register("alice/two")).accepted();
    let full = || refusal(alice, "rate_limited").because(json!({ "limit": 2 }));
    hub.asks(alice, register("alice/three")).gets([full()]).records([refused(
        alice,
        "hub:register",
        "rate_limited",
    )]);
    hub.asks(alice, register("bob")).gets([full()]);
    assert_eq!(hub.known("bob")["owner"], json!(bob));
    hub.asks(alice, register("alice/two")).accepted();
    hub.asks(alice, unregister("alice")).accepted();
    hub.asks(alice, register("alice/three")).accepted();
    hub.asks(bob, register("alice/two")).accepted();
    hub.asks(alice, register("alice")).accepted();
    hub.asks(alice, register("bob")).gets([full()]);
}

#[test]
fn unregistering_forgets_at_once() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.asks(alice, unregister("alice"))
        .gets([unregistered(alice, "alice")])
        .records([subscription_removed("alice", "news", 0), forgotten("alice", "unregistered")]);
    assert_eq!(hub.known("alice"), Value::Null);
    hub.asks(alice, register("alice")).gets([registered(alice, "alice", "token-2", 1)]);
}

#[test]
fn unregistering_nothing_in_particular_means_the_acting_identity() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, register("alice/two")).accepted();
    let null = || say("hub:unregister", Value::Null);
    hub.asks(alice, null().from("alice/two")).gets([unregistered(alice, "alice/two")]);
    hub.asks(alice, null()).gets([unregistered(alice, "alice")]);
    hub.asks(alice, null()).gets([refusal(alice, "unauthorized")]);
}

#[test]
fn a_strangers_address_cannot_be_unregistered() {
    let mut hub = Conversation::new();
    let [alice, bob, carol] = hub.all_registered(["alice", "bob", "carol"]);
    hub.loses(carol);
    for name in ["bob", "carol", "unknown"] {
        hub.asks(alice, unregister(name))
            .gets([refusal(alice, "unauthorized")])
            .records([refused(alice, "hub:unregister", "unauthorized")]);
    }
    assert_eq!(hub.known("bob")["owner"], json!(bob));
    hub.asks(alice, say("hub:unregister", json!({ "actorAddress": 5 }))).gets([invalid(
        alice,
        "actorAddress",
        "an address: @(path)",
        "5",
    )]);
}

#[test]
fn told_registrations_are_quiet() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.tells(alice, register("alice")).gets([]);
    hub.tells(alice, renew()).gets([]);
    assert_eq!(hub.known("alice")["version"], 2);
    hub.tells(alice, unregister("alice")).gets([]);
    hub.tells(alice, unregister("alice")).gets([]);
    assert_eq!(hub.known("alice"), Value::Null);
}

//! hub:discover and hub:list_actors (protocol, section 4): who is registered at this moment.

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;

use crate::fixture::*;

fn found(key: SessionKey, names: &[&str], has_more: bool) -> Seen {
    let actors: Vec<Value> = names.iter().map(|name| actor(name)).collect();
    reply(key, "hub:discovered", json!({ "actors": actors, "hasMore": has_more }))
}

fn actor(name: &str) -> Value {
    json!({
        "address": at(name), "actorAddress": at(name), "capabilities": ["chat"], "metadata": {},
    })
}

#[test]
fn a_pattern_is_over_paths_or_over_whole_addresses() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, register("alice/two")).accepted();
    hub.registered("bob");
    for (pattern, names) in [
        ("*", &["alice", "alice/two", "bob"][..]),
        ("alice*", &["alice", "alice/two"]),
        ("alice", &["alice"]),
        ("*/*", &["alice/two"]),
        ("@(alice*)", &["alice", "alice/two"]),
        ("@(b*", &["bob"]),
        ("lice", &[]),
        ("b?b", &[]),
        ("", &[]),
    ] {
        hub.asks(alice, discover(pattern)).gets([found(alice, names, false)]).records([]);
    }
}

#[test]
fn without_fields_everyone_is_found_and_nobody_needs_an_address_to_ask() {
    let mut hub = Conversation::new();
    hub.registered("alice");
    let bob = hub.connected("bob");
    for payload in [Value::Null, json!({}), json!({ "pattern": null, "limit": null })] {
        hub.asks(bob, say("hub:discover", payload)).gets([found(bob, &["alice"], false)]);
    }
    hub.tells(bob, discover("*")).nothing();
}

#[test]
fn a_capability_narrows_the_search() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let bob = hub.connected("bob");
    let able = json!({
        "actorAddress": "@(bob)", "capabilities": ["chat", "video"], "metadata": { "v": 1.0 },
    });
    hub.asks(bob, say("hub:register", able)).accepted();
    let mut expected = actor("bob");
    expected["capabilities"] = json!(["chat", "video"]);
    expected["metadata"] = json!({ "v": 1.0 });
    hub.asks(alice, say("hub:discover", json!({ "capability": "video" }))).gets([reply(
        alice,
        "hub:discovered",
        json!({ "actors": [expected], "hasMore": false }),
    )]);
    hub.asks(alice, say("hub:discover", json!({ "pattern": "a*", "capability": "video" })))
        .gets([found(alice, &[], false)]);
}

#[test]
fn a_limit_is_1_to_100_and_more_is_told() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.registered("bob");
    let limited = |limit: Value| say("hub:discover", json!({ "limit": limit }));
    hub.asks(alice, limited(json!(1))).gets([found(alice, &["alice"], true)]);
    hub.asks(alice, limited(json!(2))).gets([found(alice, &["alice", "bob"], false)]);
    hub.asks(alice, limited(json!(100))).accepted();
    for (bad, received) in [(json!(0), "0"), (json!(101), "101"), (json!("1"), "string")] {
        for kind in ["hub:discover", "hub:list_actors"] {
            let rule = "a whole number from 1 to 100";
            hub.asks(alice, say(kind, json!({ "limit": bad })))
                .gets([invalid(alice, "limit", rule, received)])
                .records([refused(alice, kind, "internal_error")]);
        }
    }
    for field in ["pattern", "capability"] {
        hub.asks(alice, say("hub:discover", json!({ field: 7 })))
            .gets([invalid(alice, field, "a string", "7")]);
    }
}

#[test]
fn without_a_limit_a_hundred_are_shown() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    for number in 1..101 {
        hub.tells(alice, register(&format!("alice/{number}"))).accepted();
    }
    for kind in ["hub:discover", "hub:list_actors"] {
        let shown = hub.asks(alice, say(kind, Value::Null)).payload();
        assert_eq!(shown["actors"].as_array().map(Vec::len), Some(100), "{kind}");
        assert_eq!(shown["hasMore"], true, "{kind}");
    }
}

#[test]
fn only_live_registrations_are_found() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let bob = hub.registered("bob");
    let carol = hub.connected("carol");
    hub.asks(carol, register_for("carol", 1)).accepted();
    hub.loses(bob);
    hub.asks(alice, discover("*")).gets([found(alice, &["alice", "carol"], false)]);
    hub.unnoticed(seconds(1));
    hub.asks(alice, discover("*"))
        .gets([lost(carol, "carol", "expired"), found(alice, &["alice"], false)]);
    let list = hub.asks(alice, say("hub:list_actors", Value::Null)).payload();
    assert_eq!((&list["total"], &list["actors"][0]["address"]), (&json!(1), &json!("@(alice)")));
}

#[test]
fn a_list_says_all_but_tokens_and_sessions() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.after(seconds(2));
    hub.asks(alice, renew()).accepted();
    let expected = json!({
        "address": "@(alice)", "actorAddress": "@(alice)", "capabilities": ["chat"],
        "metadata": {}, "registeredAt": -2_000, "expiresAt": 300_000, "version": 2,
    });
    let page = json!({
        "actors": [expected], "total": 1, "offset": 0, "limit": 100, "hasMore": false,
    });
    hub.asks(alice, say("hub:list_actors", Value::Null))
        .gets([reply(alice, "hub:actor_list", page)])
        .records([]);
}

#[test]
fn a_list_comes_in_pages() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.all_registered(["bob", "carol"]);
    for (offset, names, has_more) in
        [(0, &["alice", "bob"][..], true), (1, &["bob", "carol"], false), (3, &[], false)]
    {
        let ask = say("hub:list_actors", json!({ "offset": offset, "limit": 2 }));
        let page = hub.asks(alice, ask).payload();
        let addresses: Vec<Value> = names.iter().map(|name| json!(at(name))).collect();
        let listed = page["actors"].as_array().expect("actors are a list");
        let listed: Vec<Value> = listed.iter().map(|actor| actor["address"].clone()).collect();
        assert_eq!((listed, &page["hasMore"]), (addresses, &json!(has_more)));
        assert_eq!([&page["total"], &page["offset"], &page["limit"]], [3, offset, 2]);
    }
    hub.asks(alice, say("hub:list_actors", json!({ "offset": -1 }))).gets([invalid(
        alice,
        "offset",
        "a whole number",
        "-1",
    )]);
}

#[test]
fn a_long_list_weighs_what_it_is() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let metadata = json!({ "about": "x".repeat(10_000) });
    let large =
        json!({ "actorAddress": "@(alice)", "capabilities": ["chat"], "metadata": metadata });
    hub.asks(alice, say("hub:register", large)).accepted();
    for ask in [discover("*"), say("hub:list_actors", Value::Null)] {
        hub.drains_all(alice);
        hub.asks(alice, ask).accepted();
        assert!(hub.queued(alice).1 >= 10_000, "{:?}", hub.queued(alice));
    }
}

#[test]
fn told_questions_are_quiet() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    for kind in ["hub:discover", "hub:list_actors", "hub:queue_stats", "hub:metrics"] {
        hub.tells(alice, say(kind, Value::Null)).nothing();
    }
}

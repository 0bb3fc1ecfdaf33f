//! hub:discover and hub:list_actors (protocol, section 4): who is registered at this moment.

use serde_json::{Value, json};
use signal_hub::hub::{Config, SessionKey};

use crate::fixture::*;

fn found(key: SessionKey, names: &[&str], has_more: bool) -> Seen {
    let actors: Vec<Value> = names.iter().map(|name| actor(name)).collect();
    let mut payload = json!({ "actors": actors, "hasMore": has_more });
    if has_more {
        payload["nextOffset"] = json!(names.len());
        payload["nextCursor"] = json!(names.last().map(|name| at(name)));
    }
    reply(key, "hub:discovered", payload)
}

fn addresses(page: &Value) -> Vec<&str> {
    let actors = page["actors"].as_array().expect("actors are a list");
    actors.iter().map(|actor| actor["address"].as_str().expect("an address")).collect()
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
fn a_limit_is_at_least_1_and_cut_to_100_and_more_is_told() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.registered("bob");
    let limited = |limit: Value| say("hub:discover", json!({ "limit": limit }));
    hub.asks(alice, limited(json!(1))).gets([found(alice, &["alice"], true)]);
    hub.asks(alice, limited(json!(2))).gets([found(alice, &["alice", "bob"], false)]);
    hub.asks(alice, limited(json!(101))).gets([found(alice, &["alice", "bob"], false)]);
    let many = say("hub:list_actors", json!({ "limit": 1e9 as u64 }));
    assert_eq!(hub.asks(alice, many).payload()["limit"], 100);
    for (bad, received) in [(json!(0), "0"), (json!("1"), "string")] {
        for kind in ["hub:discover", "hub:list_actors"] {
            let rule = "a whole number of at least 1";
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
        assert!(hub.queued(alice).bytes >= 10_000, "{:?}", hub.queued(alice));
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

/// Alice, and bob and carol with what they registered.
fn able() -> (Conversation, SessionKey) {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    for (name, capabilities, lang) in
        [("bob", json!(["chat", "video"]), "en"), ("carol", json!(["video"]), "de")]
    {
        let key = hub.connected(name);
        let ask = json!({
            "actorAddress": at(name), "capabilities": capabilities,
            "metadata": { "lang": lang, "at": { "floor": 2 } },
        });
        hub.asks(key, say("hub:register", ask)).accepted();
    }
    (hub, alice)
}

#[test]
fn all_of_the_capabilities_and_values_must_be_there() {
    let (mut hub, alice) = able();
    for (ask, names) in [
        (json!({ "capabilities": [] }), &["@(alice)", "@(bob)", "@(carol)"][..]),
        (json!({ "capabilities": ["video"] }), &["@(bob)", "@(carol)"]),
        (json!({ "capabilities": ["video", "chat"] }), &["@(bob)"]),
        (json!({ "capabilities": ["video"], "capability": "chat" }), &["@(bob)"]),
        (json!({ "capabilities": ["video", "none"] }), &[]),
        (json!({ "metadata": {} }), &["@(alice)", "@(bob)", "@(carol)"]),
        (json!({ "metadata": { "lang": "en" } }), &["@(bob)"]),
        (json!({ "metadata": { "at": { "floor": 2.0 } } }), &["@(bob)", "@(carol)"]),
        (json!({ "metadata": { "at": { "floor": 2 }, "lang": "fr" } }), &[]),
        (
            json!({ "metadata": { "lang": "de" }, "pattern": "c*", "capabilities": ["video"] }),
            &["@(carol)"],
        ),
    ] {
        let page = hub.asks(alice, say("hub:discover", ask.clone())).payload();
        assert_eq!(addresses(&page), names, "{ask}");
    }
}

#[test]
fn what_is_searched_by_is_bounded() {
    let (mut hub, alice) = able();
    let mut refuses = |field: &str, value: Value, rule: &str, received: &str| {
        hub.asks(alice, say("hub:discover", json!({ field: value })))
            .gets([invalid(alice, field, rule, received)])
            .records([refused(alice, "hub:discover", "internal_error")]);
    };
    refuses("pattern", json!("*a".repeat(257)), "a string of at most 512 bytes", "514 bytes");
    let rule = "an array of at most 64 strings";
    refuses("capabilities", json!(vec!["a"; 65]), rule, "65 strings");
    refuses("capabilities", json!(["a", 1]), rule, "array");
    let large = json!({ "a": "x".repeat(16_384) });
    refuses("metadata", large, "an object of at most 16384 bytes", "16392 bytes");
    refuses("metadata", json!(["a"]), "an object", "array");
    refuses("offset", json!(-1), "a whole number", "-1");
    refuses("cursor", json!("nowhere"), "a cursor as a page bore it in nextCursor", "string");
    hub.asks(alice, discover(&"*a".repeat(256))).gets([found(alice, &[], false)]);
}

#[test]
fn a_search_goes_on_by_offset_or_by_cursor() {
    let mut hub = Conversation::new();
    let [alice, ..] = hub.all_registered(["alice", "bob", "carol", "dave"]);
    for kind in ["hub:discover", "hub:list_actors"] {
        let mut pages = |ask: Value| hub.asks(alice, say(kind, ask)).payload();
        let first = pages(json!({ "limit": 2 }));
        assert_eq!(addresses(&first), ["@(alice)", "@(bob)"]);
        assert_eq!((&first["nextOffset"], &first["nextCursor"]), (&json!(2), &json!("@(bob)")));
        for next in [
            json!({ "limit": 2, "offset": first["nextOffset"] }),
            json!({ "limit": 2, "cursor": first["nextCursor"] }),
        ] {
            let next = pages(next);
            assert_eq!(
                (addresses(&next), &next["hasMore"]),
                (vec!["@(carol)", "@(dave)"], &json!(false))
            );
            assert_eq!((&next["nextOffset"], &next["nextCursor"]), (&Value::Null, &Value::Null));
        }
        let both = pages(json!({ "limit": 1, "cursor": "@(alice)", "offset": 1 }));
        assert_eq!(addresses(&both), ["@(carol)"]);
        assert_eq!((&both["nextOffset"], &both["nextCursor"]), (&json!(2), &json!("@(carol)")));
        let gone = pages(json!({ "cursor": "@(bobby)", "offset": 7 }));
        assert_eq!((addresses(&gone), &gone["hasMore"]), (vec![], &json!(false)));
    }
}

#[test]
fn a_search_that_looks_at_too_much_says_where_it_goes_on() {
    let mut hub = Conversation::with(|config| config.scan_rows_max = 2);
    let [alice, ..] = hub.all_registered(["alice", "bob", "carol", "dave"]);
    let mut cursor = Value::Null;
    for (looked_at, names, more) in [("@(bob)", &[][..], true), ("", &["@(dave)"], false)] {
        let ask = json!({ "pattern": "*ave", "cursor": cursor });
        let page = hub.asks(alice, say("hub:discover", ask)).payload();
        assert_eq!((addresses(&page), &page["hasMore"]), (names.to_vec(), &json!(more)));
        cursor = page["nextCursor"].clone();
        assert_eq!(cursor.as_str().unwrap_or_default(), looked_at);
    }
    let page = hub.asks(alice, say("hub:list_actors", json!({ "offset": 3 }))).payload();
    assert_eq!((addresses(&page), &page["nextCursor"]), (vec![], &json!("@(bob)+1")));
    let page = hub.asks(alice, say("hub:list_actors", json!({ "cursor": "@(bob)+1" }))).payload();
    assert_eq!((addresses(&page), &page["hasMore"]), (vec!["@(dave)"], &json!(false)));
    hub.asks(alice, discover("dave")).gets([found(alice, &["dave"], false)]);
    hub.asks(alice, discover("d*")).gets([found(alice, &["dave"], false)]);
}

/// Actors with a kilobyte of metadata each, alice first.
fn heavy(adjust: fn(&mut Config)) -> (Conversation, SessionKey) {
    let mut hub = Conversation::with(adjust);
    let alice = hub.connected("alice");
    for name in ["alice", "alice/2", "alice/3", "alice/4"] {
        let ask = json!({
            "actorAddress": at(name), "capabilities": ["chat"],
            "metadata": { "about": "x".repeat(1_000) },
        });
        hub.tells(alice, say("hub:register", ask)).accepted();
    }
    hub.drains_all(alice);
    (hub, alice)
}

#[test]
fn a_page_ends_where_its_bytes_do() {
    let (mut hub, alice) = heavy(|config| config.message_bytes_max = 4_000);
    for kind in ["hub:discover", "hub:list_actors"] {
        let first = hub.asks(alice, say(kind, Value::Null)).payload();
        assert_eq!(addresses(&first), ["@(alice)", "@(alice/2)"]);
        assert_eq!((&first["hasMore"], &first["nextOffset"]), (&json!(true), &json!(2)));
        let rest = hub.asks(alice, say(kind, json!({ "offset": 2 }))).payload();
        assert_eq!(
            (addresses(&rest), &rest["hasMore"]),
            (vec!["@(alice/3)", "@(alice/4)"], &json!(false))
        );
        hub.drains_all(alice);
    }
}

#[test]
fn a_page_ends_where_the_askers_queue_does() {
    let (mut hub, alice) = heavy(|config| config.queue_bytes_max = 2_000);
    let first = hub.asks(alice, discover("*")).payload();
    assert_eq!(addresses(&first), ["@(alice)", "@(alice/2)"]);
    let none = hub.asks(alice, say("hub:discover", json!({ "offset": 2 }))).payload();
    assert_eq!((addresses(&none), &none["hasMore"]), (vec![], &json!(true)));
    assert_eq!((&none["nextOffset"], &none["nextCursor"]), (&json!(2), &json!("@(alice/2)")));
    hub.drains_all(alice);
    let rest = hub.asks(alice, say("hub:discover", json!({ "offset": 2 }))).payload();
    assert_eq!(addresses(&rest), ["@(alice/3)", "@(alice/4)"]);
}

#[test]
fn an_actor_that_no_message_holds_is_shown_by_its_address() {
    let (mut hub, alice) = heavy(|config| config.message_bytes_max = 1_024);
    let page = hub.asks(alice, discover("*")).payload();
    let bare = json!({
        "address": "@(alice)", "actorAddress": "@(alice)", "capabilities": [], "metadata": {},
        "truncated": true,
    });
    assert_eq!((&page["actors"], &page["hasMore"]), (&json!([bare]), &json!(true)));
}

//! A hub that is full: who gives way to a newcomer (protocol, section 5).

use serde_json::{Value, json};

use crate::fixture::*;

const HERE: [u8; 4] = [127, 0, 0, 1];
const THERE: [u8; 4] = [127, 0, 0, 2];

fn full_at(registrations: usize) -> Conversation {
    Conversation::with(|config| config.registrations_max = registrations)
}

/// Which of these the hub still knows.
fn known<'a>(hub: &Conversation, names: &[&'a str]) -> Vec<&'a str> {
    names.iter().copied().filter(|name| hub.known(name) != Value::Null).collect()
}

#[test]
fn a_detached_address_gives_way_to_a_newcomer_with_all_that_it_had() {
    let mut hub = full_at(2);
    let gone = hub.subscribed("gone", "news");
    let alice = hub.registered("alice");
    hub.loses(gone);
    hub.asks(alice, register("desk")).gets([registered(alice, "desk", "token-3", 1)]).records([
        subscription_removed("gone", "news", 0),
        forgotten("gone", "room"),
        json!({
            "event": "actor_registered", "actorAddress": "@(desk)", "session": alice,
            "sessionId": "session-2", "version": 1, "resumed": false,
        }),
    ]);
    assert_eq!(hub.known("gone"), Value::Null);
    let refuses = refusal(alice, "rate_limited").because(json!({ "limit": 2 }));
    hub.asks(alice, register("phone")).gets([refuses]);
    hub.comes_to_rest();
}

#[test]
fn whoever_comes_back_needs_no_room() {
    let mut hub = full_at(2);
    let [gone, other] = hub.all_registered(["gone", "other"]);
    hub.loses(gone);
    hub.loses(other);
    let back = hub.connected("back");
    assert_eq!(hub.asks(back, register("gone")).accepted().payload()["resumed"], true);
    assert_eq!(known(&hub, &["gone", "other"]), ["gone", "other"]);
}

#[test]
fn the_oldest_of_the_peer_with_most_gives_way_first() {
    let mut hub = full_at(6);
    let one = hub.registered_from(THERE, "one");
    let two = hub.registered_from(HERE, "two");
    let three = hub.registered_from(THERE, "three");
    let four = hub.registered_from(THERE, "four");
    let five = hub.registered_from(HERE, "five");
    for key in [two, three, one, five, four] {
        hub.loses(key);
        hub.after(seconds(1));
    }
    let mut left = vec!["two", "three", "one", "five", "four"];
    let newcomer = hub.registered("newcomer");
    // Three there and two here; then two each, of which the oldest; then two there.
    for (name, gives_way) in
        [("a", "three"), ("b", "two"), ("c", "one"), ("d", "five"), ("e", "four")]
    {
        hub.asks(newcomer, register(name)).accepted();
        left.retain(|name| *name != gives_way);
        assert_eq!(known(&hub, &["two", "three", "one", "five", "four"]), left, "{gives_way}");
    }
}

#[test]
fn of_those_detached_at_one_moment_the_first_by_name_gives_way() {
    let mut hub = full_at(3);
    let gone = hub.registered("m");
    for name in ["z", "b"] {
        hub.asks(gone, register(name)).accepted();
    }
    hub.loses(gone);
    let newcomer = hub.registered("newcomer");
    assert_eq!(known(&hub, &["b", "m", "z"]), ["m", "z"]);
    hub.asks(newcomer, register("again")).accepted();
    assert_eq!(known(&hub, &["b", "m", "z"]), ["z"]);
}

#[test]
fn with_tokens_it_is_the_principal_with_most_wherever_it_comes_from() {
    let mut hub = Conversation::with_tokens_and(|config| config.registrations_max = 3);
    let [bob, team] = ["bob", "team"]
        .map(|name| hub.admitted(&claims(name, json!({ "actors": [format!("{name}/*")] }))));
    for (key, name) in [(bob, "bob"), (team, "team/a"), (team, "team/b")] {
        hub.asks(key, register(name)).accepted();
    }
    hub.loses(bob);
    hub.after(seconds(1));
    hub.loses(team);
    let alice = hub.admitted(&token("alice"));
    hub.asks(alice, register("alice")).accepted();
    assert_eq!(known(&hub, &["bob", "team/a", "team/b"]), ["bob", "team/b"]);
}

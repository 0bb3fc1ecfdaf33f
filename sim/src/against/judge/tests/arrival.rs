//! I8, I15, I16, I18 to I20, I23, I27.

use super::*;

#[test]
fn a_sender_is_who_it_says() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks("alice", tell("bob", 1));
    story.clone().hears("bob", delivered("alice", "bob", 1)).holds();
    story.hears("bob", delivered("carol", "bob", 1)).breaks(Invariant::I8);
}

#[test]
fn what_comes_was_said() {
    let mut story = Story::of(["alice", "bob", "carol"]);
    story.asks("alice", tell("bob", 1));
    story.clone().hears("bob", delivered("alice", "bob", 1)).holds();
    story.clone().hears("bob", delivered("alice", "bob", 2)).breaks(Invariant::I19);
    story.clone().hears("carol", delivered("alice", "carol", 1)).breaks(Invariant::I19);
    story.hears("bob", published("alice", "bob", "news", 1)).breaks(Invariant::I19);
}

#[test]
fn what_nobody_can_read_was_not_said() {
    let mut story = Story::of(["alice"]);
    story.hears("alice", Report::Unreadable { why: "not JSON".to_owned() }).breaks(Invariant::I19);
}

#[test]
fn a_message_comes_once() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks("alice", tell("bob", 1));
    story.hears("bob", delivered("alice", "bob", 1)).holds();
    story.hears("bob", delivered("alice", "bob", 1)).breaks(Invariant::I18);
    story.without(Promise::AtMostOnce).holds();
}

#[test]
fn an_ask_that_is_asked_again_comes_once() {
    let mut story = Story::of(["alice", "bob"]);
    let id = story.asks("alice", ask("bob", 1));
    story.hears("bob", delivered("alice", "bob", 1)).hears("alice", counted(&id, 1));
    story.asks_again("alice", &id, ask("bob", 1)).hears("alice", counted(&id, 1)).holds();
    story.hears("bob", delivered("alice", "bob", 1)).breaks(Invariant::I18);
    story.without(Promise::Dedupe).holds();
}

#[test]
fn what_is_said_first_comes_first() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks("alice", tell("bob", 1));
    story.asks("alice", tell("bob", 2));
    story.hears("bob", delivered("alice", "bob", 2)).holds();
    story.hears("bob", delivered("alice", "bob", 1)).breaks(Invariant::I20);
    story.without(Promise::Fifo).holds();
}

#[test]
fn who_is_subscribed_hears() {
    let mut story = Story::of(["alice", "bob"]);
    story.subscribes("bob", "news").publishes("alice", "news", 1, 1);
    let mut missing = story.clone();
    story.hears("bob", published("alice", "bob", "news", 1)).is_there("bob");
    assert_eq!(story.decides(Invariant::I16), [1, 0]);
    missing.clone().loses("bob", None).holds();
    missing.is_there("bob").breaks(Invariant::I16);
    missing.without(Promise::Publish).without(Promise::Counts).holds();
}

#[test]
fn who_may_have_no_room_need_not_hear() {
    let mut story = Story::of(["alice", "bob"]);
    story.promises.room = Some(2);
    story.subscribes("bob", "news");
    for said in 1..3 {
        story.publishes("alice", "news", said, 1);
    }
    story.is_there("bob").breaks(Invariant::I16);
    story.promises.room = Some(1);
    assert_eq!(story.decides(Invariant::I16), [0, 2]);
}

#[test]
fn who_has_unsubscribed_hears_nothing() {
    let mut story = Story::of(["alice", "bob"]);
    story.subscribes("bob", "news").subscribes("bob", "rain").unsubscribes("bob", "news");
    story.publishes("alice", "news", 1, 0).holds();
    story.hears("bob", published("alice", "bob", "news", 1)).breaks(Invariant::I15);
}

#[test]
fn an_unsubscribe_ends_no_other_subscription() {
    let mut story = Story::of(["alice", "bob"]);
    story.subscribes("bob", "news").subscribes("bob", "rain").unsubscribes("bob", "news");
    story.publishes("alice", "rain", 1, 0).is_there("bob").breaks(Invariant::I16);
}

#[test]
fn who_never_subscribed_hears_nothing() {
    let mut story = Story::of(["alice", "bob"]);
    story.publishes("alice", "news", 1, 0).holds();
    story.hears("bob", published("alice", "bob", "news", 1)).breaks(Invariant::I19);
}

#[test]
fn no_more_copies_are_counted_than_there_are_recipients() {
    let mut story = Story::of(["alice", "bob"]);
    story.subscribes("bob", "news");
    story.clone().publishes("alice", "news", 1, 1).holds();
    story.publishes("alice", "news", 1, 2).breaks(Invariant::I23);
    story.without(Promise::Counts).holds();
}

#[test]
fn no_more_copies_arrive_than_were_counted() {
    let mut story = Story::of(["alice", "bob"]);
    let id = story.asks("alice", ask("bob", 1));
    story.hears("bob", delivered("alice", "bob", 1));
    story.clone().hears("alice", counted(&id, 1)).holds();
    story.hears("alice", counted(&id, 0)).breaks(Invariant::I23);
}

#[test]
fn what_was_counted_arrives() {
    let mut story = Story::of(["alice", "bob"]);
    let id = story.asks("alice", ask("bob", 1));
    story.hears("alice", counted(&id, 1));
    let mut missing = story.clone();
    story.hears("bob", delivered("alice", "bob", 1)).is_there("bob").holds();
    missing.is_there("bob").breaks(Invariant::I23);
}

#[test]
fn a_broadcast_leaves_nobody_out() {
    let mut story = Story::of(["alice", "bob", "carol"]);
    let verb =
        Verb::Broadcast { payload: json!(1), exclude_self: true, capability: None, ttl: None };
    let id = story.asks("alice", verb);
    story.hears("alice", counted(&id, 2)).hears("bob", delivered("alice", "bob", 1));
    let mut missing = story.clone();
    story.hears("carol", delivered("alice", "carol", 1)).is_there("carol").holds();
    missing.is_there("carol").breaks(Invariant::I23);
    story.hears("alice", delivered("alice", "alice", 1)).breaks(Invariant::I23);
}

#[test]
fn who_speaks_in_a_name_that_it_has_not_may_be_left_out_as_whoever_it_is() {
    let mut story = Story::of(["alice", "bob"]);
    let (payload, exclude_self, capability, ttl) = (json!(1), true, None, None);
    let verb = Verb::Broadcast { payload, exclude_self, capability, ttl };
    story.asks_as("alice", "alice/desk", "1", verb).hears("alice", counted("1", 1));
    story.is_there("alice").clone().is_there("bob").breaks(Invariant::I23);
    story.hears("bob", delivered("alice", "bob", 1)).is_there("bob").holds();
}

#[test]
fn what_is_under_way_for_another_name_may_be_about_the_own() {
    let both = |first: Verb, second: Verb, answer: Report, copies| {
        let mut story = Story::of(["alice", "bob"]);
        story.subscribes("alice", "news").asks_again("alice", "1", first);
        story.asks_as("alice", "alice/desk", "2", second).hears("alice", answer);
        story.publishes("bob", "news", 1, copies).hears("alice", done("2")).is_there("alice");
        story.holds();
    };
    both(register("alice"), subscribe("news"), owned("1", "alice", 2, &[]), 1);
    both(unsubscribe("news"), subscribe("news"), done("1"), 1);
    both(subscribe("news"), unsubscribe("news"), done("1"), 0);
}

#[test]
fn no_copy_fails_that_has_room() {
    let mut story = Story::of(["alice", "bob", "carol"]);
    let (exclude_self, capability, ttl) = (true, None, None);
    let verb = Verb::Broadcast { payload: json!(1), exclude_self, capability, ttl };
    let operation = story.asks("alice", verb);
    let (delivered_to, failed) = (Some(1), Some(1));
    let addresses = None;
    story.hears(
        "alice",
        Report::Done { operation, delivered: delivered_to, failed, addresses, more: false },
    );
    story.hears("carol", delivered("alice", "carol", 1)).is_there("bob").holds();
    story.promises.room = Some(100);
    story.breaks(Invariant::I23);
}

#[test]
fn nothing_is_handed_over_that_is_not_worth_it_any_more() {
    let mut story = Story::of(["alice", "bob"]);
    let ttl = Some(Duration::from_secs(2));
    story.asks("alice", Verb::Tell { to: "bob".to_owned(), payload: json!(1), ttl });
    story.clone().hears("bob", delivered("alice", "bob", 1)).holds();
    story.clone().waits(60).hears("bob", delivered("alice", "bob", 1)).holds();
    story.waits(20).is_there("bob").hears("bob", delivered("alice", "bob", 1));
    story.breaks(Invariant::I27);
}

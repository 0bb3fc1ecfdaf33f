//! I24 to I26, I33, L1, L3, L8; and what is not judged.

use dst::scenario::{HubAction, Step, When};

use super::super::super::{Agreement, AnyHub};
use super::super::check_agreement;
use super::*;

#[test]
fn an_ask_has_one_answer() {
    let mut story = Story::of(["alice", "bob"]);
    let id = story.asks("alice", ask("bob", 1));
    let mut silent = story.clone();
    story.hears("bob", delivered("alice", "bob", 1)).hears("alice", counted(&id, 1)).holds();
    story.hears("alice", counted(&id, 1)).breaks(Invariant::I24);
    silent.clone().loses("alice", None).holds();
    silent.is_there("alice").breaks(Invariant::I24);
    silent.without(Promise::AskOutcome).holds();
}

#[test]
fn an_answer_comes_where_it_was_asked_for() {
    let mut story = Story::of(["alice", "bob"]);
    let id = story.asks("alice", ask("bob", 1));
    story.hears("bob", refused(&id, Refusal::RateLimited)).breaks(Invariant::I24);
}

#[test]
fn a_tell_has_no_answer() {
    let mut story = Story::of(["alice"]);
    let id = story.asks("alice", tell("nobody", 1));
    story.clone().hears("alice", refused(&id, Refusal::RateLimited)).holds();
    story.hears("alice", refused(&id, Refusal::UnknownRecipient)).breaks(Invariant::I26);
    story.without(Promise::QuietTell).holds();
}

#[test]
fn nobody_is_unknown_who_is_there() {
    let mut story = Story::of(["alice", "bob"]);
    let id = story.asks("alice", ask("bob", 1));
    story.hears("alice", refused(&id, Refusal::UnknownRecipient));
    story.clone().loses("bob", None).holds();
    story.is_there("bob").breaks(Invariant::I25);
}

#[test]
fn of_several_hubs_who_was_heard_lately_is_not_unknown() {
    // Bob hears something so long after what was before, or a little more, and the question comes so long after that.
    let told = |silent: u64, since: u64| {
        let mut story = Story::of(["alice", "bob"]).with_a_lease_of(20);
        let asked = story.waits(silent).asks("bob", Verb::Discover { pattern: "eve".to_owned() });
        story.hears("bob", listed(&asked, &[])).waits(since);
        let id = story.asks("alice", ask("bob", 1));
        story.hears("alice", refused(&id, Refusal::UnknownRecipient)).clone()
    };
    told(3, 0).is_there("bob").breaks(Invariant::I25);
    // Its hub may have stood still before, or stands still.
    told(15, 0).is_there("bob").holds();
    told(3, 10).is_there("bob").holds();
}

#[test]
fn who_left_is_unknown() {
    let mut story = Story::of(["alice", "bob"]);
    story.loses("bob", Some(1000)).waits(10);
    let id = story.asks("alice", ask("bob", 1));
    let answered = story.clone().hears("alice", refused(&id, Refusal::UnknownRecipient)).clone();
    assert_eq!(answered.decides(Invariant::I25), [1, 0]);
    story.hears("alice", counted(&id, 1)).breaks(Invariant::I23);
}

#[test]
fn whoever_has_an_address_may_speak_for_it() {
    let mut story = Story::of(["alice"]);
    let id = story.asks("alice", Verb::Subscribe { topic: "news".to_owned() });
    story.hears("alice", refused(&id, Refusal::Unauthorized)).breaks(Invariant::I25);
}

#[test]
fn nothing_expires_that_lasts() {
    let mut story = Story::of(["alice", "bob"]);
    let id = story.asks("alice", ask("bob", 1));
    story.hears("alice", refused(&id, Refusal::Expired)).breaks(Invariant::I25);
}

#[test]
fn who_is_there_is_listed_and_nobody_else() {
    let mut story = Story::of(["alice", "bob"]);
    let id = story.asks("alice", Verb::Discover { pattern: "*".to_owned() });
    story.clone().hears("alice", listed(&id, &["alice", "bob"])).is_there("bob").holds();
    story.clone().hears("alice", listed(&id, &["alice", "bob", "eve"])).breaks(Invariant::I33);
    story.hears("alice", listed(&id, &["alice"])).is_there("bob").breaks(Invariant::I33);
    story.without(Promise::Discovery).holds();
}

#[test]
fn when_everybody_is_back_no_ask_waits() {
    let mut story = Story::of(["alice", "bob"]);
    story.happens(What::Run(Milestone::Heal));
    let id = story.asks("alice", ask("bob", 1));
    let calm = What::Run(Milestone::Calm);
    let mut answered = story.clone();
    answered.hears("bob", delivered("alice", "bob", 1)).hears("alice", counted(&id, 1));
    answered.waits(10).happens(calm.clone()).holds();
    story.waits(10).happens(calm).breaks(Invariant::L3);
}

#[test]
fn a_shutdown_is_told() {
    let mut story = Story::of(["alice"]);
    let step = Step::<AnyHub> {
        when: When::At(Duration::ZERO),
        what: dst::scenario::What::Hub(HubAction::Shutdown),
    };
    story.happens(What::Step { number: 1, step: Arc::new(step) });
    let shutdown = Report::Told { what: Notice::Shutdown, address: None };
    story.clone().hears("alice", shutdown).loses("alice", Some(1001)).holds();
    story.loses("alice", Some(1001)).breaks(Invariant::L8);
}

#[test]
fn a_new_hub_knows_nothing() {
    let mut story = Story::of(["alice"]);
    story.subscribes("alice", "news");
    story.happens(What::HubStopped { how: Stop::Crashed });
    story.happens(What::HubStarted { restarts: 1 });
    story.loses("alice", None).connects("alice.2").registers("alice.2", "alice", 1).holds();
}

#[test]
fn what_is_not_promised_is_not_judged() {
    let mut story = Story::of(["alice", "bob"]);
    story.promises.keeps.clear();
    story.asks("alice", tell("bob", 1));
    story.hears("bob", delivered("alice", "bob", 1)).hears("bob", delivered("eve", "bob", 1));
    story.hears("alice", told(Notice::Superseded, "alice")).holds();
}

#[test]
fn whoever_keeps_trying_is_there_alone() {
    let waits = false;
    let client = |wants, owns| Agreement { address: "alice".to_owned(), wants, owns, waits };
    let broken =
        |clients: &[Agreement]| check_agreement(clients).err().map(|violation| violation.invariant);
    assert_eq!(broken(&[client(true, true), client(false, false)]), None);
    assert_eq!(broken(&[client(true, false)]), Some(Invariant::L1));
    assert_eq!(broken(&[client(true, true), client(true, true)]), Some(Invariant::L1));
    let waiting = Agreement { waits: true, ..client(true, true) };
    assert_eq!(broken(&[waiting]), Some(Invariant::L3));
}

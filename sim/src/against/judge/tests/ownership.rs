//! I2, I3, I5, I6, I14, I31, I32, L6.

use super::*;

#[test]
fn a_takeover_bears_a_greater_version() {
    let story = Story::of(["alice"]);
    let taken = |version| {
        let mut story = story.clone();
        story.connects("alice.2").takes_over("alice.2", "alice", version);
        story
    };
    assert_eq!(taken(2).decides(Invariant::I2)[0], 1);
    taken(1).breaks(Invariant::I2);
    taken(1).without(Promise::Versions).holds();
}

#[test]
fn a_version_never_goes_back() {
    let mut story = Story::new();
    story.connects("alice").registers("alice", "alice", 5).holds();
    story.registers("alice", "alice", 4).breaks(Invariant::I2);
}

#[test]
fn whoever_gave_an_address_back_may_begin_anew() {
    let mut story = Story::of(["alice"]);
    let verb = Verb::Unregister { address: "alice".to_owned() };
    let id = story.asks("alice", verb);
    story.hears("alice", done(&id)).registers("alice", "alice", 1);
    assert_eq!(story.decides(Invariant::I2)[0], 0);
}

#[test]
fn what_was_away_for_long_may_be_forgotten() {
    let mut story = Story::of(["alice"]);
    story.loses("alice", None).waits(400);
    story.connects("alice.2").registers("alice.2", "alice", 1);
    assert_eq!(story.decides(Invariant::I2), [0, 2]);
}

#[test]
fn a_newcomer_is_not_refused_for_who_is_there() {
    let mut story = Story::of(["alice"]);
    let id = story.connects("alice.2").asks("alice.2", register("alice"));
    story.clone().hears("alice.2", refused(&id, Refusal::RateLimited)).holds();
    story.hears("alice.2", refused(&id, Refusal::Unauthorized)).breaks(Invariant::I3);
}

#[test]
fn a_takeover_is_told() {
    let mut story = Story::of(["alice"]);
    story.connects("alice.2");
    let mut untold = story.clone();
    story.takes_over("alice.2", "alice", 2).is_there("alice");
    assert_eq!(story.decides(Invariant::I5)[1], 0);
    untold.registers("alice.2", "alice", 2).is_there("alice").breaks(Invariant::I5);
    untold.without(Promise::TakeoverTold).holds();
}

#[test]
fn who_was_not_told_and_lost_its_connection_may_have_been() {
    let mut story = Story::of(["alice"]);
    story.connects("alice.2").registers("alice.2", "alice", 2).loses("alice", None);
    assert_eq!(story.decides(Invariant::I5), [0, 1]);
}

#[test]
fn a_takeover_is_told_before_the_close() {
    let mut story = Story::of(["alice"]);
    story
        .connects("alice.2")
        .clone()
        .takes_over("alice.2", "alice", 2)
        .loses("alice", Some(4003))
        .holds();
    story.registers("alice.2", "alice", 2).loses("alice", Some(4003)).breaks(Invariant::I5);
}

#[test]
fn a_takeover_is_told_once() {
    let mut story = Story::of(["alice"]);
    story.connects("alice.2").takes_over("alice.2", "alice", 2).holds();
    story.hears("alice", told(Notice::Superseded, "alice")).breaks(Invariant::I5);
}

#[test]
fn a_notice_may_come_when_its_address_was_asked_for_again() {
    let mut story = Story::of(["alice"]);
    story.connects("alice.2").registers("alice.2", "alice", 2);
    let back = story.asks("alice", register("alice"));
    story.hears("alice", told(Notice::Superseded, "alice"));
    story.hears("alice", owned(&back, "alice", 3, &[])).holds();
}

#[test]
fn nobody_is_told_of_a_takeover_that_is_none() {
    let mut story = Story::of(["alice"]);
    story.hears("alice", told(Notice::Superseded, "alice")).breaks(Invariant::I5);
}

#[test]
fn nothing_comes_to_the_superseded() {
    let mut story = Story::of(["alice", "bob"]);
    story.connects("alice.2").takes_over("alice.2", "alice", 2).asks("bob", tell("alice", 1));
    story.clone().hears("alice.2", delivered("bob", "alice", 1)).holds();
    story.hears("alice", delivered("bob", "alice", 1)).breaks(Invariant::I6);
}

#[test]
fn what_is_said_after_a_takeover_does_not_come_to_the_old_one_though_it_was_not_told() {
    let mut story = Story::of(["alice", "bob"]).without(Promise::TakeoverTold);
    story.asks("bob", tell("alice", 1));
    story.connects("alice.2").registers("alice.2", "alice", 2);
    story.hears("alice", delivered("bob", "alice", 1)).holds();
    story.asks("bob", tell("alice", 2));
    story.hears("alice", delivered("bob", "alice", 2)).breaks(Invariant::I6);
}

#[test]
fn subscriptions_survive_a_takeover() {
    let mut story = Story::of(["alice"]);
    story.subscribes("alice", "news").connects("alice.2");
    let id = story.asks("alice.2", register("alice"));
    let gets = |topics: &[&str]| {
        let mut story = story.clone();
        story.hears("alice.2", owned(&id, "alice", 2, topics));
        story
    };
    assert_eq!(gets(&["news"]).decides(Invariant::I14), [2, 0]);
    gets(&[]).breaks(Invariant::I14);
    gets(&["news", "rain"]).breaks(Invariant::I14);
    gets(&[]).without(Promise::SubscriptionsSurviveTakeover).holds();
}

#[test]
fn subscriptions_that_are_not_listed_survive_all_the_same() {
    let mut story = Story::of(["alice", "bob"]);
    story.subscribes("alice", "news").loses("alice", None).connects("alice.2");
    let operation = story.asks("alice.2", register("alice"));
    let address = "alice".to_owned();
    let (version, resumed) = (Some(2), Some(true));
    story.hears("alice.2", Report::Owned { operation, address, version, resumed, topics: None });
    story.publishes("bob", "news", 1, 1);
    let mut missing = story.clone();
    story.hears("alice.2", published("bob", "alice", "news", 1)).is_there("alice.2").holds();
    missing.is_there("alice.2").breaks(Invariant::I14);
}

#[test]
fn silence_is_as_long_as_it_is_said() {
    let mut story = Story::of(["alice"]);
    story.clone().waits(60).loses("alice", Some(4004)).holds();
    story.waits(40).loses("alice", Some(4004)).breaks(Invariant::I31);
}

#[test]
fn a_registration_lives_as_long_as_it_was_asked_to() {
    let mut story = Story::of(["alice"]);
    story.clone().waits(300).hears("alice", told(Notice::Expired, "alice")).holds();
    story.waits(200).hears("alice", told(Notice::Expired, "alice")).breaks(Invariant::I32);
}

#[test]
fn a_renewal_prolongs_it() {
    let mut story = Story::of(["alice"]);
    story.waits(200);
    let verb = Verb::Renew { address: "alice".to_owned(), token: Default::default() };
    let operation = story.asks("alice", verb);
    let address = "alice".to_owned();
    let renewed = Report::Owned { operation, address, version: None, resumed: None, topics: None };
    story.hears("alice", renewed).waits(200);
    story.hears("alice", told(Notice::Expired, "alice")).breaks(Invariant::I32);
}

#[test]
fn after_the_faults_nobody_takes_an_address_back_and_forth() {
    let mut story = Story::of(["alice"]);
    story.connects("alice.2").happens(What::Run(Milestone::Heal));
    story.takes_over("alice.2", "alice", 2).holds();
    for version in [3, 5] {
        let id = story.asks("alice", register("alice"));
        story.hears("alice.2", told(Notice::Superseded, "alice"));
        story.hears("alice", owned(&id, "alice", version, &[]));
        story.takes_over("alice.2", "alice", version + 1);
    }
    story.breaks(Invariant::L6);
}

#[test]
fn what_a_bound_would_refuse_may_be_carried_out_elsewhere() {
    let write = |about: usize| {
        let about = "x".repeat(about);
        format!(
            r#"{{"id":"1","from":"@(alice)","to":"@(hub)","pattern":"ask","timestamp":1,"type":"hub:register","payload":{{"actorAddress":"@(alice)","capabilities":["chat"],"metadata":{{"about":"{about}"}}}}}}"#
        )
    };
    assert!(is_request(&write(1)));
    assert!(is_request(&write(20_000)));
    assert!(!is_request("{}"));
}

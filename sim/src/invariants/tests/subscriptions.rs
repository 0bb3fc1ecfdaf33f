//! I13 to I15.

use std::time::Duration;

use signal_hub::protocol::Topic;

use super::super::Invariant;
use super::{Story, register, subscribe, unsubscribe};

fn subscribed() -> Story {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", subscribe("news"));
    story
}

#[test]
fn a_topic_has_whoever_has_the_topic() {
    let mut story = subscribed();
    story.holds();
    story.last().touched.topics.values_mut().for_each(|row| *row = None);
    story.breaks(Invariant::I13);
}

#[test]
fn an_address_has_whatever_topic_has_it() {
    let mut story = subscribed();
    story.last().row("alice").topics.clear();
    story.breaks(Invariant::I13);
}

#[test]
fn nobody_unknown_has_topics() {
    let mut story = subscribed();
    story.closes(1);
    story.ticks_after(story.scenario.hub.resume_window);
    story.holds();
    let kept = {
        let mut story = subscribed();
        story.last().row("alice").clone()
    };
    let row = super::AddressRow { registration: None, deadline: None, ..kept };
    *story.last().row_or_none("alice") = Some(row);
    story.breaks(Invariant::I13);
}

#[test]
fn topics_survive_a_takeover() {
    let mut story = subscribed();
    story.connected(2, "alice");
    story.asks(2, "alice", register("alice"));
    story.holds();
    story.last().row("alice").topics.clear();
    story.breaks(Invariant::I14);
}

#[test]
fn topics_survive_a_resume() {
    let mut story = subscribed();
    story.closes(1);
    story.connected(2, "alice");
    story.asks(2, "alice", register("alice"));
    story.holds();
    story.last().row("alice").topics.clear();
    story.breaks(Invariant::I14);
}

/// A deadline that is due comes before the input: the address is forgotten, then registered anew.
#[test]
fn without_a_resume_window_silence_ends_topics_in_the_input_of_the_next_owner() {
    let mut story = Story::with(|config| config.resume_window = Duration::ZERO);
    story.all_registered(["alice"]);
    story.asks(1, "alice", subscribe("news"));
    let idle_timeout = story.scenario.hub.idle_timeout;
    story.passes(idle_timeout / 2);
    story.connected(2, "alice");
    story.passes(idle_timeout / 2);
    story.asks(2, "alice", register("alice"));
    story.holds();
    story.last().row("alice").topics.insert(Topic::parse("weather").unwrap());
    story.breaks(Invariant::I14);
}

#[test]
fn an_unsubscribe_ends_one_topic() {
    let mut story = subscribed();
    story.asks(1, "alice", subscribe("weather"));
    story.asks(1, "alice", unsubscribe("news"));
    story.holds();
    story.last().row("alice").topics.clear();
    story.breaks(Invariant::I15);
}

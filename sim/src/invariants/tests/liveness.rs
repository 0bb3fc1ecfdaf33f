//! L1 to L8.

use std::sync::Arc;
use std::time::Duration;

use signal_hub::hub::{Input, Output, Sizes};
use signal_hub::protocol::{ClientFrame, MessageId, Pattern};

use super::super::{
    Agreement, Invariant, Judge, Time, Violation, check_agreement, check_rest_in_time,
    probe_unanswered,
};
use super::{Story, at, register, request, send};
use crate::history::{ClientEvent, Milestone, Stop, What};

fn broken(verdict: Result<(), Violation>) -> Option<Invariant> {
    verdict.err().map(|violation| violation.invariant)
}

/// What the hub and one client, who believes this, agree on.
fn agreed(story: &mut Story, registered: bool) -> Result<(), Violation> {
    let session = Some(story.last().session(1).id);
    let client = Agreement { session, wanted: Some(at("alice")), registered, outlasts: None };
    let mut judge = Judge::new(&story.scenario.hub);
    story.events.iter().try_for_each(|event| judge.observe(event))?;
    check_agreement(judge.shadow(), &[client])
}

#[test]
fn the_hub_and_a_client_agree_on_who_is_registered() {
    let mut story = Story::of(["alice"]);
    assert_eq!(agreed(&mut story, true), Ok(()));
    assert_eq!(broken(agreed(&mut story, false)), Some(Invariant::L1));
}

#[test]
fn a_session_that_no_client_believes_in_is_half_open() {
    let mut story = Story::of(["bob"]);
    let mut judge = Judge::new(&story.scenario.hub);
    story.events.iter().try_for_each(|event| judge.observe(event)).unwrap();
    assert_eq!(broken(check_agreement(judge.shadow(), &[])), Some(Invariant::L2));
    story.closes(1);
    story.events.last().map(|event| judge.observe(event)).unwrap().unwrap();
    assert_eq!(check_agreement(judge.shadow(), &[]), Ok(()));
}

#[test]
fn every_ask_is_answered_when_it_is_calm() {
    let asks = |answered: bool| {
        let mut story = Story::of(["alice"]);
        story.at_client(ClientEvent::Opened { connection: 1 });
        let id = MessageId::parse("m-1000").unwrap();
        let ask = request(story.now(), id, "alice", Pattern::Ask, send("nobody"));
        let frame = ClientFrame::Request(Arc::new(ask.clone()));
        story.at_client(ClientEvent::Sent(frame));
        story.sends(1, ask);
        if answered {
            let answer = story.last().sent_to(1)[0].clone();
            story.receives(&answer);
        }
        story.passes(Duration::from_secs(6));
        story.reaches(Milestone::Calm);
        story
    };
    asks(true).holds();
    asks(false).breaks(Invariant::L3);
}

#[test]
fn a_probe_that_does_not_arrive_is_told() {
    let within = Duration::from_secs(1);
    let late = Violation::new(Invariant::L4, "the probe alice to bob did not arrive in 1s");
    assert_eq!(probe_unanswered("alice to bob", within), late);
}

#[test]
fn what_goes_too_late_is_no_leak() {
    let nothing = Sizes::default();
    let something = Sizes { sessions: 1, ..nothing };
    assert_eq!(check_rest_in_time(nothing, nothing), Ok(()));
    assert_eq!(broken(check_rest_in_time(something, nothing)), Some(Invariant::L5));
    assert_eq!(broken(check_rest_in_time(something, something)), Some(Invariant::I34));
}

#[test]
fn two_sessions_do_not_take_an_address_back_and_forth() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", register("phone"));
    story.reaches(Milestone::Heal);
    story.asks(2, "bob", register("phone"));
    story.asks(1, "alice", register("phone"));
    story.holds();
    story.asks(2, "bob", register("phone"));
    story.breaks(Invariant::L6);
}

#[test]
fn a_copy_to_whom_nothing_troubles_comes_in_time() {
    let arrives_after = |delay: Duration| {
        let mut story = Story::of(["alice", "bob"]);
        story.asks(2, "bob", send("alice"));
        let copy = story.last().sent_to(1)[0].clone();
        story.passes(delay);
        story.receives(&copy);
        story
    };
    arrives_after(Duration::from_millis(500)).holds();
    let late = arrives_after(Duration::from_secs(2));
    late.breaks(Invariant::L7);
    assert_eq!(late.judged(Time::Real), Ok(()), "where time is real, nothing is said of it");
}

#[test]
fn a_shutdown_ends_within_its_deadline() {
    let ends_after = |time: Duration| {
        let mut story = Story::of(["alice"]);
        story.happens(Input::Shutdown);
        story.passes(time);
        story.records(What::HubStopped { how: Stop::InOrder });
        story
    };
    ends_after(Duration::from_secs(5)).holds();
    ends_after(Duration::from_secs(16)).breaks(Invariant::L8);
}

#[test]
fn a_shutdown_closes_everybody() {
    let mut story = Story::new();
    story.connected(1, "alice");
    story.happens(Input::Shutdown);
    story.holds();
    story.last().without(|output| matches!(output, Output::Close(..)));
    story.breaks(Invariant::L8);
}

#[test]
fn a_shutdown_lets_nobody_in() {
    let mut story = Story::new();
    story.happens(Input::Shutdown);
    story.opens(1);
    story.holds();
    story.last().without(|output| matches!(output, Output::Close(..)));
    story.breaks(Invariant::L8);
}

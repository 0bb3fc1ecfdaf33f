//! I56 to I58, and what I7, I10, I12, I15, I24 and I25 say of who may do what and what is told.

use std::time::Duration;

use signal_hub::hub::{Input, Output, Queued, Record, SessionKey};
use signal_hub::protocol::{
    ErrorCode, Heartbeat, Json, Malformed, Refusal, RenewalToken, Reply, Subscription,
    SubscriptionId, Unsubscribe, Verb,
};

use super::super::Invariant;
use super::{Story, at, connect, is_notice, register, renew, send, subscribe, unregister};

#[test]
fn what_names_another_sender_is_not_carried_out() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", send("bob"));
    story.holds();
    story.last().request().from = at("bob");
    story.breaks(Invariant::I56);
}

#[test]
fn the_named_one_of_several_addresses_acts() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", register("phone"));
    story.asks(1, "phone", send("bob"));
    story.holds();
    story.last().request().from = at("alice");
    story.breaks(Invariant::I56);
}

#[test]
fn the_earliest_address_acts_for_a_name_that_nobody_has() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", register("phone"));
    story.asks(1, "nobody", subscribe("news"));
    story.holds();
    story.last().request().from = at("phone");
    story.breaks(Invariant::I56);
}

#[test]
fn an_expiry_is_told_as_it_is_set() {
    for verb in [register("alice"), renew(None)] {
        let mut story = Story::of(["alice"]);
        story.asks(1, "alice", verb);
        story.holds();
        let told = match story.last().reply() {
            Reply::Registered(told) => &mut told.expires_at,
            Reply::Renewed(told) => &mut told.expires_at,
            other => panic!("{other:?}"),
        };
        *told = *told + Duration::from_millis(1);
        story.breaks(Invariant::I57);
    }
}

#[test]
fn a_first_registration_resumes_nothing() {
    let mut story = Story::of(["alice"]);
    story.holds();
    let Reply::Registered(told) = story.last().reply() else { panic!("it is registered") };
    told.resumed = true;
    story.breaks(Invariant::I57);
}

#[test]
fn what_is_given_back_is_forgotten() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", unregister());
    story.holds();
    let Reply::Unregistered(told) = story.last().reply() else { panic!("it is unregistered") };
    told.actor_address = at("bob");
    story.breaks(Invariant::I57);
}

#[test]
fn a_heartbeats_time_comes_back() {
    let mut story = Story::of(["alice"]);
    let timestamp = Json::from(serde_json::json!(17));
    story.tells(1, "alice", Verb::Heartbeat(Heartbeat { timestamp }));
    story.holds();
    let Reply::HeartbeatAck(told) = story.last().reply() else { panic!("it is answered") };
    told.timestamp = Json::from(serde_json::json!(18));
    story.breaks(Invariant::I57);
}

#[test]
fn a_trace_id_comes_back() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", Verb::QueueStats);
    story.holds();
    story.last().request().metadata = Json::from(serde_json::json!({ "traceId": "t-1" }));
    story.breaks(Invariant::I57);
}

#[test]
fn a_subscription_keeps_its_id() {
    let mut story = Story::of(["alice"]);
    for _ in 0..2 {
        story.asks(1, "alice", subscribe("news"));
    }
    story.holds();
    let Reply::Subscribed(told) = story.last().reply() else { panic!("it is subscribed") };
    told.subscription_id = SubscriptionId::parse(&format!("sub-{INVENTED}")).unwrap();
    story.breaks(Invariant::I57);
}

const INVENTED: &str = "01234567-89ab-4def-8123-456789abcdef";

#[test]
fn an_id_ends_the_subscription_that_it_names() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", subscribe("news"));
    let Reply::Subscribed(told) = story.last().reply() else { panic!("it is subscribed") };
    let subscription = Subscription::Id(told.subscription_id);
    story.asks(1, "alice", subscribe("chess"));
    story.asks(1, "alice", Verb::Unsubscribe(Unsubscribe { subscription }));
    story.holds();
    let other = Subscription::Id(SubscriptionId::parse(&format!("sub-{INVENTED}")).unwrap());
    story.last().request().verb = Ok(Verb::Unsubscribe(Unsubscribe { subscription: other }));
    story.breaks(Invariant::I15);
}

/// Alice is told to pause, because Bob reads nothing.
fn paused() -> Story {
    let mut story =
        Story::with(|config| (config.pause_threshold, config.resume_threshold) = (2, 1));
    story.all_registered(["alice", "bob"]);
    story.drains(2, 2);
    for _ in 0..3 {
        story.tells(1, "alice", send("bob"));
    }
    story
}

#[test]
fn whoever_pauses_is_told_once() {
    let mut story = paused();
    let pause = story.last().outputs.clone();
    story.tells(1, "alice", send("bob"));
    story.holds();
    story.last().outputs.extend(
        pause
            .into_iter()
            .filter(|output| matches!(output, Output::Audit(Record::SenderPaused { .. }))),
    );
    story.breaks(Invariant::I58);
}

/// What the hub would have done had it not told Alice to go on.
fn without_the_resume(mut story: Story, queued: Queued) -> Story {
    story.last().without(|output| {
        matches!(output, Output::Audit(Record::SenderResumed { .. })) || is_notice(output)
    });
    story.last().session(1).queued = queued;
    story
}

#[test]
fn whoever_pauses_is_told_to_go_on_when_the_queue_is_short() {
    let mut story = paused();
    let queued = story.last().session(1).queued;
    story.drains(2, 3);
    story.holds();
    without_the_resume(story, queued).breaks(Invariant::I58);
}

#[test]
fn whoever_pauses_for_one_that_ends_is_told_to_go_on() {
    let mut story = paused();
    let queued = story.last().session(1).queued;
    story.closes(2);
    story.holds();
    without_the_resume(story, queued).breaks(Invariant::I58);
}

#[test]
fn nobody_is_told_to_go_on_who_does_not_pause() {
    let mut story = Story::of(["alice"]);
    story.holds();
    let session = SessionKey(1);
    story.last().outputs.push(Output::Audit(Record::SenderResumed { session }));
    story.breaks(Invariant::I58);
}

#[test]
fn what_is_no_envelope_gets_one_error() {
    let mut story = Story::of(["alice"]);
    let refusal = Refusal::new(ErrorCode::InternalError, "no envelope", "Send one.");
    let malformed = Malformed::Frame { id: None, refusal: Box::new(refusal) };
    story.happens(Input::Frame(SessionKey(1), Err(malformed)));
    story.holds();
    story.last().without(|output| matches!(output, Output::Send(..)));
    story.breaks(Invariant::I24);
}

#[test]
fn a_heartbeat_by_tell_is_answered() {
    let mut story = Story::of(["alice"]);
    story.tells(1, "alice", Verb::Heartbeat(Heartbeat { timestamp: Json::NULL }));
    story.holds();
    story.last().without(|output| matches!(output, Output::Send(..)));
    story.breaks(Invariant::I24);
}

#[test]
fn nothing_is_carried_out_before_hub_connect() {
    let mut story = Story::new();
    story.opens(1);
    story.asks(1, "alice", register("alice"));
    story.holds();
    story.last().without(|output| matches!(output, Output::Audit(Record::RequestRefused { .. })));
    story.breaks(Invariant::I12);
}

#[test]
fn a_refused_hub_connect_ends_the_session() {
    let mut story = Story::new();
    story.opens(1);
    let before = story.last().session(1).clone();
    let Verb::Connect(mut connect) = connect() else { panic!("it connects") };
    connect.protocol_version = "9.0.0".to_owned();
    story.asks(1, "alice", Verb::Connect(connect));
    story.holds();
    *story.last().session(1) = before;
    let ends = |output: &Output| {
        matches!(output, Output::Linger(..) | Output::Audit(Record::SessionClosed { .. }))
    };
    story.last().without(ends);
    story.breaks(Invariant::I12);
}

#[test]
fn another_version_is_refused() {
    let mut story = Story::new();
    story.connected(1, "alice");
    story.holds();
    let Ok(Verb::Connect(connect)) = &mut story.last().request().verb else {
        panic!("it connects")
    };
    connect.protocol_version = "9.0.0".to_owned();
    story.breaks(Invariant::I25);
}

#[test]
fn the_current_token_works_for_whoever_shows_it() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", renew(None));
    let Reply::Renewed(told) = story.last().reply() else { panic!("it is renewed") };
    let token = told.renewal_token;
    story.asks(2, "bob", renew(Some(RenewalToken::parse(INVENTED).unwrap())));
    story.holds();
    story.last().request().verb = Ok(renew(Some(token)));
    story.breaks(Invariant::I10);
}

#[test]
fn nobody_is_registered_as_the_hub() {
    let mut story = Story::of(["alice"]);
    story.holds();
    story.scenario.hub.hub_address = at("alice");
    story.breaks(Invariant::I7);
}

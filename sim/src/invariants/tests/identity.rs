//! I1 to I7, I9 to I12.

use std::sync::Arc;

use signal_hub::hub::{Output, Phase, Record, SessionKey};
use signal_hub::protocol::{
    ActorAddress, Body, CloseReason, Notice, Outgoing, Reply, UnregisterReason, UnregisteredNotice,
    Verb,
};

use super::super::Invariant;
use super::{
    Story, at, is_notice, publish, register, register_as_hub, renew, send, subscribe, unregister,
};

/// Alice's second session takes her address over.
fn takeover() -> Story {
    let mut story = Story::of(["alice"]);
    story.connected(2, "alice");
    story.asks(2, "alice", register("alice"));
    story
}

#[test]
fn an_owner_lists_its_address() {
    let mut story = Story::of(["alice"]);
    story.holds();
    story.last().session(1).addresses = Arc::default();
    story.breaks(Invariant::I1);
}

#[test]
fn a_second_registration_leaves_the_first_address_listed() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", register("phone"));
    story.holds();
    Arc::make_mut(&mut story.last().session(1).addresses).remove(0);
    story.breaks(Invariant::I1);
}

#[test]
fn a_registration_bears_a_greater_version() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", register("alice"));
    story.holds();
    story.last().row("alice").registration.as_mut().unwrap().version = 1;
    story.breaks(Invariant::I2);
}

#[test]
fn a_version_is_told_as_it_is() {
    let mut story = Story::of(["alice"]);
    let Reply::Registered(told) = story.last().reply() else { panic!("it is registered") };
    told.version = 7;
    story.breaks(Invariant::I2);
}

#[test]
fn a_newcomer_is_not_refused_for_who_is_there() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(2, "bob", register_as_hub());
    story.holds();
    let Ok(Verb::Register(asked)) = &mut story.last().request().verb else { panic!() };
    asked.actor_address = at("alice");
    story.breaks(Invariant::I3);
}

#[test]
fn the_late_close_of_a_superseded_session_leaves_the_new_owner_alone() {
    let mut story = takeover();
    story.closes(1);
    story.holds();
    story.touches_again(1);
    let until = story.now() + story.scenario.hub.resume_window;
    let row = story.last().row("alice");
    (row.registration.as_mut().unwrap().owner, row.deadline) = (None, Some(until));
    row.registration.as_mut().unwrap().until = until;
    story.breaks(Invariant::I4);
}

#[test]
fn a_takeover_is_told() {
    let mut story = takeover();
    story.holds();
    story.last().without(is_notice);
    story.breaks(Invariant::I5);
}

#[test]
fn a_takeover_is_told_once() {
    let mut story = takeover();
    let notice = story.last().outputs.iter().position(is_notice).unwrap();
    let again = story.last().outputs[notice].clone();
    story.last().outputs.insert(notice, again);
    story.breaks(Invariant::I5);
}

#[test]
fn a_takeover_is_told_before_the_close() {
    let mut story = takeover();
    let is_close = |output: &Output| matches!(output, Output::Close(..));
    let close = story.last().outputs.iter().position(is_close).unwrap();
    let notice = story.last().outputs.iter().position(is_notice).unwrap();
    story.last().outputs.swap(notice, close);
    story.breaks(Invariant::I5);
}

#[test]
fn nobody_is_told_of_a_takeover_that_did_not_happen() {
    let mut story = Story::of(["alice"]);
    let reason = UnregisterReason::DuplicateConnection;
    let notice = Notice::Unregistered(UnregisteredNotice { actor_address: at("alice"), reason });
    let outgoing = Outgoing { body: Body::Notice(notice), ..story.last().sent_to(1)[0].clone() };
    story.last().outputs.push(Output::Send(SessionKey(1), outgoing));
    story.breaks(Invariant::I5);
}

#[test]
fn a_copy_goes_to_the_owner_alone() {
    let mut story = Story::of(["alice", "bob", "carol"]);
    story.asks(2, "bob", send("alice"));
    story.holds();
    for output in &mut story.last().outputs {
        if let Output::Send(key, Outgoing { body: Body::Delivery(_), .. }) = output {
            *key = SessionKey(3);
        }
    }
    story.breaks(Invariant::I6);
}

#[test]
fn no_session_id_is_subscribed() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", subscribe("news"));
    story.holds();
    let session = ActorAddress::from_path(&story.last().session(1).id.to_string()).unwrap();
    for row in story.last().touched.topics.values_mut().flatten() {
        row.subscribers.insert(session.clone());
    }
    story.breaks(Invariant::I7);
}

#[test]
fn nothing_is_published_before_the_first_registration() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", publish("news"));
    story.holds();
    let published = story.last().clone();
    let mut story = Story::new();
    story.connected(1, "alice");
    story.asks(1, "alice", publish("news"));
    story.holds();
    story.last().outputs = published.outputs;
    story.breaks(Invariant::I7);
}

#[test]
fn a_closed_session_is_sent_nothing() {
    let mut story = takeover();
    let word = story.last().sent_to(2)[0].clone();
    story.asks(1, "alice", send("alice"));
    story.holds();
    story.last().outputs.push(Output::Send(SessionKey(1), word));
    story.breaks(Invariant::I9);
}

#[test]
fn a_closed_session_comes_to_own_nothing() {
    let mut story = takeover();
    story.asks(1, "alice", register("alice"));
    story.holds();
    story.touches_again(1);
    story.last().row("alice").registration.as_mut().unwrap().owner = Some(SessionKey(1));
    story.breaks(Invariant::I9);
}

#[test]
fn a_renewal_token_works_once_and_the_first_one_again_for_its_owner() {
    let mut story = Story::of(["alice"]);
    let Reply::Registered(told) = story.last().reply().clone() else { panic!() };
    story.asks(1, "alice", renew(Some(told.renewal_token)));
    let Reply::Renewed(renewed) = story.last().reply().clone() else { panic!() };
    story.asks(1, "alice", renew(Some(renewed.renewal_token)));
    story.asks(1, "alice", renew(Some(told.renewal_token)));
    story.holds();
    let Ok(Verb::Renew(asked)) = &mut story.last().request().verb else { panic!() };
    asked.renewal_token = Some(renewed.renewal_token);
    story.breaks(Invariant::I10);
}

#[test]
fn nobody_unregisters_what_is_anothers() {
    let mut story = Story::of(["bob", "alice"]);
    story.asks(1, "bob", unregister());
    story.holds();
    story.touches_again(1);
    *story.last().row_or_none("alice") = None;
    story.breaks(Invariant::I10);
}

#[test]
fn a_refused_request_changes_no_row() {
    let mut story = Story::of(["bob", "alice"]);
    story.asks(1, "bob", register_as_hub());
    story.holds();
    story.touches_again(1);
    *story.last().row_or_none("alice") = None;
    story.breaks(Invariant::I11);
}

#[test]
fn a_refused_request_ends_no_session() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", register_as_hub());
    story.last().session(1).phase = Phase::Connecting;
    story.breaks(Invariant::I11);
}

#[test]
fn a_session_never_goes_back() {
    let mut story = Story::of(["alice"]);
    story.holds();
    story.last().session(1).phase = Phase::Connecting;
    story.breaks(Invariant::I12);
}

#[test]
fn a_session_ends_once() {
    let mut story = Story::of(["alice"]);
    story.closes(1);
    story.holds();
    let is_end = |output: &&Output| matches!(output, Output::Audit(Record::SessionClosed { .. }));
    let end = story.last().outputs.iter().find(is_end).unwrap().clone();
    story.last().outputs.push(end);
    story.breaks(Invariant::I12);
}

#[test]
fn a_session_is_closed_once() {
    let mut story = takeover();
    story.asks(1, "alice", send("alice"));
    story.last().outputs.push(Output::Close(SessionKey(1), CloseReason::ClientDisconnect));
    story.breaks(Invariant::I12);
}

//! Losing the connection: when to come back, when not, and taking leave.

use super::*;

#[test]
fn pauses_double_up_to_the_bound_and_jitter_takes_up_to_half() {
    let mut talk = Conversation::new(alice());
    talk.input(Input::Start);
    for most in [1, 2, 4, 8, 16, 30, 30, 30] {
        talk.outputs();
        talk.lose();
        let pause = talk.pause().unwrap();
        assert!(pause >= seconds(most) / 2 && pause <= seconds(most), "{pause:?} of {most} s");
        talk.pass(pause);
        assert_eq!(talk.outputs(), [Output::Connect]);
    }
}

#[test]
fn a_session_that_lasted_makes_the_next_pause_the_first_again() {
    for (lasted, most) in [(seconds(9), 8), (seconds(10), 1)] {
        let mut talk = Conversation::new(alice());
        talk.input(Input::Start);
        for _ in 0..3 {
            talk.lose();
            let pause = talk.pause().unwrap();
            talk.pass(pause);
        }
        talk.greet();
        let [register] = talk.requests().try_into().unwrap();
        talk.confirm_registration(&register, 1, &[]);
        talk.pass(lasted);
        talk.outputs();
        talk.lose();
        let pause = talk.pause().unwrap();
        assert!(pause >= seconds(most) / 2 && pause <= seconds(most), "{pause:?} of {most} s");
    }
}

#[test]
fn some_close_codes_end_the_client_and_others_do_not() {
    for (code, ending) in [
        (1000, None),
        (1001, None),
        (1008, Some(Ending::TooManyMalformed)),
        (1009, None),
        (1011, None),
        (1013, None),
        (4001, Some(Ending::Unauthorized)),
        (4002, Some(Ending::VersionMismatch)),
        (4003, Some(Ending::DuplicateConnection)),
        (4004, None),
        (4005, None),
    ] {
        let mut talk = Conversation::registered(alice());
        talk.lose_by_close(code);
        assert_eq!(talk.client.ending(), ending, "{code}");
        talk.outputs();
        talk.pass(seconds(60));
        assert_eq!(talk.outputs().contains(&Output::Connect), ending.is_none(), "{code}");
    }
}

#[test]
fn a_takeover_ends_the_client_even_if_the_close_frame_is_lost() {
    let mut talk = Conversation::registered(alice());
    let (reason, message) = (DisconnectNotice::DUPLICATE_CONNECTION.to_owned(), String::new());
    talk.notice(Notice::Disconnect(DisconnectNotice { reason, message }));
    talk.outputs();
    talk.lose();
    let (why, retry_in) = (DisconnectReason::Broken("test".to_owned()), None);
    assert_eq!(
        talk.outputs(),
        [
            Output::Event(Event::Disconnected { session: session(), why, retry_in }),
            Output::Event(Event::Ended { why: Ending::DuplicateConnection }),
        ]
    );
}

#[test]
fn an_announced_shutdown_does_not_end_the_client() {
    let mut talk = Conversation::registered(alice());
    let (reason, message) = (DisconnectNotice::SERVER_SHUTDOWN.to_owned(), String::new());
    talk.notice(Notice::Disconnect(DisconnectNotice { reason, message }));
    talk.lose_by_close(1001);
    assert_eq!(talk.client.ending(), None);
}

#[test]
fn a_disconnect_is_acknowledged_and_closed_by_the_hub() {
    let mut talk = Conversation::registered(alice());
    let id = talk.command(Command::Disconnect { reason: None });
    let [request] = talk.requests().try_into().unwrap();
    assert_eq!(request.type_name, "hub:disconnect");
    let late = talk.ask(say("late"));
    assert_eq!(talk.outputs(), [Output::Resolve(late, Err(ClientError::Ended))]);

    talk.reply(&request, Reply::Disconnected(Disconnected { acknowledged: true }));
    let acknowledged = Outcome::Disconnected { acknowledged: true };
    assert_eq!(talk.outputs(), [Output::Resolve(id, Ok(acknowledged))]);

    talk.lose_by_close(1000);
    assert_eq!(talk.client.ending(), Some(Ending::Requested));
    assert_eq!(talk.client.next_deadline(), None);
}

/// The hub had not read the goodbye yet when it registered the address.
#[test]
fn after_its_goodbye_a_client_writes_nothing_more() {
    let mut talk = Conversation::greeted(alice_subscribed_to(&["news"]));
    let tell = RequestCommand::new(Pattern::Tell, say("hello"));
    let waiting = talk.command(Command::Request(Box::new(tell)));
    talk.command(Command::Disconnect { reason: None });
    let [register, _] = talk.requests().try_into().unwrap();
    talk.outputs();
    talk.confirm_registration(&register, 1, &[]);
    assert_eq!(talk.outputs(), []);
    talk.lose_by_close(1000);
    assert!(talk.outputs().contains(&Output::Resolve(waiting, Err(ClientError::Ended))));
}

#[test]
fn a_disconnect_that_the_hub_ignores_ends_in_time() {
    let mut talk = Conversation::registered(alice());
    let id = talk.command(Command::Disconnect { reason: None });
    talk.outputs();
    talk.pass(seconds(5));
    let outputs = talk.outputs();
    let unacknowledged = Outcome::Disconnected { acknowledged: false };
    assert!(outputs.contains(&Output::CloseTransport));
    assert!(outputs.contains(&Output::Resolve(id, Ok(unacknowledged))));
    assert_eq!(outputs.last(), Some(&Output::Event(Event::Ended { why: Ending::Requested })));
}

#[test]
fn a_disconnect_between_two_attempts_ends_at_once() {
    let mut talk = Conversation::registered(alice());
    talk.lose();
    let waiting = talk.ask(say("hi"));
    talk.outputs();
    let id = talk.command(Command::Disconnect { reason: None });
    assert_eq!(
        talk.outputs(),
        [
            Output::Resolve(id, Ok(Outcome::Disconnected { acknowledged: false })),
            Output::Resolve(waiting, Err(ClientError::Ended)),
            Output::Event(Event::Ended { why: Ending::Requested }),
        ]
    );
}

#[test]
fn a_client_that_is_stopped_closes_and_ends_everything_under_way() {
    let mut talk = Conversation::registered(alice());
    let id = talk.ask(say("hi"));
    talk.outputs();
    talk.input(Input::Stop);
    assert_eq!(
        talk.outputs(),
        [
            Output::CloseTransport,
            Output::Resolve(id, Err(ClientError::Ended)),
            Output::Event(Event::Ended { why: Ending::Stopped }),
        ]
    );
    let late = talk.ask(say("late"));
    assert_eq!(talk.outputs(), [Output::Resolve(late, Err(ClientError::Ended))]);
}

#[test]
fn what_is_due_at_the_moment_of_a_loss_is_not_sent_any_more() {
    let mut talk = Conversation::registered(alice());
    talk.now = talk.now + HEARTBEAT_INTERVAL;
    talk.input(Input::Lost(DisconnectReason::Broken("reset".to_owned())));
    assert!(matches!(
        talk.outputs()[..],
        [Output::Event(Event::Disconnected {
            why: DisconnectReason::Broken(_),
            retry_in: Some(_),
            ..
        })]
    ));
}

#[test]
fn a_pause_ends_with_its_session() {
    let mut talk = Conversation::registered(alice());
    talk.lose();
    assert!(!talk.outputs().contains(&Output::Event(Event::Resumed)), "nobody was paused");
    let mut talk = Conversation::registered(alice());
    let (reason, actor_address) = ("slow_consumer".to_owned(), "@(bob)".parse().unwrap());
    talk.notice(Notice::Pause(PauseNotice { reason, actor_address, queue_depth: 800 }));
    talk.outputs();
    talk.lose();
    let said = talk.outputs();
    assert!(matches!(said[..], [.., Output::Event(Event::Resumed)]), "{said:?}");
}

#[test]
fn a_connect_that_is_too_large_ends_the_client() {
    let mut talk = Conversation::new(alice());
    talk.input(Input::Start);
    talk.input(Input::Opened);
    talk.lose_by_close(1009);
    assert_eq!(talk.client.ending(), Some(Ending::ConnectTooLarge));
}

//! From the first attempt to a registered address, and what keeps a session alive.

use super::*;

#[test]
fn a_client_connects_then_greets_then_registers() {
    let mut talk = Conversation::new(alice());
    talk.input(Input::Start);
    assert_eq!(talk.outputs(), [Output::Connect]);

    talk.input(Input::Opened);
    let [connect] = talk.requests().try_into().unwrap();
    assert_eq!((connect.pattern, connect.type_name.as_ref()), (Pattern::Ask, "hub:connect"));

    talk.reply(&connect, Reply::Connected(connected()));
    let [register] = talk.requests().try_into().unwrap();
    assert_eq!(register.type_name, "hub:register");
    assert_eq!(
        talk.outputs(),
        [Output::Event(Event::Connected { session: session(), identity: None })]
    );

    talk.confirm_registration(&register, 1, &[]);
    assert_eq!(
        talk.outputs(),
        [Output::Event(Event::Registered {
            address: address("alice"),
            version: 1,
            resumed: false,
            subscriptions: Vec::new(),
            expires_at: talk.now + seconds(300),
            renewal_token: token(1),
        })]
    );
}

#[test]
fn every_address_is_registered_in_order() {
    let actors = ["b", "a"].map(|path| ActorConfig::new(address(path)));
    let mut talk = Conversation::greeted(config(actors.into()));
    let from: Vec<_> = talk.requests().into_iter().map(|request| request.from).collect();
    assert_eq!(from, [address("b"), address("a")]);
}

#[test]
fn a_transport_that_does_not_open_is_given_up() {
    let mut talk = Conversation::new(alice());
    talk.input(Input::Start);
    talk.outputs();
    talk.pass(seconds(10));
    let outputs = talk.outputs();
    assert_eq!(outputs[0], Output::CloseTransport);
    assert!(matches!(
        outputs[1..],
        [Output::Event(Event::ConnectFailed {
            why: DisconnectReason::NoAnswer,
            retry_in: Some(_)
        })]
    ));
}

#[test]
fn a_hub_that_does_not_greet_is_given_up() {
    let mut talk = Conversation::new(alice());
    talk.input(Input::Start);
    talk.input(Input::Opened);
    talk.outputs();
    talk.pass(seconds(10));
    let outputs = talk.outputs();
    assert_eq!(outputs[0], Output::CloseTransport);
    assert!(matches!(
        outputs[1..],
        [Output::Event(Event::ConnectFailed {
            why: DisconnectReason::NoAnswer,
            retry_in: Some(_)
        })]
    ));
}

#[test]
fn a_registration_without_an_answer_is_asked_for_again() {
    let mut talk = Conversation::greeted(alice());
    talk.outputs();
    talk.pass(seconds(10));
    let [register] = talk.requests().try_into().unwrap();
    assert_eq!(register.type_name, "hub:register");
}

#[test]
fn a_refused_connect_ends_the_client_only_if_it_would_be_refused_again() {
    for (code, ending) in [
        (ErrorCode::VersionMismatch, Some(Ending::VersionMismatch)),
        (ErrorCode::Unauthorized, Some(Ending::Unauthorized)),
        (ErrorCode::InternalError, Some(Ending::TooManyMalformed)),
        (ErrorCode::RateLimited, None),
        (ErrorCode::Other, None),
    ] {
        let mut talk = Conversation::new(alice());
        talk.input(Input::Start);
        talk.input(Input::Opened);
        let [connect] = talk.requests().try_into().unwrap();
        talk.outputs();
        talk.reply(&connect, Reply::Error(refusal(code)));
        assert_eq!(talk.outputs()[0], Output::CloseTransport);
        assert_eq!(talk.client.ending(), ending, "{code:?}");
    }
}

#[test]
fn heartbeats_go_out_at_the_interval_that_the_hub_told() {
    let mut talk = Conversation::registered(alice());
    talk.pass(HEARTBEAT_INTERVAL - Duration::from_millis(1));
    assert_eq!(talk.outputs(), []);
    talk.pass(Duration::from_millis(1));
    let [heartbeat] = talk.requests().try_into().unwrap();
    assert_eq!((heartbeat.pattern, heartbeat.type_name.as_ref()), (Pattern::Ask, "hub:heartbeat"));
}

#[test]
fn the_bytes_of_a_frame_are_a_sign_of_life_unless_they_come_too_slowly() {
    let mut talk = Conversation::registered(alice());
    let declared = 80 * 1024;
    let part = |first| Input::Part { first, declared };
    talk.input(part(true));
    for _ in 0..2 {
        talk.pass(seconds(5));
        talk.input(part(false));
    }
    talk.outputs();
    talk.pass(seconds(1));
    talk.input(part(false));
    // Silence counts from 10 s on, when 80 KiB at 8 KiB a second should have been there.
    talk.pass(Duration::from_millis(61_499));
    assert!(!talk.outputs().contains(&Output::CloseTransport));
    talk.pass(Duration::from_millis(1));
    assert!(talk.outputs().contains(&Output::CloseTransport));
}

#[test]
fn a_silent_hub_is_lost_after_two_and_a_half_intervals() {
    let mut talk = Conversation::registered(alice());
    talk.pass(seconds(20));
    talk.input(Input::Frame(Ok(HubFrame::Pong)));
    talk.pass(HEARTBEAT_INTERVAL * 5 / 2 - Duration::from_millis(1));
    talk.outputs();
    talk.pass(Duration::from_millis(1));
    let outputs = talk.outputs();
    assert_eq!(outputs[0], Output::CloseTransport);
    assert!(matches!(
        outputs[1..],
        [Output::Event(Event::Disconnected {
            why: DisconnectReason::Silent,
            retry_in: Some(_),
            ..
        })]
    ));
}

#[test]
fn a_client_that_cannot_read_does_not_blame_the_hub() {
    let mut talk = Conversation::registered(alice());
    for _ in 0..20 {
        talk.now = talk.now + seconds(10);
        talk.input(Input::Stalled);
    }
    assert!(!talk.outputs().contains(&Output::CloseTransport));
}

#[test]
fn a_registration_is_renewed_after_two_thirds_of_its_time() {
    let mut talk = Conversation::registered(alice());
    for _ in 0..19 {
        talk.pass(seconds(10));
        talk.input(Input::Frame(Ok(HubFrame::Pong)));
    }
    talk.outputs();
    talk.pass(seconds(10));
    let requests = talk.requests();
    let renew = requests.iter().find(|request| request.type_name == "hub:renew").unwrap();
    assert_eq!(
        renew.verb,
        Ok(Verb::Renew(crate::protocol::Renew { renewal_token: Some(token(1)) }))
    );

    talk.outputs();
    let expires_at = talk.now + seconds(300);
    let (actor_address, renewal_token) = (address("alice"), token(2));
    talk.reply(renew, Reply::Renewed(Renewed { actor_address, expires_at, renewal_token }));
    let address = address("alice");
    assert_eq!(
        talk.outputs(),
        [Output::Event(Event::Renewed { address, expires_at, renewal_token })]
    );
}

#[test]
fn a_refused_renewal_becomes_a_registration() {
    let mut talk = Conversation::registered(alice());
    for _ in 0..20 {
        talk.pass(seconds(10));
        talk.input(Input::Frame(Ok(HubFrame::Pong)));
    }
    let requests = talk.requests();
    let renew = requests.iter().find(|request| request.type_name == "hub:renew").unwrap();
    talk.reply(renew, Reply::Error(refusal(ErrorCode::InvalidToken)));
    let [register] = talk.requests().try_into().unwrap();
    assert_eq!(register.type_name, "hub:register");
}

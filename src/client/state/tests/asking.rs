//! Every command ends exactly once.

use super::*;

#[test]
fn an_ask_ends_with_its_reply() {
    let mut talk = Conversation::registered(alice());
    let id = talk.ask(say("hi"));
    let [request] = talk.requests().try_into().unwrap();
    assert_eq!((&request.from, &request.verb), (&address("alice"), &Ok(say("hi"))));

    talk.reply(&request, delivery_ack(&request));
    let replied = Outcome::Replied(Box::new(delivery_ack(&request)));
    assert_eq!(talk.outputs(), [Output::Resolve(id, Ok(replied))]);

    talk.reply(&request, delivery_ack(&request));
    talk.pass(seconds(10));
    assert_eq!(talk.outputs(), []);
}

#[test]
fn a_refreshed_token_opens_the_next_session_and_a_refused_one_does_not() {
    let tokens = ["old", "newer", "bad"].map(AuthToken::new);
    let mut talk =
        Conversation::registered(ClientConfig { auth_token: Some(tokens[0].clone()), ..alice() });
    for (token, accepted) in [(&tokens[1], true), (&tokens[2], false)] {
        talk.ask(Verb::RefreshToken(RefreshToken { token: token.clone() }));
        let [request] = talk.requests().try_into().unwrap();
        let refreshed = TokenRefreshed { token: token.clone(), expires_at: talk.now };
        let refused = refusal(ErrorCode::InvalidToken);
        talk.reply(
            &request,
            if accepted { Reply::TokenRefreshed(refreshed) } else { Reply::Error(refused) },
        );
    }
    talk.lose();
    talk.pass(seconds(2));
    talk.input(Input::Opened);
    let verbs = talk.verbs();
    let [Verb::Connect(connect)] = verbs.as_slice() else { panic!("a connect: {verbs:?}") };
    assert_eq!(connect.auth_token.as_ref(), Some(&tokens[1]));
}

#[test]
fn an_ask_ends_with_its_refusal() {
    let mut talk = Conversation::registered(alice());
    let id = talk.ask(say("hi"));
    let [request] = talk.requests().try_into().unwrap();
    let no = refusal(ErrorCode::RateLimited);
    talk.reply(&request, Reply::Error(no.clone()));
    assert_eq!(talk.outputs(), [Output::Resolve(id, Err(ClientError::Refused(no)))]);
}

#[test]
fn an_ask_without_a_reply_times_out_once() {
    let mut talk = Conversation::registered(alice());
    let id = talk.ask(say("hi"));
    let [request] = talk.requests().try_into().unwrap();
    talk.pass(seconds(10));
    assert_eq!(talk.outputs(), [Output::Resolve(id, Err(ClientError::TimedOut))]);

    talk.reply(&request, delivery_ack(&request));
    assert_eq!(talk.outputs(), []);
}

#[test]
fn a_lost_connection_ends_asks_in_order_and_never_repeats_them() {
    let mut talk = Conversation::registered(alice());
    let ids = [talk.ask(say("1")), talk.ask(say("2")), talk.ask(say("3"))];
    talk.outputs();
    talk.lose();
    let lost = ids.map(|id| Output::Resolve(id, Err(ClientError::ConnectionLost)));
    assert_eq!(talk.outputs()[..3], lost);

    talk.pass(seconds(1));
    talk.greet();
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 2, &[]);
    assert_eq!(talk.verbs(), []);
}

#[test]
fn a_tell_ends_when_it_is_written() {
    let mut talk = Conversation::registered(alice());
    let tell = RequestCommand::new(Pattern::Tell, say("hi"));
    let id = talk.command(Command::Request(Box::new(tell)));
    assert_eq!(talk.verbs(), [say("hi")]);
    assert_eq!(talk.outputs(), [Output::Resolve(id, Ok(Outcome::Sent))]);
}

#[test]
fn commands_wait_for_their_registration_and_keep_their_order() {
    let mut talk = Conversation::greeted(alice());
    let [register] = talk.requests().try_into().unwrap();
    talk.ask(say("1"));
    talk.subscribe("news");
    talk.ask(say("2"));
    assert_eq!(talk.verbs(), []);
    talk.confirm_registration(&register, 1, &["news"]);
    assert_eq!(talk.verbs(), [say("1"), subscribe_verb("news"), say("2")]);
}

#[test]
fn a_command_that_waits_too_long_is_never_sent() {
    let mut talk = Conversation::new(alice());
    talk.input(Input::Start);
    let id = talk.ask(say("hi"));
    talk.outputs();
    talk.pass(seconds(10));
    assert!(talk.outputs().contains(&Output::Resolve(id, Err(ClientError::NotSent))));

    talk.pass(seconds(1));
    talk.greet();
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 1, &[]);
    assert_eq!(talk.verbs(), []);
}

#[test]
fn only_so_many_commands_may_wait() {
    let mut talk = Conversation::new(ClientConfig { waiting_commands_max: 1, ..alice() });
    talk.ask(say("1"));
    let id = talk.ask(say("2"));
    assert_eq!(talk.outputs(), [Output::Resolve(id, Err(ClientError::TooMany))]);
}

#[test]
fn only_so_many_asks_may_be_under_way() {
    let mut talk = Conversation::registered(ClientConfig { asks_max: 1, ..alice() });
    talk.ask(say("1"));
    talk.outputs();
    let id = talk.ask(say("2"));
    assert_eq!(talk.outputs(), [Output::Resolve(id, Err(ClientError::TooMany))]);
}

#[test]
fn what_is_larger_than_the_hub_reads_is_refused_on_the_spot() {
    let mut talk = Conversation::registered(alice());
    let fits = say(&"x".repeat(1_048_000));
    talk.ask(fits.clone());
    assert_eq!(talk.verbs(), [fits]);
    let id = talk.ask(say(&"x".repeat(1_048_576)));
    let outputs = talk.outputs();
    let [Output::Resolve(resolved, Err(ClientError::TooLarge { bytes, max: 1_048_576 }))] =
        outputs.as_slice()
    else {
        panic!("it is refused: {outputs:?}");
    };
    assert!(*resolved == id && *bytes > 1_048_576);
}

#[test]
fn an_address_that_is_not_the_clients_is_for_the_hub_to_judge() {
    let mut talk = Conversation::greeted(alice());
    talk.outputs();
    let request = RequestCommand {
        from: Some(address("eve")),
        ..RequestCommand::new(Pattern::Ask, say("hi"))
    };
    talk.command(Command::Request(Box::new(request)));
    let [request] = talk.requests().try_into().unwrap();
    assert_eq!(request.from, address("eve"));
}

#[test]
fn whoever_has_no_address_says_nothing_for_one() {
    for pattern in [Pattern::Ask, Pattern::Tell] {
        let mut talk = Conversation::greeted(alice());
        talk.command(Command::Unregister(address("alice")));
        talk.outputs();
        let id = talk.command(Command::Request(Box::new(RequestCommand::new(pattern, say("hi")))));
        assert_eq!(talk.outputs(), [Output::Resolve(id, Err(ClientError::NoAddress))]);
    }
}

#[test]
fn an_ask_may_be_repeated_under_its_id_once_it_has_ended() {
    let mut talk = Conversation::registered(alice());
    talk.outputs();
    let again = || {
        let id = MessageId::parse("again").ok();
        let request = RequestCommand { id, ..RequestCommand::new(Pattern::Ask, say("hi")) };
        Command::Request(Box::new(request))
    };
    talk.command(again());
    let [first] = talk.requests().try_into().unwrap();
    let id = talk.command(again());
    assert_eq!(talk.outputs(), [Output::Resolve(id, Err(ClientError::UnderWay))]);
    talk.reply(&first, delivery_ack(&first));
    talk.outputs();
    talk.command(again());
    let [second] = talk.requests().try_into().unwrap();
    assert_eq!((second.id, second.verb), (first.id, first.verb));
}

#[test]
fn a_delivery_is_told_with_the_senders_data_as_payload() {
    let mut talk = Conversation::registered(alice());
    let payload = Json::parse(r#"{"text": "hi"}"#).unwrap();
    let (kind, origin) = ("chat".to_owned(), MessageId::parse("o").ok());
    talk.hear(HubBody::Delivery {
        kind: kind.clone(),
        payload: payload.clone(),
        route: Route::Send,
        origin: origin.clone(),
    });
    let message = Message {
        id: MessageId::parse("m").unwrap(),
        from: address("hub"),
        to: address("alice"),
        kind,
        payload,
        metadata: Json::EMPTY_OBJECT,
        route: Route::Send,
        origin,
        timestamp: talk.now,
        ttl: None,
        position: None,
    };
    assert_eq!(talk.outputs(), [Output::Event(Event::Delivered(Box::new(message)))]);
}

#[test]
fn an_error_that_answers_no_ask_is_told() {
    let mut talk = Conversation::registered(alice());
    let no = refusal(ErrorCode::RateLimited);
    talk.hear(HubBody::Reply { correlation: None, reply: Reply::Error(no.clone()) });
    assert_eq!(talk.outputs(), [Output::Event(Event::HubError { correlation: None, refusal: no })]);
}

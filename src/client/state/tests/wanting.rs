//! Addresses and topics are wishes that each session is made to agree with.

use super::*;
use crate::protocol::{UnregisterReason, UnregisteredNotice};

fn too_fast(milliseconds: u64) -> Reply {
    let wait = Duration::from_millis(milliseconds);
    let details = crate::protocol::Details::RetryAfter { wait, limit: 1 };
    Reply::Error(Box::new(refusal(ErrorCode::RateLimited).with(details)))
}

/// The next request of this type, and how long it took to come. The hub is heard all the while.
fn next_request(talk: &mut Conversation, type_name: &str) -> (Duration, Request) {
    let begin = talk.now;
    loop {
        let found = talk.requests().into_iter().find(|request| request.type_name == type_name);
        if let Some(request) = found {
            return (talk.now.since(begin), request);
        }
        let deadline = talk.client.next_deadline().unwrap();
        talk.pass(deadline.since(talk.now));
        talk.input(Input::Frame(Ok(HubFrame::Pong)));
    }
}

#[test]
fn topics_from_the_start_are_subscribed_to_once_registered() {
    let mut talk = Conversation::greeted(alice_subscribed_to(&["a", "b"]));
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 1, &["b"]);
    assert_eq!(talk.verbs(), [subscribe_verb("a")]);
}

#[test]
fn a_reconnect_subscribes_only_to_what_is_missing() {
    let mut talk = Conversation::registered(alice());
    for name in ["kept", "forgotten"] {
        talk.subscribe(name);
        let [request] = talk.requests().try_into().unwrap();
        talk.reply(&request, subscribed(name));
    }
    talk.lose();
    talk.pass(seconds(1));
    talk.greet();
    let [register] = talk.requests().try_into().unwrap();
    assert_eq!(register.type_name, "hub:register");
    talk.confirm_registration(&register, 2, &["kept"]);
    assert_eq!(talk.verbs(), [subscribe_verb("forgotten")]);
}

#[test]
fn a_topic_given_up_while_offline_is_unsubscribed_from() {
    let mut talk = Conversation::registered(ClientConfig {
        ask_timeout: Duration::from_millis(100),
        ..alice_subscribed_to(&["news"])
    });
    talk.lose();
    let id = talk.unsubscribe("news");
    talk.pass(seconds(1));
    assert!(talk.outputs().contains(&Output::Resolve(id, Err(ClientError::NotSent))));
    talk.greet();
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 2, &["news"]);
    assert_eq!(talk.verbs(), [unsubscribe_verb("news")]);
}

#[test]
fn a_subscription_that_was_under_way_when_the_connection_broke_is_restored() {
    let mut talk = Conversation::registered(alice());
    let id = talk.subscribe("news");
    talk.outputs();
    talk.lose();
    assert_eq!(talk.outputs()[0], Output::Resolve(id, Err(ClientError::ConnectionLost)));
    talk.pass(seconds(1));
    talk.greet();
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 2, &[]);
    assert_eq!(talk.verbs(), [subscribe_verb("news")]);
}

#[test]
fn a_subscription_and_its_end_cross_without_a_third_request() {
    let mut talk = Conversation::registered(alice());
    talk.subscribe("news");
    talk.unsubscribe("news");
    let [on, off] = talk.requests().try_into().unwrap();
    talk.reply(&on, subscribed("news"));
    talk.reply(&off, unsubscribed("news"));
    assert_eq!(talk.verbs(), []);
}

#[test]
fn a_refused_subscription_is_wanted_no_more() {
    let mut talk = Conversation::greeted(alice_subscribed_to(&["news"]));
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 1, &[]);
    let [request] = talk.requests().try_into().unwrap();
    talk.outputs();
    let no = refusal(ErrorCode::InternalError);
    talk.reply(&request, Reply::Error(no.clone()));
    let (address, topic) = (address("alice"), topic("news"));
    assert_eq!(
        talk.outputs(),
        [Output::Event(Event::SubscriptionRefused { address, topic, refusal: no })]
    );
}

#[test]
fn a_topic_that_was_wanted_in_vain_is_asked_for_behind_what_was_not() {
    let mut talk = Conversation::new(ClientConfig { waiting_commands_max: 1, ..alice() });
    talk.input(Input::Start);
    talk.unsubscribe("news");
    let too_many = talk.subscribe("news");
    assert!(talk.outputs().contains(&Output::Resolve(too_many, Err(ClientError::TooMany))));
    talk.greet();
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 1, &[]);
    let [unsubscribe] = talk.requests().try_into().unwrap();
    talk.reply(&unsubscribe, unsubscribed("news"));
    assert_eq!(talk.verbs(), [subscribe_verb("news")]);
}

/// The topic stays wanted whatever becomes of the second request, unless the hub refuses that too.
#[test]
fn of_two_requests_about_a_topic_the_refusal_of_the_first_decides_nothing() {
    let mut talk = Conversation::registered(alice());
    talk.subscribe("news");
    talk.subscribe("news");
    let [first, second] = talk.requests().try_into().unwrap();
    talk.reply(&first, too_fast(700));
    talk.reply(&second, subscribed("news"));
    talk.lose();
    talk.pass(seconds(1));
    talk.greet();
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 2, &[]);
    assert_eq!(talk.verbs(), [subscribe_verb("news")]);
}

#[test]
fn restoring_rests_for_as_long_as_a_rate_limited_hub_asks() {
    let mut talk = Conversation::greeted(alice_subscribed_to(&["news"]));
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 1, &[]);
    let [request] = talk.requests().try_into().unwrap();
    let wait = Duration::from_millis(700);
    talk.reply(&request, too_fast(700));
    talk.pass(wait - Duration::from_millis(1));
    assert_eq!(talk.verbs(), []);
    talk.pass(Duration::from_millis(1));
    assert_eq!(talk.verbs(), [subscribe_verb("news")]);
}

#[test]
fn a_subscription_refused_again_and_again_is_tried_ever_more_rarely() {
    let mut talk = Conversation::greeted(alice_subscribed_to(&["news"]));
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 1, &[]);
    let [mut request] = talk.requests().try_into().unwrap();
    for most in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].map(Duration::from_millis) {
        talk.reply(&request, too_fast(500));
        let pause;
        (pause, request) = next_request(&mut talk, "hub:subscribe");
        assert!(most / 2 <= pause && pause <= most, "{pause:?} of {most:?}");
        assert!(pause >= Duration::from_millis(500), "{pause:?}");
    }
    talk.reply(&request, subscribed("news"));

    talk.unsubscribe("news");
    let (_, request) = next_request(&mut talk, "hub:unsubscribe");
    talk.reply(&request, too_fast(500));
    let (pause, _) = next_request(&mut talk, "hub:unsubscribe");
    assert_eq!(pause, Duration::from_millis(500), "a success makes the pause the first again");
}

#[test]
fn a_topic_that_the_hub_has_no_room_for_holds_up_no_other() {
    let mut talk = Conversation::greeted(alice_subscribed_to(&["a", "b"]));
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 1, &[]);
    let [a, b] = talk.requests().try_into().unwrap();
    let limit = crate::protocol::Details::Limit { limit: 1 };
    let full = Box::new(refusal(ErrorCode::RateLimited).with(limit));
    talk.reply(&a, Reply::Error(full));
    talk.pass(Duration::from_millis(400));
    talk.reply(&b, too_fast(1));
    assert_eq!(next_request(&mut talk, "hub:subscribe").1.verb, Ok(subscribe_verb("b")));
}

#[test]
fn topics_wait_behind_a_registration_that_came_too_fast() {
    let mut actors = ["a", "b"].map(|path| ActorConfig::new(address(path)));
    actors[0].topics = vec![topic("news")];
    let mut talk = Conversation::greeted(config(actors.into()));
    let [a, b] = talk.requests().try_into().unwrap();
    talk.reply(&b, too_fast(700));
    talk.confirm_registration(&a, 1, &[]);
    talk.pass(Duration::from_millis(699));
    assert_eq!(talk.verbs(), []);
    talk.pass(Duration::from_millis(1));
    let verbs = talk.verbs();
    let names: Vec<&str> = verbs.iter().map(Verb::type_name).collect();
    assert_eq!(names, ["hub:register", "hub:subscribe"]);
}

#[test]
fn a_registration_refused_again_and_again_is_tried_ever_more_rarely() {
    let mut talk = Conversation::greeted(alice());
    let [mut register] = talk.requests().try_into().unwrap();
    for most in [500, 1000, 2000, 4000].map(Duration::from_millis) {
        talk.reply(&register, too_fast(500));
        let pause;
        (pause, register) = next_request(&mut talk, "hub:register");
        assert!((most / 2).max(Duration::from_millis(500)) <= pause && pause <= most, "{pause:?}");
    }
}

#[test]
fn a_renewal_that_came_too_fast_is_tried_again_and_no_registration() {
    let mut talk = Conversation::registered(alice());
    let (_, renew) = next_request(&mut talk, "hub:renew");
    talk.reply(&renew, too_fast(500));
    assert_eq!(next_request(&mut talk, "hub:renew").0, Duration::from_millis(500));
    assert_eq!(talk.verbs(), []);
}

#[test]
fn a_renewal_does_not_stand_for_the_registration_behind_it() {
    let mut talk = Conversation::registered(alice());
    let (_, renew) = next_request(&mut talk, "hub:renew");
    talk.command(Command::Unregister(address("alice")));
    talk.command(Command::Register(ActorConfig::new(address("alice"))));
    let tell = RequestCommand::new(Pattern::Tell, say("hello"));
    talk.requests();
    let (actor_address, expires_at) = (address("alice"), talk.now + seconds(300));
    let renewed = Renewed { actor_address, expires_at, renewal_token: token(2) };
    talk.reply(&renew, Reply::Renewed(renewed));
    talk.command(Command::Request(Box::new(tell)));
    assert_eq!(talk.outputs(), []);
}

#[test]
fn many_subscriptions_are_restored_a_few_at_a_time() {
    let names: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut talk = Conversation::greeted(alice_subscribed_to(&names));
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 1, &[]);
    let first = talk.requests();
    assert_eq!(first.len(), 64);
    talk.reply(&first[0], subscribed("000"));
    assert_eq!(talk.verbs(), [subscribe_verb("064")]);
}

fn unregistered(path: &str, reason: UnregisterReason) -> Notice {
    Notice::Unregistered(UnregisteredNotice { actor_address: address(path), reason })
}

#[test]
fn an_address_that_expired_is_asked_for_again_at_once() {
    let actors = ["a", "b"].map(|path| ActorConfig::new(address(path)));
    let mut talk = Conversation::registered(config(actors.into()));
    talk.notice(unregistered("b", UnregisterReason::Expired));
    let [register] = talk.requests().try_into().unwrap();
    assert_eq!((register.type_name.as_ref(), &register.from), ("hub:register", &address("b")));
    let reason = UnregisterReason::Expired;
    let told = Event::Unregistered { address: address("b"), reason };
    assert!(talk.outputs().contains(&Output::Event(told)));
    talk.notice(unregistered("b", UnregisterReason::Expired));
    assert_eq!(talk.verbs(), [], "it is under way");
}

#[test]
fn an_address_that_a_token_does_not_allow_any_more_is_wanted_no_more() {
    let actors = ["a", "b"].map(|path| ActorConfig::new(address(path)));
    for reason in [UnregisterReason::TokenNarrowed, UnregisterReason::Other] {
        let mut talk = Conversation::registered(config(actors.clone().into()));
        talk.notice(unregistered("a", reason));
        talk.lose();
        talk.pass(seconds(1));
        talk.greet();
        let [register] = talk.requests().try_into().unwrap();
        assert_eq!(register.from, address("b"));
    }
}

#[test]
fn an_address_taken_over_is_wanted_no_more() {
    let actors = ["a", "b"].map(|path| ActorConfig::new(address(path)));
    let mut talk = Conversation::registered(config(actors.into()));
    talk.notice(unregistered("a", UnregisterReason::DuplicateConnection));
    let reason = UnregisterReason::DuplicateConnection;
    let told = Event::Unregistered { address: address("a"), reason };
    assert_eq!(talk.outputs(), [Output::Event(told)]);

    talk.lose();
    talk.pass(seconds(1));
    talk.greet();
    let [register] = talk.requests().try_into().unwrap();
    assert_eq!(register.from, address("b"));
}

#[test]
fn an_address_wanted_later_is_registered_at_once() {
    let mut talk = Conversation::registered(alice());
    let id = talk.command(Command::Register(ActorConfig::new(address("late"))));
    let [register] = talk.requests().try_into().unwrap();
    assert_eq!(register.from, address("late"));
    talk.confirm_registration(&register, 1, &[]);
    assert!(talk.outputs().contains(&Output::Resolve(id, Ok(Outcome::Registered))));
}

#[test]
fn an_address_unregistered_is_wanted_no_more() {
    let mut talk = Conversation::registered(alice());
    talk.command(Command::Unregister(address("alice")));
    let [request] = talk.requests().try_into().unwrap();
    assert_eq!(request.type_name, "hub:unregister");
    talk.lose();
    talk.pass(seconds(1));
    talk.greet();
    assert_eq!(talk.verbs(), []);
}

#[test]
fn a_registration_nobody_wants_any_more_is_given_back() {
    let mut talk = Conversation::greeted(alice());
    let [register] = talk.requests().try_into().unwrap();
    talk.outputs();
    let id = talk.command(Command::Unregister(address("alice")));
    let [unregister] = talk.requests().try_into().unwrap();
    assert_eq!(unregister.type_name, "hub:unregister");
    talk.confirm_registration(&register, 1, &[]);
    talk.reply(&unregister, Reply::Error(refusal(ErrorCode::RateLimited)));
    assert_eq!(talk.outputs(), [Output::Resolve(id, Ok(Outcome::NotNeeded))], "nobody is told");
}

#[test]
fn an_answer_to_who_gave_the_address_up_says_nothing_of_who_wants_it_again() {
    let mut talk = Conversation::greeted(alice_subscribed_to(&["news"]));
    let [register] = talk.requests().try_into().unwrap();
    talk.confirm_registration(&register, 1, &[]);
    let [subscribe] = talk.requests().try_into().unwrap();
    talk.command(Command::Unregister(address("alice")));
    let [again] = alice_subscribed_to(&["news"]).actors.try_into().unwrap();
    talk.command(Command::Register(again));
    let [_, register] = talk.requests().try_into().unwrap();
    talk.outputs();
    talk.reply(&subscribe, Reply::Error(refusal(ErrorCode::InternalError)));
    assert_eq!(talk.outputs(), []);
    talk.confirm_registration(&register, 1, &[]);
    assert_eq!(talk.verbs(), [subscribe_verb("news")]);
}

#[test]
fn a_registration_refused_for_good_is_wanted_no_more() {
    let mut talk = Conversation::greeted(alice());
    let [register] = talk.requests().try_into().unwrap();
    let id = talk.ask(say("hi"));
    talk.outputs();
    let no = refusal(ErrorCode::Unauthorized);
    talk.reply(&register, Reply::Error(no.clone()));
    let told = Event::RegistrationRefused {
        address: address("alice"),
        refusal: no.clone(),
        retry_in: None,
    };
    assert_eq!(
        talk.outputs(),
        [Output::Resolve(id, Err(ClientError::Refused(no))), Output::Event(told)]
    );
}

#[test]
fn a_registration_refused_for_now_is_tried_again() {
    let mut talk = Conversation::greeted(alice());
    let [register] = talk.requests().try_into().unwrap();
    talk.reply(&register, Reply::Error(refusal(ErrorCode::InternalError)));
    talk.pass(seconds(1));
    let [again] = talk.requests().try_into().unwrap();
    assert_eq!(again.type_name, "hub:register");
}

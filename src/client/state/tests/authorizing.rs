//! Tokens from a source: asked for, shown, replaced in time, and asked for again.

use super::*;
use crate::client::TokenSource;
use crate::protocol::Details;

const LIFE: Duration = Duration::from_secs(30);

/// The shell asks the source; the state only knows that there is one.
fn with_source() -> ClientConfig {
    let token_source = Some(TokenSource::new(std::future::pending));
    ClientConfig { token_source, ..alice() }
}

impl Conversation {
    fn token(&mut self, text: &str) {
        self.input(Input::Token(Ok(AuthToken::new(text))));
    }

    fn no_token(&mut self, why: fn(String) -> NoToken) {
        self.input(Input::Token(Err(why("no".to_owned()))));
    }

    /// The token in the greeting.
    fn shown(&mut self) -> (Request, Option<AuthToken>) {
        self.outputs();
        self.input(Input::Opened);
        let [connect] = self.requests().try_into().unwrap();
        let Ok(Verb::Connect(Connect { auth_token, .. })) = connect.verb.clone() else {
            panic!("a connect: {connect:?}")
        };
        (connect, auth_token)
    }

    /// Connected and registered with a token that lives for [`LIFE`].
    fn authorized() -> Self {
        let mut talk = Self::new(with_source());
        talk.input(Input::Start);
        assert_eq!(talk.outputs(), [Output::RequestToken]);
        talk.token("first");
        assert_eq!(talk.outputs(), [Output::Connect]);
        let (connect, token) = talk.shown();
        assert_eq!(token, Some(AuthToken::new("first")));
        talk.let_in(&connect);
        talk
    }

    fn let_in(&mut self, connect: &Request) {
        let token_expires_at = Some(self.now + LIFE);
        self.reply(connect, Reply::Connected(Connected { token_expires_at, ..connected() }));
        let [register] = self.requests().try_into().unwrap();
        self.confirm_registration(&register, 1, &[]);
        self.outputs();
    }

    /// The refresh that the next token leads to.
    fn refresh(&mut self, text: &str) -> Request {
        self.outputs();
        self.token(text);
        let [refresh] = self.requests().try_into().unwrap();
        let token = AuthToken::new(text);
        assert_eq!(refresh.verb, Ok(Verb::RefreshToken(RefreshToken { token })));
        refresh
    }
}

#[test]
fn a_token_is_replaced_after_two_thirds_of_its_life_and_each_next_one_too() {
    let mut talk = Conversation::authorized();
    for text in ["second", "third"] {
        talk.pass(LIFE * 2 / 3 - Duration::from_millis(1));
        assert!(!talk.outputs().contains(&Output::RequestToken));
        talk.pass(Duration::from_millis(1));
        assert!(talk.outputs().contains(&Output::RequestToken));
        let refresh = talk.refresh(text);
        let expires_at = talk.now + LIFE;
        let token = AuthToken::new(text);
        talk.reply(&refresh, Reply::TokenRefreshed(TokenRefreshed { token, expires_at }));
        assert_eq!(talk.outputs(), [Output::Event(Event::TokenRefreshed { expires_at })]);
    }
    talk.lose();
    talk.pass(seconds(1));
    assert_eq!(talk.shown().1, Some(AuthToken::new("third")));
}

#[test]
fn the_next_token_comes_before_the_end_of_one_that_the_user_had_shown() {
    let mut talk = Conversation::authorized();
    let token = AuthToken::new("by hand");
    talk.ask(Verb::RefreshToken(RefreshToken { token: token.clone() }));
    let [refresh] = talk.requests().try_into().unwrap();
    let expires_at = talk.now + LIFE / 2;
    talk.reply(&refresh, Reply::TokenRefreshed(TokenRefreshed { token, expires_at }));
    talk.outputs();
    talk.pass(LIFE / 3);
    assert!(talk.outputs().contains(&Output::RequestToken));
}

#[test]
fn a_source_that_gives_nothing_is_asked_again_while_the_session_goes_on() {
    let silent = "the token's source does not answer";
    for (answer, why) in [(true, "no"), (false, silent)] {
        let mut talk = Conversation::authorized();
        talk.pass(LIFE * 2 / 3);
        talk.outputs();
        if answer {
            talk.no_token(NoToken::Unavailable);
        } else {
            talk.pass(seconds(10));
        }
        let failed = talk.outputs().into_iter().find_map(|output| match output {
            Output::Event(Event::TokenRefreshFailed { why, retry_in }) => Some((why, retry_in)),
            _ => None,
        });
        let (told, retry_in) = failed.expect("a failure");
        assert_eq!(told, why);
        talk.pass(retry_in.expect("another try"));
        assert!(talk.outputs().contains(&Output::RequestToken), "{why}");
        talk.refresh("second");
    }
}

#[test]
fn a_newer_token_that_the_hub_refuses_or_ignores_is_not_kept() {
    for answered in [true, false] {
        let mut talk = Conversation::authorized();
        talk.pass(LIFE * 2 / 3);
        let refresh = talk.refresh("of another principal");
        if answered {
            talk.reply(&refresh, Reply::Error(refusal(ErrorCode::InvalidToken)));
        } else {
            talk.pass(seconds(10));
        }
        let failed = |output: &Output| {
            matches!(output, Output::Event(Event::TokenRefreshFailed { retry_in: Some(_), .. }))
        };
        assert!(talk.outputs().iter().any(failed));
        talk.pass(seconds(1));
        assert!(talk.outputs().contains(&Output::RequestToken), "answered: {answered}");
    }
}

#[test]
fn a_closed_session_whose_token_expired_comes_back_with_a_new_one() {
    let mut talk = Conversation::authorized();
    talk.lose_by_close(4001);
    assert_eq!(talk.client.ending(), None);
    talk.outputs();
    talk.pass(seconds(1));
    assert_eq!(talk.outputs(), [Output::RequestToken]);
    talk.token("second");
    assert_eq!(talk.shown().1, Some(AuthToken::new("second")));
}

#[test]
fn a_new_token_that_is_refused_ends_the_client_unless_its_time_is_not_now() {
    for (reason, ending) in
        [("signature", Some(Ending::Unauthorized)), ("expired", None), ("not_yet_valid", None)]
    {
        let mut talk = Conversation::new(with_source());
        talk.input(Input::Start);
        talk.token("first");
        let (connect, _) = talk.shown();
        let refused = refusal(ErrorCode::Unauthorized);
        let refused = Box::new(refused.with(Details::Reason { reason: reason.into() }));
        talk.reply(&connect, Reply::Error(refused));
        assert_eq!(talk.client.ending(), ending, "{reason}");
        talk.outputs();
        talk.pass(seconds(1));
        let asks_again = talk.outputs().contains(&Output::RequestToken);
        assert_eq!(asks_again, ending.is_none(), "{reason}");
    }
}

#[test]
fn a_source_that_denies_ends_the_client_once_it_needs_a_token() {
    let mut talk = Conversation::authorized();
    talk.pass(LIFE * 2 / 3);
    talk.outputs();
    talk.no_token(NoToken::Denied);
    let why = "no".to_owned();
    let failed = Event::TokenRefreshFailed { why, retry_in: None };
    assert_eq!(talk.outputs(), [Output::Event(failed)]);
    talk.lose_by_close(4001);
    talk.pass(seconds(1));
    talk.no_token(NoToken::Denied);
    assert_eq!(talk.client.ending(), Some(Ending::Unauthorized));
}

#[test]
fn a_source_that_does_not_answer_is_a_failed_attempt() {
    let mut talk = Conversation::new(with_source());
    talk.input(Input::Start);
    talk.pass(seconds(10));
    let pause = talk.pause().expect("another attempt");
    talk.token("too late");
    assert_eq!(talk.outputs(), []);
    talk.pass(pause);
    assert_eq!(talk.outputs(), [Output::RequestToken]);
    talk.token("first");
    assert_eq!(talk.outputs(), [Output::Connect]);
}

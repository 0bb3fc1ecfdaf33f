//! Tokens in files: what is said of those that cannot be, and what the shrinker makes of the others.

use std::time::Duration;

use super::super::*;

fn file(tokens: &str, steps: &str) -> Result<Scenario, String> {
    let text = format!(
        "{{ \"version\": 1,\n \"tokens\": {tokens},\n \"actors\": [\"alice\", \"bob\"],\n \"steps\": [\n{steps}\n] }}"
    );
    read(&text).map_err(|error| error.to_string())
}

#[test]
fn a_token_that_cannot_be_is_told_with_its_field() {
    let long = "x".repeat(257);
    for (tokens, told) in [
        (r#"5"#, "2: `tokens`: expected an object, found 5"),
        (r#"{ "alice": 5 }"#, "2: `tokens.alice`: expected an object, found 5"),
        (r#"{ "alice": { "exp": 5 } }"#, "2: `tokens.alice.exp`: expected text, found 5"),
        (
            r#"{ "alice": { "flaw": "forged" } }"#,
            "2: `tokens.alice.flaw`: unknown word `forged`, expected one of `tampered`, `other_key`, `other_algorithm`, `unsigned`",
        ),
        (
            r#"{ "alice": { "actor": ["a"] } }"#,
            "2: unknown field `actor`, expected one of `of`, `sub`, `actorId`, `actors`, `exp`, `lasts`, `nbf`, `flaw`; did you mean `actors`?",
        ),
        (r#"{ "alice": { "of": "bob" } }"#, "2: tokens.alice.of: this is for steps only"),
        (r#"{ "alice": { "lasts": "1ms" } }"#, "2: tokens.alice.lasts: at least 1s"),
        (r#"{ "alice": { "sub": "" } }"#, "2: tokens.alice.sub: expected 1 to 256 bytes of text"),
        (r#"{ "alice": { "exp": "30d" } }"#, "2: tokens.alice.exp = 30days: at most 7days"),
        (
            &format!(r#"{{ "alice": {{ "actors": ["{long}"] }} }}"#),
            "2: tokens.alice.actors: 257 bytes of a pattern: at most 256",
        ),
        (
            &format!(r#"{{ "alice": {{ "actors": [{}"*"] }} }}"#, r#""*", "#.repeat(64)),
            "2: tokens.alice.actors: 65 patterns: at most 64",
        ),
    ] {
        assert_eq!(file(tokens, ""), Err(told.to_owned()), "{tokens}");
    }
    let path = file(r#"{ "alice": { "actorId": "@(x" } }"#, "").expect_err("it is no path");
    assert!(path.starts_with("2: tokens.alice.actorId: \"@(x\" is no path: "), "{path}");
}

#[test]
fn a_token_that_nobody_has_is_odd() {
    let scenario = file(r#"{ "alise": {} }"#, "").expect("it can be played");
    let odd = "tokens.alise: nobody is called \"alise\", and no step shows it";
    assert_eq!(doubts(&scenario), [odd]);
}

#[test]
fn a_token_that_no_step_can_show_is_told_with_its_field() {
    for (token, told) in [
        ("5", "`token`: expected text or claims, found 5"),
        (
            r#"{ "exp": "x" }"#,
            "`token.exp`: \"x\" is no duration such as 1m 30s: expected number at 0",
        ),
        (r#"{ "of": "alise" }"#, "`token.of`: \"alise\" has no token; there are alice, bob, eve"),
        (r#"{ "lasts": "5s" }"#, "token.lasts: this is for the clients' own tokens only"),
        (r#"{ "nbf": "30d" }"#, "token.nbf = 30days: at most 7days"),
    ] {
        let step = format!(r#"{{ "who": "bob/1", "do": "connect", "token": {token} }}"#);
        let eve = r#"{ "who": "bob/1", "do": "connect", "token": { "of": "eve" } }"#;
        let told = format!("6: step 2: {told}");
        assert_eq!(file(r#"{ "eve": {} }"#, &format!("{eve},\n{step}")), Err(told), "{token}");
    }
}

#[test]
fn a_file_keeps_every_claim() {
    let token = r#"{ "actorId": "a/b", "actors": ["x*"], "exp": "5s", "flaw": "other_key", "nbf": "1ms", "of": "bob", "sub": "s" }"#;
    let step = format!(r#"{{ "who": "bob/1", "do": "refresh_token", "token": {token} }}"#);
    let scenario = file(r#"{ "alice": { "exp": "1h" } }"#, &step).expect("it can be played");
    assert!(write(&scenario).contains(token), "{}", write(&scenario));
    assert_eq!(read(&write(&scenario)).ok(), Some(scenario));
}

/// Fails as long as bob shows a token of alice's that is forged, and she has one.
#[test]
fn what_has_no_part_in_a_failure_goes_from_tokens_too() {
    let tokens = r#"{ "alice": { "actors": ["a", "b"], "exp": "9s" }, "bob": { "exp": "1h" } }"#;
    let token = r#"{ "of": "alice", "actors": ["x"], "exp": "20s", "flaw": "tampered" }"#;
    let step = format!(r#"{{ "who": "bob/1", "do": "refresh_token", "token": {token} }}"#);
    let scenario = file(tokens, &step).expect("it can be played");
    let fails = &mut |candidate: &Scenario| {
        let last = candidate.steps.last()?.to_string();
        let fails = candidate.clients.tokens.contains_key("alice")
            && last.contains("\"alice\"")
            && last.contains("\"tampered\"");
        fails.then_some(Duration::ZERO)
    };
    let shrunk = shrink(&scenario, Duration::ZERO, fails, &mut |progress| progress.tries == 200);
    assert!(shrunk.finished, "{} tries", shrunk.tries);
    let Scenario { clients, actors, steps, .. } = shrunk.scenario;
    assert_eq!(clients.tokens, [("alice".to_owned(), Token::default())].into());
    assert_eq!(actors, [Actor::client("bob")]);
    let token =
        Token { of: Some("alice".to_owned()), flaw: Some(Flaw::Tampered), ..Token::default() };
    let action = steps[0].what.clone();
    assert!(matches!(action, What::Act { act: Act::Do(Action::RefreshToken { token: shown }), .. }
        if shown == token.into()));
}

/// Fails where somebody shows a forged token.
fn forged(scenario: &Scenario) -> Option<Duration> {
    scenario.steps.iter().find(|step| step.to_string().contains("\"flaw\""))?.begins_at()
}

#[test]
fn a_storm_shrinks_to_the_token_that_matters() {
    let storms = (0..).map(|seed| generate(Profile::Principals, seed));
    let failing = storms.take(20).find_map(|storm| Some((forged(&storm)?, storm)));
    let (failed_at, storm) = failing.expect("somebody shows a forged token");
    let shrunk = shrink(&storm, failed_at, &mut |candidate| forged(candidate), &mut |_| false);
    let Scenario { clients, actors, steps, .. } = shrunk.scenario;
    assert_eq!((clients, actors.len(), steps.len()), (Clients::default(), 1, 1));
    let What::Act { act: Act::Do(action), .. } = &steps[0].what else { panic!("{}", steps[0]) };
    let Some(Shown::Token(token)) = action.token() else { panic!("{}", steps[0]) };
    assert_eq!(**token, Token { flaw: token.flaw, ..Token::default() });
}

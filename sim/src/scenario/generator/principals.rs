//! A hub that demands tokens, and who has which: actors of a few principals, whose tokens last, end and
//! are replaced, and a stranger who shows whatever there is. It draws from dice of its own, so that the
//! rest of a storm is the same with and without it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::dice::Dice;
use super::stranger::{LATENCY, STRANGER, Stranger, register};
use crate::net::{LinkConfig, Seen};
use crate::scenario::{
    Act, Action, ActorKind, ConnectionAct, Flaw, ProcessAct, Scenario, Shown, Step, Token, What,
    WhichToken, Who,
};

/// After every storm.
const LONG: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const FLAWS: [Flaw; 4] = [Flaw::Tampered, Flaw::OtherKey, Flaw::OtherAlgorithm, Flaw::Unsigned];
/// What actors of several principals want.
const SHARED: [&str; 2] = ["team/a", "team/b"];

/// More addresses for the clients: of their own, and such as others want.
pub fn more_addresses(dice: &mut Dice, scenario: &mut Scenario) {
    let clients = scenario.actors.iter_mut().filter(|actor| actor.kind == ActorKind::Client);
    for actor in clients {
        let own = (1..=dice.between(0, 2)).map(|number| format!("{}/{number}", actor.name));
        actor.addresses.extend(own);
        if dice.one_in(2) {
            actor.addresses.push((*dice.pick(&SHARED)).to_owned());
        }
    }
}

/// Gives everybody tokens, and has them shown.
pub fn plan(dice: &mut Dice, scenario: &mut Scenario) {
    let narrow = give_tokens(dice, scenario);
    for (name, narrow) in narrow {
        live(dice, scenario, &name, narrow);
    }
    show_strangers(dice, scenario);
    if dice.one_in(2) {
        intrude(dice, scenario);
    }
    if dice.one_in(2) {
        take_over_at_the_end(dice, scenario);
    }
    if dice.one_in(4) {
        claim(dice, scenario);
    }
    if dice.one_in(4) {
        renew_as_another(dice, scenario);
    }
}

/// Two to four principals share the clients; the first of each is named by its token, the others are
/// allowed by patterns. Returns of each client the patterns that are left by a narrower token.
fn give_tokens(dice: &mut Dice, scenario: &mut Scenario) -> BTreeMap<String, Vec<String>> {
    let principals = dice.between(2, 4);
    let mut members = vec![Vec::new(); principals];
    for actor in &scenario.actors {
        match actor.kind {
            ActorKind::Client => members[dice.between(0, principals - 1)].push(actor.name.clone()),
            ActorKind::Raw => {
                let all = if dice.one_in(2) { "*".to_owned() } else { format!("{}/*", actor.name) };
                let token = Token { actors: Some(vec![all]), ..Token::default() };
                scenario.clients.tokens.insert(actor.name.clone(), token);
            }
        }
    }
    let mut narrow = BTreeMap::new();
    for (number, members) in (1..).zip(members) {
        let further = members.iter().map(|name| format!("{name}/*"));
        let mut actors: Vec<String> = members.iter().cloned().chain(further).collect();
        if dice.one_in(2) {
            actors.push("team/*".to_owned());
        }
        for name in &members {
            let token = Token {
                sub: Some(format!("principal-{number}")),
                actor_id: members.first().cloned(),
                actors: Some(actors.clone()),
                ..Token::default()
            };
            scenario.clients.tokens.insert(name.clone(), token);
            narrow.insert(name.clone(), members.clone());
        }
    }
    narrow
}

/// A client's tokens come from its source, or last, or are refreshed by hand: in time, at the last moment
/// or too late. Some that are shown do not count, and some allow less.
fn live(dice: &mut Dice, scenario: &mut Scenario, name: &str, narrow: Vec<String>) {
    let (mut lasts, mut exp) = (None, None);
    match dice.between(0, 3) {
        0 => {}
        // Longer than clocks differ.
        1 => lasts = Some(dice.millis(15_000, 40_000)),
        _ => exp = Some(dice.millis(5_000, 45_000)),
    }
    let token = scenario.clients.tokens.get_mut(name).expect("each client has a token");
    (token.lasts, token.exp) = (lasts, exp);
    let who = Who::Client(name.to_owned());
    let mut refresh = |at, token: Token| {
        let refresh = Action::RefreshToken { token: token.into() };
        scenario.steps.push(Step::at(at, who.clone(), refresh));
    };
    if dice.one_in(2) {
        let at = dice.any_time();
        refresh(at, Token { actors: Some(narrow), exp: Some(LONG), ..Token::default() });
        refresh(at + dice.millis(500, 10_000), lasting());
    }
    let Some(exp) = exp else { return };
    match dice.between(0, 3) {
        0 | 1 => refresh(exp - dice.millis(300, 4_000), lasting()),
        2 => refresh(exp - Duration::from_millis(60) + dice.millis(0, 60), lasting()),
        _ => {
            let late = exp + dice.millis(200, 3_000);
            refresh(late, lasting());
            let start = Step::at(late + dice.millis(100, 1_000), who, ProcessAct::Start);
            scenario.steps.push(start);
        }
    }
}

/// What the connections that steps control show, when they connect and after that; and what clients show
/// that does not count.
fn show_strangers(dice: &mut Dice, scenario: &mut Scenario) {
    let mut refreshes = Vec::new();
    let victims: Vec<String> = scenario.clients.tokens.keys().cloned().collect();
    for step in &mut scenario.steps {
        let Some(at) = step.begins_at() else { continue };
        let What::Act { who, act: Act::Do(Action::Connect { token, .. }), .. } = &mut step.what
        else {
            continue;
        };
        *token = match dice.between(0, 7) {
            0 => None,
            1 | 2 => Some(other(dice, &victims)),
            3 => {
                let exp = Some(at + dice.millis(500, 8_000));
                Some(Token { exp, ..Token::default() }.into())
            }
            _ => Some(Token::default().into()),
        };
        if dice.one_in(3) {
            let shown = match dice.between(0, 2) {
                0 => lasting().into(),
                1 => Token { actors: Some(Vec::new()), ..Token::default() }.into(),
                _ => other(dice, &victims),
            };
            refreshes.push((at + dice.millis(300, 6_000), who.clone(), shown));
        }
    }
    for _ in 0..dice.between(1, 3) {
        let who = Who::Client(dice.actor(scenario));
        refreshes.push((dice.any_time(), who, other(dice, &victims)));
    }
    let refreshes = refreshes
        .into_iter()
        .map(|(at, who, token)| Step::at(at, who, Action::RefreshToken { token }));
    scenario.steps.extend(refreshes);
}

/// One that is another's, or worth nothing.
fn other(dice: &mut Dice, victims: &[String]) -> Shown {
    if dice.one_in(2) { stolen(dice, victims).into() } else { useless(dice, victims) }
}

fn stolen(dice: &mut Dice, victims: &[String]) -> Token {
    Token { of: Some(dice.pick(victims).clone()), ..Token::default() }
}

/// One that expired, is not valid yet or is forged, perhaps another's.
fn useless(dice: &mut Dice, victims: &[String]) -> Shown {
    let token = if dice.one_in(2) { stolen(dice, victims) } else { Token::default() };
    match dice.between(0, 3) {
        0 => Token { exp: Some(Duration::ZERO), ..token }.into(),
        1 => Token { nbf: Some(LONG), ..token }.into(),
        2 => Token { flaw: Some(*dice.pick(&FLAWS)), ..token }.into(),
        _ => "none".into(),
    }
}

/// The stranger, whose token allows everything, wants a client's address while that is there and while
/// that is away.
fn intrude(dice: &mut Dice, scenario: &mut Scenario) {
    let (mut stranger, victim) =
        (Stranger::new(91, dice.millis(2_000, 45_000)), dice.actor(scenario));
    stranger.does_at(stranger.at, connect(Token { actors: Some(vec!["*".to_owned()]), ..token() }));
    stranger.does_at(stranger.at + dice.millis(300, 900), register(&victim, None));
    let away = stranger.at + dice.millis(1_000, 4_000);
    stranger.does_at(away + dice.millis(1, 300), register(&victim, None));
    let reconnect = ConnectionAct::Reconnect { hub_sees: Seen::Now };
    scenario.steps.push(Step::at(away, Who::Client(victim), reconnect));
    stranger.joins(scenario);
}

/// A connection of the stranger ends with its token; in the very millisecond another one takes its
/// address over, or it shows the next token.
fn take_over_at_the_end(dice: &mut Dice, scenario: &mut Scenario) {
    const ADDRESS: &str = "mallory/ends";
    let begin = dice.millis(1_500, 45_000);
    let end = begin + dice.millis(1_500, 6_000);
    let [mut old, mut new] = [92, 93].map(|number| Stranger::new(number, begin));
    for (stranger, exp) in [(&mut old, end), (&mut new, LONG)] {
        stranger.steady(LinkConfig::default().window_bytes);
        stranger.does_at(begin, connect(Token { exp: Some(exp), ..token() }));
    }
    old.does_at(begin + Duration::from_secs(1), register(ADDRESS, None));
    if dice.one_in(3) {
        old.does_at(end - LATENCY, Action::RefreshToken { token: lasting().into() });
    } else {
        new.does_at(end - LATENCY, register(ADDRESS, None));
    }
    old.joins(scenario);
    new.joins(scenario);
}

/// One has an address by a pattern, perhaps no longer a connection, when another comes whose token names it.
fn claim(dice: &mut Dice, scenario: &mut Scenario) {
    const ADDRESS: &str = "mallory/named";
    let begin = dice.millis(2_000, 50_000);
    let [mut first, mut named] = [94, 95].map(|number| Stranger::new(number, begin));
    first.does_at(begin, connect(token()));
    first.does_at(begin + dice.millis(200, 500), register(ADDRESS, None));
    first.does_at(
        begin + dice.millis(600, 900),
        Action::Subscribe { topic: dice.topic(), durable: false },
    );
    if dice.one_in(2) {
        let reconnect = ConnectionAct::Reconnect { hub_sees: Seen::Now };
        first.does_at(begin + dice.millis(1_000, 1_200), reconnect);
    }
    let (sub, actor_id) = (Some("eve".to_owned()), Some(ADDRESS.to_owned()));
    named.does_at(begin + dice.millis(700, 1_000), connect(Token { sub, actor_id, ..token() }));
    named.does_at(begin + dice.millis(1_300, 1_600), register(ADDRESS, None));
    first.joins(scenario);
    named.joins(scenario);
}

/// A connection of which the hub does not know that it is lost comes back for another principal, and
/// renews what it registered before.
fn renew_as_another(dice: &mut Dice, scenario: &mut Scenario) {
    const ADDRESS: &str = "mallory/renewed";
    let begin = dice.millis(2_000, 50_000);
    let mut stranger = Stranger::new(96, begin);
    let other = Token { sub: Some("eve".to_owned()), ..token() };
    let (address, latest) = (Some(ADDRESS.to_owned()), WhichToken::Latest);
    stranger.does_at(begin, connect(token()));
    stranger.does_at(begin + dice.millis(200, 500), register(ADDRESS, None));
    let reconnect = ConnectionAct::Reconnect { hub_sees: Seen::Never };
    stranger.does_at(begin + dice.millis(700, 1_000), reconnect);
    stranger.does_at(begin + dice.millis(1_200, 1_500), connect(other));
    let renew = Action::Renew { address, token: latest };
    stranger.does_at(begin + dice.millis(1_700, 2_000), renew);
    stranger.joins(scenario);
}

/// The stranger's own, which allows what is his.
fn token() -> Token {
    Token { actors: Some(vec![format!("{STRANGER}/*")]), ..Token::default() }
}

/// The same as before, for long.
fn lasting() -> Token {
    Token { exp: Some(LONG), ..Token::default() }
}

fn connect(token: Token) -> Action {
    Action::Connect { protocol_version: None, token: Some(token.into()) }
}

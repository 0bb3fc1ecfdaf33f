//! Tokens at random.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;
use signal_hub_sim::scenario::{Flaw, Shown, Token};

use super::scenarios::{CLIENT, RAW, millis};

/// One for each actor, if not all of them good, or for long.
pub fn tokens() -> impl Strategy<Value = BTreeMap<String, Token>> {
    let one = || (claims(), weighted(0.2, millis(0..20_000)));
    let one = || one().prop_map(|(token, exp)| Token { exp, ..token });
    [one(), one(), one()].prop_map(|tokens| {
        let names = std::iter::once(CLIENT).chain(RAW).map(str::to_owned);
        names.zip(tokens).collect()
    })
}

/// What an actor may be beside itself.
fn claims() -> impl Strategy<Value = Token> {
    let patterns = vec(select(vec!["*", "bob*", "*/desk", "nobody", "alice", "desk"]), 0..3);
    (of(patterns), weighted(0.1, select(vec!["alice", "bob/desk"]))).prop_map(
        |(patterns, actor_id)| Token {
            actors: patterns.map(|patterns| patterns.into_iter().map(str::to_owned).collect()),
            actor_id: actor_id.map(str::to_owned),
            ..Token::default()
        },
    )
}

/// One that is shown: mostly one's own, and good.
pub fn shown() -> impl Strategy<Value = Shown> {
    let of = weighted(0.2, select(RAW.to_vec()));
    let flaws = vec![Flaw::Tampered, Flaw::OtherKey, Flaw::OtherAlgorithm, Flaw::Unsigned];
    let times = (weighted(0.5, millis(0..30_000)), weighted(0.1, millis(0..20_000)));
    let token = (claims(), of, times, weighted(0.1, select(flaws)));
    let token = token.prop_map(|(token, of, (exp, nbf), flaw)| Token {
        of: of.map(str::to_owned),
        exp,
        nbf,
        flaw,
        ..token
    });
    let own = Just(Token::default()).prop_map(Shown::from);
    prop_oneof![3 => own, 3 => token.prop_map(Shown::from), 1 => Just(Shown::from("none"))]
}

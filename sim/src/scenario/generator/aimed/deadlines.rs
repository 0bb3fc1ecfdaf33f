//! What comes in the very input of one of the hub's own deadlines: whoever played the storm knows them.

use std::time::Duration;

use signal_hub::protocol::ActorAddress;

use super::super::dice::Dice;
use super::super::stranger::{LATENCY, STRANGER, Stranger};
use super::moments::{about, by_another};
use crate::scenario::{Scenario, Token};

/// A deadline that the hub had.
#[derive(Debug)]
pub struct Due {
    /// From the start of the run.
    pub at: Duration,
    /// What it concerned.
    pub address: ActorAddress,
}

/// Somebody speaks to an address, looks for it or takes it, a millisecond before, when, or after something
/// is due there.
pub fn aim(dice: &mut Dice, deadlines: &[Due], scenario: &mut Scenario) {
    if deadlines.is_empty() {
        return;
    }
    let has_tokens = scenario.clients.tokens.contains_key(STRANGER);
    let token =
        has_tokens.then(|| Token { actors: Some(vec!["*".to_owned()]), ..Token::default() });
    let Due { at, address } = dice.pick(deadlines);
    let begin = *at - Duration::from_secs(1);
    let mut stranger = Stranger::connected_with(100, begin, token);
    for _ in 0..dice.between(1, 3) {
        let at = about(dice, *at - LATENCY);
        stranger.does_at(at, by_another(dice, address.as_str()));
    }
    stranger.joins(scenario);
}

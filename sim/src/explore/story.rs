//! A way through the exploration as a scenario, which any backend can play.
//!
//! Each move gets a moment of its own. A session that the hub ends before its connection does is deaf
//! from its last word on: it hears of no end and answers none, so the hub learns of the connection's
//! end when the scenario says so, or never.

use std::collections::BTreeMap;
use std::time::Duration;

use signal_hub::hub::SessionKey;

use super::moves::{Move, Place};
use super::setting::{BEAT, FOR_EVER, Setting};
use super::state::State;
use crate::invariants::Violation;
use crate::net::{Choice, CutDetection, Fault, Seen};
use crate::scenario::{Act, Action, ConnectionAct, HUB_HOST, Scenario, Step, Who};

/// Between two moves: enough for a handshake, and far less than a beat even for all of them.
const PAUSE: Duration = Duration::from_millis(10);

/// The scenario that goes this way.
pub fn scenario(
    setting: &Setting,
    way: &[(State, Option<Move>)],
    violation: &Violation,
) -> Scenario {
    let lines = lines(setting, way);
    let mut steps = Vec::new();
    let mut at = PAUSE;
    for (number, (state, next)) in way.iter().enumerate() {
        let Some(next) = *next else { continue };
        let line = |place| state.key(setting, place).and_then(|key| lines.get(&key));
        match next {
            Move::Open(_) => {
                if let Some(line) = lines.get(&state.next_key()) {
                    steps.push(line.does(at, Action::Open));
                    steps.extend(line.deafness(at + PAUSE / 2, number));
                }
            }
            Move::Say(place, word) => {
                if let Some(line) = line(place).filter(|line| number <= line.last_word) {
                    let action = setting.action(place.actor, word, at);
                    steps.extend(line.deafness(at, number));
                    steps.push(line.does(at, action));
                }
            }
            Move::Ended(place) => steps.extend(line(place).map(|line| line.breaks(at))),
            // The shells write on their own.
            Move::Written(_) => {}
            Move::Wait => at += BEAT,
        }
        at += PAUSE;
    }
    // It ends when the last move has come to the hub.
    steps.push(Step::fault(at, Fault::Heal));
    Scenario {
        title: violation.invariant.to_string(),
        why: format!("{} Seen: {}.", violation.invariant.sentence(), violation.evidence),
        steps,
        ..setting.scenario()
    }
}

/// A connection of the scenario.
struct Line {
    who: Who,
    /// The number of the move with which it says something for the last time.
    last_word: usize,
    /// Whether the hub ends its session before the connection ends.
    is_deaf: bool,
}

impl Line {
    fn does(&self, at: Duration, act: impl Into<Act>) -> Step {
        Step::at(at, self.who.clone(), act)
    }

    fn deafness(&self, at: Duration, number: usize) -> Option<Step> {
        let begins = self.is_deaf && number == self.last_word;
        begins.then(|| self.does(at, ConnectionAct::PauseReading { lasts: FOR_EVER }))
    }

    fn breaks(&self, at: Duration) -> Step {
        let connections =
            Choice::Latest { client: self.who.to_string(), server: HUB_HOST.to_owned() };
        let seen = CutDetection::reset(Seen::Now);
        Step::fault(at, Fault::Sever { connections, client_sees: seen, server_sees: seen })
    }
}

fn lines(setting: &Setting, way: &[(State, Option<Move>)]) -> BTreeMap<SessionKey, Line> {
    let mut lines = BTreeMap::new();
    let mut opened = vec![0; setting.size.actors];
    for (number, (state, next)) in way.iter().enumerate() {
        for key in state.over() {
            if let Some(line) = lines.get_mut(&key) {
                let line: &mut Line = line;
                line.is_deaf = true;
            }
        }
        match next {
            Some(Move::Open(Place { actor, .. })) => {
                opened[*actor] += 1;
                let who = Who::Raw(setting.name(*actor).to_owned(), opened[*actor]);
                let line = Line { who, last_word: number, is_deaf: false };
                lines.insert(state.next_key(), line);
            }
            Some(Move::Say(place, _)) => {
                let key = state.key(setting, *place);
                // Nobody hears what is said when the session is over.
                let heard = key.filter(|key| !state.over().any(|over| over == *key));
                if let Some(line) = heard.and_then(|key| lines.get_mut(&key)) {
                    line.last_word = number;
                }
            }
            Some(Move::Written(_) | Move::Ended(_) | Move::Wait) | None => {}
        }
    }
    lines
}

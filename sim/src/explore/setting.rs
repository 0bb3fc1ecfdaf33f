//! What stays the same throughout an exploration: who takes part, how the hub is set, what is said.

use std::time::Duration;

use signal_hub::hub::Config;
use signal_hub::protocol::{ActorAddress, ClientFrame};
use signal_hub::time::Timestamp;

use super::moves::{Context, Word};
use crate::history::Event;
use crate::invariants::{Shadow, Violation};
use crate::lower::{Issuer, Own, RawSession, address};
use crate::scenario::{Action, Actor, ActorKind, Clients, Scenario, Token};

const NAMES: [&str; ACTORS_MAX] = ["alice", "bob", "carol", "dave"];
/// How many actors there are names for.
pub const ACTORS_MAX: usize = 4;
/// How many connections of one actor make sense.
pub const CONNECTIONS_MAX: usize = 4;

/// Time passes in steps of this length; every timeout is a small multiple of it.
pub const BEAT: Duration = Duration::from_secs(10);
/// How long a registration lives.
pub const REGISTRATION_TTL: Duration = Duration::from_secs(30);
/// How long a token is good.
const TOKEN_TTL: Duration = Duration::from_secs(30);
/// What waits for the shells' own timers: they have no part in this.
pub const FOR_EVER: Duration = Duration::from_secs(3600);
/// What the clock shows at the beginning, in milliseconds.
pub const EPOCH: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Judges one transition, beside the observers; the shadow is the hub before it.
pub type Check = fn(&Event, &Shadow) -> Result<(), Violation>;

/// How much there is to explore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// At most [`ACTORS_MAX`].
    pub actors: usize,
    /// Connections that an actor has at one time; when one is over, there may be another.
    pub connections: usize,
    /// Messages that may wait for one connection; zero: nothing is sent or published.
    pub sends: usize,
    /// Whether the hub demands tokens. Then all actors are for the first one's address: its own token
    /// names it, those of the others have it by a pattern.
    pub principals: bool,
}

/// See above.
pub struct Setting {
    pub size: Size,
    pub config: Config,
    pub check: Option<Check>,
    issuer: Issuer,
    /// What each actor registers.
    addresses: Vec<ActorAddress>,
    /// What each actor says, by [`Word::ALL`], if it needs no token.
    frames: Vec<Vec<ClientFrame>>,
}

impl Setting {
    pub fn new(size: Size, check: Option<Check>) -> Self {
        let (config, issuer) = (config(size.sends), Issuer::default());
        let (addresses, frames) = (Vec::new(), Vec::new());
        let mut setting = Self { size, config, check, issuer, addresses, frames };
        setting.issuer = Issuer::new(&setting.scenario(), Duration::from_millis(EPOCH.as_millis()));
        for actor in 0..size.actors {
            let registers = if size.principals { 0 } else { actor };
            setting.addresses.push(address(NAMES[registers]));
            let said = Word::TOKENLESS.iter().map(|word| setting.say(actor, *word, EPOCH));
            let said = said.collect();
            setting.frames.push(said);
        }
        setting
    }

    /// A scenario of as much as stays the same.
    pub fn scenario(&self) -> Scenario {
        let token = |actor: usize| {
            let patterns = (actor > 0).then(|| vec![NAMES[0].to_owned()]);
            (NAMES[actor].to_owned(), Token { actors: patterns, ..Token::default() })
        };
        let actor = |actor: usize| Actor { kind: ActorKind::Raw, ..Actor::client(NAMES[actor]) };
        let actors = 0..self.size.actors;
        let tokens = actors.clone().filter(|_| self.size.principals).map(token).collect();
        Scenario {
            hub: self.config.clone(),
            clients: Clients { registration_ttl: REGISTRATION_TTL, tokens, ..Clients::default() },
            actors: actors.map(actor).collect(),
            ..Scenario::default()
        }
    }

    /// The word in a scenario, if it is said so long after the start.
    pub fn action(&self, actor: usize, word: Word, since: Duration) -> Action {
        let address = self.size.principals.then_some(NAMES[0]);
        let expires = self.size.principals.then_some(since + TOKEN_TTL);
        word.action(&Context { recipient: NAMES[(actor + 1) % self.size.actors], address, expires })
    }

    fn say(&self, actor: usize, word: Word, now: Timestamp) -> ClientFrame {
        let (own, hub) = (Own::new(NAMES[actor], self.issuer.clone()), &self.config.hub_address);
        let mut session = RawSession::new(NAMES[actor], own, hub.clone(), REGISTRATION_TTL);
        let action = self.action(actor, word, now.since(EPOCH));
        let (frame, _) = session.say(EPOCH, 0, None, &action).expect("each word is a frame");
        frame
    }

    pub fn addresses(&self) -> &[ActorAddress] {
        &self.addresses
    }

    pub fn name(&self, actor: usize) -> &'static str {
        NAMES[actor]
    }

    pub fn frame(&self, actor: usize, word: Word, now: Timestamp) -> ClientFrame {
        match word {
            Word::Connect | Word::Refresh | Word::Narrow if self.size.principals => {
                self.say(actor, word, now)
            }
            _ => self.frames[actor][word as usize].clone(),
        }
    }
}

/// Nothing is limited but what is explored.
fn config(sends: usize) -> Config {
    let unbounded = Config::default().queue_messages_max;
    Config {
        connect_timeout: BEAT,
        idle_timeout: 2 * BEAT,
        resume_window: 2 * BEAT,
        slow_consumer_timeout: BEAT,
        ping_interval: FOR_EVER,
        close_timeout: FOR_EVER,
        dedupe_window: Duration::ZERO,
        rate_limit_per_second: 0,
        queue_messages_max: if sends == 0 { unbounded } else { sends },
        ..Config::default()
    }
}

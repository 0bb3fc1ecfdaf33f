//! What stays the same throughout an exploration: who takes part, how the hub is set, what is said.

use std::time::Duration;

use signal_hub::hub::Config;
use signal_hub::protocol::{ActorAddress, ClientFrame};
use signal_hub::time::Timestamp;

use super::moves::{Context, Word};
use crate::history::Event;
use crate::invariants::{Shadow, Violation};
use crate::lower::{Issuer, Own, Positions, RawSession, address};
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
/// Messages that are kept for an address that recovers.
pub const KEPT: usize = 2;
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
    /// Whether the first actor recovers, and the others do nothing but send.
    pub recovery: bool,
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
        let (config, issuer) = (config(size), Issuer::default());
        let (addresses, frames) = (Vec::new(), Vec::new());
        let mut setting = Self { size, config, check, issuer, addresses, frames };
        setting.issuer = Issuer::new(&setting.scenario(), Duration::from_millis(EPOCH.as_millis()));
        for actor in 0..size.actors {
            let registers = if size.principals { 0 } else { actor };
            setting.addresses.push(address(NAMES[registers]));
            let nowhere = Positions::default();
            let said = Word::TOKENLESS.iter();
            let said = said.map(|word| setting.say(actor, *word, EPOCH, nowhere));
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

    fn say(&self, actor: usize, word: Word, now: Timestamp, at: Positions) -> ClientFrame {
        let (own, hub) = (Own::new(NAMES[actor], self.issuer.clone()), &self.config.hub_address);
        let session = RawSession::new(NAMES[actor], own, hub.clone(), REGISTRATION_TTL);
        let mut session = session.stands_at(&address(NAMES[actor]), at);
        let action = self.action(actor, word, now.since(EPOCH));
        let (frame, _) = session.say(EPOCH, 0, None, &action).expect("each word is a frame");
        frame
    }

    /// Connections of one actor at one time.
    pub fn slots(&self, actor: usize) -> usize {
        if self.size.recovery && actor > 0 { 1 } else { self.size.connections }
    }

    /// What a connected session of the actor may say.
    pub fn words(&self, actor: usize) -> &'static [Word] {
        match self.size {
            Size { principals: true, .. } => Word::RIGHTS,
            Size { recovery: true, .. } if actor > 0 => Word::TALKING,
            Size { recovery: true, actors: 1, .. } => Word::RECOVERING,
            Size { recovery: true, .. } => Word::RECOVERING.split_last().expect("some").1,
            Size { sends: 0, .. } => Word::SILENT,
            Size { .. } => Word::TOKENLESS,
        }
    }

    pub fn addresses(&self) -> &[ActorAddress] {
        &self.addresses
    }

    pub fn name(&self, actor: usize) -> &'static str {
        NAMES[actor]
    }

    /// What an actor says that stands there.
    pub fn frame(&self, actor: usize, word: Word, now: Timestamp, at: Positions) -> ClientFrame {
        match word {
            Word::Connect | Word::Refresh | Word::Narrow if self.size.principals => {
                self.say(actor, word, now, at)
            }
            Word::Begin | Word::Return | Word::Rewind | Word::Recover => {
                self.say(actor, word, now, at)
            }
            _ => self.frames[actor][word as usize].clone(),
        }
    }
}

/// Nothing is limited but what is explored.
fn config(size: Size) -> Config {
    let plenty = Config::default();
    Config {
        connect_timeout: BEAT,
        idle_timeout: 2 * BEAT,
        resume_window: 2 * BEAT,
        slow_consumer_timeout: BEAT,
        ping_interval: FOR_EVER,
        close_timeout: FOR_EVER,
        dedupe_window: Duration::ZERO,
        rate_limit_per_second: 0,
        queue_messages_max: if size.sends == 0 { plenty.queue_messages_max } else { size.sends },
        recovery_messages_max: if size.recovery { KEPT } else { plenty.recovery_messages_max },
        ..plenty
    }
}

//! What stays the same throughout an exploration: who takes part, how the hub is set, what is said.

use std::time::Duration;

use signal_hub::hub::Config;
use signal_hub::protocol::{ActorAddress, ClientFrame};
use signal_hub::time::Timestamp;

use super::moves::Word;
use crate::history::Event;
use crate::invariants::{Shadow, Violation};
use crate::lower::{Issuer, Own, RawSession, address};

const NAMES: [&str; ACTORS_MAX] = ["alice", "bob", "carol", "dave"];
/// How many actors there are names for.
pub const ACTORS_MAX: usize = 4;
/// How many connections of one actor make sense.
pub const CONNECTIONS_MAX: usize = 4;

/// Time passes in steps of this length; every timeout is a small multiple of it.
pub const BEAT: Duration = Duration::from_secs(10);
/// How long a registration lives.
pub const REGISTRATION_TTL: Duration = Duration::from_secs(30);
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
}

/// See above.
pub struct Setting {
    pub size: Size,
    pub config: Config,
    pub check: Option<Check>,
    addresses: Vec<ActorAddress>,
    /// What each actor says, by [`Word::ALL`].
    frames: Vec<Vec<ClientFrame>>,
}

impl Setting {
    pub fn new(size: Size, check: Option<Check>) -> Self {
        let config = config(size.sends);
        let addresses: Vec<ActorAddress> =
            NAMES[..size.actors].iter().map(|n| address(n)).collect();
        let frames = (0..size.actors).map(|actor| frames(size, actor, &config)).collect();
        Self { size, config, check, addresses, frames }
    }

    pub fn addresses(&self) -> &[ActorAddress] {
        &self.addresses
    }

    pub fn name(&self, actor: usize) -> &'static str {
        NAMES[actor]
    }

    /// Whom the actor sends to: the next one.
    pub fn recipient(&self, actor: usize) -> &'static str {
        NAMES[(actor + 1) % self.size.actors]
    }

    pub fn frame(&self, actor: usize, word: Word) -> ClientFrame {
        self.frames[actor][word as usize].clone()
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

fn frames(size: Size, actor: usize, config: &Config) -> Vec<ClientFrame> {
    let (name, to) = (NAMES[actor], NAMES[(actor + 1) % size.actors]);
    let say = |word: &Word| {
        let hub = config.hub_address.clone();
        let mut session =
            RawSession::new(name, Own::new(name, Issuer::default()), hub, REGISTRATION_TTL);
        let (frame, _) =
            session.say(EPOCH, 0, None, &word.action(to)).expect("each word is a frame");
        frame
    };
    Word::ALL.iter().map(say).collect()
}

//! A hub as docs/PROTOCOL.md describes it, as plain as can be: nothing is indexed, and whatever has
//! to be known is looked for. It shares the words of the wire, the settings and the inputs with the
//! hub, and no code; tokens it reads as the judge does.

mod access;
mod directory;
mod messaging;
mod recovery;
mod registration;
pub mod requests;
mod speaking;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use signal_hub::auth::Principal;
use signal_hub::hub::{Config, Input, SessionKey, Written};
use signal_hub::protocol::{
    ActorAddress, Body, CloseReason, DisconnectNotice, Epoch, Json, MessageId, Notice, Outgoing,
    RenewalToken, Reply, SessionId, SubscriptionId, Topic, Verb,
};
use signal_hub::time::Timestamp;
use signal_hub_sim::invariants::{Grant, TokenReader};

/// What a session gets to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Without its id, which is drawn at random, and without words that are for people alone.
    Message(Outgoing),
    Closed(CloseReason),
    /// The same, in a while.
    LetGo(CloseReason),
}

/// What each session gets to see because of one input.
pub type Told = BTreeMap<SessionKey, Vec<Said>>;

/// What the hub drew at random in answer to one input, as far as a session saw it.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    pub session: Option<SessionId>,
    pub token: Option<RenewalToken>,
    pub subscription: Option<SubscriptionId>,
    pub epoch: Option<Epoch>,
}

/// The hub that ought to be.
pub struct Model {
    config: Config,
    /// None: everybody may connect.
    reader: Option<TokenReader>,
    now: Timestamp,
    drawn: Drawn,
    /// Those that are not over.
    sessions: BTreeMap<SessionKey, Session>,
    /// Over; the end of the connection is not reported yet.
    parting: BTreeSet<SessionKey>,
    /// Live and detached ones.
    registrations: BTreeMap<ActorAddress, Registration>,
    /// All renewal tokens that anybody ever saw.
    tokens: BTreeSet<RenewalToken>,
    /// All epochs that anybody ever saw.
    epochs: BTreeSet<Epoch>,
    /// The oldest first.
    outcomes: Vec<Outcome>,
    figures: Figures,
    stopping: bool,
    told: Told,
    /// Copies of the present message, handed over or not, and those that it brings back or ends.
    copies: usize,
    /// What the request that is carried out weighs by the registrations that it looked at.
    scanned: usize,
}

#[derive(Default)]
struct Session {
    connected: bool,
    /// What its token grants, if it had to show one.
    grant: Option<Grant>,
    /// The earliest first.
    addresses: Vec<ActorAddress>,
    claimed: Option<ActorAddress>,
    /// Where it comes from.
    peer: Option<IpAddr>,
    opened: Timestamp,
    heard: Timestamp,
    /// The outgoing queue.
    messages: usize,
    bytes: usize,
    /// When the queue came to its bound, if it is there.
    stuck: Option<Timestamp>,
    /// Since when nothing has left a queue that others pause for.
    still: Option<Timestamp>,
    /// How many messages left the queue in each second since 1970.
    written: BTreeMap<u64, usize>,
    /// Who does not keep up with this one, if it was told to pause.
    paused_for: Option<SessionKey>,
    /// Thousandths of a request times milliseconds: when all that was asked had flowed off.
    requests: u128,
    /// The same for what keeps it alive.
    pings: u128,
    /// When it was last told that it tells too much.
    scolded: Option<Timestamp>,
    malformed: Vec<Timestamp>,
}

struct Registration {
    /// None: detached.
    owner: Option<SessionKey>,
    /// When it expires or, detached, is forgotten.
    until: Timestamp,
    /// None: detached, or nobody has seen it.
    token: Option<RenewalToken>,
    /// The one that it was registered with: its owner may show it again.
    first_token: Option<RenewalToken>,
    version: u64,
    ttl: Duration,
    /// Whether each heartbeat of its owner is a renewal.
    renew_on_heartbeat: bool,
    /// Who has it, if the hub demands tokens.
    principal: Option<Principal>,
    /// Where its latest owner came from.
    peer: Option<IpAddr>,
    registered_at: Timestamp,
    capabilities: Vec<String>,
    metadata: Json,
    /// The id of a subscription is known once somebody has seen it.
    topics: BTreeMap<Topic, Option<SubscriptionId>>,
    /// What is kept for it, if it recovers.
    log: Option<recovery::Log>,
    /// The latest epoch that a takeover ended.
    taken_over: Option<Epoch>,
}

/// What became of an ask that may come again.
struct Outcome {
    from: ActorAddress,
    principal: Option<Principal>,
    id: MessageId,
    verb: Verb,
    at: Timestamp,
    reply: Reply,
}

/// Counted since the beginning of the present minute.
#[derive(Default)]
struct Figures {
    minute: u64,
    received: u64,
    sent: u64,
    errors: u64,
    opened: u64,
    closed: u64,
}

/// In the order in which those go that are due at the same moment.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Connect(SessionKey),
    Idle(SessionKey),
    Stuck(SessionKey),
    Address(ActorAddress),
    Token(SessionKey),
}

/// What becomes of the addresses of a session that is over.
#[derive(Clone, Copy)]
enum Fate {
    Detached,
    Forgotten,
}

impl Model {
    /// A hub that demands the tokens that this reads, or lets everybody in.
    pub fn new(config: Config, reader: Option<TokenReader>) -> Self {
        Self {
            config,
            reader,
            now: Timestamp::default(),
            drawn: Drawn::default(),
            sessions: BTreeMap::new(),
            parting: BTreeSet::new(),
            registrations: BTreeMap::new(),
            tokens: BTreeSet::new(),
            epochs: BTreeSet::new(),
            outcomes: Vec::new(),
            figures: Figures::default(),
            stopping: false,
            told: Told::new(),
            copies: 0,
            scanned: 0,
        }
    }

    /// What each session must get to see; `drawn` is what the hub has drawn for that.
    pub fn handle(&mut self, now: Timestamp, input: &Input, drawn: Drawn) -> Told {
        (self.now, self.drawn) = (now, drawn);
        let minute = now.as_millis() / 60_000;
        if self.figures.minute != minute {
            self.figures = Figures { minute, ..Figures::default() };
        }
        if let Input::Late(by) = input {
            self.put_off(*by);
        }
        self.expire();
        self.age();
        match input {
            Input::Opened(key, peer) => self.opened(*key, peer.address.ip()),
            Input::Frame(key, frame) => self.frame(*key, frame),
            Input::Alive(key) => self.alive(*key),
            Input::Drained(key, written) => self.drained(*key, written),
            Input::Closed(key, _) => self.gone(*key),
            Input::Restored(_) => unreachable!("it has no store"),
            Input::Tick | Input::Late(_) => {}
            Input::Shutdown => self.shutdown(),
        }
        std::mem::take(&mut self.told)
    }

    /// While the hub stands still for more than a second, no time passes for what may end.
    fn put_off(&mut self, by: Duration) {
        if by <= Duration::from_secs(1) {
            return;
        }
        for session in self.sessions.values_mut() {
            session.opened = session.opened + by;
            session.heard = session.heard + by;
            for since in [&mut session.stuck, &mut session.still].into_iter().flatten() {
                *since = *since + by;
            }
        }
        for registration in self.registrations.values_mut() {
            registration.until = registration.until + by;
            registration.log.iter_mut().for_each(|log| log.put_off(by));
        }
    }

    fn expire(&mut self) {
        while let Some((_, due)) = self.agenda().filter(|(at, _)| *at <= self.now).min() {
            match due {
                Due::Connect(key) => self.close(key, CloseReason::ConnectTimeout),
                Due::Idle(key) => self.close(key, CloseReason::IdleTimeout),
                Due::Stuck(key) => self.close(key, CloseReason::SlowConsumer),
                Due::Address(address) => self.address_due(&address),
                Due::Token(key) => self.close(key, CloseReason::TokenExpired),
            }
        }
    }

    fn agenda(&self) -> impl Iterator<Item = (Timestamp, Due)> {
        let config = &self.config;
        let sessions = self.sessions.iter().flat_map(|(key, session)| {
            let connect = session.opened + config.connect_timeout;
            let idle = session.heard + config.idle_timeout;
            let stuck = [session.stuck, session.still].into_iter().flatten().min();
            let stuck = stuck.map(|since| since + config.slow_consumer_timeout);
            let connect = (!session.connected).then_some((connect, Due::Connect(*key)));
            let stuck = stuck.map(|at| (at, Due::Stuck(*key)));
            let token = session.grant.as_ref().map(|grant| (grant.expires_at, Due::Token(*key)));
            [connect, Some((idle, Due::Idle(*key))), stuck, token].into_iter().flatten()
        });
        let addresses = self.registrations.iter();
        sessions.chain(addresses.map(|(address, row)| (row.until, Due::Address(address.clone()))))
    }

    fn opened(&mut self, key: SessionKey, peer: IpAddr) {
        let full = self.sessions.len() + self.parting.len() >= self.config.sessions_max;
        let (opened, heard, peer) = (self.now, self.now, Some(peer));
        let session = Session { opened, heard, peer, ..Session::default() };
        self.sessions.insert(key, session);
        self.figures.opened += 1;
        if self.stopping {
            self.close(key, CloseReason::ServerShutdown);
        } else if full {
            self.close(key, CloseReason::HubFull);
        }
    }

    fn alive(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.heard = self.now;
        }
    }

    fn drained(&mut self, key: SessionKey, written: &Written) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.messages = session.messages.saturating_sub(written.messages);
        session.bytes = session.bytes.saturating_sub(written.bytes);
        *session.written.entry(self.now.as_millis() / 1_000).or_default() += written.messages;
        if session.has_room(Outgoing::ENVELOPE_WEIGHT, &self.config) {
            session.stuck = None;
        }
        let deep = session.messages >= self.config.resume_threshold;
        session.still = deep.then_some(self.now);
        let own: BTreeSet<ActorAddress> = session.addresses.iter().cloned().collect();
        own.iter().for_each(|address| self.replay(address));
        if self.sessions[&key].messages < self.config.resume_threshold {
            self.resume_those_paused_for(key);
        }
    }

    /// The connection is gone.
    fn gone(&mut self, key: SessionKey) {
        self.figures.closed += 1;
        self.parting.remove(&key);
        self.end(key, Fate::Detached);
    }

    fn close(&mut self, key: SessionKey, why: CloseReason) {
        if !self.sessions.contains_key(&key) {
            return;
        }
        self.told.entry(key).or_default().push(Said::Closed(why));
        self.parting.insert(key);
        match why {
            CloseReason::ClientDisconnect | CloseReason::ServerShutdown => {
                self.end(key, Fate::Forgotten);
            }
            CloseReason::TooManyMalformed
            | CloseReason::MessageTooLarge
            | CloseReason::InvalidConnect
            | CloseReason::InternalError
            | CloseReason::SlowConsumer
            | CloseReason::HubFull
            | CloseReason::Unauthorized
            | CloseReason::TokenExpired
            | CloseReason::VersionMismatch
            | CloseReason::DuplicateConnection
            | CloseReason::IdleTimeout
            | CloseReason::ConnectTimeout => self.end(key, Fate::Detached),
        }
    }

    fn end(&mut self, key: SessionKey, fate: Fate) {
        let Some(session) = self.sessions.remove(&key) else { return };
        for address in session.addresses {
            match fate {
                Fate::Detached => self.detach(&address),
                Fate::Forgotten => self.forget(&address),
            }
        }
        self.resume_those_paused_for(key);
    }

    fn shutdown(&mut self) {
        self.stopping = true;
        let sessions: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for key in sessions {
            let notice = DisconnectNotice {
                reason: DisconnectNotice::SERVER_SHUTDOWN.to_owned(),
                message: String::new(),
            };
            let (to, body) = (self.reply_address(key), Body::Notice(Notice::Disconnect(notice)));
            self.send_and_close(key, to, body, CloseReason::ServerShutdown);
        }
        self.registrations.clear();
    }
}

impl Session {
    /// Returns whether the queue is below its bound, taken so many times, with such a message in it. An
    /// empty one takes any.
    fn fits(&self, weight: usize, config: &Config, times: usize) -> bool {
        self.messages == 0
            || self.messages < times * config.queue_messages_max
                && self.bytes + weight <= times * config.queue_bytes_max
    }

    /// Returns whether application data may join the queue.
    fn has_room(&self, weight: usize, config: &Config) -> bool {
        self.fits(weight, config, 1)
    }
}

//! What a client decides: a function from (state, now, input) to outputs, without I/O.
//!
//! Addresses and topics are wishes: `actors` keeps them, and `registration` makes each session
//! agree with them. All other commands are errands: they wait until they may be written, are
//! written once, and end once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    ClientConfig, ClientError, Command, CommandId, Dice, DisconnectReason, Ending, Event, NoToken,
    Outcome,
};
use crate::protocol::codec::{HubFrame, InvalidHubFrame};
use crate::protocol::{
    ActorAddress, AuthToken, ClientFrame, MessageId, Pattern, Request, SessionId, Verb,
};
use crate::time::Timestamp;

mod actors;
mod deadlines;

mod asks;
mod commands;
mod connection;
mod errands;
mod frames;
mod recovering;
mod registration;
mod token;

#[cfg(test)]
mod tests;

use actors::Actors;
use asks::Purpose;
use deadlines::{Deadlines, Owner};
use errands::Waiting;
use token::Token;

/// What happens to a client.
#[derive(Debug)]
pub enum Input {
    /// The first input, given once.
    Start,
    /// The transport that [`Output::Connect`] asked for is open.
    Opened,
    /// The hub sent a frame.
    Frame(Result<HubFrame, InvalidHubFrame>),
    /// Bytes came from the hub that make no frame of this protocol.
    Alive,
    /// Bytes came of a frame that is not whole yet.
    Part {
        /// Whether they are the frame's first.
        first: bool,
        /// The frame's bytes, as its headers declare so far.
        declared: u64,
    },
    /// The transport, or the attempt to open one, ended.
    Lost(DisconnectReason),
    /// The answer to [`Output::RequestToken`].
    Token(Result<AuthToken, NoToken>),
    /// The user gave a command. Ids ascend.
    Command(CommandId, Command),
    /// Time passed.
    Tick,
    /// Time passed while the shell could not read, so the hub's silence proves nothing.
    Stalled,
    /// The user dropped all handles.
    Stop,
}

/// What the shell is to do for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Ask the token's source. [`Input::Token`] answers; an earlier answer is not wanted any more.
    RequestToken,
    /// Open a transport. [`Input::Opened`] or [`Input::Lost`] answers.
    Connect,
    /// Write a frame to the open transport.
    Send(ClientFrame),
    /// Close the transport, or give up the attempt to open one. Its inputs end.
    CloseTransport,
    /// Tell the user.
    Event(Event),
    /// Answer a command. Each gets exactly one answer.
    Resolve(CommandId, Result<Outcome, ClientError>),
}

/// The state of one client.
#[derive(Debug)]
pub struct ClientState {
    config: ClientConfig,
    dice: Dice,
    /// The sender while the client wants no address.
    anonymous: ActorAddress,
    token: Token,
    phase: Phase,
    /// Failed attempts since a session lasted.
    failures: u32,
    actors: Actors,
    /// Asks that are written, but not answered yet.
    asks: BTreeMap<MessageId, Purpose>,
    /// Commands that are not written yet.
    waiting: BTreeMap<CommandId, Waiting>,
    deadlines: Deadlines,
    outputs: Vec<Output>,
}

#[derive(Debug)]
enum Phase {
    New,
    /// The token's source is asked.
    Authorizing,
    /// The shell is opening a transport.
    Connecting,
    /// `hub:connect` is under way.
    Greeting,
    Connected(Session),
    /// Only the hub's close frame is still to come.
    Closing {
        session: SessionId,
        why: Ending,
    },
    /// Between two attempts.
    Pausing,
    Ended(Ending),
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    heartbeat_interval: Duration,
    /// Bytes.
    max_message_size: usize,
    supports_recovery: bool,
    silence_timeout: Duration,
    /// When the last sign of life came.
    heard: Timestamp,
    /// When the unfinished frame began.
    part_began: Timestamp,
    /// When the session was first ready: registered, if an address is wanted.
    settled: Option<Timestamp>,
    /// The hub asked that nothing be sent.
    is_paused: bool,
}

impl ClientState {
    /// A client that waits for [`Input::Start`].
    pub fn new(config: ClientConfig, mut dice: Dice) -> Self {
        let anonymous = ActorAddress::from_path(&format!("client/{}", dice.id()))
            .expect("a UUID is a valid segment");
        Self {
            actors: Actors::new(&config.actors),
            config,
            dice,
            anonymous,
            token: Token::default(),
            phase: Phase::New,
            failures: 0,
            asks: BTreeMap::new(),
            waiting: BTreeMap::new(),
            deadlines: Deadlines::default(),
            outputs: Vec::new(),
        }
    }

    /// First handles the deadlines due at `now`, then `input`.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> impl Iterator<Item = Output> {
        if let (Input::Stalled, Phase::Connected(session)) = (&input, &mut self.phase) {
            session.heard = now;
        }
        // A lost transport is gone already: a deadline that is due must not send on it.
        if let Input::Lost(why) = &input {
            self.lost(now, why.clone());
        }
        self.expire(now);
        if self.ending().is_none() {
            self.apply(now, input);
        } else if let Input::Command(id, _) = input {
            self.resolve(id, Err(ClientError::Ended));
        }
        self.outputs.drain(..)
    }

    /// When the client next needs an [`Input::Tick`].
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    /// Why the client has ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        match self.phase {
            Phase::Ended(why) => Some(why),
            Phase::New
            | Phase::Authorizing
            | Phase::Connecting
            | Phase::Greeting
            | Phase::Connected(_)
            | Phase::Closing { .. }
            | Phase::Pausing => None,
        }
    }

    fn apply(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Start => self.connect(now),
            Input::Opened => self.opened(now),
            Input::Frame(frame) => self.frame(now, frame),
            Input::Token(answer) => self.token_came(now, answer),
            Input::Command(id, command) => self.command(now, id, command),
            Input::Alive => self.heard(now),
            Input::Part { first, declared } => self.part(now, first, declared),
            Input::Tick | Input::Stalled | Input::Lost(_) => {}
            Input::Stop => self.stop(),
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some(owner) = self.deadlines.pop_due(now) {
            self.expired(now, owner);
        }
    }

    fn expired(&mut self, now: Timestamp, owner: Owner) {
        match owner {
            Owner::Phase => self.phase_expired(now),
            Owner::Heartbeat => self.heartbeat(now),
            Owner::Silence => self.silence_expired(now),
            Owner::Token => self.token_due(now),
            Owner::Ask(id) => self.ask_expired(now, &id),
            Owner::Waiting(id) => self.waiting_expired(id),
            Owner::Registration(address) => self.registration_due(now, &address),
            Owner::Topics(address) => self.restore_topics(now, &address),
        }
    }

    fn request(
        &mut self,
        now: Timestamp,
        from: ActorAddress,
        pattern: Pattern,
        verb: Verb,
    ) -> Request {
        let (id, to) = (self.dice.id().into(), self.config.hub_address.clone());
        Request::new(id, from, to, pattern, now, verb)
    }

    /// The sender where none is named.
    fn first_address(&self) -> ActorAddress {
        self.actors.first().unwrap_or(&self.anonymous).clone()
    }

    fn send(&mut self, request: Request) {
        self.outputs.push(Output::Send(ClientFrame::Request(Arc::new(request))));
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push(Output::Event(event));
    }

    fn resolve(&mut self, id: CommandId, result: Result<Outcome, ClientError>) {
        self.outputs.push(Output::Resolve(id, result));
    }
}

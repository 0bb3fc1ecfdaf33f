//! Decides what a client does with its transport, its callers and its events, without a stream, a
//! task or a clock: its shell passes in what came and carries out the decisions. What is said to the
//! hub is decided by [`ClientState`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::state::{self, ClientState, Input};
use super::{
    ClientConfig, ClientError, CommandId, Dice, DisconnectReason, Ending, Event, Outcome,
    TransportChange,
};
use crate::protocol::ClientFrame;
use crate::time::Timestamp;

/// What the shell is to do.
#[derive(Debug)]
pub enum Output<C> {
    /// Tell an observer that the transport changed.
    Changed(TransportChange),
    /// Tell an observer that a frame is to be written, as [`LinkState::next_frame`] will return it.
    Sent(ClientFrame),
    /// Ask the token's source instead of whatever it is asked. [`Input::Token`] answers.
    RequestToken,
    /// Open a transport. [`Input::Opened`] or [`Input::Lost`] answers.
    Dial,
    /// Drop the transport, or the attempt to open one.
    Drop,
    /// Close the transport aside, and drop it if that takes too long. Nothing more is read.
    Close {
        /// What to write before the close frame.
        last: VecDeque<ClientFrame>,
        /// The time for all of it.
        timeout: Duration,
    },
    /// Tell a caller what became of the command.
    Resolve(C, Result<Outcome, ClientError>),
}

/// Whether to read what the hub sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Read on.
    Open,
    /// Read nothing until the events are taken.
    Stalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Down,
    Dialling,
    Up,
}

/// One client, from its start to its end; `C` is how a caller is told.
#[derive(Debug)]
pub struct LinkState<C> {
    state: ClientState,
    outgoing_messages_max: usize,
    command_queue_max: usize,
    close_timeout: Duration,
    transport: Transport,
    outgoing: VecDeque<ClientFrame>,
    callers: BTreeMap<CommandId, C>,
    commands: u64,
    /// Commands that may be taken before the shell looks for something to read.
    commands_left: usize,
    events: VecDeque<Event>,
    outputs: VecDeque<Output<C>>,
    /// Empty; kept for its room.
    decided: Vec<state::Output>,
}

impl<C> LinkState<C> {
    /// A client that waits for [`Input::Start`].
    pub fn new(config: ClientConfig, dice: Dice) -> Self {
        Self {
            outgoing_messages_max: config.outgoing_messages_max,
            command_queue_max: config.command_queue_max,
            close_timeout: config.close_timeout,
            state: ClientState::new(config, dice),
            transport: Transport::Down,
            outgoing: VecDeque::new(),
            callers: BTreeMap::new(),
            commands: 0,
            commands_left: 0,
            events: VecDeque::new(),
            outputs: VecDeque::new(),
            decided: Vec::new(),
        }
    }

    /// Takes what happened. `to_wall` translates `now`'s clock to the wall clock, by which requests
    /// are dated, because that is what the hub compares with its own.
    pub fn handle(
        &mut self,
        now: Timestamp,
        to_wall: impl Fn(Timestamp) -> Timestamp,
        input: Input,
    ) {
        let mut lost = None;
        let input = match input {
            Input::Lost(_) if self.transport == Transport::Down => return,
            Input::Lost(why) => {
                lost = Some(why.clone());
                Input::Lost(why)
            }
            Input::Opened => {
                self.transport = Transport::Up;
                self.outputs.push_back(Output::Changed(TransportChange::Up));
                Input::Opened
            }
            Input::Tick if self.reading() == Reading::Stalled => Input::Stalled,
            other => other,
        };
        self.commands_left = match input {
            // A busy hub must not keep the client's own user waiting.
            Input::Opened | Input::Frame(_) | Input::Alive | Input::Part { .. } => 1,
            Input::Lost(_) => 1,
            Input::Command(..) => self.commands_left,
            Input::Start | Input::Token(_) | Input::Tick | Input::Stalled | Input::Stop => 0,
        };
        let mut decided = std::mem::take(&mut self.decided);
        decided.extend(self.state.handle(now, input));
        if let Some(why) = lost {
            self.lost(why);
        }
        for output in decided.drain(..) {
            self.carry_out(output, &to_wall);
        }
        self.decided = decided;
        if self.state.ending().is_some() {
            self.callers.clear();
        }
    }

    fn lost(&mut self, why: DisconnectReason) {
        let closed_by_hub = matches!(why, DisconnectReason::Closed { .. });
        self.outputs.push_back(Output::Changed(TransportChange::Lost(why)));
        if closed_by_hub {
            self.close();
        } else {
            self.outgoing.clear();
            self.transport = Transport::Down;
            self.outputs.push_back(Output::Drop);
        }
    }

    fn carry_out(&mut self, output: state::Output, to_wall: impl Fn(Timestamp) -> Timestamp) {
        match output {
            state::Output::RequestToken => self.outputs.push_back(Output::RequestToken),
            state::Output::Connect => {
                self.transport = Transport::Dialling;
                self.outputs.push_back(Output::Changed(TransportChange::Dialling));
                self.outputs.push_back(Output::Dial);
            }
            state::Output::Send(mut frame) => {
                assert_eq!(self.transport, Transport::Up, "the state sends on an open transport");
                if let ClientFrame::Request(request) = &mut frame {
                    let timestamp = to_wall(request.timestamp);
                    Arc::make_mut(request).timestamp = timestamp;
                }
                self.outputs.push_back(Output::Sent(frame.clone()));
                self.outgoing.push_back(frame);
            }
            state::Output::CloseTransport => {
                self.outputs.push_back(Output::Changed(TransportChange::Abandoned));
                self.close();
            }
            state::Output::Event(event) => self.events.push_back(event),
            state::Output::Resolve(id, result) => {
                let caller = self.callers.remove(&id);
                self.outputs.extend(caller.map(|caller| Output::Resolve(caller, result)));
            }
        }
    }

    /// A client that has ended still writes what it took; to any other, it is lost.
    fn close(&mut self) {
        let mut last = std::mem::take(&mut self.outgoing);
        if self.state.ending().is_none() {
            last.clear();
        }
        let is_up = std::mem::replace(&mut self.transport, Transport::Down) == Transport::Up;
        let timeout = self.close_timeout;
        self.outputs.push_back(if is_up { Output::Close { last, timeout } } else { Output::Drop });
    }

    /// What to do next.
    pub fn next_output(&mut self) -> Option<Output<C>> {
        self.outputs.pop_front()
    }

    /// The next frame to write to the open transport.
    pub fn next_frame(&mut self) -> Option<ClientFrame> {
        self.outgoing.pop_front()
    }

    /// The next event for the user. While there are any, nothing is read from the hub.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether to read what the hub sends, which [`LinkState::next_event`] decides.
    pub fn reading(&self) -> Reading {
        if self.events.is_empty() { Reading::Open } else { Reading::Stalled }
    }

    /// Nothing is there to be read: many commands may be taken, so that they make one write.
    pub fn idle(&mut self) {
        self.commands_left = self.command_queue_max + 1;
    }

    /// Returns whether the client takes a command now.
    pub fn takes_commands(&self) -> bool {
        let has_room = self.outgoing.len() < self.outgoing_messages_max;
        has_room && self.commands_left > 0 && self.state.ending().is_none()
    }

    /// Numbers a command, which [`Input::Command`] is to pass in next.
    pub fn take_command(&mut self, caller: C) -> CommandId {
        let id = CommandId(self.commands);
        self.commands += 1;
        self.commands_left = self.commands_left.saturating_sub(1);
        self.callers.insert(id, caller);
        id
    }

    /// When the client next needs an [`Input::Tick`].
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.state.next_deadline()
    }

    /// Why the client has ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.state.ending()
    }
}

#[cfg(test)]
mod tests;

//! The task behind a [`Client`](super::Client): it tells the state what happens and does what the
//! state decides.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::link::{Happening, Link};
use super::state::{ClientState, Input, Output};
use super::transport::{Reading, Transport, Unwritten};
use super::{
    ClientConfig, ClientError, Command, CommandId, Dice, DisconnectReason, Event, Observer,
    Outcome, TransportChange,
};
use crate::protocol::ClientFrame;
use crate::protocol::codec::{decode_hub_frame, encode_client_frame};
use crate::runtime::{Alarm, Runtime, SteadyClock};
use crate::time::Timestamp;

/// What a handle orders its driver to do.
#[derive(Debug)]
pub(super) enum Order {
    Command(Command, oneshot::Sender<Result<Outcome, ClientError>>),
    DropConnection,
}

pub(super) struct Driver<R: Runtime, O> {
    runtime: R,
    clock: SteadyClock<R>,
    config: ClientConfig,
    state: ClientState,
    observer: O,
    link: Link,
    orders: mpsc::Receiver<Order>,
    callers: BTreeMap<CommandId, oneshot::Sender<Result<Outcome, ClientError>>>,
    commands: u64,
    events: mpsc::Sender<Event>,
    /// Events that found no room in the queue. While there are any, nothing is read from the hub.
    overflow: VecDeque<Event>,
    alarm: Alarm<Timestamp, Pin<Box<R::Sleep>>>,
    /// The transport of an ended client, which is still to be closed.
    last: Option<Box<Transport>>,
}

enum Wake {
    Link(Happening),
    Alarm,
    /// None: all handles are dropped.
    Order(Option<Order>),
    /// The event queue has room again, or its reader is gone.
    EventRoom,
}

impl<R: Runtime, O: Observer> Driver<R, O> {
    pub(super) fn new(
        runtime: R,
        config: ClientConfig,
        observer: O,
        orders: mpsc::Receiver<Order>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let clock = SteadyClock::new(runtime.clone());
        Self {
            state: ClientState::new(config.clone(), Dice::new(runtime.random_seed())),
            config,
            observer,
            link: Link::Down,
            orders,
            callers: BTreeMap::new(),
            commands: 0,
            events,
            overflow: VecDeque::new(),
            alarm: Alarm::default(),
            last: None,
            runtime,
            clock,
        }
    }

    /// Runs until the client has ended.
    pub(super) async fn run(mut self) {
        self.handle(Input::Start);
        while self.state.ending().is_none() {
            self.alarm.set(self.state.next_deadline(), |at| {
                Box::pin(self.runtime.sleep(at.since(self.clock.now())))
            });
            match self.wake().await {
                Wake::Link(happening) => {
                    self.happened(happening);
                    // A busy hub must not keep the client's own user waiting.
                    if let Some(order) = self.next_order() {
                        self.obey(order);
                    }
                }
                Wake::Alarm => self.handle(match self.reading() {
                    Reading::Open => Input::Tick,
                    Reading::Stalled => Input::Stalled,
                }),
                Wake::Order(Some(order)) => self.obey_all(order),
                Wake::Order(None) => self.handle(Input::Stop),
                Wake::EventRoom => self.pass_events_on(),
            }
        }
        self.finish().await;
    }

    async fn wake(&mut self) -> Wake {
        let (reading, has_room) = (self.reading(), self.has_room());
        tokio::select! {
            biased;
            () = self.alarm.ring() => Wake::Alarm,
            happening = self.link.next(reading) => Wake::Link(happening),
            order = self.orders.recv(), if has_room => Wake::Order(order),
            _ = self.events.reserve(), if reading == Reading::Stalled => Wake::EventRoom,
        }
    }

    fn reading(&self) -> Reading {
        if self.overflow.is_empty() { Reading::Open } else { Reading::Stalled }
    }

    fn has_room(&self) -> bool {
        self.link.queued() < self.config.outgoing_messages_max
    }

    fn happened(&mut self, happening: Happening) {
        let now = self.clock.now();
        match happening {
            Happening::Opened(transport) => {
                self.link = Link::Up(transport);
                self.observer.transport(now, &TransportChange::Up);
                self.handle(Input::Opened);
            }
            Happening::Frame(bytes) => {
                let frame = decode_hub_frame(&bytes);
                if let Ok(frame) = &frame {
                    self.observer.received(now, frame);
                }
                self.handle(Input::Frame(frame));
            }
            Happening::Alive => self.handle(Input::Alive),
            Happening::Part { first, declared } => self.handle(Input::Part { first, declared }),
            Happening::Lost(why) => self.lost(why),
        }
    }

    fn lost(&mut self, why: DisconnectReason) {
        let link = std::mem::replace(&mut self.link, Link::Down);
        self.observer.transport(self.clock.now(), &TransportChange::Lost(why.clone()));
        let closed_by_hub = matches!(why, DisconnectReason::Closed { .. });
        self.handle(Input::Lost(why));
        if let (true, Link::Up(transport)) = (closed_by_hub, link) {
            self.retire(transport);
        }
    }

    /// Takes many orders at once, so that they make one write.
    fn obey_all(&mut self, first: Order) {
        self.obey(first);
        for _ in 0..self.config.command_queue_max {
            let Some(order) = self.next_order() else { return };
            self.obey(order);
        }
    }

    fn next_order(&mut self) -> Option<Order> {
        if self.has_room() { self.orders.try_recv().ok() } else { None }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Command(command, caller) => {
                let id = CommandId(self.commands);
                self.commands += 1;
                self.callers.insert(id, caller);
                self.handle(Input::Command(id, command));
            }
            Order::DropConnection => match self.link {
                Link::Down => {}
                Link::Dialling(_) | Link::Up(_) => self.lost(DisconnectReason::Dropped),
            },
        }
    }

    fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        let outputs: Vec<Output> = self.state.handle(now, input).collect();
        for output in outputs {
            match output {
                Output::Connect => self.connect(now),
                Output::Send(frame) => {
                    let frame = self.dated(frame);
                    self.observer.sent(now, &frame);
                    self.link.queue(encode_client_frame(&frame));
                }
                Output::CloseTransport => self.close_transport(now),
                Output::Event(event) => self.overflow.push_back(event),
                Output::Resolve(id, result) => {
                    if let Some(caller) = self.callers.remove(&id) {
                        // The caller may have given up.
                        let _ = caller.send(result);
                    }
                }
            }
        }
        self.pass_events_on();
    }

    /// Dates a request by the wall clock, which is what the hub compares with its own.
    fn dated(&self, mut frame: ClientFrame) -> ClientFrame {
        if let ClientFrame::Request(request) = &mut frame {
            let timestamp = self.clock.to_wall(request.timestamp);
            Arc::make_mut(request).timestamp = timestamp;
        }
        frame
    }

    fn connect(&mut self, now: Timestamp) {
        self.observer.transport(now, &TransportChange::Dialling);
        let (runtime, hub) = (self.runtime.clone(), self.config.hub.clone());
        let trust = self.config.trust.clone();
        let dial = Transport::dial(runtime, hub, trust, self.config.frame_bytes_max);
        self.link = Link::Dialling(Box::pin(dial));
    }

    fn close_transport(&mut self, now: Timestamp) {
        self.observer.transport(now, &TransportChange::Abandoned);
        if let Link::Up(transport) = std::mem::replace(&mut self.link, Link::Down) {
            self.retire(transport);
        }
    }

    /// Closes a transport in the background; in this task, as its last work, if the client has
    /// ended.
    fn retire(&mut self, transport: Box<Transport>) {
        if self.state.ending().is_some() {
            self.last = Some(transport);
        } else {
            let runtime = self.runtime.clone();
            let timeout = self.config.close_timeout;
            self.runtime.spawn(close(runtime, timeout, *transport, Unwritten::Discard));
        }
    }

    fn pass_events_on(&mut self) {
        while let Some(event) = self.overflow.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    return self.overflow.push_front(event);
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return self.overflow.clear(),
            }
        }
    }

    async fn finish(self) {
        let Self { runtime, config, link, orders, callers, events, overflow, last, .. } = self;
        drop((link, orders, callers));
        let pass_events_on = async {
            for event in overflow {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        };
        let say_goodbye = async {
            if let Some(transport) = last {
                close(runtime, config.close_timeout, *transport, Unwritten::Write).await;
            }
        };
        tokio::join!(pass_events_on, say_goodbye);
    }
}

async fn close<R: Runtime>(
    runtime: R,
    timeout: Duration,
    transport: Transport,
    unwritten: Unwritten,
) {
    tokio::select! {
        biased;
        () = transport.close(unwritten) => {}
        () = runtime.sleep(timeout) => {}
    }
}

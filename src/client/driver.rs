//! The task behind a [`Client`](super::Client): it tells the state what happens and does what the
//! state decides.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::link::{LinkState, Output, Reading};
use super::state::Input;
use super::transport::{Arrival, Transport};
use super::{
    ClientConfig, ClientError, Command, Dice, DisconnectReason, Event, Observer, Outcome,
    TokenRequest, TokenSource,
};
use crate::protocol::ClientFrame;
use crate::protocol::codec::{decode_hub_frame, encode_client_frame};
use crate::runtime::{Alarm, Runtime, SteadyClock};
use crate::time::Timestamp;

type Caller = oneshot::Sender<Result<Outcome, ClientError>>;

/// What a handle orders its driver to do.
#[derive(Debug)]
pub(super) enum Order {
    Command(Command, Caller),
    DropConnection,
}

pub(super) struct Driver<R: Runtime, O> {
    runtime: R,
    clock: SteadyClock<R>,
    config: ClientConfig,
    state: LinkState<Caller>,
    observer: O,
    link: Link,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<Event>,
    alarm: Alarm<Timestamp, Pin<Box<R::Sleep>>>,
    token: Option<TokenRequest>,
    /// The end of an ended client's transport.
    closing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

enum Link {
    Down,
    Dialling(Pin<Box<dyn Future<Output = Result<Transport, DisconnectReason>> + Send>>),
    Up(Box<Transport>),
}

enum Wake {
    Input(Input),
    Order(Order),
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
        Self {
            clock: SteadyClock::new(runtime.clone()),
            state: LinkState::new(config.clone(), Dice::new(runtime.random_seed())),
            config,
            observer,
            link: Link::Down,
            orders,
            events,
            alarm: Alarm::default(),
            token: None,
            closing: None,
            runtime,
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
                Wake::Input(input) => self.handle(input),
                Wake::Order(order) => self.obey(order),
                Wake::EventRoom => {
                    self.pass_events_on();
                    continue;
                }
            }
            while self.state.takes_commands()
                && let Ok(order) = self.orders.try_recv()
            {
                self.obey(order);
            }
        }
        self.finish().await;
    }

    async fn wake(&mut self) -> Wake {
        let Self { state, link, orders, events, alarm, token, .. } = self;
        let reading = state.reading();
        state.idle();
        let mut event_room = pin!(events.reserve());
        poll_fn(|task| {
            if alarm.poll_ring(task).is_ready() {
                return Poll::Ready(Wake::Input(Input::Tick));
            }
            if let Some(Poll::Ready(answer)) = token.as_mut().map(|token| token.as_mut().poll(task))
            {
                *token = None;
                return Poll::Ready(Wake::Input(Input::Token(answer)));
            }
            if let Poll::Ready(input) = link.poll_next(task, reading, || state.next_frame()) {
                return Poll::Ready(Wake::Input(input));
            }
            // There may be room only now.
            if state.takes_commands()
                && let Poll::Ready(order) = orders.poll_recv(task)
            {
                // None: all handles are dropped.
                return Poll::Ready(order.map_or(Wake::Input(Input::Stop), Wake::Order));
            }
            match reading {
                Reading::Open => Poll::Pending,
                Reading::Stalled => event_room.as_mut().poll(task).map(|_| Wake::EventRoom),
            }
        })
        .await
    }

    fn obey(&mut self, order: Order) {
        let input = match order {
            Order::Command(command, caller) => {
                Input::Command(self.state.take_command(caller), command)
            }
            Order::DropConnection => Input::Lost(DisconnectReason::Dropped),
        };
        self.handle(input);
    }

    fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        if let Input::Frame(Ok(frame)) = &input {
            self.observer.received(now, frame);
        }
        self.state.handle(now, |moment| self.clock.to_wall(moment), input);
        while let Some(output) = self.state.next_output() {
            match output {
                Output::Changed(change) => self.observer.transport(now, &change),
                Output::Sent(frame) => self.observer.sent(now, &frame),
                Output::RequestToken => {
                    self.token = self.config.token_source.as_ref().map(TokenSource::request);
                }
                Output::Dial => {
                    let (runtime, hub) = (self.runtime.clone(), self.config.hub.clone());
                    let trust = self.config.trust.clone();
                    let dial = Transport::dial(runtime, hub, trust, self.config.frame_bytes_max);
                    self.link = Link::Dialling(Box::pin(dial));
                }
                Output::Drop => self.link = Link::Down,
                Output::Close { last, timeout } => self.close(last, timeout),
                Output::Resolve(caller, result) => {
                    // The caller may have given up.
                    let _ = caller.send(result);
                }
            }
        }
        self.pass_events_on();
    }

    /// Closes the transport in the background; in this task, as its last work, if the client has
    /// ended.
    fn close(&mut self, last: VecDeque<ClientFrame>, timeout: Duration) {
        let Link::Up(transport) = std::mem::replace(&mut self.link, Link::Down) else { return };
        let runtime = self.runtime.clone();
        let closing = async move {
            tokio::select! {
                biased;
                () = transport.close(last.into_iter().map(|frame| encode_client_frame(&frame))) => {}
                () = runtime.sleep(timeout) => {}
            }
        };
        if self.state.ending().is_some() {
            self.closing = Some(Box::pin(closing));
        } else {
            self.runtime.spawn(closing);
        }
    }

    fn pass_events_on(&mut self) {
        while self.state.reading() == Reading::Stalled {
            let room = match self.events.try_reserve() {
                Ok(room) => Some(room),
                Err(TrySendError::Full(())) => return,
                Err(TrySendError::Closed(())) => None,
            };
            if let (Some(event), Some(room)) = (self.state.next_event(), room) {
                room.send(event);
            }
        }
    }

    async fn finish(self) {
        let Self { mut state, link, orders, events, closing, .. } = self;
        drop((link, orders));
        let pass_events_on = async {
            while let Some(event) = state.next_event() {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        };
        let close = async {
            if let Some(closing) = closing {
                closing.await;
            }
        };
        tokio::join!(pass_events_on, close);
    }
}

impl Link {
    /// Writes what `next` returns and meanwhile waits for what happens; while the link is down,
    /// nothing does.
    fn poll_next(
        &mut self,
        task: &mut Context<'_>,
        reading: Reading,
        mut next: impl FnMut() -> Option<ClientFrame>,
    ) -> Poll<Input> {
        Poll::Ready(match self {
            Link::Down => return Poll::Pending,
            Link::Dialling(dial) => match ready!(dial.as_mut().poll(task)) {
                Ok(transport) => {
                    *self = Link::Up(Box::new(transport));
                    Input::Opened
                }
                Err(why) => Input::Lost(why),
            },
            Link::Up(transport) => {
                let next = || next().map(|frame| encode_client_frame(&frame));
                match ready!(transport.poll_next(task, reading, next)) {
                    Arrival::Frame(bytes) => Input::Frame(decode_hub_frame(&bytes)),
                    Arrival::Alive => Input::Alive,
                    Arrival::Part { first, declared } => Input::Part { first, declared },
                    Arrival::Lost(why) => Input::Lost(why),
                }
            }
        })
    }
}

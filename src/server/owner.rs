//! The only task that holds the hub. It takes the inputs that wait, queues what comes of them, and
//! then writes to each session that got something. It never waits for a session: what does not go at
//! once is left to the session's task, so a slow session delays nobody.

mod outboxes;
mod state;

use std::future::pending;
use std::mem;
use std::time::Duration;

use tokio::select;
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use tokio_util::sync::CancellationToken;

use super::keeper::{Keeper, StoreFigures};
use super::link::Link;
use super::metrics::Histogram;
use super::session::Farewell;
use super::{Observer, ServerLost, audit};
use crate::auth::Access;
use crate::cluster::engine::Request;
use crate::cluster::{LifePhase, engine};
use crate::hub::{Entry, Hub, Input, Output, Peer, SessionKey};
use crate::protocol::CloseReason;
use crate::runtime::{Alarm, Runtime, SteadyClock};
use crate::store::StoreError;
use crate::time::Timestamp;

use outboxes::Outboxes;
pub(super) use outboxes::{Line, Outbox};
pub use state::{LOOK_EVERY, OwnerState};

/// What a connection or the server tells the owner.
pub(super) enum Event {
    /// A WebSocket was accepted; its messages go to the outbox.
    Opened(SessionKey, Peer, Outbox),
    /// Anything else that the hub must hear.
    Input(Input),
    /// From now on this decides who may connect.
    Access(Access),
    /// The shutdown's time is over: close every open session, and every later one.
    CloseAll,
    /// Look at the hub in the owner's task; this should copy what it needs and return.
    Inspect(Question),
}

/// Looks at the hub.
pub(super) type Question = Box<dyn FnOnce(&Facts<'_>) + Send>;

/// What a question can look at.
pub(super) struct Facts<'a> {
    pub now: Timestamp,
    pub hub: &'a Hub,
    /// The time that inputs took.
    pub handling: &'a Histogram,
    pub store: Option<StoreFigures>,
    /// The time that writes to the store took.
    pub storing: &'a Histogram,
}

/// The hub and what it needs to act.
pub(super) struct Owner<R: Runtime, O> {
    runtime: R,
    clock: SteadyClock<R>,
    state: OwnerState,
    observer: O,
    outboxes: Outboxes,
    cluster: Option<InCluster>,
    handling: Histogram,
    storing: Histogram,
    /// Inputs that were handled since `handling` was told.
    handled: u32,
}

/// How a node ends.
#[derive(Clone, Default)]
pub(super) struct NodeEnds {
    /// Cancelled if another process runs under this node's name.
    pub superseded: CancellationToken,
    /// Cancelled once the hub has left its cluster.
    pub left: CancellationToken,
}

/// What the owner of a node has beside.
struct InCluster {
    link: Link,
    ends: NodeEnds,
}

impl<R: Runtime, O: Observer> Owner<R, O> {
    pub(super) fn new(runtime: R, clock: SteadyClock<R>, hub: Hub, observer: O) -> Self {
        let (now, looked) = (clock.now(), runtime.monotonic());
        Self {
            runtime,
            clock,
            state: OwnerState::new(hub, None, now, looked),
            observer,
            outboxes: Outboxes::new(),
            cluster: None,
            handling: Histogram::default(),
            storing: Histogram::default(),
            handled: 0,
        }
    }

    /// The same with a store, which holds these rows.
    pub(super) fn with_store(mut self, keeper: Keeper, entries: Vec<Entry>) -> Self {
        let (now, looked) = (self.state.now(), self.state.looked());
        self.state = OwnerState::new(self.state.hub, Some(keeper), now, looked);
        self.handle(Input::Restored(entries));
        self
    }

    /// The same for the hub of a node.
    pub(super) fn with_cluster(self, link: Link, ends: NodeEnds) -> Self {
        Self { cluster: Some(InCluster { link, ends }), ..self }
    }

    /// Feeds the hub until all senders of events are gone, or what it needs fails.
    pub(super) async fn run(mut self, events: mpsc::Receiver<Event>) -> Result<(), ServerLost> {
        self.feed(events).await?;
        self.state.take_keeper().map_or(Ok(()), Keeper::close)?;
        let Some(InCluster { link, ends }) = self.cluster else { return Ok(()) };
        select! {
            biased;
            () = link.finish() => {}
            () = self.runtime.sleep(self.state.hub.config().close_timeout) => {}
        }
        if ends.superseded.is_cancelled() { Err(ServerLost::Superseded) } else { Ok(()) }
    }

    async fn feed(&mut self, mut events: mpsc::Receiver<Event>) -> Result<(), ServerLost> {
        let (mut alarm, events_max) = (Alarm::default(), self.state.events_max());
        let (mut batch, mut heard) = (Vec::new(), Vec::new());
        loop {
            alarm.set(self.state.next_look(), |at| {
                Box::pin(self.runtime.sleep(at.since(self.state.now())))
            });
            // Events go first: each batch expires what is due, so they cannot delay deadlines.
            select! {
                biased;
                taken = events.recv_many(&mut batch, events_max) => match taken {
                    0 => return Ok(()),
                    _ => self.take_all(&mut batch)?,
                },
                turn = turn(&mut self.cluster, &mut heard) => turn?,
                () = alarm.ring() => self.tick()?,
            }
            self.hear_all(&mut heard);
            // Else the 128th session would have to finish its own write: tokio has a budget for what
            // one task may do in a turn.
            unconstrained(async { self.write_all() }).await?;
            self.ask_engine();
        }
    }

    /// The node hears of its engine, as often as there are inputs.
    fn hear_all(&mut self, heard: &mut Vec<engine::Event>) {
        self.ask_engine();
        let Some(cluster) = &mut self.cluster else { return };
        cluster.link.take_heard(heard);
        if heard.is_empty() {
            return;
        }
        self.look();
        for event in heard.drain(..) {
            self.hear(event);
            self.ask_engine();
        }
        self.tell_handling(self.state.looked());
    }

    fn hear(&mut self, event: engine::Event) {
        if event == engine::Event::Back
            && let Some(cluster) = &mut self.cluster
        {
            cluster.link.came_back();
        }
        self.handled += 1;
        let now = self.state.now();
        if !O::WATCHES {
            let outputs = self.state.hub.hear(now, event);
            return outputs.for_each(|output| self.outboxes.carry_out(now, output));
        }
        self.observer.hears(now, &event, &self.state.hub);
        let outputs: Vec<Output> = self.state.hub.hear(now, event).collect();
        self.observer.after(now, &outputs, &self.state.hub);
        outputs.into_iter().for_each(|output| self.outboxes.carry_out(now, output));
    }

    /// Asks what the hub asks of its engine, of what it has heard until now.
    fn ask_engine(&mut self) {
        let Some(InCluster { link, ends }) = &mut self.cluster else { return };
        if O::WATCHES {
            let requests: Vec<Request> = self.state.hub.requests().collect();
            self.observer.asks(self.state.now(), &requests, &self.state.hub);
            link.ask(requests.into_iter());
        } else {
            link.ask(self.state.hub.requests());
        }
        let Some(life) = self.state.hub.life() else { return };
        if life.is_superseded() {
            ends.superseded.cancel();
        }
        if life.phase() == LifePhase::Ended {
            ends.left.cancel();
        }
    }

    fn take_all(&mut self, events: &mut Vec<Event>) -> Result<(), StoreError> {
        self.look();
        self.state.hub.change_audit(O::WATCHES || audit::is_read());
        for event in events.drain(..) {
            self.take(event)?;
        }
        self.tell_handling(self.state.looked());
        self.store(|state| state.settle(Keeper::settle))
    }

    /// Writes rows, then does what waited for them.
    fn store(
        &mut self,
        settle: impl FnOnce(&mut OwnerState) -> Result<Vec<Output>, StoreError>,
    ) -> Result<(), StoreError> {
        let writes = |state: &OwnerState| state.keeper().map(|keeper| keeper.figures().writes);
        let Some(before) = writes(&self.state) else { return Ok(()) };
        let begin = self.runtime.monotonic();
        let outputs = settle(&mut self.state)?;
        if writes(&self.state) > Some(before) {
            self.storing.observe(self.runtime.monotonic().saturating_sub(begin), 1);
        }
        let now = self.state.now();
        outputs.into_iter().for_each(|output| self.outboxes.carry_out(now, output));
        Ok(())
    }

    /// Writes to each session that got something, and tells the hub what left.
    fn write_all(&mut self) -> Result<(), StoreError> {
        while !self.outboxes.dirty.is_empty() {
            let left = self.outboxes.write(self.state.looked(), self.state.now());
            let begin = self.runtime.monotonic();
            for input in left {
                self.handle(input);
            }
            self.tell_handling(begin);
            self.store(|state| state.settle(Keeper::settle))?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), StoreError> {
        match event {
            Event::Opened(key, peer, outbox) => {
                self.outboxes.by_key.insert(key, outbox);
                self.handle(Input::Opened(key, peer));
                if let Some(farewell) = self.state.farewell() {
                    self.outboxes.close(key, farewell);
                }
            }
            Event::Input(input) => {
                if let Input::Closed(key, _) = input {
                    self.outboxes.by_key.remove(&key);
                } else if let Input::Drained(key, _) = input
                    && let Some(outbox) = self.outboxes.by_key.get(&key)
                {
                    outbox.report_heard();
                }
                self.handle(input);
            }
            Event::Access(access) => self.state.hub.change_access(access),
            Event::CloseAll => {
                self.store(OwnerState::close_all)?;
                self.outboxes.close_all(Farewell::at_once(CloseReason::ServerShutdown));
            }
            Event::Inspect(question) => {
                let now = self.clock.now();
                question(&Facts {
                    now,
                    hub: &self.state.hub,
                    handling: &self.handling,
                    store: self.state.keeper().map(Keeper::figures),
                    storing: &self.storing,
                });
            }
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), StoreError> {
        self.look();
        if let Some(tick) = self.state.tick() {
            self.handle(tick);
        }
        self.tell_handling(self.state.looked());
        self.store(|state| state.settle(Keeper::settle))
    }

    /// Reads the clock. If that comes much too late, the hub hears of it first.
    fn look(&mut self) {
        let (now, at) = (self.clock.now(), self.runtime.monotonic());
        if let Some(input) = self.state.look(now, at) {
            if let Input::Late(late) = &input {
                let milliseconds = late.as_millis() as u64;
                tracing::warn!(milliseconds, "the process stood still: deadlines are put off");
            }
            self.handle(input);
        }
    }

    /// Inputs that were handled together since `begin` count at their mean.
    fn tell_handling(&mut self, begin: Duration) {
        let took = self.runtime.monotonic().saturating_sub(begin);
        self.handling.observe(took, mem::take(&mut self.handled));
    }

    fn handle(&mut self, input: Input) {
        self.handled += 1;
        let now = self.state.now();
        if !O::WATCHES && self.state.keeper().is_none() {
            let outputs = self.state.hub.handle(now, input);
            return outputs.for_each(|output| self.outboxes.carry_out(now, output));
        }
        self.observer.before(now, &input, &self.state.hub);
        let outputs: Vec<Output> = self.state.hub.handle(now, input).collect();
        self.observer.after(now, &outputs, &self.state.hub);
        let outputs = self.state.pass(outputs);
        outputs.into_iter().for_each(|output| self.outboxes.carry_out(now, output));
    }
}

async fn turn(
    cluster: &mut Option<InCluster>,
    heard: &mut Vec<engine::Event>,
) -> Result<(), ServerLost> {
    match cluster {
        Some(cluster) => cluster.link.turn(heard).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
